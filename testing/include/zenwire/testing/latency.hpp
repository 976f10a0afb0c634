#pragma once

// Limits on the latency stages that a Reactor marked (Reactor::measure_into()), and on those that
// the tested code marks itself.

#include <cstdint>

#include <zenwire/engine/budget.hpp>
#include <zenwire/engine/latency.hpp>
#include <zenwire/engine/stopwatch.hpp>
#include <zenwire/testing/expectation.hpp>

namespace zenwire::testing {

// Ticks of this machine's time-stamp counter in a nanosecond, within a thousandth. The first call
// may take up to a millisecond.
double ticks_per_ns() noexcept;

// Whether `percent` (0 to 100) of the values of a stage took less than `limit_ns`. Not met when
// nothing was marked.
Expectation assert_percentile_below(const LatencyRecorder& latency, Stage stage, double percent,
                                    std::uint64_t limit_ns);

// Whether every limit was kept; the message is the budget's table.
Expectation assert_budget_met(Budget& budget, const Stopwatch& stopwatch);

}  // namespace zenwire::testing
