#pragma once

// CommandLine: reads one command's options. Apart from command.hpp because its library takes a
// second to compile.

#include <optional>
#include <string>
#include <string_view>

#include <CLI/CLI.hpp>

#include "command.hpp"

namespace zenwire::tools {

// One command's options, with the help that ends every command's: examples and exit codes.
class CommandLine {
 public:
  // `name` without "zenwire"; `examples` one a line, without it as well.
  CommandLine(std::string_view name, std::string description, std::string_view examples);

  CLI::App& options() noexcept { return app_; }
  // Nothing: go on. Otherwise help was printed, or what is wrong, and the command ends.
  std::optional<ExitCode> parse(Arguments arguments);

 private:
  CLI::App app_;
};

// An option that may be given again for more, each time with one value: what stands behind that is
// not its own, such as the URL.
CLI::Option* one_value_each(CLI::Option* option);

}  // namespace zenwire::tools
