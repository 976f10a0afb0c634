#include <zenwire/base/assert.hpp>
#include <zenwire/engine/io.hpp>
#include <zenwire/engine/tick_rate.hpp>

#include "clock.hpp"

namespace zenwire {
namespace {

constexpr std::uint64_t kSpan_ns = 1'000'000;

}  // namespace

TickRate::TickRate() noexcept
    : began_ticks_(TickSource().now()), began_ns_(detail::clock_ns(CLOCK_MONOTONIC)) {}

double TickRate::ticks_per_ns() const noexcept {
  std::uint64_t now_ns = detail::clock_ns(CLOCK_MONOTONIC);
  while (now_ns - began_ns_ < kSpan_ns) now_ns = detail::clock_ns(CLOCK_MONOTONIC);
  const std::uint64_t now_ticks = TickSource().now();
  ZW_ASSERT(now_ticks > began_ticks_);
  return static_cast<double>(now_ticks - began_ticks_) / static_cast<double>(now_ns - began_ns_);
}

}  // namespace zenwire
