// MethodTable: names to numbers and back, also when it is full.

#include <string>

#include <allocation_counter.hpp>
#include <gtest/gtest.h>

#include <zenwire/engine/method_table.hpp>

namespace zenwire {
namespace {

TEST(MethodTable, a_name_has_one_number) {
  MethodTable methods;
  const MethodId buy = methods.intern("private/buy");
  const MethodId sell = methods.intern("private/sell");
  EXPECT_NE(buy, sell);
  EXPECT_NE(buy, MethodId::other);
  EXPECT_EQ(methods.intern("private/buy"), buy);
  EXPECT_EQ(methods.find("private/buy"), buy);
  EXPECT_EQ(methods.name(buy), "private/buy");
  EXPECT_EQ(methods.count(), 3u);
}

TEST(MethodTable, an_unknown_name_is_other_and_not_added) {
  MethodTable methods;
  EXPECT_EQ(methods.find("private/buy"), MethodId::other);
  EXPECT_EQ(methods.count(), 1u);
  EXPECT_EQ(methods.name(MethodId::other), "other");
}

TEST(MethodTable, names_of_every_length_are_told_apart) {
  MethodTable methods(200);
  std::string name;
  for (std::size_t i = 1; i <= MethodTable::kName_bytes_max; ++i) {
    name.push_back('a');
    std::string other = name;
    other.back() = 'b';
    const MethodId id = methods.intern(name);
    const MethodId other_id = methods.intern(other);
    ASSERT_NE(id, MethodId::other);
    ASSERT_NE(id, other_id);
    EXPECT_EQ(methods.name(id), name);
    EXPECT_EQ(methods.find(other), other_id);
  }
}

TEST(MethodTable, what_finds_no_room_is_other_and_the_rest_stays) {
  MethodTable methods(2);
  const MethodId first = methods.intern("first");
  const MethodId second = methods.intern("second");
  EXPECT_EQ(methods.intern("third"), MethodId::other);
  EXPECT_EQ(methods.intern(""), MethodId::other);
  EXPECT_EQ(methods.intern(std::string(64, 'x')), MethodId::other);
  EXPECT_EQ(methods.find("first"), first);
  EXPECT_EQ(methods.find("second"), second);
  EXPECT_EQ(methods.count(), methods.count_max());
}

TEST(MethodTable, interning_allocates_nothing) {
  MethodTable methods;
  const test::AllocationScope scope;
  for (const char* name : {"a", "b", "private/get_account_summary"}) methods.intern(name);
  EXPECT_EQ(scope.count(), 0u);
}

}  // namespace
}  // namespace zenwire
