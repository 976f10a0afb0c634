#pragma once

// ReconnectPolicy: whether to try again, and when. It is told what happened and reads no clock.
//
//   first connect fails      wait base, 2 base, 4 base, ... cap
//   an open connection drops the first retry is immediate, then base, 2 base, ... cap
//   open for stable_after    the next drop starts anew
//   open for less            it goes on where it was: a server that upgrades and drops is retried
//                            no more often than one that does not answer
//
// One table says of each error whether a retry can help (retry_class).

#include <chrono>
#include <cstdint>
#include <limits>
#include <optional>

#include <zenwire/base/error.hpp>
#include <zenwire/engine/io.hpp>

namespace zenwire {

inline constexpr std::uint32_t kRetriesUnlimited = std::numeric_limits<std::uint32_t>::max();

struct ReconnectOptions {
  std::chrono::nanoseconds base = std::chrono::seconds(1);
  std::chrono::nanoseconds cap = std::chrono::seconds(30);
  // Attempts after the one that failed, or after the drop, in one outage. 0: never tries again.
  std::uint32_t retries_max = kRetriesUnlimited;
  // How long a connection must have been open for the counting to start anew at its end.
  std::chrono::nanoseconds stable_after = std::chrono::seconds(10);
  // Each wait is shortened by a random part of itself, up to so many thousandths: 1000 clients of
  // one server that restarts then do not come back in step. The same seed gives the same waits.
  std::uint32_t jitter_permille = 0;
  std::uint64_t jitter_seed = 0;
  // A server's Retry-After is waited for up to this.
  std::chrono::nanoseconds retry_after_max = std::chrono::hours(1);

  [[nodiscard]] Result<void> validate() const;
};

enum class RetryClass : std::uint8_t {
  fatal,        // trying again gives the same: a person has to look
  retry,        // may pass
  retry_after,  // may pass; the server may have said when
};
// The table. `http_status` tells the codes apart that share http_status: 5xx, 408 and 425 may pass.
RetryClass retry_class(Errc code, int http_status = 0) noexcept;

struct RetryVerdict {
  // ok: retry after `wait_ns`. Otherwise why not: the error itself, or reconnects_exhausted.
  Errc refusal = Errc::ok;
  std::uint64_t wait_ns = 0;
  std::uint32_t retry = 0;  // which of this outage, from 1
};

// Thread: its owner's. No allocation.
class ReconnectPolicy {
 public:
  explicit ReconnectPolicy(const ReconnectOptions& options) noexcept
      : options_(options), random_(options.jitter_seed) {}

  // min(base * 2^exponent, cap), without overflow.
  static std::uint64_t backoff_ns(std::uint64_t base_ns, std::uint64_t cap_ns,
                                  std::uint32_t exponent) noexcept;

  void opened(Instant_ns now_ns) noexcept { opened_ns_ = now_ns; }
  // The connection that opened() told of has ended.
  RetryVerdict dropped(Errc reason, Instant_ns now_ns) noexcept;
  // An attempt has failed.
  RetryVerdict failed(Errc reason, int http_status,
                      std::optional<std::chrono::seconds> retry_after) noexcept;
  // A new outage, whatever was before: the user asked to connect.
  void reset() noexcept { retries_ = backoffs_ = 0; }

  // Made in this outage.
  [[nodiscard]] std::uint32_t retries() const noexcept { return retries_; }

 private:
  RetryVerdict retry(std::uint64_t wait_ns) noexcept;
  std::uint64_t next_wait_ns() noexcept;
  std::uint64_t shortened(std::uint64_t wait_ns) noexcept;

  ReconnectOptions options_;
  std::uint64_t random_;
  Instant_ns opened_ns_ = 0;
  std::uint32_t retries_ = 0;
  std::uint32_t backoffs_ = 0;
};

}  // namespace zenwire
