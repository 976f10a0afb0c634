#include "command_line.hpp"

#include <csignal>
#include <iostream>

namespace zenwire::tools {

namespace {

constexpr std::string_view kExitCodes =
    "Exit codes: 0 done; 1 failed (see standard error); 2 wrong command line; 3 messages were lost "
    "or differ;\n  129, 130, 143 ended by SIGHUP, SIGINT, SIGTERM before it was done.";

std::string footer(std::string_view examples) {
  std::string text = "Examples:\n";
  while (!examples.empty()) {
    const auto end = examples.find('\n');
    text.append("  zenwire ").append(examples.substr(0, end)).append("\n");
    examples.remove_prefix(end == std::string_view::npos ? examples.size() : end + 1);
  }
  return text.append("\n").append(kExitCodes);
}

}  // namespace

ExitCode exit_code_of_signal(int signal) noexcept {
  switch (signal) {
    case SIGHUP: return ExitCode::hung_up;
    case SIGTERM: return ExitCode::terminated;
    default: return ExitCode::interrupted;
  }
}

CLI::Option* one_value_each(CLI::Option* option) {
  return option->take_all()->allow_extra_args(false);
}

CommandLine::CommandLine(std::string_view name, std::string description, std::string_view examples)
    : app_(std::move(description), "zenwire " + std::string(name)) {
  app_.footer(footer(examples));
  app_.get_formatter()->column_width(34);
}

std::optional<ExitCode> CommandLine::parse(Arguments arguments) {
  try {
    app_.parse(arguments.count, arguments.values);
    return std::nullopt;
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) {
      app_.exit(error);
      return ExitCode::ok;
    }
    std::cerr << app_.get_name() << ": error: " << error.what() << "\n  see " << app_.get_name()
              << " --help\n";
    return ExitCode::usage;
  }
}

}  // namespace zenwire::tools
