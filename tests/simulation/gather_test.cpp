// ReactorOptions::gather_for, in a world without faults: a stream at full speed is taken in fewer
// turns, and nothing of it is lost; what is no stream is not held up.

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>

#include <gtest/gtest.h>

#include <zenwire/engine/reactor.hpp>
#include <zenwire/testing/sim_world.hpp>

namespace zenwire {
namespace {

constexpr Instant_ns kSecond_ns = 1'000'000'000;
constexpr std::chrono::nanoseconds kGather = std::chrono::milliseconds(1);
constexpr std::uint64_t kMessages = 20'000;
constexpr std::size_t kMessage_bytes = 200;
constexpr std::uint32_t kSocket_bytes = 1 << 20;

// A server that sends as fast as it is read, and a client that sleeps between its turns.
class Feed {
 public:
  explicit Feed(std::chrono::nanoseconds gather_for, std::uint64_t messages = kMessages)
      : messages_(messages), world_(1) {
    ReactorOptions options;
    options.idle = Idle::block;
    options.log = Callback<std::string_view>([](void*, std::string_view) noexcept {});
    server_ = Reactor::create(options, world_.make_reactor_io()).value();
    options.gather_for = gather_for;
    client_ = Reactor::create(options, world_.make_reactor_io()).value();
    world_.add(*server_);
    world_.add(*client_);
    ListenOptions listen;
    listen.on_open = Callback<Connection&>::to<&Feed::on_accepted>(*this);
    ConnectOptions connect{.url = "ws://" + server_->listen(listen).value().text() + "/"};
    connect.socket.receive_buffer_bytes = kSocket_bytes;
    EXPECT_TRUE(client_->connect(
        connect,
        {.on_message = Callback<Connection&, const Message&>::to<&Feed::on_message>(*this)}));
  }
  ~Feed() {
    client_.reset();
    server_.reset();
    EXPECT_TRUE(world_.violations().empty());
  }
  Feed(const Feed&) = delete;
  Feed& operator=(const Feed&) = delete;

  [[nodiscard]] bool run_until(std::uint64_t received) {
    return world_.run_until([&] { return received_ >= received; }, 60 * kSecond_ns);
  }
  void send_one() {
    sent_ns_ = world_.now_ns();
    ++messages_;
    pump(*accepted_);
  }
  [[nodiscard]] std::uint64_t turns() const { return client_->counters().turns; }
  [[nodiscard]] std::uint64_t wrong() const { return wrong_; }
  [[nodiscard]] Instant_ns last_took_ns() const { return received_ns_ - sent_ns_; }

 private:
  void on_accepted(Connection& connection) noexcept {
    accepted_ = &connection;
    EXPECT_TRUE(connection.on_written.add(
        Callback<Connection&, std::size_t, std::size_t>::to<&Feed::on_written>(*this)));
    pump(connection);
  }
  void on_written(Connection& connection, std::size_t, std::size_t unsent) noexcept {
    if (unsent == 0 && !pumping_) pump(connection);
  }
  void pump(Connection& connection) noexcept {
    pumping_ = true;
    while (sent_ < messages_ && connection.unsent_bytes() < 32'768) {
      std::string text = std::to_string(sent_++);
      text.resize(kMessage_bytes, '.');
      EXPECT_EQ(connection.send_text(text), Errc::ok);
    }
    pumping_ = false;
  }
  void on_message(Connection&, const Message& message) noexcept {
    if (!message.text().starts_with(std::to_string(received_) + '.')) ++wrong_;
    ++received_;
    received_ns_ = world_.now_ns();
  }

  std::uint64_t messages_;
  testing::SimWorld world_;
  std::unique_ptr<Reactor> server_;
  std::unique_ptr<Reactor> client_;
  Connection* accepted_ = nullptr;
  std::uint64_t sent_ = 0;
  std::uint64_t received_ = 0;
  std::uint64_t wrong_ = 0;
  Instant_ns sent_ns_ = 0;
  Instant_ns received_ns_ = 0;
  bool pumping_ = false;
};

TEST(Gather, a_stream_is_taken_in_fewer_turns_and_whole) {
  Feed at_once(std::chrono::nanoseconds(0));
  ASSERT_TRUE(at_once.run_until(kMessages));
  Feed gathering(kGather);
  ASSERT_TRUE(gathering.run_until(kMessages));
  EXPECT_EQ(at_once.wrong(), 0u);
  EXPECT_EQ(gathering.wrong(), 0u);
  std::printf("%llu turns at once, %llu gathering\n",
              static_cast<unsigned long long>(at_once.turns()),
              static_cast<unsigned long long>(gathering.turns()));
  EXPECT_LT(3 * gathering.turns(), 2 * at_once.turns());
}

TEST(Gather, a_message_alone_is_not_held_up) {
  Feed at_once(std::chrono::nanoseconds(0), 1);
  Feed gathering(kGather, 1);
  for (Feed* feed : {&at_once, &gathering}) ASSERT_TRUE(feed->run_until(1));
  for (std::uint64_t i = 2; i < 100; ++i) {
    for (Feed* feed : {&at_once, &gathering}) {
      feed->send_one();
      ASSERT_TRUE(feed->run_until(i));
      EXPECT_EQ(feed->wrong(), 0u);
    }
    EXPECT_EQ(gathering.last_took_ns(), at_once.last_took_ns());
  }
}

}  // namespace
}  // namespace zenwire
