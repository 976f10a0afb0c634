#pragma once

// SessionTelemetry: what a session has in its reactor's telemetry page.
//
// Counters and latencies are written there in place. What belongs to others (the heartbeats of both
// lines, a rate limiter that sessions may share) is copied in when the page is sampled, and only if
// somebody can read it: if the page has a name.

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include <zenwire/engine/heartbeat.hpp>
#include <zenwire/engine/rate_limiter.hpp>
#include <zenwire/engine/session.hpp>
#include <zenwire/engine/telemetry_blocks.hpp>

namespace zenwire::detail {

// Of both lines together, but for what is of the last beat.
struct BeatNumbers {
  std::uint64_t sent = 0;
  std::uint64_t answered = 0;
  std::uint64_t missed = 0;
  std::uint64_t withheld = 0;
  std::uint64_t missed_in_row = 0;
  std::uint64_t round_trip_ns = 0;
  std::uint64_t round_trip_ns_max = 0;
};

struct BucketNumbers {
  std::uint64_t credits = 0;
  std::uint64_t credits_max = 0;
  std::uint64_t refill_permille = 0;  // of its full rate: less after the server refused
};

// Thread: the reactor's. Lifetime: the session's; the page outlives it, and so does the limiter.
class SessionTelemetry {
 public:
  static constexpr std::size_t kLatencies = sizeof(SessionLatency) / sizeof(MethodHistogram);

  // Errors: telemetry_full.
  static Result<SessionTelemetry> make(TelemetryPage& page);

  // Under that label; blocks for beats, and for the limiter unless it is null. Errors:
  // telemetry_full.
  Result<void> publish(std::string_view label, RateLimiter* limiter);

  [[nodiscard]] SessionCounters& counters() const noexcept { return *counters_; }
  [[nodiscard]] SessionLatency& latency() const noexcept { return *latency_; }

  // Copies what is not counted in place.
  void take(const Heartbeat& active, const Heartbeat& other, Instant_ns now_ns) noexcept;

 private:
  explicit SessionTelemetry(TelemetryPage& page) noexcept : blocks_(page) {}
  Result<void> publish_limiter(std::string_view label, RateLimiter& limiter);
  void take_limiter(Instant_ns now_ns) noexcept;

  TelemetryBlocks blocks_;
  SessionCounters* counters_ = nullptr;
  SessionLatency* latency_ = nullptr;
  BeatNumbers* beats_ = nullptr;
  RateLimiter* limiter_ = nullptr;
  RateLimiter::Counters* rates_ = nullptr;
  std::vector<BucketNumbers*> buckets_;
};

}  // namespace zenwire::detail
