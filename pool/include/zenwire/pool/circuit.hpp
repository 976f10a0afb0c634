#pragma once

// Circuit: whether an endpoint is worth another attempt. One per endpoint, so that a dead one costs
// itself alone: nothing is shared that it could use up.
//
//   closed ---failures_max in a row---> open ---after its time---> half open
//     ^                                  ^                            |
//     +---------- one success -----------+------ one failure ---------+   (twice the time)

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <string_view>

#include <zenwire/base/assert.hpp>
#include <zenwire/base/duration.hpp>
#include <zenwire/engine/io.hpp>

namespace zenwire {

struct CircuitOptions {
  std::uint32_t failures_max = 3;  // in a row, until it opens
  std::chrono::nanoseconds open_for = std::chrono::seconds(1);
  std::chrono::nanoseconds open_for_max = std::chrono::seconds(60);
};

enum class CircuitState : std::uint8_t { closed, open, half_open };
std::string_view name(CircuitState state) noexcept;

// A value; the reactor's thread. O(1), no clock of its own.
class Circuit {
 public:
  explicit Circuit(const CircuitOptions& options = {}) noexcept
      : failures_max_(options.failures_max),
        open_for_ns_(to_ns(options.open_for)),
        open_for_max_ns_(to_ns(options.open_for_max)) {
    ZW_ASSERT(options.failures_max > 0);
    ZW_ASSERT(options.open_for.count() > 0 && options.open_for <= options.open_for_max);
  }

  // Whether an attempt may be made now; when it is half open, one at a time.
  [[nodiscard]] bool may_try(Instant_ns now_ns) const noexcept {
    return state_ == CircuitState::closed ||
           (state_ == CircuitState::open && now_ns >= retry_at_ns_);
  }
  // An attempt begins: it must be allowed.
  void trying(Instant_ns now_ns) noexcept {
    ZW_ASSERT(may_try(now_ns));
    if (state_ == CircuitState::open) state_ = CircuitState::half_open;
  }
  void succeeded() noexcept {
    state_ = CircuitState::closed;
    failures_ = 0;
    times_ = 0;
  }
  void failed(Instant_ns now_ns) noexcept {
    ++failures_;
    if (state_ == CircuitState::closed && failures_ < failures_max_) return;
    if (state_ != CircuitState::open) retry_at_ns_ = now_ns + next_time_ns();
    state_ = CircuitState::open;
  }

  [[nodiscard]] CircuitState state() const noexcept { return state_; }
  // In a row.
  [[nodiscard]] std::uint32_t failures() const noexcept { return failures_; }
  // When an open circuit lets one through.
  [[nodiscard]] Instant_ns retry_at_ns() const noexcept { return retry_at_ns_; }

 private:
  std::uint64_t next_time_ns() noexcept {
    const std::uint32_t doublings = std::min<std::uint32_t>(times_++, kDoublings_max);
    return std::min(open_for_max_ns_, open_for_ns_ << doublings);
  }

  static constexpr std::uint32_t kDoublings_max = 20;

  std::uint32_t failures_max_;
  std::uint64_t open_for_ns_;
  std::uint64_t open_for_max_ns_;
  CircuitState state_ = CircuitState::closed;
  std::uint32_t failures_ = 0;
  std::uint32_t times_ = 0;  // opened since the last success
  Instant_ns retry_at_ns_ = 0;
};

}  // namespace zenwire
