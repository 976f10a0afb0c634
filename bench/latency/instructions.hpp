#pragma once

// Instructions per message: this very program as a client under callgrind, twice, of which the
// slope is what a message costs.

#include <cstdint>
#include <optional>
#include <string>

#include <zenwire/base/error.hpp>

#include "bench_stage.hpp"
#include "child.hpp"
#include "core_plan.hpp"

namespace zenwire::bench {

// Why nothing can be counted here; empty: it can. A count of another build than the release
// preset's says nothing.
std::string why_no_instructions();

struct InstructionsRequest {
  const BenchStage& stage;
  std::uint32_t connections = 1;
  CorePlan cores;
  unsigned runs = 3;  // of which the median counts: an echo does not quite repeat
};

// User-space instructions of a message, the client's own check of every byte included. Errors:
// aborted (interrupted, or the client failed; the detail says how); those of ServerProcess.
Result<double> count_instructions(const InstructionsRequest& request, const WaitFor& wait_for);

// What the program is started as for that: `zenwire bench client ...`.
inline constexpr const char* kClientWord = "client";

}  // namespace zenwire::bench
