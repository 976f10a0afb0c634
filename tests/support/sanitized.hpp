#pragma once

// kSanitized: whether this program is built under the address or the thread sanitizer. It runs ten
// times slower there, and is there for what else they see: a test does fewer rounds. The macros say
// it where code is left out. g++ has macros of its own, clang features.

#if defined(__has_feature)
#define ZENWIRE_HAS_FEATURE(name) __has_feature(name)
#else
#define ZENWIRE_HAS_FEATURE(name) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || ZENWIRE_HAS_FEATURE(address_sanitizer)
#define ZENWIRE_ADDRESS_SANITIZED 1
#endif
#if defined(__SANITIZE_THREAD__) || ZENWIRE_HAS_FEATURE(thread_sanitizer)
#define ZENWIRE_THREAD_SANITIZED 1
#endif
#if defined(ZENWIRE_ADDRESS_SANITIZED) || defined(ZENWIRE_THREAD_SANITIZED)
#define ZENWIRE_SANITIZED 1
#endif

namespace zenwire::test {

#if defined(ZENWIRE_SANITIZED)
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif

}  // namespace zenwire::test
