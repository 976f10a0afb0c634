#pragma once

// BenchStage: one part of a message's way as `zenwire bench` measures it, and what it may cost.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "client_options.hpp"

namespace zenwire::bench {

enum class Measure : std::uint8_t {
  p50_over_floor,
  p99_over_floor,
  p999_over_floor,
  cpu_over_floor,         // processor time a message
  allocations,            // a message, on the thread that has the connections
  page_faults,            // a message, of the process
  instructions,           // a message, in user space
  instructions_over_one,  // the same, over that of one connection
};
inline constexpr std::size_t kMeasures = 8;
inline constexpr std::size_t kRatioMeasures = 4;  // the first ones: of paired rounds

// As budget files call them.
std::string_view name(Measure measure) noexcept;

// A ratio is kept when the upper end of its interval is at most so much above its limit.
inline constexpr double kRatioAllowance = 0.02;

struct StageLimit {
  Measure measure;
  double goal = 0;
};

struct BenchStage {
  std::string name;
  Mode scenario = Mode::echo;
  bool tls = false;
  bool open_loop = false;  // of an echo
  std::uint32_t connections = 1;
  std::size_t message_bytes = 128;
  double rate_per_s = 10'000;
  std::uint64_t messages = 0;  // counted in a round, after a tenth more to warm up; 0: as usual
  std::vector<StageLimit> limits{};

  // A drain alone has none: it is timed as a whole.
  [[nodiscard]] bool has_latency() const noexcept { return scenario != Mode::sink; }
  // Of a round: all of them, or a tenth where it shall be quick.
  [[nodiscard]] std::uint64_t messages_of_round(bool quick) const noexcept;
};

// As budget files call them; empty for what is none.
std::string_view scenario_name(Mode scenario) noexcept;
inline constexpr Mode kScenarios[] = {Mode::echo, Mode::oneway, Mode::strategy, Mode::order,
                                      Mode::sink};

}  // namespace zenwire::bench
