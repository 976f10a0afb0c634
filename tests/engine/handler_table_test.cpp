// HandlerTable: registration at any time, inside a call too; stale ids; order; nesting; a model.

#include <algorithm>
#include <array>
#include <memory>
#include <vector>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <zenwire/engine/handler_table.hpp>

namespace zenwire {
namespace {

using Table = HandlerTable<int&, int>;

// A handler that logs its number and then does what the test says.
struct Probe {
  void on_event(int& sum, int value) noexcept {
    log->push_back(number);
    sum += value;
    if (then) then();
  }
  [[nodiscard]] Table::Handler handler() noexcept {
    return Table::Handler::to<&Probe::on_event>(*this);
  }

  int number = 0;
  std::vector<int>* log = nullptr;
  Callback<> then{};
};

class HandlerTableTest : public testing::Test {
 protected:
  HandlerTableTest() {
    for (int number = 0; number < 10; ++number) {
      probes[static_cast<std::size_t>(number)] = {.number = number, .log = &log};
    }
  }
  HandlerId add(std::size_t number) { return *table.add(probes[number].handler()); }
  std::vector<int> fire() {
    log.clear();
    int sum = 0;
    table(sum, 1);
    EXPECT_EQ(sum, static_cast<int>(log.size()));
    return log;
  }

  Table table;
  std::vector<int> log;
  std::array<Probe, 10> probes;
};

using Log = std::vector<int>;

TEST_F(HandlerTableTest, RunsNoneOneAndMany) {
  EXPECT_TRUE(table.empty());
  EXPECT_EQ(fire(), Log{});
  Log expected;
  for (int number = 0; number < 8; ++number) {
    add(static_cast<std::size_t>(number));
    expected.push_back(number);
    EXPECT_EQ(table.count(), expected.size());
    EXPECT_EQ(fire(), expected);
  }
  EXPECT_FALSE(table.add(probes[8].handler()).has_value());
  EXPECT_EQ(fire(), expected);
}

TEST_F(HandlerTableTest, ReplacesAndRemoves) {
  const HandlerId zero = add(0);
  EXPECT_TRUE(table.replace(zero, probes[5].handler()));
  EXPECT_EQ(fire(), Log{5});
  const HandlerId one = add(1);
  EXPECT_TRUE(table.replace(one, probes[6].handler()));
  EXPECT_EQ(fire(), (Log{5, 6}));
  EXPECT_TRUE(table.remove(zero));
  EXPECT_EQ(fire(), Log{6});
  EXPECT_TRUE(table.remove(one));
  EXPECT_EQ(fire(), Log{});
}

TEST_F(HandlerTableTest, KnowsStaleIds) {
  EXPECT_FALSE(HandlerId{});
  EXPECT_FALSE(table.remove(HandlerId{}));
  const HandlerId first = add(0);
  EXPECT_TRUE(first);
  EXPECT_TRUE(table.remove(first));
  EXPECT_FALSE(table.remove(first));
  EXPECT_FALSE(table.replace(first, probes[1].handler()));
  const HandlerId second = add(1);
  EXPECT_EQ(first.slot, second.slot);
  EXPECT_FALSE(table.holds(first));
  EXPECT_FALSE(table.remove(first));
  EXPECT_TRUE(table.holds(second));
  EXPECT_EQ(fire(), Log{1});
}

TEST_F(HandlerTableTest, LetsAHandlerRemoveItself) {
  HandlerId self;
  auto remove_self = [&]() noexcept { EXPECT_TRUE(table.remove(self)); };
  for (const std::size_t others : {0U, 1U, 3U}) {
    for (std::size_t number = 1; number <= others; ++number) add(number);
    self = add(0);
    probes[0].then = Callback<>::to(remove_self);
    EXPECT_EQ(fire().size(), others + 1);
    EXPECT_EQ(fire().size(), others);
    EXPECT_EQ(std::count(log.begin(), log.end(), 0), 0);
    while (!table.empty()) {
      for (std::uint8_t slot = 0; slot < 8; ++slot) {
        for (std::uint32_t generation = 1; generation < 9; ++generation) {
          table.remove({generation, slot});
        }
      }
    }
  }
}

TEST_F(HandlerTableTest, DoesNotRunWhatWasRemovedInThisEvent) {
  add(0);
  add(1);
  const HandlerId two = add(2);
  add(3);
  auto remove_two = [&]() noexcept { table.remove(two); };
  probes[1].then = Callback<>::to(remove_two);
  EXPECT_EQ(fire(), (Log{0, 1, 3}));
}

// The new one takes the slot of the removed one, which this event has not reached yet.
TEST_F(HandlerTableTest, StartsAnAddedHandlerWithTheNextEvent) {
  add(0);
  const HandlerId one = add(1);
  add(2);
  auto swap = [&]() noexcept {
    table.remove(one);
    add(4);
    add(5);
    probes[0].then = {};
  };
  probes[0].then = Callback<>::to(swap);
  EXPECT_EQ(fire(), (Log{0, 2}));
  EXPECT_EQ(fire(), (Log{0, 4, 2, 5}));
}

TEST_F(HandlerTableTest, StartsAHandlerAddedByTheOnlyOneWithTheNextEvent) {
  auto add_another = [&]() noexcept {
    add(1);
    probes[0].then = {};
  };
  probes[0].then = Callback<>::to(add_another);
  add(0);
  EXPECT_EQ(fire(), Log{0});
  EXPECT_EQ(fire(), (Log{0, 1}));
}

TEST_F(HandlerTableTest, RunsTheNewHandlerWhenReplacedBeforeItsTurn) {
  add(0);
  const HandlerId one = add(1);
  auto replace_one = [&]() noexcept { table.replace(one, probes[7].handler()); };
  probes[0].then = Callback<>::to(replace_one);
  EXPECT_EQ(fire(), (Log{0, 7}));
  // Itself: that turn is over, so the new one starts with the next event.
  auto replace_self = [&]() noexcept { table.replace(one, probes[8].handler()); };
  probes[0].then = {};
  probes[7].then = Callback<>::to(replace_self);
  EXPECT_EQ(fire(), (Log{0, 7}));
  EXPECT_EQ(fire(), (Log{0, 8}));
}

TEST_F(HandlerTableTest, NestsEvents) {
  add(0);
  const HandlerId one = add(1);
  add(2);
  int depth = 0;
  int sum = 0;
  auto fire_again = [&]() noexcept {
    if (++depth == 1) table(sum, 1);
    if (depth == 2) table.remove(one);  // inside the inner event: leaves the outer one's list too
  };
  probes[0].then = Callback<>::to(fire_again);
  EXPECT_EQ((log.clear(), table(sum, 1), log), (Log{0, 0, 2, 2}));
  EXPECT_EQ(fire(), (Log{0, 2}));
}

TEST(HandlerTableDeath, AssertsOnMisuse) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  HandlerTable<> table;
  EXPECT_DEATH((void)table.add({}), "handler");
  EXPECT_DEATH(table.remove({.generation = 1, .slot = 8}), "kHandlers_max");
  static std::unique_ptr<HandlerTable<>> dies;
  EXPECT_DEATH(
      {
        dies = std::make_unique<HandlerTable<>>();
        (void)dies->add([](void*) noexcept { dies.reset(); });
        (void)dies->add([](void*) noexcept {});
        (*dies)();
      },
      "running_");
}

// Against a list of entries, with changes made between and inside events: what the model owes is
// what runs, in order.
struct World {
  struct Entry {
    HandlerId id;
    int number;
  };
  Table table;
  std::vector<Entry> entries;  // by slot
  std::vector<HandlerId> stale;
  std::vector<int> owed;  // by the event that runs, in order
  const std::vector<std::uint8_t>* steps = nullptr;
  std::size_t step = 0;
  int next_number = 0;
  bool failed = false;

  struct Context {
    World* world;
    int number;
  };
  std::vector<std::unique_ptr<Context>> contexts;

  Table::Handler make(int number) {
    contexts.push_back(std::make_unique<Context>(Context{this, number}));
    return {[](void* context, int&, int) noexcept {
              auto* self = static_cast<Context*>(context);
              self->world->on_run(self->number);
            },
            contexts.back().get()};
  }

  void change(int steps_max) noexcept {
    for (int count = 0; count < steps_max && step < steps->size(); ++count) {
      const std::uint8_t what = (*steps)[step++];
      if (what % 4 == 0) {
        const auto id = table.add(make(next_number));
        failed |= id.has_value() != (entries.size() < 8);
        if (id) entries.push_back({*id, next_number});
        ++next_number;
      } else if (!entries.empty() && what % 4 == 1) {
        const auto which = entries.begin() + what / 4 % static_cast<std::ptrdiff_t>(entries.size());
        std::erase(owed, which->number);
        stale.push_back(which->id);
        failed |= !table.remove(which->id);
        entries.erase(which);
      } else if (!entries.empty() && what % 4 == 2) {
        Entry& entry = entries[what / 4U % entries.size()];
        std::replace(owed.begin(), owed.end(), entry.number, next_number);
        entry.number = next_number++;
        failed |= !table.replace(entry.id, make(entry.number));
      } else if (!stale.empty()) {
        failed |= table.remove(stale[what / 4U % stale.size()]);
      }
    }
    failed |= table.count() != entries.size();
  }

  // The one that runs must be the first that is still owed its turn.
  void on_run(int number) noexcept {
    failed |= owed.empty() || owed.front() != number;
    if (!owed.empty()) owed.erase(owed.begin());
    change(2);
  }

  void fire() {
    std::sort(entries.begin(), entries.end(),
              [](const Entry& left, const Entry& right) { return left.id.slot < right.id.slot; });
    for (const Entry& entry : entries) owed.push_back(entry.number);
    int sum = 0;
    table(sum, 1);
    failed |= !owed.empty();
    owed.clear();
  }
};

RC_GTEST_PROP(HandlerTableModel, FollowsItsRegistrations,
              (const std::vector<std::uint8_t>& steps)) {
  World world;
  world.steps = &steps;
  while (world.step < steps.size()) {
    world.change(3);
    world.fire();
    RC_ASSERT(!world.failed);
  }
}

}  // namespace
}  // namespace zenwire
