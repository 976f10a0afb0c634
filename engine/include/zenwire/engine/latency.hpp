#pragma once

// Latency stages: how long after the bytes of a message were received each step of its way was
// done, marked with the time-stamp counter. No decision of the engine depends on a mark.

#include <array>
#include <cstdint>
#include <string_view>

#include <zenwire/engine/histogram.hpp>

namespace zenwire {

// Each is counted from `receive`: the moment when the call that took the bytes returned.
enum class Stage : std::uint8_t {
  decrypted,  // its TLS record was opened
  framed,     // it was found in the stream, checked, and is about to be handed over
  callback,   // the user's handlers have returned
  queued,     // it was put into a strategy's queue
  strategy,   // the strategy's thread has it (marked by the strategy)
  sent,       // the answer that it caused was given to the kernel
};
inline constexpr std::size_t kStages = 6;

constexpr std::string_view name(Stage stage) noexcept {
  constexpr std::string_view kNames[kStages] = {"decrypted", "framed",   "callback",
                                                "queued",    "strategy", "sent"};
  return kNames[static_cast<std::size_t>(stage)];
}

// Ticks of the counter as nanoseconds, for reports: within 2 parts in 1024. The rate of the counter
// comes from outside (TickRate); there is no clock in here. Allocation-free.
inline void ticks_to_nanoseconds(const Histogram& ticks, double ticks_per_ns,
                                 Histogram& out) noexcept {
  out.clear();
  ticks.for_each([&](std::uint64_t low, std::uint64_t high, std::uint64_t count) {
    out.record(static_cast<std::uint64_t>(static_cast<double>(low + high) / 2 / ticks_per_ns),
               count);
  });
}

// One histogram a stage, in ticks of the counter. Thread: one marks; the strategy's thread has a
// recorder of its own. Cost of a mark: one subtraction and one Histogram::record().
class LatencyRecorder {
 public:
  void mark(Stage stage, std::uint64_t from_ticks, std::uint64_t to_ticks) noexcept {
    // Counters of two cores may differ by some ticks; a step back is no time at all.
    stages_[static_cast<std::size_t>(stage)].record(to_ticks > from_ticks ? to_ticks - from_ticks
                                                                          : 0);
  }
  [[nodiscard]] const Histogram& ticks(Stage stage) const noexcept {
    return stages_[static_cast<std::size_t>(stage)];
  }
  void clear() noexcept {
    for (auto& stage : stages_) stage.clear();
  }

  void to_nanoseconds(Stage stage, double ticks_per_ns, Histogram& out) const noexcept {
    ticks_to_nanoseconds(ticks(stage), ticks_per_ns, out);
  }

 private:
  std::array<Histogram, kStages> stages_{};
};

}  // namespace zenwire
