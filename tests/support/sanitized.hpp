#pragma once

// kSanitized: whether this program is built under the address or the thread sanitizer. It runs ten
// times slower there, and is there for what else they see: a test does fewer rounds.

namespace zenwire::test {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif

}  // namespace zenwire::test
