// SequenceGate and CopyWindow: what goes through, in which order, and what is said of the rest.

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include <gtest/gtest.h>

#include <zenwire/engine/copy_window.hpp>
#include <zenwire/engine/sequence_gate.hpp>

#include "allocation_counter.hpp"

namespace zenwire {
namespace {

using namespace std::chrono_literals;
using Key = SequenceKey;

constexpr Instant_ns kMillisecond_ns = 1'000'000;

Message text_message(std::string_view text) {
  Message message;
  message.payload = as_bytes(text);
  return message;
}

// A gate whose output is a line of words: "7" a message, "7h" one that was held, "[4-6]" a gap,
// "[4-6)" one that the snapshot behind it covers, "?4-6" a repair that was asked for.
class GateFixture : public ::testing::Test {
 protected:
  void make(SequenceGateOptions options = {}) {
    options.memory.prefault = false;
    gate_ =
        SequenceGate::make(
            options, {.on_message = Callback<const Admitted&>::to<&GateFixture::admit>(*this),
                      .on_gap = Callback<const Gap&>::to<&GateFixture::gap>(*this),
                      .on_repair = repairs_ ? Callback<GapRepair&>::to<&GateFixture::repair>(*this)
                                            : Callback<GapRepair&>()})
            .value();
  }
  Admission offer(unsigned member, Key key, Instant_ns now_ns = 1) {
    payload_ = "payload of " + std::to_string(key.sequence) + std::string(padding_bytes_, ' ');
    const Admission admission = gate_->offer(member, key, text_message(payload_), now_ns);
    gate_->invariants();
    return admission;
  }
  Admission offer(unsigned member, std::uint64_t sequence, Instant_ns now_ns = 1) {
    return offer(member, Key::dense(sequence), now_ns);
  }
  Admission say(unsigned member, std::string_view text, Instant_ns now_ns = 1) {
    return gate_->offer(member, {}, text_message(text), now_ns);
  }
  void join(unsigned members) {
    for (unsigned member = 0; member < members; ++member) gate_->join(member);
  }
  // What came out since the last call.
  std::string out() { return std::exchange(out_, {}); }

  void admit(const Admitted& admitted) noexcept {
    if (!out_.empty()) out_ += ' ';
    if (admitted.key.kind == Key::Kind::unsequenced) {
      out_ += admitted.message.text();
      return;
    }
    out_ += std::to_string(admitted.key.sequence);
    if (admitted.key.kind == Key::Kind::snapshot) out_ += 's';
    if (admitted.held) out_ += 'h';
    const std::string wanted = "payload of " + std::to_string(admitted.key.sequence);
    EXPECT_EQ(admitted.message.text().substr(0, wanted.size()), wanted);
    if (on_admit_) on_admit_(admitted);
  }
  void gap(const Gap& gap) noexcept {
    if (!out_.empty()) out_ += ' ';
    out_ +=
        "[" + std::to_string(gap.from) + "-" + std::to_string(gap.to) + (gap.covered ? ")" : "]");
  }
  void repair(GapRepair& asked) noexcept {
    if (!out_.empty()) out_ += ' ';
    out_ += "?" + std::to_string(asked.gap.from) + "-" + std::to_string(asked.gap.to);
    asked.underway = accept_repair_;
  }

  std::unique_ptr<SequenceGate> gate_;
  bool repairs_ = false;
  bool accept_repair_ = true;
  std::size_t padding_bytes_ = 0;
  std::function<void(const Admitted&)> on_admit_;

 private:
  std::string payload_;
  std::string out_;
};

using SequenceGateTest = GateFixture;

TEST_F(SequenceGateTest, the_first_copy_goes_through_and_the_others_do_not) {
  make();
  join(3);
  EXPECT_EQ(offer(0, 1), Admission::delivered);
  EXPECT_EQ(offer(1, 1), Admission::copy);
  EXPECT_EQ(offer(2, 1), Admission::copy);
  EXPECT_EQ(offer(1, 2), Admission::delivered);
  EXPECT_EQ(out(), "1 2");
  EXPECT_EQ(gate_->counters().delivered, 2u);
  EXPECT_EQ(gate_->counters().copies, 2u);
  EXPECT_EQ(gate_->deadline_ns(), kNever_ns);
}

TEST_F(SequenceGateTest, what_is_ahead_waits_until_a_sibling_fills_the_gap) {
  make();
  join(2);
  offer(0, 1);
  EXPECT_EQ(offer(0, 4), Admission::held);
  EXPECT_EQ(offer(0, 5), Admission::held);
  EXPECT_EQ(out(), "1");
  offer(1, 1);
  offer(1, 2);
  EXPECT_EQ(out(), "2");
  offer(1, 3);
  EXPECT_EQ(out(), "3 4h 5h");
  EXPECT_EQ(offer(1, 4), Admission::copy);
  EXPECT_EQ(gate_->counters().gaps_filled, 1u);
  EXPECT_EQ(gate_->counters().gaps_reported, 0u);
  EXPECT_EQ(gate_->deadline_ns(), kNever_ns);
}

TEST_F(SequenceGateTest, a_gap_is_reported_when_the_wait_is_over) {
  make({.gap_wait = 5ms});
  join(2);
  offer(0, 1, 10);
  offer(0, 4, 20);
  offer(0, 6, 30);
  EXPECT_EQ(gate_->deadline_ns(), 20 + 5 * kMillisecond_ns);
  gate_->expire(20 + 5 * kMillisecond_ns - 1);
  EXPECT_EQ(out(), "1");
  gate_->expire(20 + 5 * kMillisecond_ns);
  EXPECT_EQ(out(), "[2-3] 4h");
  EXPECT_EQ(gate_->deadline_ns(), 30 + 5 * kMillisecond_ns);
  gate_->expire(30 + 5 * kMillisecond_ns);
  EXPECT_EQ(out(), "[5-5] 6h");
  EXPECT_EQ(offer(1, 2, 6 * kMillisecond_ns), Admission::late);
  EXPECT_EQ(gate_->counters().late, 1u);
}

TEST_F(SequenceGateTest, a_gap_is_reported_at_once_when_every_live_member_has_gone_past_it) {
  make();
  join(2);
  offer(0, 1);
  offer(0, 3);
  EXPECT_EQ(out(), "1");
  offer(1, 4);
  EXPECT_EQ(out(), "[2-2] 3h 4h");
}

TEST_F(SequenceGateTest, a_single_member_never_waits_for_itself) {
  make();
  join(1);
  offer(0, 1);
  offer(0, 3);
  EXPECT_EQ(out(), "1 [2-2] 3h");
}

TEST_F(SequenceGateTest, a_member_that_died_can_fill_nothing) {
  make();
  join(3);
  offer(0, 1);
  offer(0, 3);
  gate_->leave(1, 2);
  EXPECT_EQ(out(), "1");
  gate_->leave(2, 3);
  EXPECT_EQ(out(), "[2-2] 3h");
  gate_->leave(0, 4);
  EXPECT_EQ(gate_->members(), 0u);
}

TEST_F(SequenceGateTest, an_outage_of_all_members_is_a_gap_when_one_is_back) {
  make();
  join(1);
  offer(0, 1);
  gate_->leave(0, 2);
  gate_->join(0);
  offer(0, 7);
  EXPECT_EQ(out(), "1 [2-6] 7h");
  EXPECT_EQ(gate_->counters(0).joins, 2u);
}

TEST_F(SequenceGateTest, a_member_that_has_just_joined_may_still_fill_a_gap) {
  make({.gap_wait = 5ms});
  join(1);
  offer(0, 1);
  gate_->join(1);
  offer(0, 3, 10);
  EXPECT_EQ(out(), "1");
  offer(1, 2, 20);
  EXPECT_EQ(out(), "2 3h");
}

TEST_F(SequenceGateTest, links_of_the_venue_take_the_place_of_dense_numbers) {
  make();
  join(2);
  offer(0, Key::after(0, 100));
  offer(0, Key::after(100, 140));
  offer(0, Key::after(155, 170));  // 155 is missing
  offer(1, Key::after(0, 100));
  offer(1, Key::after(100, 140));
  offer(1, Key::after(140, 155));
  EXPECT_EQ(out(), "100 140 155 170h");
  offer(0, Key::after(180, 190));
  offer(1, Key::after(185, 190));  // past it as well
  EXPECT_EQ(out(), "[171-180] 190h");
}

TEST_F(SequenceGateTest, a_range_that_overlaps_what_has_come_is_no_gap) {
  make();
  join(1);
  offer(0, Key::after(0, 10));
  offer(0, Key::after(8, 12));
  EXPECT_EQ(out(), "10 12");
}

TEST_F(SequenceGateTest, a_snapshot_waits_for_deltas_and_is_needless_when_they_come) {
  make();
  join(2);
  offer(0, 5);
  offer(1, Key::snapshot(7));
  EXPECT_EQ(out(), "5");
  offer(0, 6);
  offer(0, 7);
  EXPECT_EQ(out(), "6 7");
  EXPECT_EQ(gate_->held_count(), 0u);
  EXPECT_EQ(gate_->counters().superseded, 1u);
}

TEST_F(SequenceGateTest, a_snapshot_covers_the_gap_that_is_due) {
  make();
  join(2);
  offer(0, 5, 1);
  offer(1, Key::snapshot(9), 2);
  offer(1, 10, 3);
  gate_->expire(2 + 5 * kMillisecond_ns);
  EXPECT_EQ(out(), "5 [6-8) 9sh 10h");
  EXPECT_EQ(gate_->counters().gaps_covered, 1u);
}

TEST_F(SequenceGateTest, a_delta_goes_before_the_snapshot_of_its_number) {
  make();
  join(2);
  offer(0, 5);
  offer(1, Key::snapshot(7));
  offer(1, Key::after(6, 7));
  EXPECT_EQ(offer(1, Key::snapshot(7)), Admission::copy);
  offer(0, 6);
  EXPECT_EQ(out(), "5 6 7h");
}

TEST_F(SequenceGateTest, the_first_message_gives_the_first_number_unless_it_is_told) {
  make();
  join(1);
  offer(0, 40);
  EXPECT_EQ(offer(0, 39), Admission::late);
  EXPECT_EQ(gate_->counters(0).backwards, 1u);
  EXPECT_EQ(out(), "40");
  make({.first_sequence = 38});
  join(1);
  offer(0, 40);
  EXPECT_EQ(out(), "[38-39] 40h");
}

TEST_F(SequenceGateTest, a_restart_lets_numbers_begin_anew) {
  make();
  join(2);
  offer(0, 9);
  offer(0, 11);
  gate_->restart(2);
  offer(1, 1);
  offer(1, 2);
  EXPECT_EQ(out(), "9 [10-10] 11h 1 2");
}

TEST_F(SequenceGateTest, a_link_that_leads_nowhere_is_counted_and_taken_as_dense) {
  make();
  join(1);
  offer(0, 5);
  offer(0, Key::after(9, 6));
  offer(0, Key::after(7, 7));
  EXPECT_EQ(out(), "5 6 7");
  EXPECT_EQ(gate_->counters().links_invalid, 2u);
  EXPECT_EQ(offer(0, Key::dense(0)), Admission::late);
}

TEST_F(SequenceGateTest, behind_a_gap_a_snapshot_goes_before_the_delta_of_its_number) {
  make();
  join(2);
  offer(0, 5, 1);
  offer(1, Key::after(6, 7), 2);
  offer(1, Key::snapshot(7), 2);
  gate_->expire(2 + 5 * kMillisecond_ns);
  EXPECT_EQ(out(), "5 [6-6) 7sh");
  EXPECT_EQ(gate_->held_count(), 0u);
}

// --- Repair.

class SequenceGateRepair : public GateFixture {
 protected:
  SequenceGateRepair() { repairs_ = true; }
  void start() {
    make({.gap_wait = 5ms, .repair_wait = 100ms});
    join(1);
    offer(0, 1, 1);
    offer(0, 4, 2);
  }
  Admission fill(Key key, Instant_ns now_ns) {
    const std::string text = "payload of " + std::to_string(key.sequence);
    return gate_->fill(key, text_message(text), now_ns);
  }
};

TEST_F(SequenceGateRepair, fills_the_gap_and_the_stream_goes_on) {
  start();
  EXPECT_EQ(out(), "1 ?2-3");
  offer(0, 5, 3);
  fill(Key::dense(3), 4);
  fill(Key::dense(2), 5);
  EXPECT_EQ(out(), "2 3h 4h 5h");
  EXPECT_EQ(gate_->counters().gaps_repaired, 1u);
  EXPECT_EQ(gate_->counters().gaps_reported, 0u);
}

TEST_F(SequenceGateRepair, by_a_snapshot_covers_the_gap_at_once) {
  start();
  offer(0, 5, 3);
  fill(Key::snapshot(4), 4);
  EXPECT_EQ(out(), "1 ?2-3 [2-3) 4s 5h");
  EXPECT_EQ(gate_->counters().gaps_repaired, 1u);
  EXPECT_EQ(gate_->deadline_ns(), kNever_ns);
  EXPECT_EQ(fill(Key::snapshot(5), 5), Admission::copy);
}

TEST_F(SequenceGateRepair, that_fails_is_a_gap_at_once) {
  start();
  gate_->repair_failed(10);
  EXPECT_EQ(out(), "1 ?2-3 [2-3] 4h");
}

TEST_F(SequenceGateRepair, that_takes_too_long_is_a_gap) {
  start();
  EXPECT_EQ(gate_->deadline_ns(), 2 + 100 * kMillisecond_ns);
  gate_->expire(2 + 100 * kMillisecond_ns);
  EXPECT_EQ(out(), "1 ?2-3 [2-3] 4h");
}

TEST_F(SequenceGateRepair, that_is_declined_is_a_gap_at_once) {
  accept_repair_ = false;
  start();
  EXPECT_EQ(out(), "1 ?2-3 [2-3] 4h");
}

// --- Room.

TEST_F(SequenceGateTest, a_full_arena_declares_the_gap_in_front_and_loses_nothing_else) {
  make({.held_bytes_max = 4 * 128});
  join(2);
  offer(0, 1);
  for (const std::uint64_t sequence : {3U, 5U, 7U, 9U}) offer(0, sequence);
  EXPECT_EQ(out(), "1");
  offer(0, 11);
  EXPECT_EQ(out(), "[2-2] 3h");
  EXPECT_EQ(gate_->counters().arena_full, 1u);
  offer(1, 4);  // still in time for the rest
  EXPECT_EQ(out(), "4 5h");
}

TEST_F(SequenceGateTest, a_copy_that_belongs_in_front_of_a_full_arena_goes_through_without_it) {
  make({.held_max = 2});
  join(2);
  offer(0, 1);
  offer(0, 8);
  offer(0, 9);
  offer(1, 5);
  EXPECT_EQ(out(), "1 [2-4] 5");
  EXPECT_EQ(gate_->held_count(), 2u);
}

TEST_F(SequenceGateTest, a_message_larger_than_the_arena_is_never_held) {
  make({.held_bytes_max = 256});
  join(2);
  offer(0, 1);
  offer(0, 3);
  padding_bytes_ = 1000;
  offer(0, 5);
  EXPECT_EQ(out(), "1 [2-2] 3h [4-4] 5");
  EXPECT_EQ(gate_->deadline_ns(), kNever_ns);
}

TEST_F(SequenceGateTest, allocates_nothing_whatever_comes) {
  make({.held_bytes_max = 4096});
  join(4);
  const Message message = text_message("0123456789");
  on_admit_ = nullptr;
  std::uint64_t delivered = 0;
  gate_ = SequenceGate::make({.held_bytes_max = 4096},
                             {.on_message = {[](void* count, const Admitted&) noexcept {
                                               ++*static_cast<std::uint64_t*>(count);
                                             },
                                             &delivered}})
              .value();
  join(4);
  const test::AllocationScope allocations;
  for (std::uint64_t sequence = 1; sequence <= 10'000; ++sequence) {
    for (unsigned member = 0; member < 4; ++member) {
      if ((sequence + member) % 3 == 0) continue;
      gate_->offer(member, Key::dense(sequence + (member == 3 ? 20U : 0U)), message, sequence);
      gate_->offer(member, {}, message, sequence);
    }
  }
  EXPECT_EQ(allocations.count(), 0u);
  EXPECT_GE(delivered, 10'000u);
}

// --- Handlers.

TEST_F(SequenceGateTest, a_handler_may_let_members_leave_and_join) {
  make();
  join(2);
  on_admit_ = [this](const Admitted& admitted) {
    if (admitted.key.sequence == 2) gate_->leave(0, 2);
    if (admitted.key.sequence == 3) gate_->join(0);
  };
  offer(0, 1);
  offer(0, 2);
  EXPECT_FALSE(gate_->is_member(0));
  offer(1, 3);
  EXPECT_TRUE(gate_->is_member(0));
  EXPECT_EQ(out(), "1 2 3");
}

TEST_F(SequenceGateTest, the_last_one_that_could_fill_the_gap_may_leave_within_a_handler) {
  make();
  join(2);
  offer(0, 1);
  offer(0, 5);
  on_admit_ = [this](const Admitted& admitted) {
    if (admitted.key.sequence == 2) gate_->leave(1, 2);
  };
  offer(1, 2);
  EXPECT_EQ(out(), "1 2 [3-4] 5h");
}

TEST(SequenceGateDeathTest, a_stranger_may_not_offer) {
  auto gate =
      SequenceGate::make({}, {.on_message = [](void*, const Admitted&) noexcept {}}).value();
  EXPECT_DEATH(gate->offer(0, SequenceKey::dense(1), Message{}, 1), "is_member");
}

// --- Statistics.

TEST_F(SequenceGateTest, counts_wins_and_how_far_each_line_is_behind) {
  make();
  join(3);
  offer(0, 1, 100);
  offer(1, 1, 130);
  offer(2, 1, 190);
  offer(1, 2, 200);
  offer(0, 2, 205);
  offer(2, 2, 290);
  EXPECT_EQ(gate_->counters(0).wins, 1u);
  EXPECT_EQ(gate_->counters(1).wins, 1u);
  EXPECT_EQ(gate_->counters(2).wins, 0u);
  EXPECT_EQ(gate_->counters(0).behind_ns, 5u);
  EXPECT_EQ(gate_->counters(1).behind_ns, 30u);
  EXPECT_EQ(gate_->counters(2).behind_ns, 180u);
  EXPECT_EQ(gate_->counters(2).behind_ns_max, 90u);
  EXPECT_EQ(gate_->counters(2).behind_count, 2u);
}

TEST_F(SequenceGateTest, counts_how_long_order_kept_messages_waiting) {
  make();
  join(2);
  offer(0, 1, 100);
  offer(0, 3, 110);
  offer(1, 2, 150);
  EXPECT_EQ(gate_->counters().held, 1u);
  EXPECT_EQ(gate_->counters().held_ns, 40u);
  EXPECT_EQ(gate_->counters().held_ns_max, 40u);
}

// --- Messages without a sequence.

TEST_F(SequenceGateTest, without_a_sequence_the_content_tells_copies) {
  make();
  join(2);
  EXPECT_EQ(say(0, "a"), Admission::delivered);
  EXPECT_EQ(say(0, "b"), Admission::delivered);
  EXPECT_EQ(say(1, "a", 40), Admission::copy);
  EXPECT_EQ(say(1, "b", 50), Admission::copy);
  EXPECT_EQ(out(), "a b");
  EXPECT_EQ(gate_->counters(1).behind_ns, 39u + 49u);
}

TEST_F(SequenceGateTest, the_same_content_comes_out_as_often_as_one_feed_sent_it) {
  make();
  join(3);
  say(0, "tick");
  say(0, "tick");
  say(1, "tick");
  say(1, "tick");
  EXPECT_EQ(out(), "tick tick");
  say(1, "tick");
  EXPECT_EQ(out(), "tick");
  say(0, "tick");
  say(2, "tick");
  EXPECT_EQ(out(), "");
}

TEST(CopyWindow, a_content_is_news_again_when_it_has_grown_old) {
  CopyWindow window(8, 1000);
  EXPECT_TRUE(window.offer(0, as_bytes("x"), 1).fresh);
  EXPECT_FALSE(window.offer(1, as_bytes("x"), 1001).fresh);
  EXPECT_TRUE(window.offer(2, as_bytes("x"), 3000).fresh);
  EXPECT_EQ(window.evicted(), 0u);
}

TEST(CopyWindow, a_member_that_begins_anew_is_at_most_one_copy_behind) {
  CopyWindow window(8, 1'000'000);
  for (int copies = 0; copies < 5; ++copies) EXPECT_TRUE(window.offer(0, as_bytes("x"), 1).fresh);
  window.join(1);
  EXPECT_FALSE(window.offer(1, as_bytes("x"), 2).fresh);
  EXPECT_TRUE(window.offer(1, as_bytes("x"), 2).fresh);
}

// Sets of four forgot some of these, and the slow member's copies were delivered as news.
TEST(CopyWindow, a_member_thousands_behind_brings_only_copies) {
  constexpr int kBehind = 8000;
  CopyWindow window(1U << 16, 1'000'000'000);
  const auto offer = [&window](unsigned member, int number) {
    const std::string content = "message " + std::to_string(number);
    return window.offer(member, as_bytes(content), 1 + static_cast<Instant_ns>(number)).fresh;
  };
  window.join(0);
  window.join(1);
  int fresh = 0;
  for (int number = 0; number < kBehind; ++number) fresh += offer(0, number) ? 1 : 0;
  EXPECT_EQ(fresh, kBehind);
  for (int number = 0; number < kBehind; ++number) fresh += offer(1, number) ? 1 : 0;
  EXPECT_EQ(fresh, kBehind);
  EXPECT_EQ(window.evicted(), 0u);
}

TEST(CopyWindow, forgets_the_longest_unseen_content_and_counts_it) {
  CopyWindow window(8, 1'000'000);
  for (const std::string_view content : {"a", "b", "c", "d", "e", "f", "g", "h", "i"})
    EXPECT_TRUE(window.offer(0, as_bytes(content), 1 + static_cast<Instant_ns>(content[0])).fresh);
  EXPECT_EQ(window.evicted(), 1u);
  EXPECT_FALSE(window.offer(1, as_bytes("i"), 200).fresh);
  EXPECT_TRUE(window.offer(1, as_bytes("a"), 201).fresh);
}

// --- Options.

TEST(SequenceGateOptions, that_make_no_gate_are_refused) {
  const SequenceGateOptions bad[] = {
      {.gap_wait = -1ns}, {.repair_wait = -1ns}, {.held_bytes_max = 0},
      {.held_max = 3},    {.held_max = 0},       {.window = 0},
      {.window = 100},    {.contents = 4},       {.content_age = 0ns},
  };
  for (const SequenceGateOptions& options : bad) {
    const auto gate =
        SequenceGate::make(options, {.on_message = [](void*, const Admitted&) noexcept {}});
    ASSERT_FALSE(gate.has_value());
    EXPECT_EQ(gate.error().code(), Errc::invalid_option);
  }
}

}  // namespace
}  // namespace zenwire
