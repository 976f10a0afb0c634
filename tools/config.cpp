// zenwire config: checks a configuration file, prints what it amounts to, and the defaults.

#include <cstdio>

#include "command_line.hpp"
#include "configuration.hpp"
#include "console.hpp"
#include "json_line.hpp"

namespace zenwire::tools {
namespace {

constexpr std::string_view kConfigName = "config";

struct ConfigFlags {
  std::string check;
  bool print_defaults = false;
  bool reference = false;
  bool json = false;

  void add_to(CLI::App& app) {
    auto* one = app.add_option_group("what");
    one->add_option("--check", check,
                    "read this file and print what it amounts to, without secrets")
        ->type_name("FILE");
    one->add_flag("--print-defaults", print_defaults, "print a file with every key at its default");
    one->add_flag("--reference", reference, "print the tables of docs/configuration.md");
    one->require_option(1);
    app.add_flag("--json", json, "with --check: print only whether it is good, as a JSON object");
  }
};

// A file without a URL is whole: the command line may have it.
Result<void> validate(Configuration configuration) {
  std::string& url = configuration.session.connect.url;
  if (url.empty()) url = "wss://localhost/";
  return configuration.validate();
}

ExitCode check(const ConfigFlags& flags) {
  auto configuration = read_configuration(flags.check);
  Error error;
  if (!configuration) {
    error = configuration.error();
  } else if (auto valid = validate(*configuration); !valid) {
    error = valid.error();
  }
  if (flags.json) {
    JsonLine line;
    line.add("file", flags.check).add("valid", !error);
    if (error) line.add_error(error);
    std::puts(line.text().c_str());
  }
  if (error) {
    if (!flags.json) print_error(kConfigName, "cannot use " + flags.check, error);
    return ExitCode::failed;
  }
  if (flags.json) return ExitCode::ok;
  std::fputs(print_configuration(*configuration).c_str(), stdout);
  std::fflush(stdout);
  if (configuration->session.connect.url.empty())
    print_note(kConfigName,
               flags.check + " has no [connection] url: the command line must have it");
  return ExitCode::ok;
}

}  // namespace

ExitCode config_main(Arguments arguments) {
  ConfigFlags flags;
  CommandLine line(kConfigName,
                   "Checks a configuration file (see docs/configuration.md), or prints one with "
                   "every key. Secrets are never printed.",
                   "config --print-defaults > zenwire.toml\n"
                   "config --check zenwire.toml");
  flags.add_to(line.options());
  if (const auto code = line.parse(arguments)) return *code;
  if (!flags.check.empty()) return check(flags);
  std::fputs(flags.reference ? configuration_reference().c_str()
                             : print_configuration(Configuration()).c_str(),
             stdout);
  return ExitCode::ok;
}

}  // namespace zenwire::tools
