#pragma once

// Lines of memory asked for ahead.

#include <cstddef>

namespace zenwire::detail {

inline constexpr std::size_t kCacheLine_bytes = 64;

// Asks for a line in order to write to it; of an address that is none nothing comes. Not
// __builtin_prefetch: below -mprfchw that asks for a shared copy, and the store then has to ask
// again.
inline void prefetch_for_write(const void* line) noexcept {
#if defined(__x86_64__)
  asm volatile("prefetchw %0" : : "m"(*static_cast<const char*>(line)));
#else
  __builtin_prefetch(line, 1);
#endif
}

}  // namespace zenwire::detail
