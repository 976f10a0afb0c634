// Ejection: who goes out, for how long, and when nobody may.

#include <optional>
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include <zenwire/pool/ejection.hpp>

namespace zenwire {
namespace {

using namespace std::chrono_literals;

constexpr Instant_ns kSecond_ns = 1'000'000'000;
constexpr std::uint64_t kMillisecond_ns = 1'000'000;

class EjectionTest : public ::testing::Test {
 protected:
  void make(std::uint32_t members, EjectionOptions options = {}) {
    ejection_.emplace(options, members,
                      Callback<MemberIndex, Standing>::to<&EjectionTest::change>(*this));
    members_ = members;
    for (MemberIndex member = 0; member < members; ++member) {
      ejection_->set_reachable(member, true);
      ejection_->up(member, 1);
    }
  }
  void fail(MemberIndex member, int times, Instant_ns now_ns = 2) {
    for (int i = 0; i < times; ++i) ejection_->failure(member, now_ns);
  }
  void succeed(MemberIndex member, int times, std::uint64_t round_trip_ns = kMillisecond_ns,
               Instant_ns now_ns = 2) {
    for (int i = 0; i < times; ++i) ejection_->success(member, round_trip_ns, now_ns);
  }
  void change(MemberIndex member, Standing standing) noexcept {
    changes_ += std::to_string(member) + " " + std::string(name(standing)) + "; ";
  }
  std::string changes() { return std::exchange(changes_, {}); }

  std::optional<Ejection> ejection_;
  std::uint32_t members_ = 0;

 private:
  std::string changes_;
};

TEST_F(EjectionTest, errors_in_a_row_eject) {
  make(4);
  fail(1, 4);
  succeed(1, 1);
  fail(1, 4);
  EXPECT_EQ(changes(), "");
  fail(1, 1);
  EXPECT_EQ(changes(), "1 ejected; ");
  EXPECT_EQ(ejection_->ejections(1), 1u);
}

TEST_F(EjectionTest, probation_follows_and_successes_end_it) {
  make(4, {.base = 30s, .trials_wanted = 3});
  fail(1, 5, kSecond_ns);
  ejection_->look(31 * kSecond_ns - 1);
  EXPECT_EQ(changes(), "1 ejected; ");
  ejection_->look(31 * kSecond_ns);
  EXPECT_EQ(changes(), "1 probation; ");
  succeed(1, 2);
  EXPECT_EQ(changes(), "");
  succeed(1, 1);
  EXPECT_EQ(changes(), "1 in; ");
}

TEST_F(EjectionTest, a_failure_on_probation_ejects_for_twice_as_long) {
  make(4, {.base = 30s, .time_max = 100s});
  Instant_ns now_ns = kSecond_ns;
  fail(1, 5, now_ns);
  for (const Instant_ns seconds : {30U, 60U, 100U, 100U}) {
    ejection_->look(now_ns + seconds * kSecond_ns - 1);
    EXPECT_EQ(ejection_->standing(1), Standing::ejected);
    now_ns += seconds * kSecond_ns;
    ejection_->look(now_ns);
    EXPECT_EQ(ejection_->standing(1), Standing::probation);
    fail(1, 1, now_ns);
  }
  EXPECT_EQ(ejection_->ejections(1), 5u);
}

TEST_F(EjectionTest, good_behaviour_shortens_the_next_time) {
  make(4, {.base = 30s, .trials_wanted = 1});
  fail(1, 5, kSecond_ns);
  ejection_->look(31 * kSecond_ns);
  succeed(1, 1, kMillisecond_ns, 31 * kSecond_ns);
  ejection_->look(31 * kSecond_ns + 60 * kSecond_ns);  // once out: the next would be 60 s
  fail(1, 5, 100 * kSecond_ns);
  ejection_->look(130 * kSecond_ns);
  EXPECT_EQ(ejection_->standing(1), Standing::probation);
}

TEST_F(EjectionTest, so_many_always_stay_in) {
  make(3, {.live_min = 2});
  fail(0, 5);
  fail(1, 5);
  fail(2, 5);
  EXPECT_EQ(changes(), "0 ejected; ");
  EXPECT_GT(ejection_->refused(), 0u);
  make(2, {.live_min = 2});
  fail(0, 50);
  EXPECT_EQ(changes(), "");
}

TEST_F(EjectionTest, members_that_are_not_reachable_are_not_live) {
  make(4, {.live_min = 2});
  ejection_->set_reachable(2, false);
  ejection_->set_reachable(3, false);
  fail(0, 5);
  EXPECT_EQ(changes(), "");
}

TEST_F(EjectionTest, no_more_than_a_share_is_out) {
  make(40, {.ejected_percent_max = 10});
  for (MemberIndex member = 0; member < 40; ++member) fail(member, 5);
  EXPECT_EQ(changes(), "0 ejected; 1 ejected; 2 ejected; 3 ejected; ");
}

TEST_F(EjectionTest, the_slowest_goes_when_it_is_slow_against_the_best) {
  struct Row {
    const char* what;
    std::uint64_t best_ms, slow_ms;
    int samples;
    Instant_ns at_s;
    bool ejected;
  };
  const Row rows[] = {
      {"slow by factor and by time", 40, 100, 64, 11, true},
      {"twice, but by less than 50 ms", 10, 40, 64, 11, false},
      {"by 60 ms, but less than twice", 100, 160, 64, 11, false},
      {"too few samples", 40, 100, 63, 11, false},
      {"still in its grace", 40, 100, 64, 9, false},
      {"stalls are no speed", 40, 501, 64, 11, false},
  };
  for (const Row& row : rows) {
    make(4);
    for (MemberIndex member = 0; member < 4; ++member)
      succeed(member, row.samples, (member == 2 ? row.slow_ms : row.best_ms) * kMillisecond_ns);
    ejection_->look(row.at_s * kSecond_ns);
    EXPECT_EQ(changes(), row.ejected ? "2 ejected; " : "") << row.what;
  }
}

TEST_F(EjectionTest, one_look_ejects_one_slow_member_at_most) {
  make(40, {.ejected_percent_max = 50});
  for (MemberIndex member = 0; member < 40; ++member)
    succeed(member, 64, (member < 5 ? 200 : 10) * kMillisecond_ns);
  ejection_->look(11 * kSecond_ns);
  EXPECT_EQ(changes(), "0 ejected; ");
}

TEST_F(EjectionTest, a_new_connection_is_measured_anew) {
  make(4);
  for (MemberIndex member = 0; member < 4; ++member)
    succeed(member, 64, (member == 2 ? 100 : 10) * kMillisecond_ns);
  ejection_->up(2, 10 * kSecond_ns);
  ejection_->look(30 * kSecond_ns);
  EXPECT_EQ(changes(), "");
}

TEST_F(EjectionTest, can_be_switched_off) {
  make(4, {.enabled = false});
  fail(1, 100);
  EXPECT_EQ(changes(), "");
}

}  // namespace
}  // namespace zenwire
