#pragma once

// Configuration: everything that may be chosen of a session and its reactor, from a TOML file.
//
// The engine's own options are the typed structure; this maps a file's keys onto them, one row of a
// table for each key (docs/configuration.md is printed from it). Unknown keys are refused with the
// line and the nearest known name. A text may be taken from the environment or from a file:
//   Authorization = { env = "VENUE_TOKEN" }
// and what such a reference gives, a header's value and a URL's query are never printed.

#include <string>
#include <string_view>

#include <zenwire/base/error.hpp>
#include <zenwire/engine/options.hpp>
#include <zenwire/engine/session_options.hpp>

namespace zenwire::tools {

struct Configuration {
  ReactorOptions reactor{};
  SessionOptions session{};
  // A table of engine/rate_limiter.hpp by its name, and the key of those who share a limiter.
  std::string rate_table{};
  std::string rate_key{};

  // Errors: those of the parts' own validate(); invalid_option (no such rate table).
  [[nodiscard]] Result<void> validate() const;
};

// Errors: file_unreadable; invalid_option, with file, line and what is wrong with it.
Result<Configuration> read_configuration(const std::string& path);
// The same of a text that is called `name` in errors.
Result<Configuration> parse_configuration(std::string_view toml, std::string_view name);

// As TOML with a comment for each key, secrets as "[redacted]".
std::string print_configuration(const Configuration& configuration);
// The tables of docs/configuration.md.
std::string configuration_reference();

}  // namespace zenwire::tools
