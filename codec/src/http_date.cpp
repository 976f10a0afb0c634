#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>

#include <zenwire/codec/http_date.hpp>

namespace zenwire {
namespace {

constexpr std::array<std::string_view, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

struct Date {
  int year = 0;
  unsigned month = 0;
  unsigned day = 0;
  unsigned hour = 0;
  unsigned minute = 0;
  unsigned second = 0;
};

// Takes a date apart from the front. After the first thing that is not there, everything fails.
class DateText {
 public:
  explicit DateText(std::string_view text) noexcept : rest_(text) {}

  DateText& literal(std::string_view text) noexcept {
    good_ = good_ && rest_.starts_with(text);
    if (good_) rest_.remove_prefix(text.size());
    return *this;
  }

  // Exactly `digits` digits; with `space_padded` the first may be a space.
  template <typename Number>
  DateText& number(Number& value, std::size_t digits, bool space_padded = false) noexcept {
    std::string_view text = rest_.substr(0, digits);
    good_ = good_ && text.size() == digits;
    if (!good_) return *this;
    if (space_padded && text.front() == ' ') text.remove_prefix(1);
    unsigned read = 0;
    const auto result = std::from_chars(text.data(), text.data() + text.size(), read);
    good_ = result.ec == std::errc{} && result.ptr == text.data() + text.size();
    value = static_cast<Number>(read);
    rest_.remove_prefix(digits);
    return *this;
  }

  DateText& month(Date& date) noexcept {
    const auto found = std::find(kMonths.begin(), kMonths.end(), rest_.substr(0, 3));
    good_ = good_ && found != kMonths.end();
    if (!good_) return *this;
    date.month = static_cast<unsigned>(found - kMonths.begin()) + 1;
    rest_.remove_prefix(3);
    return *this;
  }

  DateText& time(Date& date) noexcept {
    return number(date.hour, 2)
        .literal(":")
        .number(date.minute, 2)
        .literal(":")
        .number(date.second, 2);
  }

  // Letters, at least three.
  DateText& weekday() noexcept {
    std::size_t letters = 0;
    while (letters < rest_.size() && rest_[letters] >= 'A' && rest_[letters] <= 'z') ++letters;
    good_ = good_ && letters >= 3;
    rest_.remove_prefix(letters);
    return *this;
  }

  [[nodiscard]] bool whole() const noexcept { return good_ && rest_.empty(); }

 private:
  std::string_view rest_;
  bool good_ = true;
};

int year_of(std::int64_t unix_s) noexcept {
  const auto days =
      std::chrono::floor<std::chrono::days>(std::chrono::sys_seconds(std::chrono::seconds(unix_s)));
  return static_cast<int>(std::chrono::year_month_day(days).year());
}

int full_year(int two_digits, std::int64_t now_unix_s) noexcept {
  const int now = year_of(now_unix_s);
  int year = now - now % 100 + two_digits;
  if (year > now + 50) year -= 100;
  if (year <= now - 50) year += 100;
  return year;
}

std::optional<std::int64_t> to_unix_s(const Date& date) noexcept {
  const std::chrono::year_month_day day(std::chrono::year(date.year),
                                        std::chrono::month(date.month), std::chrono::day(date.day));
  // A leap second is 60.
  if (!day.ok() || date.hour > 23 || date.minute > 59 || date.second > 60) return std::nullopt;
  const std::int64_t days = std::chrono::sys_days(day).time_since_epoch().count();
  return ((days * 24 + date.hour) * 60 + date.minute) * 60 + date.second;
}

}  // namespace

std::optional<std::int64_t> parse_http_date(std::string_view text,
                                            std::int64_t now_unix_s) noexcept {
  Date date;
  if (DateText fixed(text); fixed.weekday()
                                .literal(", ")
                                .number(date.day, 2)
                                .literal(" ")
                                .month(date)
                                .literal(" ")
                                .number(date.year, 4)
                                .literal(" ")
                                .time(date)
                                .literal(" GMT")
                                .whole())
    return to_unix_s(date);
  if (DateText dashed(text); dashed.weekday()
                                 .literal(", ")
                                 .number(date.day, 2)
                                 .literal("-")
                                 .month(date)
                                 .literal("-")
                                 .number(date.year, 2)
                                 .literal(" ")
                                 .time(date)
                                 .literal(" GMT")
                                 .whole()) {
    date.year = full_year(date.year, now_unix_s);
    return to_unix_s(date);
  }
  if (DateText asctime(text); asctime.weekday()
                                  .literal(" ")
                                  .month(date)
                                  .literal(" ")
                                  .number(date.day, 2, true)
                                  .literal(" ")
                                  .time(date)
                                  .literal(" ")
                                  .number(date.year, 4)
                                  .whole())
    return to_unix_s(date);
  return std::nullopt;
}

std::optional<std::int64_t> retry_after_s(const HttpHeaders& answer,
                                          std::int64_t now_unix_s) noexcept {
  const auto value = answer.find("Retry-After");
  if (!value || value->empty()) return std::nullopt;
  if (value->find_first_not_of("0123456789") == std::string_view::npos) {
    std::int64_t seconds = 0;
    const auto read = std::from_chars(value->data(), value->data() + value->size(), seconds);
    if (read.ec != std::errc{}) return kRetryAfter_s_max;  // more than fits
    return std::min(seconds, kRetryAfter_s_max);
  }
  const auto date = parse_http_date(*value, now_unix_s);
  if (!date) return std::nullopt;
  if (*date <= now_unix_s) return 0;
  return *date - now_unix_s < kRetryAfter_s_max ? *date - now_unix_s : kRetryAfter_s_max;
}

}  // namespace zenwire
