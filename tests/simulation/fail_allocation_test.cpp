// Every scenario with the engine's first, second, third, ... allocation failing, until none fails
// any more: what is being made then is refused as memory_exhausted, the promises of the simulation
// hold for all the rest, and nothing leaks.

#include <string>

#include <gtest/gtest.h>

#include "failing_allocator.hpp"
#include "scenarios.hpp"

namespace zenwire::simulation {
namespace {

class FailNthAllocation : public ::testing::TestWithParam<Scenario> {};

TEST_P(FailNthAllocation, is_an_error_that_leaves_every_promise_whole_and_leaks_nothing) {
  const Setting setting = GetParam().setting;
  // What libraries and the simulation make once and keep.
  ASSERT_EQ(Simulation(kScenarioSeed, setting).run().failure, "");
  std::uint64_t nth = 0;
  std::int64_t kept_by_library = 0;
  for (auto failed = FailedAllocation::ours; failed != FailedAllocation::none;) {
    ++nth;
    const Held before = allocations_held();
    {
      Simulation simulation(kScenarioSeed, setting);
      fail_allocation(nth);
      const testing::SimResult result = simulation.run();
      failed = failed_allocation();
      fail_allocation(0);
      ASSERT_EQ(result.failure, "") << "allocation " << nth << " failed\n" << result.last_events;
    }
    const Held after = allocations_held();
    ASSERT_EQ(after.ours, before.ours) << "allocation " << nth << " failed, and some leaked";
    // wolfSSL loses one of its own here and there where it cannot have another.
    const std::int64_t kept = after.library - before.library;
    ASSERT_LE(kept, failed == FailedAllocation::library ? 1 : 0)
        << "allocation " << nth << " failed, and some leaked";
    kept_by_library += kept;
  }
  RecordProperty("allocations", std::to_string(nth - 1));
  RecordProperty("kept_by_library", std::to_string(kept_by_library));
  EXPECT_GT(nth, 50U);  // it did go through a connection's life
}

INSTANTIATE_TEST_SUITE_P(Scenarios, FailNthAllocation, ::testing::ValuesIn(scenarios()),
                         [](const auto& at) { return at.param.name; });

}  // namespace
}  // namespace zenwire::simulation
