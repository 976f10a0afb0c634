// Pool over links of the test's own: routing, failover, hedging, ejection, and what is told.

#include <array>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <zenwire/pool/pool.hpp>
#include <zenwire/testing/random.hpp>

#include "allocation_counter.hpp"

namespace zenwire {
namespace {

using namespace std::chrono_literals;

constexpr Instant_ns kMillisecond_ns = 1'000'000;
constexpr Instant_ns kSecond_ns = 1'000'000'000;

// A connection as the pool sees it. What it is given is written at once, unless it is stuck; then
// it waits, and is lost when the connection dies.
struct FakeLink {
  Errc answer = Errc::ok;
  bool stuck = false;
  LinkProgress progress{};
  std::vector<std::string> written{};
  std::vector<std::string> waiting{};

  Link link() noexcept {
    return {
        [](void* owner, Opcode, Bytes payload) noexcept {
          return static_cast<FakeLink*>(owner)->send(payload);
        },
        [](const void* owner) noexcept { return static_cast<const FakeLink*>(owner)->progress; },
        this};
  }
  Errc send(Bytes payload) noexcept {
    if (answer != Errc::ok) return answer;
    progress.accepted_bytes += payload.size() + 6;
    waiting.emplace_back(as_text(payload));
    if (!stuck) flush();
    return Errc::ok;
  }
  void flush() noexcept {
    progress.written_bytes = progress.accepted_bytes;
    for (std::string& text : waiting) written.push_back(std::move(text));
    waiting.clear();
  }
  // Some bytes of the first waiting message.
  void flush_some() noexcept { progress.written_bytes += 3; }
};

class PoolTest : public ::testing::Test {
 protected:
  void make(PoolOptions options = {}, std::uint32_t up = 4) {
    if (options.members == 16) options.members = 4;
    options.memory.prefault = false;
    options.copies = 8;
    pool_ = Pool::make(options, Callback<const RequestNews&>::to<&PoolTest::hear>(*this)).value();
    links_ = {};
    news_.reserve(std::size_t{1} << 20);
    for (MemberIndex member = 0; member < up; ++member) raise(member);
  }
  void raise(MemberIndex member) { pool_->member_up(member, links_[member].link(), now_ns_); }
  void kill(MemberIndex member) {
    pool_->member_down(member, now_ns_);
    links_[member].waiting.clear();
    links_[member].progress = {};
    links_[member].stuck = false;
  }
  Errc send(std::uint64_t id, std::string_view text = "x", bool idempotent = false,
            std::uint64_t key = 0) {
    return pool_->send_balanced(
        {.id = id, .payload = as_bytes(text), .idempotent = idempotent, .sticky_key = key},
        now_ns_);
  }
  bool reply(MemberIndex member, std::uint64_t id, bool ok = true) {
    return pool_->complete(member, id, ok, now_ns_);
  }
  void at(Instant_ns now_ns) {
    now_ns_ = now_ns;
    pool_->expire(now_ns);
  }
  void measure(MemberIndex member, std::uint64_t round_trip_ns) {
    pool_->observe_round_trip(member, round_trip_ns, now_ns_);
  }
  std::vector<std::size_t> counts() const {
    std::vector<std::size_t> counts;
    for (const FakeLink& link : links_) counts.push_back(link.written.size());
    return counts;
  }
  void hear(const RequestNews& news) noexcept {
    news_ += std::to_string(news.id) + " " + std::string(name(news.kind)) + " " +
             std::to_string(news.member) + "; ";
  }
  std::string news() { return std::exchange(news_, {}); }

  std::unique_ptr<Pool> pool_;
  std::array<FakeLink, 4> links_;
  Instant_ns now_ns_ = 1;

 private:
  std::string news_;
};

using Counts = std::vector<std::size_t>;

TEST_F(PoolTest, equals_take_turns) {
  make();
  for (int i = 0; i < 8; ++i) EXPECT_EQ(send(0), Errc::ok);
  EXPECT_EQ(counts(), (Counts{2, 2, 2, 2}));
}

TEST_F(PoolTest, the_fastest_is_chosen_until_its_queue_makes_it_slower) {
  make();
  measure(0, 4000);
  measure(1, 1000);
  measure(2, 4000);
  measure(3, 4000);
  for (std::uint64_t id = 1; id <= 5; ++id) EXPECT_EQ(send(id), Errc::ok);
  // It would cost 1001, 2002, 3003, and then 4004: more than the others' 4001.
  EXPECT_EQ(counts(), (Counts{0, 3, 1, 1}));
}

TEST_F(PoolTest, whatever_bars_a_member_keeps_it_out) {
  make();
  const Bar bars[] = {Bar::unauthenticated, Bar::no_credits, Bar::not_alive, Bar::draining};
  for (const Bar bar : bars) {
    pool_->set_bar(2, bar, true);
    EXPECT_FALSE(pool_->view(2, now_ns_).usable);
    for (int i = 0; i < 8; ++i) send(0);
    pool_->set_bar(2, bar, false);
  }
  EXPECT_EQ(links_[2].written.size(), 0u);
  for (int i = 0; i < 4; ++i) send(0);
  EXPECT_EQ(links_[2].written.size(), 1u);
}

TEST_F(PoolTest, without_a_member_nothing_is_sent) {
  make({}, 0);
  EXPECT_EQ(send(1), Errc::pool_no_member);
  EXPECT_EQ(pool_->counters().refused, 1u);
  EXPECT_EQ(pool_->under_way(), 0u);
}

TEST_F(PoolTest, an_amend_follows_its_order) {
  make();
  EXPECT_EQ(send(1, "order", false, 77), Errc::ok);
  ASSERT_EQ(links_[0].written.size(), 1u);
  measure(0, kSecond_ns);  // by far the slowest now
  for (std::uint64_t id = 2; id < 6; ++id) EXPECT_EQ(send(id, "amend", false, 77), Errc::ok);
  EXPECT_EQ(links_[0].written.size(), 5u);
  kill(0);
  EXPECT_EQ(send(9, "cancel", true, 77), Errc::ok);
  EXPECT_EQ(send(10, "cancel", true, 77), Errc::ok);
  EXPECT_EQ(counts(), (Counts{5, 2, 0, 0}));  // it follows the order's new place
}

TEST_F(PoolTest, a_member_that_refuses_is_passed_over) {
  make();
  links_[0].answer = Errc::send_queue_full;
  links_[1].answer = Errc::connection_closed;
  EXPECT_EQ(send(1), Errc::ok);
  EXPECT_EQ(counts(), (Counts{0, 0, 1, 0}));
  EXPECT_EQ(pool_->counters().failovers, 2u);
  EXPECT_EQ(pool_->view(0, now_ns_).failovers, 1u);
  EXPECT_EQ(pool_->view(0, now_ns_).errors, 1u);
  EXPECT_EQ(pool_->view(2, now_ns_).pending, 1u);
}

TEST_F(PoolTest, attempts_have_a_limit) {
  make({.attempts_max = 2});
  for (FakeLink& link : links_) link.answer = Errc::send_queue_full;
  EXPECT_EQ(send(1), Errc::pool_no_member);
  EXPECT_EQ(pool_->counters().failovers, 1u);
  links_[0].answer = links_[1].answer = links_[2].answer = links_[3].answer = Errc::ok;
  EXPECT_EQ(send(1), Errc::ok) << "the refused one is not under way";
}

TEST_F(PoolTest, what_no_member_could_take_is_the_messages_own_fault) {
  make();
  for (FakeLink& link : links_) link.answer = Errc::message_too_large;
  EXPECT_EQ(send(1), Errc::message_too_large);
  EXPECT_EQ(pool_->view(0, now_ns_).errors, 0u);
}

TEST_F(PoolTest, a_member_without_credits_is_not_at_fault) {
  make();
  links_[0].answer = Errc::rate_limited;
  EXPECT_EQ(send(1), Errc::ok);
  EXPECT_EQ(pool_->view(0, now_ns_).errors, 0u);
  EXPECT_EQ(pool_->view(0, now_ns_).failovers, 1u);
}

TEST_F(PoolTest, an_id_is_used_once_at_a_time) {
  make();
  EXPECT_EQ(send(5), Errc::ok);
  EXPECT_EQ(send(5), Errc::request_id_in_use);
  EXPECT_TRUE(reply(0, 5));
  EXPECT_FALSE(reply(0, 5));
  EXPECT_EQ(pool_->counters().replies_unmatched, 1u);
  EXPECT_EQ(send(5), Errc::ok);
}

TEST_F(PoolTest, requests_under_way_have_a_limit) {
  make({.requests_max = 4});
  for (std::uint64_t id = 1; id <= 4; ++id) EXPECT_EQ(send(id), Errc::ok);
  EXPECT_EQ(send(5), Errc::requests_exhausted);
  EXPECT_EQ(send(0), Errc::ok) << "what awaits no reply needs no place";
}

// --- Deaths.

TEST_F(PoolTest, what_was_not_written_moves_to_another) {
  make();
  links_[0].stuck = true;
  EXPECT_EQ(send(1, "order"), Errc::ok);
  kill(0);
  EXPECT_EQ(news(), "1 moved 1; ");
  EXPECT_EQ(links_[1].written, std::vector<std::string>{"order"});
  EXPECT_TRUE(reply(1, 1));
  EXPECT_EQ(pool_->counters().moved, 1u);
}

TEST_F(PoolTest, what_may_have_been_written_is_an_unknown_outcome) {
  make();
  EXPECT_EQ(send(1, "order"), Errc::ok);
  kill(0);
  EXPECT_EQ(news(), "1 outcome_unknown 0; ");
  EXPECT_EQ(counts(), (Counts{1, 0, 0, 0}));
  EXPECT_EQ(pool_->under_way(), 0u);
}

TEST_F(PoolTest, a_part_of_it_is_enough_to_be_unknown) {
  make();
  links_[0].stuck = true;
  EXPECT_EQ(send(1, "order"), Errc::ok);
  links_[0].flush_some();
  kill(0);
  EXPECT_EQ(news(), "1 outcome_unknown 0; ");
}

TEST_F(PoolTest, an_idempotent_request_is_sent_again_once) {
  make();
  EXPECT_EQ(send(1, "cancel", true), Errc::ok);
  kill(0);
  EXPECT_EQ(news(), "1 resent 1; ");
  kill(1);
  EXPECT_EQ(news(), "1 outcome_unknown 1; ");
  EXPECT_EQ(counts(), (Counts{1, 1, 0, 0}));
}

TEST_F(PoolTest, what_left_once_is_never_told_as_not_sent) {
  make({}, 2);
  links_[1].stuck = true;
  EXPECT_EQ(send(1, "cancel", true), Errc::ok);
  kill(0);
  kill(1);
  EXPECT_EQ(news(), "1 resent 1; 1 outcome_unknown 1; ");
}

TEST_F(PoolTest, what_no_other_member_takes_was_surely_not_sent) {
  make({}, 1);
  links_[0].stuck = true;
  EXPECT_EQ(send(1, "order"), Errc::ok);
  kill(0);
  EXPECT_EQ(news(), "1 not_sent 0; ");
}

TEST_F(PoolTest, what_could_not_be_kept_is_not_sent_rather_than_moved) {
  make({.copy_bytes_max = 4});
  links_[0].stuck = true;
  EXPECT_EQ(send(1, "a long order"), Errc::ok);
  EXPECT_EQ(pool_->counters().copies_missed, 1u);
  kill(0);
  EXPECT_EQ(news(), "1 not_sent 0; ");
}

TEST_F(PoolTest, a_member_that_comes_back_begins_with_nothing_under_way) {
  make();
  EXPECT_EQ(send(1), Errc::ok);
  kill(0);
  raise(0);
  EXPECT_EQ(pool_->view(0, now_ns_).pending, 0u);
  EXPECT_EQ(pool_->view(0, now_ns_).ups, 2u);
  EXPECT_FALSE(reply(0, 1));
}

// --- Time.

TEST_F(PoolTest, a_request_without_a_reply_times_out) {
  make({.request_timeout = 30s});
  EXPECT_EQ(send(1), Errc::ok);
  at(30 * kSecond_ns);
  EXPECT_EQ(news(), "");
  EXPECT_LE(pool_->deadline_ns(), 30 * kSecond_ns + 1);
  at(30 * kSecond_ns + 1);
  EXPECT_EQ(news(), "1 timed_out 0; ");
  EXPECT_EQ(pool_->view(0, now_ns_).errors, 1u);
  EXPECT_FALSE(reply(0, 1));
}

TEST_F(PoolTest, an_idempotent_request_is_hedged_once) {
  make({.hedge_after = 5ms});
  EXPECT_EQ(send(1, "read", true), Errc::ok);
  EXPECT_EQ(send(2, "order"), Errc::ok);
  at(1 + 5 * kMillisecond_ns);
  EXPECT_EQ(news(), "1 hedged 2; ");
  at(1 + 50 * kMillisecond_ns);
  EXPECT_EQ(news(), "");
  EXPECT_TRUE(reply(2, 1));
  EXPECT_FALSE(reply(0, 1));
  EXPECT_EQ(pool_->view(0, now_ns_).pending, 0u);
  EXPECT_EQ(counts(), (Counts{1, 1, 1, 0}));
}

TEST_F(PoolTest, a_hedged_request_survives_the_death_of_one_of_its_members) {
  make({.hedge_after = 5ms});
  EXPECT_EQ(send(1, "read", true), Errc::ok);
  at(1 + 5 * kMillisecond_ns);
  kill(0);
  EXPECT_EQ(news(), "1 hedged 1; ");
  kill(1);
  EXPECT_EQ(news(), "1 outcome_unknown 1; ");
}

TEST_F(PoolTest, a_member_that_does_not_reply_grows_expensive) {
  make();
  for (MemberIndex member = 0; member < 4; ++member) measure(member, 1000);
  EXPECT_EQ(send(1), Errc::ok);
  at(now_ns_ + kSecond_ns);
  EXPECT_EQ(pool_->view(0, now_ns_).round_trip_ns, kSecond_ns);
  for (int i = 0; i < 9; ++i) send(0);
  EXPECT_EQ(links_[0].written.size(), 1u);
}

// --- Standing.

TEST_F(PoolTest, a_member_that_fails_again_and_again_is_ejected_and_tried_later) {
  make({.ejection = {.base = 30s, .trials_wanted = 1}});
  for (int i = 0; i < 5; ++i) pool_->note_error(0, now_ns_);
  EXPECT_EQ(pool_->view(0, now_ns_).standing, Standing::ejected);
  for (int i = 0; i < 9; ++i) send(0);
  EXPECT_EQ(links_[0].written.size(), 0u);
  at(31 * kSecond_ns);
  EXPECT_EQ(pool_->view(0, now_ns_).standing, Standing::probation);
  // One at a time, and then it is in again.
  for (MemberIndex member = 1; member < 4; ++member) pool_->set_bar(member, Bar::draining, true);
  EXPECT_EQ(send(1), Errc::ok);
  EXPECT_EQ(send(2), Errc::pool_no_member);
  EXPECT_TRUE(reply(0, 1));
  EXPECT_EQ(pool_->view(0, now_ns_).standing, Standing::in);
  EXPECT_EQ(send(2), Errc::ok);
}

TEST_F(PoolTest, error_replies_count_against_a_member_and_successes_clear_them) {
  make({.policy = ZenCost{}});
  EXPECT_EQ(send(1), Errc::ok);
  EXPECT_TRUE(reply(0, 1, false));
  EXPECT_EQ(pool_->health(0, now_ns_), 85u);
  pool_->note_error(0, now_ns_);
  EXPECT_EQ(pool_->health(0, now_ns_), 80u);
  EXPECT_EQ(pool_->health(0, now_ns_ + 60 * kSecond_ns), 100u);
  for (MemberIndex member = 1; member < 4; ++member) pool_->set_bar(member, Bar::draining, true);
  EXPECT_EQ(send(2), Errc::ok);
  EXPECT_EQ(pool_->health(0, now_ns_), 70u);
  EXPECT_TRUE(reply(0, 2));
  EXPECT_EQ(pool_->health(0, now_ns_), 100u);
}

// --- Telemetry.

TEST_F(PoolTest, shares_add_up) {
  make();
  for (int i = 0; i < 10; ++i) send(0);
  double share = 0;
  for (MemberIndex member = 0; member < 4; ++member) share += pool_->view(member, 1).share;
  EXPECT_DOUBLE_EQ(share, 1);
  EXPECT_DOUBLE_EQ(pool_->view(0, 1).share, 0.3);
}

TEST_F(PoolTest, allocates_nothing_once_made) {
  make({.hedge_after = 1ms});
  for (FakeLink& link : links_) {
    link.written.reserve(100'000);
    link.waiting.reserve(10);
  }
  const test::AllocationScope allocations;
  for (std::uint64_t id = 1; id <= 10'000; ++id) {
    ASSERT_EQ(send(id, "x", id % 3 == 0, id % 50), Errc::ok);
    at(now_ns_ + kMillisecond_ns / 4);
    for (MemberIndex member = 0; member < 4; ++member)
      if (id > 8) reply(member, id - 8, id % 11 != 0);
  }
  EXPECT_EQ(allocations.count(), 0u);
}

TEST(PoolOptions, that_make_no_pool_are_refused) {
  const PoolOptions bad[] = {
      {.members = 0},         {.members = 257},        {.attempts_max = 0},   {.requests_max = 100},
      {.sticky_keys = 4},     {.request_timeout = 0s}, {.hedge_after = -1ns}, {.look_every = 0s},
      {.round_trip_tau = 0s}, {.copies = 0},
  };
  for (const PoolOptions& options : bad) {
    const auto pool = Pool::make(options);
    ASSERT_FALSE(pool.has_value());
    EXPECT_EQ(pool.error().code(), Errc::invalid_option);
  }
}

// --- Anything, in any order, against what the links saw.

// Every request ends exactly once, and one that is not idempotent is written once at most: never
// when it is told as not sent, and only what was not written moves.
TEST(PoolModel, sends_no_order_twice_and_leaves_none_untold) {
  for (std::uint64_t seed = 1; seed <= 2'000; ++seed) {
    testing::Random random(seed);
    struct State {
      std::vector<int> ends;
      std::vector<RequestNews::Kind> told;
    } state;
    constexpr std::size_t kRequests = 200;
    state.ends.resize(kRequests + 1);
    state.told.resize(kRequests + 1);
    auto hear = [&state](const RequestNews& news) noexcept {
      if (news.kind < RequestNews::Kind::not_sent) return;
      ++state.ends[news.id];
      state.told[news.id] = news.kind;
    };
    PoolOptions options{.members = 4, .hedge_after = 3ms};
    options.memory.prefault = false;
    options.copies = static_cast<std::uint32_t>(random.between(1, 64));
    options.request_timeout = 50ms;
    options.ejection.base = 10ms;
    const auto pool = Pool::make(options, Callback<const RequestNews&>::to(hear)).value();
    std::array<FakeLink, 4> links;
    std::array<bool, 4> up{};
    Instant_ns now_ns = 1;
    std::array<std::vector<std::string>, 4> earlier;  // written by links that are dead
    const auto kill = [&](MemberIndex member) {
      if (!std::exchange(up[member], false)) return;
      pool->member_down(member, now_ns);
      for (std::string& text : links[member].written) earlier[member].push_back(text);
      links[member] = {};
    };
    std::uint64_t sent = 0;
    while (sent < kRequests) {
      now_ns += random.below(kMillisecond_ns);
      const auto member = static_cast<MemberIndex>(random.below(4));
      FakeLink& link = links[member];
      switch (random.below(8)) {
        case 0:
          if (random.chance_ppm(300'000)) kill(member);
          break;
        case 1:
          if (!std::exchange(up[member], true)) pool->member_up(member, link.link(), now_ns);
          break;
        case 2: link.stuck = random.chance_ppm(500'000); break;
        case 3:
          if (up[member] && !link.waiting.empty()) link.flush();
          break;
        case 4:
          if (up[member] && !link.written.empty()) {
            const std::uint64_t id = std::stoull(link.written[random.below(link.written.size())]);
            if (pool->complete(member, id, random.chance_ppm(900'000), now_ns)) ++state.ends[id];
          }
          break;
        case 5: pool->expire(now_ns); break;
        default: {
          const std::uint64_t id = sent + 1;
          const std::string text = std::to_string(id);
          const PoolRequest request{.id = id,
                                    .payload = as_bytes(text),
                                    .idempotent = id % 4 == 0,
                                    .sticky_key = random.below(5)};
          const Errc outcome = pool->send_balanced(request, now_ns);
          if (outcome != Errc::ok) {
            ASSERT_EQ(outcome, Errc::pool_no_member);
            break;
          }
          ++sent;
        }
      }
    }
    for (MemberIndex member = 0; member < 4; ++member) kill(member);
    std::vector<int> writes(kRequests + 1);
    for (const auto& texts : earlier)
      for (const std::string& text : texts) ++writes[std::stoull(text)];
    for (std::uint64_t id = 1; id <= kRequests; ++id) {
      ASSERT_EQ(state.ends[id], 1) << "seed " << seed << ", request " << id;
      ASSERT_LE(writes[id], id % 4 == 0 ? 2 : 1) << "seed " << seed << ", request " << id;
      const bool surely_not = state.told[id] == RequestNews::Kind::not_sent;
      ASSERT_TRUE(!surely_not || writes[id] == 0) << "seed " << seed << ", request " << id;
    }
    ASSERT_EQ(pool->under_way(), 0u);
  }
}

}  // namespace
}  // namespace zenwire
