#include "flags.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

#include <zenwire/engine/address.hpp>
#include <zenwire/engine/certificate.hpp>

#include "command_line.hpp"
#include "configuration.hpp"
#include "console.hpp"
#include "nearest.hpp"

namespace zenwire::tools {

namespace {

void log_everything(void*, std::string_view line) noexcept {
  std::fprintf(stderr, "zenwire: %.*s\n", static_cast<int>(line.size()), line.data());
}

// What the engine runs on is for those who ask; its warnings are for everyone.
void log_warnings(void* context, std::string_view line) noexcept {
  if (line.substr(0, 8) == "warning:") log_everything(context, line);
}

// More than an engine takes by default, for a command does not know how many clients with large
// messages come; as many as a gigabyte of addresses holds.
std::uint32_t large_buffers(std::uint64_t message_bytes_max) {
  constexpr std::uint64_t kAddresses_bytes = std::uint64_t{1} << 30;
  return static_cast<std::uint32_t>(
      std::clamp<std::uint64_t>(kAddresses_bytes / message_bytes_max, 4, 32));
}

}  // namespace

void ReactorFlags::add_to(CLI::App& app) {
  app.add_option("--max-message", message_bytes_max,
                 "largest message accepted, in bytes (suffixes K, M, G: powers of 1024)")
      ->transform(CLI::AsSizeValue(false))
      ->check(CLI::Range(std::uint64_t{125}, std::uint64_t{1} << 31))
      ->default_str("16M");
  app.add_flag("--spin", spin, "never sleep: lowest latency, a whole core");
  app.add_option("--core", core, "pin the reactor to this core")->check(CLI::NonNegativeNumber);
  app.add_option("--journal", journal,
                 "write all that comes in, above TLS, for `zenwire replay --engine`")
      ->type_name("FILE");
  app.add_option("--stats", stats, "publish counters under this name, for zenwire stats")
      ->type_name("NAME");
  app.add_flag("-v,--verbose", verbose, "say on standard error what happens");
}

ReactorOptions ReactorFlags::reactor_options(std::uint32_t connections_max) const {
  ReactorOptions options = configured.value_or(ReactorOptions());
  if (core >= 0) options.core = core;
  if (spin || !configured) options.idle = spin ? Idle::spin : Idle::block;
  options.connections_max = connections_max;
  if (!configured || message_bytes_max > options.message_bytes_max)
    options.message_bytes_max = message_bytes_max;
  if (!stats.empty()) options.telemetry_name = stats;
  options.journal = journal;
  if (!configured) options.large_buffers = large_buffers(message_bytes_max);
  // Their pages are only needed when a large message comes.
  if (!configured) options.prefault = false;
  options.log = verbose ? Callback<std::string_view>(log_everything, nullptr)
                        : Callback<std::string_view>(log_warnings, nullptr);
  return options;
}

void ReactorFlags::apply_to(Limits& limits) const {
  limits.message_bytes_max = message_bytes_max;
  limits.frame_bytes_max = message_bytes_max;
}

void ClientFlags::add_to(CLI::App& app) {
  app.add_option("URL", url, "ws://host[:port]/path or wss://... (may stand in --config)");
  app.add_option("--config", config_file, "options from this TOML file; see zenwire config")
      ->type_name("FILE");
  one_value_each(
      app.add_option("-H,--header", headers, "extra header of the request: 'Name: value'")
          ->type_name("LINE"));
  one_value_each(
      app.add_option("-s,--subprotocol", subprotocols, "subprotocol to offer; again for more"));
  app.add_option("--ca", ca_file, "trust the authorities of this PEM file, not the system's")
      ->type_name("FILE");
  app.add_flag("--insecure", insecure,
               "accept any certificate: whoever is on the path can read all");
  app.add_flag("--deflate", deflate, "offer permessage-deflate");
  app.add_option("--dial", dial, "connect there instead: address, address:port or name:port")
      ->type_name("ADDRESS");
  one_value_each(
      app.add_option("--option", settings,
                     "any key of a configuration file for connections, as connect_ms=250")
          ->type_name("NAME=VALUE"));
}

namespace {

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

Result<void> add_header(HeaderList& headers, std::string_view line) {
  const auto colon = line.find(':');
  if (colon == std::string_view::npos || colon == 0) {
    // Not quoted: what stands there may be the secret itself.
    return fail(Errc::header_invalid, "--header needs 'Name: value'");
  }
  headers.emplace_back(line.substr(0, colon), trimmed(line.substr(colon + 1)));
  return {};
}

struct Key {
  std::string_view in_file;
  std::string_view name;
};

// The keys of a configuration file that ConnectOptions::set() has under another name, because there
// it stands without its section.
constexpr Key kKeys[] = {
    {"resolve_ms", "resolve_timeout_ms"},
    {"connect_ms", "connect_timeout_ms"},
    {"tls_ms", "tls_timeout_ms"},
    {"upgrade_ms", "upgrade_timeout_ms"},
    {"total_ms", "open_timeout_ms"},
    {"close_ms", "close_timeout_ms"},
    {"enabled", "deflate"},
    {"level", "deflate_level"},
    {"client_window_bits", "deflate_client_window_bits"},
    {"server_window_bits", "deflate_server_window_bits"},
    {"client_no_context_takeover", "deflate_client_no_context_takeover"},
    {"server_no_context_takeover", "deflate_server_no_context_takeover"},
};

tl::unexpected<Error> unknown_setting(std::string_view name, std::vector<std::string_view> known) {
  for (const Key& key : kKeys) known.push_back(key.in_file);
  const auto meant = probably_meant(name, known);
  return fail(Errc::invalid_option,
              "--option: there is no \"" + std::string(name) + "\"" +
                  (meant ? "; did you mean \"" + std::string(*meant) + "\"?"
                         : ", see docs/configuration.md or zenwire config --reference"));
}

Result<void> apply_setting(ConnectOptions& options, std::string_view setting) {
  const auto equals = setting.find('=');
  if (equals == std::string_view::npos) {
    return fail(Errc::invalid_option, "--option needs name=value");
  }
  std::string_view name = setting.substr(0, equals);
  for (const Key& key : kKeys) {
    if (key.in_file == name) name = key.name;
  }
  const auto known = ConnectOptions::names();
  if (std::find(known.begin(), known.end(), name) == known.end())
    return unknown_setting(name, known);
  return options.set(name, setting.substr(equals + 1));
}

}  // namespace

Result<void> ClientFlags::read_config(ReactorFlags& reactor) {
  if (!config_file.empty()) {
    auto configuration = read_configuration(config_file);
    if (!configuration) return tl::unexpected(configuration.error());
    configured = configuration->session.connect;
    reactor.configured = configuration->reactor;
    if (url.empty()) url = configured->url;
  }
  if (url.empty())
    return fail(Errc::invalid_option, "give a URL, or a --config that has one (see --help)");
  return {};
}

Result<ConnectOptions> ClientFlags::connect_options(std::string_view command,
                                                    const ReactorFlags& reactor) const {
  ConnectOptions options = configured.value_or(ConnectOptions());
  if (!url.empty()) options.url = url;
  if (!subprotocols.empty()) options.subprotocols = subprotocols;
  if (!ca_file.empty()) options.tls.ca_file = ca_file;
  if (insecure) options.tls.verify = false;
  if (deflate) options.deflate.enabled = true;
  if (!dial.empty()) options.dial = dial;
  if (!configured) reactor.apply_to(options.limits);
  for (const std::string& header : headers) {
    if (auto added = add_header(options.headers, header); !added)
      return tl::unexpected(added.error());
  }
  for (const std::string& setting : settings) {
    if (auto set = apply_setting(options, setting); !set) return tl::unexpected(set.error());
  }
  if (insecure) print_warning(command, "--insecure: the server's certificate is not verified");
  return options;
}

void ServerFlags::add_to(CLI::App& app) {
  app.add_option("--address", address, "address to listen on")->capture_default_str();
  app.add_option("--port", port, "port to listen on; 0 takes a free one")->capture_default_str();
  auto* secure =
      app.add_flag("--tls", tls,
                   "TLS with a certificate for localhost, 127.0.0.1 and ::1 that is made "
                   "anew at each start, unless there is --certificate");
  auto* certificate = app.add_option("--certificate", certificate_file,
                                     "with --tls: this certificate, PEM, with its chain behind it")
                          ->type_name("FILE")
                          ->needs(secure);
  certificate->needs(app.add_option("--key", key_file, "its key, PEM, not encrypted")
                         ->type_name("FILE")
                         ->needs(certificate));
  app.add_option("--ca-out", ca_out, "write what a client is to trust (--ca) into this PEM file")
      ->type_name("FILE")
      ->needs(secure)
      ->excludes(certificate);
  app.add_flag("--deflate", deflate, "accept permessage-deflate");
}

namespace {

bool is_any_address(std::string_view address) noexcept {
  return address == "0.0.0.0" || address == "::";
}

Result<CertificateAndKey> make_certificate(const std::string& address, const std::string& ca_out) {
  auto authority = CertificateAuthority::create("zenwire loopback authority");
  if (!authority) return tl::unexpected(authority.error());
  CertificateRequest request;
  request.dns_names = {"localhost"};
  request.ip_addresses = {"127.0.0.1", "::1"};
  const bool named = std::count(request.ip_addresses.begin(), request.ip_addresses.end(), address);
  if (!named && !is_any_address(address) && Address::from_literal(address, 0)) {
    request.ip_addresses.push_back(address);
  }
  auto issued = authority->issue(request);
  if (!issued || ca_out.empty()) return issued;
  if (auto written = write_file(ca_out, authority->certificate_pem()); !written) {
    return tl::unexpected(written.error());
  }
  return issued;
}

}  // namespace

Result<ListenOptions> ServerFlags::listen_options(const ReactorFlags& reactor) const {
  ListenOptions options;
  options.address = address;
  options.port = port;
  options.secure = tls;
  options.deflate.enabled = deflate;
  reactor.apply_to(options.limits);
  if (!tls) return options;
  if (!certificate_file.empty()) {
    options.tls.certificate_file = certificate_file;
    options.tls.key_file = key_file;
    return options;
  }
  auto certificate = make_certificate(address, ca_out);
  if (!certificate) return tl::unexpected(certificate.error());
  options.tls.certificate_pem = std::move(certificate->certificate_pem);
  options.tls.key_pem = std::move(certificate->key_pem);
  return options;
}

std::string ServerFlags::url(std::uint16_t taken_port) const {
  std::string host = address;
  if (is_any_address(address) || address == "127.0.0.1" || address == "::1") {
    host = address == "::1" || address == "::" ? "[::1]" : "127.0.0.1";
  } else if (address.find(':') != std::string::npos) {
    host = "[" + address + "]";
  }
  return (tls ? "wss://" : "ws://") + host + ":" + std::to_string(taken_port) + "/";
}

ExitCode exit_code_of_start(const Error& error) noexcept {
  // Not the option is wrong here, but the file or the page that it names.
  constexpr std::array kOfFiles = {Errc::file_unreadable,      Errc::tls_configuration,
                                   Errc::recording_unwritable, Errc::recording_not_found,
                                   Errc::recording_malformed,  Errc::telemetry_name_in_use};
  const bool of_file = std::find(kOfFiles.begin(), kOfFiles.end(), error.code()) != kOfFiles.end();
  return error.condition() == Condition::invalid_option && !of_file ? ExitCode::usage
                                                                    : ExitCode::failed;
}

Result<void> write_file(const std::string& path, std::string_view text) {
  struct Close {
    void operator()(std::FILE* file) const noexcept { std::fclose(file); }
  };
  std::unique_ptr<std::FILE, Close> file(std::fopen(path.c_str(), "we"));
  const bool written = file &&
                       std::fwrite(text.data(), 1, text.size(), file.get()) == text.size() &&
                       std::fflush(file.get()) == 0;
  if (!written) return fail(Errc::system_error, "cannot write " + path, errno);
  return {};
}

}  // namespace zenwire::tools
