#pragma once

// A venue, a session and all that the session tells, in a simulated world: two reactors, one
// thread, virtual time.

#include <array>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <zenwire/engine/session.hpp>
#include <zenwire/testing/sim_peer.hpp>
#include <zenwire/testing/sim_world.hpp>

#include "test_venue.hpp"

namespace zenwire::test {

using std::chrono::milliseconds;
using std::chrono::seconds;
using States = std::vector<SessionState>;

constexpr Instant_ns kMillisecond = 1'000'000;
constexpr Instant_ns kSecond = 1'000 * kMillisecond;

inline std::unique_ptr<Reactor> make_sim_reactor(testing::SimWorld& world) {
  ReactorOptions options;
  options.idle = Idle::block;
  options.prefault = false;
  options.connections_max = 16;
  options.receive_buffer_bytes = 16384;
  options.send_buffer_bytes = 16384;
  options.large_buffers = 1;
  options.message_bytes_max = 1 << 20;
  options.log = Callback<std::string_view>([](void*, std::string_view) noexcept {});
  auto reactor = Reactor::create(options, world.make_reactor_io()).value();
  world.add(*reactor);
  return reactor;
}

struct Seen {
  SessionState from;
  SessionState to;
  Errc reason;
  bool second_line;
  std::uint32_t retry;
  std::uint64_t wait_ns;
  std::string detail;
};

// Lets a scripted peer take what has come and send what it has to.
inline void pump(testing::SimPeer& peer) {
  static_cast<void>(peer.read());
}

// A venue, a session, and all that the session tells.
class SessionTest : public ::testing::Test {
 public:
  void SetUp() override {
    server_ = make_sim_reactor(world_);
    reactor_ = make_sim_reactor(world_);
    venue_ = std::make_unique<Venue>(*server_);
    options_.connect.url = venue_->url();
    options_.connect.limits.message_bytes_max = 1 << 20;
    options_.reconnect.base = milliseconds(100);
    options_.reconnect.cap = milliseconds(800);
  }
  void TearDown() override {
    if (session_ != nullptr) stop();
    session_.reset();
    for (auto* reactor : {&reactor_, &server_}) {
      world_.remove(**reactor);
      reactor->reset();
    }
    EXPECT_TRUE(world_.violations().empty()) << world_.violations().front();
  }

  Session& make(const Dialect& dialect = test_dialect()) {
    options_.connect.limits.message_bytes_max = 1 << 20;
    auto made = Session::create(*reactor_, options_, dialect);
    if (!made) {
      ADD_FAILURE() << name(made.error().code()) << ": " << made.error().detail();
      std::abort();
    }
    session_ = std::move(*made);
    static_cast<void>(session_->on_state.add(
        Callback<Session&, const SessionTransition&>::to<&SessionTest::on_state>(*this)));
    static_cast<void>(session_->on_message.add(
        Callback<Session&, const Message&>::to<&SessionTest::on_message>(*this)));
    static_cast<void>(session_->on_subscription.add(
        Callback<Session&, const SubscriptionNews&>::to<&SessionTest::on_subscription>(*this)));
    static_cast<void>(session_->on_gap.add(
        Callback<Session&, const StreamGap&>::to<&SessionTest::on_gap>(*this)));
    return *session_;
  }
  Session& open(const Dialect& dialect = test_dialect()) {
    make(dialect);
    session_->start();
    EXPECT_TRUE(until([&] { return session_->is_open(); }));
    return *session_;
  }
  void stop() {
    session_->stop(milliseconds(500));
    EXPECT_TRUE(until([&] { return stopped(); }));
  }
  bool stopped() { return session_->state() == SessionState::stopped && !session_->rotating(); }
  template <typename Done>
  bool until(Done&& done, Instant_ns limit_ns = 120 * kSecond) {
    return world_.run_until(done, limit_ns);
  }
  void run_for(Instant_ns duration_ns) {
    EXPECT_FALSE(until([] { return false; }, duration_ns));
  }

  void on_state(Session&, const SessionTransition& at) noexcept {
    seen_.push_back({at.from, at.to, at.reason.code(), at.second_line, at.retry, at.wait_ns,
                     std::string(at.reason.detail())});
  }
  void on_message(Session&, const Message& message) noexcept {
    messages_.emplace_back(message.text());
  }
  void on_subscription(Session&, const SubscriptionNews& news) noexcept {
    const char* kinds[] = {"+", "!", "-"};
    news_.push_back(kinds[static_cast<int>(news.kind)] + std::string(news.channel));
  }
  void on_gap(Session&, const StreamGap& gap) noexcept {
    gaps_.push_back(std::string(gap.channel) + ":" + std::to_string(gap.gap.from) + "-" +
                    std::to_string(gap.gap.to));
  }
  void on_end(const RequestEnd& end) noexcept { ends_.push_back(end.outcome); }
  void on_book(Session&, const Message& message) noexcept { book_.emplace_back(message.text()); }

  States states(bool second_line = false) const {
    States states;
    for (const Seen& seen : seen_)
      if (seen.second_line == second_line) states.push_back(seen.to);
    return states;
  }
  RequestBegun request(const std::string& method, Instant_ns timeout_ns = 5 * kSecond) {
    const std::int64_t id = session_->next_id();
    const std::string text = "{\"id\":" + std::to_string(id) + ",\"method\":\"" + method + "\"}";
    return session_->request(
        {.id = RequestId(id),
         .deadline_ns = reactor_->now_ns() + timeout_ns,
         .on_end = Callback<const RequestEnd&>::to<&SessionTest::on_end>(*this)},
        as_bytes(text));
  }
  std::size_t count(Errc reason, SessionState to) const {
    std::size_t found = 0;
    for (const Seen& seen : seen_) found += seen.to == to && seen.reason == reason ? 1U : 0U;
    return found;
  }

  testing::SimWorld world_{1};
  std::unique_ptr<Reactor> server_;
  std::unique_ptr<Reactor> reactor_;
  std::unique_ptr<Venue> venue_;
  SessionOptions options_;
  std::unique_ptr<Session> session_;
  std::vector<Seen> seen_;
  std::vector<std::string> messages_;
  std::vector<std::string> news_;
  std::vector<std::string> gaps_;
  std::vector<std::string> book_;
  std::vector<RequestOutcome> ends_;
};

}  // namespace zenwire::test
