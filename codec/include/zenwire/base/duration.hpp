#pragma once

// Durations: std::chrono where a user sets them, whole nanoseconds where the engine counts.

#include <chrono>
#include <cstdint>

namespace zenwire {

// Not negative: options are looked at before.
constexpr std::uint64_t to_ns(std::chrono::nanoseconds duration) noexcept {
  return static_cast<std::uint64_t>(duration.count());
}

}  // namespace zenwire
