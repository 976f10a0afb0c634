// Lines: they come, go and come back; hooks that fail; a dead endpoint beside a healthy one.

#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <unistd.h>

#include <zenwire/codec/upgrade.hpp>
#include <zenwire/engine/telemetry_reader.hpp>
#include <zenwire/pool/lines.hpp>

#include "loop.hpp"

namespace zenwire {
namespace {

using namespace std::chrono_literals;

class LinesTest : public ::testing::Test {
 protected:
  void make(LinesOptions options = {}, LineHooks hooks = {}) {
    if (!hooks.on_connect) hooks.on_connect = {&LinesTest::connected, this};
    if (!hooks.on_disconnect) hooks.on_disconnect = {&LinesTest::disconnected, this};
    pool_ = Pool::make({.members = 4}).value();
    lines_ = std::make_unique<Lines>(*reactor_, pool_.get(), nullptr, options, hooks);
  }
  std::uint16_t listen() {
    ListenOptions options;
    options.on_open = [](void*, Connection& connection) noexcept {
      ASSERT_TRUE(connection.on_message.add([](void*, Connection& peer, const Message&) noexcept {
        peer.abort();  // every message kills
      }));
    };
    return reactor_->listen(options).value().port();
  }
  static ConnectOptions to(std::uint16_t port) {
    return {.url = "ws://127.0.0.1:" + std::to_string(port) + "/"};
  }
  template <typename Done>
  bool until(Done&& done) {
    return test::run_until(*reactor_, done);
  }
  void stop() {
    reactor_->stop(0s);
    while (reactor_->poll(true)) {
    }
  }
  ~LinesTest() override { stop(); }

  static void connected(void* self, MemberIndex member, Connection&) {
    static_cast<LinesTest*>(self)->events_.push_back("up " + std::to_string(member));
  }
  static void disconnected(void* self, MemberIndex member, Connection&, const Closed&) {
    static_cast<LinesTest*>(self)->events_.push_back("down " + std::to_string(member));
  }

  std::unique_ptr<test::ScriptedServer> silent_;  // waits for its client's end
  std::unique_ptr<Reactor> reactor_ = test::make_reactor();
  std::unique_ptr<Pool> pool_;
  std::unique_ptr<Lines> lines_;
  std::vector<std::string> events_;
};

TEST_F(LinesTest, hooks_hear_of_every_connect_and_disconnect) {
  make({.reconnect_after = 1ms});
  ASSERT_TRUE(lines_->add(to(listen())).has_value());
  for (int round = 0; round < 3; ++round) {
    ASSERT_TRUE(until([&] { return lines_->is_open(0); }));
    EXPECT_TRUE(pool_->view(0, 1).usable);
    ASSERT_EQ(pool_->send_balanced({.payload = as_bytes("die")}, reactor_->now_ns()), Errc::ok);
    ASSERT_TRUE(until([&] { return !lines_->is_open(0); }));
  }
  EXPECT_EQ(events_,
            (std::vector<std::string>{"up 0", "down 0", "up 0", "down 0", "up 0", "down 0"}));
  EXPECT_EQ(lines_->counters().opened, 3u);
}

std::uint64_t value_of(const std::vector<EntryReading>& readings, std::string_view group,
                       std::string_view field) {
  for (const EntryReading& entry : readings) {
    for (const CounterReading& counter : entry.counters)
      if (entry.group == group && counter.name == field) return counter.value;
  }
  return 0;
}

TEST_F(LinesTest, a_page_with_a_name_shows_the_pool_its_members_and_its_lines) {
  const std::string name = "test-lines-" + std::to_string(getpid());
  reactor_ = test::make_reactor({.telemetry_name = name});
  const auto reader = *TelemetryReader::open(name);
  make({.reconnect_after = 1ms});
  ASSERT_TRUE(lines_->add(to(listen())).has_value());
  ASSERT_TRUE(until([&] { return lines_->is_open(0); }));
  ASSERT_EQ(pool_->send_balanced({.payload = as_bytes("die")}, reactor_->now_ns()), Errc::ok);
  ASSERT_TRUE(until([&] { return value_of(reader.read(), "pool_member", "ups") >= 2; }));
  const auto readings = reader.read();
  EXPECT_EQ(value_of(readings, "pool", "sent"), 1u);
  EXPECT_EQ(value_of(readings, "lines", "closed"), 1u);
  EXPECT_EQ(value_of(readings, "lines", "opened"), 2u);
  EXPECT_EQ(value_of(readings, "pool_member", "sent"), 1u);
  EXPECT_EQ(value_of(readings, "pool_member", "usable"), 1u);
  std::size_t members = 0;
  for (const EntryReading& entry : readings) members += entry.group == "pool_member" ? 1U : 0U;
  EXPECT_EQ(members, 1u) << "members that never were up are not shown";
  lines_->stop();
  ASSERT_TRUE(
      until([&] { return lines_->open_count() == 0 && reactor_->connections_open() == 0; }));
  lines_.reset();
  for (const EntryReading& entry : reader.read())
    EXPECT_TRUE(entry.group == "reactor" || entry.group == "connection") << entry.group;
}

TEST_F(LinesTest, hooks_that_throw_are_counted_and_disturb_nothing) {
  make({.reconnect_after = 1ms},
       {.on_connect = {[](void*, MemberIndex, Connection&) { throw std::runtime_error("no"); },
                       nullptr},
        .on_disconnect = {[](void*, MemberIndex, Connection&, const Closed&) { throw 7; },
                          nullptr}});
  ASSERT_TRUE(lines_->add(to(listen())).has_value());
  ASSERT_TRUE(until([&] { return lines_->is_open(0); }));
  ASSERT_EQ(pool_->send_balanced({.payload = as_bytes("die")}, reactor_->now_ns()), Errc::ok);
  ASSERT_TRUE(until([&] { return lines_->counters().opened == 2; }));
  EXPECT_EQ(lines_->counters().hook_failures, 3u);
}

TEST_F(LinesTest, a_dead_endpoint_opens_its_own_circuit_and_no_other) {
  make({.circuit = {.failures_max = 2, .open_for = 1ms, .open_for_max = 4ms}, .ping_every = 5ms});
  ASSERT_TRUE(lines_->add(to(listen())).has_value());
  ASSERT_TRUE(lines_->add(to(1)).has_value());  // nobody listens
  ASSERT_TRUE(until([&] { return lines_->counters().failed >= 8; }));
  EXPECT_NE(lines_->circuit(1), CircuitState::closed);
  EXPECT_TRUE(lines_->is_open(0));
  EXPECT_EQ(lines_->counters().opened, 1u);
  EXPECT_EQ(events_, std::vector<std::string>{"up 0"});
  EXPECT_EQ(pool_->choose(), 0u);
}

TEST_F(LinesTest, pings_measure_a_line) {
  make({.ping_every = 1ms});
  ASSERT_TRUE(lines_->add(to(listen())).has_value());
  ASSERT_TRUE(until([&] { return lines_->is_open(0) && lines_->ping_ns(0) > 0; }));
  EXPECT_GT(pool_->view(0, reactor_->now_ns()).round_trip_ns, 0u);
  EXPECT_GT(lines_->connect_ns(0), 0u);
}

TEST_F(LinesTest, a_line_without_pongs_is_barred_and_then_ended) {
  // Upgrades, and says nothing more, to pings either.
  silent_ = std::make_unique<test::ScriptedServer>([](int client) {
    const std::string request = test::read_until(client, "\r\n\r\n");
    test::write_all(
        client,
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Accept: " +
            std::string(as_text(accept_key(test::header_of(request, "Sec-WebSocket-Key")))) +
            "\r\n\r\n");
    test::read_rest(client);
  });
  make({.reconnect = false, .ping_every = 5ms, .pings_missed_max = 3});
  ASSERT_TRUE(lines_->add({.url = silent_->url()}).has_value());
  ASSERT_TRUE(until([&] { return lines_->counters().missed_pings >= 1; }));
  EXPECT_FALSE(pool_->view(0, 1).usable);
  ASSERT_TRUE(until([&] { return lines_->counters().closed == 1; }));
  EXPECT_EQ(lines_->counters().missed_pings, 3u);
}

TEST_F(LinesTest, a_removed_line_waits_for_its_answers_and_frees_its_number) {
  make();
  const std::uint16_t port = listen();
  ASSERT_EQ(lines_->add(to(port)).value(), 0u);
  ASSERT_EQ(lines_->add(to(port)).value(), 1u);
  ASSERT_TRUE(until([&] { return lines_->open_count() == 2; }));
  lines_->remove(0);
  EXPECT_EQ(pool_->choose(), 1u);
  ASSERT_TRUE(until([&] { return lines_->counters().closed == 1; }));
  EXPECT_TRUE(lines_->is_open(1));
  for (int turn = 0; turn < 3; ++turn) reactor_->poll(true);  // its timer lets go of it
  EXPECT_EQ(lines_->add(to(port)).value(), 0u);
}

TEST_F(LinesTest, no_more_lines_than_the_pool_has_members) {
  make();
  const std::uint16_t port = listen();
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(lines_->add(to(port)).has_value());
  EXPECT_EQ(lines_->add(to(port)).error().code(), Errc::pool_members_exhausted);
  ASSERT_TRUE(until([&] { return lines_->open_count() == 4; }));
}

}  // namespace
}  // namespace zenwire
