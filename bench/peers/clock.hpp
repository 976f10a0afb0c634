#pragma once

// The clocks of benchmark programs, in nanoseconds.

#include <cstdint>

#include <time.h>

namespace zenwire::bench {

inline std::uint64_t nanoseconds_of(clockid_t clock) noexcept {
  timespec time{};
  ::clock_gettime(clock, &time);
  return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000 +
         static_cast<std::uint64_t>(time.tv_nsec);
}

inline std::uint64_t clock_ns() noexcept {
  return nanoseconds_of(CLOCK_MONOTONIC);
}
// The calling thread's own processor time, which others on the machine do not add to.
inline std::uint64_t thread_ns() noexcept {
  return nanoseconds_of(CLOCK_THREAD_CPUTIME_ID);
}

}  // namespace zenwire::bench
