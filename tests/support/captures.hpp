#pragma once

// The real exchange sessions that many tests read. They are not part of the repository: they lie in
// ZENWIRE_CAPTURES, or by default in ../shared/data/captures beside it.
//
// The rule, written once: where they are missing, a test that needs them is skipped and listed as
// such; but under CI (CI=true) that is a failure, because nobody would read the list. Such a test
// begins with ZENWIRE_NEED_CAPTURES(). A test program in which one was skipped ends with
// kSkippedExitCode, so that ctest lists it.

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <string_view>
#include <system_error>
#include <vector>

#include <gtest/gtest.h>

namespace zenwire::test {

// ctest's SKIP_RETURN_CODE for every test of this project.
inline constexpr int kSkippedExitCode = 77;

// The root of the repository; main() knows it.
extern const char* const kSourceDirectory;

// Whether a test of this program was skipped for want of captures; main() reads it.
inline bool captures_were_missed = false;

inline std::filesystem::path captures_dir() {
  if (const char* named = std::getenv("ZENWIRE_CAPTURES"); named != nullptr && *named != '\0') {
    return named;
  }
  return std::filesystem::path(kSourceDirectory).parent_path() / "shared" / "data" / "captures";
}

// The capture files, by name; none when the directory is missing.
inline std::vector<std::filesystem::path> capture_files() {
  std::vector<std::filesystem::path> files;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(captures_dir(), error)) {
    if (entry.path().extension() == ".jsonl") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

inline bool is_ci() {
  const char* value = std::getenv("CI");
  return value != nullptr && (std::string_view(value) == "true" || std::string_view(value) == "1");
}

}  // namespace zenwire::test

// The first line of a test that reads captures.
#define ZENWIRE_NEED_CAPTURES()                                                             \
  do {                                                                                      \
    if (zenwire::test::capture_files().empty()) {                                           \
      if (zenwire::test::is_ci()) {                                                         \
        FAIL() << "CI=true, and there are no captures in " << zenwire::test::captures_dir() \
               << " (set ZENWIRE_CAPTURES)";                                                \
      }                                                                                     \
      zenwire::test::captures_were_missed = true;                                           \
      GTEST_SKIP() << "no captures in " << zenwire::test::captures_dir()                    \
                   << " (set ZENWIRE_CAPTURES)";                                            \
    }                                                                                       \
  } while (false)
