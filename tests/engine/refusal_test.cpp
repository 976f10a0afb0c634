// Bad input from the world: each gets its own error, nothing crashes, and the reactor goes on.

#include <array>
#include <cstddef>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <zenwire/codec/frame_writer.hpp>
#include <zenwire/codec/upgrade.hpp>
#include <zenwire/engine/reactor.hpp>
#include <zenwire/engine/uring_io.hpp>

#include "loop.hpp"
#include "tls_files.hpp"

namespace zenwire {
namespace {

using test::accept_line;
using test::kSwitching;
using test::make_reactor;
using test::read_rest;
using test::read_until;
using test::run_until;
using test::ScriptedServer;
using test::upgrade_answer;
using test::write_all;

struct Outcome {
  bool opened = false;
  bool ended = false;
  Errc error = Errc::ok;
  std::string detail;
  OpenFailure failure;
  std::uint16_t code = 0;
  std::vector<std::string> messages;

  void on_open(Connection&) noexcept { opened = true; }
  void on_message(Connection&, const Message& message) noexcept {
    messages.emplace_back(message.text());
  }
  void on_failed(Connection&, const OpenFailure& event) noexcept {
    failure = event;
    error = event.error.code();
    detail = event.error.detail();
    ended = true;
  }
  void on_closed(Connection&, const Closed& closed) noexcept {
    error = closed.error.code();
    detail = closed.error.detail();
    code = closed.code;
    ended = true;
  }
  ConnectionHandlers handlers() {
    return {.on_open = Callback<Connection&>::to<&Outcome::on_open>(*this),
            .on_message = Callback<Connection&, const Message&>::to<&Outcome::on_message>(*this),
            .on_closed = Callback<Connection&, const Closed&>::to<&Outcome::on_closed>(*this),
            .on_failed = Callback<Connection&, const OpenFailure&>::to<&Outcome::on_failed>(*this)};
  }
};

Outcome outcome_of(const ConnectOptions& options,
                   const std::function<void(Reactor&, ConnectionId)>& then = {}) {
  auto reactor = make_reactor();
  Outcome outcome;
  const auto id = reactor->connect(options, outcome.handlers());
  if (!id) {
    outcome.error = id.error().code();
    outcome.detail = id.error().detail();
    return outcome;
  }
  if (then) {
    EXPECT_TRUE(run_until(*reactor, [&] { return outcome.opened || outcome.ended; }));
    if (outcome.opened) then(*reactor, *id);
  }
  EXPECT_TRUE(run_until(*reactor, [&] { return outcome.ended; }));
  return outcome;
}

// --- Options that are refused before anything is connected.

struct RefusedOption {
  const char* name;
  std::function<void(ConnectOptions&)> change;
  Errc error;
  const char* says;
};

class RefusedOptions : public testing::TestWithParam<RefusedOption> {};

TEST_P(RefusedOptions, AreNamed) {
  ConnectOptions options;
  options.url = "wss://venue.example/ws";
  GetParam().change(options);
  const auto valid = options.validate();
  ASSERT_FALSE(valid.has_value());
  EXPECT_EQ(valid.error().code(), GetParam().error) << valid.error().detail();
  EXPECT_NE(valid.error().detail().find(GetParam().says), std::string_view::npos)
      << valid.error().detail();
}

INSTANTIATE_TEST_SUITE_P(
    Table, RefusedOptions,
    testing::Values(
        RefusedOption{"Scheme", [](auto& o) { o.url = "http://venue.example/"; },
                      Errc::url_scheme_unknown, ""},
        RefusedOption{"NoHost", [](auto& o) { o.url = "wss://"; }, Errc::url_malformed, ""},
        RefusedOption{"Port", [](auto& o) { o.url = "wss://venue.example:70000/"; },
                      Errc::url_malformed, ""},
        RefusedOption{"User", [](auto& o) { o.url = "wss://me:secret@venue.example/"; },
                      Errc::url_userinfo_refused, ""},
        RefusedOption{"Fragment", [](auto& o) { o.url = "wss://venue.example/#x"; },
                      Errc::url_fragment_refused, ""},
        RefusedOption{"Header",
                      [](auto& o) {
                        o.headers = {{"X-Key", "a\r\nb"}};
                      },
                      Errc::header_invalid, "X-Key"},
        RefusedOption{"OwnHeader",
                      [](auto& o) {
                        o.headers = {{"Host", "x"}};
                      },
                      Errc::header_invalid, "Host"},
        RefusedOption{"Subprotocol", [](auto& o) { o.subprotocols = {"a b"}; },
                      Errc::subprotocol_invalid, ""},
        RefusedOption{"TlsWithoutTls",
                      [](auto& o) {
                        o.url = "ws://venue.example/";
                        o.tls.ca_file = "/x";
                      },
                      Errc::contradictory_options, "ws://"},
        RefusedOption{"KeyWithoutCertificate", [](auto& o) { o.tls.key_file = "/x"; },
                      Errc::contradictory_options, "certificate"},
        RefusedOption{"Versions",
                      [](auto& o) {
                        o.tls.version_min = TlsVersion::tls1_3;
                        o.tls.version_max = TlsVersion::tls1_2;
                      },
                      Errc::contradictory_options, "version_min"},
        RefusedOption{"Local", [](auto& o) { o.local_address = "here"; }, Errc::invalid_option,
                      "local_address"},
        RefusedOption{"LocalFamily",
                      [](auto& o) {
                        o.local_address = "::1";
                        o.dial = "127.0.0.1";
                      },
                      Errc::contradictory_options, "local_address"},
        RefusedOption{"Dial", [](auto& o) { o.dial = "host:port"; }, Errc::invalid_option, "dial"},
        RefusedOption{"Deadline", [](auto& o) { o.deadlines.tls = {}; }, Errc::invalid_option,
                      "tls_timeout_ms"},
        RefusedOption{"Fragments", [](auto& o) { o.limits.fragments_max = 0; },
                      Errc::invalid_option, "fragments_max"},
        RefusedOption{"Window",
                      [](auto& o) {
                        o.deflate.enabled = true;
                        o.deflate.client_window_bits = 8;
                      },
                      Errc::invalid_option, "deflate_client_window_bits"}),
    [](const auto& at) { return at.param.name; });

TEST(Refusal, AnUnknownOptionIsRefusedWithTheNearestName) {
  ConnectOptions options;
  const auto set = options.set("conect_timeout_ms", "5");
  ASSERT_FALSE(set.has_value());
  EXPECT_NE(set.error().detail().find("connect_timeout_ms"), std::string_view::npos)
      << set.error().detail();
  EXPECT_FALSE(options.set("connect_timeout_ms", "soon").has_value());
  EXPECT_FALSE(options.set("nodelay", "perhaps").has_value());
  EXPECT_TRUE(options.set("connect_timeout_ms", "250").has_value());
  EXPECT_EQ(options.deadlines.connect, std::chrono::milliseconds(250));
}

// --- Reaching the server.

TEST(Refusal, ARefusedPort) {
  int port = 0;
  {
    port = ScriptedServer([](int) {}).port();
  }
  const Outcome outcome = outcome_of({.url = "ws://127.0.0.1:" + std::to_string(port) + "/"});
  EXPECT_EQ(outcome.error, Errc::connect_refused) << outcome.detail;
  EXPECT_NE(outcome.detail.find("127.0.0.1:" + std::to_string(port)), std::string::npos)
      << outcome.detail;
}

TEST(Refusal, ANameThatDoesNotResolve) {
  const Outcome outcome = outcome_of({.url = "ws://no-such-host.invalid/"});
  EXPECT_TRUE(outcome.error == Errc::name_not_resolved || outcome.error == Errc::resolve_timeout)
      << outcome.detail;
  EXPECT_NE(outcome.detail.find("no-such-host.invalid"), std::string::npos) << outcome.detail;
}

// --- What the server answers to the upgrade.

struct Answer {
  const char* name;
  std::function<std::string(const std::string& request)> answer;
  Errc error;
  int status;
};

class UpgradeAnswers : public testing::TestWithParam<Answer> {};

TEST_P(UpgradeAnswers, GiveTheRealReason) {
  ScriptedServer server(
      [](int client) { write_all(client, GetParam().answer(read_until(client, "\r\n\r\n"))); });
  const Outcome outcome = outcome_of({.url = server.url("/ws?secret=1")});
  EXPECT_FALSE(outcome.opened);
  EXPECT_EQ(outcome.error, GetParam().error) << outcome.detail;
  EXPECT_EQ(outcome.failure.http_status, GetParam().status);
  EXPECT_EQ(outcome.detail.find("secret"), std::string::npos) << outcome.detail;
}

std::function<std::string(const std::string&)> fixed(std::string text) {
  return [text](const std::string&) { return text; };
}

std::function<std::string(const std::string&)> switching(std::string extra) {
  return [extra](const std::string& request) { return upgrade_answer(request, extra); };
}

INSTANTIATE_TEST_SUITE_P(
    Table, UpgradeAnswers,
    testing::Values(
        Answer{"Ok200", fixed("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"),
               Errc::http_status, 200},
        Answer{
            "Moved301",
            fixed("HTTP/1.1 301 Moved\r\nLocation: wss://x.example/\r\nContent-Length: 0\r\n\r\n"),
            Errc::http_redirect, 301},
        Answer{"Unauthorized401", fixed("HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n"),
               Errc::http_unauthorized, 401},
        Answer{"Forbidden403", fixed("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"),
               Errc::http_forbidden, 403},
        Answer{
            "TooMany429",
            fixed("HTTP/1.1 429 Too Many Requests\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n"),
            Errc::http_too_many_requests, 429},
        Answer{
            "Unavailable503",
            fixed(
                "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n"),
            Errc::http_service_unavailable, 503},
        Answer{"WrongAccept",
               fixed(kSwitching + "Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n"),
               Errc::upgrade_accept_mismatch, 101},
        Answer{"NoAccept", fixed(kSwitching + "\r\n"), Errc::upgrade_accept_mismatch, 101},
        Answer{"NoUpgrade",
               [](const std::string& request) {
                 return "HTTP/1.1 101 X\r\nConnection: Upgrade\r\n" + accept_line(request) + "\r\n";
               },
               Errc::upgrade_missing, 101},
        Answer{"UnaskedExtension", switching("Sec-WebSocket-Extensions: permessage-deflate\r\n"),
               Errc::upgrade_extension_unasked, 101},
        Answer{"UnaskedSubprotocol", switching("Sec-WebSocket-Protocol: chat\r\n"),
               Errc::upgrade_subprotocol_unasked, 101},
        Answer{"NotHttp", fixed("SSH-2.0-OpenSSH_9.2\r\n\r\n"), Errc::http_malformed, 0},
        Answer{"NoEnd", fixed("HTTP/1.1 101 X\r\nX: " + std::string(20'000, 'x')),
               Errc::http_header_too_large, 0},
        Answer{"ManyHeaders",
               [](const std::string&) {
                 std::string head = "HTTP/1.1 101 X\r\n";
                 for (int i = 0; i < 200; ++i) head += "X: y\r\n";
                 return head + "\r\n";
               },
               Errc::http_header_too_large, 0},
        Answer{"Silence", fixed(""), Errc::connect_reset, 0},
        Answer{"Half", fixed("HTTP/1.1 10"), Errc::connect_reset, 0}),
    [](const auto& at) { return at.param.name; });

TEST(Refusal, AnHttpErrorKeepsHeadersBodyAndRetryAfter) {
  ScriptedServer server([](int client) {
    read_until(client, "\r\n\r\n");
    write_all(client,
              "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 120\r\nX-Reason: "
              "maintenance\r\nContent-Length: 16\r\n\r\n"
              "back at midnight");
    read_rest(client);
  });
  const Outcome outcome = outcome_of({.url = server.url()});
  EXPECT_EQ(outcome.failure.http_status, 503);
  EXPECT_NE(outcome.failure.head.find("X-Reason: maintenance"), std::string::npos);
  EXPECT_EQ(outcome.failure.body_start, "back at midnight");
  ASSERT_TRUE(outcome.failure.retry_after.has_value());
  EXPECT_EQ(outcome.failure.retry_after->count(), 120);
}

// A server that stops at each byte of its answer: the deadline ends it, whatever had come.
TEST(Refusal, AServerThatStallsAtEachByteOfTheUpgrade) {
  const std::string whole =
      kSwitching + "Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n";
  std::atomic<std::size_t> next{0};
  ScriptedServer server([&](int client) {
    read_until(client, "\r\n\r\n");
    write_all(client, std::string_view(whole).substr(0, next++));
    read_rest(client);
  });
  auto reactor = make_reactor({.connections_max = 256});
  std::vector<Outcome> outcomes(whole.size());
  ConnectOptions options{.url = server.url()};
  options.deadlines.upgrade = std::chrono::milliseconds(300);
  for (auto& outcome : outcomes)
    ASSERT_TRUE(reactor->connect(options, outcome.handlers()).has_value());
  ASSERT_TRUE(run_until(*reactor, [&] {
    for (const auto& outcome : outcomes) {
      if (!outcome.ended) return false;
    }
    return true;
  }));
  for (const auto& outcome : outcomes)
    EXPECT_EQ(outcome.error, Errc::upgrade_timeout) << outcome.detail;
}

TEST(Refusal, AServerThatStallsInTheTlsHandshake) {
  ScriptedServer server([](int client) { read_rest(client); });
  ConnectOptions options{.url = "wss://127.0.0.1:" + std::to_string(server.port()) + "/"};
  options.deadlines.tls = std::chrono::milliseconds(100);
  const Outcome outcome = outcome_of(options);
  EXPECT_EQ(outcome.error, Errc::tls_timeout) << outcome.detail;
}

TEST(Refusal, TheTotalDeadlineEndsWhatTheStagesWouldAllow) {
  ScriptedServer server([](int client) { read_rest(client); });
  ConnectOptions options{.url = server.url()};
  options.deadlines.total = std::chrono::milliseconds(50);
  const Outcome outcome = outcome_of(options);
  EXPECT_EQ(outcome.error, Errc::open_timeout) << outcome.detail;
}

TEST(Refusal, APlainServerOnATlsPort) {
  ScriptedServer server([](int client) {
    char byte = 0;
    static_cast<void>(::recv(client, &byte, 1, 0));
    write_all(client, "HTTP/1.1 400 Bad Request\r\n\r\n");
  });
  const Outcome outcome =
      outcome_of({.url = "wss://127.0.0.1:" + std::to_string(server.port()) + "/"});
  EXPECT_FALSE(outcome.opened);
  EXPECT_TRUE(outcome.error == Errc::tls_handshake_failed ||
              outcome.error == Errc::tls_record_invalid || outcome.error == Errc::connect_reset)
      << name(outcome.error) << outcome.detail;
}

// --- Certificates, through the whole engine (the table of names is in tls_test.cpp).

struct TrustCase {
  const char* name;
  std::function<void(CertificateRequest&)> certificate;
  std::function<void(ConnectOptions&)> client;
  const char* host;
  Errc error;
};

class Trust : public testing::TestWithParam<TrustCase> {};

TEST_P(Trust, IsCheckedOnEveryConnection) {
  Outcome outcome;
  auto reactor = make_reactor();
  ListenOptions listen;
  listen.secure = true;
  CertificateRequest request;
  request.dns_names = {"localhost"};
  request.ip_addresses = {"127.0.0.1"};
  if (GetParam().certificate) GetParam().certificate(request);
  listen.tls = test::server_tls(request);
  const std::string port = std::to_string(reactor->listen(listen).value().port());
  ConnectOptions options{.url = "wss://" + std::string(GetParam().host) + ":" + port + "/"};
  options.dial = "127.0.0.1:" + port;
  options.tls = test::client_tls();
  if (GetParam().client) GetParam().client(options);
  ASSERT_TRUE(reactor->connect(options, outcome.handlers()).has_value());
  ASSERT_TRUE(run_until(*reactor, [&] { return outcome.opened || outcome.ended; }));
  EXPECT_EQ(outcome.opened, GetParam().error == Errc::ok);
  EXPECT_EQ(outcome.error, GetParam().error) << outcome.detail;
}

INSTANTIATE_TEST_SUITE_P(
    Table, Trust,
    testing::Values(TrustCase{"Right", {}, {}, "localhost", Errc::ok},
                    TrustCase{"RightAddress", {}, {}, "127.0.0.1", Errc::ok},
                    TrustCase{"WrongAuthority",
                              {},
                              [](ConnectOptions& o) {
                                o.tls.ca_pem =
                                    CertificateAuthority::create("x").value().certificate_pem();
                              },
                              "localhost",
                              Errc::tls_unknown_authority},
                    TrustCase{"WrongHost", {}, {}, "other.example", Errc::tls_host_name_mismatch},
                    TrustCase{"WrongAddress", {}, {}, "127.0.0.9", Errc::tls_address_mismatch},
                    TrustCase{"RightCommonNameWrongAlternative",
                              [](CertificateRequest& r) {
                                r.common_name = "venue.example";
                                r.dns_names = {"other.example"};
                              },
                              {},
                              "venue.example",
                              Errc::tls_host_name_mismatch},
                    TrustCase{"Expired",
                              [](CertificateRequest& r) {
                                r.valid_from = -std::chrono::hours(40);
                                r.valid_until = -std::chrono::hours(1);
                              },
                              {},
                              "localhost",
                              Errc::tls_certificate_expired},
                    TrustCase{"ServerNameOverrides",
                              {},
                              [](ConnectOptions& o) { o.server_name = "localhost"; },
                              "other.example",
                              Errc::ok},
                    TrustCase{"MissingCaFile",
                              {},
                              [](ConnectOptions& o) {
                                o.tls = {};
                                o.tls.ca_file = "/nowhere/ca.pem";
                              },
                              "localhost",
                              Errc::file_unreadable}),
    [](const auto& at) { return at.param.name; });

// --- Frames that break the protocol.

struct BadFrame {
  const char* name;
  std::string bytes;
  Errc error;
  std::uint16_t code;
  bool deflate = false;
};

class BadFrames : public testing::TestWithParam<BadFrame> {};

std::string raw(std::initializer_list<int> bytes) {
  std::string text;
  for (const int byte : bytes) text += static_cast<char>(byte);
  return text;
}

TEST_P(BadFrames, CloseTheConnectionWithTheRightCode) {
  std::string answer;
  ScriptedServer server([&](int client) {
    const std::string request = read_until(client, "\r\n\r\n");
    const char* const extensions =
        GetParam().deflate ? "Sec-WebSocket-Extensions: permessage-deflate\r\n" : "";
    write_all(client, upgrade_answer(request, extensions));
    write_all(client, raw({0x81, 2, 'o', 'k'}) + GetParam().bytes);
    ::shutdown(client, SHUT_WR);
    answer = read_rest(client);
  });
  ConnectOptions options{.url = server.url()};
  options.limits.message_bytes_max = options.limits.frame_bytes_max = 100'000;
  options.limits.fragments_max = 3;
  options.deflate.enabled = GetParam().deflate;
  Outcome outcome = outcome_of(options);
  EXPECT_TRUE(outcome.opened);
  EXPECT_EQ(outcome.messages, std::vector<std::string>{"ok"});  // what came before is delivered
  EXPECT_EQ(outcome.error, GetParam().error) << outcome.detail;
  EXPECT_EQ(outcome.code, GetParam().code);
}

// A bomb: a megabyte of zeros, deflated to a thousand bytes.
std::string bomb_frame() {
  const DeflateSide side;
  std::vector<std::byte> memory(deflate_arena_bytes(side) + 64);
  Arena arena(memory);
  Deflater deflater = Deflater::open(side, arena).value();
  const std::vector<std::byte> zeros(1'000'000);
  std::vector<std::byte> out(deflate_bound_bytes(zeros.size()));
  const std::size_t bytes = deflater.deflate_message(zeros, out);
  std::string frame(frame_bytes(Role::server, bytes), '\0');
  write_frame(reinterpret_cast<std::byte*>(frame.data()), Role::server, Opcode::text,
              Bytes(out).first(bytes), 0, true, true);
  return frame;
}

INSTANTIATE_TEST_SUITE_P(
    Table, BadFrames,
    testing::Values(
        BadFrame{"ReservedBits", raw({0xf1, 0}), Errc::frame_reserved_bits, 1002},
        BadFrame{"CompressedUnasked", raw({0xc1, 1, 'x'}), Errc::frame_reserved_bits, 1002},
        BadFrame{"UnknownOpcode", raw({0x83, 0}), Errc::frame_opcode_unknown, 1002},
        BadFrame{"Masked", raw({0x81, 0x81, 1, 2, 3, 4, 5}), Errc::frame_mask_unexpected, 1002},
        BadFrame{"LengthNotMinimal", raw({0x81, 126, 0, 5, 'h', 'e', 'l', 'l', 'o'}),
                 Errc::frame_length_not_minimal, 1002},
        BadFrame{"LengthTopBit", raw({0x81, 127, 0x80, 0, 0, 0, 0, 0, 0, 1}),
                 Errc::frame_length_invalid, 1002},
        BadFrame{"LongPing", raw({0x89, 126, 0, 126}), Errc::frame_control_too_long, 1002},
        BadFrame{"FragmentedPing", raw({0x09, 0}), Errc::frame_control_fragmented, 1002},
        BadFrame{"StrayContinuation", raw({0x80, 0}), Errc::frame_continuation_unexpected, 1002},
        BadFrame{"NewMessageInsideOne", raw({0x01, 1, 'a', 0x81, 1, 'b'}),
                 Errc::frame_continuation_expected, 1002},
        BadFrame{"FrameTooLarge", raw({0x82, 127, 0, 0, 0, 0, 0, 1, 0x86, 0xa1}),
                 Errc::frame_too_large, 1009},
        BadFrame{"TooManyFragments", raw({0x01, 0, 0x00, 0, 0x00, 0, 0x80, 0}),
                 Errc::message_too_many_fragments, 1009},
        BadFrame{"BadUtf8", raw({0x81, 2, 0xc3, 0x28}), Errc::text_not_utf8, 1007},
        BadFrame{"BadUtf8InAnUnfinishedFrame", raw({0x81, 126, 1, 0, 'a', 0xff}),
                 Errc::text_not_utf8, 1007},
        BadFrame{"OneByteClose", raw({0x88, 1, 3}), Errc::close_payload_invalid, 1002},
        BadFrame{"BadCloseCode", raw({0x88, 2, 0x03, 0xed}), Errc::close_code_invalid, 1002},
        BadFrame{"BadCloseReason", raw({0x88, 3, 0x03, 0xe8, 0xff}), Errc::text_not_utf8, 1007},
        BadFrame{"Bomb", bomb_frame(), Errc::deflate_too_large, 1009, true},
        BadFrame{"BadDeflate", raw({0xc1, 3, 0xff, 0xff, 0xff}), Errc::deflate_invalid, 1007, true},
        BadFrame{"EndWithoutClose", "", Errc::connection_lost, CloseCode::abnormal}),
    [](const auto& at) { return at.param.name; });

// The code was 1005 then, as if an empty close frame had come.
TEST(Refusal, AResetWithoutACloseFrameIs1006) {
  ScriptedServer server([&](int client) {
    const std::string request = read_until(client, "\r\n\r\n");
    write_all(client, upgrade_answer(request, ""));
    char opened = 0;
    EXPECT_EQ(::recv(client, &opened, 1, 0), 1);
    const linger at_once{.l_onoff = 1, .l_linger = 0};
    ::setsockopt(client, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  });
  auto reactor = make_reactor();
  ConnectionEnd end;
  const auto on_closed = [&](Connection&, const Closed& closed) noexcept {
    end = {closed.error.code(), closed.code, closed.clean};
  };
  ConnectionHandlers handlers;
  handlers.on_open = Callback<Connection&>([](void*, Connection& connection) noexcept {
    static_cast<void>(connection.ping(as_bytes("go")));
  });
  handlers.on_closed = Callback<Connection&, const Closed&>::to(on_closed);
  ASSERT_TRUE(reactor->connect({.url = server.url()}, handlers).has_value());
  ASSERT_TRUE(run_until(*reactor, [&] { return end.error != Errc::ok; }));
  EXPECT_EQ(end.error, Errc::connection_lost);
  EXPECT_EQ(end.code, CloseCode::abnormal);
}

TEST(Refusal, AServerRefusesAnUnmaskedFrameAndARequestThatIsNone) {
  auto reactor = make_reactor();
  int closed = 0;
  Errc error = Errc::ok;
  const auto on_closed = [&](Connection&, const Closed& event) noexcept {
    ++closed;
    error = event.error.code();
  };
  const auto on_open = [&](Connection& connection) noexcept {
    static_cast<void>(
        connection.on_closed.add(Callback<Connection&, const Closed&>::to(on_closed)));
  };
  ListenOptions listen;
  listen.on_open = Callback<Connection&>::to(on_open);
  const Address address = reactor->listen(listen).value();
  std::string refusal;
  std::string close_frame;
  std::thread peer([&] {
    const auto dial = [&] {
      const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
      EXPECT_EQ(::connect(socket, static_cast<const sockaddr*>(address.data()),
                          static_cast<socklen_t>(address.size_bytes())),
                0);
      return socket;
    };
    const int plain = dial();
    write_all(plain, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    refusal = read_rest(plain);
    ::close(plain);
    const int socket = dial();
    write_all(socket,
              "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: "
              "Upgrade\r\nSec-WebSocket-Version: 13\r\n"
              "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
    read_until(socket, "\r\n\r\n");
    write_all(socket, raw({0x81, 1, 'x'}));
    close_frame = read_rest(socket);
    ::close(socket);
  });
  EXPECT_TRUE(run_until(*reactor, [&] { return closed == 1; }));
  peer.join();
  EXPECT_EQ(error, Errc::frame_mask_missing);
  EXPECT_EQ(refusal.substr(0, 13), "HTTP/1.1 426 ");  // no Upgrade header: it says which it wants
  ASSERT_GE(close_frame.size(), 4u);
  EXPECT_EQ(close_frame.substr(2, 2), raw({0x03, 0xea}));
}

// --- A kernel that refuses io_uring.

TEST(Refusal, ASeccompFilterIsNamed) {
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_io_uring_setup, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    sock_fprog program{static_cast<unsigned short>(std::size(filter)), filter};
    ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) ::_exit(3);
    const auto io = UringIo::create();
    ::_exit(!io && io.error().code() == Errc::ring_refused_by_seccomp ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

}  // namespace
}  // namespace zenwire
