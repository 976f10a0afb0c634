#pragma once

// A budget file: the stages that `zenwire bench` measures and their limits, as TOML. What it may
// say is at the head of bench/budgets.toml.

#include <string>
#include <string_view>
#include <vector>

#include <zenwire/base/error.hpp>

#include "bench_stage.hpp"

namespace zenwire::bench {

// In the order of the file. Errors: file_unreadable; invalid_option, with file, line and what is
// wrong with it.
Result<std::vector<BenchStage>> read_budget(const std::string& path);
// The same of a text that is called `name` in errors.
Result<std::vector<BenchStage>> parse_budget(std::string_view toml, std::string_view name);

// bench/budgets.toml.
std::string_view built_in_budgets() noexcept;

}  // namespace zenwire::bench
