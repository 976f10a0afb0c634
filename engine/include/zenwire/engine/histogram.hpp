#pragma once

// Histogram: counts of values by size, log-linear (the scheme of HDR histograms): every value is
// kept to within 1 part in 512, from 0 to 2^42 (over an hour in nanoseconds), in 144 KiB that never
// grow.
//
// A value v below 1024 has a bucket of its own. Above, each power of two is cut into 512 equal
// buckets, so a bucket's width is at most v/512. The index is a shift and an add.
//
// Thread: one writes; another may read a copy. Cost of record(): a count of leading zeros, a shift,
// two adds.

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include <zenwire/base/assert.hpp>

namespace zenwire {

namespace detail {

// Values to buckets and back.
struct HistogramScale {
  static constexpr unsigned kPrecision_bits = 9;
  static constexpr unsigned kValue_bits = 42;
  static constexpr std::uint64_t kSteps = std::uint64_t{1} << kPrecision_bits;
  // The first two powers share one linear stretch of 2 * kSteps buckets.
  static constexpr std::size_t kBuckets = kSteps * (kValue_bits - kPrecision_bits + 1);

  static constexpr std::size_t index_of(std::uint64_t value) noexcept {
    const unsigned width = static_cast<unsigned>(std::bit_width(value | (2 * kSteps - 1)));
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
static_assert(HistogramScale::index_of(0) == 0 &&
              HistogramScale::index_of(2 * HistogramScale::kSteps - 1) ==
                  2 * HistogramScale::kSteps - 1 &&
              HistogramScale::index_of(2 * HistogramScale::kSteps) == 2 * HistogramScale::kSteps);
static_assert(HistogramScale::index_of((std::uint64_t{1} << HistogramScale::kValue_bits) - 1) ==
              HistogramScale::kBuckets - 1);
static_assert(HistogramScale::highest_of(HistogramScale::kBuckets - 1) ==
              (std::uint64_t{1} << HistogramScale::kValue_bits) - 1);

}  // namespace detail

class Histogram {
 public:
  static constexpr std::uint64_t kValue_max =
      (std::uint64_t{1} << detail::HistogramScale::kValue_bits) - 1;

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
  // values that it could not take meanwhile are recorded as well ("coordinated omission").
  void record_corrected(std::uint64_t value, std::uint64_t interval) noexcept {
    record(value);
    if (interval == 0) return;
    for (std::uint64_t missing = value; missing > interval;) {
      missing -= interval;
      record(missing);
    }
    last_ = std::min(value, kValue_max);
  }

  void merge(const Histogram& other) noexcept {
    for (std::size_t i = 0; i < counts_.size(); ++i) counts_[i] += other.counts_[i];
    count_ += other.count_;
    sum_ += other.sum_;
    saturated_ += other.saturated_;
    if (other.count_ != 0) last_ = other.last_;
    min_ = std::min(min_, other.min_);
    max_ = std::max(max_, other.max_);
  }

  void clear() noexcept { *this = Histogram(); }

  // The smallest recorded value (to within the precision, never below it, never above max()) that
  // at least `percent` of all values do not exceed. 0 if there is none. `percent`: 0 to 100.
  [[nodiscard]] std::uint64_t percentile(double percent) const noexcept {
    ZW_ASSERT(percent >= 0 && percent <= 100);
    const double exact = percent / 100 * static_cast<double>(count_);
    auto wanted = static_cast<std::uint64_t>(exact);
    if (static_cast<double>(wanted) < exact) ++wanted;
    return value_at(std::max<std::uint64_t>(wanted, 1));
  }

  [[nodiscard]] std::uint64_t count() const noexcept { return count_; }
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
  using Scale = detail::HistogramScale;

  [[nodiscard]] std::uint64_t value_at(std::uint64_t rank) const noexcept {
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < counts_.size(); ++i) {
      seen += counts_[i];
      if (seen >= rank) return std::min(Scale::highest_of(i), max_);
    }
    return max_;
  }

  std::uint64_t count_ = 0;
  std::uint64_t sum_ = 0;
  std::uint64_t saturated_ = 0;
  std::uint64_t last_ = 0;
  std::uint64_t min_ = ~std::uint64_t{0};
  std::uint64_t max_ = 0;
  std::array<std::uint64_t, Scale::kBuckets> counts_{};
};

}  // namespace zenwire
