#pragma once

// StageBench: one stage measured: the floor and zenwire in turn against one server, round by round,
// so that what drifts with the machine meets both; and whether its limits were kept.

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <zenwire/base/callback.hpp>
#include <zenwire/base/error.hpp>
#include <zenwire/engine/histogram.hpp>
#include <zenwire/engine/latency.hpp>

#include "bench_stage.hpp"
#include "child.hpp"
#include "client_run.hpp"
#include "core_plan.hpp"
#include "ratio.hpp"

namespace zenwire::bench {

enum class End : std::uint8_t { floor, zenwire };
inline constexpr std::size_t kEnds = 2;
constexpr std::string_view name(End end) noexcept {
  return end == End::floor ? "floor" : "zenwire";
}

// What one end measured in all rounds together.
struct EndResult {
  std::unique_ptr<Histogram> latency = std::make_unique<Histogram>();
  std::unique_ptr<Histogram> corrected = std::make_unique<Histogram>();  // from when it was due
  std::vector<double> cpu_ns_per_message{};                              // of each round
  std::vector<double> messages_per_s{};
  ClientFigures total{};  // sums
};

enum class Verdict : std::uint8_t { kept, broken, skipped };
std::string_view name(Verdict verdict) noexcept;

struct LimitVerdict {
  StageLimit limit{};
  Verdict verdict = Verdict::skipped;
  Ratio measured{};   // of a count all three are it
  std::string why{};  // it was skipped
};

struct StageResult {
  BenchStage stage{};
  std::string skipped{};  // why the rounds were; empty: they were not
  std::string note{};     // what a reader of the numbers must know
  unsigned rounds = 0;    // whole ones
  std::array<EndResult, kEnds> ends{};
  std::array<std::optional<Ratio>, kRatioMeasures> ratios{};  // by Measure
  // Of one more run, with the engine's stages marked, which costs: in nanoseconds.
  std::unique_ptr<std::array<Histogram, kStages>> stages{};
  std::vector<LimitVerdict> verdicts{};  // of the stage's limits, in their order

  [[nodiscard]] const EndResult& end(End which) const noexcept {
    return ends[static_cast<std::size_t>(which)];
  }
  [[nodiscard]] bool broken() const noexcept;
};

struct BenchOptions {
  CorePlan cores{};
  unsigned rounds = 9;
  bool quick = false;
  WaitFor wait_for{};
  // How many the calling thread has made; null: they are not counted.
  std::uint64_t (*allocations)() noexcept = nullptr;
  // What is being done, for people.
  Callback<std::string_view> progress{};
};

// Errors: aborted (a process failed; the detail says which and how), system_error,
// memory_exhausted. Interrupted, it gives what there is: the limits without a value are skipped.
Result<StageResult> measure_stage(const BenchStage& stage, const BenchOptions& options);

}  // namespace zenwire::bench
