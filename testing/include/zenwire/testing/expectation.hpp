#pragma once

// What a check of the test kit gives: whether it was met, and words for a person when it was not.
// It knows no test framework; gtest.hpp and catch2.hpp turn it into a failure of theirs.

#include <string>

namespace zenwire::testing {

struct [[nodiscard]] Expectation {
  bool met = false;
  std::string message{};  // why not; empty when it was met

  explicit operator bool() const noexcept { return met; }
};

}  // namespace zenwire::testing
