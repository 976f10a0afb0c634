#pragma once

// Assertions are for programmer errors: a broken invariant ends the process at the place that
// noticed it, because a trading process that goes on with a broken engine is worse than one that
// stops. They stay on in release builds. Operating errors (a peer, a disk, a limit) are values: see
// error.hpp.

#include <cstdint>

namespace zenwire::detail {

// Prints the expression and its place to standard error and aborts. Async-signal-safe, so it may
// run anywhere.
[[noreturn, gnu::cold, gnu::noinline]] void assert_failed(const char* expression, const char* file,
                                                          std::uint32_t line,
                                                          const char* function) noexcept;

}  // namespace zenwire::detail

// NOLINTBEGIN(cppcoreguidelines-macro-usage): only a macro can print the expression.
#define ZW_ASSERT(expression)                         \
  (__builtin_expect(static_cast<bool>(expression), 1) \
       ? static_cast<void>(0)                         \
       : ::zenwire::detail::assert_failed(#expression, __FILE__, __LINE__, __func__))

// Checked in debug builds only: for the few places where a check would cost something measurable
// per message.
#ifdef NDEBUG
#define ZW_DEBUG_ASSERT(expression) static_cast<void>(0)
#else
#define ZW_DEBUG_ASSERT(expression) ZW_ASSERT(expression)
#endif
// NOLINTEND(cppcoreguidelines-macro-usage)
