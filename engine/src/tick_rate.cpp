#include <ctime>

#include <zenwire/base/assert.hpp>
#include <zenwire/engine/io.hpp>
#include <zenwire/engine/tick_rate.hpp>

namespace zenwire {
namespace {

constexpr std::uint64_t kSpan_ns = 1'000'000;

std::uint64_t clock_ns() noexcept {
  timespec time{};
  ZW_ASSERT(::clock_gettime(CLOCK_MONOTONIC, &time) == 0);
  return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000 +
         static_cast<std::uint64_t>(time.tv_nsec);
}

}  // namespace

TickRate::TickRate() noexcept : began_ticks_(TickSource().now()), began_ns_(clock_ns()) {}

double TickRate::ticks_per_ns() const noexcept {
  std::uint64_t now_ns = clock_ns();
  while (now_ns - began_ns_ < kSpan_ns) now_ns = clock_ns();
  const std::uint64_t now_ticks = TickSource().now();
  ZW_ASSERT(now_ticks > began_ticks_);
  return static_cast<double>(now_ticks - began_ticks_) / static_cast<double>(now_ns - began_ns_);
}

}  // namespace zenwire
