#pragma once

// Which sanitizers this is built under, for code that must know it before it is compiled:
// ZW_ADDRESS_SANITIZER and ZW_THREAD_SANITIZER, 1 or 0. g++ says it by macros, clang by features.

#if defined(__has_feature)
#define ZW_HAS_FEATURE(name) __has_feature(name)
#else
#define ZW_HAS_FEATURE(name) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || ZW_HAS_FEATURE(address_sanitizer)
#define ZW_ADDRESS_SANITIZER 1
#else
#define ZW_ADDRESS_SANITIZER 0
#endif
#if defined(__SANITIZE_THREAD__) || ZW_HAS_FEATURE(thread_sanitizer)
#define ZW_THREAD_SANITIZER 1
#else
#define ZW_THREAD_SANITIZER 0
#endif
