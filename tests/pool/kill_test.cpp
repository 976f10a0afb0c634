// Orders through a pool of four connections that are killed at random, from either side, while
// some stall with unread orders in their buffers. Every order must be acknowledged, refused or
// told as unknown or not sent, exactly once; and the server, which counts, must not have seen one
// twice. ZENWIRE_KILL_SECONDS=60 runs it longer.

#include <atomic>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include <zenwire/pool/lines.hpp>
#include <zenwire/pool/pool.hpp>
#include <zenwire/testing/random.hpp>

#include "loop.hpp"
#include "seed.hpp"

namespace zenwire {
namespace {

using namespace std::chrono_literals;

constexpr MemberIndex kLines = 4;
constexpr std::uint32_t kInFlight_max = 64;
constexpr std::uint64_t kIds_max = std::uint64_t{1} << 24;
constexpr Instant_ns kMillisecond_ns = 1'000'000;

std::chrono::seconds run_time() {
  const char* const seconds = std::getenv("ZENWIRE_KILL_SECONDS");
  return std::chrono::seconds(seconds != nullptr ? std::atoi(seconds) : 10);
}

// The number in "order 17 ...", "ack 17", "no 17".
std::uint64_t number_in(std::string_view text) {
  const std::string_view rest = text.substr(text.find(' ') + 1);
  std::uint64_t number = 0;
  std::from_chars(rest.data(), rest.data() + rest.size(), number);
  return number;
}

// Counts orders, answers them, and now and then stalls or kills the connection they came on.
class Venue {
 public:
  explicit Venue(std::uint64_t seed)
      : reactor_(test::make_reactor()),
        random_(seed),
        seen_(kIds_max),
        resume_(Callback<Timer&>::to<&Venue::on_resume>(*this)) {
    ListenOptions options;
    options.on_open = Callback<Connection&>::to<&Venue::on_open>(*this);
    options.socket.receive_buffer_bytes = 4096;
    port_ = reactor_->listen(options).value().port();
    thread_ = std::thread([this] { static_cast<void>(reactor_->run()); });
  }
  ~Venue() { stop(); }
  void stop() {
    if (!thread_.joinable()) return;
    reactor_->stop(0s);
    thread_.join();
    reactor_->cancel(resume_);
  }
  [[nodiscard]] std::string url() const { return "ws://127.0.0.1:" + std::to_string(port_) + "/"; }
  // After stop().
  [[nodiscard]] int seen(std::uint64_t id) const { return seen_[id]; }
  [[nodiscard]] int kills() const { return kills_; }

 private:
  void on_open(Connection& connection) noexcept {
    ASSERT_TRUE(connection.on_message.add(
        Callback<Connection&, const Message&>::to<&Venue::on_message>(*this)));
  }
  void on_message(Connection& connection, const Message& message) noexcept {
    const std::uint64_t id = number_in(message.text());
    ++seen_[id];
    const std::string answer = (id % 10 == 0 ? "no " : "ack ") + std::to_string(id);
    if (random_.chance_ppm(1'000)) {  // before or behind the answer
      if (random_.chance_ppm(500'000)) static_cast<void>(connection.send_text(answer));
      ++kills_;
      return connection.abort();
    }
    static_cast<void>(connection.send_text(answer));
    if (!random_.chance_ppm(1'000) || resume_.armed()) return;
    stalled_ = connection.id();
    connection.pause();
    reactor_->arm(resume_, reactor_->now_ns() + random_.between(1, 20) * kMillisecond_ns);
  }
  // A stall ends, or ends with the connection.
  void on_resume(Timer&) noexcept {
    Connection* const connection = reactor_->find(stalled_);
    if (connection == nullptr) return;
    if (!random_.chance_ppm(500'000)) return connection->resume();
    ++kills_;
    connection->abort();
  }

  std::unique_ptr<Reactor> reactor_;
  testing::Random random_;
  std::vector<std::uint8_t> seen_;
  int kills_ = 0;
  ConnectionId stalled_;
  Timer resume_;
  std::uint16_t port_ = 0;
  std::thread thread_;
};

enum class End : std::uint8_t { none, acknowledged, refused, unknown, not_sent, timed_out };

class Trader {
 public:
  Trader(Venue& venue, std::uint64_t seed)
      : reactor_(test::make_reactor()), random_(seed), ends_(kIds_max), padding_(2000, ' ') {
    PoolOptions options{.members = kLines, .request_timeout = 5s, .hedge_after = 5ms};
    options.ejection.base = 20ms;
    pool_ = Pool::make(options, Callback<const RequestNews&>::to<&Trader::hear>(*this)).value();
    LinesOptions line_options{.reconnect_after = 1ms, .stable_after = 1ms, .ping_every = 100ms};
    line_options.circuit.open_for = 5ms;
    lines_ = std::make_unique<Lines>(
        *reactor_, pool_.get(), nullptr, line_options,
        LineHooks{.on_connect = {[](void* self, MemberIndex member, Connection& connection) {
                                   static_cast<Trader*>(self)->listen_to(member, connection);
                                 },
                                 this}});
    for (MemberIndex member = 0; member < kLines; ++member) {
      receivers_[member] = {this, member};
      ConnectOptions connect{.url = venue.url()};
      connect.socket.send_buffer_bytes = 4096;
      EXPECT_EQ(lines_->add(connect).value(), member);
    }
  }

  void run(std::chrono::seconds time) {
    const auto until = std::chrono::steady_clock::now() + time;
    while (std::chrono::steady_clock::now() < until && next_ < kIds_max) {
      send_some();
      reactor_->poll(true);
      if (random_.chance_ppm(500)) kill_one();
    }
    ASSERT_TRUE(test::run_until(*reactor_, [this] { return pool_->under_way() == 0; }));
  }
  void stop() {
    reactor_->stop(0s);
    while (reactor_->poll(true)) {
    }
  }

  [[nodiscard]] std::uint64_t sent() const { return next_ - 1; }
  [[nodiscard]] End end_of(std::uint64_t id) const { return ends_[id]; }
  [[nodiscard]] int ended_twice() const { return ended_twice_; }
  [[nodiscard]] int kills() const { return kills_; }
  [[nodiscard]] const Pool& pool() const { return *pool_; }

 private:
  struct Receiver {
    Trader* owner = nullptr;
    MemberIndex member = 0;
    void on_message(Connection&, const Message& message) noexcept {
      owner->answered(member, message.text());
    }
  };

  void listen_to(MemberIndex member, Connection& connection) {
    ASSERT_TRUE(connection.on_message.add(
        Callback<Connection&, const Message&>::to<&Receiver::on_message>(receivers_[member])));
  }
  // One in eight may be sent twice. Some are long, so that they wait in buffers.
  void send_some() {
    while (pool_->under_way() < kInFlight_max && next_ < kIds_max) {
      std::string order = "order " + std::to_string(next_) + " ";
      if (random_.chance_ppm(300'000)) order += padding_;
      const PoolRequest request{.id = next_,
                                .payload = as_bytes(order),
                                .idempotent = next_ % 8 == 0,
                                .sticky_key = 1 + random_.below(100)};
      if (pool_->send_balanced(request, reactor_->now_ns()) != Errc::ok) return;
      ++next_;
    }
  }
  void kill_one() {
    Connection* const connection =
        lines_->connection(static_cast<MemberIndex>(random_.below(kLines)));
    if (connection == nullptr) return;
    ++kills_;
    connection->abort();
  }
  void answered(MemberIndex member, std::string_view text) noexcept {
    const std::uint64_t id = number_in(text);
    const bool ok = text.starts_with("ack");
    if (pool_->complete(member, id, true, reactor_->now_ns()))
      end(id, ok ? End::acknowledged : End::refused);
  }
  void hear(const RequestNews& news) noexcept {
    switch (news.kind) {
      case RequestNews::Kind::not_sent: return end(news.id, End::not_sent);
      case RequestNews::Kind::outcome_unknown: return end(news.id, End::unknown);
      case RequestNews::Kind::timed_out: return end(news.id, End::timed_out);
      default: return;
    }
  }
  void end(std::uint64_t id, End how) noexcept {
    if (ends_[id] != End::none) ++ended_twice_;
    ends_[id] = how;
  }

  std::unique_ptr<Reactor> reactor_;
  testing::Random random_;
  std::vector<End> ends_;
  std::string padding_;
  std::unique_ptr<Pool> pool_;
  std::unique_ptr<Lines> lines_;
  std::array<Receiver, kLines> receivers_{};
  std::uint64_t next_ = 1;
  int ended_twice_ = 0;
  int kills_ = 0;
};

TEST(PoolKill, no_order_is_lost_untold_or_delivered_twice) {
  const std::uint64_t seed = test::seed();
  SCOPED_TRACE("seed " + std::to_string(seed));
  Venue venue(seed);
  Trader trader(venue, seed + 1);
  trader.run(run_time());
  trader.stop();
  venue.stop();
  std::map<End, std::uint64_t> count;
  for (std::uint64_t id = 1; id <= trader.sent(); ++id) {
    const End how = trader.end_of(id);
    ++count[how];
    const bool idempotent = id % 8 == 0;
    ASSERT_NE(how, End::none) << "order " << id;
    ASSERT_LE(venue.seen(id), idempotent ? 2 : 1) << "order " << id;
    const bool answered = how == End::acknowledged || how == End::refused;
    ASSERT_TRUE(!answered || venue.seen(id) >= 1) << "order " << id;
    ASSERT_TRUE(how != End::not_sent || venue.seen(id) == 0) << "order " << id;
    ASSERT_TRUE(!answered || (id % 10 == 0) == (how == End::refused)) << "order " << id;
  }
  EXPECT_EQ(trader.ended_twice(), 0);
  // It was a storm.
  EXPECT_GT(trader.kills() + venue.kills(), 10);
  EXPECT_GT(count[End::unknown], 0u);
  const PoolCounters& counters = trader.pool().counters();
  std::printf(
      "%lu orders, %d kills: %lu acknowledged, %lu refused, %lu unknown, %lu not sent, %lu timed "
      "out; %lu moved, %lu resent, %lu hedged, %lu failovers\n",
      trader.sent(), trader.kills() + venue.kills(), count[End::acknowledged], count[End::refused],
      count[End::unknown], count[End::not_sent], count[End::timed_out], counters.moved,
      counters.resent, counters.hedged, counters.failovers);
}

}  // namespace
}  // namespace zenwire
