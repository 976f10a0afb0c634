#pragma once

// Deribit's error codes: what each means for whoever sent the request.

#include <cstdint>
#include <string_view>

namespace zenwire::adapters {

enum class DeribitAdvice : std::uint8_t {
  mend,        // the request is wrong: the same one gives the same
  decide,      // the market or the account said no: a strategy's matter
  retry,       // nothing happened; later it may work
  slow_down,   // too many: the rate limiter is to be told
  credentials  // log in anew, or look at the key
};

struct DeribitError {
  std::int32_t code;
  std::string_view name;  // as the venue calls it
  DeribitAdvice advice;
};

inline constexpr std::int32_t kDeribitTooManyRequests = 10028;  // it also ends the connection

// The row of a code; for one that is not known a row with the name "unknown" and `mend`.
const DeribitError& deribit_error(std::int64_t code) noexcept;

}  // namespace zenwire::adapters
