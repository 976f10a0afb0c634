#include <cstdio>
#include <memory>

#include <zenwire/engine/tick_rate.hpp>
#include <zenwire/testing/latency.hpp>

namespace zenwire::testing {

double ticks_per_ns() noexcept {
  static const double rate = TickRate().ticks_per_ns();
  return rate;
}

Expectation assert_percentile_below(const LatencyRecorder& latency, Stage stage, double percent,
                                    std::uint64_t limit_ns) {
  const auto nanoseconds = std::make_unique<Histogram>();
  latency.to_nanoseconds(stage, ticks_per_ns(), *nanoseconds);
  char text[160];
  if (nanoseconds->count() == 0) {
    std::snprintf(text, sizeof text, "stage %s was never marked", name(stage).data());
    return {.met = false, .message = text};
  }
  const std::uint64_t value_ns = nanoseconds->percentile(percent);
  if (value_ns < limit_ns) return {.met = true};
  std::snprintf(text, sizeof text, "p%g of stage %s is %llu ns, not below %llu ns, of %llu values",
                percent, name(stage).data(), static_cast<unsigned long long>(value_ns),
                static_cast<unsigned long long>(limit_ns),
                static_cast<unsigned long long>(nanoseconds->count()));
  return {.met = false, .message = text};
}

Expectation assert_budget_met(Budget& budget, const Stopwatch& stopwatch) {
  budget.check(stopwatch);
  if (budget.met()) return {.met = true};
  return {.met = false, .message = "a budget is broken\n" + budget.text()};
}

}  // namespace zenwire::testing
