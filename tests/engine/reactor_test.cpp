// The reactor over io_uring on loopback: opening, streams, back-pressure, closing, stopping; then
// bad input.

#include <array>
#include <atomic>
#include <deque>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include <zenwire/codec/frame_writer.hpp>
#include <zenwire/codec/upgrade.hpp>
#include <zenwire/engine/reactor.hpp>

#include "loop.hpp"

namespace zenwire {
namespace {

using test::make_reactor;
using test::read_rest;
using test::read_until;
using test::run_until;
using test::ScriptedServer;
using test::upgrade_answer;
using test::write_all;

// What happened to one client connection.
struct Client {
  std::vector<std::string> messages;
  std::vector<Opcode> opcodes;
  std::vector<Opcode> controls;
  int opened = 0;
  int closed = 0;
  int failed = 0;
  Errc closed_error = Errc::ok;
  std::uint16_t closed_code = 0;
  std::string closed_reason;
  bool clean = false;
  bool by_peer = false;
  OpenFailure failure;

  void on_open(Connection&) noexcept { ++opened; }
  void on_message(Connection&, const Message& message) noexcept {
    messages.emplace_back(message.text());
    opcodes.push_back(message.opcode);
  }
  void on_control(Connection&, Opcode opcode, Bytes) noexcept { controls.push_back(opcode); }
  void on_closed(Connection&, const Closed& event) noexcept {
    ++closed;
    closed_error = event.error.code();
    closed_code = event.code;
    closed_reason = event.reason;
    clean = event.clean;
    by_peer = event.by_peer;
  }
  void on_failed(Connection&, const OpenFailure& event) noexcept {
    ++failed;
    failure = event;
  }
  ConnectionHandlers handlers() {
    return {.on_open = Callback<Connection&>::to<&Client::on_open>(*this),
            .on_message = Callback<Connection&, const Message&>::to<&Client::on_message>(*this),
            .on_control = Callback<Connection&, Opcode, Bytes>::to<&Client::on_control>(*this),
            .on_closed = Callback<Connection&, const Closed&>::to<&Client::on_closed>(*this),
            .on_failed = Callback<Connection&, const OpenFailure&>::to<&Client::on_failed>(*this)};
  }
  [[nodiscard]] bool ended() const { return closed + failed > 0; }
};

void echo(void*, Connection& connection, const Message& message) noexcept {
  EXPECT_EQ(connection.send(message.opcode, message.payload), Errc::ok);
}

void accept_echo(void*, Connection& connection) noexcept {
  EXPECT_TRUE(connection.on_message.add({&echo, nullptr}).has_value());
}

std::string listen_echo(Reactor& reactor, ListenOptions options = {}) {
  if (!options.on_open) options.on_open = {&accept_echo, nullptr};
  const auto address = reactor.listen(options);
  EXPECT_TRUE(address.has_value()) << (address ? "" : address.error().detail());
  return "ws://127.0.0.1:" + std::to_string(address->port()) + "/";
}

ConnectionId connect(Reactor& reactor, const ConnectOptions& options, Client& client) {
  const auto id = reactor.connect(options, client.handlers());
  EXPECT_TRUE(id.has_value()) << (id ? "" : id.error().detail());
  return id.value_or(ConnectionId{});
}

std::string text_of(std::size_t bytes, char first) {
  std::string text(bytes, ' ');
  for (std::size_t i = 0; i < bytes; ++i)
    text[i] = static_cast<char>('a' + (static_cast<std::size_t>(first) + i) % 26);
  return text;
}

// --- Streams.

struct EchoCase {
  const char* name;
  bool deflate;
  std::size_t receive_buffer_bytes;
  std::vector<std::size_t> sizes;
};

class ReactorEcho : public testing::TestWithParam<EchoCase> {};

TEST_P(ReactorEcho, EveryMessageComesBackWholeAndInOrder) {
  const EchoCase& param = GetParam();
  ReactorOptions reactor_options;
  reactor_options.receive_buffer_bytes = param.receive_buffer_bytes;
  auto reactor = make_reactor(reactor_options);
  ListenOptions listen;
  listen.deflate.enabled = param.deflate;
  Client client;
  ConnectOptions options{.url = listen_echo(*reactor, listen)};
  options.deflate.enabled = param.deflate;
  const ConnectionId id = connect(*reactor, options, client);
  ASSERT_TRUE(run_until(*reactor, [&] { return client.opened == 1; }));
  std::vector<std::string> sent;
  for (const std::size_t size : param.sizes) {
    sent.push_back(text_of(size, static_cast<char>('a' + sent.size() % 26)));
    ASSERT_EQ(reactor->find(id)->send_text(sent.back()), Errc::ok) << size;
    ASSERT_TRUE(run_until(*reactor, [&] {
      return client.messages.size() == sent.size() || client.ended();
    })) << size;
  }
  EXPECT_EQ(client.messages, sent);
  EXPECT_EQ(reactor->find(id)->opened().deflate.has_value(), param.deflate);
  ASSERT_EQ(reactor->find(id)->close(), Errc::ok);
  ASSERT_TRUE(run_until(*reactor, [&] { return client.ended(); }));
  EXPECT_EQ(client.closed_error, Errc::closed_normally);
  EXPECT_TRUE(client.clean);
}

INSTANTIATE_TEST_SUITE_P(
    Sizes, ReactorEcho,
    testing::Values(
        EchoCase{"Small", false, 65'536, {0, 1, 125, 126, 127, 1000, 65'535, 65'536}},
        EchoCase{"BeyondTheBuffer", false, 4096, {4000, 4095, 4096, 4097, 100'000, 3, 709'000, 5}},
        EchoCase{"Largest", false, 65'536, {std::size_t{16} << 20, 1, std::size_t{16} << 20}},
        EchoCase{"Deflate",
                 true,
                 65'536,
                 {0, 1, 125, 126, 1000, 65'536, 709'000, std::size_t{16} << 20, 7}},
        EchoCase{"DeflateSmallBuffer", true, 4096, {0, 1, 125, 70'000, 2, 709'000, 3}}),
    [](const auto& at) { return at.param.name; });

TEST(Reactor, ManyMessagesInOneBurstKeepTheirOrder) {
  Client client;
  auto reactor = make_reactor();
  const ConnectionId id = connect(*reactor, {.url = listen_echo(*reactor)}, client);
  ASSERT_TRUE(run_until(*reactor, [&] { return client.opened == 1; }));
  Connection& connection = *reactor->find(id);
  connection.cork();
  std::vector<std::string> sent;
  for (int i = 0; i < 5000; ++i) {
    sent.push_back("message " + std::to_string(i));
    ASSERT_EQ(connection.send_text(sent.back()), Errc::ok);
  }
  connection.uncork();
  ASSERT_TRUE(
      run_until(*reactor, [&] { return client.messages.size() == sent.size() || client.ended(); }));
  EXPECT_EQ(client.messages, sent);
}

TEST(Reactor, PingIsAnsweredAndBothAreReported) {
  Client client;
  auto reactor = make_reactor();
  const ConnectionId id = connect(*reactor, {.url = listen_echo(*reactor)}, client);
  ASSERT_TRUE(run_until(*reactor, [&] { return client.opened == 1; }));
  EXPECT_EQ(reactor->find(id)->ping(as_bytes("beat")), Errc::ok);
  EXPECT_EQ(reactor->find(id)->ping({}), Errc::ok);
  ASSERT_TRUE(run_until(*reactor, [&] { return client.controls.size() == 2; }));
  EXPECT_EQ(client.controls, (std::vector{Opcode::pong, Opcode::pong}));
  EXPECT_EQ(reactor->find(id)->ping(as_bytes(std::string(126, 'x'))), Errc::frame_control_too_long);
}

struct Stream {
  std::uint32_t connections;
  std::uint32_t messages;
};

class ReactorStreams : public testing::TestWithParam<Stream> {};

// Each server connection sends a counted stream; each client checks its own.
struct Counting {
  std::uint64_t next = 0;
  std::uint64_t wrong = 0;
  bool closed = false;
  void on_message(Connection&, const Message& message) noexcept {
    if (message.text() != "n" + std::to_string(next)) ++wrong;
    ++next;
  }
  void on_closed(Connection&, const Closed&) noexcept { closed = true; }
};

struct Source {
  std::uint64_t count;
  bool pumping = false;
  // Connection::context counts what was sent. on_written runs inside send(), so it is counted
  // before.
  void pump(Connection& connection) noexcept {
    pumping = true;
    while (connection.state() == ConnectionState::open && connection.unsent_bytes() < 32'768) {
      const auto sent = reinterpret_cast<std::uint64_t>(connection.context);
      if (sent == count) {
        static_cast<void>(connection.close());
        break;
      }
      connection.context = reinterpret_cast<void*>(sent + 1);
      EXPECT_EQ(connection.send_text("n" + std::to_string(sent)), Errc::ok);
    }
    pumping = false;
  }
  void on_accept(Connection& connection) noexcept {
    EXPECT_TRUE(connection.on_written.add(
        Callback<Connection&, std::size_t, std::size_t>::to<&Source::on_written>(*this)));
    pump(connection);
  }
  void on_written(Connection& connection, std::size_t, std::size_t unsent) noexcept {
    if (unsent == 0 && !pumping) pump(connection);
  }
};

TEST_P(ReactorStreams, NothingIsLost) {
  const auto [connections, messages] = GetParam();
  ReactorOptions options{.connections_max = connections * 2};
  options.receive_buffer_bytes = options.send_buffer_bytes = 4096;
  auto reactor = make_reactor(options);
  Source source{.count = messages};
  ListenOptions listen;
  listen.on_open = Callback<Connection&>::to<&Source::on_accept>(source);
  const std::string url = listen_echo(*reactor, listen);
  std::vector<Counting> clients(connections);
  for (auto& client : clients) {
    const auto id = reactor->connect(
        {.url = url},
        {.on_message = Callback<Connection&, const Message&>::to<&Counting::on_message>(client),
         .on_closed = Callback<Connection&, const Closed&>::to<&Counting::on_closed>(client)});
    ASSERT_TRUE(id.has_value());
  }
  ASSERT_TRUE(run_until(*reactor, [&] {
    for (const auto& client : clients) {
      if (!client.closed) return false;
    }
    return true;
  }));
  for (const auto& client : clients) {
    EXPECT_EQ(client.next, messages);
    EXPECT_EQ(client.wrong, 0u);
  }
}

INSTANTIATE_TEST_SUITE_P(Connections, ReactorStreams,
                         testing::Values(Stream{1, 200'000}, Stream{64, 3000}, Stream{1000, 200}),
                         [](const auto& at) { return std::to_string(at.param.connections); });

TEST(Reactor, TwoReactorsOnTwoThreadsAreIndependent) {
  static constexpr std::uint64_t kMessages = 50'000;
  const auto run_one = [] {
    auto reactor = make_reactor();
    Source source{.count = kMessages};
    ListenOptions listen;
    listen.on_open = Callback<Connection&>::to<&Source::on_accept>(source);
    Counting client;
    const auto id = reactor->connect(
        {.url = listen_echo(*reactor, listen)},
        {.on_message = Callback<Connection&, const Message&>::to<&Counting::on_message>(client),
         .on_closed = Callback<Connection&, const Closed&>::to<&Counting::on_closed>(client)});
    ASSERT_TRUE(id.has_value());
    EXPECT_TRUE(run_until(*reactor, [&] { return client.closed; }));
    EXPECT_EQ(client.next, kMessages);
    EXPECT_EQ(client.wrong, 0u);
  };
  std::thread other(run_one);
  run_one();
  other.join();
}

// --- Back-pressure.

TEST(Reactor, AFullQueueStopsReadingAndLosesNothing) {
  auto reactor = make_reactor();
  constexpr std::uint64_t kMessages = 20'000;
  Source source{.count = kMessages};
  ListenOptions listen;
  listen.on_open = Callback<Connection&>::to<&Source::on_accept>(source);
  auto queue = MessageQueue::make({.capacity_bytes = 8192});
  ASSERT_TRUE(queue.has_value());
  Client client;
  const ConnectionId id = connect(*reactor, {.url = listen_echo(*reactor, listen)}, client);
  reactor->find(id)->deliver_to(queue->get());
  std::atomic<bool> done{false};
  std::uint64_t next = 0;
  std::uint64_t wrong = 0;
  bool opened = false;
  std::thread strategy([&] {
    // So that it is full once, however fast this thread reads.
    while (!done.load() && (*queue)->statistics().full == 0) std::this_thread::yield();
    while (!done.load()) {
      const MessageView view = (*queue)->try_read();
      if (!view) {
        std::this_thread::yield();
        continue;
      }
      switch (view.header().kind) {
        case MessageKind::opened: opened = true; break;
        case MessageKind::closed: done = true; break;
        default: wrong += as_text(view.payload()) == "n" + std::to_string(next++) ? 0u : 1u;
      }
      (*queue)->release();
    }
  });
  EXPECT_TRUE(run_until(*reactor, [&] { return done.load(); }));
  done = true;
  strategy.join();
  EXPECT_TRUE(opened);
  EXPECT_EQ(next, kMessages);
  EXPECT_EQ(wrong, 0u);
  EXPECT_GT((*queue)->statistics().full, 0u);
  EXPECT_EQ((*queue)->statistics().dropped, 0u);
}

TEST(Reactor, APausedConnectionDeliversNothingUntilResumed) {
  Client client;
  Client other;
  auto reactor = make_reactor();
  const ConnectionId id = connect(*reactor, {.url = listen_echo(*reactor)}, client);
  ASSERT_TRUE(run_until(*reactor, [&] { return client.opened == 1; }));
  Connection& connection = *reactor->find(id);
  connection.pause();
  ASSERT_EQ(connection.send_text("held"), Errc::ok);
  connect(*reactor, {.url = listen_echo(*reactor)}, other);
  ASSERT_TRUE(
      run_until(*reactor, [&] { return other.opened == 1; }));  // the world goes on meanwhile
  EXPECT_TRUE(client.messages.empty());
  EXPECT_TRUE(connection.paused());
  connection.resume();
  ASSERT_TRUE(run_until(*reactor, [&] { return !client.messages.empty(); }));
  EXPECT_EQ(client.messages.front(), "held");
}

TEST(Reactor, PauseWithinABurstKeepsTheRestForLater) {
  auto reactor = make_reactor();
  std::vector<std::string> got;
  const auto pause_each = [&](Connection& connection, const Message& message) noexcept {
    got.emplace_back(message.text());
    connection.pause();
  };
  const auto id =
      reactor->connect({.url = listen_echo(*reactor)},
                       {.on_message = Callback<Connection&, const Message&>::to(pause_each)});
  ASSERT_TRUE(id.has_value());
  ASSERT_TRUE(
      run_until(*reactor, [&] { return reactor->find(*id)->state() == ConnectionState::open; }));
  Connection& connection = *reactor->find(*id);
  connection.cork();
  for (const char* text : {"one", "two", "three"}) ASSERT_EQ(connection.send_text(text), Errc::ok);
  connection.uncork();
  for (std::size_t expected = 1; expected <= 3; ++expected) {
    ASSERT_TRUE(run_until(*reactor, [&] { return got.size() == expected; }));
    EXPECT_TRUE(connection.paused());
    connection.resume();
  }
  EXPECT_EQ(got, (std::vector<std::string>{"one", "two", "three"}));
}

TEST(Reactor, HighWaterAndDrainedBracketASlowPeer) {
  Client client;
  auto reactor = make_reactor();
  ListenOptions listen;
  Connection* server = nullptr;
  const auto accept = [&](Connection& connection) noexcept {
    server = &connection;
    connection.pause();  // so that the kernel's buffers fill
  };
  listen.on_open = Callback<Connection&>::to(accept);
  ConnectOptions options{.url = listen_echo(*reactor, listen)};
  options.limits.send_high_water_bytes = 100'000;
  const ConnectionId id = connect(*reactor, options, client);
  ASSERT_TRUE(run_until(*reactor, [&] { return client.opened == 1 && server != nullptr; }));
  Connection& connection = *reactor->find(id);
  int high = 0;
  int drained = 0;
  const auto on_high = [&](Connection&) noexcept { ++high; };
  const auto on_drained = [&](Connection&) noexcept { ++drained; };
  ASSERT_TRUE(connection.on_high_water.add(Callback<Connection&>::to(on_high)));
  ASSERT_TRUE(connection.on_drained.add(Callback<Connection&>::to(on_drained)));
  const std::string chunk(60'000, 'x');
  std::uint64_t sent = 0;
  while (high == 0 && sent < 2000) {
    ASSERT_EQ(connection.send_text(chunk), Errc::ok);
    ++sent;
  }
  EXPECT_EQ(high, 1);
  EXPECT_EQ(drained, 0);
  server->resume();
  ASSERT_TRUE(run_until(*reactor, [&] { return drained == 1; }));
  ASSERT_TRUE(run_until(*reactor, [&] { return server->counters().messages_received == sent; }));
  EXPECT_EQ(high, 1);
}

TEST(Reactor, AFullSendQueueRefusesAndSendsNothingOfIt) {
  Client client;
  auto reactor = make_reactor({.large_buffers = 1, .message_bytes_max = 1 << 20});
  ListenOptions listen;
  listen.limits.message_bytes_max = listen.limits.frame_bytes_max = 1 << 20;
  Connection* server = nullptr;
  const auto accept = [&](Connection& connection) noexcept {
    server = &connection;
    connection.pause();
  };
  listen.on_open = Callback<Connection&>::to(accept);
  ConnectOptions options{.url = listen_echo(*reactor, listen)};
  options.limits.message_bytes_max = options.limits.frame_bytes_max = 1 << 20;
  const ConnectionId id = connect(*reactor, options, client);
  ASSERT_TRUE(run_until(*reactor, [&] { return client.opened == 1 && server != nullptr; }));
  Connection& connection = *reactor->find(id);
  const std::string chunk(50'000, 'x');
  std::uint64_t sent = 0;
  while (connection.send_text(chunk) == Errc::ok) ++sent;
  EXPECT_EQ(connection.counters().sends_refused, 1u);
  EXPECT_EQ(connection.send_text(std::string(3 << 20, 'y')), Errc::message_too_large);
  server->resume();
  ASSERT_TRUE(run_until(*reactor, [&] { return connection.unsent_bytes() == 0; }));
  ASSERT_TRUE(run_until(*reactor, [&] { return server->counters().messages_received == sent; }));
  EXPECT_EQ(connection.send_text("after"), Errc::ok);
  ASSERT_TRUE(
      run_until(*reactor, [&] { return server->counters().messages_received == sent + 1; }));
}

// --- Handlers.

TEST(Reactor, HandlersAreAddedReplacedAndRemovedInsideTheirOwnCall) {
  Client client;
  auto reactor = make_reactor();
  const ConnectionId id = connect(*reactor, {.url = listen_echo(*reactor)}, client);
  ASSERT_TRUE(run_until(*reactor, [&] { return client.opened == 1; }));
  Connection& connection = *reactor->find(id);
  struct Once {
    HandlerId id;
    int calls = 0;
    void on_message(Connection& at, const Message&) noexcept {
      ++calls;
      EXPECT_TRUE(at.on_message.remove(id));
    }
  } once;
  once.id =
      connection.on_message.add(Callback<Connection&, const Message&>::to<&Once::on_message>(once))
          .value();
  for (int i = 1; i <= 3; ++i) {
    ASSERT_EQ(connection.send_text("x"), Errc::ok);
    ASSERT_TRUE(
        run_until(*reactor, [&] { return client.messages.size() == static_cast<std::size_t>(i); }));
  }
  EXPECT_EQ(once.calls, 1);
}

// --- Outboxes.

// It read them once more in its destructor; a program that declares them behind it crashed there.
TEST(Reactor, AfterAnOrderlyEndOutboxesMayGoFirst) {
  auto reactor = make_reactor();
  auto outbox = Outbox::make({.capacity_bytes = 8192});
  ASSERT_TRUE(outbox.has_value() && reactor->attach(**outbox).has_value());
  reactor->stop();
  ASSERT_TRUE(reactor->run().has_value());
  outbox->reset();
  reactor.reset();
}

TEST(Reactor, AnOutboxSendsFromAnotherThreadInOrder) {
  Client client;
  auto reactor = make_reactor();
  const ConnectionId id = connect(*reactor, {.url = listen_echo(*reactor)}, client);
  ASSERT_TRUE(run_until(*reactor, [&] { return client.opened == 1; }));
  auto outbox = Outbox::make({.capacity_bytes = 8192});
  ASSERT_TRUE(outbox.has_value());
  std::vector<std::uint64_t> refused;
  const auto on_refused = [&](const OutboxRefusal& refusal) noexcept {
    EXPECT_EQ(refusal.reason, Errc::connection_unknown);
    refused.push_back(refusal.tag);
  };
  ASSERT_TRUE(
      reactor->attach(**outbox, Callback<const OutboxRefusal&>::to(on_refused)).has_value());
  constexpr int kOrders = 5000;
  std::thread strategy([&] {
    for (int i = 0; i < kOrders;) {
      if ((*outbox)->try_send_text({id.index, id.epoch}, "order " + std::to_string(i)) == Errc::ok)
        ++i;
      reactor->doorbell();
    }
    OutboxHeader stale = Outbox::make_header(OutboxKind::text, {id.index, id.epoch + 1});
    stale.tag = 77;
    while ((*outbox)->try_send(stale, as_bytes("to nobody")) != Errc::ok) {
    }
    reactor->doorbell();
  });
  ASSERT_TRUE(
      run_until(*reactor, [&] { return client.messages.size() == kOrders && !refused.empty(); }));
  strategy.join();
  for (int i = 0; i < kOrders; ++i)
    EXPECT_EQ(client.messages[static_cast<std::size_t>(i)], "order " + std::to_string(i));
  EXPECT_EQ(refused, std::vector<std::uint64_t>{77});
  reactor->detach(**outbox);
}

// --- Closing and stopping.

TEST(Reactor, ThePeersCloseCodeAndReasonArrive) {
  auto reactor = make_reactor();
  ListenOptions listen;
  listen.on_open = Callback<Connection&>([](void*, Connection& connection) noexcept {
    EXPECT_EQ(connection.send_text("last words"), Errc::ok);
    EXPECT_EQ(connection.close(4001, "enough"), Errc::ok);
    EXPECT_EQ(connection.send_text("too late"), Errc::connection_closed);
  });
  Client client;
  connect(*reactor, {.url = listen_echo(*reactor, listen)}, client);
  ASSERT_TRUE(run_until(*reactor, [&] { return client.ended(); }));
  EXPECT_EQ(client.messages, std::vector<std::string>{"last words"});
  EXPECT_EQ(client.closed_error, Errc::closed_by_peer);
  EXPECT_EQ(client.closed_code, 4001);
  EXPECT_EQ(client.closed_reason, "enough");
  EXPECT_TRUE(client.clean);
  EXPECT_TRUE(client.by_peer);
}

TEST(Reactor, CloseCodesThatMayNotBeSentAreRefused) {
  Client client;
  auto reactor = make_reactor();
  const ConnectionId id = connect(*reactor, {.url = listen_echo(*reactor)}, client);
  ASSERT_TRUE(run_until(*reactor, [&] { return client.opened == 1; }));
  for (const std::uint16_t code :
       std::initializer_list<std::uint16_t>{0, 999, 1004, 1006, 1015, 2999, 5000}) {
    EXPECT_EQ(reactor->find(id)->close(code), Errc::close_code_invalid) << code;
  }
}

TEST(Reactor, StopClosesWith1001AndEnds) {
  Client client;
  auto reactor = make_reactor();
  const ConnectionId id = connect(*reactor, {.url = listen_echo(*reactor)}, client);
  ASSERT_TRUE(run_until(*reactor, [&] { return client.opened == 1; }));
  reactor->stop(std::chrono::seconds(10));
  ASSERT_TRUE(reactor->run().has_value());
  EXPECT_EQ(client.closed, 1);
  EXPECT_EQ(reactor->find(id), nullptr);
  const auto late = reactor->connect({.url = "ws://127.0.0.1:1/"});
  ASSERT_FALSE(late.has_value());
  EXPECT_EQ(late.error().code(), Errc::reactor_stopping);
}

TEST(Reactor, StopWithADeadlineDropsAPeerThatDoesNotAnswer) {
  ScriptedServer server([](int client) {
    const std::string request = read_until(client, "\r\n\r\n");
    write_all(client, upgrade_answer(request));
    read_rest(client);
  });
  Client client;
  auto reactor = make_reactor();
  connect(*reactor, {.url = server.url()}, client);
  ASSERT_TRUE(run_until(*reactor, [&] { return client.opened == 1; }));
  reactor->stop(std::chrono::milliseconds(30));
  ASSERT_TRUE(reactor->run().has_value());
  EXPECT_EQ(client.closed, 1);
}

// It had no ticks, so that its latency was the age of the machine.
TEST(Reactor, AMessageInTheSegmentOfTheUpgradeHasBothTimesOfItsReceipt) {
  ScriptedServer server([](int client) {
    const std::string request = read_until(client, "\r\n\r\n");
    write_all(client, upgrade_answer(request) + "\x81\x02hi");
    read_rest(client);
  });
  std::uint64_t ns = 0;
  std::uint64_t ticks = 0;
  const auto on_message = [&](Connection&, const Message& message) noexcept {
    ns = message.received_ns;
    ticks = message.received_ticks;
  };
  const std::uint64_t began_ticks = TickSource().now();
  auto reactor = make_reactor();
  ASSERT_TRUE(
      reactor->connect({.url = server.url()},
                       {.on_message = Callback<Connection&, const Message&>::to(on_message)}));
  ASSERT_TRUE(run_until(*reactor, [&] { return ns != 0; }));
  EXPECT_GE(ticks, began_ticks);
  EXPECT_LE(ticks, TickSource().now());
}

// The set-up thread once ended without a look at what had been posted before the stop, and the
// reactor waited for that attempt for ever.
TEST(Reactor, AStopRightBehindAConnectEndsTheAttempt) {
  for (int i = 0; i < 50; ++i) {
    auto reactor = make_reactor();
    Client client;
    Client again;
    connect(*reactor, {.url = "ws://127.0.0.1:1/"}, client);
    auto endpoint = Endpoint::make({.url = "ws://127.0.0.1:1/"});
    ASSERT_TRUE(endpoint.has_value());
    ASSERT_TRUE(reactor->connect(*endpoint, again.handlers()).has_value());
    reactor->stop(std::chrono::seconds(0));
    ASSERT_TRUE(run_until(*reactor, [&] { return client.ended() && again.ended(); })) << i;
  }
}

TEST(Reactor, PostRunsOnTheReactorsThread) {
  auto reactor = make_reactor();
  std::thread::id ran_on;
  const auto call = [&](Reactor&) noexcept { ran_on = std::this_thread::get_id(); };
  std::thread other([&] { reactor->post(Callback<Reactor&>::to(call)); });
  ASSERT_TRUE(run_until(*reactor, [&] { return ran_on != std::thread::id{}; }));
  other.join();
  EXPECT_EQ(ran_on, std::this_thread::get_id());
}

}  // namespace
}  // namespace zenwire
