#pragma once

// Times of recordings as text: ISO 8601, UTC.

#include <cstdint>
#include <optional>
#include <string_view>

namespace zenwire::detail {

inline constexpr std::uint64_t kNanos_per_second = 1'000'000'000;

// "2026-01-20T15:30:45" for a second since 1970 (before the year 10000): kTimestampSecond_bytes
// characters.
inline constexpr std::size_t kTimestampSecond_bytes = 19;
void format_second(char* to, std::uint64_t second) noexcept;

// Nanoseconds since 1970 of "2026-01-20T15:30:45.123456Z": the fraction is optional (digits behind
// the ninth are ignored), so is lower case; instead of Z an offset as +01:00, or nothing, which is
// UTC too. Nothing for other text, impossible dates, and times that 64 bits of nanoseconds since
// 1970 cannot hold.
std::optional<std::uint64_t> parse_timestamp(std::string_view text) noexcept;

// The same of a number, with or without a fraction: seconds since 1970, or by its size milli-,
// micro- or nanoseconds. Nothing for other text.
std::optional<std::uint64_t> parse_unix_time(std::string_view number) noexcept;

}  // namespace zenwire::detail
