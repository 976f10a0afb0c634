#include "stage_bench.hpp"

#include <algorithm>
#include <utility>

#include <zenwire/engine/tick_rate.hpp>

#include "floor_client.hpp"
#include "instructions.hpp"
#include "raw_tls.hpp"
#include "server_process.hpp"
#include "shared_memory.hpp"
#include "steady_process.hpp"
#include "zenwire_client.hpp"

namespace zenwire::bench {
namespace {

constexpr double kRun_s = 300;

// What a run leaves: in memory that its process and this one share.
struct Measurement {
  ClientFigures figures;
  Histogram latency;
  Histogram corrected;
  std::array<Histogram, kStages> stages;  // in nanoseconds, of a marked run
};

// --- In the process of one end.

int leave_in(Measurement& measurement, const ClientRun& run) {
  measurement.figures = run.figures();
  measurement.latency = run.latencies();
  measurement.corrected = run.corrected();
  return measurement.figures.complete && measurement.figures.errors == 0 ? 0 : 1;
}

int run_floor(const ClientOptions& options, Measurement& measurement) {
  FloorClient client(options);
  client.measure();
  return leave_in(measurement, client.run());
}

// `marks`: of the engine's stages, or null.
int run_ours(const ClientOptions& options, Measurement& measurement, LatencyRecorder* marks) {
  ZenwireClient client(options);
  if (marks != nullptr) client.mark_into(*marks);
  const bool whole = client.measure();
  const int code = leave_in(measurement, client.run());
  return whole ? code : 1;
}

int run_zenwire(const ClientOptions& options, Measurement& measurement) {
  return run_ours(options, measurement, nullptr);
}

int run_marked(const ClientOptions& options, Measurement& measurement) {
  const TickRate rate;
  const auto marks = std::make_unique<LatencyRecorder>();
  const int code = run_ours(options, measurement, marks.get());
  for (std::size_t i = 0; i < kStages; ++i) {
    marks->to_nanoseconds(static_cast<Stage>(i), rate.ticks_per_ns(), measurement.stages[i]);
  }
  return code;
}

// --- The rounds.

class StageBench {
 public:
  StageBench(const BenchStage& stage, const BenchOptions& options) : options_(options) {
    result_.stage = stage;
  }

  Result<StageResult> measure();

 private:
  Result<void> measure_rounds();
  Result<bool> measure_round(unsigned round);
  using Run = int (*)(const ClientOptions&, Measurement&);
  Result<bool> run(std::string_view who, Run work);
  [[nodiscard]] ClientOptions client_options() const;
  void keep(End end);
  Result<bool> mark_stages();
  void make_ratios();
  Result<void> judge();
  Result<LimitVerdict> judge(const StageLimit& limit);
  [[nodiscard]] std::string why_no_rounds() const {
    return result_.skipped.empty() ? "interrupted" : result_.skipped;
  }
  [[nodiscard]] LimitVerdict judge_steady(LimitVerdict verdict,
                                          std::uint64_t ClientFigures::*count) const;
  [[nodiscard]] static LimitVerdict settled(LimitVerdict verdict, double value);
  Result<LimitVerdict> judge_count(LimitVerdict verdict);
  Result<std::optional<double>> count(std::uint32_t connections);
  // Whoever waits here learns of an interruption; all that is then done is left undone.
  void await(Wait& wait) noexcept {
    options_.wait_for(wait);
    interrupted_ |= wait.outcome == Wait::Outcome::interrupted;
  }
  [[nodiscard]] WaitFor wait_for() noexcept { return WaitFor::to<&StageBench::await>(*this); }
  void tell(const std::string& what) const noexcept {
    if (options_.progress) options_.progress(result_.stage.name + ": " + what);
  }

  BenchOptions options_;
  StageResult result_;
  std::optional<ServerProcess> server_;
  SharedMemory<Measurement> shared_;
  std::array<std::vector<double>, kRatioMeasures> per_round_;
  std::array<std::array<double, kRatioMeasures>, kEnds> values_{};  // of the round
  bool interrupted_ = false;
};

Result<StageResult> StageBench::measure() {
  const BenchStage& stage = result_.stage;
  if (stage.tls && !raw_tls::is_there()) {
    result_.skipped = "built without OpenSSL, which the floor for TLS needs";
  } else if (auto measured = measure_rounds(); !measured) {
    return tl::unexpected<Error>(measured.error());
  }
  server_.reset();
  make_ratios();
  if (auto judged = judge(); !judged) return tl::unexpected<Error>(judged.error());
  return std::move(result_);
}

Result<void> StageBench::measure_rounds() {
  const BenchStage& stage = result_.stage;
  const bool shares = stage.scenario == Mode::strategy && options_.cores.strategy_shares();
  if (shares) {
    result_.note =
        "the strategy's thread shares its core with the server, as there are two cores: each "
        "gives way to the other, at both ends alike";
  }
  auto shared = make_shared_memory<Measurement>();
  if (!shared) return tl::unexpected<Error>(shared.error());
  shared_ = std::move(*shared);
  auto server = ServerProcess::start(
      {.cpu = options_.cores.server, .tls = stage.tls, .gives_way = shares}, wait_for());
  if (interrupted_) return {};
  if (!server) return tl::unexpected<Error>(server.error());
  server_.emplace(std::move(*server));
  for (unsigned round = 0; round < options_.rounds && !interrupted_; ++round) {
    tell("round " + std::to_string(round + 1) + " of " + std::to_string(options_.rounds));
    const auto whole = measure_round(round);
    if (!whole) return tl::unexpected<Error>(whole.error());
    if (*whole) ++result_.rounds;
  }
  if (stage.scenario != Mode::order || interrupted_) return {};
  const auto marked = mark_stages();
  return marked ? Result<void>() : tl::unexpected<Error>(marked.error());
}

// Every second round the other way round, so that neither is always the first.
Result<bool> StageBench::measure_round(unsigned round) {
  const End first = round % 2 == 0 ? End::floor : End::zenwire;
  const End second = first == End::floor ? End::zenwire : End::floor;
  for (const End end : {first, second}) {
    const auto whole = run(name(end), end == End::floor ? run_floor : run_zenwire);
    if (!whole || !*whole) return whole;
    keep(end);
  }
  for (std::size_t i = 0; i < kRatioMeasures; ++i) {
    const double floor = values_[static_cast<std::size_t>(End::floor)][i];
    const double ours = values_[static_cast<std::size_t>(End::zenwire)][i];
    if (floor > 0) per_round_[i].push_back(ours / floor);
  }
  return true;
}

// False: it was interrupted.
Result<bool> StageBench::run(std::string_view who, Run work) {
  const ClientOptions client = client_options();
  server_->orders().latency.clear();
  server_->orders().corrected.clear();
  auto child = Child::start([&] {
    make_steady();
    return work(client, *shared_);
  });
  if (!child) return tl::unexpected<Error>(child.error());
  const ChildEnd end = child->wait(wait_for(), kRun_s);
  if (interrupted_) return false;
  if (!end.good()) {
    const std::string how = end.outcome == Wait::Outcome::timed_out
                                ? std::string("took too long")
                                : "exit code " + std::to_string(end.code);
    return fail(Errc::aborted,
                result_.stage.name + ", " + std::string(who) + ": " + how + ": " + child->errors());
  }
  return true;
}

ClientOptions StageBench::client_options() const {
  const BenchStage& stage = result_.stage;
  ClientOptions client;
  client.port = server_->port();
  client.tls = stage.tls;
  client.ca_file = server_->ca_file();
  client.mode = stage.scenario;
  client.message_bytes = stage.message_bytes;
  client.count = stage.messages_of_round(options_.quick);
  // A multiple of the connections, so that each has as many.
  const std::uint64_t each = (client.count + stage.connections - 1) / stage.connections;
  client.count = each * stage.connections;
  client.warmup = std::max<std::uint64_t>(each / 10, 1) * stage.connections;
  client.cpu = options_.cores.client;
  client.connections = stage.connections;
  client.rate_per_s = stage.rate_per_s;
  client.open_loop = stage.open_loop;
  client.strategy_cpu = options_.cores.strategy;
  client.allocations = options_.allocations;
  client.shares_core = options_.cores.strategy_shares();
  client.spin = stage.scenario != Mode::sink;
  return client;
}

void StageBench::keep(End end) {
  const bool at_server = result_.stage.scenario == Mode::order;
  const Histogram& latency = at_server ? server_->orders().latency : shared_->latency;
  const Histogram& corrected = at_server ? server_->orders().corrected : shared_->corrected;
  const ClientFigures& figures = shared_->figures;
  EndResult& to = result_.ends[static_cast<std::size_t>(end)];
  to.latency->merge(latency);
  to.corrected->merge(corrected);
  to.cpu_ns_per_message.push_back(figures.cpu_ns_per_message());
  to.messages_per_s.push_back(1e9 / std::max(figures.per_message(figures.wall_ns), 1e-9));
  to.total.counted += figures.counted;
  to.total.page_faults += figures.page_faults;
  to.total.allocations += figures.allocations;
  to.total.preempted += figures.preempted;
  to.total.run_delay_ns += figures.run_delay_ns;
  to.total.wall_ns += figures.wall_ns;
  auto& values = values_[static_cast<std::size_t>(end)];
  values = {static_cast<double>(latency.percentile(50)),
            static_cast<double>(latency.percentile(99)),
            static_cast<double>(latency.percentile(99.9)), figures.cpu_ns_per_message()};
}

Result<bool> StageBench::mark_stages() {
  tell("the engine's stages");
  auto whole = run("zenwire, marked", run_marked);
  if (whole && *whole) {
    result_.stages = std::make_unique<std::array<Histogram, kStages>>(shared_->stages);
  }
  return whole;
}

void StageBench::make_ratios() {
  for (std::size_t i = 0; i < kRatioMeasures; ++i) {
    if (!per_round_[i].empty()) result_.ratios[i] = ratio_of(per_round_[i]);
  }
}

// --- The limits.

Result<void> StageBench::judge() {
  for (const StageLimit& limit : result_.stage.limits) {
    auto verdict = judge(limit);
    if (!verdict) return tl::unexpected<Error>(verdict.error());
    result_.verdicts.push_back(std::move(*verdict));
  }
  return {};
}

Result<LimitVerdict> StageBench::judge(const StageLimit& limit) {
  LimitVerdict verdict{.limit = limit};
  const auto index = static_cast<std::size_t>(limit.measure);
  switch (limit.measure) {
    case Measure::allocations: return judge_steady(verdict, &ClientFigures::allocations);
    case Measure::page_faults: return judge_steady(verdict, &ClientFigures::page_faults);
    case Measure::instructions:
    case Measure::instructions_over_one: return judge_count(std::move(verdict));
    default: break;
  }
  if (!result_.ratios[index]) {
    verdict.why = why_no_rounds();
    return verdict;
  }
  verdict.measured = *result_.ratios[index];
  const bool kept = verdict.measured.high <= limit.goal + kRatioAllowance;
  verdict.verdict = kept ? Verdict::kept : Verdict::broken;
  return verdict;
}

// What the counted messages of all rounds took together.
LimitVerdict StageBench::judge_steady(LimitVerdict verdict,
                                      std::uint64_t ClientFigures::*count) const {
  if (result_.rounds == 0) {
    verdict.why = why_no_rounds();
    return verdict;
  }
  const ClientFigures& total = result_.end(End::zenwire).total;
  return settled(std::move(verdict), total.per_message(total.*count));
}

LimitVerdict StageBench::settled(LimitVerdict verdict, double value) {
  verdict.measured = {value, value, value};
  verdict.verdict = value <= verdict.limit.goal ? Verdict::kept : Verdict::broken;
  return verdict;
}

Result<LimitVerdict> StageBench::judge_count(LimitVerdict verdict) {
  verdict.why = interrupted_ ? "interrupted" : why_no_instructions();
  if (!verdict.why.empty()) return verdict;
  const auto counted = count(result_.stage.connections);
  if (!counted) return tl::unexpected<Error>(counted.error());
  Result<std::optional<double>> one = 1.0;
  if (verdict.limit.measure == Measure::instructions_over_one) one = count(1);
  if (!one) return tl::unexpected<Error>(one.error());
  if (!*counted || !*one) {
    verdict.why = "interrupted";
    return verdict;
  }
  return settled(std::move(verdict), **counted / **one);
}

// Nothing: it was interrupted.
Result<std::optional<double>> StageBench::count(std::uint32_t connections) {
  tell("instructions");
  const auto counted = count_instructions({.stage = result_.stage,
                                           .connections = connections,
                                           .cores = options_.cores,
                                           .runs = options_.quick ? 1u : 3u},
                                          wait_for());
  if (interrupted_) return std::optional<double>();
  if (!counted) return tl::unexpected<Error>(counted.error());
  return std::optional(*counted);
}

}  // namespace

std::string_view name(Verdict verdict) noexcept {
  switch (verdict) {
    case Verdict::kept: return "kept";
    case Verdict::broken: return "broken";
    case Verdict::skipped: return "skipped";
  }
  return "";
}

bool StageResult::broken() const noexcept {
  return std::any_of(verdicts.begin(), verdicts.end(), [](const LimitVerdict& verdict) {
    return verdict.verdict == Verdict::broken;
  });
}

Result<StageResult> measure_stage(const BenchStage& stage, const BenchOptions& options) {
  return StageBench(stage, options).measure();
}

}  // namespace zenwire::bench
