// A simulated world by itself: two reactors in it, a scripted peer, and what it notices.

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <zenwire/engine/reactor.hpp>
#include <zenwire/testing/sim_peer.hpp>
#include <zenwire/testing/sim_world.hpp>

namespace zenwire::testing {
namespace {

constexpr Instant_ns kSecond_ns = 1'000'000'000;

ReactorOptions small_reactor(Idle idle) {
  ReactorOptions options;
  options.idle = idle;
  options.prefault = false;
  options.connections_max = 8;
  options.receive_buffer_bytes = options.send_buffer_bytes = 4096;
  options.message_bytes_max = 65'536;
  options.log = Callback<std::string_view>([](void*, std::string_view) noexcept {});
  return options;
}

// One client and one server, each in a reactor of its own; the server echoes.
struct Echo {
  static constexpr std::uint64_t kMessages = 50;

  explicit Echo(std::uint64_t seed, const SimFaults& faults, Idle idle) : world(seed, faults) {
    client = Reactor::create(small_reactor(idle), world.make_reactor_io()).value();
    server = Reactor::create(small_reactor(idle), world.make_reactor_io()).value();
    world.add(*client);
    world.add(*server);
    ListenOptions listen;
    listen.limits.message_bytes_max = 65'536;
    listen.on_open = Callback<Connection&>([](void*, Connection& connection) noexcept {
      EXPECT_TRUE(connection.on_message.add(
          {[](void*, Connection& from, const Message& message) noexcept {
             EXPECT_EQ(from.send(message.opcode, message.payload), Errc::ok);
           },
           nullptr}));
    });
    const Address address = server->listen(listen).value();
    ConnectOptions options{.url = "ws://" + address.text() + "/"};
    options.limits.message_bytes_max = 65'536;
    EXPECT_TRUE(
        client
            ->connect(
                options,
                {.on_open = Callback<Connection&>::to<&Echo::on_open>(*this),
                 .on_message = Callback<Connection&, const Message&>::to<&Echo::on_message>(*this),
                 .on_closed = Callback<Connection&, const Closed&>::to<&Echo::on_closed>(*this),
                 .on_failed =
                     Callback<Connection&, const OpenFailure&>::to<&Echo::on_failed>(*this)})
            .has_value());
  }
  ~Echo() {
    client.reset();
    server.reset();
  }

  void send_next(Connection& connection) noexcept {
    const std::string text = "message " + std::to_string(next);
    EXPECT_EQ(connection.send_text(text), Errc::ok);
  }
  void on_open(Connection& connection) noexcept { send_next(connection); }
  void on_message(Connection& connection, const Message& message) noexcept {
    EXPECT_EQ(message.text(), "message " + std::to_string(next));
    world.trace().note_bytes(world.now_ns(), "echo", next, message.payload);
    if (++next < kMessages) return send_next(connection);
    EXPECT_EQ(connection.close(), Errc::ok);
  }
  void on_closed(Connection&, const Closed& event) noexcept {
    closed = event.error.code();
    ended = true;
  }
  void on_failed(Connection&, const OpenFailure& failure) noexcept {
    closed = failure.error.code();
    ended = true;
  }

  SimWorld world;
  std::unique_ptr<Reactor> client;
  std::unique_ptr<Reactor> server;
  std::uint64_t next = 0;
  Errc closed = Errc::ok;
  bool ended = false;
};

class SimWorldEcho : public ::testing::TestWithParam<Idle> {};

TEST_P(SimWorldEcho, without_faults_every_message_comes_back) {
  Echo echo(1, {}, GetParam());
  ASSERT_TRUE(echo.world.run_until([&] { return echo.ended; }, 60 * kSecond_ns));
  EXPECT_EQ(echo.next, Echo::kMessages);
  EXPECT_EQ(echo.closed, Errc::closed_normally);
  EXPECT_TRUE(echo.world.violations().empty());
}

TEST_P(SimWorldEcho, short_reads_and_writes_and_late_outcomes_lose_nothing) {
  const SimFaults faults{.short_read = 1'000'000,
                         .short_write = 1'000'000,
                         .split = 500'000,
                         .clog = 10'000,
                         .late_outcome = 100'000,
                         .reorder = 500'000,
                         .end_multishot = 500'000,
                         .overflow = 100'000,
                         .miss_cancel = 500'000,
                         .spurious = 100'000,
                         .late_wake = 10'000};
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    Echo echo(seed, faults, GetParam());
    ASSERT_TRUE(echo.world.run_until([&] { return echo.ended; }, 600 * kSecond_ns))
        << "seed " << seed << "\n"
        << echo.world.trace().last_events();
    // An upgrade may take too long by then; what opened is complete.
    const std::uint64_t expected = echo.closed == Errc::closed_normally ? Echo::kMessages : 0;
    EXPECT_EQ(echo.next, expected) << seed << name(echo.closed);
    EXPECT_TRUE(echo.world.violations().empty()) << seed;
  }
}

TEST_P(SimWorldEcho, a_seed_repeats_exactly_and_another_differs) {
  const auto hash_of_run = [&](std::uint64_t seed) {
    Random random(seed);
    Echo echo(seed, SimFaults::choose(random), GetParam());
    EXPECT_TRUE(echo.world.run_until([&] { return echo.ended; }, 600 * kSecond_ns));
    return echo.world.trace().hash();
  };
  for (std::uint64_t seed = 1; seed <= 20; ++seed) EXPECT_EQ(hash_of_run(seed), hash_of_run(seed));
  EXPECT_NE(hash_of_run(1), hash_of_run(2));
}

INSTANTIATE_TEST_SUITE_P(Idle, SimWorldEcho, ::testing::Values(Idle::spin, Idle::block),
                         [](const auto& at) { return at.param == Idle::spin ? "spin" : "block"; });

TEST(SimWorld, everything_comes_home_when_the_reactors_die) {
  SimWorld world(7);
  {
    auto reactor = Reactor::create(small_reactor(Idle::block), world.make_reactor_io()).value();
    const Address address = reactor->listen({}).value_or(Address{});
    ASSERT_TRUE(address.empty());  // its message limit is above the reactor's
    ListenOptions listen;
    listen.limits.message_bytes_max = 65'536;
    ASSERT_TRUE(reactor->listen(listen).has_value());
    world.add(*reactor);
    for (int i = 0; i < 10; ++i) world.step();
    world.remove(*reactor);
  }
  EXPECT_EQ(world.sockets_open(), 0U);
  EXPECT_EQ(world.operations_in_flight(), 0U);
  EXPECT_TRUE(world.violations().empty());
}

TEST(SimPeer, a_scripted_server_says_what_it_likes) {
  SimWorld world(3);
  SimPeer server(world);
  const Address address = server.listen();
  auto reactor = Reactor::create(small_reactor(Idle::block), world.make_reactor_io()).value();
  world.add(*reactor);
  std::vector<std::string> messages;
  const auto on_message = [&](Connection&, const Message& message) noexcept {
    messages.emplace_back(message.text());
  };
  Errc closed = Errc::ok;
  const auto on_closed = [&](Connection&, const Closed& event) noexcept {
    closed = event.error.code();
  };
  ConnectOptions options{.url = "ws://" + address.text() + "/"};
  options.limits.message_bytes_max = 65'536;
  ASSERT_TRUE(reactor->connect(options,
                               {.on_message = Callback<Connection&, const Message&>::to(on_message),
                                .on_closed = Callback<Connection&, const Closed&>::to(on_closed)}));
  ASSERT_TRUE(world.run_until([&] { return server.accept(); }, kSecond_ns));
  ASSERT_TRUE(world.run_until([&] { return server.answer_upgrade(); }, kSecond_ns));
  server.write("\x81\x05hel");
  for (int i = 0; i < 10; ++i) world.step();
  EXPECT_TRUE(messages.empty());
  server.write("lo\x82");
  server.finish();
  ASSERT_TRUE(world.run_until([&] { return closed != Errc::ok; }, 10 * kSecond_ns));
  EXPECT_EQ(messages, std::vector<std::string>{"hello"});
  EXPECT_EQ(closed, Errc::connection_lost);
  world.remove(*reactor);
  reactor.reset();
}

TEST(SimWorld, a_close_with_an_operation_in_flight_is_noticed) {
  SimWorld world(5);
  Completion accept([](void*, Outcome) noexcept {}, nullptr);
  auto io = world.make_io();  // dies first, and lets go of the completion
  const auto listener = io->open_listener(*Address::from_literal("127.0.0.1", 0), {});
  ASSERT_TRUE(listener.has_value());
  io->submit_accept(accept, *listener);
  Reaped none[1];
  EXPECT_EQ(io->reap(none, 0), 0U);
  io->close(*listener);
  ASSERT_EQ(world.violations().size(), 1U);
  EXPECT_NE(world.violations()[0].find("operation in flight"), std::string::npos);
}

}  // namespace
}  // namespace zenwire::testing
