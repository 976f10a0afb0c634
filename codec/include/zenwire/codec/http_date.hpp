#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include <zenwire/codec/http_head.hpp>

namespace zenwire {

// The three forms of a date in HTTP (RFC 9110, section 5.6.7) to seconds since 1970:
//     Sun, 06 Nov 1994 08:49:37 GMT
//     Sunday, 06-Nov-94 08:49:37 GMT
//     Sun Nov  6 08:49:37 1994
// The two-digit year of the second is taken within fifty years of `now_unix_s`. Nothing for any
// other text; the weekday's name is not checked.
std::optional<std::int64_t> parse_http_date(std::string_view text,
                                            std::int64_t now_unix_s) noexcept;

// What retry_after_s() returns at most: a year, so that it can be turned into nanoseconds and added
// to a clock.
inline constexpr std::int64_t kRetryAfter_s_max = 366LL * 24 * 60 * 60;

// Seconds that a server asks to wait (RFC 9110, section 10.2.3), given as a number or as a date,
// which is held against `now_unix_s`; a date that has passed is 0. Nothing when the header is
// missing or cannot be read.
std::optional<std::int64_t> retry_after_s(const HttpHeaders& answer,
                                          std::int64_t now_unix_s) noexcept;

}  // namespace zenwire
