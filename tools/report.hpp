#pragma once

// A report to look at: one HTML file without any part from elsewhere, with the latency of each
// stage as a curve over the percentiles, and the numbers beside it.

#include <string>
#include <vector>

#include <zenwire/base/error.hpp>
#include <zenwire/engine/histogram.hpp>

namespace zenwire::tools {

struct ReportStage {
  std::string name;
  const Histogram* nanoseconds;  // borrowed for the call
};

struct ReportFact {
  std::string name;
  std::string value;
  bool good = true;  // a value that should not be is marked
};

struct Report {
  std::string title;
  std::string subtitle;
  std::vector<ReportFact> facts;
  std::vector<ReportStage> stages;  // those without a value are left out of the plot
};

// The file's text. Names and values are escaped.
std::string report_html(const Report& report);

// Error: file_unreadable names the path when it cannot be written.
Result<void> write_report(const std::string& path, const Report& report);

}  // namespace zenwire::tools
