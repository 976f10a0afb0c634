// Options: whatever is within its bounds is accepted, alone and together; whatever is not is
// refused by an error that names it.

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <zenwire/engine/options.hpp>
#include <zenwire/engine/session_options.hpp>

namespace zenwire {
namespace {

using std::chrono::nanoseconds;

template <typename Number>
Number between(Number low, Number high) {
  return static_cast<Number>(*rc::gen::inRange<std::uint64_t>(
      static_cast<std::uint64_t>(low), static_cast<std::uint64_t>(high) + 1));
}
bool maybe() {
  return *rc::gen::arbitrary<bool>();
}
template <typename Value>
Value one_of(const std::vector<Value>& values) {
  return *rc::gen::elementOf(values);
}

nanoseconds some_time() {
  return nanoseconds(between<std::int64_t>(1, 3'600'000'000'000));
}

Deadlines valid_deadlines() {
  return {some_time(), some_time(), some_time(), some_time(), some_time(), some_time()};
}

Limits valid_limits() {
  return {.frame_bytes_max = between<std::uint64_t>(1, 1u << 30),
          .message_bytes_max = between<std::uint64_t>(1, 1u << 30),
          .fragments_max = between<std::uint32_t>(1, 1u << 30),
          .head_bytes_max = between<std::size_t>(256, 1u << 20),
          .headers_max = between<std::uint32_t>(4, 128),
          .send_high_water_bytes = between<std::size_t>(0, 1u << 30),
          .validate_utf8 = maybe()};
}

DeflateOptions valid_deflate() {
  return {.enabled = maybe(),
          .client_window_bits = between<std::uint8_t>(9, 15),
          .server_window_bits = between<std::uint8_t>(9, 15),
          .client_no_context_takeover = maybe(),
          .server_no_context_takeover = maybe(),
          .level = static_cast<int>(between<unsigned>(1, 9))};
}

std::string some_token() {
  return *rc::gen::nonEmpty(rc::gen::container<std::string>(
      rc::gen::elementOf(std::string("abcXYZ0189-_.~!#$%&'*+^`|"))));
}

ConnectOptions valid_connect() {
  ConnectOptions options;
  const bool secure = maybe();
  options.url = (secure ? "wss://" : "ws://") +
                one_of<std::string>({"venue.example", "127.0.0.1", "[2001:db8::1]", "a.b-c.d"}) +
                one_of<std::string>({"", ":1", ":443", ":65535"}) +
                one_of<std::string>({"", "/", "/ws?a=b", "/%20"});
  options.dial = one_of<std::string>({"", "127.0.0.1", "127.0.0.1:9", "[::1]:9", "host", "host:9"});
  if (secure && maybe()) options.server_name = "other.example";
  if (maybe()) options.headers.emplace_back("X-" + some_token(), some_token());
  if (maybe()) options.subprotocols = {some_token()};
  options.deadlines = valid_deadlines();
  options.limits = valid_limits();
  options.deflate = valid_deflate();
  return options;
}

std::string said(const Result<void>& result) {
  return result ? "accepted"
                : std::string(name(result.error().code())) + ": " +
                      std::string(result.error().detail());
}

RC_GTEST_PROP(ConnectOptionsProperty, what_is_within_bounds_is_accepted, ()) {
  const ConnectOptions options = valid_connect();
  const auto valid = options.validate();
  RC_LOG() << options.url << " " << said(valid);
  RC_ASSERT(valid.has_value());
}

// One thing that is wrong, and how the error speaks of it.
struct Wrong {
  const char* says;
  std::function<void(ConnectOptions&)> make;
};

const std::vector<Wrong>& wrongs() {
  static const std::vector<Wrong> kAll = {
      {"resolve_timeout_ms", [](auto& o) { o.deadlines.resolve = nanoseconds(0); }},
      {"connect_timeout_ms", [](auto& o) { o.deadlines.connect = nanoseconds(-1); }},
      {"tls_timeout_ms", [](auto& o) { o.deadlines.tls = nanoseconds(0); }},
      {"upgrade_timeout_ms", [](auto& o) { o.deadlines.upgrade = nanoseconds(0); }},
      {"open_timeout_ms", [](auto& o) { o.deadlines.total = nanoseconds(0); }},
      {"close_timeout_ms", [](auto& o) { o.deadlines.close = nanoseconds::min(); }},
      {"frame_bytes_max", [](auto& o) { o.limits.frame_bytes_max = 0; }},
      {"message_bytes_max", [](auto& o) { o.limits.message_bytes_max = 0; }},
      {"fragments_max", [](auto& o) { o.limits.fragments_max = 0; }},
      {"head_bytes_max", [](auto& o) { o.limits.head_bytes_max = between<std::size_t>(0, 255); }},
      {"headers_max", [](auto& o) { o.limits.headers_max = between<std::uint32_t>(0, 3); }},
      {"headers_max", [](auto& o) { o.limits.headers_max = between<std::uint32_t>(129, 1 << 20); }},
      {"deflate_client_window_bits",
       [](auto& o) {
         o.deflate.enabled = true;
         o.deflate.client_window_bits = between<std::uint8_t>(0, 8);
       }},
      {"deflate_server_window_bits",
       [](auto& o) {
         o.deflate.enabled = true;
         o.deflate.server_window_bits = between<std::uint8_t>(16, 255);
       }},
      {"deflate_level",
       [](auto& o) {
         o.deflate.enabled = true;
         o.deflate.level = one_of<int>({-1, 0, 10, 1000});
       }},
      {"local_address", [](auto& o) { o.local_address = "not an address"; }},
      {"dial",
       [](auto& o) {
         o.dial = one_of<std::string>({"host:0", "host:65536", ":9"});
       }},
      {"X-Bad",
       [](auto& o) {
         o.headers = {{"X-Bad", "a\r\nb"}};
       }},
      {"", [](auto& o) { o.subprotocols = {"two words"}; }},
      {"",
       [](auto& o) {
         o.url = one_of<std::string>({"", "ws://", "ftp://a/", "ws://a:99999/"});
       }},
      {"ws://",
       [](auto& o) {
         o.url = "ws://venue.example/";
         o.tls.ca_file = "/x";
       }},
  };
  return kAll;
}

RC_GTEST_PROP(ConnectOptionsProperty, one_thing_wrong_is_refused_by_name, ()) {
  ConnectOptions options = valid_connect();
  const Wrong& wrong = wrongs()[between<std::size_t>(0, wrongs().size() - 1)];
  wrong.make(options);
  const auto valid = options.validate();
  RC_LOG() << wrong.says << ": " << said(valid);
  RC_ASSERT(!valid.has_value());
  RC_ASSERT(valid.error().condition() == Condition::invalid_option);
  RC_ASSERT(!message(valid.error().code()).empty() && !suggestion(valid.error().code()).empty());
  RC_ASSERT(valid.error().detail().find(wrong.says) != std::string_view::npos);
}

// --- By name, as a file or a command line gives them.

bool takes_milliseconds(std::string_view option) {
  return option.ends_with("_ms");
}

RC_GTEST_PROP(OptionsByName, any_milliseconds_are_what_was_said, ()) {
  ConnectOptions options;
  const auto number = between<std::uint64_t>(1, 1'000'000);
  RC_ASSERT(options.set("connect_timeout_ms", std::to_string(number)).has_value());
  RC_ASSERT(options.deadlines.connect == std::chrono::milliseconds(number));
}

RC_GTEST_PROP(OptionsByName, any_text_is_set_or_refused_by_name, (const std::string& text)) {
  for (const std::string_view option : ConnectOptions::names()) {
    ConnectOptions options;
    const auto set = options.set(option, text);
    if (set) continue;
    RC_ASSERT(set.error().code() == Errc::invalid_option);
    RC_ASSERT(set.error().detail().substr(0, option.size()) == option);
  }
}

RC_GTEST_PROP(OptionsByName, an_unknown_name_is_refused, (const std::string& text)) {
  const auto names = ConnectOptions::names();
  RC_PRE(std::find(names.begin(), names.end(), text) == names.end());
  ConnectOptions options;
  const auto set = options.set(text, "1");
  RC_ASSERT(!set.has_value());
  RC_ASSERT(set.error().code() == Errc::invalid_option);
}

TEST(OptionsByName, a_name_nearly_right_is_answered_with_the_right_one) {
  for (const std::string_view option : ConnectOptions::names()) {
    if (option.size() < 8) continue;
    std::string nearly(option);
    nearly.erase(nearly.size() / 2, 1);
    ConnectOptions options;
    const auto set = options.set(nearly, "1");
    ASSERT_FALSE(set.has_value()) << nearly;
    EXPECT_NE(set.error().detail().find(option), std::string_view::npos) << set.error().detail();
  }
}

TEST(OptionsByName, a_deadline_is_not_a_word_nor_negative_nor_endless) {
  for (const std::string_view option : ConnectOptions::names()) {
    if (!takes_milliseconds(option)) continue;
    for (const char* text : {"", "soon", "-1", "1.5", "1e3", " 1", "1 ", "99999999999999999999"}) {
      ConnectOptions options;
      EXPECT_FALSE(options.set(option, text).has_value()) << option << "=" << text;
    }
  }
}

// --- Listeners and reactors.

ListenOptions valid_listen() {
  ListenOptions options;
  options.address = one_of<std::string>({"127.0.0.1", "0.0.0.0", "::", "::1"});
  options.port = between<std::uint16_t>(0, 65535);
  options.secure = maybe();
  if (options.secure) {
    options.tls.certificate_file = "/certificate";
    options.tls.key_file = "/key";
  }
  options.deadlines = valid_deadlines();
  options.limits = valid_limits();
  options.deflate = valid_deflate();
  return options;
}

RC_GTEST_PROP(ListenOptionsProperty, within_bounds_is_accepted_and_one_thing_wrong_is_not, ()) {
  ListenOptions options = valid_listen();
  RC_ASSERT(options.validate().has_value());
  switch (between<int>(0, 3)) {
    case 0: options.address = one_of<std::string>({"", "localhost", "1.2.3", "::1::"}); break;
    case 1:
      options.secure = true;
      options.tls = {};
      break;
    case 2: options.limits.fragments_max = 0; break;
    default: options.tls.key_file = options.secure ? "" : "/key only";
  }
  const auto valid = options.validate();
  RC_ASSERT(!valid.has_value());
  RC_ASSERT(!valid.error().detail().empty());
}

struct WrongReactor {
  const char* says;
  void (*make)(ReactorOptions&);
};

const std::vector<WrongReactor>& wrong_reactors() {
  static const std::vector<WrongReactor> kAll = {
      {"connections_max",
       [](auto& o) {
         o.connections_max = one_of<std::uint32_t>({0, 65'537});
       }},
      {"receive_buffer_bytes", [](auto& o) { o.receive_buffer_bytes = 4095; }},
      {"send_buffer_bytes", [](auto& o) { o.send_buffer_bytes = between<std::size_t>(0, 4095); }},
      {"large_buffers", [](auto& o) { o.large_buffers = 0; }},
      {"message_bytes_max", [](auto& o) { o.message_bytes_max = 0; }},
  };
  return kAll;
}

RC_GTEST_PROP(ReactorOptionsProperty, within_bounds_is_accepted_and_one_thing_wrong_is_not, ()) {
  ReactorOptions options;
  options.connections_max = between<std::uint32_t>(1, 65'536);
  options.receive_buffer_bytes = between<std::size_t>(4096, 1u << 24);
  options.send_buffer_bytes = between<std::size_t>(4096, 1u << 24);
  options.large_buffers = between<std::uint32_t>(1, 1000);
  options.message_bytes_max = between<std::uint64_t>(1, std::uint64_t{1} << 31);
  RC_ASSERT(options.validate().has_value());
  const auto& [says, make] = wrong_reactors()[between<std::size_t>(0, wrong_reactors().size() - 1)];
  make(options);
  const auto valid = options.validate();
  RC_ASSERT(!valid.has_value());
  RC_ASSERT(valid.error().detail().find(says) != std::string_view::npos);
}

// --- Of sessions.

nanoseconds duration(std::int64_t least_ns = 1) {
  return nanoseconds(between<std::int64_t>(least_ns, 3'600'000'000'000));
}

SessionOptions valid_session() {
  SessionOptions options;
  options.connect = valid_connect();
  options.reconnect.base = duration();
  options.reconnect.cap = options.reconnect.base + duration(0);
  options.reconnect.stable_after = duration(0);
  options.reconnect.retry_after_max = duration(0);
  options.reconnect.jitter_permille = between<std::uint32_t>(0, 1000);
  options.heartbeat.kind = static_cast<HeartbeatKind>(between<int>(0, 3));
  options.heartbeat.interval = duration();
  options.heartbeat.missed_max = between<std::uint32_t>(1, 100);
  options.heartbeat.idle_timeout = duration(0);
  options.rotation = {duration(0), duration(), duration()};
  options.login_timeout = duration();
  options.acknowledge_timeout = duration();
  options.chunk_max = between<std::uint32_t>(1, 1000);
  options.chunk_interval = duration(0);
  options.channels_max = between<std::uint32_t>(1, 1U << 24);
  options.channel_bytes_max = between<std::uint32_t>(1, 4096);
  options.draft_bytes_max = between<std::size_t>(1, 1U << 20);
  options.requests.requests_max = between<std::uint32_t>(1, 1U << 16);
  options.streams_max = between<std::uint32_t>(0, options.channels_max);
  return options;
}

struct WrongSession {
  const char* says;
  void (*make)(SessionOptions&);
};

const std::vector<WrongSession>& wrong_sessions() {
  static const std::vector<WrongSession> kAll = {
      {"base", [](auto& o) { o.reconnect.base = -duration(0); }},
      {"cap", [](auto& o) { o.reconnect.cap = o.reconnect.base - duration(); }},
      {"stable_after", [](auto& o) { o.reconnect.stable_after = -duration(); }},
      {"retry_after_max", [](auto& o) { o.reconnect.retry_after_max = -duration(); }},
      {"jitter_permille",
       [](auto& o) { o.reconnect.jitter_permille = between<std::uint32_t>(1001, 1U << 31); }},
      {"interval",
       [](auto& o) {
         o.heartbeat.kind = HeartbeatKind::ping;
         o.heartbeat.interval = -duration(0);
       }},
      {"missed_max",
       [](auto& o) {
         o.heartbeat.kind = HeartbeatKind::server;
         o.heartbeat.missed_max = 0;
       }},
      {"idle_timeout", [](auto& o) { o.heartbeat.idle_timeout = -duration(); }},
      {"age_max", [](auto& o) { o.rotation.age_max = -duration(); }},
      {"flow_timeout", [](auto& o) { o.rotation.flow_timeout = -duration(0); }},
      {"drain_timeout", [](auto& o) { o.rotation.drain_timeout = -duration(0); }},
      {"login_timeout", [](auto& o) { o.login_timeout = -duration(0); }},
      {"acknowledge_timeout", [](auto& o) { o.acknowledge_timeout = -duration(0); }},
      {"chunk_max", [](auto& o) { o.chunk_max = 0; }},
      {"chunk_interval", [](auto& o) { o.chunk_interval = -duration(); }},
      {"channels_max",
       [](auto& o) {
         o.channels_max = one_of<std::uint32_t>({0, (1U << 24) + 1});
       }},
      {"channel_bytes_max",
       [](auto& o) {
         o.channel_bytes_max = one_of<std::uint32_t>({0, 4097});
       }},
      {"draft_bytes_max", [](auto& o) { o.draft_bytes_max = 0; }},
      {"requests_max", [](auto& o) { o.requests.requests_max = 0; }},
      {"streams_max", [](auto& o) { o.streams_max = o.channels_max + 1; }},
      {"held_max",
       [](auto& o) {
         o.streams_max = 1;
         o.gate.held_max = 3;
       }},
  };
  return kAll;
}

RC_GTEST_PROP(SessionOptionsProperty, within_bounds_is_accepted_and_one_thing_wrong_is_not, ()) {
  SessionOptions options = valid_session();
  RC_ASSERT(options.validate().has_value());
  const auto& [says, make] = wrong_sessions()[between<std::size_t>(0, wrong_sessions().size() - 1)];
  make(options);
  const auto valid = options.validate();
  RC_ASSERT(!valid.has_value());
  RC_ASSERT(valid.error().detail().find(says) != std::string_view::npos);
}

}  // namespace
}  // namespace zenwire
