// RequestTable: each request ends once and in the right way, whatever happens in between; checked
// by a table of cases, by the bugs that others had, and against a model.

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include <allocation_counter.hpp>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <zenwire/engine/request_table.hpp>
#include <zenwire/testing/random.hpp>

#include "open_connection.hpp"

namespace zenwire {
namespace {

using test::OpenConnection;
using testing::Random;
using enum RequestOutcome;

constexpr ConnectionId kFirst{0, 1};
constexpr ConnectionId kSecond{1, 2};

struct Ended {
  RequestId id;
  RequestOutcome outcome;
  bool late;
  std::string answer;
  std::uint64_t round_trip_ticks;
};

class RequestTableTest : public ::testing::Test {
 protected:
  void on_end(const RequestEnd& end) noexcept {
    ended.push_back(
        {end.id, end.outcome, end.late, std::string(as_text(end.answer)), end.round_trip_ticks});
  }
  Request request(RequestId id, Instant_ns deadline_ns = kNever_ns) {
    return {id, MethodId::other, deadline_ns,
            Callback<const RequestEnd&>::to<&RequestTableTest::on_end>(*this)};
  }
  RequestBegun begin(RequestId id, Instant_ns deadline_ns = kNever_ns,
                     ConnectionId connection = kFirst, std::uint64_t stream_bytes = 0) {
    return table.begin(request(id, deadline_ns), {connection, stream_bytes, 100});
  }
  AnswerMatch receive(std::string_view message, ConnectionId connection = kFirst) {
    return table.receive(connection, as_bytes(message), 150);
  }
  void listen_to_late_answers() {
    table.on_late = Callback<const RequestEnd&>::to<&RequestTableTest::on_end>(*this);
  }
  ~RequestTableTest() override { table.end_all(Errc::reactor_stopping); }

  RequestTable table{{.requests_max = 4, .late_for_ns = 1'000}};
  std::vector<Ended> ended;
};

TEST_F(RequestTableTest, an_answer_ends_its_request) {
  ASSERT_EQ(begin(1).code, Errc::ok);
  ASSERT_EQ(begin("two").code, Errc::ok);
  EXPECT_EQ(table.waiting(), 2u);
  EXPECT_EQ(receive(R"({"jsonrpc":"2.0","result":"x","id":"two"})"), AnswerMatch::answered);
  EXPECT_EQ(receive(R"({"jsonrpc":"2.0","id":1,"error":{"code":13004}})"), AnswerMatch::answered);
  ASSERT_EQ(ended.size(), 2u);
  EXPECT_EQ(ended[0].id, RequestId("two"));
  EXPECT_EQ(ended[0].outcome, answered);
  EXPECT_EQ(ended[0].round_trip_ticks, 50u);
  // Inventory, section 24, number 21: a failed login looked like success.
  EXPECT_EQ(ended[1].outcome, refused);
  EXPECT_EQ(table.waiting(), 0u);
  EXPECT_EQ(table.round_trips(MethodId::other).count(), 2u);
}

// Inventory, section 6: anything with a top-level id was taken for an answer.
TEST_F(RequestTableTest, what_is_nobodys_answer_is_data) {
  ASSERT_EQ(begin(1).code, Errc::ok);
  for (const char* data :
       {R"({"id":2,"price":10})", R"({"method":"subscription","params":{"id":1}})",
        R"({"id":1,"method":"heartbeat"})", R"({"id":1.0,"result":1})", R"({"id":"1","result":1})",
        R"([{"id":1,"result":1}])", "not JSON", "", "1"}) {
    EXPECT_EQ(receive(data), AnswerMatch::none) << data;
  }
  EXPECT_EQ(receive(R"({"id":1,"result":1})", kSecond), AnswerMatch::none);
  EXPECT_TRUE(ended.empty());
  EXPECT_EQ(table.counters().unmatched_ids, 3u);
}

TEST_F(RequestTableTest, ids_of_every_kind_are_told_apart) {
  const std::string longest(RequestId::kText_bytes_max, 'x');
  RequestTable wide({.requests_max = 16});
  const RequestId ids[] = {0, -1, INT64_MAX, INT64_MIN, "0", "a\"b", "é", longest};
  for (const RequestId& id : ids) ASSERT_EQ(wide.begin(request(id), {kFirst}).code, Errc::ok);
  for (const char* message :
       {R"({"id":0,"result":1})", R"({"id":-1,"result":1})",
        R"({"id":9223372036854775807,"result":1})", R"({"id":-9223372036854775808,"result":1})",
        R"({"id":"0","result":1})", R"({"id":"a\"b","result":1})",
        R"({"id":"\u00e9","result":1})"}) {
    EXPECT_EQ(wide.receive(kFirst, as_bytes(message), 0), AnswerMatch::answered) << message;
  }
  const std::string last = "{\"id\":\"" + longest + "\",\"result\":1}";
  EXPECT_EQ(wide.receive(kFirst, as_bytes(last), 0), AnswerMatch::answered);
  for (std::size_t i = 0; i < std::size(ids); ++i) EXPECT_EQ(ended[i].id, ids[i]) << i;
}

TEST_F(RequestTableTest, an_id_that_is_none_is_refused) {
  EXPECT_EQ(begin(RequestId()).code, Errc::request_id_invalid);
  EXPECT_EQ(begin("").code, Errc::request_id_invalid);
  EXPECT_EQ(begin(std::string(48, 'x')).code, Errc::request_id_invalid);
}

// Inventory, section 24, number 12: the second request stole the first's answer.
TEST_F(RequestTableTest, a_live_id_is_refused_and_the_first_request_keeps_its_answer) {
  const RequestHandle first = begin(1, 500).handle;
  EXPECT_EQ(begin(1).code, Errc::request_id_in_use);
  EXPECT_EQ(begin(1, kNever_ns, kSecond).code, Errc::request_id_in_use);
  EXPECT_TRUE(table.is_waiting(first));
  EXPECT_EQ(table.next_deadline_ns(), 500u);
  EXPECT_EQ(receive(R"({"id":1,"result":1})"), AnswerMatch::answered);
  ASSERT_EQ(ended.size(), 1u);
  EXPECT_EQ(table.counters().duplicates_refused, 2u);
}

TEST_F(RequestTableTest, a_deadline_ends_it_and_not_before) {
  ASSERT_EQ(begin(1, 500).code, Errc::ok);
  EXPECT_EQ(table.expire(499), 0u);
  EXPECT_TRUE(ended.empty());
  EXPECT_EQ(table.expire(500), 1u);
  ASSERT_EQ(ended.size(), 1u);
  EXPECT_EQ(ended[0].outcome, timed_out);
  EXPECT_EQ(table.waiting(), 0u);
}

// Inventory, section 9: one time-out per connection, cut off at five seconds.
TEST_F(RequestTableTest, each_request_has_a_deadline_of_its_own) {
  ASSERT_EQ(begin(1, 30'000'000'000).code, Errc::ok);
  ASSERT_EQ(begin(2, 100).code, Errc::ok);
  ASSERT_EQ(begin(3).code, Errc::ok);
  table.expire(29'999'999'999);
  ASSERT_EQ(ended.size(), 1u);
  EXPECT_EQ(ended[0].id, RequestId(2));
  EXPECT_EQ(receive(R"({"id":3,"result":1})"), AnswerMatch::answered);
  table.expire(30'000'000'000);
  EXPECT_EQ(ended.back().id, RequestId(1));
}

// Inventory, section 24, number 11: an old timer timed out a new request with the same id.
TEST_F(RequestTableTest, an_old_deadline_does_not_end_a_new_request_with_the_same_id) {
  ASSERT_EQ(begin(1, 500).code, Errc::ok);
  ASSERT_EQ(receive(R"({"id":1,"result":1})"), AnswerMatch::answered);
  const RequestHandle second = begin(1, 900).handle;
  table.expire(500);
  EXPECT_TRUE(table.is_waiting(second));
  EXPECT_EQ(ended.size(), 1u);
}

TEST_F(RequestTableTest, a_late_answer_is_delivered_as_such_once) {
  listen_to_late_answers();
  ASSERT_EQ(begin(1, 500).code, Errc::ok);
  table.expire(500);
  EXPECT_EQ(receive(R"({"id":1,"result":7})"), AnswerMatch::late);
  EXPECT_EQ(receive(R"({"id":1,"result":7})"), AnswerMatch::none);
  ASSERT_EQ(ended.size(), 2u);
  EXPECT_EQ(ended[1].outcome, answered);
  EXPECT_TRUE(ended[1].late);
  EXPECT_EQ(ended[1].answer, R"({"id":1,"result":7})");
  EXPECT_EQ(table.counters().late_answers, 1u);
}

TEST_F(RequestTableTest, a_late_answer_without_a_listener_is_data_and_counted) {
  ASSERT_EQ(begin(1, 500).code, Errc::ok);
  table.expire(500);
  EXPECT_EQ(receive(R"({"id":1,"result":7})"), AnswerMatch::none);
  EXPECT_EQ(table.counters().late_answers, 1u);
}

// The late answer would be taken for the new request's.
TEST_F(RequestTableTest, an_id_whose_late_answer_may_come_is_not_used_again_on_that_connection) {
  ASSERT_EQ(begin(1, 500).code, Errc::ok);
  table.expire(500);
  EXPECT_EQ(begin(1).code, Errc::request_id_in_use);
  EXPECT_EQ(begin(1, kNever_ns, kSecond).code, Errc::ok);
  EXPECT_EQ(receive(R"({"id":1,"result":"late"})", kFirst), AnswerMatch::none);
  EXPECT_EQ(receive(R"({"id":1,"result":"own"})", kSecond), AnswerMatch::answered);
  EXPECT_EQ(ended.back().answer, R"({"id":1,"result":"own"})");
}

TEST_F(RequestTableTest, an_ended_id_is_forgotten_in_time) {
  ASSERT_EQ(begin(1, 500).code, Errc::ok);
  table.expire(500);
  table.expire(1'499);
  EXPECT_EQ(begin(1).code, Errc::request_id_in_use);
  table.expire(1'500);
  EXPECT_EQ(begin(1).code, Errc::ok);
}

TEST_F(RequestTableTest, a_cancelled_request_ends_once) {
  listen_to_late_answers();
  const RequestHandle handle = begin(1, 500).handle;
  EXPECT_TRUE(table.cancel(handle, 200));
  EXPECT_FALSE(table.cancel(handle, 200));
  table.expire(500);
  ASSERT_EQ(ended.size(), 1u);
  EXPECT_EQ(ended[0].outcome, cancelled);
  EXPECT_EQ(receive(R"({"id":1,"result":1})"), AnswerMatch::late);
  EXPECT_FALSE(table.cancel({}, 0));
}

TEST_F(RequestTableTest, a_full_table_refuses_and_forgets_late_answers_first) {
  for (int id = 0; id < 4; ++id) ASSERT_EQ(begin(id, id == 0 ? 10 : 500).code, Errc::ok);
  EXPECT_EQ(begin(9).code, Errc::requests_exhausted);
  EXPECT_EQ(table.counters().full_refused, 1u);
  table.expire(10);
  EXPECT_EQ(begin(9).code, Errc::ok);
  EXPECT_EQ(receive(R"({"id":0,"result":1})"), AnswerMatch::none);
}

TEST_F(RequestTableTest, a_withdrawn_request_never_was) {
  const RequestHandle handle = begin(1, 500).handle;
  table.withdraw(handle);
  EXPECT_FALSE(table.is_waiting(handle));
  EXPECT_EQ(table.next_deadline_ns(), TimerQueue::kNever);
  EXPECT_EQ(begin(1).code, Errc::ok);
  EXPECT_TRUE(ended.empty());
  EXPECT_EQ(table.counters().begun, 1u);
}

// Inventory, section 24, number 10: callers hung for up to 30 s after a drop.
TEST_F(RequestTableTest, a_lost_connection_ends_its_requests_at_once_and_says_which_left) {
  ASSERT_EQ(begin(1, 500, kFirst, 0).code, Errc::ok);
  ASSERT_EQ(begin(2, 500, kFirst, 100).code, Errc::ok);
  ASSERT_EQ(begin(3, 500, kFirst, 200).code, Errc::ok);
  ASSERT_EQ(begin(4, 500, kSecond, 0).code, Errc::ok);
  table.connection_lost(kFirst, 101);
  ASSERT_EQ(ended.size(), 3u);
  EXPECT_EQ(ended[0].outcome, unknown);
  EXPECT_EQ(ended[1].outcome, unknown);
  EXPECT_EQ(ended[2].outcome, not_sent);
  EXPECT_EQ(table.waiting(), 1u);
  EXPECT_EQ(table.waiting(kSecond), 1u);
  table.expire(499);
  EXPECT_EQ(ended.size(), 3u);
}

TEST(RequestReasons, go_with_their_outcomes) {
  RequestTable table{{.requests_max = 4, .late_for_ns = 1'000}};
  std::vector<Errc> reasons;
  const auto on_end = [&](const RequestEnd& end) noexcept { reasons.push_back(end.reason); };
  const auto begin = [&](int id, Instant_ns deadline_ns, std::uint64_t stream_bytes) {
    const auto callback = Callback<const RequestEnd&>::to(on_end);
    return table.begin({id, MethodId::other, deadline_ns, callback}, {kFirst, stream_bytes, 100});
  };
  ASSERT_EQ(begin(1, 500, 0).code, Errc::ok);
  table.expire(500);
  ASSERT_TRUE(table.cancel(begin(2, kNever_ns, 0).handle, 600));
  ASSERT_EQ(begin(3, kNever_ns, 0).code, Errc::ok);
  ASSERT_EQ(begin(4, kNever_ns, 200).code, Errc::ok);
  table.connection_lost(kFirst, 101);
  EXPECT_EQ(reasons, (std::vector<Errc>{Errc::request_timed_out, Errc::request_cancelled,
                                        Errc::request_outcome_unknown, Errc::request_not_sent}));
}

TEST_F(RequestTableTest, a_lost_connections_ids_are_free_at_once) {
  ASSERT_EQ(begin(1, 10).code, Errc::ok);
  ASSERT_EQ(begin(2).code, Errc::ok);
  table.expire(10);
  table.connection_lost(kFirst, 0);
  EXPECT_EQ(begin(1).code, Errc::ok);
  EXPECT_EQ(begin(2).code, Errc::ok);
}

// --- Over a connection: what left is known to the byte.

class SendTest : public RequestTableTest {
 protected:
  RequestBegun send(RequestId id, std::string_view payload) {
    return table.send(*connection, request(id), as_bytes(payload), 100);
  }
  OpenConnection connection{kFirst};
};

TEST_F(SendTest, what_waits_in_the_send_queue_has_not_left) {
  connection.kernel_takes(0);
  ASSERT_EQ(send(1, "first").code, Errc::ok);
  const std::size_t first_bytes = connection->unsent_bytes();
  ASSERT_EQ(send(2, "second").code, Errc::ok);
  const std::size_t both_bytes = connection->unsent_bytes();
  ASSERT_EQ(send(3, "third").code, Errc::ok);
  for (const std::size_t left :
       {std::size_t{0}, std::size_t{1}, first_bytes, first_bytes + 1, both_bytes, both_bytes + 1}) {
    RequestTable copy({.requests_max = 4});
    OpenConnection other(kSecond);
    other.kernel_takes(0);
    for (int id = 1; id <= 3; ++id) {
      const char* const payloads[] = {"first", "second", "third"};
      ASSERT_EQ(copy.send(*other, request(id), as_bytes(payloads[id - 1]), 0).code, Errc::ok);
    }
    other.kernel_takes(left);
    ended.clear();
    copy.connection_lost(kSecond, other->counters().bytes_sent);
    ASSERT_EQ(ended.size(), 3u);
    EXPECT_EQ(ended[0].outcome, left > 0 ? unknown : not_sent) << left;
    EXPECT_EQ(ended[1].outcome, left > first_bytes ? unknown : not_sent) << left;
    EXPECT_EQ(ended[2].outcome, left > both_bytes ? unknown : not_sent) << left;
  }
  table.connection_lost(kFirst, connection->counters().bytes_sent);
}

TEST_F(SendTest, a_refused_send_leaves_no_request_and_costs_no_credit) {
  MethodTable methods;
  const auto limiter = *RateLimiter::create(zen_simple_rates(), methods, 1);
  connection->abort();
  const RequestBegun begun =
      table.send(*connection, request(1), as_bytes("payload"), 100, limiter.get(), 1);
  EXPECT_EQ(begun.code, Errc::connection_closed);
  EXPECT_EQ(table.waiting(), 0u);
  EXPECT_EQ(limiter->bucket(0).credits(1), 10u);
}

TEST_F(SendTest, a_duplicate_sends_no_byte_and_costs_no_credit) {
  MethodTable methods;
  const auto limiter = *RateLimiter::create(zen_simple_rates(), methods, 1);
  ASSERT_EQ(send(1, "payload").code, Errc::ok);
  const std::uint64_t before = connection->counters().bytes_sent;
  EXPECT_EQ(table.send(*connection, request(1), as_bytes("payload"), 100, limiter.get(), 1).code,
            Errc::request_id_in_use);
  EXPECT_EQ(connection->counters().bytes_sent, before);
  EXPECT_EQ(limiter->bucket(0).credits(1), 10u);
}

TEST_F(SendTest, the_rate_limit_is_asked_before_a_byte_is_sent) {
  MethodTable methods;
  const auto limiter = *RateLimiter::create(zen_simple_rates(), methods, 1);
  while (limiter->try_take(MethodId::other, 1) == Errc::ok) {
  }
  EXPECT_EQ(table.send(*connection, request(1), as_bytes("payload"), 100, limiter.get(), 1).code,
            Errc::rate_limited);
  EXPECT_EQ(connection->counters().messages_sent, 0u);
  EXPECT_EQ(table.waiting(), 0u);
}

// --- Callbacks that use the table.

TEST(RequestTable, a_callback_may_begin_and_cancel) {
  struct Again {
    void on_end(const RequestEnd& end) noexcept {
      ++ends;
      if (ends < 4) begin(end.id);
      if (ends == 2) table.cancel(other, 0);
    }
    void begin(const RequestId& id) noexcept {
      const auto begun = table.begin(
          {id, MethodId::other, kNever_ns, Callback<const RequestEnd&>::to<&Again::on_end>(*this)},
          {kFirst, 0, 0});
      EXPECT_EQ(begun.code, Errc::ok);
      if (!other) other = begun.handle;
    }
    RequestTable table{{.requests_max = 4}};
    RequestHandle other;
    int ends = 0;
  };
  Again again;
  again.begin(1);
  again.begin(2);
  again.table.connection_lost(kFirst, 0);
  EXPECT_EQ(again.ends, 2);
  EXPECT_EQ(again.table.waiting(), 2u);
  again.table.end_all(Errc::reactor_stopping);
  EXPECT_EQ(again.ends, 4);
  again.table.end_all(Errc::reactor_stopping);
  EXPECT_EQ(again.table.waiting(), 0u);
}

// --- Against a model: random begins, answers, deadlines, cancels, losses.

struct Life {
  bool waiting = true;
  int ends = 0;
  RequestOutcome outcome = unknown;
  RequestOutcome expected = unknown;
};

class Simulation {
 public:
  explicit Simulation(std::uint64_t seed) : random_(seed) {}

  void run(int steps) {
    for (int i = 0; i < steps; ++i) step();
    for (auto& [id, life] : lives_) {
      if (life.waiting) life.expected = cancelled;
    }
    table_.end_all(Errc::reactor_stopping);
    for (const auto& [id, life] : lives_) {
      ASSERT_EQ(life.ends, 1) << "id " << id;
      ASSERT_EQ(life.outcome, life.expected) << "id " << id;
    }
    ASSERT_EQ(table_.waiting(), 0u);
  }

 private:
  void on_end(const RequestEnd& end) noexcept {
    Life& life = lives_[end.id.integer()];
    ++life.ends;
    life.outcome = end.outcome;
    life.waiting = false;
  }

  void step() {
    switch (random_.below(8)) {
      case 0:
      case 1:
      case 2: return begin();
      case 3:
      case 4: return answer();
      case 5: return expire();
      case 6: return cancel();
      default: return random_.below(10) == 0 ? lose() : sent_more();
    }
  }
  void begin() {
    const std::int64_t id = ++last_id_;
    const std::size_t line = random_.below(2);
    stream_[line] += 10;
    const Instant_ns deadline_ns = now_ns_ + 1 + random_.below(100);
    const RequestBegun begun =
        table_.begin({id, MethodId::other, deadline_ns,
                      Callback<const RequestEnd&>::to<&Simulation::on_end>(*this)},
                     {connection(line), stream_[line] - 10, 0});
    if (begun.code != Errc::ok) {
      ASSERT_EQ(begun.code, Errc::requests_exhausted);
      ASSERT_EQ(waiting_count(), 16);
      return;
    }
    lives_[id] = {};
    facts_[id] = {line, epochs_[line], stream_[line] - 10, deadline_ns, begun.handle};
  }
  void answer() {
    if (last_id_ == 0) return;
    const auto id =
        static_cast<std::int64_t>(random_.between(1, static_cast<std::uint64_t>(last_id_)));
    const std::size_t line = random_.below(2);
    if (is_waiting(id) && on_line(id, line)) lives_[id].expected = answered;
    const std::string message = "{\"result\":1,\"id\":" + std::to_string(id) + "}";
    const bool expected = is_waiting(id) && on_line(id, line);
    ASSERT_EQ(table_.receive(connection(line), as_bytes(message), 0) == AnswerMatch::answered,
              expected);
  }
  void expire() {
    now_ns_ += random_.below(60);
    for (auto& [id, life] : lives_) {
      if (life.waiting && facts_[id].deadline_ns <= now_ns_) life.expected = timed_out;
    }
    table_.expire(now_ns_);
    for (auto& [id, life] : lives_) {
      ASSERT_TRUE(!life.waiting || facts_[id].deadline_ns > now_ns_);
    }
  }
  void cancel() {
    if (last_id_ == 0) return;
    const auto id =
        static_cast<std::int64_t>(random_.between(1, static_cast<std::uint64_t>(last_id_)));
    if (!lives_.contains(id)) return;
    const bool waiting = is_waiting(id);
    if (waiting) lives_[id].expected = cancelled;
    ASSERT_EQ(table_.cancel(facts_[id].handle, now_ns_), waiting);
  }
  void sent_more() {
    const std::size_t line = random_.below(2);
    sent_[line] = random_.between(sent_[line], stream_[line]);
  }
  void lose() {
    const std::size_t line = random_.below(2);
    for (auto& [id, life] : lives_) {
      if (life.waiting && on_line(id, line))
        life.expected = sent_[line] > facts_[id].stream_bytes ? unknown : not_sent;
    }
    table_.connection_lost(connection(line), sent_[line]);
    ++epochs_[line];
    sent_[line] = stream_[line] = 0;
    for (auto& [id, life] : lives_) ASSERT_TRUE(!life.waiting || !on_line_before(id, line));
  }

  [[nodiscard]] ConnectionId connection(std::size_t line) const {
    return {static_cast<std::uint32_t>(line), epochs_[line]};
  }
  bool is_waiting(std::int64_t id) { return lives_.contains(id) && lives_[id].waiting; }
  bool on_line(std::int64_t id, std::size_t line) {
    return facts_[id].line == line && facts_[id].epoch == epochs_[line];
  }
  bool on_line_before(std::int64_t id, std::size_t line) {
    return facts_[id].line == line && facts_[id].epoch != epochs_[line];
  }
  int waiting_count() {
    return static_cast<int>(std::count_if(lives_.begin(), lives_.end(),
                                          [](const auto& each) { return each.second.waiting; }));
  }

  struct Facts {
    std::size_t line;
    std::uint32_t epoch;
    std::uint64_t stream_bytes;
    Instant_ns deadline_ns;
    RequestHandle handle;
  };

  Random random_;
  RequestTable table_{{.requests_max = 16, .late_for_ns = 50}};
  std::map<std::int64_t, Life> lives_;
  std::map<std::int64_t, Facts> facts_;
  std::int64_t last_id_ = 0;
  Instant_ns now_ns_ = 1;
  std::array<std::uint32_t, 2> epochs_{1, 1};
  std::array<std::uint64_t, 2> stream_{};
  std::array<std::uint64_t, 2> sent_{};
};

TEST(RequestTable, every_request_ends_once_and_as_the_model_says) {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Simulation(seed).run(400);
    if (HasFatalFailure()) return;
  }
}

TEST_F(RequestTableTest, steady_state_allocates_nothing) {
  ended.reserve(4'000);
  OpenConnection connection(kFirst);
  const test::AllocationScope scope;
  for (std::int64_t i = 0; i < 1'000; ++i) {
    static_cast<void>(table.send(*connection, request(7, 1'000'000), as_bytes("x"), 0));
    static_cast<void>(receive(R"({"id":7,"result":1})"));
  }
  const std::uint64_t count = scope.count();
  EXPECT_EQ(count, 1'000u);  // the test's own copies of the answers
  EXPECT_EQ(table.counters().begun, 1'000u);
}

}  // namespace
}  // namespace zenwire
