// The parts of `zenwire bench` that measure nothing: intervals, schedules, the bare queue, cores.

#include <algorithm>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "bare_queue.hpp"
#include "budget_file.hpp"
#include "core_plan.hpp"
#include "message.hpp"
#include "ratio.hpp"

namespace zenwire::bench {
namespace {

TEST(Ratio, has_the_order_statistics_of_its_rounds) {
  // Of a binomial(n, 1/2), so many at each end together are at most 2.5 per cent.
  struct Row {
    std::size_t rounds;
    std::size_t left_out;
  };
  for (const auto& [rounds, left_out] :
       {Row{1, 0}, Row{2, 0}, Row{5, 0}, Row{6, 0}, Row{8, 0}, Row{9, 1}, Row{11, 1}, Row{12, 2},
        Row{15, 3}, Row{25, 7}, Row{100, 39}}) {
    std::vector<double> values;
    for (std::size_t i = 0; i < rounds; ++i) values.push_back(static_cast<double>(i));
    const Ratio ratio = ratio_of(values);
    EXPECT_EQ(ratio.low, static_cast<double>(left_out)) << rounds;
    EXPECT_EQ(ratio.high, static_cast<double>(rounds - 1 - left_out)) << rounds;
    EXPECT_EQ(ratio.median, static_cast<double>(rounds - 1) / 2) << rounds;
  }
}

RC_GTEST_PROP(RatioProperty, order_does_not_matter, (std::vector<int> numbers)) {
  RC_PRE(!numbers.empty());
  std::vector<double> values(numbers.begin(), numbers.end());
  const Ratio one = ratio_of(values);
  std::reverse(values.begin(), values.end());
  const Ratio other = ratio_of(values);
  RC_ASSERT(one.low == other.low && one.median == other.median && one.high == other.high);
  RC_ASSERT(one.low <= one.median && one.median <= one.high);
}

TEST(Schedule, goes_on_at_its_rate) {
  Schedule schedule(100);
  schedule.begin(1000);
  EXPECT_EQ(schedule.next_ns(), 1000u);
  EXPECT_EQ(schedule.next_ns(), 1100u);
  EXPECT_EQ(schedule.next_ns(), 1200u);
}

TEST(Schedule, of_a_stream_knows_what_was_late) {
  Schedule schedule(100);
  EXPECT_EQ(schedule.due_ns(1000), 1000u);
  EXPECT_EQ(schedule.due_ns(1450), 1100u);
  EXPECT_EQ(schedule.due_ns(1451), 1200u);
  EXPECT_EQ(schedule.due_ns(1452), 1300u);
}

TEST(Schedule, of_a_stream_that_began_late_is_put_right) {
  Schedule schedule(100);
  EXPECT_EQ(schedule.due_ns(1080), 1080u);  // it was due at 1000
  EXPECT_EQ(schedule.due_ns(1100), 1100u);
  EXPECT_EQ(schedule.due_ns(1230), 1200u);
}

TEST(BareQueue, hands_over_every_message_in_order) {
  constexpr std::uint64_t kMessages = 100'000;
  constexpr std::size_t kBytes = 200;
  const auto queue = std::make_unique<BareQueue>(kBytes);
  std::thread writer([&] {
    std::string text(kBytes, ' ');
    for (std::uint64_t i = 0; i < kMessages; ++i) {
      std::memcpy(text.data(), &i, sizeof i);
      std::memcpy(text.data() + kBytes - sizeof i, &i, sizeof i);
      queue->push(text.data());
    }
  });
  std::uint64_t wrong = 0;
  for (std::uint64_t i = 0; i < kMessages;) {
    const char* const text = queue->front();
    if (text == nullptr) {
      std::this_thread::yield();
      continue;
    }
    std::uint64_t first = 0;
    std::uint64_t last = 0;
    std::memcpy(&first, text, sizeof first);
    std::memcpy(&last, text + kBytes - sizeof last, sizeof last);
    wrong += first != i || last != i ? 1 : 0;
    queue->pop();
    ++i;
  }
  writer.join();
  EXPECT_EQ(wrong, 0u);
  EXPECT_EQ(queue->front(), nullptr);
}

TEST(CorePlan, is_what_the_list_says) {
  const CorePlan two = parse_cores("3,1").value();
  EXPECT_EQ(two.client, 3);
  EXPECT_EQ(two.server, 1);
  EXPECT_TRUE(two.strategy_shares());
  const CorePlan three = parse_cores("3,1,2").value();
  EXPECT_EQ(three.strategy, 2);
  EXPECT_FALSE(three.strategy_shares());
}

TEST(BudgetFile, the_built_in_one_names_every_scenario) {
  const auto stages = parse_budget(built_in_budgets(), "built in").value();
  for (const Mode scenario : kScenarios) {
    for (const bool tls : {false, true}) {
      EXPECT_TRUE(std::any_of(
          stages.begin(), stages.end(),
          [&](const BenchStage& stage) { return stage.scenario == scenario && stage.tls == tls; }))
          << scenario_name(scenario) << (tls ? " over TLS" : "");
    }
  }
}

TEST(BudgetFile, keeps_stages_in_their_order_and_limits_in_that_of_measures) {
  const auto stages = parse_budget(
                          "[zeta]\nscenario = \"drain\"\ninstructions = 9\ncpu_over_floor = 0.9\n"
                          "[alpha]\nscenario = \"echo\"\n",
                          "here")
                          .value();
  ASSERT_EQ(stages.size(), 2u);
  EXPECT_EQ(stages[0].name, "zeta");
  EXPECT_EQ(stages[1].name, "alpha");
  ASSERT_EQ(stages[0].limits.size(), 2u);
  EXPECT_EQ(stages[0].limits[0].measure, Measure::cpu_over_floor);
  EXPECT_EQ(stages[0].limits[1].goal, 9);
}

TEST(BenchStage, a_quick_round_has_a_tenth) {
  BenchStage stage;
  stage.messages = 5'000;
  EXPECT_EQ(stage.messages_of_round(false), 5'000u);
  EXPECT_EQ(stage.messages_of_round(true), 500u);
  stage.messages = 3;
  EXPECT_EQ(stage.messages_of_round(true), 1u);
}

}  // namespace
}  // namespace zenwire::bench
