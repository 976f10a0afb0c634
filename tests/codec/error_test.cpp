// The table of errors: what every code says to a person and to a program.

#include <algorithm>
#include <cctype>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include <zenwire/base/error.hpp>

namespace zenwire {
namespace {

std::vector<Errc> every_code() {
  std::vector<Errc> all;
  for (std::uint16_t i = 0; i < static_cast<std::uint16_t>(Errc::count_); ++i)
    all.push_back(static_cast<Errc>(i));
  return all;
}

class ErrorCode : public testing::TestWithParam<Errc> {};

TEST_P(ErrorCode, has_a_name_of_lower_case_words) {
  const std::string_view text = name(GetParam());
  ASSERT_FALSE(text.empty());
  EXPECT_TRUE(std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
  })) << text;
}

// In the style of the others: lower case but for names, no full stop, so that it can stand behind a
// colon; and it is not the code's name again.
TEST_P(ErrorCode, says_what_happened) {
  const std::string_view text = message(GetParam());
  ASSERT_FALSE(text.empty());
  EXPECT_NE(text.back(), '.') << text;
  EXPECT_FALSE(std::isupper(static_cast<unsigned char>(text[0])) != 0 &&
               std::islower(static_cast<unsigned char>(text[1])) != 0 && text.substr(0, 3) != "Sec")
      << text;
  EXPECT_LE(text.size(), 100u) << text;
  EXPECT_NE(text, name(GetParam()));
}

// Where there is something to be done: not where both ends did what they were told.
TEST_P(ErrorCode, says_what_to_do) {
  const std::string_view text = suggestion(GetParam());
  const Condition why = condition(GetParam());
  if (why == Condition::none || why == Condition::closed) return;
  ASSERT_FALSE(text.empty()) << name(GetParam());
  EXPECT_NE(text.back(), '.') << text;
  EXPECT_NE(text, message(GetParam()));
}

TEST_P(ErrorCode, has_a_condition_to_branch_on) {
  EXPECT_EQ(condition(GetParam()) == Condition::none, GetParam() == Errc::ok);
  EXPECT_FALSE(name(condition(GetParam())).empty());
}

INSTANTIATE_TEST_SUITE_P(Every, ErrorCode, testing::ValuesIn(every_code()),
                         [](const auto& at) { return std::string(name(at.param)); });

void expect_each_once(std::vector<std::string_view> texts) {
  std::sort(texts.begin(), texts.end());
  const auto twice = std::adjacent_find(texts.begin(), texts.end());
  EXPECT_TRUE(twice == texts.end()) << *twice;
}

TEST(ErrorTable, names_and_messages_are_not_used_twice) {
  std::vector<std::string_view> names;
  std::vector<std::string_view> messages;
  for (const Errc code : every_code()) {
    names.push_back(name(code));
    messages.push_back(message(code));
  }
  expect_each_once(names);
  expect_each_once(messages);
}

TEST(ErrorTable, a_code_from_elsewhere_is_a_system_error) {
  EXPECT_EQ(name(static_cast<Errc>(60'000)), name(Errc::system_error));
}

TEST(Error, keeps_its_particulars_and_cuts_what_is_too_long) {
  const Error error(Errc::connect_refused, std::string(1000, 'x'), 111);
  EXPECT_EQ(error.code(), Errc::connect_refused);
  EXPECT_EQ(error.condition(), Condition::not_reachable);
  EXPECT_EQ(error.os_error(), 111);
  EXPECT_EQ(error.detail(), std::string(Error::kDetail_bytes, 'x'));
  EXPECT_TRUE(static_cast<bool>(error));
  EXPECT_FALSE(static_cast<bool>(Error()));
}

}  // namespace
}  // namespace zenwire
