#pragma once

// Counts this thread's allocations: malloc and its family, and mmap, interposed in the test program
// (link allocation_counter.cpp). Counting is per thread, so that what other threads do is not
// blamed on the one under test.

#include <cstdint>

namespace zenwire::test {

// Allocations of the calling thread since the program began.
std::uint64_t allocations_of_this_thread() noexcept;

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
