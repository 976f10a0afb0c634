// Every Autobahn case, in both roles, against the engine's connection in memory. The verdict has to
// be OK; NON-STRICT, which Autobahn also passes, is a failure here.

#include <algorithm>

#include <gtest/gtest.h>

#include "autobahn_cases.hpp"
#include "engine_verdict.hpp"

namespace zenwire::test {
namespace {

class AutobahnCases : public testing::TestWithParam<const AutobahnCase*> {};

std::string verdict(const AutobahnCase& autobahn_case, Role role) {
  return engine_verdict(autobahn_case.script(), {.role = role}, autobahn_case.deflate);
}

TEST_P(AutobahnCases, is_ok_as_server) {
  EXPECT_EQ(verdict(*GetParam(), Role::server), "") << GetParam()->title;
}

TEST_P(AutobahnCases, is_ok_as_client) {
  EXPECT_EQ(verdict(*GetParam(), Role::client), "") << GetParam()->title;
}

std::vector<const AutobahnCase*> pointers() {
  std::vector<const AutobahnCase*> all;
  for (const auto& autobahn_case : autobahn_cases()) all.push_back(&autobahn_case);
  return all;
}

std::string test_name(const testing::TestParamInfo<const AutobahnCase*>& info) {
  std::string name = info.param->number;
  std::replace(name.begin(), name.end(), '.', '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(All, AutobahnCases, testing::ValuesIn(pointers()), test_name);

TEST(AutobahnTable, has_the_517_cases_once_each) {
  std::vector<std::string> numbers;
  for (const auto& autobahn_case : autobahn_cases()) numbers.push_back(autobahn_case.number);
  EXPECT_EQ(numbers.size(), 517u);
  std::sort(numbers.begin(), numbers.end());
  EXPECT_EQ(std::adjacent_find(numbers.begin(), numbers.end()), numbers.end());
}

TEST(AutobahnTable, has_three_informational_cases) {
  std::vector<std::string> informational;
  for (const auto& autobahn_case : autobahn_cases()) {
    if (autobahn_case.informational) informational.push_back(autobahn_case.number);
  }
  EXPECT_EQ(informational, (std::vector<std::string>{"7.1.6", "7.13.1", "7.13.2"}));
}

TEST(AutobahnTable, has_every_group_whole) {
  struct Row {
    const char* group;
    int cases;
  };
  constexpr Row kRows[] = {{"1.", 16},  {"2.", 11},    {"3.", 7},   {"4.", 10},   {"5.", 20},
                           {"6.", 145}, {"6.22.", 34}, {"7.", 37},  {"7.7.", 13}, {"7.9.", 9},
                           {"9.", 54},  {"10.", 1},    {"12.", 90}, {"13.", 126}};
  for (const Row& row : kRows) {
    const auto count = std::count_if(autobahn_cases().begin(), autobahn_cases().end(),
                                     [&](const AutobahnCase& autobahn_case) {
                                       return autobahn_case.number.rfind(row.group, 0) == 0;
                                     });
    EXPECT_EQ(count, row.cases) << row.group;
  }
}

}  // namespace
}  // namespace zenwire::test
