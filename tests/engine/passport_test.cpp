// When a message was where: the kernel's stamps and the engine's, over loopback.

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <zenwire/engine/reactor.hpp>
#include <zenwire/testing/gtest.hpp>
#include <zenwire/testing/mock_server.hpp>

#include "loop.hpp"
#include "temporary_directory.hpp"
#include "transmit_log.hpp"

namespace zenwire {
namespace {

using detail::TransmitLog;
using testing::MockServer;
using testing::Script;

std::uint64_t wall_ns() {
  return static_cast<std::uint64_t>(
      std::chrono::nanoseconds(std::chrono::system_clock::now().time_since_epoch()).count());
}

MockServer echoing(bool tls) {
  MockServer server = MockServer::start({.tls = tls}).value();
  server.on_message(MockServer::echo());
  return server;
}

struct Way {
  const char* name;
  bool tls;
  std::uint32_t spin_sockets_max;  // 0: the ring tells what is readable
  Idle idle = Idle::spin;
};
constexpr Way kWays[] = {
    {"plain, read in turn", false, 4},        {"TLS, read in turn", true, 4},
    {"plain, told by the ring", false, 0},    {"TLS, told by the ring", true, 0},
    {"plain, asleep", false, 0, Idle::block}, {"TLS, asleep", true, 0, Idle::block}};

class Client {
 public:
  Client(const MockServer& server, const Way& way, bool stamps = true, std::string journal = {}) {
    ReactorOptions options;
    options.idle = way.idle;
    options.prefault = false;
    options.spin_sockets_max = way.spin_sockets_max;
    options.journal = std::move(journal);
    options.log = Callback<std::string_view>::to<&Client::on_log>(*this);
    auto reactor = Reactor::create(options);
    EXPECT_TRUE(reactor) << reactor.error().detail();
    reactor_ = std::move(*reactor);
    ConnectOptions connecting;
    connecting.url = server.url();
    connecting.tls.ca_pem = server.ca_pem();
    connecting.socket.kernel_stamps = stamps;
    const auto id = reactor_->connect(
        connecting,
        {.on_open = Callback<Connection&>::to<&Client::on_open>(*this),
         .on_message = Callback<Connection&, const Message&>::to<&Client::on_message>(*this),
         .on_closed = Callback<Connection&, const Closed&>::to<&Client::on_closed>(*this)});
    EXPECT_TRUE(id) << id.error().detail();
  }

  template <typename Done>
  [[nodiscard]] bool run_until(Done&& done) {
    return test::run_until(*reactor_, done);
  }
  [[nodiscard]] bool wait_for_open() {
    return run_until([&] { return connection != nullptr; });
  }
  // Sends `text` and has its echo. The number of wire bytes that it ends at.
  std::uint64_t exchange(std::string_view text) {
    const std::size_t before = passports.size();
    EXPECT_EQ(connection->send_text(text), Errc::ok);
    const std::uint64_t end_bytes = connection->wire_end_bytes();
    EXPECT_TRUE(run_until([&] { return passports.size() > before; }));
    return end_bytes;
  }
  // The kernel begins to stamp what arrives some time after it was asked (it patches its own code).
  void exchange_until_stamped() {
    for (int i = 0; i < 10'000 && (passports.empty() || passports.back().kernel_ns == 0); ++i)
      exchange("is it on?");
  }

  Connection* connection = nullptr;
  bool ended = false;
  std::vector<Passport> passports{};
  std::vector<Transmitted> transmitted{};
  std::string logged{};

 private:
  void on_log(std::string_view line) noexcept { logged += std::string(line) + "\n"; }
  void on_open(Connection& opened) noexcept {
    connection = &opened;
    static_cast<void>(opened.on_transmitted.add(
        Callback<Connection&, const Transmitted&>::to<&Client::on_transmitted>(*this)));
  }
  void on_message(Connection& from, const Message&) noexcept {
    passports.push_back(from.passport());
  }
  void on_transmitted(Connection&, const Transmitted& news) noexcept {
    transmitted.push_back(news);
  }
  void on_closed(Connection&, const Closed&) noexcept { ended = true; }

  std::unique_ptr<Reactor> reactor_;
};

TEST(Passport, a_message_has_the_kernels_stamp_before_ours) {
  for (const Way& way : kWays) {
    SCOPED_TRACE(way.name);
    MockServer server = echoing(way.tls);
    Client client(server, way);
    ASSERT_TRUE(client.wait_for_open());
    client.exchange_until_stamped();
    const std::uint64_t sent_ns = wall_ns();
    client.exchange("now");
    const Passport& passport = client.passports.back();
    EXPECT_GE(passport.kernel_ns, sent_ns);
    EXPECT_LE(passport.kernel_ns, passport.received_ns);
    EXPECT_LE(passport.received_ns, wall_ns());
    EXPECT_LE(passport.received_ticks, passport.decrypted_ticks);
    EXPECT_EQ(passport.received_ticks < passport.decrypted_ticks, way.tls);
    EXPECT_LT(passport.decrypted_ticks, passport.framed_ticks);
  }
}

TEST(Passport, all_that_was_sent_is_said_to_have_left) {
  for (const Way& way : kWays) {
    SCOPED_TRACE(way.name);
    MockServer server = echoing(way.tls);
    Client client(server, way);
    ASSERT_TRUE(client.wait_for_open());
    for (int i = 0; i < 100; ++i) {
      const std::uint64_t began_ns = wall_ns();
      const std::uint64_t end_bytes = client.exchange("an order");
      ASSERT_TRUE(client.run_until([&] {
        return !client.transmitted.empty() && client.transmitted.back().bytes == end_bytes;
      }));
      const Transmitted& news = client.transmitted.back();
      EXPECT_GE(news.sent_ns, began_ns);
      EXPECT_GE(news.kernel_ns, news.sent_ns);
      EXPECT_LE(news.kernel_ns, wall_ns());
    }
  }
}

// A stamp waiting to be taken looks like an error of the socket; the end must still be seen.
TEST(Passport, the_end_is_seen_beside_stamps) {
  for (const Way& way : kWays) {
    SCOPED_TRACE(way.name);
    MockServer server = MockServer::start({.tls = way.tls}).value();
    Client client(server, way);
    ASSERT_TRUE(client.wait_for_open());
    for (int i = 0; i < 100; ++i) EXPECT_EQ(client.connection->send_text("gone soon"), Errc::ok);
    server.simulate_disconnect(testing::Disconnect::reset());
    EXPECT_TRUE(client.run_until([&] { return client.ended; }));
  }
}

// It has come when its last byte has.
TEST(Passport, a_message_in_two_segments_has_the_stamp_of_the_second) {
  MockServer server = echoing(false);
  Client client(server, kWays[0]);
  ASSERT_TRUE(client.wait_for_open());
  client.exchange_until_stamped();
  const std::size_t before = client.passports.size();
  const std::uint64_t bytes_before = client.connection->counters().bytes_received;
  const std::string frame = std::string("\x81\x7e\x01\x2c", 4) + std::string(300, 'x');
  server.inject(Script().raw(frame.substr(0, 100)).hold().raw(frame.substr(100)));
  ASSERT_TRUE(client.run_until(
      [&] { return client.connection->counters().bytes_received == bytes_before + 100; }));
  const std::uint64_t half_ns = wall_ns();
  server.release();
  ASSERT_TRUE(client.run_until([&] { return client.passports.size() > before; }));
  EXPECT_GE(client.passports.back().kernel_ns, half_ns);
}

TEST(Passport, nobody_who_did_not_ask_has_one) {
  MockServer server = echoing(false);
  Client client(server, kWays[0], false);
  ASSERT_TRUE(client.wait_for_open());
  for (int i = 0; i < 100; ++i) client.exchange("hello");
  for (const Passport& passport : client.passports) {
    EXPECT_EQ(passport.kernel_ns, 0u);
    EXPECT_EQ(passport.decrypted_ticks, passport.received_ticks);
  }
  EXPECT_TRUE(client.transmitted.empty());
}

// What a clock of the kernel said cannot be said again.
TEST(Passport, there_are_no_stamps_beside_a_journal) {
  const test::TemporaryDirectory directory;
  MockServer server = echoing(false);
  Client client(server, kWays[0], true, directory.path() + "/reactor.journal");
  ASSERT_TRUE(client.wait_for_open());
  for (int i = 0; i < 100; ++i) client.exchange("hello");
  for (const Passport& passport : client.passports) EXPECT_EQ(passport.kernel_ns, 0u);
  EXPECT_TRUE(client.transmitted.empty());
  EXPECT_NE(client.logged.find("a journal repeats no stamps"), std::string::npos);
}

// --- What has left.

struct Stamped {
  std::uint32_t last_byte;
  std::uint64_t bytes;  // 0: nothing is known to have left
};

TEST(TransmitLog, tells_what_has_left_by_the_number_of_its_last_byte) {
  TransmitLog log;
  log.sent(10, 1);
  log.sent(20, 2);
  log.sent(5, 3);
  constexpr Stamped kStamps[] = {{8, 0}, {9, 10}, {9, 0}, {34, 35}, {34, 0}};
  for (const Stamped& stamp : kStamps) {
    SCOPED_TRACE(stamp.last_byte);
    Transmitted news;
    EXPECT_EQ(log.left(stamp.last_byte, 7, news), stamp.bytes != 0);
    EXPECT_EQ(news.bytes, stamp.bytes);
    EXPECT_EQ(news.kernel_ns, 7u);
  }
  EXPECT_TRUE(log.empty());
}

TEST(TransmitLog, counts_on_where_the_kernels_number_begins_again) {
  constexpr std::size_t kLong_bytes = std::size_t{1} << 31;
  TransmitLog log;
  Transmitted news;
  for (std::uint64_t sends = 1; sends <= 5; ++sends) {
    log.sent(kLong_bytes, sends);
    EXPECT_TRUE(log.left(static_cast<std::uint32_t>(sends * kLong_bytes - 1), sends, news));
    EXPECT_EQ(news.bytes, sends * kLong_bytes);
    EXPECT_EQ(news.sent_ns, sends);
  }
}

TEST(TransmitLog, forgets_the_oldest_of_too_many) {
  TransmitLog log;
  for (std::size_t i = 0; i <= TransmitLog::kSends_max; ++i) log.sent(1, i);
  Transmitted news;
  EXPECT_FALSE(log.left(0, 1, news));
  EXPECT_TRUE(log.left(1, 1, news));
  EXPECT_EQ(news.sent_ns, 1u);
}

}  // namespace
}  // namespace zenwire
