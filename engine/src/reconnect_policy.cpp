#include <algorithm>
#include <string>

#include <zenwire/base/duration.hpp>
#include <zenwire/engine/reconnect_policy.hpp>

namespace zenwire {
namespace {

constexpr int kHttpRequestTimeout = 408;
constexpr int kHttpTooEarly = 425;
constexpr int kHttpServerError = 500;

struct ConditionRow {
  Condition condition;
  RetryClass retry;
};

// What holds for all codes of a condition ...
constexpr ConditionRow kByCondition[] = {
    {Condition::none, RetryClass::fatal},            // nothing went wrong: nothing to retry
    {Condition::invalid_option, RetryClass::fatal},  // the call is wrong
    {Condition::not_reachable, RetryClass::retry},
    {Condition::timed_out, RetryClass::retry},
    {Condition::not_trusted, RetryClass::fatal},  // a person must look at that certificate
    {Condition::refused, RetryClass::fatal},      // the server understood and said no
    {Condition::protocol_violation, RetryClass::retry},
    {Condition::limit_exceeded, RetryClass::retry},
    {Condition::closed, RetryClass::retry},
    {Condition::overloaded, RetryClass::retry},
    {Condition::system, RetryClass::retry},
};

struct CodeRow {
  Errc code;
  RetryClass retry;
};

// ... but for these.
constexpr CodeRow kByCode[] = {
    {Errc::tls_handshake_failed, RetryClass::retry},  // also what a restarting server gives
    {Errc::tls_alert, RetryClass::retry},
    {Errc::http_too_many_requests, RetryClass::retry_after},
    {Errc::http_service_unavailable, RetryClass::retry_after},
    {Errc::reactor_stopping, RetryClass::fatal},
    {Errc::session_stopped, RetryClass::fatal},
    {Errc::aborted, RetryClass::fatal},  // we ended it
    {Errc::reconnects_exhausted, RetryClass::fatal},
};

// SplitMix64: one addition and three multiplications for a number that is random enough to spread
// clients.
std::uint64_t next_random(std::uint64_t& state) noexcept {
  std::uint64_t value = (state += 0x9E37'79B9'7F4A'7C15);
  value = (value ^ (value >> 30)) * 0xBF58'476D'1CE4'E5B9;
  value = (value ^ (value >> 27)) * 0x94D0'49BB'1331'11EB;
  return value ^ (value >> 31);
}

}  // namespace

RetryClass retry_class(Errc code, int http_status) noexcept {
  if (code == Errc::http_status) {
    const bool may_pass = http_status >= kHttpServerError || http_status == kHttpRequestTimeout ||
                          http_status == kHttpTooEarly;
    return may_pass ? RetryClass::retry_after : RetryClass::fatal;
  }
  for (const CodeRow& row : kByCode) {
    if (row.code == code) return row.retry;
  }
  for (const ConditionRow& row : kByCondition) {
    if (row.condition == condition(code)) return row.retry;
  }
  return RetryClass::fatal;
}

Result<void> ReconnectOptions::validate() const {
  using std::chrono::nanoseconds;
  if (base <= nanoseconds(0)) return fail(Errc::invalid_option, "reconnect base must be above 0");
  if (cap < base) return fail(Errc::contradictory_options, "reconnect cap is below base");
  if (stable_after < nanoseconds(0))
    return fail(Errc::invalid_option, "stable_after must not be negative");
  if (retry_after_max < nanoseconds(0))
    return fail(Errc::invalid_option, "retry_after_max must not be negative");
  if (jitter_permille > 1000) return fail(Errc::invalid_option, "jitter_permille is above 1000");
  return {};
}

std::uint64_t ReconnectPolicy::backoff_ns(std::uint64_t base_ns, std::uint64_t cap_ns,
                                          std::uint32_t exponent) noexcept {
  constexpr std::uint32_t kBits = 64;
  if (exponent >= kBits || base_ns > (cap_ns >> exponent)) return cap_ns;
  return base_ns << exponent;
}

// Without the shortening of the rare odd nanosecond: a part in 1024 per mille is exact enough.
std::uint64_t ReconnectPolicy::shortened(std::uint64_t wait_ns) noexcept {
  if (options_.jitter_permille == 0) return wait_ns;
  const std::uint64_t most_ns = wait_ns / 1000 * options_.jitter_permille;
  return wait_ns - (most_ns == 0 ? 0 : next_random(random_) % (most_ns + 1));
}

std::uint64_t ReconnectPolicy::next_wait_ns() noexcept {
  const std::uint64_t wait_ns = backoff_ns(to_ns(options_.base), to_ns(options_.cap), backoffs_);
  backoffs_ = std::min(backoffs_ + 1, std::numeric_limits<std::uint32_t>::max() - 1);
  return shortened(wait_ns);
}

RetryVerdict ReconnectPolicy::retry(std::uint64_t wait_ns) noexcept {
  return {.wait_ns = wait_ns, .retry = ++retries_};
}

RetryVerdict ReconnectPolicy::dropped(Errc reason, Instant_ns now_ns) noexcept {
  ZW_ASSERT(opened_ns_ != 0 && now_ns >= opened_ns_);
  if (now_ns - opened_ns_ >= to_ns(options_.stable_after)) reset();
  opened_ns_ = 0;
  if (retry_class(reason) == RetryClass::fatal) return {.refusal = reason};
  if (retries_ >= options_.retries_max) return {.refusal = Errc::reconnects_exhausted};
  return retry(retries_ == 0 ? 0 : next_wait_ns());
}

RetryVerdict ReconnectPolicy::failed(Errc reason, int http_status,
                                     std::optional<std::chrono::seconds> retry_after) noexcept {
  const RetryClass retryable = retry_class(reason, http_status);
  if (retryable == RetryClass::fatal) return {.refusal = reason};
  if (retries_ >= options_.retries_max) return {.refusal = Errc::reconnects_exhausted};
  std::uint64_t wait_ns = next_wait_ns();
  if (retryable == RetryClass::retry_after && retry_after) {
    const auto limit = std::chrono::duration_cast<std::chrono::seconds>(options_.retry_after_max);
    wait_ns = std::max(wait_ns, to_ns(std::min(*retry_after, limit)));
  }
  return retry(wait_ns);
}

}  // namespace zenwire
