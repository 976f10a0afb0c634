#include <string>

#include <gtest/gtest.h>

#include <zenwire/testing/matcher.hpp>

namespace zenwire::testing {
namespace {

struct JsonCase {
  const char* document;
  const char* subset;
  bool holds;
};

class JsonContains : public ::testing::TestWithParam<JsonCase> {};

TEST_P(JsonContains, holds_what_it_should) {
  const JsonCase& at = GetParam();
  EXPECT_EQ(json_contains(at.subset).matches(at.document), at.holds)
      << at.document << " against " << at.subset;
}

INSTANTIATE_TEST_SUITE_P(
    Table, JsonContains,
    ::testing::Values(
        JsonCase{R"({"a":1,"b":2})", R"({"a":1})", true},
        JsonCase{R"({"a":1})", R"({"a":1,"b":2})", false},
        JsonCase{R"({"a":1})", R"({"a":2})", false}, JsonCase{R"({"a":1})", R"({})", true},
        JsonCase{R"({"p":{"x":1,"y":2}})", R"({"p":{"y":2}})", true},
        JsonCase{R"({"p":{"x":1}})", R"({"p":{"y":2}})", false},
        JsonCase{R"({"c":["a","b"]})", R"({"c":["a","b"]})", true},
        JsonCase{R"({"c":["a","b"]})", R"({"c":["b","a"]})", false},
        JsonCase{R"({"c":["a","b"]})", R"({"c":["a"]})", false},
        JsonCase{R"({"c":[{"k":1,"z":9}]})", R"({"c":[{"k":1}]})", true},
        JsonCase{R"({"n":1})", R"({"n":1.0})", true},
        JsonCase{R"({"n":9007199254740993})", R"({"n":9007199254740992})", false},
        JsonCase{R"({"n":18446744073709551615})", R"({"n":18446744073709551615})", true},
        JsonCase{R"({"n":-1})", R"({"n":18446744073709551615})", false},
        JsonCase{R"({"n":"1"})", R"({"n":1})", false},
        JsonCase{R"({"n":null})", R"({"n":null})", true},
        JsonCase{R"({"n":false})", R"({"n":null})", false},
        JsonCase{R"({"n":true})", R"({"n":true})", true},
        JsonCase{R"({"n":true})", R"({"n":false})", false},
        JsonCase{R"({"s":"\u00e9"})", R"({"s":"é"})", true}, JsonCase{"[1,2]", "[1,2]", true},
        JsonCase{"7", "7", true}, JsonCase{"not json", R"({})", false},
        JsonCase{R"({"a":1})", "not json", false}));

TEST(Matcher, a_subset_that_is_no_json_says_so) {
  EXPECT_NE(json_contains("{").description().find("no JSON"), std::string::npos);
}

TEST(Matcher, an_exact_text_is_compared_byte_by_byte) {
  const std::string zero("a\0b", 3);
  EXPECT_TRUE(exactly(zero).matches(zero));
  EXPECT_FALSE(exactly(zero).matches("a"));
  EXPECT_TRUE(Matcher("subscribe").matches("subscribe"));
  EXPECT_FALSE(Matcher("subscribe").matches("subscribed"));
}

TEST(Matcher, a_regular_expression_matches_anywhere) {
  EXPECT_TRUE(matches_regex("id\":[0-9]+").matches(R"({"id":42})"));
  EXPECT_FALSE(matches_regex("^id").matches(R"({"id":42})"));
}

TEST(Matcher, a_condition_is_the_tests_own) {
  const Matcher longer = satisfies([](std::string_view text) { return text.size() > 3; }, "long");
  EXPECT_TRUE(longer.matches("four"));
  EXPECT_FALSE(longer.matches("two"));
  EXPECT_EQ(longer.description(), "long");
  EXPECT_TRUE(anything().matches(""));
}

}  // namespace
}  // namespace zenwire::testing
