// TimerQueue against a model; callbacks that arm, cancel and destroy; never early, never endless.

#include <algorithm>
#include <memory>
#include <tuple>
#include <vector>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <zenwire/engine/timer_queue.hpp>

namespace zenwire {
namespace {

struct Owner {
  explicit Owner(int number, std::vector<int>* ran_log) : id(number), ran(ran_log) {}

  void on_timer(Timer&) noexcept {
    ran->push_back(id);
    if (then) then(*this);
  }

  int id;
  std::vector<int>* ran;
  Callback<Owner&> then{};
  Timer timer{Callback<Timer&>::to<&Owner::on_timer>(*this)};
};

class TimerQueueTest : public testing::Test {
 protected:
  TimerQueueTest() {
    for (int id = 0; id < 16; ++id) owners.push_back(std::make_unique<Owner>(id, &ran));
  }
  ~TimerQueueTest() override {
    for (const auto& owner : owners) {
      if (owner) queue.cancel(owner->timer);
    }
  }
  Timer& timer(int id) { return owners[static_cast<std::size_t>(id)]->timer; }
  Owner& owner(int id) { return *owners[static_cast<std::size_t>(id)]; }

  TimerQueue queue{16};
  std::vector<int> ran;
  std::vector<std::unique_ptr<Owner>> owners;
};

TEST_F(TimerQueueTest, IsEmptyAtFirst) {
  EXPECT_EQ(queue.next_deadline_ns(), TimerQueue::kNever);
  EXPECT_EQ(queue.expire(TimerQueue::kNever), 0u);
  EXPECT_EQ(queue.count(), 0u);
  EXPECT_EQ(queue.timers_max(), 16u);
  queue.cancel(timer(0));
  EXPECT_FALSE(timer(0).armed());
}

TEST_F(TimerQueueTest, RunsAtTheDeadlineAndNotBefore) {
  queue.arm(timer(0), 1000);
  EXPECT_TRUE(timer(0).armed());
  EXPECT_EQ(timer(0).deadline_ns(), 1000u);
  EXPECT_EQ(queue.next_deadline_ns(), 1000u);
  EXPECT_EQ(queue.expire(0), 0u);
  EXPECT_EQ(queue.expire(999), 0u);
  EXPECT_EQ(queue.expire(1000), 1u);
  EXPECT_FALSE(timer(0).armed());
  EXPECT_EQ(queue.expire(2000), 0u);
}

TEST_F(TimerQueueTest, RunsInTheOrderOfDeadlinesThenOfArming) {
  for (int id = 0; id < 16; ++id)
    queue.arm(timer(id), id < 8 ? 50 : static_cast<unsigned>(40 - id));
  queue.arm(timer(3), 50);  // armed again: last of its deadline
  EXPECT_EQ(queue.expire(49), 8u);
  EXPECT_EQ(queue.expire(50), 8u);
  EXPECT_EQ(ran, (std::vector{15, 14, 13, 12, 11, 10, 9, 8, 0, 1, 2, 4, 5, 6, 7, 3}));
}

TEST_F(TimerQueueTest, MovesAnArmedTimerBothWays) {
  queue.arm(timer(0), 100);
  queue.arm(timer(1), 200);
  queue.arm(timer(2), 300);
  queue.arm(timer(2), 50);
  queue.arm(timer(0), 400);
  EXPECT_EQ(queue.count(), 3u);
  queue.expire(1000);
  EXPECT_EQ(ran, (std::vector{2, 1, 0}));
}

TEST_F(TimerQueueTest, DoesNotRunWhatACallbackCancelled) {
  auto then_0 = [this](Owner&) noexcept {
    queue.cancel(timer(1));
    queue.arm(timer(2), 5000);
  };
  owner(0).then = Callback<Owner&>::to(then_0);
  for (int id = 0; id < 4; ++id) queue.arm(timer(id), 10);
  EXPECT_EQ(queue.expire(10), 2u);
  EXPECT_EQ(ran, (std::vector{0, 3}));
  EXPECT_EQ(queue.next_deadline_ns(), 5000u);
}

// A callback that arms itself for the past runs once a call, and keeps no other from running.
TEST_F(TimerQueueTest, EndsThoughATimerKeepsArmingItselfForThePast) {
  auto then_0 = [this](Owner& rearmed) noexcept { queue.arm(rearmed.timer, 1); };
  owner(0).then = Callback<Owner&>::to(then_0);
  queue.arm(timer(0), 5);
  queue.arm(timer(1), 7);
  queue.arm(timer(2), 10);
  EXPECT_EQ(queue.expire(10), 3u);
  EXPECT_EQ(ran, (std::vector{0, 1, 2}));
  EXPECT_LE(queue.next_deadline_ns(), 10u);
  EXPECT_EQ(queue.expire(10), 1u);
  EXPECT_EQ(queue.expire(11), 1u);
}

TEST_F(TimerQueueTest, LetsACallbackDestroyItsOwnTimer) {
  auto then_4 = [this](Owner&) noexcept { owners[4].reset(); };
  owner(4).then = Callback<Owner&>::to(then_4);
  auto then_5 = [this](Owner&) noexcept {
    queue.cancel(timer(6));
    owners[6].reset();
  };
  owner(5).then = Callback<Owner&>::to(then_5);
  for (int id = 4; id < 8; ++id) queue.arm(timer(id), 10);
  EXPECT_EQ(queue.expire(10), 3u);
  EXPECT_EQ(ran, (std::vector{4, 5, 7}));
}

using TimerQueueDeath = TimerQueueTest;

TEST_F(TimerQueueDeath, AssertsOnMisuse) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(queue.arm(timer(0), TimerQueue::kNever), "kNever");
  EXPECT_DEATH(
      {
        TimerQueue one(1);
        one.arm(timer(0), 1);
        one.arm(timer(1), 1);
      },
      "timers_max_");
  EXPECT_DEATH(
      {
        TimerQueue one(1);
        Timer dies(Callback<Timer&>([](void*, Timer&) noexcept {}));
        one.arm(dies, 1);
      },
      "armed");
}

// The model: a list of {deadline, order}; the next is the least.
struct ModelEntry {
  std::size_t id;
  std::uint64_t deadline;
  std::uint64_t order;
};

RC_GTEST_PROP(TimerQueueModel, RunsWhatTheModelRuns,
              (const std::vector<std::tuple<std::uint8_t, std::uint8_t, std::uint8_t>>& steps)) {
  std::vector<int> ran;
  std::vector<std::unique_ptr<Owner>> owners;
  for (int id = 0; id < 40; ++id) owners.push_back(std::make_unique<Owner>(id, &ran));
  TimerQueue queue(40);
  std::vector<ModelEntry> model;
  std::uint64_t now = 0;
  std::uint64_t order = 0;
  const auto forget = [&](std::size_t id) {
    std::erase_if(model, [id](const ModelEntry& entry) { return entry.id == id; });
  };
  for (const auto& [what, which, delay] : steps) {
    const std::size_t id = which % owners.size();
    if (what % 4 < 2) {
      forget(id);
      model.push_back({id, now + delay, order++});
      queue.arm(owners[id]->timer, now + delay);
    } else if (what % 4 == 2) {
      forget(id);
      queue.cancel(owners[id]->timer);
    } else {
      now += delay / 4;
      std::sort(model.begin(), model.end(), [](const ModelEntry& left, const ModelEntry& right) {
        return std::tie(left.deadline, left.order) < std::tie(right.deadline, right.order);
      });
      std::vector<int> due;
      while (!model.empty() && model.front().deadline <= now) {
        due.push_back(static_cast<int>(model.front().id));
        model.erase(model.begin());
      }
      ran.clear();
      RC_ASSERT(queue.expire(now) == due.size());
      RC_ASSERT(ran == due);
    }
    queue.invariants();
    RC_ASSERT(queue.count() == model.size());
    const auto least = std::min_element(
        model.begin(), model.end(),
        [](const auto& left, const auto& right) { return left.deadline < right.deadline; });
    RC_ASSERT(queue.next_deadline_ns() == (model.empty() ? TimerQueue::kNever : least->deadline));
  }
  for (const auto& owner : owners) queue.cancel(owner->timer);
}

}  // namespace
}  // namespace zenwire
