// A user's own stages: marked, timed, held to limits.

#include <memory>
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include <zenwire/engine/budget.hpp>
#include <zenwire/engine/stopwatch.hpp>
#include <zenwire/testing/allocation.hpp>
#include <zenwire/testing/gtest.hpp>

namespace zenwire {
namespace {

constexpr std::size_t kParse = 0;
constexpr std::size_t kDecide = 1;

Stopwatch two_stages() {
  return Stopwatch::make({"parse", "decide"}).value();
}

// A stage that lasted so long, as often as said.
void mark_ns(Stopwatch& watch, std::size_t stage, std::uint64_t ns, int times) {
  const auto ticks = static_cast<std::uint64_t>(static_cast<double>(ns) * testing::ticks_per_ns());
  for (int i = 0; i < times; ++i) watch.mark(stage, 1000, 1000 + ticks);
}

TEST(Stopwatch, knows_its_stages_by_name_and_number) {
  const Stopwatch watch = two_stages();
  EXPECT_EQ(watch.stages(), 2u);
  EXPECT_EQ(watch.find("decide"), kDecide);
  EXPECT_EQ(watch.find("send"), std::nullopt);
  EXPECT_EQ(watch.name(kParse), "parse");
}

TEST(Stopwatch, refuses_names_that_tell_nothing_apart) {
  const std::vector<std::string_view> many(Stopwatch::kStages_max + 1, "x");
  const auto code = [](const Result<Stopwatch>& made) { return made.error().code(); };
  EXPECT_EQ(code(Stopwatch::make(std::span<const std::string_view>())), Errc::invalid_option);
  EXPECT_EQ(code(Stopwatch::make({"parse", ""})), Errc::invalid_option);
  EXPECT_EQ(code(Stopwatch::make({"parse", "parse"})), Errc::invalid_option);
  EXPECT_EQ(code(Stopwatch::make(many)), Errc::invalid_option);
}

TEST(Stopwatch, marks_of_one_message_follow_one_another) {
  Stopwatch watch = two_stages();
  const std::uint64_t began = Stopwatch::now();
  const std::uint64_t parsed = watch.mark(kParse, began);
  const std::uint64_t decided = watch.mark(kDecide, parsed);
  EXPECT_LE(began, parsed);
  EXPECT_LE(parsed, decided);
  EXPECT_EQ(watch.ticks(kParse).count(), 1u);
  EXPECT_EQ(watch.ticks(kParse).last(), parsed - began);
  EXPECT_EQ(watch.ticks(kDecide).last(), decided - parsed);
}

TEST(Stopwatch, a_step_back_is_no_time) {
  Stopwatch watch = two_stages();
  watch.mark(kParse, 1000, 999);
  EXPECT_EQ(watch.ticks(kParse).max(), 0u);
  EXPECT_EQ(watch.ticks(kParse).count(), 1u);
}

TEST(Stopwatch, tells_nanoseconds) {
  Stopwatch watch = two_stages();
  mark_ns(watch, kParse, 10'000, 100);
  const auto nanoseconds = std::make_unique<Histogram>();
  watch.to_nanoseconds(kParse, *nanoseconds);
  EXPECT_EQ(nanoseconds->count(), 100u);
  // Two measurements of the counter's rate, each within a hundredth on a machine that is not busy.
  EXPECT_NEAR(static_cast<double>(nanoseconds->percentile(50)), 10'000, 500);
  watch.clear();
  watch.to_nanoseconds(kParse, *nanoseconds);
  EXPECT_EQ(nanoseconds->count(), 0u);
}

TEST(Stopwatch, goes_where_it_is_moved) {
  Stopwatch first = two_stages();
  mark_ns(first, kParse, 100, 3);
  const Stopwatch second = std::move(first);
  EXPECT_EQ(second.ticks(kParse).count(), 3u);
  EXPECT_EQ(second.name(kDecide), "decide");
}

TEST(Stopwatch, allocates_nothing_once_it_is_made) {
  Stopwatch watch = two_stages();
  Budget budget = Budget::make({{"parse", 99, 1'000'000'000}, {"decide", 100, 1}}).value();
  const auto nanoseconds = std::make_unique<Histogram>();
  const testing::AllocationScope scope;
  for (int i = 0; i < 1000; ++i) watch.mark(kDecide, watch.mark(kParse, Stopwatch::now()));
  watch.to_nanoseconds(kParse, *nanoseconds);
  budget.check(watch);
  watch.clear();
  EXPECT_EQ(scope.count(), 0u);
}

TEST(Budget, refuses_limits_that_limit_nothing) {
  const auto code = [](std::initializer_list<BudgetLimit> limits) {
    return Budget::make(limits).error().code();
  };
  EXPECT_EQ(code({}), Errc::invalid_option);
  EXPECT_EQ(code({{"", 99, 1}}), Errc::invalid_option);
  EXPECT_EQ(code({{"parse", 0, 1}}), Errc::invalid_option);
  EXPECT_EQ(code({{"parse", 100.5, 1}}), Errc::invalid_option);
  const std::vector<BudgetLimit> many(Budget::kLimits_max + 1, BudgetLimit{"parse", 50, 1});
  EXPECT_EQ(Budget::make(many).error().code(), Errc::invalid_option);
}

TEST(Budget, is_kept_where_every_limit_is) {
  Stopwatch watch = two_stages();
  mark_ns(watch, kParse, 1'000, 990);
  mark_ns(watch, kParse, 100'000, 10);
  Budget budget = Budget::make({{"parse", 99, 1'200}, {"parse", 100, 90'000}}).value();
  const auto verdicts = budget.check(watch);
  ASSERT_EQ(verdicts.size(), 2u);
  EXPECT_TRUE(verdicts[0].met());
  EXPECT_FALSE(verdicts[1].met());
  EXPECT_EQ(verdicts[1].count, 1'000u);
  EXPECT_NEAR(static_cast<double>(verdicts[1].measured_ns), 100'000, 5'000);
  EXPECT_FALSE(budget.met());
  mark_ns(watch, kDecide, 10, 1);
  Budget generous = Budget::make({{"parse", 100, 200'000}, {"decide", 100, 1'000}}).value();
  EXPECT_MET(testing::assert_budget_met(generous, watch));
}

TEST(Budget, of_what_was_never_marked_is_broken) {
  const Stopwatch watch = two_stages();
  Budget budget = Budget::make({{"decide", 99, 1'000'000}, {"send", 99, 1'000'000}}).value();
  const testing::Expectation kept = testing::assert_budget_met(budget, watch);
  EXPECT_FALSE(kept.met);
  for (const std::string word : {"decide", "send", "BROKEN: never marked"}) {
    EXPECT_NE(kept.message.find(word), std::string::npos) << kept.message;
  }
}

TEST(Budget, its_table_names_limit_and_measured_value) {
  Stopwatch watch = two_stages();
  mark_ns(watch, kParse, 0, 7);
  Budget budget = Budget::make({{"parse", 99.9, 250}}).value();
  budget.check(watch);
  const std::string text = budget.text();
  for (const std::string word : {"parse", "99.9", "250", " 7  kept"}) {
    EXPECT_NE(text.find(word), std::string::npos) << text;
  }
}

TEST(Budget, holds_the_engines_own_stages_too) {
  const auto latency = std::make_unique<LatencyRecorder>();
  for (int i = 0; i < 10; ++i) latency->mark(Stage::callback, 0, 3'000);
  Budget budget = Budget::make({{"callback", 50, 1'001}, {"sent", 50, 1'001}}).value();
  const auto verdicts = budget.check(*latency, 3.0);
  EXPECT_TRUE(verdicts[0].met());
  EXPECT_EQ(verdicts[0].count, 10u);
  EXPECT_FALSE(verdicts[1].met());
}

}  // namespace
}  // namespace zenwire
