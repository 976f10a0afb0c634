// Every bug that the simulation found, by name, as small as it could be made.

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <zenwire/engine/message_queue.hpp>
#include <zenwire/engine/reactor.hpp>
#include <zenwire/testing/sim_world.hpp>

namespace zenwire {
namespace {

using testing::SimWorld;

constexpr Instant_ns kSecond_ns = 1'000'000'000;
constexpr std::size_t kMessage_bytes_max = 32'768;
constexpr std::size_t kBuffer_bytes = 4096;

ReactorOptions options_with(std::uint32_t large_buffers, Idle idle = Idle::block) {
  ReactorOptions options;
  options.idle = idle;
  options.prefault = false;
  options.connections_max = 8;
  options.receive_buffer_bytes = options.send_buffer_bytes = kBuffer_bytes;
  options.large_buffers = large_buffers;
  options.message_bytes_max = kMessage_bytes_max;
  options.log = Callback<std::string_view>([](void*, std::string_view) noexcept {});
  return options;
}

// One end: what it was told.
struct End {
  Connection* connection = nullptr;
  std::vector<std::size_t> sizes;
  Errc closed = Errc::ok;

  void on_open(Connection& opened) noexcept { connection = &opened; }
  void on_message(Connection&, const Message& message) noexcept {
    sizes.push_back(message.payload.size());
  }
  void on_closed(Connection&, const Closed& event) noexcept {
    closed = event.error.code();
    connection = nullptr;
  }
  ConnectionHandlers handlers() noexcept {
    return {.on_open = Callback<Connection&>::to<&End::on_open>(*this),
            .on_message = Callback<Connection&, const Message&>::to<&End::on_message>(*this),
            .on_closed = Callback<Connection&, const Closed&>::to<&End::on_closed>(*this)};
  }
};

// A client's and a server's reactor in a world without faults.
struct Pair {
  explicit Pair(const ReactorOptions& options, std::uint64_t seed = 1) : world(seed) {
    client = Reactor::create(options, world.make_reactor_io()).value();
    server = Reactor::create(options, world.make_reactor_io()).value();
    world.add(*client);
    world.add(*server);
    accepted.reserve(8);
  }
  ~Pair() {
    client.reset();
    server.reset();
    EXPECT_TRUE(world.violations().empty());
    EXPECT_EQ(world.sockets_open(), 0U);
  }

  void listen() {
    ListenOptions listen;
    listen.limits.message_bytes_max = kMessage_bytes_max;
    listen.deflate.enabled = deflate;
    listen.socket.receive_buffer_bytes = socket_bytes;
    listen.on_open = Callback<Connection&>::to<&Pair::on_accepted>(*this);
    url = "ws://" + server->listen(listen).value().text() + "/";
  }
  ConnectionId connect(End& end) {
    ConnectOptions options{.url = url};
    options.limits.message_bytes_max = kMessage_bytes_max;
    options.deflate.enabled = deflate;
    options.socket.receive_buffer_bytes = socket_bytes;
    return client->connect(options, end.handlers()).value();
  }
  void on_accepted(Connection& connection) noexcept {
    End& end = accepted.emplace_back();
    const ConnectionHandlers handlers = end.handlers();
    EXPECT_TRUE(connection.on_message.add(handlers.on_message));
    EXPECT_TRUE(connection.on_closed.add(handlers.on_closed));
    end.on_open(connection);
  }
  // Whether it came to that within a minute.
  template <typename Done>
  bool until(Done&& done) {
    return world.run_until(done, 60 * kSecond_ns);
  }

  SimWorld world;
  std::unique_ptr<Reactor> client;
  std::unique_ptr<Reactor> server;
  std::vector<End> accepted;
  std::string url;
  bool deflate = false;
  std::uint32_t socket_bytes = 2048;
};

std::vector<std::byte> noise(std::size_t bytes) {
  std::vector<std::byte> made(bytes);
  testing::Random(7).fill(made);
  return made;
}

// A connection that is polled heard nothing more once the bytes that it had no room for had come.
TEST(SimulationRegression, who_waits_for_a_large_buffer_reads_on_when_one_comes_home) {
  End first;
  End second;
  Pair pair(options_with(1));
  pair.listen();
  pair.connect(first);
  ASSERT_TRUE(pair.until([&] { return first.connection != nullptr && pair.accepted.size() == 1; }));
  pair.connect(second);
  ASSERT_TRUE(
      pair.until([&] { return second.connection != nullptr && pair.accepted.size() == 2; }));
  // A frame that is sent bit by bit: its receiver takes the one large buffer and keeps it.
  const auto frame_head = [](std::size_t bytes) {
    std::string head("\x82\xfe", 2);
    head.push_back(static_cast<char>(bytes >> 8));
    head.push_back(static_cast<char>(bytes & 0xff));
    return head + std::string(4, '\0');
  };
  constexpr std::size_t kBytes = 20'000;
  const auto send_part = [&](End& end, std::size_t bytes) {
    ASSERT_EQ(end.connection->send_frames(as_bytes(std::string(bytes, 'x'))), Errc::ok);
  };
  ASSERT_EQ(first.connection->send_frames(as_bytes(frame_head(kBytes) + "x")), Errc::ok);
  for (int i = 0; i < 1000; ++i) pair.world.step();
  ASSERT_EQ(second.connection->send_frames(as_bytes(frame_head(kBytes) + "x")), Errc::ok);
  for (int i = 0; i < 1000; ++i) pair.world.step();
  // All that fits on the way of the second comes, and nobody reads it.
  send_part(second, kBuffer_bytes - 100);
  for (int i = 0; i < 1000; ++i) pair.world.step();
  std::size_t sent = 1;
  while (sent < kBytes) {
    const std::size_t bytes = std::min<std::size_t>(2000, kBytes - sent);
    send_part(first, bytes);
    sent += bytes;
    ASSERT_TRUE(pair.until([&] { return first.connection->unsent_bytes() == 0; }));
  }
  ASSERT_TRUE(pair.until([&] { return pair.accepted[0].sizes.size() == 1; }));
  sent = 1 + kBuffer_bytes - 100;
  while (sent < kBytes) {
    ASSERT_TRUE(pair.until([&] { return second.connection->unsent_bytes() == 0; }));
    const std::size_t bytes = std::min<std::size_t>(2000, kBytes - sent);
    send_part(second, bytes);
    sent += bytes;
  }
  EXPECT_TRUE(pair.until([&] { return pair.accepted[1].sizes.size() == 1; }));
}

// Each end's one large buffer held what it wanted to send, so neither could receive.
TEST(SimulationRegression, two_ends_that_send_large_messages_do_not_wait_for_each_other) {
  End one;
  End two;
  Pair pair(options_with(2));
  pair.listen();
  pair.connect(one);
  ASSERT_TRUE(pair.until([&] { return one.connection != nullptr && !pair.accepted.empty(); }));
  pair.connect(two);
  ASSERT_TRUE(pair.until([&] { return two.connection != nullptr && pair.accepted.size() == 2; }));
  const auto large = noise(kMessage_bytes_max);
  int accepted_sends = 0;
  for (Connection* connection :
       {one.connection, two.connection, pair.accepted[0].connection, pair.accepted[1].connection}) {
    const Errc outcome = connection->send_binary(large);
    EXPECT_TRUE(outcome == Errc::ok || outcome == Errc::send_queue_full);
    accepted_sends += outcome == Errc::ok ? 1 : 0;
  }
  EXPECT_EQ(accepted_sends, 2);  // one of each reactor: the other buffer is for receiving
  EXPECT_TRUE(pair.until([&] {
    return one.sizes.size() + two.sizes.size() == 1 &&
           pair.accepted[0].sizes.size() + pair.accepted[1].sizes.size() == 1;
  }));
}

// The news was pushed once, and gone if the queue was full.
TEST(SimulationRegression, a_full_queue_hears_later_that_a_connection_opened) {
  auto queue = MessageQueue::make({.capacity_bytes = 1024, .memory = {.prefault = false}}).value();
  MessageHeader filler;
  filler.connection = 99;
  while (queue->try_push(filler, {}) == PushOutcome::pushed) {
  }
  End end;
  Pair pair(options_with(1));
  pair.listen();
  const ConnectionId id = pair.connect(end);
  pair.client->find(id)->deliver_to(queue.get());
  ASSERT_TRUE(pair.until([&] { return end.connection != nullptr && !pair.accepted.empty(); }));
  EXPECT_EQ(pair.accepted[0].connection->send_text("first"), Errc::ok);
  for (int i = 0; i < 100; ++i) pair.world.step();
  EXPECT_TRUE(end.sizes.empty());  // reading is withheld, or the message would come first
  std::vector<MessageKind> kinds;
  const auto read = [&](const MessageView& view) noexcept {
    if (view.header().connection != 99) kinds.push_back(view.header().kind);
    return ReadVerdict::next;
  };
  ASSERT_TRUE(pair.until([&] {
    queue->read_batch(read);
    return kinds.size() == 2;
  }));
  EXPECT_EQ(kinds, (std::vector{MessageKind::opened, MessageKind::text}));
}

// It asserted that no message waits for the queue that was taken away.
TEST(SimulationRegression, a_stop_by_force_ends_a_connection_whose_queue_stays_full) {
  auto queue = MessageQueue::make({.capacity_bytes = 1024, .memory = {.prefault = false}}).value();
  End end;
  Pair pair(options_with(1));
  pair.listen();
  const ConnectionId id = pair.connect(end);
  pair.client->find(id)->deliver_to(queue.get());
  ASSERT_TRUE(pair.until([&] { return end.connection != nullptr && !pair.accepted.empty(); }));
  for (int i = 0; i < 50; ++i)
    EXPECT_EQ(pair.accepted[0].connection->send_text("nobody reads this"), Errc::ok);
  ASSERT_TRUE(pair.until([&] { return end.connection->paused(); }));
  pair.client->stop(std::chrono::milliseconds(10));
  EXPECT_TRUE(pair.until([&] { return end.closed != Errc::ok; }));
}

// Deflate makes what it cannot compress a little longer; the reader held that against the limit.
TEST(SimulationRegression, a_message_at_its_limit_passes_although_deflate_makes_it_longer) {
  End end;
  Pair pair(options_with(4));
  pair.deflate = true;
  pair.listen();
  pair.connect(end);
  ASSERT_TRUE(pair.until([&] { return end.connection != nullptr && !pair.accepted.empty(); }));
  EXPECT_EQ(end.connection->send_binary(noise(kMessage_bytes_max)), Errc::ok);
  ASSERT_TRUE(
      pair.until([&] { return pair.accepted[0].sizes.size() == 1 || end.closed != Errc::ok; }));
  EXPECT_EQ(end.closed, Errc::ok);
  EXPECT_EQ(pair.accepted[0].sizes, std::vector{kMessage_bytes_max});
}

// Nobody stepped the set-up any more, which held the attempt.
TEST(SimulationRegression, a_reactor_stepped_by_hand_dies_with_an_attempt_under_way) {
  End end;
  Pair pair(options_with(1));
  pair.url = "ws://no.such.host/";
  pair.connect(end);
  for (int i = 0; i < 3; ++i) pair.world.step();
}

// stop() with time to spare, then the destructor, which has none.
TEST(SimulationRegression, a_reactor_that_was_given_time_to_stop_can_be_destroyed_at_once) {
  End end;
  Pair pair(options_with(1));
  pair.listen();
  pair.connect(end);
  ASSERT_TRUE(pair.until([&] { return end.connection != nullptr && !pair.accepted.empty(); }));
  pair.accepted[0].connection->pause();  // its close frame will not come
  pair.client->stop(std::chrono::hours(1));
  pair.world.step();
  const Instant_ns before_ns = pair.world.now_ns();
  pair.world.remove(*pair.client);
  pair.client.reset();
  EXPECT_LT(pair.world.now_ns() - before_ns, kSecond_ns);
  EXPECT_NE(end.closed, Errc::ok);
}

}  // namespace
}  // namespace zenwire
