#pragma once

// The kit's counter of this thread's allocations, among the tests' own helpers. The program links
// zenwire::testing_allocation.

#include <zenwire/testing/allocation.hpp>

namespace zenwire::test {

using zenwire::testing::allocations_of_this_thread;
using zenwire::testing::AllocationScope;

}  // namespace zenwire::test
