// Replacing a connection make-before-break: what the consumer sees while it happens.

#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "session_fixture.hpp"

namespace zenwire {
namespace {

using namespace test;
using S = SessionState;
using O = RequestOutcome;
using Names = std::vector<std::string>;

class SessionRotation : public SessionTest {
 public:
  Session& open_with_streams(const Names& channels) {
    options_.streams_max = 4;
    options_.gate.held_bytes_max = 65536;
    options_.rotation.flow_timeout = seconds(2);
    options_.rotation.drain_timeout = seconds(20);
    open();
    for (const std::string& channel : channels) EXPECT_EQ(session_->subscribe(channel), Errc::ok);
    EXPECT_TRUE(until([&] { return news_.size() == channels.size(); }));
    return *session_;
  }
  // Publishes the next number of each channel every 100 us until `done`.
  template <typename Done>
  bool publish_until(const Names& channels, Done&& done) {
    return until([&] {
      if (world_.now_ns() >= publish_at_ns_) {
        publish_at_ns_ = world_.now_ns() + 100'000;
        for (const std::string& channel : channels) venue_->publish(channel, ++published_[channel]);
      }
      return done();
    });
  }
  // Every number of the channel once and in order, up to the last published.
  void expect_whole(const std::string& channel) {
    std::vector<std::uint64_t> got;
    for (const std::string& text : messages_) {
      if (text_between(text, R"("channel":")", "\"") == channel)
        got.push_back(static_cast<std::uint64_t>(number_after(text, R"("seq":)")));
    }
    ASSERT_EQ(got.size(), published_[channel]) << channel;
    for (std::uint64_t i = 0; i < got.size(); ++i) ASSERT_EQ(got[i], i + 1) << channel;
  }
  bool settled() { return !session_->rotating() && session_->is_open(); }

  std::map<std::string, std::uint64_t> published_;
  Instant_ns publish_at_ns_ = 0;
};

TEST_F(SessionRotation, keyed_messages_come_once_each_without_a_gap) {
  const Names channels = {"a", "b", "c"};
  open_with_streams(channels);
  for (std::uint64_t rotation = 1; rotation <= 20; ++rotation) {
    ASSERT_EQ(session_->rotate(), Errc::ok);
    EXPECT_EQ(session_->rotate(), Errc::session_busy);
    ASSERT_TRUE(publish_until(channels, [&] { return settled(); }));
    ASSERT_EQ(session_->counters().rotations, rotation);
    ASSERT_TRUE(until([&] { return venue_->clients.size() == 1; }));
  }
  run_for(kSecond);
  for (const std::string& channel : channels) expect_whole(channel);
  EXPECT_TRUE(gaps_.empty()) << gaps_.front();
  EXPECT_EQ(venue_->sends_refused, 0u);
  EXPECT_EQ(venue_->connections, 21u);
  EXPECT_EQ(count(Errc::ok, S::backoff) + count(Errc::connection_lost, S::backoff), 0u);
}

TEST_F(SessionRotation, the_session_stays_open_and_tells_both_lines) {
  open_with_streams({"a"});
  seen_.clear();
  ASSERT_EQ(session_->rotate(), Errc::ok);
  ASSERT_TRUE(publish_until({"a"}, [&] {
    EXPECT_TRUE(session_->is_open());
    return settled();
  }));
  EXPECT_EQ(states(true), (States{S::resolving, S::connecting, S::upgrading, S::authenticating,
                                  S::restoring, S::open, S::closing, S::stopped}));
  EXPECT_TRUE(states(false).empty());
  EXPECT_EQ(seen_.back().reason, Errc::rotated);
}

TEST_F(SessionRotation, a_quiet_stream_is_changed_over_after_the_flow_timeout) {
  open_with_streams({"a"});
  const Instant_ns began = world_.now_ns();
  ASSERT_EQ(session_->rotate(), Errc::ok);
  ASSERT_TRUE(until([&] { return settled(); }));
  EXPECT_EQ(session_->counters().rotations, 1u);
  EXPECT_GE(world_.now_ns() - began, 2 * kSecond);
  EXPECT_LT(world_.now_ns() - began, 4 * kSecond);
}

TEST_F(SessionRotation, requests_in_flight_stay_on_the_old_line_until_they_are_answered) {
  open_with_streams({"a"});
  EXPECT_EQ(request("hold", 10 * kSecond).code, Errc::ok);
  run_for(kSecond);
  const std::string held = venue_->orders.begin()->first;
  Connection* const old_line = venue_->clients[0].connection;
  ASSERT_EQ(session_->rotate(), Errc::ok);
  ASSERT_TRUE(publish_until({"a"}, [&] { return session_->counters().rotations == 1; }));
  EXPECT_EQ(request("order").code, Errc::ok) << "goes to the new one";
  ASSERT_TRUE(until([&] { return ends_.size() == 1; }));
  EXPECT_EQ(ends_, std::vector<O>{O::answered});
  EXPECT_EQ(venue_->clients.size(), 2u) << "the old one waits";
  ASSERT_EQ(old_line->send_text("{\"id\":" + held + ",\"result\":1}"), Errc::ok);
  ASSERT_TRUE(until([&] { return ends_.size() == 2; }));
  EXPECT_EQ(ends_.back(), O::answered);
  ASSERT_TRUE(until([&] { return settled() && venue_->clients.size() == 1; }));
}

TEST_F(SessionRotation, a_request_that_is_not_answered_ends_at_its_own_deadline_on_the_old_line) {
  open_with_streams({"a"});
  EXPECT_EQ(request("hold", 5 * kSecond).code, Errc::ok);
  ASSERT_EQ(session_->rotate(), Errc::ok);
  ASSERT_TRUE(until([&] { return settled(); }));
  EXPECT_EQ(ends_, std::vector<O>{O::timed_out});
}

TEST_F(SessionRotation, a_connection_of_age_is_replaced_by_itself) {
  options_.rotation.age_max = seconds(60);
  open_with_streams({"a"});
  ASSERT_TRUE(until([&] { return session_->counters().rotations == 3; }, 250 * kSecond));
  ASSERT_TRUE(until([&] { return settled(); }));
  EXPECT_EQ(venue_->connections, 4u);
  EXPECT_EQ(session_->counters().drops, 0u);
}

TEST_F(SessionRotation, when_the_new_line_cannot_come_up_the_old_one_goes_on) {
  open_with_streams({"a"});
  venue_->refuses_login = true;
  ASSERT_EQ(session_->rotate(), Errc::ok);
  ASSERT_TRUE(until([&] { return !session_->rotating(); }));
  EXPECT_TRUE(session_->is_open());
  EXPECT_EQ(session_->counters().rotations_failed, 1u);
  EXPECT_EQ(seen_.back().reason, Errc::login_refused);
  venue_->publish("a", ++published_["a"]);
  run_for(kSecond);
  expect_whole("a");
}

TEST_F(SessionRotation, a_channel_that_the_new_line_is_refused_is_not_lost) {
  open_with_streams({"a", "b"});
  venue_->rejected = {"b"};
  ASSERT_EQ(session_->rotate(), Errc::ok);
  ASSERT_TRUE(until([&] { return !session_->rotating(); }));
  EXPECT_TRUE(session_->is_open());
  EXPECT_EQ(session_->counters().rotations_failed, 1u);
  EXPECT_EQ(name(seen_.back().reason), name(Errc::subscription_rejected));
  venue_->publish("b", ++published_["b"]);
  run_for(kSecond);
  expect_whole("b");
}

TEST_F(SessionRotation, when_the_old_line_drops_meanwhile_the_new_one_is_the_reconnect) {
  open_with_streams({"a"});
  ASSERT_EQ(session_->rotate(), Errc::ok);
  ASSERT_TRUE(until([&] { return venue_->connections == 2; }));
  venue_->clients[0].connection->abort();
  ASSERT_TRUE(until([&] { return settled() && venue_->clients.size() == 1; }));
  EXPECT_EQ(venue_->connections, 2u) << "no third one";
  EXPECT_EQ(venue_->clients[0].channels, std::set<std::string>{"a"});
  venue_->publish("a", ++published_["a"]);
  run_for(kSecond);
  expect_whole("a");
}

TEST_F(SessionRotation, subscriptions_made_meanwhile_are_on_the_new_line_too) {
  open_with_streams({"a"});
  ASSERT_EQ(session_->rotate(), Errc::ok);
  ASSERT_TRUE(until([&] { return venue_->connections == 2; }));
  EXPECT_EQ(session_->subscribe("late"), Errc::ok);
  EXPECT_TRUE(session_->unsubscribe("a"));
  ASSERT_TRUE(until([&] { return settled(); }));
  run_for(kSecond);
  EXPECT_EQ(venue_->clients[0].channels, std::set<std::string>{"late"});
}

TEST_F(SessionRotation, messages_without_a_key_come_from_one_line_at_a_time) {
  options_.streams_max = 0;
  open();
  EXPECT_EQ(session_->subscribe("a"), Errc::ok);
  ASSERT_TRUE(until([&] { return news_.size() == 1; }));
  ASSERT_EQ(session_->rotate(), Errc::ok);
  ASSERT_TRUE(publish_until({"a"}, [&] { return settled(); }));
  EXPECT_GT(session_->counters().copies, 0u);
  std::uint64_t last = 0;
  for (const std::string& text : messages_) {
    const auto sequence = static_cast<std::uint64_t>(number_after(text, R"("seq":)"));
    EXPECT_GT(sequence, last);
    last = sequence;
  }
}

TEST_F(SessionRotation, stop_ends_both_lines) {
  open_with_streams({"a"});
  EXPECT_EQ(request("hold", 100 * kSecond).code, Errc::ok);
  ASSERT_EQ(session_->rotate(), Errc::ok);
  ASSERT_TRUE(until([&] { return session_->counters().rotations == 1; }));
  session_->stop(seconds(1));
  ASSERT_TRUE(until([&] { return stopped(); }, 3 * kSecond));
  EXPECT_EQ(ends_, std::vector<O>{O::unknown});
  EXPECT_TRUE(until([&] { return venue_->clients.empty(); }, 3 * kSecond));
}

}  // namespace
}  // namespace zenwire
