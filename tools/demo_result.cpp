#include "demo_result.hpp"

#include <cstdio>

#include "console.hpp"
#include "json_line.hpp"
#include "report.hpp"

namespace zenwire::tools {

namespace {

constexpr std::array<double, 3> kPercentiles = {50, 99, 99.9};

std::string row(std::string_view name, std::string_view text) {
  char line[256];
  std::snprintf(line, sizeof line, "%-13.*s %.*s\n", static_cast<int>(name.size()), name.data(),
                static_cast<int>(text.size()), text.data());
  return line;
}

std::string stage_row(Stage stage, const Histogram& times) {
  char line[200];
  std::snprintf(line, sizeof line, "  %-10s %9s", std::string(name(stage)).c_str(),
                grouped(times.count()).c_str());
  std::string text = line;
  for (const double percent : kPercentiles) {
    std::snprintf(line, sizeof line, " %9s", duration_text(times.percentile(percent)).c_str());
    text += line;
  }
  std::snprintf(line, sizeof line, " %9s   %s\n", duration_text(times.max()).c_str(),
                std::string(description(stage)).c_str());
  return text + line;
}

std::string rate_text(const DemoResult& result) {
  if (result.streamed_ns == 0) return "";
  const double seconds = static_cast<double>(result.streamed_ns) / 1e9;
  return " in " + duration_text(result.streamed_ns) + ", " +
         grouped(
             static_cast<std::uint64_t>(static_cast<double>(result.callback_messages) / seconds)) +
         " a second";
}

std::string percent_text(double part) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f%%", part * 100);
  return text;
}

std::string lines_text(const DemoResult& result) {
  std::string text = grouped(result.lines.size()) + " raced";
  if (result.lines_killed != 0)
    text += ", " + grouped(result.lines_killed) + " killed in the middle";
  return text + ", " + grouped(result.gaps) + " gaps";
}

// A line against the others.
std::string line_text(const LineView& line) {
  return "first " + percent_text(line.win_rate) + " of the time, " + grouped(line.copies) +
         " copies; the others save " +
         duration_text(static_cast<std::uint64_t>(line.saved_ns_mean)) +
         " a message against it alone, at most " + duration_text(line.saved_ns_max);
}

std::string lines_json(const DemoResult& result) {
  std::string array = "[";
  for (const LineView& line : result.lines) {
    JsonLine one;
    one.add("copies", line.copies).add("wins", line.wins);
    one.add("saved_ns_mean", static_cast<std::uint64_t>(line.saved_ns_mean));
    one.add("saved_ns_max", line.saved_ns_max);
    array += (array.size() > 1 ? "," : "") + one.text();
  }
  return array + "]";
}

}  // namespace

std::string_view description(Stage stage) noexcept {
  switch (stage) {
    case Stage::decrypted: return "its TLS record was opened";
    case Stage::framed: return "its frame was found and checked";
    case Stage::callback: return "the callback has returned";
    case Stage::queued: return "it lies in the strategy's queue";
    case Stage::strategy: return "the strategy's thread has it";
    case Stage::sent: return "the order that answers it was given to the kernel";
  }
  return "";
}

std::string text_of(const DemoResult& result) {
  std::string text;
  text += row("source", result.source);
  text += row("transport", result.transport);
  text += row("messages", grouped(result.callback_messages) + " to the callback, " +
                              grouped(result.strategy_messages) + " to the strategy, " +
                              grouped(result.recorded_messages) + " recorded" + rate_text(result));
  text += row("bytes", grouped(result.callback_bytes));
  text += row("lines", lines_text(result));
  for (std::size_t i = 0; result.lines.size() > 1 && i < result.lines.size(); ++i)
    text += row("  line " + std::to_string(i), line_text(result.lines[i]));
  std::string orders = grouped(result.orders_sent) + " sent";
  if (result.orders_received) orders += ", " + grouped(*result.orders_received) + " received";
  text += row("orders", orders);
  text += row("gaps", grouped(result.gaps));
  text += row("different", grouped(result.different) + " from what was sent, byte for byte");
  if (result.change_ids != 0) {
    text += row("change ids", grouped(result.change_ids) + " in chain, " +
                                  grouped(result.change_id_gaps) + " gaps");
  }
  text +=
      row("allocations", grouped(result.allocations) + " on the reactor's thread in steady state");
  text += "\nlatency from the receipt of the bytes, of " +
          grouped(result.callback_messages - std::min(result.callback_messages, result.warm_up)) +
          " messages after " + grouped(result.warm_up) + " of warm-up\n";
  text += "  stage          count       p50       p99     p99.9       max   until\n";
  for (std::size_t i = 0; i < kStages; ++i) {
    text += stage_row(static_cast<Stage>(i), result.stages[i]);
  }
  text += "\n" + row("recording", result.recording);
  if (!result.report.empty()) text += row("report", result.report);
  return text;
}

std::string json_of(const DemoResult& result) {
  JsonLine stages;
  for (std::size_t i = 0; i < kStages; ++i) {
    const Histogram& times = result.stages[i];
    JsonLine line;
    line.add("count", times.count()).add("p50_ns", times.percentile(50));
    line.add("p99_ns", times.percentile(99)).add("p999_ns", times.percentile(99.9));
    line.add("max_ns", times.max());
    stages.add_json(name(static_cast<Stage>(i)), line.text());
  }
  JsonLine line;
  line.add("source", result.source).add("transport", result.transport);
  line.add("messages", result.callback_messages).add("bytes", result.callback_bytes);
  if (result.served != 0) line.add("served", result.served);
  line.add_json("lines", lines_json(result)).add("lines_killed", result.lines_killed);
  line.add("strategy_messages", result.strategy_messages);
  line.add("recorded_messages", result.recorded_messages);
  line.add("orders_sent", result.orders_sent);
  if (result.orders_received) line.add("orders_received", *result.orders_received);
  line.add("gaps", result.gaps).add("different", result.different);
  line.add("change_ids", result.change_ids).add("change_id_gaps", result.change_id_gaps);
  line.add("allocations", result.allocations);
  line.add("streamed_ns", result.streamed_ns).add("warm_up", result.warm_up);
  line.add_json("stages", stages.text());
  line.add("recording", result.recording);
  if (!result.report.empty()) line.add("report", result.report);
  return line.text();
}

Result<void> write_demo_report(const std::string& path, const DemoResult& result) {
  Report report;
  report.title = "zenwire demo";
  report.subtitle = result.source + "; " + result.transport;
  const bool orders_whole =
      !result.orders_received || *result.orders_received == result.orders_sent;
  report.facts = {
      {"messages", grouped(result.callback_messages) + rate_text(result)},
      {"bytes", grouped(result.callback_bytes)},
      {"lines", lines_text(result), result.gaps == 0},
      {"gaps", grouped(result.gaps), result.gaps == 0},
      {"different from what was sent", grouped(result.different), result.different == 0},
      {"recorded", grouped(result.recorded_messages),
       result.recorded_messages == result.callback_messages},
      {"orders sent", grouped(result.orders_sent), orders_whole},
  };
  for (std::size_t i = 0; result.lines.size() > 1 && i < result.lines.size(); ++i)
    report.facts.push_back({"line " + std::to_string(i), line_text(result.lines[i])});
  report.facts.push_back(
      {"allocations in steady state", grouped(result.allocations), result.allocations == 0});
  ReportPlot plot{.title = "Latency by percentile"};
  for (std::size_t i = 0; i < kStages; ++i) {
    const auto stage = static_cast<Stage>(i);
    plot.stages.push_back({std::string(name(stage)), &result.stages[i]});
  }
  report.plots = {std::move(plot)};
  report.note =
      "Each stage is counted from the moment when its bytes were received. Times on a shared "
      "machine drift; compare within one run.";
  return write_report(path, report);
}

}  // namespace zenwire::tools
