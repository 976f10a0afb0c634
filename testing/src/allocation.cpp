#include <zenwire/testing/allocation.hpp>

namespace zenwire::testing {

Expectation assert_zero_allocations(const AllocationScope& scope) {
  const std::uint64_t count = scope.count();  // before the words below allocate
  if (!allocations_are_counted())
    return {.met = false,
            .message =
                "allocations are not counted in this program: link "
                "zenwire::testing_allocation (pkg-config: zenwire-testing-allocation)"};
  if (count == 0) return {.met = true};
  return {.met = false,
          .message = "expected no allocation, there were " + std::to_string(count) +
                     " (malloc and its family, mmap)"};
}

}  // namespace zenwire::testing
