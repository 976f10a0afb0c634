// 10,000 drops at random points of a session's life, in simulated worlds: no subscription lost, no
// reconnect too many, every request ended once and truly, every message once and in order or in a
// gap, and no allocation on the reactor's thread.

#include <array>
#include <cstdlib>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <zenwire/engine/session.hpp>
#include <zenwire/testing/random.hpp>
#include <zenwire/testing/sim_world.hpp>

#include "allocation_counter.hpp"
#include "sanitized.hpp"
#include "session_fixture.hpp"
#include "test_venue.hpp"
#include "uncounted_io.hpp"

namespace zenwire {
namespace {

using test::kMillisecond;
using test::kSecond;

constexpr std::uint64_t kDrops = test::kSanitized ? 2'000 : 10'000;
constexpr std::uint64_t kDropsPerWorld = 250;
constexpr std::size_t kChannels = 12;
constexpr std::size_t kRequests_max = 40'000;

// What the session's user sees, kept without an allocation.
struct User {
  struct Asked {
    std::uint8_t ends = 0;
    RequestOutcome outcome = RequestOutcome::unknown;
  };

  void on_state(Session&, const SessionTransition& at) noexcept {
    if (at.second_line) return;
    backoffs += at.to == SessionState::backoff ? 1U : 0U;
    dials += at.to == SessionState::resolving ? 1U : 0U;
  }
  void on_end(const RequestEnd& end) noexcept {
    Asked& asked = requests[static_cast<std::size_t>(end.id.integer()) % kRequests_max];
    ++asked.ends;
    asked.outcome = end.outcome;
  }
  // Channels are "0" to "11".
  void on_message(Session&, const Message& message) noexcept {
    const std::string_view text = message.text();
    if (!text.starts_with(R"({"method":"data")")) return;
    const auto channel = static_cast<std::size_t>(test::number_after(text, R"("channel":")"));
    const auto sequence = static_cast<std::uint64_t>(test::number_after(text, R"("seq":)"));
    std::uint64_t& next = expected[channel];
    if (next != 0 && sequence != next) ++out_of_order;
    next = sequence + 1;
    ++delivered;
  }
  void on_gap(Session&, const StreamGap& gap) noexcept {
    std::size_t channel = 0;
    for (const char digit : gap.channel)
      channel = channel * 10 + static_cast<std::size_t>(digit - '0');
    if (expected[channel] != gap.gap.from) ++out_of_order;
    expected[channel] = gap.gap.to + 1;
    missing += gap.gap.to - gap.gap.from + 1;
  }

  std::vector<Asked> requests = std::vector<Asked>(kRequests_max);
  std::array<std::uint64_t, kChannels> expected{};
  std::uint64_t out_of_order = 0;
  std::uint64_t delivered = 0;
  std::uint64_t missing = 0;
  std::uint64_t backoffs = 0;
  std::uint64_t dials = 0;
};

class World {
 public:
  explicit World(std::uint64_t seed) : random_(seed), world_(seed, faults_of(random_)) {
    server_ = test::make_sim_reactor(world_);
    venue_ = std::make_unique<test::Venue>(*server_);
    ReactorOptions options;
    options.idle = Idle::block;
    options.prefault = false;
    options.connections_max = 4;
    options.receive_buffer_bytes = options.send_buffer_bytes = 16384;
    options.large_buffers = 1;
    options.message_bytes_max = 1 << 20;
    options.log = Callback<std::string_view>([](void*, std::string_view) noexcept {});
    auto io = std::make_unique<test::UncountedIo>(world_.make_io(), inside_);
    auto setup_io = std::make_unique<test::UncountedIo>(world_.make_io(), inside_);
    reactor_ = Reactor::create(options, {std::move(io), std::move(setup_io), false}).value();
    world_.add(Callback<>::to<&World::turn>(*this));
    make_session();
  }
  ~World() {
    session_.reset();
    world_.remove(*server_);
    server_.reset();
    reactor_.reset();
  }
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  // Until so many drops have happened.
  std::uint64_t run() {
    session_->start();
    const Instant_ns limit = world_.now_ns() + 3'600 * kSecond;
    while (drops() < kDropsPerWorld && world_.now_ns() < limit) {
      disturb();
      world_.step();
      check();
    }
    return drops();
  }

  void finish() {
    world_.heal();
    venue_->drops_at_open = false;
    ASSERT_TRUE(world_.run_until(
        [&] {
          return session_->is_open() && !session_->rotating() && venue_->clients.size() == 1 &&
                 session_->subscriptions().queued_count(line()) == 0 &&
                 session_->subscriptions().asked_count(line()) == 0;
        },
        300 * kSecond));
    EXPECT_EQ(venue_->clients[0].channels, wanted_) << "a subscription was lost";
    session_->stop(std::chrono::seconds(2));
    ASSERT_TRUE(world_.run_until(
        [&] { return session_->state() == SessionState::stopped && !session_->rotating(); },
        60 * kSecond));
    check_requests();
    EXPECT_EQ(user_.out_of_order, 0u);
    EXPECT_GT(user_.delivered, 1000u);
    // Each end of a connection or an attempt is followed by one attempt; a second line that took
    // the first one's place was one already.
    EXPECT_EQ(user_.dials, user_.backoffs + 1);
    EXPECT_EQ(allocated_, 0u);
    EXPECT_TRUE(world_.violations().empty()) << world_.violations().front();
  }

 private:
  // Mild faults: it is the drops that are to be many, and connections must live for a while.
  static testing::SimFaults faults_of(testing::Random& random) {
    testing::SimFaults faults;
    faults.reset = static_cast<std::uint32_t>(random.below(2000));
    faults.refuse = static_cast<std::uint32_t>(random.below(100'000));
    faults.split = static_cast<std::uint32_t>(random.below(300'000));
    faults.short_read = static_cast<std::uint32_t>(random.below(100'000));
    faults.short_write = static_cast<std::uint32_t>(random.below(100'000));
    faults.late_outcome = static_cast<std::uint32_t>(random.below(50'000));
    faults.miss_cancel = static_cast<std::uint32_t>(random.below(300'000));
    faults.lost_settle = static_cast<std::uint32_t>(random.below(500));
    return faults;
  }

  void make_session() {
    SessionOptions options;
    options.connect.url = venue_->url();
    options.connect.limits.message_bytes_max = 1 << 20;
    options.reconnect.base = std::chrono::milliseconds(1);
    options.reconnect.cap = std::chrono::milliseconds(20);
    options.reconnect.stable_after = std::chrono::milliseconds(50);
    options.reconnect.jitter_permille = 500;
    options.reconnect.jitter_seed = random_.next();
    options.heartbeat = {
        .kind = HeartbeatKind::ping, .interval = std::chrono::milliseconds(200), .missed_max = 2};
    options.rotation.flow_timeout = std::chrono::milliseconds(20);
    options.rotation.drain_timeout = std::chrono::milliseconds(200);
    options.login_timeout = options.acknowledge_timeout = std::chrono::seconds(1);
    options.chunk_max = 5;
    options.channels_max = 32;
    options.requests.requests_max = 256;
    options.requests.late_for_ns = kSecond;
    options.streams_max = kChannels;
    options.gate.held_bytes_max = 32768;
    options.gate.held_max = 64;
    options.gate.window = 256;
    options.gate.contents = 16;
    session_ = Session::create(*reactor_, options, test::test_dialect()).value();
    static_cast<void>(session_->on_state.add(
        Callback<Session&, const SessionTransition&>::to<&User::on_state>(user_)));
    static_cast<void>(
        session_->on_message.add(Callback<Session&, const Message&>::to<&User::on_message>(user_)));
    static_cast<void>(
        session_->on_gap.add(Callback<Session&, const StreamGap&>::to<&User::on_gap>(user_)));
  }

  // The client's turn, with its books of allocations.
  void turn() noexcept {
    reactor_->step_setup(true);
    const std::uint64_t inside = inside_;
    const test::AllocationScope scope;
    static_cast<void>(reactor_->poll(true));
    allocated_ += scope.count() - (inside_ - inside);
  }

  [[nodiscard]] std::uint64_t drops() const { return user_.backoffs; }
  [[nodiscard]] std::size_t line() const {
    return session_->subscriptions().active_count(1) > 0 ? 1 : 0;
  }

  // What the venue, the network and the user do at random.
  void disturb() {
    if (random_.below(400) == 0) venue_->drop_all();
    if (random_.below(400) == 0 && !venue_->clients.empty())
      venue_->clients[random_.below(venue_->clients.size())].connection->abort();
    if (random_.below(200) == 0) venue_->drops_at_open = random_.below(4) == 0;
    if (random_.below(600) == 0) session_->rotate();
    const std::size_t number = random_.below(kChannels);
    const std::string name = std::to_string(number);
    if (random_.below(40) == 0) {
      // Its gate went with the channel: the next message is the first.
      if (session_->subscriptions().find(name) == kNoChannel) user_.expected[number] = 0;
      EXPECT_EQ(session_->subscribe(name), Errc::ok);
      wanted_.insert(name);
    }
    if (random_.below(120) == 0 && session_->unsubscribe(name)) wanted_.erase(name);
    if (random_.below(4) == 0) {
      const std::size_t channel = random_.below(kChannels);
      venue_->publish(std::to_string(channel), ++published_[channel]);
    }
    if (random_.below(10) == 0) request();
  }

  void request() {
    if (!session_->is_open()) return;
    const std::int64_t id = session_->next_id();
    if (static_cast<std::size_t>(id) >= kRequests_max) return;
    const std::string text = "{\"id\":" + std::to_string(id) + ",\"method\":\"" +
                             (random_.below(4) == 0 ? "hold" : "order") + "\"}";
    const auto begun =
        session_->request({.id = RequestId(id),
                           .deadline_ns = reactor_->now_ns() + random_.below(100 * kMillisecond),
                           .on_end = Callback<const RequestEnd&>::to<&User::on_end>(user_)},
                          as_bytes(text));
    if (begun.code == Errc::ok) asked_.push_back(id);
  }

  // Always: one connection, two while it rotates. The venue sees an end later than the session, so
  // it is the session's side that is looked at.
  void check() {
    const std::uint32_t most = session_->rotating() ? 2 : 1;
    if (reactor_->connections_open() > most) ++too_many_;
    ASSERT_EQ(too_many_, 0u) << "a duplicate reconnect";
    session_->subscriptions().invariants();
  }

  void check_requests() {
    EXPECT_GT(asked_.size(), 200u);
    for (const std::int64_t id : asked_) {
      const User::Asked& asked = user_.requests[static_cast<std::size_t>(id)];
      ASSERT_EQ(asked.ends, 1u) << "request " << id;
      const auto seen = venue_->orders.find(std::to_string(id));
      const int times = seen == venue_->orders.end() ? 0 : seen->second;
      ASSERT_LE(times, 1) << "request " << id << " was sent twice";
      if (asked.outcome == RequestOutcome::answered) {
        ASSERT_EQ(times, 1);
      }
      if (asked.outcome == RequestOutcome::not_sent) {
        ASSERT_EQ(times, 0) << "request " << id << " was sent, and said not to be";
      }
    }
  }

  testing::Random random_;
  testing::SimWorld world_;
  std::unique_ptr<Reactor> server_;
  std::unique_ptr<test::Venue> venue_;
  std::unique_ptr<Reactor> reactor_;
  std::unique_ptr<Session> session_;
  User user_;
  std::set<std::string> wanted_;
  std::array<std::uint64_t, kChannels> published_{};
  std::vector<std::int64_t> asked_;
  std::uint64_t inside_ = 0;
  std::uint64_t allocated_ = 0;
  std::uint64_t too_many_ = 0;
};

TEST(SessionDrops, ten_thousand_at_random_points_lose_nothing) {
  const char* const given = std::getenv("ZENWIRE_SEED");
  std::uint64_t seed = given != nullptr ? std::strtoull(given, nullptr, 10) : 1;
  for (std::uint64_t drops = 0; drops < kDrops; ++seed) {
    SCOPED_TRACE("ZENWIRE_SEED=" + std::to_string(seed));
    World world(seed);
    const std::uint64_t more = world.run();
    if (HasFatalFailure()) return;
    world.finish();
    ASSERT_GE(more, kDropsPerWorld);
    if (HasFailure() || given != nullptr) return;
    drops += more;
  }
}

}  // namespace
}  // namespace zenwire
