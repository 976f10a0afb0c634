// The zenwire command: picks the subcommand and hands the rest of the line to it.

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdio>
#include <exception>
#include <string>
#include <string_view>
#include <vector>

#include "command.hpp"
#include "nearest.hpp"

namespace zenwire::tools {
namespace {

struct Entry {
  std::string_view name;
  std::string_view summary;
  ExitCode (*run)(Arguments);
};

constexpr std::array kCommands = {
    Entry{"connect", "print a connection's messages, send lines of standard input", connect_main},
    Entry{"record", "record a session into a file", record_main},
    Entry{"replay", "print the payloads of a recording", replay_main},
    Entry{"serve", "play a recording to every client that connects", serve_main},
    Entry{"echo-server", "echo every message", echo_server_main},
    Entry{"autobahn", "run an Autobahn fuzzing server's cases as its client", autobahn_main},
    Entry{"doctor", "what of this machine is right, what costs latency, how to mend it",
          doctor_main},
    Entry{"stats", "what a running process counts, printed or served to Prometheus", stats_main},
    Entry{"config", "check a configuration file, print one with every key", config_main},
    Entry{"bridge", "publish a connection's messages to NATS", bridge_main},
    Entry{"bench", "measure every stage beside a bare loop, against a budget", bench_main},
    Entry{"demo", "a verified TLS market stream across the whole engine, measured", demo_main},
};

void print_help(std::FILE* to) {
  std::fputs("zenwire " ZENWIRE_VERSION
             ": a low-latency WebSocket engine for trading\n"
             "Usage: zenwire COMMAND [OPTIONS]\n\nCommands:\n",
             to);
  for (const Entry& entry : kCommands) {
    std::fprintf(to, "  %-12.*s %.*s\n", static_cast<int>(entry.name.size()), entry.name.data(),
                 static_cast<int>(entry.summary.size()), entry.summary.data());
  }
  std::fputs(
      "\nOptions:\n  -h,--help    this text; `zenwire COMMAND --help` for a command's options\n"
      "  --version    the version\n\n"
      "Exit codes: 0 done; 1 failed (see standard error); 2 wrong command line; 3 messages were "
      "lost or differ;\n  129, 130, 143 ended by SIGHUP, SIGINT, SIGTERM before it was done.\n",
      to);
}

const Entry* find_command(std::string_view name) noexcept {
  const auto* found =
      std::find_if(kCommands.begin(), kCommands.end(),
                   [name](const Entry& entry) noexcept { return entry.name == name; });
  return found == kCommands.end() ? nullptr : found;
}

ExitCode refuse(std::string_view first) {
  std::vector<std::string_view> names;
  for (const Entry& entry : kCommands) names.push_back(entry.name);
  const auto meant = probably_meant(first, names);
  const std::string hint = meant ? "; did you mean '" + std::string(*meant) + "'?" : "";
  std::fprintf(stderr, "zenwire: error: there is no command '%.*s'%s\n  see zenwire --help\n",
               static_cast<int>(first.size()), first.data(), hint.c_str());
  return ExitCode::usage;
}

ExitCode run(int count, char** values) {
  const std::string_view first = count > 1 ? values[1] : "";
  if (first == "-h" || first == "--help" || (first == "help" && count == 2)) {
    print_help(stdout);
    return ExitCode::ok;
  }
  if (first == "--version" || first == "-V") {
    std::puts("zenwire " ZENWIRE_VERSION);
    return ExitCode::ok;
  }
  if (const Entry* command = find_command(first)) return command->run({count - 1, values + 1});
  if (!first.empty()) return refuse(first);
  print_help(stderr);
  return ExitCode::usage;
}

}  // namespace
}  // namespace zenwire::tools

int main(int count, char** values) {
  // A reader of standard output that has gone is a failed write, not the end of the process.
  std::signal(SIGPIPE, SIG_IGN);  // NOLINT: the disposition is all that is set
  try {
    return static_cast<int>(zenwire::tools::run(count, values));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "zenwire: error: %s\n", error.what());
    return static_cast<int>(zenwire::tools::ExitCode::failed);
  }
}
