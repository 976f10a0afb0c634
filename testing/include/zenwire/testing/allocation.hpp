#pragma once

// Counts the calling thread's allocations: malloc and its family, and mmap, interposed in a program
// that links zenwire::testing_allocation (CMake) or zenwire-testing-allocation (pkg-config).
//
// Per thread, so that what others do is not blamed on the one under test. Under a sanitizer, which
// has an allocator of its own, what that gives is counted: not mmap.

#include <cstdint>
#include <string>
#include <utility>

#include <zenwire/testing/expectation.hpp>

// The component's. Weak, so that a program without it links and is told what it lacks.
extern "C" [[gnu::weak]] std::uint64_t zenwire_testing_allocations() noexcept;

namespace zenwire::testing {

// Whether this program counts.
inline bool allocations_are_counted() noexcept {
  return &zenwire_testing_allocations != nullptr;
}

// Of the calling thread since it began; 0 in a program that does not count.
inline std::uint64_t allocations_of_this_thread() noexcept {
  return allocations_are_counted() ? zenwire_testing_allocations() : 0;
}

// How many there were since it was made, on the thread that made it.
class AllocationScope {
 public:
  AllocationScope() noexcept : before_(allocations_of_this_thread()) {}
  [[nodiscard]] std::uint64_t count() const noexcept {
    return allocations_of_this_thread() - before_;
  }

 private:
  std::uint64_t before_;
};

// Whether there were none since `scope` began. Not met in a program that does not count.
Expectation assert_zero_allocations(const AllocationScope& scope);

namespace detail {

// What EXPECT_ZERO_ALLOC { ... } makes: reports at the end of its block, however that is left.
template <typename Report>
class ZeroAllocationBlock {
 public:
  explicit ZeroAllocationBlock(Report report) : report_(std::move(report)) {}
  ~ZeroAllocationBlock() {
    const Expectation none = assert_zero_allocations(scope_);
    if (!none.met) report_(none.message);
  }
  ZeroAllocationBlock(const ZeroAllocationBlock&) = delete;
  ZeroAllocationBlock& operator=(const ZeroAllocationBlock&) = delete;

 private:
  Report report_;
  AllocationScope scope_;
};

}  // namespace detail
}  // namespace zenwire::testing
