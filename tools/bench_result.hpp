#pragma once

// BenchResult: what `zenwire bench` measured, and how it is told.

#include <string>
#include <vector>

#include <zenwire/base/error.hpp>

#include "bench_stage.hpp"
#include "core_plan.hpp"
#include "stage_bench.hpp"

namespace zenwire::tools {

struct BenchResult {
  std::string budget{};  // the file, or "built in"
  bench::CorePlan cores{};
  unsigned rounds = 0;
  bool quick = false;
  bool interrupted = false;
  std::vector<bench::StageResult> stages{};

  // "echo p50_over_floor" of each limit that was broken, or skipped.
  [[nodiscard]] std::vector<std::string> all_with(bench::Verdict verdict) const;
};

// A line: its name, what is done, its limits.
std::string text_of(const bench::BenchStage& stage);
// Several lines: both ends' numbers, and budget against measured.
std::string text_of(const bench::StageResult& result);
// What it comes to.
std::string summary_of(const BenchResult& result);
// One JSON object, without a line feed.
std::string json_of(const BenchResult& result);
// The page: a table of all limits, and the curves of both ends for each stage. Error:
// file_unreadable.
Result<void> write_bench_report(const std::string& path, const BenchResult& result);

}  // namespace zenwire::tools
