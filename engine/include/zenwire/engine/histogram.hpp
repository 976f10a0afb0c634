#pragma once

// Histogram: counts of values by size, log-linear (the scheme of HDR histograms): three significant
// digits of every value from 0 to 2^40 (18 minutes in nanoseconds), in 248 KiB that never grow.
// MethodHistogram: two significant digits in 34 KiB, where there is one for each of many methods.
//
// A value below 2048 (256) has a bucket of its own. Above, each power of two is cut into 1024 (128)
// equal buckets, so a bucket is at most 1/1024 (1/128) of its values wide. The index is a shift and
// an add.
//
// Thread: one writes; another may read a copy. Large: keep it off small stacks. Cost of record(): a
// count of leading zeros, a shift, and the sums; 2 ns when the bucket is in the cache.

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include <zenwire/base/assert.hpp>

namespace zenwire {

namespace detail {

// Values to buckets and back.
template <unsigned Precision_bits>
struct HistogramScale {
  static constexpr unsigned kPrecision_bits = Precision_bits;
  static constexpr unsigned kValue_bits = 40;
  static constexpr std::uint64_t kSteps = std::uint64_t{1} << kPrecision_bits;
  static constexpr std::uint64_t kValue_max = (std::uint64_t{1} << kValue_bits) - 1;
  // The first two powers share one linear stretch of 2 * kSteps buckets.
  static constexpr std::size_t kBuckets = kSteps * (kValue_bits - kPrecision_bits + 1);

  static constexpr std::size_t index_of(std::uint64_t value) noexcept {
    const auto width = static_cast<unsigned>(std::bit_width(value | (2 * kSteps - 1)));
    const unsigned shift = width - kPrecision_bits - 1;
    return static_cast<std::size_t>(shift * kSteps + (value >> shift));
  }
  static constexpr unsigned shift_of(std::size_t index) noexcept {
    return index < 2 * kSteps ? 0 : static_cast<unsigned>(index / kSteps - 1);
  }
  static constexpr std::uint64_t lowest_of(std::size_t index) noexcept {
    const unsigned shift = shift_of(index);
    return (index - shift * kSteps) << shift;
  }
  static constexpr std::uint64_t highest_of(std::size_t index) noexcept {
    return lowest_of(index) + (std::uint64_t{1} << shift_of(index)) - 1;
  }
};
template <typename Scale>
constexpr bool is_sound() noexcept {
  return Scale::index_of(0) == 0 && Scale::index_of(2 * Scale::kSteps) == 2 * Scale::kSteps &&
         Scale::index_of(Scale::kValue_max) == Scale::kBuckets - 1 &&
         Scale::highest_of(Scale::kBuckets - 1) == Scale::kValue_max;
}
static_assert(is_sound<HistogramScale<10>>() && is_sound<HistogramScale<7>>());

}  // namespace detail

template <unsigned Precision_bits>
class BasicHistogram {
 public:
  static constexpr unsigned kPrecision_bits = Precision_bits;
  static constexpr unsigned kValue_bits = detail::HistogramScale<Precision_bits>::kValue_bits;
  static constexpr std::uint64_t kValue_max = detail::HistogramScale<Precision_bits>::kValue_max;

  // A value above kValue_max counts as kValue_max, and in saturated().
  void record(std::uint64_t value) noexcept { record(value, 1); }
  void record(std::uint64_t value, std::uint64_t times) noexcept {
    if (value > kValue_max) [[unlikely]] {
      saturated_ += times;
      value = kValue_max;
    }
    counts_[Scale::index_of(value)] += times;
    count_ += times;
    sum_ += value * times;
    last_ = value;
    min_ = std::min(min_, value);
    max_ = std::max(max_, value);
  }

  // For a loop that was to take a value each `interval` and was held up by `value` itself: the
  // values that it could not take meanwhile (value - interval, value - 2 * interval, ... down to
  // the interval) are recorded as well, or the percentiles would leave out the very times that were
  // bad ("coordinated omission"). An interval of 0 records the value alone. Cost: a step per
  // missing value, at most one per bucket.
  void record_corrected(std::uint64_t value, std::uint64_t interval) noexcept;

  void merge(const BasicHistogram& other) noexcept;
  void clear() noexcept;

  // The smallest recorded value that at least `percent` of all values do not exceed: that value or
  // up to one bucket's width above it, never above max(). 0 if there is none. `percent`: 0 to 100.
  [[nodiscard]] std::uint64_t percentile(double percent) const noexcept;

  [[nodiscard]] std::uint64_t count() const noexcept { return count_; }
  // Exact; 0 if there is none.
  [[nodiscard]] std::uint64_t min() const noexcept { return count_ == 0 ? 0 : min_; }
  [[nodiscard]] std::uint64_t max() const noexcept { return max_; }
  [[nodiscard]] std::uint64_t last() const noexcept { return last_; }
  [[nodiscard]] std::uint64_t saturated() const noexcept { return saturated_; }
  [[nodiscard]] double mean() const noexcept {
    return count_ == 0 ? 0 : static_cast<double>(sum_) / static_cast<double>(count_);
  }

  // visit(low, high, count) for each bucket that holds something, smallest first: values from low
  // to high, both within.
  template <typename Visit>
  void for_each(Visit&& visit) const {
    for (std::size_t i = 0; i < counts_.size(); ++i) {
      if (counts_[i] != 0) visit(Scale::lowest_of(i), Scale::highest_of(i), counts_[i]);
    }
  }

 private:
  using Scale = detail::HistogramScale<Precision_bits>;

  [[nodiscard]] std::uint64_t value_at(std::uint64_t rank) const noexcept;

  std::uint64_t count_ = 0;
  std::uint64_t sum_ = 0;
  std::uint64_t saturated_ = 0;
  std::uint64_t last_ = 0;
  std::uint64_t min_ = ~std::uint64_t{0};
  std::uint64_t max_ = 0;
  std::array<std::uint64_t, Scale::kBuckets> counts_{};
};

extern template class BasicHistogram<10>;
extern template class BasicHistogram<7>;
using Histogram = BasicHistogram<10>;
using MethodHistogram = BasicHistogram<7>;

}  // namespace zenwire
