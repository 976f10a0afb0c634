#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <unistd.h>

#include <zenwire/base/assert.hpp>

namespace zenwire::detail {

void assert_failed(const char* expression, const char* file, std::uint32_t line,
                   const char* function) noexcept {
  char text[512];
  const int length =
      std::snprintf(text, sizeof text, "zenwire: assertion failed: %s\n  at %s:%u in %s\n",
                    expression, file, line, function);
  if (length > 0) {
    const auto bytes = std::min(static_cast<std::size_t>(length), sizeof text - 1);
    [[maybe_unused]] const auto written = ::write(STDERR_FILENO, text, bytes);
  }
  std::abort();
}

}  // namespace zenwire::detail
