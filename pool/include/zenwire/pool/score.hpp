#pragma once

// What is known of a member's speed and reliability, in numbers that are kept as replies come: a
// decision reads them and computes nothing.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include <zenwire/engine/io.hpp>

namespace zenwire {

// Peak-sensitive moving average of a round trip: a peak counts at once, and is forgotten over
// `tau_ns`. (Finagle's and Envoy's rule: an average that follows a slow member down slowly, and up
// at once.) Without samples it fades towards 0, so that a member that was slow once is tried again.
class PeakEwma {
 public:
  void observe(std::uint64_t round_trip_ns, std::uint64_t tau_ns, Instant_ns now_ns) noexcept;
  // Fades it to `now_ns`.
  void fade(std::uint64_t tau_ns, Instant_ns now_ns) noexcept;
  // 0 before the first sample.
  [[nodiscard]] std::uint64_t value_ns() const noexcept {
    return static_cast<std::uint64_t>(value_ns_);
  }
  [[nodiscard]] bool measured() const noexcept { return at_ns_ != 0; }

 private:
  double value_ns_ = 0;
  Instant_ns at_ns_ = 0;
};

// The last 100 round trips, for a percentile of them.
class RecentRoundTrips {
 public:
  static constexpr std::size_t kSamples_max = 100;

  void add(std::uint64_t round_trip_ns) noexcept;
  // The sample at index round(percent / 100 * (count - 1)) of the sorted ones; 0 without samples.
  // `percent`: 0 to 100. Cost: a partial sort of at most 100 numbers.
  [[nodiscard]] std::uint64_t percentile_ns(unsigned percent) const noexcept;
  [[nodiscard]] std::size_t count() const noexcept { return count_; }

 private:
  std::array<std::uint64_t, kSamples_max> samples_ns_{};
  std::size_t count_ = 0;
  std::size_t next_ = 0;
};

// Errors of a member. All of them are forgotten when none has come for kErrorDecay_ns.
class RecentErrors {
 public:
  static constexpr std::uint64_t kErrorDecay_ns = 60'000'000'000;

  void add(Instant_ns now_ns) noexcept {
    count_ = count(now_ns) + 1;
    last_ns_ = now_ns;
  }
  void clear() noexcept { count_ = 0; }
  [[nodiscard]] std::uint32_t count(Instant_ns now_ns) const noexcept {
    return now_ns - last_ns_ >= kErrorDecay_ns ? 0 : count_;
  }

 private:
  std::uint32_t count_ = 0;
  Instant_ns last_ns_ = 0;
};

// zen_websocket's health of a connection, 100 (best) to 10. It is blind between 1 ms and 20 ms,
// full at four requests in flight, and counts two errors like ten; it is here for those who know
// its numbers.
constexpr unsigned zen_score(std::uint64_t pending, std::uint64_t p99_ms,
                             std::uint64_t errors) noexcept {
  const std::uint64_t minus = std::min<std::uint64_t>(pending, 4) * 10 +
                              std::min<std::uint64_t>(p99_ms / 25, 30) +
                              std::min<std::uint64_t>(std::min<std::uint64_t>(errors, 2) * 15, 20);
  return static_cast<unsigned>(100 - minus);
}
static_assert(zen_score(0, 0, 0) == 100 && zen_score(4, 750, 2) == 10);

}  // namespace zenwire
