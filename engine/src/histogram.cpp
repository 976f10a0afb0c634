#include <cmath>

#include <zenwire/engine/histogram.hpp>

namespace zenwire {

// The missing values are an arithmetic progression. Bucket by bucket from the top, those within one
// are counted by a division: a value of a second at an interval of a nanosecond would otherwise
// take a thousand million steps.
template <unsigned Precision_bits>
void BasicHistogram<Precision_bits>::record_corrected(std::uint64_t value,
                                                      std::uint64_t interval) noexcept {
  record(value);
  value = last_;
  if (interval == 0) return;
  std::uint64_t missing = value;  // the last one recorded
  while (missing >= interval && missing - interval >= interval) {
    const std::uint64_t next = missing - interval;
    const std::uint64_t lowest = std::max(Scale::lowest_of(Scale::index_of(next)), interval);
    const std::uint64_t times = (next - lowest) / interval + 1;
    const std::uint64_t least = next - (times - 1) * interval;
    counts_[Scale::index_of(next)] += times;
    count_ += times;
    // Their mean is that of the first and the last; the product is even.
    sum_ += times % 2 == 0 ? times / 2 * (next + least) : (next + least) / 2 * times;
    min_ = std::min(min_, least);
    missing = least;
  }
}

template <unsigned Precision_bits>
void BasicHistogram<Precision_bits>::merge(const BasicHistogram& other) noexcept {
  for (std::size_t i = 0; i < counts_.size(); ++i) counts_[i] += other.counts_[i];
  count_ += other.count_;
  sum_ += other.sum_;
  saturated_ += other.saturated_;
  if (other.count_ != 0) last_ = other.last_;
  min_ = std::min(min_, other.min_);
  max_ = std::max(max_, other.max_);
}

template <unsigned Precision_bits>
void BasicHistogram<Precision_bits>::clear() noexcept {
  counts_.fill(0);
  count_ = sum_ = saturated_ = last_ = max_ = 0;
  min_ = ~std::uint64_t{0};
}

template <unsigned Precision_bits>
std::uint64_t BasicHistogram<Precision_bits>::percentile(double percent) const noexcept {
  ZW_ASSERT(percent >= 0 && percent <= 100);
  // 99.9 is no binary fraction: without the allowance, 99.9 percent of 1000 were more than 999.
  constexpr double kRounding = 1 - 1e-12;
  const double wanted = std::ceil(percent / 100 * static_cast<double>(count_) * kRounding);
  return value_at(std::max<std::uint64_t>(static_cast<std::uint64_t>(wanted), 1));
}

template <unsigned Precision_bits>
std::uint64_t BasicHistogram<Precision_bits>::value_at(std::uint64_t rank) const noexcept {
  ZW_ASSERT(rank >= 1);
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < counts_.size(); ++i) {
    seen += counts_[i];
    if (seen >= rank) return std::min(Scale::highest_of(i), max_);
  }
  return max_;
}

template class BasicHistogram<10>;
template class BasicHistogram<7>;

}  // namespace zenwire
