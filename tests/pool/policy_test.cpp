// Scores and policies: zen_websocket's numbers, the peak-sensitive average, and one of a user's
// own.

#include <gtest/gtest.h>

#include <zenwire/pool/policy.hpp>
#include <zenwire/pool/score.hpp>

namespace zenwire {
namespace {

constexpr Instant_ns kSecond_ns = 1'000'000'000;
constexpr std::uint64_t kMillisecond_ns = 1'000'000;

// score = 100 - min(pending * 10, 40) - min(p99_ms div 25, 30) - min(errors * 15, 20)
TEST(ZenScore, gives_the_scores_of_its_formula) {
  struct Row {
    std::uint64_t pending, p99_ms, errors;
    unsigned score;
  };
  const Row rows[] = {
      {0, 0, 0, 100},  {1, 0, 0, 90},      {2, 0, 0, 80},
      {3, 0, 0, 70},   {4, 0, 0, 60},      {5, 0, 0, 60},
      {400, 0, 0, 60}, {0, 1, 0, 100},     {0, 24, 0, 100},
      {0, 25, 0, 99},  {0, 49, 0, 99},     {0, 50, 0, 98},
      {0, 250, 0, 90}, {0, 749, 0, 71},    {0, 750, 0, 70},
      {0, 775, 0, 70}, {0, 10'000, 0, 70}, {0, 0, 1, 85},
      {0, 0, 2, 80},   {0, 0, 3, 80},      {0, 0, 10, 80},
      {1, 25, 1, 74},  {4, 750, 2, 10},    {1000, 100'000, 1000, 10},
      {2, 500, 1, 45}, {3, 130, 0, 65},    {~0ULL, ~0ULL, ~0ULL, 10},
  };
  for (const Row& row : rows) {
    EXPECT_EQ(zen_score(row.pending, row.p99_ms, row.errors), row.score)
        << row.pending << " pending, p99 " << row.p99_ms << " ms, " << row.errors << " errors";
  }
}

TEST(ZenScore, is_taken_from_the_members_numbers) {
  RecentRoundTrips recent;
  for (std::uint64_t ms = 1; ms <= 100; ++ms) recent.add(ms * 10 * kMillisecond_ns);
  MemberLoad load{.pending = 2, .errors = 1, .recent = &recent};  // p99 = 990 ms
  EXPECT_EQ(ZenCost::score(load), 100u - 20 - 30 - 15);
  load.recent = nullptr;
  EXPECT_EQ(ZenCost::score(load), 65u);
  EXPECT_EQ(Policy(ZenCost{}).cost(load), 35u);
}

// Examples of its latency statistics.
TEST(RecentRoundTrips, have_the_percentile_at_the_rounded_index) {
  RecentRoundTrips hundred;
  for (std::uint64_t sample = 1; sample <= 100; ++sample) hundred.add(sample);
  EXPECT_EQ(hundred.percentile_ns(50), 51u);  // index 49.5, half away from zero
  EXPECT_EQ(hundred.percentile_ns(99), 99u);
  EXPECT_EQ(hundred.percentile_ns(0), 1u);
  EXPECT_EQ(hundred.percentile_ns(100), 100u);
  RecentRoundTrips four;
  for (const std::uint64_t sample : {40U, 10U, 30U, 20U}) four.add(sample);
  EXPECT_EQ(four.percentile_ns(50), 30u);
  EXPECT_EQ(RecentRoundTrips{}.percentile_ns(99), 0u);
}

TEST(RecentRoundTrips, forget_the_oldest) {
  RecentRoundTrips recent;
  for (std::uint64_t sample = 0; sample < 150; ++sample) recent.add(sample);
  EXPECT_EQ(recent.count(), 100u);
  EXPECT_EQ(recent.percentile_ns(0), 50u);
  EXPECT_EQ(recent.percentile_ns(100), 149u);
}

// All are forgotten 60 s after the last one, however old the first.
TEST(RecentErrors, are_all_forgotten_a_minute_after_the_last) {
  RecentErrors errors;
  EXPECT_EQ(errors.count(1), 0u);
  errors.add(10 * kSecond_ns);
  errors.add(60 * kSecond_ns);
  EXPECT_EQ(errors.count(60 * kSecond_ns), 2u);
  EXPECT_EQ(errors.count(120 * kSecond_ns - 1), 2u);
  EXPECT_EQ(errors.count(120 * kSecond_ns), 0u);
  errors.add(200 * kSecond_ns);
  EXPECT_EQ(errors.count(200 * kSecond_ns), 1u);
  errors.clear();
  EXPECT_EQ(errors.count(200 * kSecond_ns), 0u);
}

TEST(PeakEwma, takes_a_peak_at_once_and_forgets_it_slowly) {
  constexpr std::uint64_t kTau_ns = kSecond_ns;
  PeakEwma average;
  EXPECT_FALSE(average.measured());
  average.observe(1000, kTau_ns, 1);
  EXPECT_EQ(average.value_ns(), 1000u);
  average.observe(9000, kTau_ns, 2);
  EXPECT_EQ(average.value_ns(), 9000u);
  average.observe(1000, kTau_ns, 2 + kSecond_ns);  // 9000 / e + 1000 * (1 - 1 / e)
  EXPECT_NEAR(static_cast<double>(average.value_ns()), 3943, 1);
  average.fade(kTau_ns, 2 + 2 * kSecond_ns);
  EXPECT_NEAR(static_cast<double>(average.value_ns()), 3943 / 2.71828, 1);
}

TEST(PeakEwmaCost, is_the_time_of_one_more_reply) {
  const PeakEwmaCost policy;
  struct Row {
    std::uint64_t round_trip_ns;
    bool measured;
    std::uint32_t pending;
    std::uint64_t cost;
  };
  const Row rows[] = {
      {0, true, 0, 1},        {999, true, 0, 1000},      {999, true, 3, 4000},
      {0, false, 0, 1000001}, {0, false, 1, 2000000002},
  };
  for (const Row& row : rows) {
    EXPECT_EQ(
        policy.cost(
            {.round_trip_ns = row.round_trip_ns, .measured = row.measured, .pending = row.pending}),
        row.cost);
  }
}

// What a user writes.
struct FewestPending {
  std::uint64_t weight = 1;
  [[nodiscard]] std::uint64_t cost(const MemberLoad& load) const noexcept {
    return load.pending * weight;
  }
};
static_assert(RoutingPolicy<FewestPending>);

struct TooLarge {
  std::array<std::byte, 65> state{};
  [[nodiscard]] std::uint64_t cost(const MemberLoad&) const noexcept { return 0; }
};
struct Throwing {
  [[nodiscard]] std::uint64_t cost(const MemberLoad&) const { return 0; }
};
static_assert(!RoutingPolicy<TooLarge> && !RoutingPolicy<Throwing> && !RoutingPolicy<int>);

TEST(Policy, holds_a_users_own_by_value) {
  FewestPending own{.weight = 7};
  const Policy policy = own;
  own.weight = 100;
  EXPECT_EQ(policy.cost({.pending = 3}), 21u);
}

}  // namespace
}  // namespace zenwire
