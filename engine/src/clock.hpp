#pragma once

// The kernel's clocks in nanoseconds, for what stands at the machine's side of the seam (Io, the
// telemetry page, reports). All above it asks Io.

#include <cstdint>

#include <time.h>

#include <zenwire/base/assert.hpp>

namespace zenwire::detail {

inline std::uint64_t nanoseconds(const timespec& time) noexcept {
  return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000 +
         static_cast<std::uint64_t>(time.tv_nsec);
}
inline std::uint64_t clock_ns(clockid_t clock) noexcept {
  timespec time{};
  const int outcome = ::clock_gettime(clock, &time);
  ZW_ASSERT(outcome == 0);
  return nanoseconds(time);
}

}  // namespace zenwire::detail
