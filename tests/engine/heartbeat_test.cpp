// Beats, answers, silence, and the engine's own silence. Times are seconds of the test's own clock.

#include <vector>

#include <gtest/gtest.h>

#include <zenwire/engine/heartbeat.hpp>

namespace zenwire {
namespace {

constexpr std::uint64_t kSecond = 1'000'000'000;
using Due = Heartbeat::Due;

HeartbeatOptions options_of(HeartbeatKind kind, int interval_s, std::uint32_t missed_max,
                            int idle_s = 0) {
  HeartbeatOptions options;
  options.kind = kind;
  options.interval = std::chrono::seconds(interval_s);
  options.missed_max = missed_max;
  options.idle_timeout = std::chrono::seconds(idle_s);
  return options;
}

// Runs all ticks up to `until_s`; gives what was due and when, and sends what is to be sent.
struct Told {
  std::uint64_t at_s;
  Due due;
  bool operator==(const Told&) const = default;
};
std::vector<Told> run(Heartbeat& beat, std::uint64_t until_s, std::uint64_t received = 0,
                      bool withheld = false) {
  std::vector<Told> told;
  while (beat.next_tick_ns() <= until_s * kSecond) {
    const Instant_ns now = beat.next_tick_ns();
    beat.progress(received, withheld, now);
    const Due due = beat.due(now);
    if (due == Due::nothing) continue;
    told.push_back({now / kSecond, due});
    if (due == Due::send) beat.sent(now);
    if (due == Due::missed_limit || due == Due::idle_limit) beat.stop();
  }
  return told;
}

// 28 missed pongs in 1.5 s, and the connection stayed.
TEST(Heartbeat, R038_missed_beats_are_counted_and_end_the_connection_at_the_limit) {
  Heartbeat beat(options_of(HeartbeatKind::ping, 10, 3));
  beat.start(kSecond);
  EXPECT_EQ(run(beat, 200),
            (std::vector<Told>{
                {11, Due::send}, {21, Due::send}, {31, Due::send}, {41, Due::missed_limit}}));
  EXPECT_EQ(beat.counters().missed, 3u);
  EXPECT_FALSE(beat.running());
}

TEST(Heartbeat, an_answer_starts_the_row_anew_and_measures_the_round_trip) {
  Heartbeat beat(options_of(HeartbeatKind::ping, 10, 2));
  beat.start(kSecond);
  run(beat, 22);  // beats at 11 and 21, one missed
  EXPECT_EQ(beat.missed_in_row(), 1u);
  EXPECT_TRUE(beat.answered(beat.token(), 21 * kSecond + 1234));
  EXPECT_EQ(beat.counters().round_trip_ns, 1234u);
  EXPECT_EQ(beat.missed_in_row(), 0u);
  EXPECT_EQ(run(beat, 41), (std::vector<Told>{{31, Due::send}, {41, Due::send}}));
}

TEST(Heartbeat, only_the_answer_to_the_beat_in_flight_answers_it) {
  Heartbeat beat(options_of(HeartbeatKind::ping, 10, 9));
  beat.start(kSecond);
  run(beat, 11);
  const std::uint64_t first = beat.token();
  run(beat, 21);
  EXPECT_NE(beat.token(), first);
  EXPECT_FALSE(beat.answered(first, 22 * kSecond)) << "a late answer would give a false round trip";
  EXPECT_FALSE(beat.answered(0, 22 * kSecond));
  EXPECT_TRUE(beat.answered(beat.token(), 22 * kSecond));
  EXPECT_FALSE(beat.answered(beat.token(), 22 * kSecond)) << "once";
}

TEST(Heartbeat, the_server_kind_wants_one_beat_a_period) {
  Heartbeat beat(options_of(HeartbeatKind::server, 10, 2));
  beat.start(kSecond);
  for (std::uint64_t s = 5; s < 100; s += 10) {
    EXPECT_TRUE(run(beat, s).empty()) << s;
    beat.received_beat();
  }
  EXPECT_EQ(run(beat, 300), (std::vector<Told>{{121, Due::missed_limit}}));
}

TEST(Heartbeat, silence_ends_the_connection_within_a_tick_of_the_idle_timeout) {
  Heartbeat beat(options_of(HeartbeatKind::none, 10, 3, 40));
  beat.start(kSecond);
  EXPECT_TRUE(run(beat, 31, 100).empty());
  // The last byte was seen at the tick of 11 s: silence is due at 51 s.
  EXPECT_EQ(run(beat, 300, 100), (std::vector<Told>{{51, Due::idle_limit}}));
}

TEST(Heartbeat, what_is_received_keeps_it_alive) {
  Heartbeat beat(options_of(HeartbeatKind::none, 10, 3, 4));
  beat.start(kSecond);
  for (std::uint64_t s = 2; s < 100; ++s) EXPECT_TRUE(run(beat, s, s).empty()) << s;
}

TEST(Heartbeat, both_clocks_stand_still_while_the_engine_withholds_reading) {
  Heartbeat beat(options_of(HeartbeatKind::ping, 10, 1, 20));
  beat.start(kSecond);
  EXPECT_EQ(run(beat, 11), (std::vector<Told>{{11, Due::send}}));
  EXPECT_TRUE(run(beat, 1000, 0, true).empty()) << "the answer waits in the kernel";
  EXPECT_GT(beat.counters().withheld, 100u);
  const auto after = run(beat, 2000);
  ASSERT_EQ(after.size(), 1u);
  EXPECT_GE(after[0].at_s, 1001u);
  EXPECT_LE(after[0].at_s, 1012u);
}

TEST(Heartbeat, a_new_connection_starts_with_a_clean_row) {
  Heartbeat beat(options_of(HeartbeatKind::ping, 10, 2));
  beat.start(kSecond);
  run(beat, 22);
  beat.start(100 * kSecond);
  EXPECT_EQ(beat.missed_in_row(), 0u);
  EXPECT_EQ(run(beat, 111), (std::vector<Told>{{110, Due::send}}));
  EXPECT_EQ(beat.counters().sent, 3u) << "counters stay";
}

TEST(Heartbeat, without_beats_and_without_idle_timeout_it_never_ticks) {
  Heartbeat beat(options_of(HeartbeatKind::none, 10, 3));
  beat.start(kSecond);
  EXPECT_EQ(beat.next_tick_ns(), kNever_ns);
}

}  // namespace
}  // namespace zenwire
