#include "bench_stage.hpp"

#include <algorithm>

namespace zenwire::bench {

std::string_view name(Measure measure) noexcept {
  constexpr std::string_view kNames[kMeasures] = {
      "p50_over_floor", "p99_over_floor", "p999_over_floor", "cpu_over_floor",
      "allocations",    "page_faults",    "instructions",    "instructions_over_one"};
  return kNames[static_cast<std::size_t>(measure)];
}

std::string_view scenario_name(Mode scenario) noexcept {
  switch (scenario) {
    case Mode::echo: return "echo";
    case Mode::oneway: return "tick-to-callback";
    case Mode::strategy: return "tick-to-strategy";
    case Mode::order: return "tick-to-order";
    case Mode::sink: return "drain";
  }
  return "";
}

// So many that a round takes about a second.
std::uint64_t BenchStage::messages_of_round(bool quick) const noexcept {
  constexpr std::uint64_t kEchoes = 40'000;
  constexpr std::uint64_t kTicks = 8'000;
  constexpr std::uint64_t kDrained = 4'000'000;
  constexpr std::uint64_t kQuick = 10;
  const std::uint64_t usual = scenario == Mode::sink                 ? kDrained
                              : scenario == Mode::echo && !open_loop ? kEchoes
                                                                     : kTicks;
  const std::uint64_t wanted = messages != 0 ? messages : usual;
  return std::max<std::uint64_t>(quick ? wanted / kQuick : wanted, 1);
}

}  // namespace zenwire::bench
