#pragma once

// A routing policy: a small value that says what it costs to send one more request through a
// member. The pool asks it when a member's numbers change, never while it decides; the cheapest
// member that nothing bars is chosen, and members of equal cost take turns.
//
// To write one: a trivially copyable type of at most 64 bytes with
//   std::uint64_t cost(const MemberLoad& load) const noexcept;

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include <zenwire/pool/score.hpp>

namespace zenwire {

// What a policy sees of a member.
struct MemberLoad {
  std::uint64_t round_trip_ns = 0;  // PeakEwma; 0 before the first sample
  bool measured = false;
  std::uint32_t pending = 0;  // requests without a reply
  std::uint32_t errors = 0;   // RecentErrors
  const RecentRoundTrips* recent = nullptr;
};

template <typename Policy>
concept RoutingPolicy = std::is_trivially_copyable_v<Policy> && sizeof(Policy) <= 64 &&
                        requires(const Policy& policy, const MemberLoad& load) {
  { policy.cost(load) }
  noexcept->std::same_as<std::uint64_t>;
};

// The default: the time that a reply to one more request would take, in nanoseconds.
struct PeakEwmaCost {
  // Of a member that has not been measured: it is tried once, and left alone until it has replied.
  std::uint64_t unmeasured_ns = 1'000'000;
  std::uint64_t unmeasured_pending_ns = 1'000'000'000;

  [[nodiscard]] std::uint64_t cost(const MemberLoad& load) const noexcept {
    const std::uint64_t unmeasured = load.pending == 0 ? unmeasured_ns : unmeasured_pending_ns;
    const std::uint64_t round_trip_ns = load.measured ? load.round_trip_ns : unmeasured;
    return (round_trip_ns + 1) * (std::uint64_t{load.pending} + 1);
  }
};

// zen_websocket's: the highest zen_score().
struct ZenCost {
  [[nodiscard]] std::uint64_t cost(const MemberLoad& load) const noexcept {
    return 100 - score(load);
  }
  static unsigned score(const MemberLoad& load) noexcept {
    const std::uint64_t p99_ns = load.recent != nullptr ? load.recent->percentile_ns(99) : 0;
    return zen_score(load.pending, p99_ns / 1'000'000, load.errors);
  }
};

static_assert(RoutingPolicy<PeakEwmaCost> && RoutingPolicy<ZenCost>);

// Any policy, by value and without allocation.
class Policy {
 public:
  Policy() noexcept : Policy(PeakEwmaCost{}) {}
  template <RoutingPolicy Value>
  Policy(const Value& value) noexcept  // NOLINT: implicit, so that an option reads as its value
      : cost_([](const void* at, const MemberLoad& load) noexcept {
          Value copy;
          std::memcpy(&copy, at, sizeof copy);
          return copy.cost(load);
        }) {
    std::memcpy(value_.data(), &value, sizeof value);
  }

  [[nodiscard]] std::uint64_t cost(const MemberLoad& load) const noexcept {
    return cost_(value_.data(), load);
  }

 private:
  std::uint64_t (*cost_)(const void* value, const MemberLoad& load) noexcept;
  alignas(8) std::array<std::byte, 64> value_{};
};

}  // namespace zenwire
