#pragma once

// MockServer: a WebSocket server on loopback for tests, plain or TLS with an authority of its own,
// that does what it is told, right or wrong, and remembers all that its clients sent.
//
//     auto server = MockServer::start({.tls = true}).value();
//     ... connect to server.url(), trusting server.ca_pem() ...
//     server.inject(Script().text("hello").delay(5ms).ping());
//     EXPECT_MESSAGE_SENT(server, json_contains(R"({"method":"public/subscribe"})"));
//     server.simulate_disconnect(Disconnect::going_away());
//
// Thread: a thread of its own serves all clients; every call here may come from any thread and
// returns at once, but for the wait_ and assert_ calls, which wait until what they name has
// happened, and not a moment longer; the timeout is for the test that fails. Lifetime: outlives
// what connects to it, or not: its end resets them.
//
// Order: a client is open for the server before its 101 is sent, and all that was asked for (a
// handler, a plan, a script) before a client's bytes left it holds for them. So a test that waited
// for its own side needs no wait here.
//
// Cost: frames and messages are copied and kept, the newest captured_max of each. For tests, not
// for measuring.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <zenwire/base/error.hpp>
#include <zenwire/engine/certificate.hpp>
#include <zenwire/engine/options.hpp>
#include <zenwire/engine/tls.hpp>
#include <zenwire/testing/capture.hpp>
#include <zenwire/testing/expectation.hpp>
#include <zenwire/testing/matcher.hpp>
#include <zenwire/testing/script.hpp>

namespace zenwire::testing {

// For a wait that will be met: long, because only a failing test waits so long.
inline constexpr std::chrono::seconds kPatience{10};

// An answer to the upgrade other than 101; the connection is ended behind it.
struct HttpAnswer {
  int status = 503;
  std::string reason{};       // empty: the registered phrase
  HeaderList headers{};       // Content-Length and Connection: close come by themselves
  std::string retry_after{};  // seconds or a date; empty: none
  std::string body{};
};

// Cuts what the server sends after so many bytes on the wire, those of TLS too.
struct Cut {
  enum class Kind : std::uint8_t {
    stall,  // nothing more until release()
    end,    // FIN
    reset,  // RST
  };
  std::uint64_t after_bytes = 0;
  Kind kind = Kind::stall;
};

// How one connection is treated.
struct ConnectionPlan {
  std::optional<HttpAnswer> answer{};
  // The answer's bytes as they are; "{accept}" in it becomes the accept key that belongs there. The
  // connection counts as open.
  std::string raw_answer{};
  HeaderList extra_headers{};                // in the 101
  std::optional<std::string> subprotocol{};  // in the 101, asked for or not
  std::string accept_key{};                  // in the 101, instead of the right one
  std::optional<Cut> cut{};
  bool answers_pings = true;
  bool answers_close = true;
  Script on_open{};  // right behind the 101
};

struct MockServerOptions {
  bool tls = false;
  // Of the certificate that the server's own authority issues.
  CertificateRequest certificate{
      .common_name = "localhost", .dns_names = {"localhost"}, .ip_addresses = {"127.0.0.1", "::1"}};
  // The rest: versions, client certificates. With a certificate in it, that one is used.
  TlsOptions tls_options{};
  bool deflate = false;                     // accept an offer of permessage-deflate
  std::vector<std::string> subprotocols{};  // chosen in this order
  // SO_RCVBUF of its sockets, small to make a client feel soon that nothing is read; 0 leaves it.
  // Below 128 KiB loopback, whose segments are 64 KiB, crawls: each waits for TCP's persist timer.
  std::uint32_t receive_buffer_bytes = 0;
  std::size_t captured_max = 65'536;
};

// What is to be found among the captured messages.
struct Sought {
  std::size_t times = 1;  // at least
  std::chrono::nanoseconds timeout = kPatience;
  ClientId client = kEveryClient;
};

class MockServer {
 public:
  // What a client is answered; an empty script is no answer. Runs on the server's thread, one call
  // at a time.
  using MessageHandler = std::function<Script(const CapturedMessage&)>;
  // Decides by the request how the client is treated; nothing leaves the plan that it has. A cut
  // counts from the connection's first byte, so it is for a plan made before.
  using UpgradeHandler = std::function<std::optional<ConnectionPlan>(const CapturedRequest&)>;

  // Listens on a free port of 127.0.0.1. Errors: listen_failed, and those of
  // CertificateAuthority::issue() and TlsContext::server().
  static Result<MockServer> start(MockServerOptions options = {});
  MockServer(MockServer&&) noexcept;
  MockServer& operator=(MockServer&&) noexcept;
  ~MockServer();

  // Resets every client and refuses new ones; the port stays taken for restart(). Idempotent.
  void stop();
  // Listens again on the same port. Handlers, plans and what was captured stay. Errors:
  // listen_failed.
  Result<void> restart();

  [[nodiscard]] std::uint16_t port() const noexcept;
  // "wss://127.0.0.1:port/path"; the certificate holds for localhost as well.
  [[nodiscard]] std::string url(std::string_view path = "/") const;
  // The authority that clients are to trust; empty without TLS.
  [[nodiscard]] std::string ca_pem() const;

  // --- What it does. `client` may be kEveryClient: those that are open now.
  // Returns to how many clients.
  std::size_t inject(const Script& script, ClientId client = kEveryClient);
  std::size_t inject_text(std::string_view text, ClientId client = kEveryClient);
  std::size_t inject_binary(std::string_view bytes, ClientId client = kEveryClient);
  std::size_t simulate_disconnect(const Script& how = Disconnect::normal(),
                                  ClientId client = kEveryClient);
  // Ends the stalls of cuts and the holds of scripts that have come so far.
  void release(ClientId client = kEveryClient);

  // --- What it answers. The default is nothing; see also echo() and json_rpc.hpp.
  void on_message(MessageHandler handler);
  void on_upgrade(UpgradeHandler handler);
  // For every connection that has no plan of its own.
  void plan(ConnectionPlan plan);
  // For the next `times` connections; those of several calls in their order.
  void plan_next(ConnectionPlan plan, std::size_t times = 1);
  static MessageHandler echo();

  // --- What it saw.
  // A text or binary message, already here or yet to come; it stays captured.
  Expectation assert_message_sent(const Matcher& matcher, const Sought& sought = {}) const;
  // A frame of this opcode, control frames too, with such a payload. For a close frame the payload
  // begins with two bytes of code.
  Expectation assert_frame_sent(Opcode opcode, const Matcher& matcher = anything(),
                                const Sought& sought = {}) const;
  // No such message until now. Meaningful behind something that the client did after it would have.
  Expectation assert_no_message_sent(const Matcher& matcher) const;
  // No client has broken a rule until now.
  Expectation assert_no_violations() const;

  // So many clients are open at this moment, or become so.
  Expectation wait_for_clients(std::size_t open,
                               std::chrono::nanoseconds timeout = kPatience) const;
  // So many connections were accepted since the start, were answered with 101, or ended.
  Expectation wait_for_accepts(std::size_t total,
                               std::chrono::nanoseconds timeout = kPatience) const;
  Expectation wait_for_opens(std::size_t total, std::chrono::nanoseconds timeout = kPatience) const;
  Expectation wait_for_ends(std::size_t total, std::chrono::nanoseconds timeout = kPatience) const;

  // Copies of what was captured, oldest first.
  [[nodiscard]] std::vector<CapturedMessage> messages(ClientId client = kEveryClient) const;
  [[nodiscard]] std::vector<CapturedFrame> frames(ClientId client = kEveryClient) const;
  [[nodiscard]] std::vector<CapturedRequest> requests() const;
  [[nodiscard]] std::vector<ClientEnd> ends() const;
  [[nodiscard]] std::vector<ClientId> clients() const;  // open now
  // Forgets messages, frames, requests and ends; the totals of the wait_ calls go on.
  void forget();

 private:
  struct Impl;
  explicit MockServer(std::unique_ptr<Impl> impl) noexcept;
  std::unique_ptr<Impl> impl_;
};

}  // namespace zenwire::testing
