// zenwire bench: every stage of a budget measured beside the bare floor, in processes of its own,
// and held to its limits.

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include <poll.h>

#include <zenwire/testing/allocation.hpp>

#include "bench_result.hpp"
#include "budget_file.hpp"
#include "command_line.hpp"
#include "console.hpp"
#include "core_plan.hpp"
#include "instructions.hpp"
#include "interrupts.hpp"
#include "output.hpp"
#include "stage_bench.hpp"
#include "zenwire_client.hpp"

namespace zenwire::tools {
namespace {

constexpr std::string_view kBenchName = "bench";
constexpr unsigned kRounds = 9;
constexpr unsigned kRoundsQuick = 3;

struct BenchFlags {
  std::string budget;  // empty: the one that is built in
  std::vector<std::string> stages;
  std::optional<unsigned> rounds;
  std::string cores;
  std::string json;
  std::string report;
  bool quick = false;
  bool list = false;
  bool print_budget = false;

  void add_to(CLI::App& app);
  [[nodiscard]] unsigned round_count() const noexcept {
    return rounds.value_or(quick ? kRoundsQuick : kRounds);
  }
};

void BenchFlags::add_to(CLI::App& app) {
  app.add_option("--budget", budget, "stages and limits; without it those that are built in")
      ->type_name("FILE");
  one_value_each(app.add_option("--stage", stages, "measure only this one; again for more")
                     ->type_name("NAME"));
  app.add_option("--rounds", rounds, "pairs of runs of each stage (9; with --quick 3)")
      ->check(CLI::Range(1u, 1000u));
  app.add_flag("--quick", quick, "a tenth of the messages: to see that it runs");
  app.add_option("--cores", cores, "where client, server and strategy run, as 3,1 or 3,1,2")
      ->type_name("LIST");
  app.add_option("--json", json, "write the result there as one JSON object")->type_name("FILE");
  app.add_option("--report", report, "write a page with the curves of both ends there")
      ->type_name("FILE");
  app.add_flag("--list", list, "print the stages and their limits, and measure nothing");
  app.add_flag("--print-budget", print_budget,
               "print the budget that is built in, with what a budget file may say");
}

// A file that cannot be written is known before minutes are spent.
Result<void> check_writable(const std::string& path) {
  if (path.empty() || std::ofstream(path, std::ios::app)) return {};
  return fail(Errc::file_unreadable, path + " cannot be written: " + std::strerror(errno), errno);
}

Result<std::vector<bench::BenchStage>> choose(std::vector<bench::BenchStage> stages,
                                              const std::vector<std::string>& names) {
  if (names.empty()) return stages;
  std::vector<bench::BenchStage> chosen;
  for (const std::string& wanted : names) {
    const auto found = std::find_if(stages.begin(), stages.end(),
                                    [&](const auto& stage) { return stage.name == wanted; });
    if (found == stages.end()) {
      return fail(Errc::invalid_option,
                  "the budget has no stage \"" + wanted + "\"; see zenwire bench --list");
    }
    chosen.push_back(*found);
  }
  return chosen;
}

class Bench {
 public:
  explicit Bench(BenchFlags flags) : flags_(std::move(flags)), progress_(kBenchName) {}

  // The command line and the budget; then what the machine must have.
  Result<void> read_budget();
  Result<void> prepare();
  ExitCode run();

 private:
  ExitCode list();
  void measure(const bench::BenchStage& stage);
  ExitCode finish();
  void write_json();
  void write_page();
  void failed(std::string_view what, const Error& error) {
    progress_.clear();
    print_error(kBenchName, what, error);
    failed_ = true;
  }
  void wait(bench::Wait& wait) noexcept;
  void show(std::string_view text) noexcept {
    if (progress_.is_due()) progress_.show(text);
  }

  BenchFlags flags_;
  Interrupts interrupts_;
  Progress progress_;
  Output output_;
  std::vector<bench::BenchStage> stages_;
  BenchResult result_;
  bool failed_ = false;
};

Result<void> Bench::read_budget() {
  auto stages = flags_.budget.empty()
                    ? bench::parse_budget(bench::built_in_budgets(), "the built-in budget")
                    : bench::read_budget(flags_.budget);
  if (!stages) return tl::unexpected<Error>(stages.error());
  auto chosen = choose(std::move(*stages), flags_.stages);
  if (!chosen) return tl::unexpected<Error>(chosen.error());
  stages_ = std::move(*chosen);
  result_.budget = flags_.budget.empty() ? "built in" : flags_.budget;
  result_.rounds = flags_.round_count();
  result_.quick = flags_.quick;
  if (flags_.list || flags_.cores.empty()) return {};
  const auto cores = bench::parse_cores(flags_.cores);
  if (!cores) return tl::unexpected<Error>(cores.error());
  result_.cores = *cores;
  return {};
}

Result<void> Bench::prepare() {
  if (flags_.list) return {};
  if (flags_.cores.empty()) {
    const auto cores = bench::plan_cores();
    if (!cores) return tl::unexpected<Error>(cores.error());
    result_.cores = *cores;
  }
  for (const std::string& path : {flags_.json, flags_.report}) {
    if (auto writable = check_writable(path); !writable) return writable;
  }
  return {};
}

ExitCode Bench::list() {
  for (const bench::BenchStage& stage : stages_) output_.write_line(text_of(stage));
  return ExitCode::ok;
}

ExitCode Bench::run() {
  if (flags_.list) return list();
  for (const bench::BenchStage& stage : stages_) {
    if (interrupts_.caught() != 0) break;
    measure(stage);
  }
  return finish();
}

void Bench::measure(const bench::BenchStage& stage) {
  auto measured = bench::measure_stage(
      stage, {.cores = result_.cores,
              .rounds = flags_.round_count(),
              .quick = flags_.quick,
              .wait_for = bench::WaitFor::to<&Bench::wait>(*this),
              .allocations = &testing::allocations_of_this_thread,
              .progress = Callback<std::string_view>::to<&Bench::show>(*this)});
  if (!measured) return failed("cannot measure " + stage.name, measured.error());
  progress_.clear();
  output_.write(text_of(*measured));
  output_.flush();
  result_.stages.push_back(std::move(*measured));
}

void Bench::wait(bench::Wait& wait) noexcept {
  using Outcome = bench::Wait::Outcome;
  const std::chrono::duration<double> time(wait.seconds);
  if (interrupts_.wait_for_descriptor(wait.descriptor, time)) {
    wait.outcome = Outcome::interrupted;
    return;
  }
  pollfd ready{wait.descriptor, POLLIN, 0};
  wait.outcome = ::poll(&ready, 1, 0) == 1 ? Outcome::ready : Outcome::timed_out;
}

ExitCode Bench::finish() {
  result_.interrupted = interrupts_.caught() != 0;
  if (!flags_.json.empty()) write_json();
  if (!flags_.report.empty()) write_page();
  output_.write(summary_of(result_));
  output_.flush();
  if (result_.interrupted) return exit_code_of_signal(interrupts_.caught());
  if (output_.gone()) return ExitCode::already_gone;
  const bool broken = !result_.all_with(bench::Verdict::broken).empty();
  return failed_ || broken || output_.failed() ? ExitCode::failed : ExitCode::ok;
}

void Bench::write_json() {
  std::ofstream file(flags_.json, std::ios::binary | std::ios::trunc);
  file << json_of(result_) << '\n';
  file.close();
  if (!file) failed("cannot write the result", Error(Errc::file_unreadable, flags_.json, errno));
}

void Bench::write_page() {
  const auto written = write_bench_report(flags_.report, result_);
  if (!written) failed("cannot write the report", written.error());
}

}  // namespace

ExitCode bench_main(Arguments arguments) {
  // What it runs under callgrind: itself, as a client.
  if (arguments.count > 1 && std::string_view(arguments.values[1]) == bench::kClientWord) {
    return static_cast<ExitCode>(
        bench::zenwire_client_main(arguments.count - 1, arguments.values + 1));
  }
  BenchFlags flags;
  CommandLine line(
      kBenchName,
      "Measures every stage of a message's way against a server on another core, beside a bare "
      "recv and send loop in the same run, and fails when a limit of the budget is broken. It "
      "takes minutes and two cores that are otherwise quiet.",
      "bench\n"
      "bench --stage echo --stage tick-to-callback-tls --rounds 15\n"
      "bench --print-budget > budget.toml\n"
      "bench --budget budget.toml --json bench.json --report bench.html");
  flags.add_to(line.options());
  if (const auto code = line.parse(arguments)) return *code;
  if (flags.print_budget) {
    Output output;
    output.write(bench::built_in_budgets());
    return ExitCode::ok;
  }
  Bench bench(std::move(flags));
  if (auto read = bench.read_budget(); !read) {
    print_error(kBenchName, "cannot use the budget", read.error());
    return ExitCode::usage;
  }
  if (auto prepared = bench.prepare(); !prepared) {
    print_error(kBenchName, "cannot measure", prepared.error());
    return ExitCode::failed;
  }
  return bench.run();
}

}  // namespace zenwire::tools
