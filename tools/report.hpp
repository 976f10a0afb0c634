#pragma once

// A report to look at: one HTML file without any part from elsewhere, with latencies as curves over
// the percentiles, and the numbers beside them.

#include <optional>
#include <string>
#include <vector>

#include <zenwire/base/error.hpp>
#include <zenwire/engine/histogram.hpp>

namespace zenwire::tools {

struct ReportStage {
  std::string name;
  const Histogram* nanoseconds;  // borrowed for the call
  bool dashed = false;
  // Curves that belong together have the same; nothing: one of its own.
  std::optional<std::size_t> colour{};
};

// Curves that belong side by side.
struct ReportPlot {
  std::string title;
  std::string note{};
  std::vector<ReportStage> stages{};  // those without a value are left out
};

struct ReportFact {
  std::string name;
  std::string value;
  bool good = true;  // a value that should not be is marked
};

struct ReportTable {
  std::string title;
  std::vector<std::string> columns{};
  struct Row {
    std::vector<std::string> cells;
    bool good = true;
  };
  std::vector<Row> rows{};
};

struct Report {
  std::string title;
  std::string subtitle;
  std::vector<ReportFact> facts{};
  std::vector<ReportTable> tables{};
  std::vector<ReportPlot> plots{};
  std::string note{};
};

// The file's text. Names and values are escaped.
std::string report_html(const Report& report);

// Error: file_unreadable names the path when it cannot be written.
Result<void> write_report(const std::string& path, const Report& report);

}  // namespace zenwire::tools
