#pragma once

// Counts this thread's allocations in a test program that links zenwire::testing_allocation. Apart
// from <zenwire/testing/allocation.hpp>, so that tests that write testing:: for gtest's need not
// write ::testing::.

#include <cstdint>

extern "C" std::uint64_t zenwire_testing_allocations() noexcept;

namespace zenwire::test {

inline std::uint64_t allocations_of_this_thread() noexcept {
  return zenwire_testing_allocations();
}

class AllocationScope {
 public:
  AllocationScope() noexcept : before_(allocations_of_this_thread()) {}
  [[nodiscard]] std::uint64_t count() const noexcept {
    return allocations_of_this_thread() - before_;
  }

 private:
  std::uint64_t before_;
};

}  // namespace zenwire::test
