#pragma once

// TickRate: how many ticks of the time-stamp counter make a nanosecond, for reports of what was
// marked in ticks: what LatencyRecorder::to_nanoseconds() wants. The engine itself asks it nothing.

#include <cstdint>

namespace zenwire {

// From the moment when it was made until it is asked: the longer, the more exact (a millisecond
// gives a thousandth). Any thread.
class TickRate {
 public:
  TickRate() noexcept;
  // Waits, spinning, until it is a millisecond old, the first time it is asked.
  [[nodiscard]] double ticks_per_ns() const noexcept;

 private:
  std::uint64_t began_ticks_;
  std::uint64_t began_ns_;
};

}  // namespace zenwire
