// RFC 9110, sections 5.6.7 (dates) and 10.2.3 (Retry-After).

#include <ctime>
#include <limits>
#include <string>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <zenwire/codec/http_date.hpp>

namespace zenwire {
namespace {

constexpr std::int64_t kNow = 1'700'000'000;  // Tue, 14 Nov 2023 22:13:20 GMT

TEST(HttpDate, ReadsTheThreeForms) {
  constexpr std::int64_t kExample = 784111777;
  EXPECT_EQ(parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT", kNow), kExample);
  EXPECT_EQ(parse_http_date("Sunday, 06-Nov-94 08:49:37 GMT", kNow), kExample);
  EXPECT_EQ(parse_http_date("Sun Nov  6 08:49:37 1994", kNow), kExample);
  EXPECT_EQ(parse_http_date("Tue, 14 Nov 2023 22:13:20 GMT", kNow), kNow);
  EXPECT_EQ(parse_http_date("Thu, 01 Jan 1970 00:00:00 GMT", kNow), 0);
  EXPECT_EQ(parse_http_date("Thu, 29 Feb 2024 23:59:60 GMT", kNow), 1709251200);
}

TEST(HttpDate, TakesTwoDigitYearsWithinFiftyYears) {
  const auto year = [](std::string_view two_digits) {
    const std::string text = "Sunday, 01-Jan-" + std::string(two_digits) + " 00:00:00 GMT";
    const std::time_t time = parse_http_date(text, kNow).value();
    std::tm fields;
    return gmtime_r(&time, &fields)->tm_year + 1900;
  };
  EXPECT_EQ(year("23"), 2023);
  EXPECT_EQ(year("24"), 2024);
  EXPECT_EQ(year("73"), 2073);
  EXPECT_EQ(year("74"), 1974);
  EXPECT_EQ(year("99"), 1999);
  EXPECT_EQ(year("00"), 2000);
}

TEST(HttpDate, RefusesEverythingElse) {
  for (const std::string_view text : {"",
                                      "now",
                                      "Sun, 06 Nov 1994 08:49:37",
                                      "Sun, 06 Nov 1994 08:49:37 UTC",
                                      "Sun, 6 Nov 1994 08:49:37 GMT",
                                      "Sun, 06 nov 1994 08:49:37 GMT",
                                      "Sun, 31 Feb 1994 08:49:37 GMT",
                                      "Sun, 00 Nov 1994 08:49:37 GMT",
                                      "Sun, 06 Nov 1994 24:49:37 GMT",
                                      "Sun, 06 Nov 1994 08:60:37 GMT",
                                      "Sun, 06 Nov 1994 08:49:61 GMT",
                                      "Sun, 06 Nov 1994 08:49:37 GMT ",
                                      " Sun, 06 Nov 1994 08:49:37 GMT",
                                      "Sun, -6 Nov 1994 08:49:37 GMT",
                                      "Sun, 06 Nov +994 08:49:37 GMT",
                                      ", 06 Nov 1994 08:49:37 GMT",
                                      "Sunday, 06-Nov-1994 08:49:37 GMT",
                                      "Sun Nov   6 08:49:37 1994",
                                      "Sun Nov  6 08:49:37 1994 GMT",
                                      "1994-11-06T08:49:37Z"})
    EXPECT_EQ(parse_http_date(text, kNow), std::nullopt) << text;
}

// What the C library writes, we read.
RC_GTEST_PROP(HttpDate, ReadsWhatStrftimeWrites, ()) {
  const std::time_t time = *rc::gen::inRange<std::int64_t>(0, 253402300799);
  std::tm fields;
  gmtime_r(&time, &fields);
  char text[64];
  std::size_t length = std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &fields);
  RC_ASSERT(parse_http_date({text, length}, kNow) == time);
  length = std::strftime(text, sizeof text, "%a %b %e %H:%M:%S %Y", &fields);
  RC_ASSERT(parse_http_date({text, length}, kNow) == time);
}

RC_GTEST_PROP(HttpDate, IsSafeOnAnyText, (const std::string& text, std::int64_t some_time)) {
  // Any time that a clock can show.
  const std::int64_t now = some_time % 253402300799;
  (void)parse_http_date(text, now);
  (void)parse_http_date("Sunday, 06-Nov-" + text + " 08:49:37 GMT", now);
}

std::optional<std::int64_t> retry_after(std::string_view value) {
  HttpHeaders headers;
  EXPECT_TRUE(headers.add({"retry-after", value}));
  return retry_after_s(headers, kNow);
}

TEST(RetryAfter, ReadsSecondsAndDates) {
  EXPECT_EQ(retry_after("0"), 0);
  EXPECT_EQ(retry_after("120"), 120);
  EXPECT_EQ(retry_after("Tue, 14 Nov 2023 22:14:20 GMT"), 60);
  EXPECT_EQ(retry_after("Tue, 14 Nov 2023 22:13:20 GMT"), 0);
  EXPECT_EQ(retry_after("Sun, 06 Nov 1994 08:49:37 GMT"), 0) << "a date that has passed";
}

TEST(RetryAfter, EndsWithinAYear) {
  EXPECT_EQ(retry_after(std::to_string(kRetryAfter_s_max)), kRetryAfter_s_max);
  EXPECT_EQ(retry_after(std::to_string(kRetryAfter_s_max + 1)), kRetryAfter_s_max);
  EXPECT_EQ(retry_after("99999999999999999999999999"), kRetryAfter_s_max);
  EXPECT_EQ(retry_after("Fri, 31 Dec 9999 23:59:59 GMT"), kRetryAfter_s_max);
}

TEST(RetryAfter, IsNothingForWhatCannotBeRead) {
  for (const std::string_view value : {"", "-1", "+1", "1.5", "soon", "1 2"})
    EXPECT_EQ(retry_after(value), std::nullopt) << value;
  EXPECT_EQ(retry_after_s(HttpHeaders(), kNow), std::nullopt);
}

}  // namespace
}  // namespace zenwire
