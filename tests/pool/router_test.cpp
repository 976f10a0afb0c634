// Router: the least of the costs, equals in turn, against a plain search.

#include <algorithm>
#include <vector>

#include <gtest/gtest.h>

#include <zenwire/pool/router.hpp>
#include <zenwire/pool/sticky.hpp>
#include <zenwire/testing/random.hpp>

namespace zenwire {
namespace {

TEST(Router, chooses_nobody_when_all_are_barred) {
  Router router(5);
  EXPECT_EQ(router.choose(), kNoMember);
  router.set(3, 10);
  EXPECT_EQ(router.choose(), 3u);
  router.bar(3);
  EXPECT_EQ(router.choose(), kNoMember);
}

TEST(Router, gives_equals_their_turns) {
  for (const std::uint32_t members : {1U, 2U, 3U, 15U, 16U, 17U, 32U, 100U, 256U}) {
    Router router(members);
    for (MemberIndex member = 0; member < members; ++member) router.set(member, 7);
    for (int round = 0; round < 3; ++round)
      for (MemberIndex member = 0; member < members; ++member)
        ASSERT_EQ(router.choose(), member) << members << " members, round " << round;
  }
}

TEST(Router, takes_costs_of_any_size) {
  Router router(3);
  router.set(0, ~std::uint64_t{0});
  router.set(1, std::uint64_t{1} << 40);
  router.set(2, 0);
  EXPECT_EQ(router.choose(), 2u);
  router.bar(2);
  EXPECT_EQ(router.choose(), 1u);
  router.bar(1);
  EXPECT_EQ(router.choose(), 0u);
}

// The next after the last choice, around, that has the least cost.
TEST(RouterModel, chooses_as_a_plain_search_does) {
  for (std::uint64_t seed = 1; seed <= 2'000; ++seed) {
    testing::Random random(seed);
    const auto members = static_cast<std::uint32_t>(random.between(1, kMembers_max));
    Router router(members);
    std::vector<std::uint64_t> costs(members, ~std::uint64_t{0});
    MemberIndex last = kMembers_max - 1;
    const std::uint64_t highest = random.between(1, 20);
    for (int step = 0; step < 100; ++step) {
      const auto member = static_cast<MemberIndex>(random.below(members));
      if (random.chance_ppm(300'000)) {
        router.bar(member);
        costs[member] = ~std::uint64_t{0};
      } else {
        costs[member] = random.below(highest);
        router.set(member, costs[member]);
      }
      const std::uint64_t least = *std::min_element(costs.begin(), costs.end());
      MemberIndex wanted = kNoMember;
      for (std::uint32_t i = 1; i <= kMembers_max && least != ~std::uint64_t{0}; ++i) {
        const MemberIndex at = (last + i) % kMembers_max;
        if (at < members && costs[at] == least) {
          wanted = last = at;
          break;
        }
      }
      ASSERT_EQ(router.choose(), wanted) << "seed " << seed << ", step " << step;
    }
  }
}

TEST(StickyTable, remembers_the_last_member_of_a_key) {
  StickyTable table(8);
  EXPECT_EQ(table.find(5), kNoMember);
  table.put(5, 1);
  table.put(6, 2);
  table.put(5, 3);
  EXPECT_EQ(table.find(5), 3u);
  EXPECT_EQ(table.find(6), 2u);
  table.put(0, 1);
  EXPECT_EQ(table.find(0), kNoMember);
}

TEST(StickyTable, forgets_the_key_that_was_put_longest_ago) {
  StickyTable table(8);
  for (std::uint64_t key = 1; key <= 8; ++key) table.put(key, 1);
  table.put(1, 2);
  table.put(9, 3);
  EXPECT_EQ(table.evicted(), 1u);
  EXPECT_EQ(table.find(2), kNoMember);
  EXPECT_EQ(table.find(1), 2u);
  EXPECT_EQ(table.find(9), 3u);
}

}  // namespace
}  // namespace zenwire
