// Every scenario with its first, second, third, ... operation on an Io failing, until none fails
// any more. Whatever that ends, the promises of the simulation hold: nothing is lost silently, each
// connection ends once, everything comes home.

#include <string>

#include <gtest/gtest.h>

#include "scenarios.hpp"

namespace zenwire::simulation {
namespace {

class FailNthOperation : public ::testing::TestWithParam<Scenario> {};

TEST_P(FailNthOperation, leaves_every_promise_whole) {
  std::uint64_t nth = 1;
  for (;; ++nth) {
    Simulation simulation(kScenarioSeed, GetParam().setting);
    const std::uint64_t before = simulation.world().operations();
    simulation.world().fail_operation(nth);
    const testing::SimResult result = simulation.run();
    ASSERT_EQ(result.failure, "") << "operation " << nth << " failed\n" << result.last_events;
    if (simulation.world().operations() - before < nth) break;
  }
  RecordProperty("operations", std::to_string(nth - 1));
  EXPECT_GT(nth, 50U);  // it did go through a connection's life
}

INSTANTIATE_TEST_SUITE_P(Scenarios, FailNthOperation, ::testing::ValuesIn(scenarios()),
                         [](const auto& at) { return at.param.name; });

}  // namespace
}  // namespace zenwire::simulation
