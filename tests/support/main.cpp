// main() of every GoogleTest program here: that of gtest_main, but for the exit code that tells
// ctest that tests were skipped because the captures are missing.

#include <gtest/gtest.h>

#include "captures.hpp"

namespace zenwire::test {
const char* const kSourceDirectory = ZENWIRE_SOURCE_DIR;
}

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  const int result = RUN_ALL_TESTS();
  if (result == 0 && zenwire::test::captures_were_missed) return zenwire::test::kSkippedExitCode;
  return result;
}
