#include "bench_result.hpp"

#include <array>
#include <cstdio>
#include <utility>

#include "console.hpp"
#include "json_line.hpp"
#include "report.hpp"

namespace zenwire::tools {
namespace {

using bench::BenchStage;
using bench::End;
using bench::EndResult;
using bench::LimitVerdict;
using bench::Measure;
using bench::Mode;
using bench::Ratio;
using bench::StageLimit;
using bench::StageResult;
using bench::Verdict;

constexpr std::array kEnds = {End::floor, End::zenwire};
constexpr std::string_view kNoise =
    "Ratios are of paired rounds, with the 95 per cent interval of their median. Times on a shared "
    "machine drift; compare within one run.";

// "1.02", "0.956"; a count as "1500" or "1399.6".
std::string number_text(double value, int digits) {
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  return text;
}
std::string goal_text(double goal) {
  char text[64];
  std::snprintf(text, sizeof text, "%g", goal);
  return text;
}

std::string measured_text(const LimitVerdict& verdict) {
  if (verdict.verdict == Verdict::skipped) return "-";
  if (verdict.limit.measure == Measure::instructions)
    return number_text(verdict.measured.median, 1);
  const bool count = verdict.limit.measure == Measure::allocations ||
                     verdict.limit.measure == Measure::page_faults;
  if (count) return goal_text(verdict.measured.median);
  return number_text(verdict.measured.median, 3);
}

std::string interval_text(const LimitVerdict& verdict) {
  const Ratio& ratio = verdict.measured;
  if (verdict.verdict == Verdict::skipped || ratio.low == ratio.high) return "";
  return "[" + number_text(ratio.low, 3) + ", " + number_text(ratio.high, 3) + "]";
}

std::string verdict_text(const LimitVerdict& verdict) {
  if (verdict.verdict == Verdict::broken) return "BROKEN";
  std::string text(name(verdict.verdict));
  return verdict.verdict == Verdict::skipped ? text + ": " + verdict.why : text;
}

// "echo, 128 B, TLS, 1 connection"
std::string what_of(const BenchStage& stage) {
  std::string text = std::string(scenario_name(stage.scenario)) + ", " +
                     std::to_string(stage.message_bytes) + " B, " + (stage.tls ? "TLS" : "plain") +
                     ", " + grouped(stage.connections) +
                     (stage.connections == 1 ? " connection" : " connections");
  const bool at_a_rate = stage.open_loop || (stage.has_latency() && stage.scenario != Mode::echo);
  if (at_a_rate) text += ", " + grouped(static_cast<std::uint64_t>(stage.rate_per_s)) + " a second";
  return text + (stage.open_loop ? ", open loop" : "");
}

double median_cpu_ns(const EndResult& end) {
  return end.cpu_ns_per_message.empty() ? 0 : bench::median_of(end.cpu_ns_per_message);
}

std::string end_row(const StageResult& result, End which) {
  const EndResult& end = result.end(which);
  char line[256];
  std::snprintf(line, sizeof line, "  %-8s", std::string(name(which)).c_str());
  std::string text = line;
  if (!result.stage.has_latency()) {
    const double per_s = end.messages_per_s.empty() ? 0 : bench::median_of(end.messages_per_s);
    std::snprintf(line, sizeof line, " %10s %13s\n",
                  duration_text(static_cast<std::uint64_t>(median_cpu_ns(end))).c_str(),
                  grouped(static_cast<std::uint64_t>(per_s)).c_str());
    return text + line;
  }
  for (const double percent : {50.0, 99.0, 99.9, 100.0}) {
    std::snprintf(line, sizeof line, " %9s",
                  duration_text(end.latency->percentile(percent)).c_str());
    text += line;
  }
  const bool corrected = end.corrected->count() != 0;
  for (const double percent : {99.0, 99.9}) {
    std::snprintf(line, sizeof line, " %9s",
                  corrected ? duration_text(end.corrected->percentile(percent)).c_str() : "-");
    text += line;
  }
  return text + "\n";
}

std::string limit_row(const LimitVerdict& verdict) {
  char line[320];
  std::snprintf(line, sizeof line, "  %-22s budget %7s  measured %8s %-16s  %s\n",
                std::string(name(verdict.limit.measure)).c_str(),
                goal_text(verdict.limit.goal).c_str(), measured_text(verdict).c_str(),
                interval_text(verdict).c_str(), verdict_text(verdict).c_str());
  return line;
}

// A ratio that nobody set a limit to is told all the same.
std::string free_ratios(const StageResult& result) {
  std::string text;
  for (std::size_t i = 0; i < bench::kRatioMeasures; ++i) {
    const auto measure = static_cast<Measure>(i);
    const bool of_drain = measure == Measure::cpu_over_floor;
    bool limited = !result.ratios[i].has_value() || of_drain == result.stage.has_latency();
    for (const LimitVerdict& verdict : result.verdicts) limited |= verdict.limit.measure == measure;
    if (limited) continue;
    const LimitVerdict as_if{
        .limit = {measure, 0}, .verdict = Verdict::kept, .measured = *result.ratios[i]};
    char line[200];
    std::snprintf(line, sizeof line, "  %-22s                 measured %8s %s\n",
                  std::string(name(measure)).c_str(), measured_text(as_if).c_str(),
                  interval_text(as_if).c_str());
    text += line;
  }
  return text;
}

std::string stages_row(const StageResult& result) {
  if (result.stages == nullptr) return "";
  const Histogram& sent = (*result.stages)[static_cast<std::size_t>(Stage::sent)];
  return "  within the engine, from receipt to the order given to the kernel: p50 " +
         duration_text(sent.percentile(50)) + ", p99 " + duration_text(sent.percentile(99)) + "\n";
}

// --- JSON

std::string json_of(const Histogram& times) {
  JsonLine line;
  line.add("count", times.count()).add("p50_ns", times.percentile(50));
  line.add("p90_ns", times.percentile(90)).add("p99_ns", times.percentile(99));
  line.add("p999_ns", times.percentile(99.9)).add("max_ns", times.max());
  return line.text();
}

std::string json_of(const Ratio& ratio) {
  JsonLine line;
  line.add("median", ratio.median).add("low", ratio.low).add("high", ratio.high);
  return line.text();
}

std::string json_of(const EndResult& end) {
  JsonLine line;
  line.add("messages", end.total.counted);
  if (end.latency->count() != 0) line.add_json("latency", json_of(*end.latency));
  if (end.corrected->count() != 0) line.add_json("corrected", json_of(*end.corrected));
  line.add("cpu_ns_per_message", median_cpu_ns(end));
  if (!end.messages_per_s.empty()) line.add("messages_per_s", bench::median_of(end.messages_per_s));
  line.add("page_faults", end.total.page_faults).add("allocations", end.total.allocations);
  line.add("preempted", end.total.preempted);
  line.add("run_delay_ns", end.total.run_delay_ns);
  return line.text();
}

std::string json_of(const LimitVerdict& verdict) {
  JsonLine line;
  line.add("measure", name(verdict.limit.measure)).add("budget", verdict.limit.goal);
  if (verdict.verdict != Verdict::skipped) line.add_json("measured", json_of(verdict.measured));
  line.add("verdict", name(verdict.verdict));
  if (verdict.verdict == Verdict::skipped) line.add("why", verdict.why);
  return line.text();
}

template <typename Values, typename Text>
std::string json_array(const Values& values, Text&& text_of_one) {
  std::string array = "[";
  for (const auto& value : values) array += (array.size() > 1 ? "," : "") + text_of_one(value);
  return array + "]";
}

std::string json_of(const StageResult& result) {
  const BenchStage& stage = result.stage;
  JsonLine line;
  line.add("stage", stage.name).add("scenario", scenario_name(stage.scenario));
  line.add("tls", stage.tls).add("connections", stage.connections);
  line.add("message_bytes", stage.message_bytes).add("open_loop", stage.open_loop);
  line.add("rate_per_s", stage.rate_per_s).add("rounds", result.rounds);
  if (!result.skipped.empty()) line.add("skipped", result.skipped);
  if (!result.note.empty()) line.add("note", result.note);
  for (const End end : kEnds) line.add_json(name(end), json_of(result.end(end)));
  JsonLine ratios;
  for (std::size_t i = 0; i < bench::kRatioMeasures; ++i) {
    if (result.ratios[i])
      ratios.add_json(name(static_cast<Measure>(i)), json_of(*result.ratios[i]));
  }
  line.add_json("ratios", ratios.text());
  if (result.stages != nullptr) {
    JsonLine stages;
    for (std::size_t i = 0; i < kStages; ++i) {
      if ((*result.stages)[i].count() != 0)
        stages.add_json(zenwire::name(static_cast<Stage>(i)), json_of((*result.stages)[i]));
    }
    line.add_json("engine_stages", stages.text());
  }
  line.add_json("limits", json_array(result.verdicts,
                                     [](const LimitVerdict& verdict) { return json_of(verdict); }));
  return line.text();
}

// --- The page

ReportTable limit_table(const BenchResult& result) {
  ReportTable table{.title = "Budget against measured",
                    .columns = {"stage", "of", "budget", "measured", "95 % interval", "verdict"}};
  for (const StageResult& stage : result.stages) {
    for (const LimitVerdict& verdict : stage.verdicts) {
      table.rows.push_back({{stage.stage.name, std::string(name(verdict.limit.measure)),
                             goal_text(verdict.limit.goal), measured_text(verdict),
                             interval_text(verdict), verdict_text(verdict)},
                            verdict.verdict != Verdict::broken});
    }
  }
  return table;
}

ReportTable cost_table(const BenchResult& result) {
  ReportTable table{.title = "Processor time a message",
                    .columns = {"stage", "floor", "zenwire", "over the floor", "95 % interval"}};
  for (const StageResult& stage : result.stages) {
    const auto& ratio = stage.ratios[static_cast<std::size_t>(Measure::cpu_over_floor)];
    if (!ratio || stage.stage.has_latency()) continue;
    const auto text = [&](End end) {
      return duration_text(static_cast<std::uint64_t>(median_cpu_ns(stage.end(end))));
    };
    table.rows.push_back(
        {{stage.stage.name, text(End::floor), text(End::zenwire), number_text(ratio->median, 3),
          "[" + number_text(ratio->low, 3) + ", " + number_text(ratio->high, 3) + "]"}});
  }
  return table;
}

ReportPlot plot_of(const StageResult& result) {
  ReportPlot plot{.title = result.stage.name + ": " + what_of(result.stage), .note = result.note};
  for (std::size_t i = 0; i < kEnds.size(); ++i) {
    const EndResult& end = result.end(kEnds[i]);
    plot.stages.push_back(
        {.name = std::string(name(kEnds[i])), .nanoseconds = end.latency.get(), .colour = i});
  }
  for (std::size_t i = 0; i < kEnds.size(); ++i) {
    const EndResult& end = result.end(kEnds[i]);
    if (end.corrected->count() == 0) continue;
    plot.stages.push_back({.name = std::string(name(kEnds[i])) + ", from when it was due",
                           .nanoseconds = end.corrected.get(),
                           .dashed = true,
                           .colour = i});
  }
  return plot;
}

std::string cores_text(const BenchResult& result) {
  std::string text = "client " + std::to_string(result.cores.client) + ", server " +
                     std::to_string(result.cores.server) + ", strategy " +
                     std::to_string(result.cores.strategy);
  return text + (result.cores.strategy_shares() ? " (the server's)" : "");
}

}  // namespace

std::vector<std::string> BenchResult::all_with(Verdict verdict) const {
  std::vector<std::string> found;
  for (const StageResult& stage : stages) {
    for (const LimitVerdict& limit : stage.verdicts) {
      if (limit.verdict == verdict)
        found.push_back(stage.stage.name + " " + std::string(name(limit.limit.measure)));
    }
  }
  return found;
}

std::string text_of(const BenchStage& stage) {
  char line[256];
  std::snprintf(line, sizeof line, "%-22s %s", stage.name.c_str(), what_of(stage).c_str());
  std::string text = line;
  for (const StageLimit& limit : stage.limits) {
    text += (&limit == stage.limits.data() ? "; " : ", ") + std::string(name(limit.measure)) + " " +
            goal_text(limit.goal);
  }
  return text;
}

std::string text_of(const StageResult& result) {
  std::string text = result.stage.name + ": " + what_of(result.stage) + "\n";
  if (!result.skipped.empty()) text += "  skipped: " + result.skipped + "\n";
  if (result.rounds != 0) {
    text += result.stage.has_latency()
                ? "                 p50       p99     p99.9       max  due p99 due p99.9\n"
                : "              CPU/msg    messages/s\n";
    for (const End end : kEnds) text += end_row(result, end);
    text += free_ratios(result);
  }
  for (const LimitVerdict& verdict : result.verdicts) text += limit_row(verdict);
  text += stages_row(result);
  if (!result.note.empty()) text += "  note: " + result.note + "\n";
  return text + "\n";
}

std::string summary_of(const BenchResult& result) {
  const auto broken = result.all_with(Verdict::broken);
  const auto skipped = result.all_with(Verdict::skipped);
  std::string text = grouped(result.all_with(Verdict::kept).size()) + " kept, " +
                     grouped(broken.size()) + " broken, " + grouped(skipped.size()) + " skipped\n";
  for (const std::string& limit : broken) text += "BROKEN: " + limit + "\n";
  return text;
}

std::string json_of(const BenchResult& result) {
  JsonLine cores;
  cores.add("client", result.cores.client).add("server", result.cores.server);
  cores.add("strategy", result.cores.strategy);
  cores.add("strategy_shares", result.cores.strategy_shares());
  JsonLine line;
  line.add("version", ZENWIRE_VERSION).add("budget", result.budget);
  line.add_json("cores", cores.text()).add("rounds", result.rounds);
  line.add("quick", result.quick).add("interrupted", result.interrupted);
  line.add_json("stages",
                json_array(result.stages, [](const StageResult& stage) { return json_of(stage); }));
  line.add_json("broken", json_array(result.all_with(Verdict::broken),
                                     [](const std::string& one) { return json_string(one); }));
  return line.text();
}

Result<void> write_bench_report(const std::string& path, const BenchResult& result) {
  Report report;
  report.title = "zenwire bench";
  report.subtitle = "budget: " + result.budget;
  const auto broken = result.all_with(Verdict::broken);
  report.facts = {{"limits broken", grouped(broken.size()), broken.empty()},
                  {"limits kept", grouped(result.all_with(Verdict::kept).size())},
                  {"limits skipped", grouped(result.all_with(Verdict::skipped).size())},
                  {"rounds", grouped(result.rounds) + (result.quick ? ", quick" : "")},
                  {"cores", cores_text(result)}};
  if (result.interrupted) report.facts.push_back({"interrupted", "not all was measured", false});
  report.tables = {limit_table(result), cost_table(result)};
  for (const StageResult& stage : result.stages) {
    if (stage.stage.has_latency() && stage.rounds != 0) report.plots.push_back(plot_of(stage));
  }
  report.note = std::string(kNoise);
  return write_report(path, report);
}

}  // namespace zenwire::tools
