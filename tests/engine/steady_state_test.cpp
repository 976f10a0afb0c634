// The promise of the hot path: once a connection is open, the reactor's thread allocates nothing,
// over 100,000 messages each way, plain and TLS, text and binary, compressed too; and the test that
// says so notices when it is broken.

#include <cstdio>
#include <optional>
#include <string>
#include <thread>

#include <gtest/gtest.h>
#include <unistd.h>

#include <zenwire/engine/reactor.hpp>
#include <zenwire/engine/recorder.hpp>

#include "allocation_counter.hpp"
#include "loop.hpp"
#include "sanitized.hpp"
#include "tls_files.hpp"

namespace zenwire {
namespace {

constexpr std::uint64_t kWarmUp = 2'000;
constexpr std::uint64_t kMessages = test::kSanitized ? 10'000 : 100'000;
// In flight at once: enough that bursts, short writes and full windows happen.
constexpr std::uint64_t kWindow = 32;

struct Case {
  const char* name;
  bool secure;
  bool deflate;
  Opcode opcode;
  bool record;
  bool planted;  // the handler allocates
};

// An echo server on a thread of its own.
class EchoServer {
 public:
  explicit EchoServer(const Case& at) : reactor_(test::make_reactor()) {
    ListenOptions options;
    options.secure = at.secure;
    if (at.secure) options.tls = test::server_tls();
    options.deflate.enabled = at.deflate;
    options.on_open = Callback<Connection&>([](void*, Connection& connection) noexcept {
      static_cast<void>(connection.on_message.add(
          {[](void*, Connection& peer, const Message& message) noexcept {
             static_cast<void>(peer.send(message.opcode, message.payload));
           },
           nullptr}));
    });
    port_ = reactor_->listen(options).value().port();
    thread_ = std::thread([this] { static_cast<void>(reactor_->run()); });
  }
  ~EchoServer() {
    reactor_->stop(std::chrono::seconds(1));
    thread_.join();
  }
  EchoServer(const EchoServer&) = delete;
  EchoServer& operator=(const EchoServer&) = delete;
  [[nodiscard]] std::uint16_t port() const { return port_; }

 private:
  std::unique_ptr<Reactor> reactor_;
  std::uint16_t port_ = 0;
  std::thread thread_;
};

struct Client {
  const Case& at;
  std::string payload;
  std::uint64_t sent = 0;
  std::uint64_t received = 0;
  std::uint64_t wrong = 0;
  bool failed = false;
  void* planted = nullptr;

  void send_one(Connection& connection) noexcept {
    if (connection.send(at.opcode, as_bytes(payload)) != Errc::ok) ++wrong;
    ++sent;
  }
  void on_open(Connection& connection) noexcept {
    for (std::uint64_t i = 0; i < kWindow; ++i) send_one(connection);
  }
  void on_message(Connection& connection, const Message& message) noexcept {
    ++received;
    if (message.text() != payload || message.opcode != at.opcode) ++wrong;
    if (at.planted && received % 1000 == 0) {
      std::free(planted);
      planted = std::malloc(100);
    }
    if (sent < kWarmUp + kMessages) send_one(connection);
  }
  void on_failed(Connection&, const OpenFailure& failure) noexcept {
    ADD_FAILURE() << name(failure.error.code()) << ": " << failure.error.detail();
    failed = true;
  }
  void on_closed(Connection&, const Closed& closed) noexcept {
    if (received < kWarmUp + kMessages)
      ADD_FAILURE() << name(closed.error.code()) << ": " << closed.error.detail();
    failed = true;
  }
};

class SteadyState : public ::testing::TestWithParam<Case> {};

TEST_P(SteadyState, AllocatesNothing) {
  const Case& at = GetParam();
  EchoServer server(at);
  ReactorOptions options;
  options.idle = Idle::spin_then_block;  // the server shares the machine
  options.log = Callback<std::string_view>([](void*, std::string_view) noexcept {});
  auto reactor = Reactor::create(options).value();
  Client client{
      .at = at,
      .payload = R"({"jsonrpc":"2.0","method":"subscription","params":{"channel":"ticker"}})"};
  client.payload.resize(200, at.opcode == Opcode::text ? ' ' : '\xff');
  ConnectOptions connect;
  connect.url =
      (at.secure ? "wss://localhost:" : "ws://localhost:") + std::to_string(server.port()) + "/";
  connect.deflate.enabled = at.deflate;
  if (at.secure) connect.tls = test::client_tls();
  const auto id = reactor->connect(
      connect,
      {.on_open = Callback<Connection&>::to<&Client::on_open>(client),
       .on_message = Callback<Connection&, const Message&>::to<&Client::on_message>(client),
       .on_closed = Callback<Connection&, const Closed&>::to<&Client::on_closed>(client),
       .on_failed = Callback<Connection&, const OpenFailure&>::to<&Client::on_failed>(client)});
  ASSERT_TRUE(id.has_value());
  const std::string path =
      ::testing::TempDir() + "steady_state_" + std::to_string(::getpid()) + ".jsonl";
  std::optional<Recorder> recorder;
  if (at.record) {
    RecorderOptions recording;
    recording.path = path;
    recording.segments_ahead = 8;
    recording.stall_ns_max = 10'000'000'000;  // a slow disk is not what is tested here
    recorder.emplace(Recorder::open(recording).value());
    reactor->find(*id)->record_to(&*recorder);
  }
  LatencyRecorder* latency = new LatencyRecorder;
  reactor->measure_into(latency);
  while (client.received < kWarmUp && !client.failed) reactor->poll(true);
  const test::AllocationScope allocations;
  while (client.received < kWarmUp + kMessages && !client.failed) reactor->poll(true);
  const std::uint64_t counted = allocations.count();
  EXPECT_EQ(client.received, kWarmUp + kMessages);
  EXPECT_EQ(client.wrong, 0u);
  EXPECT_EQ(latency->ticks(Stage::callback).count(), kWarmUp + kMessages);
  if (at.planted) {
    EXPECT_GE(counted, kMessages / 1000) << "the planted allocation was not noticed";
  } else {
    EXPECT_EQ(counted, 0u);
  }
  std::free(client.planted);
  if (at.record) {
    reactor->find(*id)->record_to(nullptr);
    EXPECT_GE(recorder->stats().status.records, 2 * (kWarmUp + kMessages));
    EXPECT_TRUE(recorder->close().has_value());
    std::remove(path.c_str());
  }
  reactor.reset();
  delete latency;
}

INSTANTIATE_TEST_SUITE_P(
    All, SteadyState,
    ::testing::Values(Case{"PlainText", false, false, Opcode::text, false, false},
                      Case{"PlainBinary", false, false, Opcode::binary, false, false},
                      Case{"TlsText", true, false, Opcode::text, false, false},
                      Case{"TlsBinary", true, false, Opcode::binary, false, false},
                      Case{"Deflate", false, true, Opcode::text, false, false},
                      Case{"TlsDeflate", true, true, Opcode::text, false, false},
                      Case{"TlsTextRecorded", true, false, Opcode::text, true, false},
                      Case{"APlantedAllocationIsNoticed", false, false, Opcode::text, false, true}),
    [](const auto& at) { return at.param.name; });

}  // namespace
}  // namespace zenwire
