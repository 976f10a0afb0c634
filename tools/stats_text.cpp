#include "stats_text.hpp"

#include <array>
#include <cstdio>
#include <map>
#include <vector>

#include <zenwire/base/error.hpp>
#include <zenwire/codec/close.hpp>
#include <zenwire/engine/session_state.hpp>

#include "console.hpp"
#include "json_line.hpp"

namespace zenwire::tools {
namespace {

using telemetry::FieldKind;

// A number that stands for something is looked up, not counted with.
bool is_code(const CounterReading& counter) noexcept {
  return counter.name == "state" || counter.name.ends_with("_code");
}

// What a code means; empty for one that is none, or not known.
std::string_view meaning(const EntryReading& entry, const CounterReading& counter) noexcept {
  const std::uint64_t value = counter.value;
  if (entry.group == "session" && counter.name == "state") {
    const bool known = value <= static_cast<std::uint64_t>(SessionState::backoff);
    return known ? name(static_cast<SessionState>(value)) : "";
  }
  if (value == 0) return "";
  if (counter.name == "last_close_code") return close_code_name(static_cast<std::uint16_t>(value));
  const bool is_error =
      counter.name == "last_error_code" && value < static_cast<std::uint64_t>(Errc::count_);
  return is_error ? name(static_cast<Errc>(value)) : "";
}

std::string title(const EntryReading& entry) {
  std::string text(entry.group);
  if (!entry.label.empty()) text += " " + entry.label;
  return text;
}

std::string histogram_row(const EntryReading& entry) {
  const HistogramReading& values = entry.histogram;
  std::string row = "  " + std::string(entry.histogram_name) + ": " + grouped(values.count);
  if (values.count == 0) return row + "\n";
  return row + ", p50 " + duration_text(values.p50) + ", p99 " + duration_text(values.p99) +
         ", p99.9 " + duration_text(values.p99_9) + ", max " + duration_text(values.max) +
         ", last " + duration_text(values.last) + "\n";
}

std::string counter_rows(const EntryReading& entry) {
  std::string rows;
  for (const CounterReading& counter : entry.counters) {
    const std::string value =
        is_code(counter) ? std::to_string(counter.value) : grouped(counter.value);
    std::array<char, 96> row;
    std::snprintf(row.data(), row.size(), "  %-28.*s %20s", static_cast<int>(counter.name.size()),
                  counter.name.data(), value.c_str());
    rows += row.data();
    const std::string_view means = meaning(entry, counter);
    rows += means.empty() ? "\n" : "  (" + std::string(means) + ")\n";
  }
  return rows;
}

std::string json_of(const EntryReading& entry) {
  JsonLine line;
  line.add("group", entry.group).add("label", entry.label);
  if (entry.histogram_name.empty()) {
    for (const CounterReading& counter : entry.counters) line.add(counter.name, counter.value);
    return line.text();
  }
  const HistogramReading& values = entry.histogram;
  line.add("name", entry.histogram_name).add("count", values.count);
  line.add("p50_ns", values.p50).add("p99_ns", values.p99).add("p99_9_ns", values.p99_9);
  line.add("min_ns", values.min).add("max_ns", values.max).add("last_ns", values.last);
  return line.text();
}

// --- Prometheus.

// In a label: backslash, quote and line feed are escaped.
std::string label_value(std::string_view text) {
  std::string escaped;
  for (const char byte : text) {
    if (byte == '\\' || byte == '"') escaped += '\\';
    escaped += byte == '\n' ? std::string("\\n") : std::string(1, byte);
  }
  return escaped;
}

// A metric's name holds letters, digits and underscores.
std::string metric_name(std::string_view group, std::string_view field) {
  std::string text = "zenwire_" + std::string(group) + "_" + std::string(field);
  for (char& byte : text) {
    const bool fits = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
                      (byte >= '0' && byte <= '9');
    if (!fits) byte = '_';
  }
  return text;
}

std::string labels_of(const TelemetryReader& reader, const EntryReading& entry, std::size_t index,
                      std::string_view more = {}) {
  std::string text =
      "{instance=\"" + label_value(reader.name()) + "\",block=\"" + std::to_string(index) + "\"";
  if (!entry.label.empty()) text += ",label=\"" + label_value(entry.label) + "\"";
  return text + std::string(more) + "}";
}

std::string number(double value) {
  std::array<char, 40> text;
  std::snprintf(text.data(), text.size(), "%.9g", value);
  return text.data();
}

// All samples of a metric stand together, below its type: they are gathered by name first.
class Metrics {
 public:
  void add(const std::string& name, std::string_view type, const std::string& sample) {
    Metric& metric = metrics_[name];
    metric.type = type;
    metric.samples += sample + "\n";
  }
  [[nodiscard]] std::string text() const {
    std::string text;
    for (const auto& [name, metric] : metrics_) {
      text += "# TYPE " + name + " " + metric.type + "\n" + metric.samples;
    }
    return text;
  }

 private:
  struct Metric {
    std::string type;
    std::string samples;
  };
  std::map<std::string, Metric> metrics_;
};

void add_counters(Metrics& metrics, const TelemetryReader& reader, const EntryReading& entry,
                  std::size_t index) {
  for (const CounterReading& counter : entry.counters) {
    const bool grows = counter.kind == FieldKind::counter;
    const std::string name = metric_name(entry.group, counter.name) + (grows ? "_total" : "");
    metrics.add(name, grows ? "counter" : "gauge",
                name + labels_of(reader, entry, index) + " " + std::to_string(counter.value));
  }
}

void add_summary(Metrics& metrics, const TelemetryReader& reader, const EntryReading& entry,
                 std::size_t index) {
  const std::string name = metric_name(entry.group, "seconds");
  const std::string of = ",name=\"" + label_value(entry.histogram_name) + "\"";
  const HistogramReading& values = entry.histogram;
  const std::pair<const char*, std::uint64_t> quantiles[] = {
      {"0.5", values.p50}, {"0.99", values.p99}, {"0.999", values.p99_9}};
  std::string samples;
  for (const auto& [quantile, ns] : quantiles) {
    samples += name + labels_of(reader, entry, index, of + ",quantile=\"" + quantile + "\"") + " " +
               number(static_cast<double>(ns) / 1e9) + "\n";
  }
  samples += name + "_sum" + labels_of(reader, entry, index, of) + " " + number(values.sum / 1e9) +
             "\n" + name + "_count" + labels_of(reader, entry, index, of) + " " +
             std::to_string(values.count);
  metrics.add(name, "summary", samples);
}

}  // namespace

std::string stats_table(const TelemetryReader& reader) {
  std::string text = std::string(reader.name()) + ", process " + std::to_string(reader.pid()) +
                     (reader.is_writer_alive() ? "" : ", ended") + "\n";
  std::string last_title;
  for (const EntryReading& entry : reader.read()) {
    if (title(entry) != last_title) text += title(entry) + "\n";
    last_title = title(entry);
    text += entry.histogram_name.empty() ? counter_rows(entry) : histogram_row(entry);
  }
  return text;
}

std::string stats_json(const TelemetryReader& reader) {
  std::string blocks = "[";
  for (const EntryReading& entry : reader.read()) {
    if (blocks.size() > 1) blocks += ",";
    blocks += json_of(entry);
  }
  return JsonLine()
      .add("name", reader.name())
      .add("pid", reader.pid())
      .add("alive", reader.is_writer_alive())
      .add("started_ns", reader.started_wall_ns())
      .add_json("blocks", blocks + "]")
      .text();
}

std::string stats_prometheus(const TelemetryReader& reader) {
  Metrics metrics;
  const auto readings = reader.read();
  for (std::size_t i = 0; i < readings.size(); ++i) {
    if (readings[i].histogram_name.empty()) {
      add_counters(metrics, reader, readings[i], i);
    } else {
      add_summary(metrics, reader, readings[i], i);
    }
  }
  metrics.add("zenwire_up", "gauge",
              "zenwire_up{instance=\"" + label_value(reader.name()) + "\"} " +
                  (reader.is_writer_alive() ? "1" : "0"));
  return metrics.text();
}

}  // namespace zenwire::tools
