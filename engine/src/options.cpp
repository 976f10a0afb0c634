#include <algorithm>
#include <array>
#include <charconv>
#include <thread>

#include <zenwire/base/nearest_name.hpp>
#include <zenwire/codec/upgrade.hpp>
#include <zenwire/codec/url.hpp>
#include <zenwire/engine/options.hpp>

namespace zenwire {
namespace {

using std::chrono::nanoseconds;

constexpr std::size_t kBuffer_bytes_min = 4096;
constexpr std::uint8_t kDeflateWindowBits_min = 9;  // zlib makes no smaller raw window
constexpr std::uint32_t kConnections_max = 1u << 16;

Result<void> refused(std::string_view option, std::string_view why) {
  return fail(Errc::invalid_option, std::string(option) + ": " + std::string(why));
}

Result<void> contradiction(std::string_view why) {
  return fail(Errc::contradictory_options, why);
}

Result<void> check_deadline(std::string_view option, nanoseconds value) {
  return value > nanoseconds(0) ? Result<void>{}
                                : refused(option, "a deadline must be longer than 0");
}

Result<void> check_deadlines(const Deadlines& deadlines) {
  const std::pair<std::string_view, nanoseconds> all[] = {
      {"resolve_timeout_ms", deadlines.resolve}, {"connect_timeout_ms", deadlines.connect},
      {"tls_timeout_ms", deadlines.tls},         {"upgrade_timeout_ms", deadlines.upgrade},
      {"open_timeout_ms", deadlines.total},      {"close_timeout_ms", deadlines.close},
  };
  for (const auto& [name, value] : all) {
    if (auto checked = check_deadline(name, value); !checked) return checked;
  }
  return {};
}

Result<void> check_limits(const Limits& limits) {
  if (limits.frame_bytes_max == 0) return refused("frame_bytes_max", "must be at least 1");
  if (limits.message_bytes_max == 0) return refused("message_bytes_max", "must be at least 1");
  if (limits.fragments_max == 0) return refused("fragments_max", "must be at least 1");
  if (limits.head_bytes_max < 256)
    return refused("head_bytes_max", "must be at least 256: an upgrade needs as much");
  if (limits.headers_max < 4)
    return refused("headers_max", "must be at least 4: an upgrade needs as many");
  if (limits.headers_max > kHttpHeaders_max) return refused("headers_max", "must be at most 128");
  return {};
}

// Also of one that is off: what is wrong in a file is told before it is switched on.
Result<void> check_deflate(const DeflateOptions& deflate) {
  const auto bits_ok = [](std::uint8_t bits) {
    return bits >= kDeflateWindowBits_min && bits <= kWindowBits_max;
  };
  if (!bits_ok(deflate.client_window_bits))
    return refused("deflate_client_window_bits", "must be 9 to 15");
  if (!bits_ok(deflate.server_window_bits))
    return refused("deflate_server_window_bits", "must be 9 to 15");
  if (deflate.level < 1 || deflate.level > 9) return refused("deflate_level", "must be 1 to 9");
  return {};
}

Result<void> check_tls(const TlsOptions& tls) {
  if (tls.version_min > tls.version_max)
    return contradiction("tls version_min is above version_max");
  const bool certificate = !tls.certificate_file.empty() || !tls.certificate_pem.empty();
  const bool key = !tls.key_file.empty() || !tls.key_pem.empty();
  if (certificate != key)
    return contradiction("a certificate needs its key and a key its certificate");
  if (!tls.certificate_file.empty() && !tls.certificate_pem.empty()) {
    return contradiction("certificate_file and certificate_pem are both given");
  }
  return {};
}

bool has_tls_choice(const ConnectOptions& options) {
  const TlsOptions defaults;
  return !(options.tls == defaults) || !options.server_name.empty();
}

Result<void> check_addresses(const ConnectOptions& options) {
  if (options.local_address.empty()) return {};
  const auto local = Address::from_literal(options.local_address, 0);
  if (!local)
    return refused("local_address", "\"" + options.local_address + "\" is not an IP address");
  const auto dial = Address::from_literal(options.dial, 0);
  if (dial && dial->is_ipv6() != local->is_ipv6()) {
    return contradiction("local_address and dial are of different IP versions");
  }
  return {};
}

Result<void> check_dial(std::string_view dial) {
  if (dial.empty() || Address::from_literal(dial, 0)) return {};
  const auto colon = dial.rfind(':');
  if (colon == std::string_view::npos || dial.back() == ']') return {};
  const std::string_view port = dial.substr(colon + 1);
  std::uint32_t number = 0;
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), number);
  const bool whole = error == std::errc{} && end == port.data() + port.size();
  return whole && number > 0 && number <= 65'535 && colon > 0
             ? Result<void>{}
             : refused("dial",
                       "\"" + std::string(dial) + "\" is not host, host:port or an IP address");
}

// --- Options by name.

Result<std::uint64_t> to_number(std::string_view option, std::string_view text, std::uint64_t max) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size() || number > max) {
    return fail(Errc::invalid_option, std::string(option) + ": \"" + std::string(text) +
                                          "\" is not a whole number from 0 to " +
                                          std::to_string(max));
  }
  return number;
}

Result<bool> to_bool(std::string_view option, std::string_view text) {
  for (const std::string_view yes : {"true", "on", "yes", "1"}) {
    if (text == yes) return true;
  }
  for (const std::string_view no : {"false", "off", "no", "0"}) {
    if (text == no) return false;
  }
  return fail(Errc::invalid_option,
              std::string(option) + ": \"" + std::string(text) + "\" is neither true nor false");
}

using Setter = Result<void> (*)(ConnectOptions&, std::string_view option, std::string_view value);

template <auto Get>
Result<void> set_text(ConnectOptions& options, std::string_view, std::string_view value) {
  Get(options) = value;
  return {};
}

template <auto Get>
Result<void> set_bool(ConnectOptions& options, std::string_view option, std::string_view value) {
  const auto flag = to_bool(option, value);
  if (!flag) return tl::unexpected<Error>(flag.error());
  Get(options) = *flag;
  return {};
}

template <auto Get>
Result<void> set_number(ConnectOptions& options, std::string_view option, std::string_view value) {
  using Number = std::remove_reference_t<decltype(Get(options))>;
  const auto number =
      to_number(option, value, static_cast<std::uint64_t>(std::numeric_limits<Number>::max()));
  if (!number) return tl::unexpected<Error>(number.error());
  Get(options) = static_cast<Number>(*number);
  return {};
}

template <auto Get>
Result<void> set_milliseconds(ConnectOptions& options, std::string_view option,
                              std::string_view value) {
  constexpr std::uint64_t kDay_ms = 86'400'000;
  const auto number = to_number(option, value, kDay_ms);
  if (!number) return tl::unexpected<Error>(number.error());
  Get(options) = std::chrono::milliseconds(*number);
  return {};
}

struct NamedOption {
  std::string_view name;
  Setter set;
};

// clang-format-14 takes a lambda among template arguments for something else.
// clang-format off
constexpr NamedOption kOptions[] = {
    {"url", set_text<[](ConnectOptions& o) -> auto& { return o.url; }>},
    {"dial", set_text<[](ConnectOptions& o) -> auto& { return o.dial; }>},
    {"server_name", set_text<[](ConnectOptions& o) -> auto& { return o.server_name; }>},
    {"local_address", set_text<[](ConnectOptions& o) -> auto& { return o.local_address; }>},
    {"ca_file", set_text<[](ConnectOptions& o) -> auto& { return o.tls.ca_file; }>},
    {"ca_directory", set_text<[](ConnectOptions& o) -> auto& { return o.tls.ca_directory; }>},
    {"certificate_file", set_text<[](ConnectOptions& o) -> auto& { return o.tls.certificate_file; }>},
    {"key_file", set_text<[](ConnectOptions& o) -> auto& { return o.tls.key_file; }>},
    {"verify", set_bool<[](ConnectOptions& o) -> auto& { return o.tls.verify; }>},
    {"nodelay", set_bool<[](ConnectOptions& o) -> auto& { return o.socket.nodelay; }>},
    {"quickack", set_bool<[](ConnectOptions& o) -> auto& { return o.socket.quickack; }>},
    {"receive_buffer_bytes", set_number<[](ConnectOptions& o) -> auto& { return o.socket.receive_buffer_bytes; }>},
    {"send_buffer_bytes", set_number<[](ConnectOptions& o) -> auto& { return o.socket.send_buffer_bytes; }>},
    {"busy_poll_us", set_number<[](ConnectOptions& o) -> auto& { return o.socket.busy_poll_us; }>},
    {"congestion_control", set_text<[](ConnectOptions& o) -> auto& { return o.socket.congestion_control; }>},
    {"kernel_stamps", set_bool<[](ConnectOptions& o) -> auto& { return o.socket.kernel_stamps; }>},
    {"resolve_timeout_ms", set_milliseconds<[](ConnectOptions& o) -> auto& { return o.deadlines.resolve; }>},
    {"connect_timeout_ms", set_milliseconds<[](ConnectOptions& o) -> auto& { return o.deadlines.connect; }>},
    {"tls_timeout_ms", set_milliseconds<[](ConnectOptions& o) -> auto& { return o.deadlines.tls; }>},
    {"upgrade_timeout_ms", set_milliseconds<[](ConnectOptions& o) -> auto& { return o.deadlines.upgrade; }>},
    {"open_timeout_ms", set_milliseconds<[](ConnectOptions& o) -> auto& { return o.deadlines.total; }>},
    {"close_timeout_ms", set_milliseconds<[](ConnectOptions& o) -> auto& { return o.deadlines.close; }>},
    {"frame_bytes_max", set_number<[](ConnectOptions& o) -> auto& { return o.limits.frame_bytes_max; }>},
    {"message_bytes_max", set_number<[](ConnectOptions& o) -> auto& { return o.limits.message_bytes_max; }>},
    {"fragments_max", set_number<[](ConnectOptions& o) -> auto& { return o.limits.fragments_max; }>},
    {"head_bytes_max", set_number<[](ConnectOptions& o) -> auto& { return o.limits.head_bytes_max; }>},
    {"headers_max", set_number<[](ConnectOptions& o) -> auto& { return o.limits.headers_max; }>},
    {"send_high_water_bytes", set_number<[](ConnectOptions& o) -> auto& { return o.limits.send_high_water_bytes; }>},
    {"validate_utf8", set_bool<[](ConnectOptions& o) -> auto& { return o.limits.validate_utf8; }>},
    {"deflate", set_bool<[](ConnectOptions& o) -> auto& { return o.deflate.enabled; }>},
    {"deflate_level", set_number<[](ConnectOptions& o) -> auto& { return o.deflate.level; }>},
    {"deflate_client_window_bits", set_number<[](ConnectOptions& o) -> auto& { return o.deflate.client_window_bits; }>},
    {"deflate_server_window_bits", set_number<[](ConnectOptions& o) -> auto& { return o.deflate.server_window_bits; }>},
    {"deflate_client_no_context_takeover", set_bool<[](ConnectOptions& o) -> auto& { return o.deflate.client_no_context_takeover; }>},
    {"deflate_server_no_context_takeover", set_bool<[](ConnectOptions& o) -> auto& { return o.deflate.server_no_context_takeover; }>},
};
// clang-format on

}  // namespace

Result<void> ConnectOptions::set(std::string_view option, std::string_view value) {
  for (const NamedOption& known : kOptions) {
    if (known.name == option) return known.set(*this, option, value);
  }
  return fail(Errc::invalid_option, "there is no option \"" + std::string(option) +
                                        "\"; did you mean \"" +
                                        std::string(nearest_name(option, names())) + "\"?");
}

std::vector<std::string_view> ConnectOptions::names() {
  std::vector<std::string_view> all;
  for (const NamedOption& known : kOptions) all.push_back(known.name);
  return all;
}

Result<void> ConnectOptions::validate() const {
  const auto parsed = parse_url(url);
  if (!parsed) return tl::unexpected<Error>(parsed.error());
  if (!parsed->secure && has_tls_choice(*this)) {
    return contradiction(
        "TLS options (or server_name) are given, but the URL is ws://: it has no TLS");
  }
  for (const auto& checked :
       {check_deadlines(deadlines), check_limits(limits), check_deflate(deflate), check_tls(tls),
        check_addresses(*this), check_dial(dial)}) {
    if (!checked) return checked;
  }
  std::vector<Header> headers_given;
  for (const auto& [name, value] : headers) headers_given.push_back({name, value});
  const std::vector<std::string_view> subprotocols_given(subprotocols.begin(), subprotocols.end());
  UpgradeRequest request;
  const std::string host = parsed->host_header();
  request.host_header = host;
  request.target = parsed->target;
  request.headers = headers_given;
  request.subprotocols = subprotocols_given;
  return check_request_options(request);
}

Result<void> ListenOptions::validate() const {
  if (!Address::from_literal(address, port))
    return refused("address", "\"" + address + "\" is not an IP address");
  if (secure && tls.certificate_file.empty() && tls.certificate_pem.empty()) {
    return contradiction("secure needs a certificate and its key in tls");
  }
  for (const auto& checked :
       {check_deadlines(deadlines), check_limits(limits), check_deflate(deflate), check_tls(tls)}) {
    if (!checked) return checked;
  }
  return {};
}

Result<void> ReactorOptions::validate() const {
  if (connections_max == 0 || connections_max > kConnections_max) {
    return refused("connections_max", "must be 1 to 65536");
  }
  if (receive_buffer_bytes < kBuffer_bytes_min)
    return refused("receive_buffer_bytes", "must be at least 4096");
  if (send_buffer_bytes < kBuffer_bytes_min)
    return refused("send_buffer_bytes", "must be at least 4096");
  if (large_buffers == 0) return refused("large_buffers", "must be at least 1");
  if (message_bytes_max == 0 || message_bytes_max > (std::uint64_t{1} << 31)) {
    return refused("message_bytes_max", "must be 1 to 2 GiB");
  }
  if (gather_for < std::chrono::nanoseconds(0) || gather_for > std::chrono::milliseconds(10))
    return refused("gather_for", "must be 0 to 10 ms");
  if (core >= 0 && static_cast<unsigned>(core) >= std::thread::hardware_concurrency()) {
    return refused("core", "this machine has no core " + std::to_string(core));
  }
  return {};
}

}  // namespace zenwire
