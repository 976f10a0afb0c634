#include "configuration.hpp"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <optional>
#include <span>
#include <variant>
#include <vector>

#define TOML_EXCEPTIONS 0
#include <toml++/toml.h>

#include <zenwire/base/duration.hpp>
#include <zenwire/base/nearest_name.hpp>

#include "console.hpp"

namespace zenwire::tools {
namespace {

using std::chrono::nanoseconds;

constexpr std::string_view kRedacted = "[redacted]";
constexpr std::size_t kSecretFile_bytes_max = 65'536;

// Nanoseconds that the engine keeps as a plain number.
struct InstantPlace {
  Instant_ns* value;
};

struct EnumPlace {
  std::uint8_t* value;
  std::span<const std::string_view> names;
};

// Where a key's value is kept.
using Place =
    std::variant<std::string*, bool*, int*, std::uint8_t*, std::uint16_t*, std::uint32_t*,
                 std::uint64_t*, nanoseconds*, std::vector<std::string>*, InstantPlace, EnumPlace>;

struct Row {
  std::string_view section;
  std::string_view name;  // of a duration, with its unit: _ms, _us
  Place (*place)(Configuration&);
  std::string_view says;
};

constexpr std::string_view kIdleNames[] = {"spin", "spin_then_block", "block"};
constexpr std::string_view kHeartbeatNames[] = {"none", "ping", "text", "server"};

template <typename Enum>
EnumPlace place_of(Enum& value, std::span<const std::string_view> names) {
  static_assert(sizeof(Enum) == sizeof(std::uint8_t));
  return {reinterpret_cast<std::uint8_t*>(&value), names};
}

// clang-format off
constexpr Row kRows[] = {
    {"reactor", "core", [](Configuration& c) -> Place { return &c.reactor.core; }, "pin the reactor's thread to this core; -1 leaves it"},
    {"reactor", "idle", [](Configuration& c) -> Place { return place_of(c.reactor.idle, kIdleNames); }, "what an idle reactor does: spin, spin_then_block, block"},
    {"reactor", "spin_for_us", [](Configuration& c) -> Place { return &c.reactor.spin_for; }, "with spin_then_block: how long it spins without work"},
    {"reactor", "gather_for_us", [](Configuration& c) -> Place { return &c.reactor.gather_for; }, "with block: how long it lets more of a stream at full speed come before it looks again"},
    {"reactor", "connections_max", [](Configuration& c) -> Place { return &c.reactor.connections_max; }, "connections at a time"},
    {"reactor", "receive_buffer_bytes", [](Configuration& c) -> Place { return &c.reactor.receive_buffer_bytes; }, "of each connection"},
    {"reactor", "send_buffer_bytes", [](Configuration& c) -> Place { return &c.reactor.send_buffer_bytes; }, "of each connection"},
    {"reactor", "large_buffers", [](Configuration& c) -> Place { return &c.reactor.large_buffers; }, "for messages that do not fit into those"},
    {"reactor", "message_bytes_max", [](Configuration& c) -> Place { return &c.reactor.message_bytes_max; }, "the largest message that any connection may allow"},
    {"reactor", "prefault", [](Configuration& c) -> Place { return &c.reactor.prefault; }, "touch all memory at start"},
    {"reactor", "huge_pages", [](Configuration& c) -> Place { return &c.reactor.huge_pages; }, "ask for huge pages"},
    {"reactor", "lock_memory", [](Configuration& c) -> Place { return &c.reactor.lock_memory; }, "mlockall; needs RLIMIT_MEMLOCK"},
    {"reactor", "spin_sockets_max", [](Configuration& c) -> Place { return &c.reactor.spin_sockets_max; }, "up to so many connections are read directly, in turn"},
    {"reactor", "slow_callback_us", [](Configuration& c) -> Place { return &c.reactor.slow_callback; }, "a slower callback switches its connection to plain receive"},
    {"reactor", "telemetry_name", [](Configuration& c) -> Place { return &c.reactor.telemetry_name; }, "publish counters under this name, for zenwire stats"},
    {"reactor", "telemetry_bytes", [](Configuration& c) -> Place { return &c.reactor.telemetry_bytes; }, "room in that page for blocks of sessions and users"},
    {"connection", "url", [](Configuration& c) -> Place { return &c.session.connect.url; }, "ws://host[:port]/path or wss://..."},
    {"connection", "dial", [](Configuration& c) -> Place { return &c.session.connect.dial; }, "connect there instead: address, address:port or name:port"},
    {"connection", "server_name", [](Configuration& c) -> Place { return &c.session.connect.server_name; }, "for SNI and verification, when it is not the URL's host"},
    {"connection", "local_address", [](Configuration& c) -> Place { return &c.session.connect.local_address; }, "bind here before connecting"},
    {"connection", "subprotocols", [](Configuration& c) -> Place { return &c.session.connect.subprotocols; }, "to offer, in the order of preference"},
    {"tls", "ca_file", [](Configuration& c) -> Place { return &c.session.connect.tls.ca_file; }, "trust the authorities of this PEM file, not the system's"},
    {"tls", "ca_directory", [](Configuration& c) -> Place { return &c.session.connect.tls.ca_directory; }, "trust the authorities in this folder"},
    {"tls", "verify", [](Configuration& c) -> Place { return &c.session.connect.tls.verify; }, "false accepts any certificate: whoever is on the path can read all"},
    {"tls", "certificate_file", [](Configuration& c) -> Place { return &c.session.connect.tls.certificate_file; }, "a client's certificate, PEM"},
    {"tls", "key_file", [](Configuration& c) -> Place { return &c.session.connect.tls.key_file; }, "its key, PEM, not encrypted"},
    {"socket", "nodelay", [](Configuration& c) -> Place { return &c.session.connect.socket.nodelay; }, "TCP_NODELAY"},
    {"socket", "quickack", [](Configuration& c) -> Place { return &c.session.connect.socket.quickack; }, "TCP_QUICKACK"},
    {"socket", "receive_buffer_bytes", [](Configuration& c) -> Place { return &c.session.connect.socket.receive_buffer_bytes; }, "SO_RCVBUF; 0 leaves the kernel's choice"},
    {"socket", "send_buffer_bytes", [](Configuration& c) -> Place { return &c.session.connect.socket.send_buffer_bytes; }, "SO_SNDBUF; 0 leaves the kernel's choice"},
    {"socket", "busy_poll_us", [](Configuration& c) -> Place { return &c.session.connect.socket.busy_poll_us; }, "SO_BUSY_POLL; 0 leaves it off"},
    {"socket", "congestion_control", [](Configuration& c) -> Place { return &c.session.connect.socket.congestion_control; }, "TCP_CONGESTION; empty leaves the system's"},
    {"socket", "kernel_stamps", [](Configuration& c) -> Place { return &c.session.connect.socket.kernel_stamps; }, "SO_TIMESTAMPING: when the kernel had each message, and when what was sent left"},
    {"deadlines", "resolve_ms", [](Configuration& c) -> Place { return &c.session.connect.deadlines.resolve; }, "of the name's resolution"},
    {"deadlines", "connect_ms", [](Configuration& c) -> Place { return &c.session.connect.deadlines.connect; }, "of the TCP connection"},
    {"deadlines", "tls_ms", [](Configuration& c) -> Place { return &c.session.connect.deadlines.tls; }, "of the TLS handshake"},
    {"deadlines", "upgrade_ms", [](Configuration& c) -> Place { return &c.session.connect.deadlines.upgrade; }, "of the HTTP upgrade"},
    {"deadlines", "total_ms", [](Configuration& c) -> Place { return &c.session.connect.deadlines.total; }, "of all of these together"},
    {"deadlines", "close_ms", [](Configuration& c) -> Place { return &c.session.connect.deadlines.close; }, "from our close frame to the end of the connection"},
    {"limits", "frame_bytes_max", [](Configuration& c) -> Place { return &c.session.connect.limits.frame_bytes_max; }, "of a received frame"},
    {"limits", "message_bytes_max", [](Configuration& c) -> Place { return &c.session.connect.limits.message_bytes_max; }, "of a received message, decompressed"},
    {"limits", "fragments_max", [](Configuration& c) -> Place { return &c.session.connect.limits.fragments_max; }, "of a received message"},
    {"limits", "head_bytes_max", [](Configuration& c) -> Place { return &c.session.connect.limits.head_bytes_max; }, "of the server's answer to the upgrade"},
    {"limits", "headers_max", [](Configuration& c) -> Place { return &c.session.connect.limits.headers_max; }, "of that answer"},
    {"limits", "send_high_water_bytes", [](Configuration& c) -> Place { return &c.session.connect.limits.send_high_water_bytes; }, "on_high_water runs when more waits to be written"},
    {"limits", "validate_utf8", [](Configuration& c) -> Place { return &c.session.connect.limits.validate_utf8; }, "of text messages"},
    {"deflate", "enabled", [](Configuration& c) -> Place { return &c.session.connect.deflate.enabled; }, "offer permessage-deflate"},
    {"deflate", "level", [](Configuration& c) -> Place { return &c.session.connect.deflate.level; }, "1 (fast) to 9"},
    {"deflate", "client_window_bits", [](Configuration& c) -> Place { return &c.session.connect.deflate.client_window_bits; }, "9 to 15"},
    {"deflate", "server_window_bits", [](Configuration& c) -> Place { return &c.session.connect.deflate.server_window_bits; }, "9 to 15"},
    {"deflate", "client_no_context_takeover", [](Configuration& c) -> Place { return &c.session.connect.deflate.client_no_context_takeover; }, "forget the window after each message sent"},
    {"deflate", "server_no_context_takeover", [](Configuration& c) -> Place { return &c.session.connect.deflate.server_no_context_takeover; }, "ask the server to"},
    {"session", "id", [](Configuration& c) -> Place { return &c.session.id; }, "the session's number in records and queue headers"},
    {"session", "login_timeout_ms", [](Configuration& c) -> Place { return &c.session.login_timeout; }, "of logging in"},
    {"session", "acknowledge_timeout_ms", [](Configuration& c) -> Place { return &c.session.acknowledge_timeout; }, "from a chunk of subscriptions to its acknowledgement"},
    {"session", "restore_subscriptions", [](Configuration& c) -> Place { return &c.session.restore_subscriptions; }, "on each new connection"},
    {"session", "chunk_max", [](Configuration& c) -> Place { return &c.session.chunk_max; }, "channels asked for in one message"},
    {"session", "chunk_interval_ms", [](Configuration& c) -> Place { return &c.session.chunk_interval; }, "between two such messages"},
    {"session", "channels_max", [](Configuration& c) -> Place { return &c.session.channels_max; }, "subscriptions at a time"},
    {"session", "streams_max", [](Configuration& c) -> Place { return &c.session.streams_max; }, "channels with a sequence gate of their own"},
    {"reconnect", "base_ms", [](Configuration& c) -> Place { return &c.session.reconnect.base; }, "the first wait, doubled at each further retry"},
    {"reconnect", "cap_ms", [](Configuration& c) -> Place { return &c.session.reconnect.cap; }, "the longest wait"},
    {"reconnect", "retries_max", [](Configuration& c) -> Place { return &c.session.reconnect.retries_max; }, "in one outage; 0: never tries again"},
    {"reconnect", "stable_after_ms", [](Configuration& c) -> Place { return &c.session.reconnect.stable_after; }, "open for so long, the counting starts anew"},
    {"reconnect", "jitter_permille", [](Configuration& c) -> Place { return &c.session.reconnect.jitter_permille; }, "of each wait, taken off at random"},
    {"reconnect", "jitter_seed", [](Configuration& c) -> Place { return &c.session.reconnect.jitter_seed; }, "the same seed gives the same waits"},
    {"reconnect", "retry_after_max_ms", [](Configuration& c) -> Place { return &c.session.reconnect.retry_after_max; }, "a server's Retry-After is waited for up to this"},
    {"heartbeat", "kind", [](Configuration& c) -> Place { return place_of(c.session.heartbeat.kind, kHeartbeatNames); }, "none, ping, text, server"},
    {"heartbeat", "interval_ms", [](Configuration& c) -> Place { return &c.session.heartbeat.interval; }, "between two beats"},
    {"heartbeat", "missed_max", [](Configuration& c) -> Place { return &c.session.heartbeat.missed_max; }, "so many missed in a row end the connection"},
    {"heartbeat", "idle_timeout_ms", [](Configuration& c) -> Place { return &c.session.heartbeat.idle_timeout; }, "nothing received for so long ends it; 0: off"},
    {"rotation", "age_max_ms", [](Configuration& c) -> Place { return &c.session.rotation.age_max; }, "a connection of this age is replaced; 0: never"},
    {"rotation", "flow_timeout_ms", [](Configuration& c) -> Place { return &c.session.rotation.flow_timeout; }, "how long the new one's data is waited for"},
    {"rotation", "drain_timeout_ms", [](Configuration& c) -> Place { return &c.session.rotation.drain_timeout; }, "how long the old one is kept for answers"},
    {"requests", "requests_max", [](Configuration& c) -> Place { return &c.session.requests.requests_max; }, "waiting for answers at a time"},
    {"requests", "late_for_ms", [](Configuration& c) -> Place { return InstantPlace{&c.session.requests.late_for_ns}; }, "how long a late answer is recognised"},
    {"requests", "histograms_max", [](Configuration& c) -> Place { return &c.session.requests.histograms_max; }, "methods with a histogram of their own"},
    {"rate_limit", "table", [](Configuration& c) -> Place { return &c.rate_table; }, "deribit, binance, zen-deribit, zen-binance, zen-simple; empty: none"},
    {"rate_limit", "key", [](Configuration& c) -> Place { return &c.rate_key; }, "sessions with the same key share the limits"},
};
// clang-format on

// --- Names.

std::vector<std::string_view> sections() {
  std::vector<std::string_view> all{"headers"};
  for (const Row& row : kRows) {
    if (std::find(all.begin(), all.end(), row.section) == all.end()) all.push_back(row.section);
  }
  return all;
}

std::vector<std::string_view> names_in(std::string_view section) {
  std::vector<std::string_view> all;
  for (const Row& row : kRows) {
    if (row.section == section) all.push_back(row.name);
  }
  return all;
}

nanoseconds unit_of(std::string_view name) {
  return name.ends_with("_us") ? nanoseconds(1'000) : nanoseconds(1'000'000);
}

// --- Reading.

class Reader {
 public:
  Reader(std::string_view name, Configuration& configuration)
      : name_(name), configuration_(configuration) {}

  Result<void> read(const toml::table& file) {
    for (const auto& [key, node] : file) {
      if (auto good = read_section(key.str(), node); !good) return good;
    }
    return {};
  }

 private:
  [[nodiscard]] tl::unexpected<Error> wrong(const toml::node& at, std::string_view what,
                                            Errc code = Errc::invalid_option) const {
    return fail(code,
                name_ + ":" + std::to_string(at.source().begin.line) + ": " + std::string(what));
  }

  Result<void> read_section(std::string_view section, const toml::node& node) {
    const auto known = sections();
    if (std::find(known.begin(), known.end(), section) == known.end())
      return wrong(node, "there is no section [" + std::string(section) + "]; did you mean [" +
                             std::string(nearest_name(section, known)) + "]?");
    const toml::table* const table = node.as_table();
    if (table == nullptr)
      return wrong(node, "[" + std::string(section) + "] is a section, not a value");
    for (const auto& [key, value] : *table) {
      auto good = section == "headers" ? read_header(key.str(), value)
                                       : read_key(section, key.str(), value);
      if (!good) return good;
    }
    return {};
  }

  Result<void> read_header(std::string_view header, const toml::node& node) {
    auto text = read_text(node, header);
    if (!text) return tl::unexpected<Error>(text.error());
    configuration_.session.connect.headers.emplace_back(header, std::move(*text));
    return {};
  }

  Result<void> read_key(std::string_view section, std::string_view key, const toml::node& node) {
    for (const Row& row : kRows) {
      if (row.section == section && row.name == key) return read_value(row, node);
    }
    return wrong(node, "[" + std::string(section) + "] has no key \"" + std::string(key) +
                           "\"; did you mean \"" +
                           std::string(nearest_name(key, names_in(section))) + "\"?");
  }

  Result<void> read_value(const Row& row, const toml::node& node) {
    return std::visit([&](auto place) { return put(row, node, place); }, row.place(configuration_));
  }

  Result<void> put(const Row& row, const toml::node& node, std::string* place) {
    auto text = read_text(node, row.name);
    if (!text) return tl::unexpected<Error>(text.error());
    *place = std::move(*text);
    return {};
  }
  Result<void> put(const Row& row, const toml::node& node, bool* place) {
    const auto value = node.as_boolean();
    if (value == nullptr) return wrong(node, std::string(row.name) + " is true or false");
    *place = value->get();
    return {};
  }
  template <typename Number>
  Result<void> put(const Row& row, const toml::node& node, Number* place) {
    using Limits = std::numeric_limits<Number>;
    const auto highest = static_cast<std::int64_t>(
        std::min(static_cast<std::uint64_t>(Limits::max()),
                 static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())));
    const auto value = whole(row, node, static_cast<std::int64_t>(Limits::min()), highest);
    if (!value) return tl::unexpected<Error>(value.error());
    *place = static_cast<Number>(*value);
    return {};
  }
  Result<void> put(const Row& row, const toml::node& node, nanoseconds* place) {
    const nanoseconds unit = unit_of(row.name);
    const auto value = whole(row, node, 0, nanoseconds(std::chrono::hours(24 * 366)) / unit);
    if (!value) return tl::unexpected<Error>(value.error());
    *place = *value * unit;
    return {};
  }
  Result<void> put(const Row& row, const toml::node& node, InstantPlace place) {
    nanoseconds value{0};
    if (auto good = put(row, node, &value); !good) return good;
    *place.value = to_ns(value);
    return {};
  }
  Result<void> put(const Row& row, const toml::node& node, std::vector<std::string>* place) {
    const toml::array* const array = node.as_array();
    if (array == nullptr) return wrong(node, std::string(row.name) + " is a list of texts");
    for (const toml::node& each : *array) {
      auto text = read_text(each, row.name);
      if (!text) return tl::unexpected<Error>(text.error());
      place->push_back(std::move(*text));
    }
    return {};
  }
  Result<void> put(const Row& row, const toml::node& node, EnumPlace place) {
    const auto text = read_text(node, row.name);
    if (!text) return tl::unexpected<Error>(text.error());
    const auto found = std::find(place.names.begin(), place.names.end(), *text);
    if (found == place.names.end())
      return wrong(node, std::string(row.name) + " is " + std::string(row.says));
    *place.value = static_cast<std::uint8_t>(found - place.names.begin());
    return {};
  }

  [[nodiscard]] Result<std::int64_t> whole(const Row& row, const toml::node& node,
                                           std::int64_t lowest, std::int64_t highest) const {
    const auto value = node.as_integer();
    if (value != nullptr && value->get() >= lowest && value->get() <= highest) return value->get();
    return wrong(node, std::string(row.name) + " is a whole number from " + std::to_string(lowest) +
                           " to " + std::to_string(highest));
  }

  // A text, or where to take it from. What was taken is in no error.
  [[nodiscard]] Result<std::string> read_text(const toml::node& node, std::string_view key) const {
    if (const auto* text = node.as_string()) return text->get();
    const toml::table* const reference = node.as_table();
    if (reference != nullptr && reference->size() == 1) {
      if (const auto* variable = reference->get_as<std::string>("env"))
        return from_environment(node, variable->get());
      if (const auto* file = reference->get_as<std::string>("file"))
        return from_file(node, file->get());
    }
    return wrong(node, std::string(key) + " is a text, { env = \"NAME\" } or { file = \"PATH\" }");
  }
  [[nodiscard]] Result<std::string> from_environment(const toml::node& node,
                                                     const std::string& variable) const {
    if (const char* const value = std::getenv(variable.c_str())) return std::string(value);
    return wrong(node, "the environment has no variable " + variable);
  }
  [[nodiscard]] Result<std::string> from_file(const toml::node& node,
                                              const std::string& path) const {
    std::ifstream file(path, std::ios::binary);
    std::string text(kSecretFile_bytes_max, '\0');
    file.read(text.data(), static_cast<std::streamsize>(text.size()));
    if (file.bad() || !file.eof())
      return wrong(node, path + " cannot be read, or holds more than 64 KiB",
                   Errc::file_unreadable);
    text.resize(static_cast<std::size_t>(file.gcount()));
    while (text.ends_with('\n') || text.ends_with('\r')) text.pop_back();
    return text;
  }

  std::string name_;
  Configuration& configuration_;
};

// --- Printing.

std::string toml_quoted(std::string_view text) {
  std::string escaped = "\"";
  for (const char byte : text) {
    if (byte == '"' || byte == '\\') escaped += '\\';
    escaped += byte;
  }
  return escaped + "\"";
}

struct Printer {
  const Row& row;

  std::string operator()(const std::string* place) const {
    return toml_quoted(row.name == "url" && !place->empty() ? printable_url(*place) : *place);
  }
  std::string operator()(const bool* place) const { return *place ? "true" : "false"; }
  template <typename Number>
  std::string operator()(const Number* place) const {
    return std::to_string(*place);
  }
  std::string operator()(const nanoseconds* place) const {
    return std::to_string(*place / unit_of(row.name));
  }
  std::string operator()(const std::vector<std::string>* place) const {
    std::string text = "[";
    for (const std::string& each : *place)
      text += (text.size() > 1 ? ", " : "") + toml_quoted(each);
    return text + "]";
  }
  std::string operator()(InstantPlace place) const {
    const nanoseconds value(static_cast<std::int64_t>(*place.value));
    return (*this)(&value);
  }
  std::string operator()(EnumPlace place) const { return toml_quoted(place.names[*place.value]); }
};

std::string print(const Row& row, const Configuration& configuration) {
  // Only read from; one table of places serves both ways.
  const Place place = row.place(const_cast<Configuration&>(configuration));
  return std::visit([&](auto at) { return Printer{row}(at); }, place);
}

}  // namespace

Result<void> Configuration::validate() const {
  if (auto good = reactor.validate(); !good) return good;
  if (auto good = session.validate(); !good) return good;
  if (!rate_table.empty() && find_rate_table(rate_table) == nullptr)
    return fail(Errc::invalid_option, "rate_limit.table: there is no \"" + rate_table + "\"");
  return {};
}

Result<Configuration> parse_configuration(std::string_view toml, std::string_view name) {
  const toml::parse_result parsed = toml::parse(toml, name);
  if (!parsed) {
    const auto& error = parsed.error();
    return fail(Errc::invalid_option, std::string(name) + ":" +
                                          std::to_string(error.source().begin.line) + ": " +
                                          std::string(error.description()));
  }
  Configuration configuration;
  if (auto read = Reader(name, configuration).read(parsed.table()); !read)
    return tl::unexpected<Error>(read.error());
  return configuration;
}

Result<Configuration> read_configuration(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  if (!file) return fail(Errc::file_unreadable, path);
  return parse_configuration(text, path);
}

std::string print_configuration(const Configuration& configuration) {
  std::string text;
  std::string_view section;
  for (const Row& row : kRows) {
    if (row.section != section)
      text += (text.empty() ? "[" : "\n[") + std::string(row.section) + "]\n";
    section = row.section;
    text += std::string(row.name) + " = " + print(row, configuration) + "  # " +
            std::string(row.says) + "\n";
  }
  text += "\n[headers]\n";
  for (const auto& [name, value] : configuration.session.connect.headers)
    text += toml_quoted(name) + " = " + toml_quoted(kRedacted) + "\n";
  return text;
}

std::string configuration_reference() {
  const Configuration defaults;
  std::string text;
  std::string_view section;
  for (const Row& row : kRows) {
    if (row.section != section)
      text += (text.empty() ? "### [" : "\n### [") + std::string(row.section) +
              "]\n\n| key | default | says |\n|---|---|---|\n";
    section = row.section;
    text += "| `" + std::string(row.name) + "` | `" + print(row, defaults) + "` | " +
            std::string(row.says) + " |\n";
  }
  return text;
}

}  // namespace zenwire::tools
