#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <random>
#include <vector>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <zenwire/engine/histogram.hpp>
#include <zenwire/engine/latency.hpp>

namespace zenwire {
namespace {

using Scale = detail::HistogramScale<Histogram::kPrecision_bits>;

constexpr double kPercents[] = {0,  0.1, 1,    10,    25,     50,      75,       90,
                                95, 99,  99.9, 99.99, 99.999, 99.9999, 99.99999, 100};

// The smallest value that at least `percent` of all do not exceed, from all of them.
std::uint64_t exact_percentile(std::vector<std::uint64_t> values, double percent) {
  std::sort(values.begin(), values.end());
  for (std::size_t rank = 1; rank <= values.size(); ++rank) {
    const long double share =
        100.0L * static_cast<long double>(rank) / static_cast<long double>(values.size());
    if (share >= static_cast<long double>(percent) - 1e-9L) return values[rank - 1];
  }
  return values.back();
}

std::unique_ptr<Histogram> filled(const std::vector<std::uint64_t>& values) {
  auto histogram = std::make_unique<Histogram>();
  for (const std::uint64_t value : values) histogram->record(value);
  return histogram;
}

// Never below the exact value, above it by 1/1024 at most, and never above the maximum.
testing::AssertionResult agrees(const Histogram& histogram,
                                const std::vector<std::uint64_t>& values) {
  for (const double percent : kPercents) {
    const std::uint64_t exact = exact_percentile(values, percent);
    const std::uint64_t got = histogram.percentile(percent);
    if (got < exact || got - exact > exact / 1024 || got > histogram.max()) {
      return testing::AssertionFailure() << percent << " %: " << got << " for " << exact;
    }
  }
  return testing::AssertionSuccess();
}

bool same(const Histogram& a, const Histogram& b) {
  bool equal = a.count() == b.count() && a.min() == b.min() && a.max() == b.max() &&
               a.mean() == b.mean() && a.saturated() == b.saturated();
  std::vector<std::uint64_t> buckets;
  a.for_each([&](auto low, auto, auto count) { buckets.insert(buckets.end(), {low, count}); });
  std::size_t at = 0;
  b.for_each([&](auto low, auto, auto count) {
    equal = equal && at + 1 < buckets.size() && buckets[at] == low && buckets[at + 1] == count;
    at += 2;
  });
  return equal && at == buckets.size();
}

TEST(Histogram, every_value_lies_in_its_bucket_and_buckets_lie_side_by_side) {
  std::uint64_t expected_low = 0;
  for (std::size_t index = 0; index < Scale::kBuckets; ++index) {
    const std::uint64_t low = Scale::lowest_of(index);
    const std::uint64_t high = Scale::highest_of(index);
    ASSERT_EQ(low, expected_low);
    ASSERT_EQ(Scale::index_of(low), index);
    ASSERT_EQ(Scale::index_of(high), index);
    ASSERT_LE(high - low, low / 1024);
    expected_low = high + 1;
  }
  EXPECT_EQ(expected_low, Histogram::kValue_max + 1);
}

TEST(Histogram, an_empty_one_says_zero) {
  const auto histogram = std::make_unique<Histogram>();
  for (const double percent : kPercents) EXPECT_EQ(histogram->percentile(percent), 0u);
  EXPECT_EQ(histogram->count() + histogram->min() + histogram->max() + histogram->last(), 0u);
  EXPECT_EQ(histogram->mean(), 0);
}

TEST(Histogram, knows_its_sums_exactly) {
  const auto histogram = filled({5, 1'000'000'007, 3, 70});
  EXPECT_EQ(histogram->count(), 4u);
  EXPECT_EQ(histogram->min(), 3u);
  EXPECT_EQ(histogram->max(), 1'000'000'007u);
  EXPECT_EQ(histogram->last(), 70u);
  EXPECT_EQ(histogram->mean(), (5 + 1'000'000'007.0 + 3 + 70) / 4);
  EXPECT_EQ(histogram->percentile(100), 1'000'000'007u);
  histogram->clear();
  EXPECT_TRUE(same(*histogram, Histogram()));
}

TEST(Histogram, what_is_too_large_is_counted_as_such) {
  const auto histogram = filled({1, Histogram::kValue_max, Histogram::kValue_max + 1,
                                 std::numeric_limits<std::uint64_t>::max()});
  EXPECT_EQ(histogram->saturated(), 2u);
  EXPECT_EQ(histogram->count(), 4u);
  EXPECT_EQ(histogram->max(), Histogram::kValue_max);
}

TEST(Histogram, a_percent_that_is_no_binary_fraction_takes_the_right_value) {
  std::vector<std::uint64_t> values(1000);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = i + 1;
  const auto histogram = filled(values);
  EXPECT_EQ(histogram->percentile(99.9), 999u);
  EXPECT_EQ(histogram->percentile(99.91), 1000u);
  EXPECT_EQ(histogram->percentile(0.1), 1u);
  EXPECT_EQ(histogram->percentile(55), 550u);
}

// Shapes that quantiles go wrong on.
std::vector<std::uint64_t> adversarial(unsigned shape, std::mt19937_64& random) {
  std::vector<std::uint64_t> values(1 + random() % 3000);
  const unsigned bits = static_cast<unsigned>(random() % 40);
  std::lognormal_distribution<double> log_normal(8, 2);
  for (std::uint64_t& value : values) {
    switch (shape) {
      case 0: value = random() & Histogram::kValue_max; break;            // uniform
      case 1: value = random() >> (24 + random() % 40); break;            // any size alike
      case 2: value = (std::uint64_t{1} << bits) - random() % 2; break;   // around a power of two
      case 3: value = 7; break;                                           // one value
      case 4: value = random() % 1000 == 0 ? 1'000'000'000 : 100; break;  // two, far apart
      case 5: value = 2047 + random() % 3; break;                         // where buckets double
      default: value = static_cast<std::uint64_t>(log_normal(random)) & Histogram::kValue_max;
    }
  }
  return values;
}

RC_GTEST_PROP(HistogramProperty, percentiles_are_exact_to_a_part_in_1024,
              (std::uint64_t seed, unsigned shape)) {
  std::mt19937_64 random(seed);
  const auto values = adversarial(shape % 7, random);
  RC_ASSERT(agrees(*filled(values), values));
}

RC_GTEST_PROP(HistogramProperty, any_values_agree, (std::vector<std::uint32_t> small)) {
  RC_PRE(!small.empty());
  const std::vector<std::uint64_t> values(small.begin(), small.end());
  RC_ASSERT(agrees(*filled(values), values));
}

RC_GTEST_PROP(HistogramProperty, merging_is_recording_all,
              (std::vector<std::uint64_t> a, std::vector<std::uint64_t> b)) {
  for (auto* values : {&a, &b}) {
    for (std::uint64_t& value : *values) value &= Histogram::kValue_max;
  }
  const auto merged = filled(a);
  merged->merge(*filled(b));
  a.insert(a.end(), b.begin(), b.end());
  RC_ASSERT(same(*merged, *filled(a)));
}

RC_GTEST_PROP(HistogramProperty, corrected_is_every_missing_value_recorded,
              (std::uint32_t value, std::uint16_t interval)) {
  Histogram expected;
  const auto corrected = std::make_unique<Histogram>();
  value %= 3'000'000;
  corrected->record_corrected(value, interval);
  expected.record(value);
  if (interval != 0) {
    for (std::uint64_t missing = value; missing >= 2ull * interval;) {
      missing -= interval;
      expected.record(missing);
    }
  }
  RC_ASSERT(same(*corrected, expected));
  RC_ASSERT(corrected->last() == value);
}

TEST(Histogram, correcting_a_long_stall_takes_no_time) {
  const auto histogram = std::make_unique<Histogram>();
  histogram->record_corrected(1'000'000'000'000, 1);
  EXPECT_EQ(histogram->count(), 1'000'000'000'000u);
  EXPECT_NEAR(static_cast<double>(histogram->percentile(50)), 5e11, 5e11 / 1024);
}

// A loop that is to take a value each microsecond, and is held up for a millisecond once: half of
// the time of the second half, what it takes is far above a microsecond.
TEST(Histogram, correction_shows_what_coordinated_omission_hides) {
  const auto plain = std::make_unique<Histogram>();
  const auto corrected = std::make_unique<Histogram>();
  for (int i = 0; i < 1000; ++i) {
    const std::uint64_t value = i == 500 ? 1'000'000 : 100;
    plain->record(value);
    corrected->record_corrected(value, 1000);
  }
  EXPECT_EQ(plain->percentile(99), 100u);
  EXPECT_EQ(corrected->count(), 1999u);
  EXPECT_NEAR(static_cast<double>(corrected->percentile(75)), 500'000, 2'000);
}

TEST(Latency, marks_count_from_receipt_and_never_backwards) {
  const auto latency = std::make_unique<LatencyRecorder>();
  latency->mark(Stage::framed, 1000, 1300);
  latency->mark(Stage::framed, 1000, 999);  // another core's counter
  EXPECT_EQ(latency->ticks(Stage::framed).count(), 2u);
  EXPECT_EQ(latency->ticks(Stage::framed).max(), 300u);
  EXPECT_EQ(latency->ticks(Stage::framed).min(), 0u);
  EXPECT_EQ(latency->ticks(Stage::sent).count(), 0u);
  const auto nanoseconds = std::make_unique<Histogram>();
  latency->to_nanoseconds(Stage::framed, 3.0, *nanoseconds);
  EXPECT_EQ(nanoseconds->max(), 100u);
  latency->clear();
  EXPECT_EQ(latency->ticks(Stage::framed).count(), 0u);
}

RC_GTEST_PROP(LatencyProperty, nanoseconds_are_ticks_by_their_rate, (std::uint64_t seed)) {
  std::mt19937_64 random(seed);
  const double ticks_per_ns = 0.5 + static_cast<double>(random() % 5000) / 1000;
  const auto latency = std::make_unique<LatencyRecorder>();
  std::vector<double> exact;
  for (unsigned i = 0; i < 500; ++i) {
    const std::uint64_t ticks = random() >> (30 + random() % 30);
    latency->mark(Stage::sent, 5, 5 + ticks);
    exact.push_back(static_cast<double>(ticks) / ticks_per_ns);
  }
  const auto nanoseconds = std::make_unique<Histogram>();
  latency->to_nanoseconds(Stage::sent, ticks_per_ns, *nanoseconds);
  RC_ASSERT(nanoseconds->count() == exact.size());
  std::sort(exact.begin(), exact.end());
  for (std::size_t rank = 1; rank <= exact.size(); ++rank) {
    const double percent = 100.0 * static_cast<double>(rank) / static_cast<double>(exact.size());
    const auto got = static_cast<double>(nanoseconds->percentile(percent));
    RC_ASSERT(std::abs(got - exact[rank - 1]) <= exact[rank - 1] / 500 + 1);
  }
}

}  // namespace
}  // namespace zenwire
