#pragma once

// Stopwatch: how long the stages of your own process take, by name: mark a stage, get the
// histogram. What the engine marks of itself is LatencyRecorder; a Budget holds either to limits.
//
//   auto watch = Stopwatch::make({"parse", "decide"}).value();
//   ...
//   std::uint64_t at = message.received_ticks;
//   book.apply(message.payload);
//   at = watch.mark(kParse, at);   // from receipt until here
//   watch.mark(kDecide, at);       // from there until here

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <zenwire/base/assert.hpp>
#include <zenwire/base/error.hpp>
#include <zenwire/engine/histogram.hpp>
#include <zenwire/engine/io.hpp>
#include <zenwire/engine/latency.hpp>
#include <zenwire/engine/tick_rate.hpp>

namespace zenwire {

// Thread: one marks; others may read after it. Memory: 248 KiB a stage, all of it taken and touched
// by make(); nothing allocates after that. Cost of a mark: a read of the counter and one
// Histogram::record(), 10 ns when its bucket is in the cache.
class Stopwatch {
 public:
  static constexpr std::size_t kStages_max = 64;

  // Stages are numbered as they stand. Errors: invalid_option (no stage, too many, a name that is
  // empty or there twice); memory_exhausted.
  static Result<Stopwatch> make(std::initializer_list<std::string_view> stages) noexcept {
    return make(std::span(stages.begin(), stages.size()));
  }
  static Result<Stopwatch> make(std::span<const std::string_view> stages) noexcept;

  // The machine's counter: in a simulation, whose time is virtual, there is nothing to time.
  [[nodiscard]] static std::uint64_t now() noexcept { return TickSource().now(); }
  // The stage has ended now. Gives the moment, from which the next may be counted.
  std::uint64_t mark(std::size_t stage, std::uint64_t from_ticks) noexcept {
    const std::uint64_t to_ticks = now();
    mark(stage, from_ticks, to_ticks);
    return to_ticks;
  }
  // It lasted from the one moment to the other; a step back, which counters of two cores may show,
  // is no time at all.
  void mark(std::size_t stage, std::uint64_t from_ticks, std::uint64_t to_ticks) noexcept {
    ZW_ASSERT(stage < names_.size());
    histograms_[stage].record(to_ticks > from_ticks ? to_ticks - from_ticks : 0);
  }

  [[nodiscard]] std::size_t stages() const noexcept { return names_.size(); }
  [[nodiscard]] std::string_view name(std::size_t stage) const noexcept { return names_[stage]; }
  // The number of a stage; nothing if there is none of that name.
  [[nodiscard]] std::optional<std::size_t> find(std::string_view name) const noexcept;

  [[nodiscard]] const Histogram& ticks(std::size_t stage) const noexcept {
    ZW_ASSERT(stage < names_.size());
    return histograms_[stage];
  }
  // In nanoseconds, within 2 parts in 1024 and what TickRate is off by. Allocates nothing.
  void to_nanoseconds(std::size_t stage, Histogram& out) const noexcept {
    ticks_to_nanoseconds(ticks(stage), rate_.ticks_per_ns(), out);
  }
  // Forgets what was marked: at the end of a warm-up.
  void clear() noexcept;

 private:
  explicit Stopwatch(std::vector<std::string> names);

  TickRate rate_;
  std::vector<std::string> names_;
  std::unique_ptr<Histogram[]> histograms_;
};

}  // namespace zenwire
