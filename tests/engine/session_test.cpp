// The life of a session: states, login, reconnecting, requests, heartbeats, the end. R0nn names the
// defect of zen_websocket that a test would have caught (docs/sessions.md lists them).

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "session_fixture.hpp"
#include "tls_files.hpp"

namespace zenwire {
namespace {

using namespace test;
using S = SessionState;
using O = RequestOutcome;
using Names = std::vector<std::string>;

// --- The way to open.

TEST_F(SessionTest, every_state_on_the_way_to_open_is_told_in_its_order) {
  make();
  EXPECT_EQ(session_->subscribe("a"), Errc::ok);
  session_->start();
  ASSERT_TRUE(until([&] { return session_->is_open(); }));
  EXPECT_EQ(states(), (States{S::resolving, S::connecting, S::upgrading, S::authenticating,
                              S::restoring, S::open}));
  EXPECT_EQ(venue_->logins, 1u);
  EXPECT_EQ(news_, Names{"+a"});
  stop();
  EXPECT_EQ(seen_[seen_.size() - 2].to, S::closing);
  EXPECT_EQ(seen_.back().to, S::stopped);
  EXPECT_EQ(seen_.back().reason, Errc::session_stopped);
}

TEST_F(SessionTest, over_tls_the_handshake_is_a_state_of_its_own) {
  venue_ = std::make_unique<Venue>(*server_, server_tls());
  const std::string port = std::to_string(venue_->port());
  options_.connect.url = "wss://localhost:" + port + "/";
  options_.connect.dial = "127.0.0.1:" + port;
  options_.connect.tls = client_tls();
  open();
  EXPECT_EQ(states(), (States{S::resolving, S::connecting, S::tls, S::upgrading, S::authenticating,
                              S::restoring, S::open}));
  stop();
}

TEST_F(SessionTest, without_a_dialect_it_is_open_when_it_is_connected) {
  open({});
  EXPECT_EQ(states(), (States{S::resolving, S::connecting, S::upgrading, S::restoring, S::open}));
  EXPECT_EQ(session_->subscribe("a"), Errc::invalid_option) << "it could not ask for it";
  venue_->send_all("hello");
  EXPECT_TRUE(until([&] { return messages_ == Names{"hello"}; }));
}

TEST_F(SessionTest, options_and_dialects_that_cannot_work_are_refused_by_name) {
  options_.connect.url = "http://x/";
  EXPECT_EQ(Session::create(*reactor_, options_).error().code(), Errc::url_scheme_unknown);
  options_.connect.url = venue_->url();
  options_.chunk_max = 0;
  EXPECT_EQ(Session::create(*reactor_, options_).error().detail(), "chunk_max");
  options_.chunk_max = 1;
  options_.heartbeat.kind = HeartbeatKind::text;
  EXPECT_EQ(Session::create(*reactor_, options_).error().code(), Errc::invalid_option);
}

// --- Login.

// A failed login looked like success.
TEST_F(SessionTest, R021_a_refused_login_stops_the_session_and_says_so) {
  venue_->refuses_login = true;
  make();
  session_->start();
  ASSERT_TRUE(until([&] { return stopped(); }));
  EXPECT_EQ(session_->last_error().code(), Errc::login_refused);
  EXPECT_EQ(session_->counters().attempts, 1u);
  EXPECT_EQ(count(Errc::ok, S::open), 0u);
  EXPECT_FALSE(explain(session_->last_error()).suggestion.empty());
}

TEST_F(SessionTest, a_login_without_an_answer_is_tried_again_on_a_new_connection) {
  venue_->ignores_login = true;
  make();
  session_->start();
  ASSERT_TRUE(until([&] { return venue_->logins == 3; }));
  EXPECT_EQ(count(Errc::login_timeout, S::backoff), 2u);
  venue_->ignores_login = false;
  EXPECT_TRUE(until([&] { return session_->is_open(); }));
}

TEST_F(SessionTest, nothing_is_subscribed_before_the_login_is_answered) {
  venue_->ignores_login = true;
  make();
  EXPECT_EQ(session_->subscribe("a"), Errc::ok);
  session_->start();
  ASSERT_TRUE(until([&] { return venue_->logins == 2; }));
  EXPECT_TRUE(venue_->chunk_sizes.empty());
}

Dialect renewing_dialect() {
  Dialect dialect = test_dialect();
  dialect.write_renewal = dialect.write_login;
  dialect.read_login = {[](void*, const RequestEnd&, LoginAnswer& answer) noexcept {
                          answer.renew_after = seconds(60);
                        },
                        nullptr};
  return dialect;
}

TEST_F(SessionTest, a_login_is_renewed_before_it_expires_without_leaving_open) {
  open(renewing_dialect());
  run_for(150 * kSecond);
  EXPECT_EQ(venue_->logins, 3u);
  EXPECT_EQ(venue_->connections, 1u);
  EXPECT_TRUE(session_->is_open());
}

// --- Reconnecting.

// One close caused two reconnects, and the timer of one attempt killed the next.
TEST_F(SessionTest, R015_one_drop_is_one_reconnect) {
  options_.reconnect.stable_after = seconds(1);
  open();
  for (std::uint64_t drops = 1; drops <= 20; ++drops) {
    run_for(10 * kSecond);
    venue_->drop_all();
    ASSERT_TRUE(until([&] { return session_->counters().restores == drops + 1; }));
    EXPECT_EQ(venue_->connections, drops + 1);
    EXPECT_EQ(session_->counters().attempts, drops + 1);
  }
}

TEST_F(SessionTest, the_first_retry_after_an_established_drop_is_immediate) {
  open();
  run_for(20 * kSecond);
  venue_->drop_all();
  ASSERT_TRUE(until([&] { return session_->counters().restores == 2; }));
  for (const Seen& seen : seen_) {
    if (seen.to != S::backoff) continue;
    EXPECT_EQ(seen.wait_ns, 0u);
    EXPECT_EQ(seen.retry, 1u);
    EXPECT_EQ(seen.reason, Errc::connection_lost);
  }
}

// 4,160 reconnects in 2 s.
TEST_F(SessionTest, R033_a_server_that_upgrades_and_drops_at_once_sees_what_the_backoff_allows) {
  venue_->drops_at_open = true;
  make();
  session_->start();
  run_for(10 * kSecond);
  // One, one at once, then after 100, 200, 400, 800, 800, ... ms: 4 in the first 700 ms, then one
  // every 800 ms, which leaves 11 for the rest, and the one under way.
  EXPECT_LE(venue_->connections, 17u);
  EXPECT_GE(venue_->connections, 14u);
  EXPECT_EQ(session_->counters().attempts, venue_->connections);
}

// Endless retries at 1/timeout Hz without any backoff.
TEST_F(SessionTest, R014_a_server_that_never_answers_the_upgrade_is_backed_off_from) {
  testing::SimPeer silent(world_);
  options_.connect.url = "ws://" + silent.listen().text() + "/";
  options_.connect.deadlines.upgrade = milliseconds(500);
  options_.reconnect.retries_max = 3;
  make();
  session_->start();
  ASSERT_TRUE(until([&] { return stopped(); }));
  EXPECT_EQ(session_->counters().attempts, 4u);
  EXPECT_EQ(session_->last_error().code(), Errc::reconnects_exhausted);
  EXPECT_EQ(session_->last_error().detail(), "upgrade_timeout");
  std::vector<std::uint64_t> waits;
  for (const Seen& seen : seen_)
    if (seen.to == S::backoff) waits.push_back(seen.wait_ns / kMillisecond);
  EXPECT_EQ(waits, (std::vector<std::uint64_t>{100, 200, 400}));
}

TEST_F(SessionTest, attempts_are_counted_exactly) {
  struct Row {
    std::uint32_t retries_max;
    std::uint64_t attempts;
  };
  options_.connect.url = "ws://127.0.0.1:1/";
  for (const Row& row : {Row{0, 1}, Row{1, 2}, Row{2, 3}, Row{7, 8}}) {
    options_.reconnect.retries_max = row.retries_max;
    make();
    session_->start();
    ASSERT_TRUE(until([&] { return stopped(); }));
    EXPECT_EQ(session_->counters().attempts, row.attempts);
    EXPECT_EQ(session_->last_error().detail(), "connect_refused");
  }
  options_.reconnect.retries_max = kRetriesUnlimited;
  make();
  session_->start();
  run_for(100 * kSecond);
  EXPECT_EQ(session_->state(), S::backoff);
  EXPECT_GT(session_->counters().attempts, 100u);
}

// A bad host blocked for 8 s and reported a generic error.
TEST_F(SessionTest, R016_the_real_reason_is_told_at_once) {
  options_.connect.url = "ws://no.such.host/";
  options_.reconnect.retries_max = 0;
  make();
  session_->start();
  ASSERT_TRUE(until([&] { return stopped(); }, 2 * kSecond));
  EXPECT_EQ(session_->last_error().detail(), "name_not_resolved");
}

TEST_F(SessionTest, each_attempt_begins_with_another_of_the_resolved_addresses) {
  const Address one = *Address::from_literal("10.0.0.1", 0);
  const Address two = *Address::from_literal("10.0.0.2", 0);
  world_.add_host("venue.example", {one, two});
  options_.connect.url = "ws://venue.example:1/";
  make();
  session_->start();
  run_for(3 * kSecond);
  EXPECT_GE(session_->counters().attempts, 4u);
  // An attempt tries all of them; the one that it began with is the other than it ended with.
  std::size_t number = 0;
  for (const Seen& seen : seen_) {
    if (seen.to != S::backoff) continue;
    const char* const last = number++ % 2 == 0 ? "10.0.0.2" : "10.0.0.1";
    EXPECT_NE(seen.detail.find(last), std::string::npos) << seen.detail;
  }
}

std::string status_line(const std::string& status) {
  return "HTTP/1.1 " + status + "\r\nContent-Length: 0\r\n\r\n";
}

// A 401 was reported as a timeout, and a 429 that asked for 60 s was retried 3 times in 308 ms.
TEST_F(SessionTest, R034_what_the_server_answers_to_the_upgrade_decides) {
  struct Row {
    const char* answer;
    Errc error;
    bool fatal;
    std::uint64_t wait_ms;
  };
  const Row rows[] = {
      {"401 Unauthorized", Errc::http_unauthorized, true, 0},
      {"403 Forbidden", Errc::http_forbidden, true, 0},
      {"404 Not Found", Errc::http_status, true, 0},
      {"502 Bad Gateway", Errc::http_status, false, 100},
      {"429 Too Many Requests\r\nRetry-After: 60", Errc::http_too_many_requests, false, 60'000},
      {"503 Service Unavailable\r\nRetry-After: 5", Errc::http_service_unavailable, false, 5'000},
  };
  for (const Row& row : rows) {
    testing::SimPeer peer(world_);
    options_.connect.url = "ws://" + peer.listen().text() + "/";
    seen_.clear();
    make();
    session_->start();
    ASSERT_TRUE(until([&] { return peer.accept(); }));
    ASSERT_TRUE(until([&] { return peer.read().ends_with("\r\n\r\n"); }));
    peer.write(status_line(row.answer));
    ASSERT_TRUE(until([&] { return stopped() || session_->state() == S::backoff; })) << row.answer;
    EXPECT_EQ(seen_.back().to, row.fatal ? S::stopped : S::backoff) << row.answer;
    EXPECT_EQ(seen_.back().reason, row.error) << row.answer;
    EXPECT_EQ(seen_.back().wait_ns, row.wait_ms * kMillisecond) << row.answer;
    if (!row.fatal) stop();
  }
}

// An empty ping, an empty pong and a close without a code ended the client for good.
TEST_F(SessionTest, R031_empty_control_frames_are_no_errors) {
  testing::SimPeer peer(world_);
  options_.connect.url = "ws://" + peer.listen().text() + "/";
  make({});
  session_->start();
  ASSERT_TRUE(until([&] { return peer.accept(); }));
  ASSERT_TRUE(until([&] { return pump(peer), peer.answer_upgrade(); }));
  ASSERT_TRUE(until([&] { return pump(peer), session_->is_open(); }));
  peer.write(std::string("\x89\x00\x8a\x00\x81\x02ok", 8));
  ASSERT_TRUE(until([&] { return pump(peer), messages_ == Names{"ok"}; }));
  EXPECT_TRUE(session_->is_open());
  peer.write(std::string("\x88\x00", 2));
  peer.finish();
  ASSERT_TRUE(until([&] { return pump(peer), count(Errc::closed_by_peer, S::backoff) == 1; }));
}

// A fatal frame error was silent.
TEST_F(SessionTest, R005_a_broken_frame_is_told_and_reconnected_after) {
  testing::SimPeer peer(world_);
  options_.connect.url = "ws://" + peer.listen().text() + "/";
  make({});
  session_->start();
  ASSERT_TRUE(until([&] { return peer.accept(); }));
  ASSERT_TRUE(until([&] { return pump(peer), peer.answer_upgrade(); }));
  ASSERT_TRUE(until([&] { return pump(peer), session_->is_open(); }));
  peer.write("\xf1\x01x");
  ASSERT_TRUE(until([&] {
    pump(peer);
    if (peer.ended()) peer.finish();
    return count(Errc::frame_reserved_bits, S::backoff) == 1;
  }));
}

// An explicit reconnect lost headers, timeouts, handlers and subscriptions.
TEST_F(SessionTest, R008_an_explicit_reconnect_keeps_everything) {
  open();
  EXPECT_EQ(session_->subscribe("a", {}), Errc::ok);
  ASSERT_TRUE(until([&] { return news_.size() == 1; }));
  EXPECT_EQ(session_->reconnect(), Errc::ok);
  EXPECT_EQ(session_->reconnect(), Errc::ok) << "twice in a turn is one";
  ASSERT_TRUE(until([&] { return session_->counters().restores == 2; }));
  EXPECT_EQ(venue_->connections, 2u);
  venue_->publish("a", 1);
  EXPECT_TRUE(until([&] { return messages_.size() == 1; }));
}

// One dead endpoint took every other client with it.
TEST_F(SessionTest, R037_a_session_that_gives_up_disturbs_no_other) {
  open();
  SessionOptions dead = options_;
  dead.connect.url = "ws://127.0.0.1:1/";
  dead.reconnect.retries_max = 5;
  auto other = Session::create(*reactor_, dead).value();
  other->start();
  ASSERT_TRUE(until([&] { return other->state() == S::stopped; }));
  EXPECT_EQ(other->last_error().code(), Errc::reconnects_exhausted);
  EXPECT_TRUE(session_->is_open());
  EXPECT_EQ(venue_->connections, 1u);
  other->start();
  ASSERT_TRUE(until([&] { return other->state() == S::stopped; }));
  EXPECT_EQ(other->counters().attempts, 12u) << "start() begins anew";
}

TEST_F(SessionTest, a_session_can_be_started_again_after_it_stopped) {
  open();
  EXPECT_EQ(session_->subscribe("a"), Errc::ok);
  ASSERT_TRUE(until([&] { return news_.size() == 1; }));
  stop();
  session_->start();
  ASSERT_TRUE(until([&] { return session_->is_open(); }));
  EXPECT_EQ(news_, (Names{"+a", "+a"}));
}

// --- Subscriptions.

TEST_F(SessionTest, R022_subscriptions_are_restored_after_every_drop_and_acknowledged) {
  options_.reconnect.stable_after = seconds(0);
  open();
  for (const char* channel : {"a", "b", "c"}) EXPECT_EQ(session_->subscribe(channel), Errc::ok);
  ASSERT_TRUE(until([&] { return news_.size() == 3; }));
  for (std::uint64_t drops = 1; drops <= 5; ++drops) {
    venue_->drop_all();
    ASSERT_TRUE(until([&] { return session_->counters().restores == drops + 1; }));
    EXPECT_EQ(venue_->clients[0].channels, (std::set<std::string>{"a", "b", "c"}));
    EXPECT_EQ(session_->subscriptions().active_count(0), 3u);
  }
}

TEST_F(SessionTest, R023_what_was_unsubscribed_is_not_restored) {
  open();
  EXPECT_EQ(session_->subscribe("a"), Errc::ok);
  EXPECT_EQ(session_->subscribe("b"), Errc::ok);
  ASSERT_TRUE(until([&] { return news_.size() == 2; }));
  EXPECT_TRUE(session_->unsubscribe("a"));
  ASSERT_TRUE(until([&] { return news_.back() == "-a"; }));
  venue_->drop_all();
  ASSERT_TRUE(until([&] { return session_->counters().restores == 2; }));
  EXPECT_EQ(venue_->clients[0].channels, std::set<std::string>{"b"});
}

TEST_F(SessionTest, a_rejected_channel_is_reported_once_and_not_restored) {
  venue_->rejected = {"bad"};
  make();
  EXPECT_EQ(session_->subscribe("good"), Errc::ok);
  EXPECT_EQ(session_->subscribe("bad"), Errc::ok);
  session_->start();
  ASSERT_TRUE(until([&] { return session_->is_open(); }));
  EXPECT_EQ(news_, (Names{"+good", "!bad"}));
  venue_->drop_all();
  ASSERT_TRUE(until([&] { return session_->counters().restores == 2; }));
  EXPECT_EQ(news_, (Names{"+good", "!bad", "+good"}));
}

// Tried again at the pace of any failure: the options are to be changed.
TEST_F(SessionTest, a_login_that_does_not_fit_into_its_room_is_told_by_name) {
  options_.draft_bytes_max = 16;
  make();
  session_->start();
  ASSERT_TRUE(until([&] { return count(Errc::draft_too_long, S::backoff) == 2; }));
  EXPECT_EQ(venue_->logins, 0u);
}

TEST_F(SessionTest, a_chunk_of_channels_that_does_not_fit_into_its_room_is_told_by_name) {
  options_.draft_bytes_max = 256;
  options_.chunk_max = 50;
  make();
  for (int i = 0; i < 50; ++i)
    EXPECT_EQ(session_->subscribe("channel." + std::to_string(i)), Errc::ok);
  session_->start();
  ASSERT_TRUE(until([&] { return count(Errc::draft_too_long, S::backoff) == 2; }));
  EXPECT_EQ(venue_->logins, 2u);
  EXPECT_TRUE(venue_->chunk_sizes.empty());
}

TEST_F(SessionTest, a_restore_goes_in_chunks_at_the_pace_that_was_set) {
  options_.chunk_max = 50;
  options_.chunk_interval = milliseconds(100);
  make();
  for (int i = 0; i < 120; ++i)
    EXPECT_EQ(session_->subscribe("channel." + std::to_string(i)), Errc::ok);
  session_->start();
  const Instant_ns began = world_.now_ns();
  ASSERT_TRUE(until([&] { return session_->is_open(); }));
  EXPECT_EQ(venue_->chunk_sizes, (std::vector<std::size_t>{50, 50, 20}));
  EXPECT_GE(world_.now_ns() - began, 200 * kMillisecond);
  EXPECT_EQ(session_->subscriptions().active_count(0), 120u);
}

TEST_F(SessionTest, a_restore_keeps_to_the_rate_limiter) {
  const std::array<BucketSpec, 1> buckets = {BucketSpec{
      .name = "credits", .credits_max = 2, .refill_credits = 1, .refill_period_ns = kSecond}};
  const std::array<MethodRule, 1> rules = {MethodRule{.pattern = "*", .credits = {1}}};
  const MethodTable methods;
  const auto limiter =
      RateLimiter::create({"test", buckets, rules}, methods, reactor_->now_ns()).value();
  options_.chunk_max = 10;
  options_.limiter = limiter.get();
  make();
  for (int i = 0; i < 60; ++i) EXPECT_EQ(session_->subscribe(std::to_string(i)), Errc::ok);
  const Instant_ns began = world_.now_ns();
  session_->start();
  ASSERT_TRUE(until([&] { return session_->is_open(); }));
  // The login and one chunk at once, the other five a second apart.
  EXPECT_GE(world_.now_ns() - began, 5 * kSecond);
  EXPECT_LE(world_.now_ns() - began, 6 * kSecond);
  EXPECT_EQ(session_->subscriptions().active_count(0), 60u);
  stop();
  session_.reset();
}

TEST_F(SessionTest, a_subscription_without_an_answer_ends_the_connection_and_is_asked_again) {
  venue_->ignores_subscriptions = true;
  options_.acknowledge_timeout = seconds(2);
  make();
  EXPECT_EQ(session_->subscribe("a"), Errc::ok);
  session_->start();
  ASSERT_TRUE(until([&] { return count(Errc::subscription_timeout, S::backoff) == 2; }));
  EXPECT_FALSE(session_->is_open()) << "open means that every subscription is there";
  venue_->ignores_subscriptions = false;
  ASSERT_TRUE(until([&] { return session_->is_open(); }));
  EXPECT_EQ(news_, Names{"+a"});
}

TEST_F(SessionTest, without_restore_a_new_connection_starts_with_no_subscription) {
  options_.restore_subscriptions = false;
  make();
  EXPECT_EQ(session_->subscribe("a"), Errc::ok);
  session_->start();
  ASSERT_TRUE(until([&] { return session_->is_open(); }));
  EXPECT_EQ(news_, Names{"+a"});
  venue_->drop_all();
  ASSERT_TRUE(until([&] { return session_->counters().restores == 2; }));
  EXPECT_TRUE(venue_->clients[0].channels.empty());
}

// --- Data.

// Every frame was delivered twice; and subscription data never reached the handler.
TEST_F(SessionTest, R003_R004_data_reaches_its_channel_and_the_session_once_each) {
  open();
  EXPECT_EQ(
      session_->subscribe("a", SubscriptionRegistry::Handler::to<&SessionTest::on_book>(*this)),
      Errc::ok);
  EXPECT_EQ(session_->subscribe("b"), Errc::ok);
  ASSERT_TRUE(until([&] { return news_.size() == 2; }));
  venue_->publish("a", 1);
  venue_->publish("b", 1);
  venue_->send_all("[1]");
  ASSERT_TRUE(until([&] { return messages_.size() == 3; }));
  EXPECT_EQ(book_, Names{messages_[0]});
  EXPECT_EQ(messages_[2], "[1]");
}

// Without a handler everything was thrown away, and nothing said so.
TEST_F(SessionTest, R040_data_without_any_handler_is_counted) {
  auto bare = Session::create(*reactor_, options_, test_dialect()).value();
  bare->start();
  ASSERT_TRUE(until([&] { return bare->is_open(); }));
  venue_->send_all("x");
  ASSERT_TRUE(until([&] { return bare->counters().messages == 1; }));
  bare->stop();
  ASSERT_TRUE(until([&] { return bare->state() == S::stopped; }));
}

TEST_F(SessionTest, what_was_lost_between_two_connections_is_a_gap) {
  options_.streams_max = 4;
  options_.gate.held_bytes_max = 65536;
  open();
  EXPECT_EQ(session_->subscribe("a"), Errc::ok);
  ASSERT_TRUE(until([&] { return news_.size() == 1; }));
  venue_->publish("a", 1);
  venue_->publish("a", 2);
  ASSERT_TRUE(until([&] { return messages_.size() == 2; }));
  venue_->drop_all();
  ASSERT_TRUE(until([&] { return session_->counters().restores == 2; }));
  venue_->publish("a", 6);
  ASSERT_TRUE(until([&] { return messages_.size() == 3; }));
  EXPECT_EQ(gaps_, Names{"a:3-5"});
}

// --- Requests.

TEST_F(SessionTest, R032_a_request_is_answered_however_long_it_takes_within_its_own_deadline) {
  open();
  EXPECT_EQ(request("order").code, Errc::ok);
  ASSERT_TRUE(until([&] { return ends_.size() == 1; }));
  EXPECT_EQ(ends_[0], O::answered);
  const Instant_ns began = world_.now_ns();
  EXPECT_EQ(request("hold", 30 * kSecond).code, Errc::ok);
  ASSERT_TRUE(until([&] { return ends_.size() == 2; }));
  EXPECT_EQ(ends_[1], O::timed_out);
  EXPECT_GE(world_.now_ns() - began, 30 * kSecond);
}

TEST_F(SessionTest, requests_are_refused_while_there_is_no_open_connection) {
  make();
  EXPECT_EQ(request("order").code, Errc::session_not_open);
  session_->start();
  EXPECT_EQ(request("order").code, Errc::session_not_open);
  ASSERT_TRUE(until([&] { return session_->is_open(); }));
  EXPECT_EQ(request("hold").code, Errc::ok);
  session_->stop(seconds(1));
  EXPECT_EQ(request("order").code, Errc::session_stopped);
}

// Callers hung for up to 30 s after a drop.
TEST_F(SessionTest, R010_a_drop_ends_every_pending_request_at_once) {
  open();
  for (int i = 0; i < 5; ++i) EXPECT_EQ(request("hold", 30 * kSecond).code, Errc::ok);
  ASSERT_TRUE(until([&] { return venue_->orders.size() == 5; }));
  const Instant_ns began = world_.now_ns();
  venue_->drop_all();
  ASSERT_TRUE(until([&] { return ends_.size() == 5; }));
  EXPECT_LT(world_.now_ns() - began, kSecond);
  for (const O outcome : ends_) EXPECT_EQ(outcome, O::unknown) << "the server may have acted";
  ASSERT_TRUE(until([&] { return session_->counters().restores == 2; }));
  run_for(60 * kSecond);
  EXPECT_EQ(ends_.size(), 5u) << "once";
  for (const auto& [id, times] : venue_->orders) EXPECT_EQ(times, 1) << "never sent twice: " << id;
}

// The timer of an old request timed out a new one with the same id.
TEST_F(SessionTest, R011_an_id_used_again_after_a_drop_has_its_own_deadline) {
  open();
  const auto same_id = [&](Instant_ns timeout_ns) {
    return session_
        ->request({.id = RequestId("same"),
                   .deadline_ns = reactor_->now_ns() + timeout_ns,
                   .on_end = Callback<const RequestEnd&>::to<&SessionTest::on_end>(*this)},
                  as_bytes(R"({"id":"same","method":"hold"})"))
        .code;
  };
  EXPECT_EQ(same_id(5 * kSecond), Errc::ok);
  venue_->drop_all();
  ASSERT_TRUE(until([&] { return session_->counters().restores == 2; }));
  EXPECT_EQ(same_id(60 * kSecond), Errc::ok);
  run_for(30 * kSecond);
  EXPECT_EQ(ends_.size(), 1u);
}

// The second request with a live id stole the first one's place.
TEST_F(SessionTest, R012_a_duplicate_live_id_is_refused_and_nothing_is_sent) {
  open();
  const auto send = [&] {
    return session_
        ->request({.id = RequestId("twin"),
                   .on_end = Callback<const RequestEnd&>::to<&SessionTest::on_end>(*this)},
                  as_bytes(R"({"id":"twin","method":"hold"})"))
        .code;
  };
  EXPECT_EQ(send(), Errc::ok);
  EXPECT_EQ(send(), Errc::request_id_in_use);
  run_for(kSecond);
  EXPECT_EQ(venue_->orders["\"twin\""], 1);
}

TEST_F(SessionTest, stop_waits_for_answers_and_ends_what_is_left_at_its_deadline) {
  open();
  EXPECT_EQ(request("order").code, Errc::ok);
  EXPECT_EQ(request("hold", kSecond * 100).code, Errc::ok);
  const Instant_ns began = world_.now_ns();
  session_->stop(seconds(2));
  EXPECT_EQ(session_->state(), S::closing);
  ASSERT_TRUE(until([&] { return stopped(); }));
  EXPECT_EQ(ends_, (std::vector<O>{O::answered, O::unknown}));
  EXPECT_GE(world_.now_ns() - began, 2 * kSecond);
  EXPECT_LT(world_.now_ns() - began, 3 * kSecond);
}

TEST_F(SessionTest, stop_ends_it_from_every_state) {
  for (const S at : {S::resolving, S::connecting, S::upgrading, S::authenticating, S::restoring,
                     S::open, S::backoff}) {
    venue_->ignores_login = at == S::authenticating;
    venue_->ignores_subscriptions = at == S::restoring;
    options_.connect.url = at == S::backoff ? "ws://127.0.0.1:1/" : venue_->url();
    make();
    EXPECT_EQ(session_->subscribe("a"), Errc::ok);
    session_->start();
    ASSERT_TRUE(until([&] { return session_->state() == at; })) << name(at);
    session_->stop(seconds(1));
    ASSERT_TRUE(until([&] { return stopped(); }, 3 * kSecond)) << name(at);
    EXPECT_EQ(session_->last_error().code(), Errc::session_stopped);
    EXPECT_EQ(session_->requests().waiting(), 0u);
    session_.reset();
  }
}

TEST_F(SessionTest, stop_from_within_the_end_of_a_request_is_the_end) {
  open();
  struct Stopper {
    Session& session;
    int ends = 0;
    void on_end(const RequestEnd&) noexcept {
      ++ends;
      session.stop(seconds(0));
    }
  } stopper{*session_};
  for (const char* id : {"1000001", "1000002"}) {
    const std::string text = std::string("{\"id\":") + id + R"(,"method":"hold"})";
    ASSERT_EQ(session_
                  ->request({.id = RequestId(std::int64_t{std::atoi(id)}),
                             .on_end = Callback<const RequestEnd&>::to<&Stopper::on_end>(stopper)},
                            as_bytes(text))
                  .code,
              Errc::ok);
  }
  venue_->drop_all();
  ASSERT_TRUE(until([&] { return stopped(); }));
  run_for(10 * kSecond);
  EXPECT_EQ(stopper.ends, 2);
  EXPECT_TRUE(stopped());
  EXPECT_EQ(venue_->connections, 1u);
}

TEST_F(SessionTest, stop_and_start_from_within_a_state_handler_are_obeyed) {
  make();
  struct Stopper {
    int backoffs = 0;
    void on_state(Session& session, const SessionTransition& at) noexcept {
      if (at.to != S::backoff || ++backoffs > 1) return;
      session.stop(seconds(0));
      session.start();
    }
  } stopper;
  static_cast<void>(session_->on_state.add(
      Callback<Session&, const SessionTransition&>::to<&Stopper::on_state>(stopper)));
  session_->start();
  ASSERT_TRUE(until([&] { return session_->is_open(); }));
  venue_->drop_all();
  ASSERT_TRUE(until([&] { return session_->counters().restores == 2; }));
  run_for(10 * kSecond);
  EXPECT_EQ(venue_->connections, 2u);
  EXPECT_EQ(stopper.backoffs, 1);
}

// --- Heartbeats.

TEST_F(SessionTest, a_ping_gives_the_true_round_trip_time) {
  options_.heartbeat = {.kind = HeartbeatKind::ping, .interval = seconds(1)};
  open();
  run_for(10 * kSecond);
  EXPECT_GE(session_->heartbeat().answered, 9u);
  EXPECT_EQ(session_->heartbeat().missed, 0u);
  EXPECT_GT(session_->heartbeat().round_trip_ns, 0u);
  EXPECT_LT(session_->heartbeat().round_trip_ns, 100 * kMillisecond);
  EXPECT_EQ(session_->latency().round_trip.count(), session_->heartbeat().answered);
}

// 28 pongs were missed in 1.5 s, and it stayed connected.
TEST_F(SessionTest, R038_missed_heartbeats_end_the_connection_reconnect_and_say_so) {
  options_.heartbeat = {.kind = HeartbeatKind::text, .interval = seconds(1), .missed_max = 3};
  open();
  venue_->ignores_everything = true;
  ASSERT_TRUE(until([&] { return count(Errc::heartbeat_missed, S::backoff) == 1; }, 6 * kSecond));
  EXPECT_EQ(session_->counters().missed_limits, 1u);
  venue_->ignores_everything = false;
  ASSERT_TRUE(until([&] { return session_->is_open(); }));
  run_for(20 * kSecond);
  EXPECT_EQ(session_->counters().missed_limits, 1u);
  EXPECT_TRUE(messages_.empty()) << "pongs are not data";
}

TEST_F(SessionTest, silence_ends_the_connection_at_the_idle_timeout) {
  options_.heartbeat.idle_timeout = seconds(10);
  open();
  const Instant_ns began = world_.now_ns();
  ASSERT_TRUE(until([&] { return count(Errc::idle_timeout, S::backoff) == 1; }));
  EXPECT_GE(world_.now_ns() - began, 10 * kSecond);
  EXPECT_LE(world_.now_ns() - began, 13 * kSecond);
}

TEST_F(SessionTest, the_clocks_stop_while_the_user_withholds_reading) {
  options_.heartbeat = {.kind = HeartbeatKind::ping,
                        .interval = seconds(1),
                        .missed_max = 2,
                        .idle_timeout = seconds(3)};
  open();
  session_->connection()->pause();
  run_for(60 * kSecond);
  EXPECT_EQ(venue_->connections, 1u);
  EXPECT_TRUE(session_->is_open());
  session_->connection()->resume();
  run_for(60 * kSecond);
  EXPECT_EQ(venue_->connections, 1u);
}

// Binance.
TEST_F(SessionTest, the_servers_pings_are_its_beats_and_their_end_is_noticed) {
  testing::SimPeer peer(world_);
  options_.connect.url = "ws://" + peer.listen().text() + "/";
  options_.heartbeat = {.kind = HeartbeatKind::server, .interval = seconds(20), .missed_max = 2};
  make({});
  session_->start();
  ASSERT_TRUE(until([&] { return peer.accept(); }));
  ASSERT_TRUE(until([&] { return pump(peer), peer.answer_upgrade(); }));
  for (int beat = 0; beat < 10; ++beat) {
    peer.write(std::string("\x89\x02hi", 4));
    EXPECT_FALSE(until([&] { return pump(peer), false; }, 15 * kSecond));
    EXPECT_TRUE(session_->is_open()) << beat;
  }
  EXPECT_EQ(session_->heartbeat().answered, 10u);
  ASSERT_TRUE(until([&] { return pump(peer), count(Errc::heartbeat_missed, S::backoff) == 1; },
                    70 * kSecond));
}

TEST_F(SessionTest, a_heartbeat_request_is_answered_at_once_and_is_no_data) {
  options_.heartbeat = {.kind = HeartbeatKind::server, .interval = seconds(10), .missed_max = 2};
  venue_->keeps = true;
  open();
  for (std::uint64_t i = 1; i <= 5; ++i) {
    venue_->send_all("test");
    ASSERT_TRUE(until([&] { return venue_->orders.size() == i; }));
    run_for(5 * kSecond);
  }
  EXPECT_EQ(session_->counters().beats_answered, 5u);
  EXPECT_TRUE(messages_.empty()) << "neither the request nor the answer to ours";
  EXPECT_TRUE(session_->is_open());
  ASSERT_TRUE(until([&] { return count(Errc::heartbeat_missed, S::backoff) == 1; }, 40 * kSecond));
}

// --- The reactor's end, in whatever state it finds a session.

// It stayed in backoff for ever, and its destructor ended the process.
TEST_F(SessionTest, the_reactors_end_stops_a_session_in_backoff) {
  venue_->drops_at_open = true;
  make();
  session_->start();
  ASSERT_TRUE(until([&] { return session_->state() == S::backoff && seen_.back().wait_ns > 0; }));
  reactor_->stop();
  EXPECT_TRUE(until([&] { return stopped(); }, kSecond));
  EXPECT_EQ(seen_.back().reason, Errc::reactor_stopping);
}

// A connection younger than `stable_after` led into backoff too.
TEST_F(SessionTest, the_reactors_end_stops_an_open_session_that_was_dropped_before) {
  options_.reconnect.stable_after = seconds(60);
  open();
  ASSERT_EQ(session_->reconnect(), Errc::ok);
  ASSERT_TRUE(until([&] { return session_->counters().opens == 2 && session_->is_open(); }));
  reactor_->stop();
  EXPECT_TRUE(until([&] { return stopped(); }));
  const States last = states();
  EXPECT_EQ(States(last.end() - 2, last.end()), (States{S::closing, S::stopped}));
  EXPECT_EQ(seen_.back().reason, Errc::reactor_stopping);
}

class SessionAtTheEnd : public SessionTest, public ::testing::WithParamInterface<SessionState> {};

TEST_P(SessionAtTheEnd, is_stopped) {
  make();
  session_->start();
  ASSERT_TRUE(until([&] { return !seen_.empty() && session_->state() >= GetParam(); }));
  reactor_->stop();
  EXPECT_TRUE(until([&] { return stopped(); }));
  EXPECT_EQ(seen_.back().reason, Errc::reactor_stopping);
  session_->start();
  EXPECT_TRUE(until([&] { return stopped(); })) << "it is over";
}
INSTANTIATE_TEST_SUITE_P(States, SessionAtTheEnd,
                         ::testing::Values(S::resolving, S::connecting, S::upgrading,
                                           S::authenticating, S::open),
                         [](const auto& at) { return std::string(name(at.param)); });

}  // namespace
}  // namespace zenwire
