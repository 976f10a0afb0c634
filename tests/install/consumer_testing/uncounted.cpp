// A program that does not link the component which counts allocations is told so, and by name.

#include <cstdio>

#include <zenwire/testing/allocation.hpp>

int main() {
  const zenwire::testing::AllocationScope scope;
  const auto none = zenwire::testing::assert_zero_allocations(scope);
  std::printf("%s\n", none.message.c_str());
  return !none.met && none.message.find("zenwire::testing_allocation") != std::string::npos ? 0 : 1;
}
