// Channels by name, and what is wanted against what each line has. The last test is a random walk
// against a model.

#include <map>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <zenwire/engine/subscription_registry.hpp>
#include <zenwire/testing/random.hpp>

#include "allocation_counter.hpp"

namespace zenwire {
namespace {

using Names = std::vector<std::string>;
using Ask = SubscriptionAsk;

struct Asked {
  Ask ask = Ask::subscribe;
  Names names{};
  bool operator==(const Asked&) const = default;
};

Asked take(SubscriptionRegistry& registry, std::size_t line, std::uint64_t id,
           std::size_t most = 10) {
  std::vector<ChannelIndex> room(most);
  const auto chunk = registry.take(line, id, room);
  Asked asked{chunk.ask, {}};
  for (std::size_t i = 0; i < chunk.count; ++i) asked.names.emplace_back(registry.name(room[i]));
  registry.invariants();
  return asked;
}

void accept_all(SubscriptionRegistry& registry, std::size_t line, std::uint64_t id) {
  registry.each_asked(line, id,
                      [&](ChannelIndex channel) { EXPECT_TRUE(registry.accepted(line, channel)); });
  registry.invariants();
}

TEST(ChannelTable, finds_what_was_put_in_and_nothing_else_through_growth_and_erasure) {
  ChannelTable table(512, 16);
  std::map<std::string, ChannelIndex> model;
  testing::Random random(7);
  for (int i = 0; i < 20'000; ++i) {
    const std::string name = "ticker." + std::to_string(random.below(900));
    if (const auto at = model.find(name); at != model.end() && random.below(2) == 0) {
      table.erase(at->second);
      model.erase(at);
    } else if (const ChannelIndex channel = table.insert(name); channel != kNoChannel) {
      const auto [known, fresh] = model.emplace(name, channel);
      ASSERT_EQ(known->second, channel);
    } else {
      ASSERT_EQ(model.size(), 512u);
    }
    ASSERT_EQ(table.count(), model.size());
  }
  for (int i = 0; i < 900; ++i) {
    const std::string name = "ticker." + std::to_string(i);
    const auto at = model.find(name);
    ASSERT_EQ(table.find(name), at == model.end() ? kNoChannel : at->second) << name;
  }
}

TEST(SubscriptionRegistry, refuses_names_without_room_and_channels_without_place) {
  SubscriptionRegistry registry(2, 8);
  EXPECT_EQ(registry.subscribe(""), Errc::channel_invalid);
  EXPECT_EQ(registry.subscribe("123456789"), Errc::channel_invalid);
  EXPECT_EQ(registry.subscribe("a"), Errc::ok);
  EXPECT_EQ(registry.subscribe("b"), Errc::ok);
  EXPECT_EQ(registry.subscribe("c"), Errc::subscriptions_exhausted);
  EXPECT_EQ(registry.subscribe("a"), Errc::ok) << "it is there already";
  EXPECT_EQ(registry.wanted_count(), 2u);
}

TEST(SubscriptionRegistry, all_that_is_wanted_is_asked_in_chunks_and_active_when_acknowledged) {
  SubscriptionRegistry registry(16, 8);
  for (const char* name : {"a", "b", "c", "d", "e"}) EXPECT_EQ(registry.subscribe(name), Errc::ok);
  registry.begin(0);
  EXPECT_EQ(take(registry, 0, 1, 2), (Asked{Ask::subscribe, {"a", "b"}}));
  EXPECT_EQ(take(registry, 0, 2, 2), (Asked{Ask::subscribe, {"c", "d"}}));
  EXPECT_EQ(take(registry, 0, 3, 2), (Asked{Ask::subscribe, {"e"}}));
  EXPECT_EQ(take(registry, 0, 4, 2).names.size(), 0u);
  EXPECT_EQ(registry.active_count(0), 0u) << "to send is not to have";
  accept_all(registry, 0, 1);
  EXPECT_EQ(registry.active_count(0), 2u);
  accept_all(registry, 0, 2);
  accept_all(registry, 0, 3);
  EXPECT_EQ(registry.active_count(0), 5u);
  EXPECT_EQ(registry.asked_count(0), 0u);
}

// A failed restore lost the set.
TEST(SubscriptionRegistry, R022_a_drop_in_the_middle_of_a_restore_loses_nothing) {
  SubscriptionRegistry registry(16, 8);
  for (const char* name : {"a", "b", "c"}) EXPECT_EQ(registry.subscribe(name), Errc::ok);
  for (std::size_t acknowledged = 0; acknowledged < 4; ++acknowledged) {
    registry.begin(0);
    EXPECT_EQ(take(registry, 0, acknowledged).names, (Names{"a", "b", "c"}));
    for (std::size_t i = 0; i < acknowledged; ++i)
      EXPECT_TRUE(registry.accepted(0, registry.find(std::string(1, static_cast<char>('a' + i)))));
    registry.end(0);
    registry.invariants();
  }
  EXPECT_EQ(registry.wanted_count(), 3u);
}

// Unsubscribing was undone by the next tick, and the set was every channel ever seen.
TEST(SubscriptionRegistry, R023_what_was_left_is_not_restored_and_data_changes_nothing) {
  SubscriptionRegistry registry(16, 8);
  EXPECT_EQ(registry.subscribe("a"), Errc::ok);
  EXPECT_EQ(registry.subscribe("b"), Errc::ok);
  registry.begin(0);
  take(registry, 0, 1);
  accept_all(registry, 0, 1);
  EXPECT_TRUE(registry.unsubscribe("a"));
  EXPECT_EQ(take(registry, 0, 2), (Asked{Ask::unsubscribe, {"a"}}));
  EXPECT_NE(registry.find("a"), kNoChannel) << "its handler gets what comes until it is left";
  EXPECT_EQ(registry.find("never"), kNoChannel);
  accept_all(registry, 0, 2);
  EXPECT_EQ(registry.find("a"), kNoChannel);
  registry.begin(0);
  EXPECT_EQ(take(registry, 0, 3).names, Names{"b"});
}

// Five operations were left behind by five subscriptions that timed out.
TEST(SubscriptionRegistry, R043_operations_in_flight_end_with_their_connection) {
  SubscriptionRegistry registry(16, 8);
  for (std::uint64_t i = 0; i < 5; ++i) {
    EXPECT_EQ(registry.subscribe(std::to_string(i)), Errc::ok);
    registry.begin(0);
    take(registry, 0, i);
    registry.end(0);
    EXPECT_EQ(registry.asked_count(0), 0u);
  }
  registry.begin(0);
  EXPECT_EQ(registry.queued_count(0), 5u);
}

TEST(SubscriptionRegistry, a_rejected_channel_is_not_restored_until_it_is_asked_for_anew) {
  SubscriptionRegistry registry(16, 8);
  EXPECT_EQ(registry.subscribe("good"), Errc::ok);
  EXPECT_EQ(registry.subscribe("bad"), Errc::ok);
  registry.begin(0);
  take(registry, 0, 1);
  EXPECT_TRUE(registry.accepted(0, registry.find("good")));
  EXPECT_TRUE(registry.rejected(0, registry.find("bad")));
  EXPECT_FALSE(registry.rejected(0, registry.find("bad"))) << "reported once";
  EXPECT_TRUE(registry.is_rejected(registry.find("bad")));
  registry.begin(0);
  EXPECT_EQ(take(registry, 0, 2).names, Names{"good"});
  EXPECT_EQ(registry.subscribe("bad"), Errc::ok);
  EXPECT_EQ(take(registry, 0, 3).names, Names{"bad"});
}

TEST(SubscriptionRegistry, a_change_of_mind_before_sending_sends_nothing) {
  SubscriptionRegistry registry(16, 8);
  registry.begin(0);
  EXPECT_EQ(registry.subscribe("a"), Errc::ok);
  EXPECT_TRUE(registry.unsubscribe("a"));
  EXPECT_EQ(take(registry, 0, 1).names.size(), 0u);
  EXPECT_EQ(registry.find("a"), kNoChannel);
}

TEST(SubscriptionRegistry, a_change_of_mind_in_flight_is_followed_by_its_opposite) {
  SubscriptionRegistry registry(16, 8);
  registry.begin(0);
  EXPECT_EQ(registry.subscribe("a"), Errc::ok);
  take(registry, 0, 1);
  EXPECT_TRUE(registry.unsubscribe("a"));
  EXPECT_EQ(take(registry, 0, 2).names.size(), 0u) << "nothing before the answer";
  accept_all(registry, 0, 1);
  EXPECT_EQ(take(registry, 0, 3), (Asked{Ask::unsubscribe, {"a"}}));
  EXPECT_EQ(registry.subscribe("a"), Errc::ok);
  accept_all(registry, 0, 3);
  EXPECT_EQ(take(registry, 0, 4), (Asked{Ask::subscribe, {"a"}}));
}

TEST(SubscriptionRegistry, a_second_line_restores_all_beside_the_first) {
  SubscriptionRegistry registry(16, 8);
  EXPECT_EQ(registry.subscribe("a"), Errc::ok);
  registry.begin(0);
  take(registry, 0, 1);
  accept_all(registry, 0, 1);
  registry.begin(1);
  EXPECT_EQ(registry.subscribe("b"), Errc::ok);
  EXPECT_EQ(take(registry, 0, 2).names, Names{"b"});
  EXPECT_EQ(take(registry, 1, 3).names, (Names{"a", "b"}));
  accept_all(registry, 1, 3);
  registry.end(0);
  EXPECT_EQ(registry.active_count(1), 2u);
}

TEST(SubscriptionRegistry, a_chunk_that_could_not_be_sent_is_queued_again) {
  SubscriptionRegistry registry(16, 8);
  EXPECT_EQ(registry.subscribe("a"), Errc::ok);
  registry.begin(0);
  take(registry, 0, 1);
  registry.put_back(0, 1);
  registry.invariants();
  EXPECT_EQ(take(registry, 0, 2).names, Names{"a"});
}

// Whatever is subscribed, left, dropped, accepted and rejected: once the dust has settled, what is
// active is what is wanted.
TEST(SubscriptionRegistry, a_random_walk_ends_with_what_is_wanted_and_allocates_nothing) {
  testing::Random random(20261127);
  for (int walk = 0; walk < 50; ++walk) {
    SubscriptionRegistry registry(64, 8);
    std::set<std::string> wanted;
    std::uint64_t id = 0;
    std::vector<ChannelIndex> room(5);
    std::uint64_t allocated = 0;
    registry.begin(0);
    for (int step = 0; step < 2000; ++step) {
      const std::string name(1, static_cast<char>('a' + random.below(26)));
      const auto what = random.below(10);
      const test::AllocationScope scope;
      if (what < 3) {
        EXPECT_EQ(registry.subscribe(name), Errc::ok);
      } else if (what < 5) {
        registry.unsubscribe(name);
      } else if (what < 7) {
        registry.take(0, ++id, room);
      } else if (what < 9) {
        registry.each_asked(0, random.below(id + 1),
                            [&](ChannelIndex channel) { registry.accepted(0, channel); });
      } else if (random.below(10) == 0) {
        registry.begin(0);
      }
      allocated += scope.count();
      if (what < 3) wanted.insert(name);
      if (what >= 3 && what < 5) wanted.erase(name);
      registry.invariants();
    }
    registry.begin(0);
    while (registry.take(0, ++id, room).count > 0) accept_all(registry, 0, id);
    EXPECT_EQ(allocated, 0u);
    EXPECT_EQ(registry.active_count(0), wanted.size()) << "walk " << walk;
    for (const std::string& name : wanted) {
      ASSERT_NE(registry.find(name), kNoChannel);
      EXPECT_EQ(registry.state(0, registry.find(name)), SubscriptionState::active);
    }
  }
}

}  // namespace
}  // namespace zenwire
