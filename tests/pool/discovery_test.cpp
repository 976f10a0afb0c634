// Discovery: members that somebody else owns come and go; a function that fails changes nothing.

#include <array>
#include <stdexcept>
#include <vector>

#include <gtest/gtest.h>

#include <zenwire/pool/discovery.hpp>

namespace zenwire {
namespace {

struct Owned {
  int sent = 0;
  Link link() noexcept {
    return {[](void* owner, Opcode, Bytes) noexcept {
              ++static_cast<Owned*>(owner)->sent;
              return Errc::ok;
            },
            [](const void*) noexcept { return LinkProgress{}; }, this};
  }
};

class DiscoveryTest : public ::testing::Test {
 protected:
  static void find(void* self, FoundMembers& found) {
    auto& test = *static_cast<DiscoveryTest*>(self);
    if (test.fails_) throw std::runtime_error("the registry is away");
    for (Owned* owned : test.there_) test.refused_ += found.add(owned->link()) ? 0 : 1;
  }

  std::unique_ptr<Pool> pool_ = Pool::make({.members = 4}).value();
  Discovery discovery_{*pool_, 1, {&DiscoveryTest::find, this}};
  std::array<Owned, 5> owned_{};
  std::vector<Owned*> there_;
  bool fails_ = false;
  int refused_ = 0;
};

TEST_F(DiscoveryTest, without_a_function_there_are_no_others) {
  Discovery none(*pool_, 0, {});
  none.refresh(1);
  EXPECT_EQ(none.count(), 0u);
  EXPECT_EQ(none.failures(), 0u);
}

TEST_F(DiscoveryTest, members_come_and_go_as_they_are_found) {
  there_ = {&owned_[0], &owned_[1]};
  discovery_.refresh(1);
  EXPECT_EQ(discovery_.member_of(&owned_[0]), 1u);
  EXPECT_EQ(discovery_.member_of(&owned_[1]), 2u);
  there_ = {&owned_[1], &owned_[2]};
  discovery_.refresh(2);
  EXPECT_EQ(discovery_.member_of(&owned_[0]), kNoMember);
  EXPECT_EQ(discovery_.member_of(&owned_[2]), 1u);
  for (int i = 0; i < 4; ++i) EXPECT_EQ(pool_->send_balanced({}, 3), Errc::ok);
  EXPECT_EQ(owned_[0].sent, 0);
  EXPECT_EQ(owned_[1].sent, 2);
  EXPECT_EQ(owned_[2].sent, 2);
}

TEST_F(DiscoveryTest, a_function_that_fails_changes_nothing_and_is_counted) {
  there_ = {&owned_[0]};
  discovery_.refresh(1);
  fails_ = true;
  discovery_.refresh(2);
  EXPECT_EQ(discovery_.failures(), 1u);
  EXPECT_EQ(discovery_.count(), 1u);
  EXPECT_EQ(pool_->send_balanced({}, 3), Errc::ok);
}

TEST_F(DiscoveryTest, more_than_there_is_room_for_are_refused) {
  there_ = {&owned_[0], &owned_[1], &owned_[2], &owned_[3]};
  discovery_.refresh(1);
  EXPECT_EQ(discovery_.count(), 3u);
  EXPECT_EQ(refused_, 1);
}

TEST_F(DiscoveryTest, one_that_has_died_goes_at_once) {
  there_ = {&owned_[0]};
  discovery_.refresh(1);
  discovery_.gone(&owned_[0], 2);
  EXPECT_EQ(pool_->send_balanced({}, 3), Errc::pool_no_member);
  discovery_.gone(&owned_[3], 2);
  EXPECT_EQ(discovery_.count(), 0u);
}

}  // namespace
}  // namespace zenwire
