#pragma once

// The seed of a test's random values: the same each time, or ZENWIRE_TEST_SEED. Print it where the
// test fails.

#include <cstdint>
#include <cstdlib>

namespace zenwire::test {

inline std::uint32_t seed() {
  const char* const given = std::getenv("ZENWIRE_TEST_SEED");
  return given == nullptr ? 1 : static_cast<std::uint32_t>(std::strtoul(given, nullptr, 10));
}

}  // namespace zenwire::test
