// zenwire stats: prints what a running process counts, and serves it to Prometheus.

#include <chrono>
#include <cstdio>
#include <optional>
#include <string>
#include <vector>

#include "command_line.hpp"
#include "console.hpp"
#include "interrupts.hpp"
#include "json_line.hpp"
#include "output.hpp"
#include "prometheus_server.hpp"
#include "stats_text.hpp"

namespace zenwire::tools {
namespace {

constexpr std::string_view kStatsName = "stats";

struct StatsFlags {
  std::string name;
  std::uint64_t pid = 0;
  bool json = false;
  double watch_s = 0;
  std::optional<std::uint16_t> prometheus_port;
  std::string address = "127.0.0.1";

  void add_to(CLI::App& app) {
    auto* by_name = app.add_option("NAME", name, "of the page: what --stats was given");
    app.add_option("--pid", pid, "the page of this process instead")->excludes(by_name);
    app.add_flag("--json", json, "print a JSON object on a line");
    app.add_option("--watch", watch_s, "print again every so many seconds, until Ctrl-C (1)")
        ->expected(0, 1)
        ->default_str("1")
        ->check(CLI::Range(0.01, 86'400.0))
        ->type_name("S");
    app.add_option("--prometheus", prometheus_port,
                   "serve Prometheus at http://ADDRESS:PORT/metrics until Ctrl-C; 0 takes a free "
                   "port")
        ->type_name("PORT");
    app.add_option("--address", address, "where --prometheus listens");
  }
};

struct Pages {
  std::vector<std::string> all;
  std::vector<std::string> live;  // those of running processes
  std::string list;               // all, for a person
};

// A page stays when its process was killed, and says nothing of what runs now.
Pages find_pages() {
  Pages pages{TelemetryReader::names(), {}, {}};
  for (const std::string& name : pages.all) {
    const auto reader = TelemetryReader::open(name);
    const bool live = reader && reader->is_writer_alive();
    if (live) pages.live.push_back(name);
    pages.list += (pages.list.empty() ? "" : ", ") + name;
    if (!live) pages.list += reader ? " (ended)" : " (unreadable)";
  }
  return pages;
}

// Which page is meant without NAME: that of the only process that runs, else the only one.
std::string only_page(const Pages& pages) {
  if (pages.live.size() == 1) return pages.live[0];
  return pages.all.size() == 1 ? pages.all[0] : "";
}

Result<TelemetryReader> open_page(const StatsFlags& flags) {
  if (flags.pid != 0) return TelemetryReader::open_pid(flags.pid);
  if (!flags.name.empty()) return TelemetryReader::open(flags.name);
  return fail(Errc::telemetry_not_found, "there is none");
}

ExitCode print(const StatsFlags& flags, const TelemetryReader& reader, Interrupts& interrupts) {
  Output output;
  const bool again = flags.watch_s > 0;
  do {
    output.write(flags.json ? stats_json(reader) + "\n" : stats_table(reader));
    output.flush();
    if (output.gone()) return ExitCode::already_gone;
    if (output.failed()) return ExitCode::failed;
    if (again && !reader.is_writer_alive()) return ExitCode::ok;
  } while (again && !interrupts.wait_for(std::chrono::duration<double>(flags.watch_s)));
  return ExitCode::ok;
}

ExitCode serve(const StatsFlags& flags, const TelemetryReader& reader, Interrupts& interrupts) {
  PrometheusServer server([&reader] { return stats_prometheus(reader); });
  const auto port = server.listen(flags.address, *flags.prometheus_port);
  if (!port) {
    print_error(kStatsName, "cannot serve Prometheus", port.error());
    return ExitCode::failed;
  }
  const std::string url = "http://" + flags.address + ":" + std::to_string(*port) + "/metrics";
  std::printf("%s\n", flags.json
                          ? JsonLine().add("event", "listening").add("url", url).text().c_str()
                          : url.c_str());
  std::fflush(stdout);
  while (!interrupts.wait_for(std::chrono::hours(1))) {
  }
  return ExitCode::ok;
}

}  // namespace

ExitCode stats_main(Arguments arguments) {
  StatsFlags flags;
  CommandLine line(kStatsName,
                   "Prints what a process that was started with --stats NAME (or with a telemetry "
                   "name in its ReactorOptions) counts, without touching it. Without NAME: of the "
                   "only such process that runs.",
                   "stats feed\n"
                   "stats feed --watch 1\n"
                   "stats feed --prometheus 9464");
  flags.add_to(line.options());
  if (const auto code = line.parse(arguments)) return *code;
  if (flags.name.empty() && flags.pid == 0) {
    const Pages pages = find_pages();
    flags.name = only_page(pages);
    if (flags.name.empty() && !pages.all.empty()) {
      print_refusal(kStatsName, "there are several pages of statistics, and no NAME was given",
                    "give one of: " + pages.list);
      return ExitCode::usage;
    }
  }
  Interrupts interrupts;
  const auto reader = open_page(flags);
  if (!reader) {
    print_error(kStatsName, "cannot read the statistics", reader.error());
    return ExitCode::failed;
  }
  return flags.prometheus_port ? serve(flags, *reader, interrupts)
                               : print(flags, *reader, interrupts);
}

}  // namespace zenwire::tools
