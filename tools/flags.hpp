#pragma once

// The options that several commands share, and what they make of the engine's.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <zenwire/engine/options.hpp>

#include "command.hpp"

namespace CLI {
class App;
}

namespace zenwire::tools {

// How the reactor of a command runs: it sleeps when there is nothing to do, unless told to spin.
struct ReactorFlags {
  int core = -1;
  bool spin = false;
  bool verbose = false;
  std::string journal;
  std::uint64_t message_bytes_max = std::uint64_t{16} << 20;
  std::string stats;                         // the name of the telemetry page
  std::optional<ReactorOptions> configured;  // by --config; the flags above outrank it

  void add_to(CLI::App& app);
  // `connections_max`: how many the command may hold at a time.
  [[nodiscard]] ReactorOptions reactor_options(std::uint32_t connections_max) const;
  void apply_to(Limits& limits) const;
};

// Wherever a command is a client.
struct ClientFlags {
  std::string url;
  std::string config_file;
  std::vector<std::string> headers;
  std::vector<std::string> subprotocols;
  std::string ca_file;
  bool insecure = false;
  bool deflate = false;
  std::string dial;
  std::vector<std::string> settings;         // name=value, for ConnectOptions::set
  std::optional<ConnectOptions> configured;  // by --config; the flags above outrank it

  void add_to(CLI::App& app);
  // Reads --config, if it was given; first of all. Errors: those of read_configuration(), and
  // invalid_option when there is a URL neither there nor on the command line.
  Result<void> read_config(ReactorFlags& reactor);
  // Warns about --insecure on behalf of `command`. Errors: invalid_option, header_invalid.
  Result<ConnectOptions> connect_options(std::string_view command,
                                         const ReactorFlags& reactor) const;
};

// Wherever a command is a server.
struct ServerFlags {
  std::string address = "127.0.0.1";
  std::uint16_t port = 0;
  bool tls = false;
  std::string ca_out;
  std::string certificate_file;  // empty: one is made
  std::string key_file;
  bool deflate = false;

  void add_to(CLI::App& app);
  // With --tls and without --certificate: makes an authority and a certificate for localhost,
  // 127.0.0.1, ::1 and the address, and writes the authority's to --ca-out before anyone can
  // connect. Errors: tls_configuration, system_error.
  Result<ListenOptions> listen_options(const ReactorFlags& reactor) const;
  // "wss://localhost:8443/"
  [[nodiscard]] std::string url(std::uint16_t port) const;
};

// What a command ends with whose engine, connection or listener was refused before anything was
// tried.
ExitCode exit_code_of_start(const Error& error) noexcept;

// The whole of `text` into a file of that name. Error: system_error.
Result<void> write_file(const std::string& path, std::string_view text);

}  // namespace zenwire::tools
