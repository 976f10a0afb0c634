// The checks that know no server: allocations and latencies, met and missed.

#include <cstdlib>
#include <memory>
#include <thread>

#include <gtest/gtest-spi.h>
#include <gtest/gtest.h>

#include <zenwire/testing/gtest.hpp>

namespace zenwire::testing {
namespace {

// The compiler may leave out an allocation that nobody looks at.
void allocate() {
  void* volatile memory = std::malloc(10);
  std::free(memory);
}

TEST(ZeroAlloc, a_block_without_allocations_passes) {
  volatile int sum = 0;
  EXPECT_ZERO_ALLOC {
    for (int i = 0; i < 10; ++i) sum = sum + i;
  }
  EXPECT_EQ(sum, 45);
}

TEST(ZeroAlloc, an_allocation_fails_it_and_is_counted) {
  EXPECT_NONFATAL_FAILURE(
      EXPECT_ZERO_ALLOC {
        allocate();
        allocate();
      },
      "expected no allocation, there were 2");
}

TEST(ZeroAlloc, a_block_that_is_left_early_is_checked) {
  EXPECT_NONFATAL_FAILURE(
      [] {
        EXPECT_ZERO_ALLOC {
          allocate();
          return;
        }
      }(),
      "there were 1");
}

TEST(ZeroAlloc, what_another_thread_allocates_is_its_own) {
  std::thread other;
  const AllocationScope before;
  other = std::thread(&allocate);
  const std::uint64_t of_the_thread_itself = before.count();
  const AllocationScope scope;
  other.join();
  EXPECT_EQ(scope.count(), 0u);
  EXPECT_GT(of_the_thread_itself, 0u);
}

TEST(P99, is_compared_in_nanoseconds) {
  const auto latency = std::make_unique<LatencyRecorder>();
  const auto ticks = static_cast<std::uint64_t>(1000 * ticks_per_ns());
  for (int i = 0; i < 1000; ++i) latency->mark(Stage::callback, 0, ticks);
  for (int i = 0; i < 5; ++i) latency->mark(Stage::callback, 0, 100 * ticks);
  EXPECT_P99_LT(*latency, Stage::callback, 1010);
  EXPECT_NONFATAL_FAILURE(EXPECT_P99_LT(*latency, Stage::callback, 990), "p99 of stage callback");
  EXPECT_FALSE(assert_percentile_below(*latency, Stage::callback, 100, 90'000).met);
}

TEST(P99, of_nothing_is_no_proof) {
  const auto latency = std::make_unique<LatencyRecorder>();
  EXPECT_NONFATAL_FAILURE(EXPECT_P99_LT(*latency, Stage::sent, 1'000'000), "never marked");
}

TEST(TicksPerNs, is_a_frequency_of_this_world) {
  EXPECT_GT(ticks_per_ns(), 0.1);
  EXPECT_LT(ticks_per_ns(), 10);
}

}  // namespace
}  // namespace zenwire::testing
