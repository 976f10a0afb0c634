#include "report.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <fstream>

#include "console.hpp"

namespace zenwire::tools {
namespace {

constexpr double kWidth = 900;
constexpr double kHeight = 420;
constexpr double kLeft = 70;
constexpr double kRight = 20;
constexpr double kTop = 16;
constexpr double kBottom = 40;
// The axis of percentiles is linear in -log10(1 - p): each nine takes the same room.
constexpr double kNines_max = 5;
constexpr int kCurvePoints = 160;
// As many as have a colour of their own in the style sheet.
constexpr std::size_t kColours = 8;

std::string escaped(const std::string& text) {
  std::string out;
  for (const char at : text) {
    switch (at) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      default: out += at;
    }
  }
  return out;
}

std::string fixed(double value, int digits) {
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  return text;
}

// Where values and percentiles lie in the picture.
struct Scale {
  double low;  // log10 of nanoseconds
  double high;

  [[nodiscard]] static double x(double nines) {
    return kLeft + (kWidth - kLeft - kRight) * std::min(nines, kNines_max) / kNines_max;
  }
  [[nodiscard]] double y(std::uint64_t nanoseconds) const {
    const double value = std::log10(static_cast<double>(std::max<std::uint64_t>(nanoseconds, 1)));
    return kHeight - kBottom - (kHeight - kTop - kBottom) * (value - low) / (high - low);
  }
};

Scale scale_for(const ReportPlot& plot) {
  std::uint64_t low = ~std::uint64_t{0};
  std::uint64_t high = 10;
  for (const auto& stage : plot.stages) {
    if (stage.nanoseconds->count() == 0) continue;
    low = std::min(low, std::max<std::uint64_t>(stage.nanoseconds->min(), 1));
    high = std::max(high, stage.nanoseconds->max());
  }
  if (low > high) low = 1;
  return {std::floor(std::log10(static_cast<double>(low))),
          std::ceil(std::log10(static_cast<double>(high) * 1.01))};
}

std::string line(double x1, double y1, double x2, double y2) {
  return "<line class=\"grid\" x1=\"" + fixed(x1, 1) + "\" y1=\"" + fixed(y1, 1) + "\" x2=\"" +
         fixed(x2, 1) + "\" y2=\"" + fixed(y2, 1) + "\"/>\n";
}

std::string label(double x, double y, const char* anchor, const std::string& text) {
  return "<text x=\"" + fixed(x, 1) + "\" y=\"" + fixed(y, 1) + "\" text-anchor=\"" + anchor +
         "\">" + text + "</text>\n";
}

std::string axes(const Scale& scale) {
  std::string svg;
  for (double power = scale.low; power <= scale.high + 0.01; power += 1) {
    const auto value = static_cast<std::uint64_t>(std::llround(std::pow(10, power)));
    svg += line(kLeft, scale.y(value), kWidth - kRight, scale.y(value));
    svg += label(kLeft - 8, scale.y(value) + 4, "end", duration_text(value));
  }
  const std::pair<double, const char*> ticks[] = {{0, "min"},    {0.30103, "p50"}, {1, "p90"},
                                                  {2, "p99"},    {3, "p99.9"},     {4, "p99.99"},
                                                  {5, "p99.999"}};
  for (const auto& [nines, text] : ticks) {
    svg += line(Scale::x(nines), kTop, Scale::x(nines), kHeight - kBottom);
    svg += label(Scale::x(nines), kHeight - kBottom + 20, nines == kNines_max ? "end" : "middle",
                 text);
  }
  return svg;
}

// The curve ends where one value decides: beyond that there is nothing to know.
std::string curve(const ReportStage& stage, std::size_t colour, const Scale& scale) {
  const double nines_max =
      std::min(kNines_max, std::log10(static_cast<double>(stage.nanoseconds->count())));
  std::string points;
  for (int i = 0; i <= kCurvePoints; ++i) {
    const double nines = nines_max * i / kCurvePoints;
    const double percent = std::clamp(100 * (1 - std::pow(10, -nines)), 0.0, 100.0);
    points += fixed(Scale::x(nines), 1) + "," +
              fixed(scale.y(stage.nanoseconds->percentile(percent)), 1) + " ";
  }
  return std::string("<polyline class=\"curve") + (stage.dashed ? " dashed" : "") + " c" +
         std::to_string(colour) + "\" points=\"" + points + "\"><title>" + escaped(stage.name) +
         "</title></polyline>\n";
}

std::size_t colour_of(const ReportPlot& plot, std::size_t index) {
  return plot.stages[index].colour.value_or(index) % kColours;
}

std::string picture(const ReportPlot& plot) {
  const Scale scale = scale_for(plot);
  std::string svg = "<svg viewBox=\"0 0 " + fixed(kWidth, 0) + " " + fixed(kHeight, 0) +
                    "\" role=\"img\" aria-label=\"latency by percentile\">\n" + axes(scale);
  for (std::size_t i = 0; i < plot.stages.size(); ++i) {
    if (plot.stages[i].nanoseconds->count() != 0)
      svg += curve(plot.stages[i], colour_of(plot, i), scale);
  }
  return svg + "</svg>\n";
}

std::string stage_table(const ReportPlot& plot) {
  std::string html =
      "<table "
      "class=\"numbers\"><thead><tr><th>stage</th><th>count</th><th>p50</th><th>p90</th><th>p99</"
      "th>"
      "<th>p99.9</th><th>max</th></tr></thead><tbody>\n";
  for (std::size_t i = 0; i < plot.stages.size(); ++i) {
    const Histogram& histogram = *plot.stages[i].nanoseconds;
    html += std::string("<tr><th><span class=\"key") + (plot.stages[i].dashed ? " dashed" : "") +
            " c" + std::to_string(colour_of(plot, i)) + "\"></span>" +
            escaped(plot.stages[i].name) + "</th><td>" + std::to_string(histogram.count()) +
            "</td>";
    if (histogram.count() == 0) {
      html += "<td colspan=\"5\" class=\"none\">not measured</td></tr>\n";
      continue;
    }
    for (const double percent : {50.0, 90.0, 99.0, 99.9}) {
      html += "<td>" + duration_text(histogram.percentile(percent)) + "</td>";
    }
    html += "<td>" + duration_text(histogram.max()) + "</td></tr>\n";
  }
  return html + "</tbody></table>\n";
}

std::string plot_section(const ReportPlot& plot) {
  std::string html =
      "<h2>" + escaped(plot.title) + "</h2>\n<section>" + picture(plot) + stage_table(plot);
  if (!plot.note.empty()) html += "<p class=\"note\">" + escaped(plot.note) + "</p>\n";
  return html + "</section>\n";
}

std::string table_section(const ReportTable& table) {
  std::string html = "<h2>" + escaped(table.title) + "</h2>\n<section><table><thead><tr>";
  for (const std::string& column : table.columns) html += "<th>" + escaped(column) + "</th>";
  html += "</tr></thead><tbody>\n";
  for (const ReportTable::Row& row : table.rows) {
    html += row.good ? "<tr>" : "<tr class=\"bad\">";
    for (std::size_t i = 0; i < row.cells.size(); ++i) {
      const std::string tag = i == 0 ? "th" : "td";
      html += "<" + tag + ">" + escaped(row.cells[i]) + "</" + tag + ">";
    }
    html += "</tr>\n";
  }
  return html + "</tbody></table></section>\n";
}

std::string fact_table(const Report& report) {
  std::string html = "<table class=\"facts\"><tbody>\n";
  for (const auto& fact : report.facts) {
    html += "<tr><th>" + escaped(fact.name) + "</th><td" + (fact.good ? "" : " class=\"bad\"") +
            ">" + escaped(fact.value) + "</td></tr>\n";
  }
  return html + "</tbody></table>\n";
}

constexpr char kStyle[] = R"(
:root { color-scheme: light dark; --ink: #1b1f24; --faint: #6b7480; --line: #dfe3e8; --ground: #ffffff; --card: #f6f8fa;
  --bad: #c62828; --c0: #2f6fde; --c1: #d9622b; --c2: #2a9d6f; --c3: #a13fc0; --c4: #c49a00; --c5: #d2386c; --c6: #0e8fa8;
  --c7: #6b7480; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ed; --faint: #98a2ae; --line: #333b45; --ground: #14181d;
  --card: #1c2229; --bad: #ff7b72; --c0: #6ea8fe; --c1: #ff9d6c; --c2: #5fd3a5; --c3: #d58ff0; --c4: #e6c245; --c5: #ff7fa5;
  --c6: #5bd0e6; --c7: #98a2ae; } }
* { box-sizing: border-box; }
body { margin: 0; padding: 2rem 1rem 4rem; background: var(--ground); color: var(--ink);
  font: 15px/1.5 system-ui, "Segoe UI", Roboto, "Helvetica Neue", sans-serif; }
main { max-width: 960px; margin: 0 auto; }
h1 { font-size: 1.6rem; margin: 0; letter-spacing: -0.01em; }
h2 { font-size: 1.05rem; margin: 2rem 0 0.6rem; }
p.sub, p.note { color: var(--faint); margin: 0.2rem 0 0; }
section { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 1rem 1.2rem; overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: 0.32rem 0.6rem; border-bottom: 1px solid var(--line); text-align: right; white-space: nowrap; }
th:first-child { text-align: left; }
tr:last-child th, tr:last-child td { border-bottom: 0; }
thead th { color: var(--faint); font-weight: 500; }
tbody th { font-weight: 600; }
.facts td { text-align: left; white-space: normal; width: 75%; }
.facts th { font-weight: 500; color: var(--faint); }
.none { color: var(--faint); text-align: left; }
.bad { color: var(--bad); font-weight: 700; }
svg { display: block; width: 100%; height: auto; }
svg text { fill: var(--faint); font-size: 12px; }
.grid { stroke: var(--line); stroke-width: 1; }
.curve.dashed { stroke-dasharray: 5 4; stroke-width: 1.4; }
.curve { fill: none; stroke-width: 2.2; stroke-linejoin: round; }
tr.bad td, tr.bad th { color: var(--bad); }
section svg + table { margin-top: 0.8rem; }
.key.dashed { height: 0.25em; border-radius: 0; vertical-align: middle; }
.key { display: inline-block; width: 0.75em; height: 0.75em; border-radius: 3px; margin-right: 0.55em; }
.curve.c0 { stroke: var(--c0); } .key.c0 { background: var(--c0); } .curve.c1 { stroke: var(--c1); } .key.c1 { background: var(--c1); }
.curve.c2 { stroke: var(--c2); } .key.c2 { background: var(--c2); } .curve.c3 { stroke: var(--c3); } .key.c3 { background: var(--c3); }
.curve.c4 { stroke: var(--c4); } .key.c4 { background: var(--c4); } .curve.c5 { stroke: var(--c5); } .key.c5 { background: var(--c5); }
.curve.c6 { stroke: var(--c6); } .key.c6 { background: var(--c6); } .curve.c7 { stroke: var(--c7); } .key.c7 { background: var(--c7); }
)";

}  // namespace

std::string report_html(const Report& report) {
  std::string html =
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>" +
      escaped(report.title) + "</title>\n<style>" + kStyle + "</style></head>\n<body><main>\n<h1>" +
      escaped(report.title) + "</h1>\n<p class=\"sub\">" + escaped(report.subtitle) +
      "</p>\n<h2>What happened</h2>\n<section>" + fact_table(report) + "</section>\n";
  for (const ReportTable& table : report.tables) html += table_section(table);
  for (const ReportPlot& plot : report.plots) html += plot_section(plot);
  return html + "<p class=\"note\">" + escaped(report.note) + "</p>\n</main></body></html>\n";
}

Result<void> write_report(const std::string& path, const Report& report) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << report_html(report);
  file.close();
  if (file) return {};
  return fail(Errc::file_unreadable, path + " cannot be written: " + std::strerror(errno), errno);
}

}  // namespace zenwire::tools
