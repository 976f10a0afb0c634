// The mock server against the engine, and against a socket where the engine would not misbehave.

#include <atomic>
#include <chrono>
#include <semaphore>
#include <string>

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <zenwire/codec/frame_writer.hpp>
#include <zenwire/testing/gtest.hpp>
#include <zenwire/testing/mock_server.hpp>

#include "mock_client.hpp"

namespace zenwire::testing {
namespace {

using namespace std::chrono_literals;

MockServer started(MockServerOptions options = {}) {
  return MockServer::start(std::move(options)).value();
}

// --- Injecting.

class Transport : public ::testing::TestWithParam<bool> {
 protected:
  MockServer server = started({.tls = GetParam()});
};
INSTANTIATE_TEST_SUITE_P(PlainAndTls, Transport, ::testing::Bool(),
                         [](const auto& at) { return at.param ? "Tls" : "Plain"; });

TEST_P(Transport, every_kind_of_frame_reaches_the_client) {
  MockClient client(server);
  ASSERT_TRUE(client.wait_for_open());
  EXPECT_EQ(server.inject(Script()
                              .text("a text")
                              .binary(std::string("\x00\xff", 2))
                              .ping("are you there")
                              .pong("by myself")
                              .fragments(Opcode::text, "in three parts", 5)
                              .raw("\x81\x03raw")),
            1u);
  ASSERT_TRUE(client.wait_for_messages(4));
  EXPECT_EQ(client.messages, (std::vector<std::string>{"a text", std::string("\x00\xff", 2),
                                                       "in three parts", "raw"}));
  EXPECT_EQ(client.controls, (std::vector<std::string>{"ping are you there", "pong by myself"}));
  EXPECT_FRAME_SENT(server, Opcode::pong, "are you there");
}

TEST_P(Transport, what_the_client_sends_is_captured_frame_by_frame) {
  MockClient client(server);
  ASSERT_TRUE(client.wait_for_open());
  EXPECT_EQ(client.connection().send_text("one"), Errc::ok);
  EXPECT_EQ(client.connection().ping(as_bytes("hello")), Errc::ok);
  EXPECT_EQ(client.connection().send_binary(as_bytes("two")), Errc::ok);
  EXPECT_EQ(client.connection().close(1000, "done"), Errc::ok);
  ASSERT_TRUE(client.wait_for_end());
  EXPECT_EQ(client.error, Errc::closed_normally);
  client.vanish();
  ASSERT_MET(server.wait_for_ends(1));
  std::vector<std::string> frames;
  for (const CapturedFrame& frame : server.frames()) frames.push_back(describe(frame));
  EXPECT_EQ(frames, (std::vector<std::string>{"text, 3 bytes: one", "ping, 5 bytes: hello",
                                              "binary, 3 bytes: two", "close, 6 bytes: ..done"}));
  const ClientEnd end = server.ends().at(0);
  EXPECT_TRUE(end.opened && end.close_frame && end.end_of_stream && !end.by_server);
  EXPECT_EQ(end.close_code, 1000);
  EXPECT_EQ(end.close_reason, "done");
  EXPECT_MET(server.assert_no_violations());
}

TEST_P(Transport, a_handler_answers) {
  server.on_message([](const CapturedMessage& message) {
    return Script().text("you said " + message.payload).text("and more");
  });
  MockClient client(server);
  ASSERT_TRUE(client.wait_for_open());
  EXPECT_EQ(client.connection().send_text("hello"), Errc::ok);
  ASSERT_TRUE(client.wait_for_messages(2));
  EXPECT_EQ(client.messages, (std::vector<std::string>{"you said hello", "and more"}));
}

TEST_P(Transport, one_byte_a_write_is_still_the_whole) {
  server.plan({.on_open = Script().write_in_pieces(1).text(std::string(500, 'x'))});
  MockClient client(server);
  ASSERT_TRUE(client.wait_for_messages(1));
  EXPECT_EQ(client.messages.at(0), std::string(500, 'x'));
}

// The stall is on the wire, so with TLS it falls into its handshake as well.
TEST_P(Transport, a_stall_at_any_byte_lasts_until_it_is_released) {
  for (std::uint64_t after = 0; after < 200; ++after) {
    server.plan_next({.cut = Cut{.after_bytes = after}, .on_open = Script().text("through")});
    MockClient client(server);
    EXPECT_MET(server.wait_for_accepts(after + 1));
    server.release();
    ASSERT_TRUE(client.wait_for_messages(1)) << after;
    EXPECT_EQ(client.messages.at(0), "through");
  }
}

TEST_P(Transport, a_stalled_handshake_runs_into_the_clients_deadline) {
  server.plan({.cut = Cut{.after_bytes = 60}});
  MockClient client(server, {.deadlines = {.tls = 50ms, .upgrade = 50ms}});
  ASSERT_TRUE(client.wait_for_end());
  EXPECT_EQ(client.error, GetParam() ? Errc::tls_timeout : Errc::upgrade_timeout);
}

TEST_P(Transport, a_server_that_ends_within_the_handshake_is_an_error) {
  for (const auto kind : {Cut::Kind::end, Cut::Kind::reset}) {
    server.plan({.cut = Cut{.after_bytes = 20, .kind = kind}});
    MockClient client(server);
    ASSERT_TRUE(client.wait_for_end());
    EXPECT_FALSE(client.opened);
  }
}

// --- Disconnecting.

struct DisconnectCase {
  const char* name;
  Script how;
  Errc error;
  std::uint16_t code;            // of a close frame; 0: there is none
  Errc error_of_tls = Errc::ok;  // if it is another
};

class Disconnects : public ::testing::TestWithParam<std::tuple<DisconnectCase, bool>> {};

TEST_P(Disconnects, the_client_sees_which_it_was) {
  const auto& [at, tls] = GetParam();
  MockServer server = started({.tls = tls});
  MockClient client(server);
  ASSERT_TRUE(client.wait_for_open());
  EXPECT_EQ(server.simulate_disconnect(at.how), 1u);
  ASSERT_TRUE(client.wait_for_end());
  EXPECT_EQ(name(client.error),
            name(tls && at.error_of_tls != Errc::ok ? at.error_of_tls : at.error));
  if (at.code != 0) {
    EXPECT_EQ(client.code, at.code);
  }
  client.vanish();
  EXPECT_MET(server.wait_for_ends(1));
}

INSTANTIATE_TEST_SUITE_P(
    Table, Disconnects,
    ::testing::Combine(
        ::testing::Values(
            DisconnectCase{"Normal", Disconnect::normal(), Errc::closed_by_peer, 1000},
            DisconnectCase{"GoingAway", Disconnect::going_away(), Errc::closed_by_peer, 1001},
            DisconnectCase{"AnyCode", Disconnect::code(4321, "x"), Errc::closed_by_peer, 4321},
            DisconnectCase{"NoCode", Disconnect::code(1005), Errc::closed_by_peer, 1005},
            DisconnectCase{"BadCode", Disconnect::code(1006), Errc::close_code_invalid, 1002},
            DisconnectCase{"Reset", Disconnect::reset(), Errc::connection_lost, 0},
            DisconnectCase{"EndOfStream", Disconnect::end_of_stream(), Errc::connection_lost, 0,
                           Errc::tls_truncated},
            DisconnectCase{"MidFrame", Disconnect::mid_frame(), Errc::connection_lost, 0,
                           Errc::tls_truncated}),
        ::testing::Bool()),
    [](const auto& at) {
      return std::string(std::get<0>(at.param).name) + (std::get<1>(at.param) ? "Tls" : "Plain");
    });

TEST_P(Transport, a_silent_server_answers_nothing) {
  MockClient client(server, {.deadlines = {.close = 50ms}});
  ASSERT_TRUE(client.wait_for_open());
  EXPECT_EQ(server.simulate_disconnect(Disconnect::silence()), 1u);
  EXPECT_EQ(server.inject_text("never sent"), 1u);
  EXPECT_EQ(client.connection().close(), Errc::ok);
  ASSERT_TRUE(client.wait_for_end());
  EXPECT_EQ(client.error, Errc::close_timeout);
  EXPECT_TRUE(client.messages.empty());
}

// --- The upgrade.

TEST(MockServer, answers_with_any_status) {
  MockServer server = started();
  server.plan_next({.answer = HttpAnswer{.status = 429,
                                         .headers = {{"X-Venue", "busy"}},
                                         .retry_after = "7",
                                         .body = "slow down"}});
  MockClient client(server);
  ASSERT_TRUE(client.wait_for_end());
  EXPECT_EQ(client.error, Errc::http_too_many_requests);
  EXPECT_EQ(client.failure.http_status, 429);
  MockClient again(server);
  EXPECT_TRUE(again.wait_for_open()) << "the plan was for one connection";
}

TEST(MockServer, decides_by_the_request) {
  MockServer server = started();
  server.on_upgrade([](const CapturedRequest& request) -> std::optional<ConnectionPlan> {
    if (request.header("authorization") == "Bearer right") return std::nullopt;
    return ConnectionPlan{.answer = HttpAnswer{.status = 401}};
  });
  MockClient refused(server, {.url = server.url("/ws?x=1")});
  ASSERT_TRUE(refused.wait_for_end());
  EXPECT_EQ(refused.error, Errc::http_unauthorized);
  MockClient let_in(server, {.headers = {{"Authorization", "Bearer right"}}});
  EXPECT_TRUE(let_in.wait_for_open());
  EXPECT_EQ(server.requests().at(0).target, "/ws?x=1");
  EXPECT_EQ(server.requests().at(0).method, "GET");
}

TEST(MockServer, breaks_the_upgrade_as_told) {
  MockServer server = started();
  const std::vector<std::pair<ConnectionPlan, Errc>> cases = {
      {{.subprotocol = "unasked"}, Errc::upgrade_subprotocol_unasked},
      {{.accept_key = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="}, Errc::upgrade_accept_mismatch},
      {{.extra_headers = {{"Sec-WebSocket-Extensions", "x-unasked"}}},
       Errc::upgrade_extension_unasked},
      {{.raw_answer = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                      "Sec-WebSocket-Accept: {accept}\r\n\r\n"},
       Errc::upgrade_connection_missing},
      {{.raw_answer = "220 mail.venue.example\r\n\r\n"}, Errc::http_malformed},
  };
  for (const auto& [plan, error] : cases) {
    server.plan_next(plan);
    MockClient client(server);
    ASSERT_TRUE(client.wait_for_end());
    EXPECT_EQ(name(client.error), name(error));
  }
}

TEST(MockServer, agrees_on_a_subprotocol_and_on_deflate) {
  MockServer server = started({.deflate = true, .subprotocols = {"v2", "v1"}});
  server.on_message(MockServer::echo());
  ConnectOptions options{.subprotocols = {"v1", "v2"}};
  options.deflate.enabled = true;
  MockClient client(server, options);
  ASSERT_TRUE(client.wait_for_open());
  EXPECT_EQ(client.connection().opened().subprotocol, "v2");
  const std::string text(2000, 'z');
  EXPECT_EQ(client.connection().send_text(text), Errc::ok);
  EXPECT_EQ(client.connection().send_text(text), Errc::ok);
  ASSERT_TRUE(client.wait_for_messages(2));
  EXPECT_EQ(client.messages, (std::vector<std::string>{text, text}));
  EXPECT_MESSAGE_SENT(server, text, {.times = 2});
  EXPECT_TRUE(server.messages().at(0).compressed);
  EXPECT_LT(server.frames().at(0).payload.size(), 100u);
}

TEST(MockServer, a_client_that_does_not_trust_it_tells_it_why) {
  MockServer server = started({.tls = true});
  const MockServer other = started({.tls = true});
  MockClient client(other, {.url = server.url()});
  ASSERT_TRUE(client.wait_for_end());
  EXPECT_EQ(client.error, Errc::tls_unknown_authority);
  client.vanish();
  ASSERT_MET(server.wait_for_ends(1));
  EXPECT_EQ(server.ends().at(0).violation, Errc::tls_alert);
  EXPECT_FALSE(server.assert_no_violations().met);
}

// --- Scripts.

TEST(MockServer, a_script_waits_for_what_the_client_says) {
  MockServer server = started();
  server.plan({.on_open = Script()
                              .text("who is it")
                              .await(json_contains(R"({"method":"auth"})"))
                              .text("welcome")
                              .await("bye")
                              .close()});
  MockClient client(server);
  ASSERT_TRUE(client.wait_for_messages(1));
  EXPECT_EQ(client.connection().send_text("noise"), Errc::ok);
  EXPECT_EQ(client.connection().send_text(R"({"id":1,"method":"auth"})"), Errc::ok);
  ASSERT_TRUE(client.wait_for_messages(2));
  EXPECT_EQ(client.messages.at(1), "welcome");
  EXPECT_EQ(client.connection().send_text("bye"), Errc::ok);
  ASSERT_TRUE(client.wait_for_end());
  EXPECT_EQ(client.error, Errc::closed_by_peer);
}

TEST(MockServer, scripts_go_on_beside_one_that_waits) {
  MockServer server = started();
  MockClient client(server);
  ASSERT_TRUE(client.wait_for_open());
  server.inject(Script().text("first").hold().text("last"));
  server.inject(Script().text("between").delay(1ms).text("later"));
  ASSERT_TRUE(client.wait_for_messages(3));
  server.release();
  ASSERT_TRUE(client.wait_for_messages(4));
  EXPECT_EQ(client.messages, (std::vector<std::string>{"first", "between", "later", "last"}));
}

// A wake-up was taken back after the commands had been, with that of a command which came between:
// it lay there until something else happened. The handler holds the server where it mattered.
TEST(MockServer, a_script_while_a_message_is_handled_is_not_overlooked) {
  MockServer server = started();
  std::atomic<int> entered = 0;
  std::binary_semaphore proceed{0};
  server.on_message([&](const CapturedMessage&) {
    ++entered;
    proceed.acquire();
    return Script();
  });
  MockClient client(server);
  MockClient other(server);
  ASSERT_TRUE(client.wait_for_open());
  ASSERT_TRUE(other.wait_for_open());
  EXPECT_EQ(other.connection().send_text("one"), Errc::ok);
  ASSERT_TRUE(other.run_until([&] { return entered == 1; }));
  EXPECT_EQ(client.connection().send_text("two"), Errc::ok);
  ASSERT_TRUE(client.run_until([&] { return client.connection().unsent_bytes() == 0; }));
  server.inject_text("first");
  proceed.release();
  ASSERT_TRUE(other.run_until([&] { return entered == 2; }));
  server.inject_text("second");
  proceed.release();
  ASSERT_TRUE(client.wait_for_messages(2));
  EXPECT_EQ(client.messages, (std::vector<std::string>{"first", "second"}));
}

TEST(MockServer, a_delay_takes_at_least_its_time) {
  MockServer server = started();
  const auto begin = std::chrono::steady_clock::now();
  server.plan({.on_open = Script().delay(30ms).text("late")});
  MockClient client(server);
  ASSERT_TRUE(client.wait_for_messages(1));
  EXPECT_GE(std::chrono::steady_clock::now() - begin, 30ms);
}

TEST(MockServer, a_client_feels_that_nothing_is_read) {
  MockServer server = started();
  server.plan({.on_open = Script().stop_reading().text("stopped")});
  MockClient client(server);
  ASSERT_TRUE(client.wait_for_messages(1));
  std::size_t sent = 0;
  const std::string block(32'768, 'b');
  while (client.connection().send_binary(as_bytes(block)) == Errc::ok) {
    ++sent;
    client.reactor().poll();
  }
  EXPECT_GE(client.connection().counters().sends_refused, 1u);
  server.inject(Script().read_slowly(65'536, 1ms));
  server.inject(Script().delay(20ms).read_freely());
  ASSERT_TRUE(client.run_until([&] { return client.connection().unsent_bytes() == 0; }));
  EXPECT_MESSAGE_SENT(server, block, {.times = sent});
}

// --- Clients.

TEST(MockServer, serves_several_clients_and_tells_them_apart) {
  MockServer server = started();
  MockClient first(server);
  ASSERT_TRUE(first.wait_for_open());
  MockClient second(server);
  ASSERT_TRUE(second.wait_for_open());
  EXPECT_MET(server.wait_for_clients(2));
  EXPECT_EQ(server.inject_text("both"), 2u);
  EXPECT_EQ(server.inject_text("one", server.clients().at(1)), 1u);
  ASSERT_TRUE(second.wait_for_messages(2));
  ASSERT_TRUE(first.wait_for_messages(1));
  EXPECT_EQ(first.messages, std::vector<std::string>{"both"});
  EXPECT_EQ(second.connection().send_text("from the second"), Errc::ok);
  EXPECT_MESSAGE_SENT(server, "from the second", {.client = 2});
  EXPECT_EQ(server.simulate_disconnect(Disconnect::normal(), 1), 1u);
  ASSERT_TRUE(first.wait_for_end());
  first.vanish();
  EXPECT_MET(server.wait_for_clients(1));
  EXPECT_EQ(server.clients(), std::vector<ClientId>{2});
}

TEST(MockServer, restarts_on_its_port_and_refuses_in_between) {
  MockServer server = started();
  server.on_message(MockServer::echo());
  const std::uint16_t port = server.port();
  MockClient before(server);
  ASSERT_TRUE(before.wait_for_open());
  server.stop();
  server.stop();
  ASSERT_TRUE(before.wait_for_end());
  EXPECT_EQ(before.error, Errc::connection_lost);
  EXPECT_TRUE(server.ends().at(0).by_server);
  MockClient during(server);
  ASSERT_TRUE(during.wait_for_end());
  EXPECT_EQ(during.error, Errc::connect_refused);
  EXPECT_EQ(server.inject_text("to nobody"), 0u);
  ASSERT_TRUE(server.restart().has_value());
  EXPECT_EQ(server.port(), port);
  MockClient after(server);
  ASSERT_TRUE(after.wait_for_open());
  EXPECT_EQ(after.connection().send_text("still answered"), Errc::ok);
  ASSERT_TRUE(after.wait_for_messages(1));
}

// --- What a failure says.

TEST(MockServer, a_missed_message_is_described_with_what_came_instead) {
  MockServer server = started();
  MockClient client(server);
  ASSERT_TRUE(client.wait_for_open());
  EXPECT_EQ(client.connection().send_text("something else"), Errc::ok);
  ASSERT_MESSAGE_SENT(server, "something else");
  const Expectation missed = server.assert_message_sent("wanted", {.timeout = 0ms});
  EXPECT_FALSE(missed.met);
  EXPECT_EQ(missed.message,
            "expected 1 message within 0 s, found 0 that is exactly \"wanted\"; 1 message came:\n"
            "  client 1: text, 14 bytes: something else");
  EXPECT_MET(server.assert_no_message_sent("wanted"));
  EXPECT_FALSE(server.assert_no_message_sent("something else").met);
  server.forget();
  EXPECT_TRUE(server.messages().empty());
  EXPECT_EQ(server.wait_for_clients(2, 0ms).message,
            "expected 2 open clients within 0 s, there are 1");
}

// --- Clients that break the rules: a socket, for the engine does not.

class RawClient {
 public:
  explicit RawClient(const MockServer& server) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(server.port());
    socket_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    EXPECT_EQ(::connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  }
  ~RawClient() { ::close(socket_); }
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;
  void say(std::string_view bytes) const { test::write_all(socket_, bytes); }
  [[nodiscard]] std::string hear_head() const { return test::read_until(socket_, "\r\n\r\n"); }
  [[nodiscard]] std::string hear_all() const { return test::read_rest(socket_); }

 private:
  int socket_ = -1;
};

constexpr std::string_view kRequest =
    "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

struct Violation {
  const char* name;
  std::string bytes;
  Errc error;
  int code;
};

class Violations : public ::testing::TestWithParam<Violation> {};

TEST_P(Violations, is_captured_and_answered_with_its_code) {
  const Violation& at = GetParam();
  MockServer server = started();
  {
    const RawClient client(server);
    client.say(kRequest);
    EXPECT_EQ(client.hear_head().substr(0, 12), "HTTP/1.1 101");
    client.say(at.bytes);
    const std::string answer = client.hear_all();
    ASSERT_GE(answer.size(), 4u);
    EXPECT_EQ(answer[0], '\x88');
    EXPECT_EQ(load_big_endian<std::uint16_t>(as_bytes(answer).data() + 2), at.code);
  }
  ASSERT_MET(server.wait_for_ends(1));
  EXPECT_EQ(name(server.ends().at(0).violation), name(at.error));
}

std::string masked(AnyFrame frame) {
  frame.key = 0x04030201;
  return frame.bytes();
}

INSTANTIATE_TEST_SUITE_P(
    Table, Violations,
    ::testing::Values(
        Violation{"NotMasked", AnyFrame{.payload = "x"}.bytes(), Errc::frame_mask_missing, 1002},
        Violation{"ReservedBit", masked({.rsv1 = true}), Errc::frame_reserved_bits, 1002},
        Violation{"ReservedBit3", masked({.rsv3 = true}), Errc::frame_reserved_bits, 1002},
        Violation{"UnknownOpcode", masked({.opcode = 3}), Errc::frame_opcode_unknown, 1002},
        Violation{"Continuation", masked({.opcode = 0}), Errc::frame_continuation_unexpected, 1002},
        Violation{"TwoBegun", masked({.fin = false}) + masked({}),
                  Errc::frame_continuation_expected, 1002},
        Violation{"BadText", masked({.payload = "\xff"}), Errc::text_not_utf8, 1007},
        Violation{"TooLarge", masked({.announced_bytes = std::uint64_t{1} << 40}),
                  Errc::frame_too_large, 1009}),
    [](const auto& at) { return at.param.name; });

TEST(MockServer, refuses_what_is_no_upgrade) {
  MockServer server = started();
  const RawClient client(server);
  client.say("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(client.hear_all().substr(0, 12), "HTTP/1.1 426");
}

}  // namespace
}  // namespace zenwire::testing
