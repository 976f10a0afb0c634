#pragma once

// A telemetry page as text: a table for a person, a line of JSON, Prometheus' text format.

#include <string>

#include <zenwire/engine/telemetry_reader.hpp>

namespace zenwire::tools {

std::string stats_table(const TelemetryReader& reader);
// One object on one line, without a line feed.
std::string stats_json(const TelemetryReader& reader);
// Version 0.0.4 of the format. Counters end in _total, histograms are summaries in seconds.
std::string stats_prometheus(const TelemetryReader& reader);

}  // namespace zenwire::tools
