#include "timestamp.hpp"

#include <cstddef>
#include <cstring>

#include <zenwire/base/assert.hpp>

namespace zenwire::detail {

namespace {

constexpr std::uint64_t kSeconds_per_day = 86400;
constexpr std::uint64_t kDays_per_era = 146097;  // 400 years
// Numbers from here on count milliseconds, 1,000 times that microseconds, and so on: seconds reach
// it in the year 5138, milliseconds did in 1973.
constexpr std::uint64_t kUnixSeconds_max = 100'000'000'000;
constexpr unsigned kUnixTimeDigits_max = 19;  // as many as always fit 64 bits

// The calendar by arithmetic, after Howard Hinnant's "chrono-compatible low-level date algorithms":
// years begin in March, so that the leap day is the last.
constexpr std::uint64_t kDaysBefore1970 = 719468;  // since 0000-03-01

std::uint64_t days_from_date(unsigned year, unsigned month, unsigned day) noexcept {
  const unsigned from_march = month > 2 ? month - 3 : month + 9;
  const unsigned y = month > 2 ? year : year - 1;
  const unsigned era = y / 400;
  const unsigned year_of_era = y % 400;
  const unsigned day_of_year = (153 * from_march + 2) / 5 + day - 1;
  return era * kDays_per_era + year_of_era * 365ull + year_of_era / 4 - year_of_era / 100 +
         day_of_year;
}

struct Date {
  unsigned year, month, day;
};

Date date_from_days(std::uint64_t days) noexcept {
  const auto day_of_era = static_cast<unsigned>(days % kDays_per_era);
  const unsigned year_of_era =
      (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
  const unsigned day_of_year =
      day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const unsigned from_march = (5 * day_of_year + 2) / 153;
  const unsigned month = from_march < 10 ? from_march + 3 : from_march - 9;
  const auto year = static_cast<unsigned>(days / kDays_per_era * 400) + year_of_era;
  return {month <= 2 ? year + 1 : year, month, day_of_year - (153 * from_march + 2) / 5 + 1};
}

void put_digits(char* to, unsigned value, unsigned digits) noexcept {
  for (; digits != 0; --digits, value /= 10) to[digits - 1] = static_cast<char>('0' + value % 10);
}

// Takes digits and fixed characters off the front of a text; sticks at the first that do not fit.
class Scan {
 public:
  explicit Scan(std::string_view text) noexcept : left_(text) {}

  unsigned digits(unsigned count) noexcept {
    unsigned value = 0;
    for (; count != 0; --count) {
      if (!is_digit()) return fail();
      value = value * 10 + static_cast<unsigned>(take() - '0');
    }
    return value;
  }
  void one_of(char a, char b) noexcept {
    if (peek() != a && peek() != b) {
      fail();
    } else {
      take();
    }
  }
  char peek() const noexcept { return left_.empty() ? '\0' : left_.front(); }
  char take() noexcept {
    const char first = peek();
    if (!left_.empty()) left_.remove_prefix(1);
    return first;
  }
  bool is_digit() const noexcept { return peek() >= '0' && peek() <= '9'; }
  bool ok() const noexcept { return ok_; }
  bool done() const noexcept { return ok_ && left_.empty(); }

 private:
  unsigned fail() noexcept {
    ok_ = false;
    left_ = {};
    return 0;
  }

  std::string_view left_;
  bool ok_ = true;
};

std::uint64_t scan_fraction_ns(Scan& scan) noexcept {
  if (scan.peek() != '.' && scan.peek() != ',') return 0;
  scan.take();
  if (!scan.is_digit()) {
    scan.digits(1);
    return 0;
  }
  std::uint64_t ns = 0;
  std::uint64_t unit = kNanos_per_second / 10;
  for (; scan.is_digit(); unit /= 10) ns += unit * static_cast<unsigned>(scan.take() - '0');
  return ns;
}

// Seconds east of UTC. A time that names no zone is taken as UTC.
std::int64_t scan_zone(Scan& scan) noexcept {
  if (scan.done()) return 0;
  const char sign = scan.peek();
  if (sign != '+' && sign != '-') {
    scan.one_of('Z', 'z');
    return 0;
  }
  scan.take();
  const unsigned hours = scan.digits(2);
  scan.one_of(':', ':');
  const unsigned minutes = scan.digits(2);
  const std::int64_t seconds = hours * 3600 + minutes * 60;
  return sign == '+' ? seconds : -seconds;
}

bool is_date(Date date) noexcept {
  constexpr unsigned kDays[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  if (date.month < 1 || date.month > 12 || date.day < 1 || date.day > kDays[date.month - 1]) {
    return false;
  }
  const bool leap = date.year % 4 == 0 && (date.year % 100 != 0 || date.year % 400 == 0);
  return date.month != 2 || date.day < 29 || leap;
}

}  // namespace

void format_second(char* to, std::uint64_t second) noexcept {
  const Date date = date_from_days(second / kSeconds_per_day + kDaysBefore1970);
  const auto in_day = static_cast<unsigned>(second % kSeconds_per_day);
  ZW_ASSERT(date.year < 10000);
  std::memcpy(to, "0000-00-00T00:00:00", kTimestampSecond_bytes);
  put_digits(to, date.year, 4);
  put_digits(to + 5, date.month, 2);
  put_digits(to + 8, date.day, 2);
  put_digits(to + 11, in_day / 3600, 2);
  put_digits(to + 14, in_day / 60 % 60, 2);
  put_digits(to + 17, in_day % 60, 2);
}

std::optional<std::uint64_t> parse_timestamp(std::string_view text) noexcept {
  Scan scan(text);
  Date date{};
  date.year = scan.digits(4);
  scan.one_of('-', '-');
  date.month = scan.digits(2);
  scan.one_of('-', '-');
  date.day = scan.digits(2);
  if (scan.peek() == ' ') {
    scan.take();
  } else {
    scan.one_of('T', 't');
  }
  const unsigned hour = scan.digits(2);
  scan.one_of(':', ':');
  const unsigned minute = scan.digits(2);
  scan.one_of(':', ':');
  const unsigned second = scan.digits(2);  // 60 is a leap second
  const std::uint64_t fraction_ns = scan_fraction_ns(scan);
  const std::int64_t zone = scan_zone(scan);
  if (!scan.done() || !is_date(date) || hour > 23 || minute > 59 || second > 60) return {};
  if (date.year < 1970 || date.year > 2553) return {};
  const std::uint64_t days = days_from_date(date.year, date.month, date.day) - kDaysBefore1970;
  const std::int64_t seconds =
      static_cast<std::int64_t>(days * kSeconds_per_day + hour * 3600 + minute * 60 + second) -
      zone;
  if (seconds < 0) return {};
  return static_cast<std::uint64_t>(seconds) * kNanos_per_second + fraction_ns;
}

std::optional<std::uint64_t> parse_unix_time(std::string_view number) noexcept {
  Scan scan(number);
  std::uint64_t whole = 0;
  unsigned digits = 0;
  for (; scan.is_digit() && digits < kUnixTimeDigits_max; ++digits)
    whole = whole * 10 + static_cast<unsigned>(scan.take() - '0');
  const std::uint64_t fraction_ns = scan_fraction_ns(scan);
  if (digits == 0 || !scan.done()) return {};
  std::uint64_t unit_ns = kNanos_per_second;
  for (std::uint64_t least = kUnixSeconds_max; unit_ns > 1 && whole >= least; least *= 1000)
    unit_ns /= 1000;
  return whole * unit_ns + fraction_ns / (kNanos_per_second / unit_ns);
}

}  // namespace zenwire::detail
