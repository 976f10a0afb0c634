#include <cmath>

#include <zenwire/base/assert.hpp>
#include <zenwire/pool/score.hpp>

namespace zenwire {
namespace {

double weight(Instant_ns from_ns, Instant_ns to_ns, std::uint64_t tau_ns) noexcept {
  ZW_ASSERT(to_ns >= from_ns && tau_ns > 0);
  return std::exp(-static_cast<double>(to_ns - from_ns) / static_cast<double>(tau_ns));
}

}  // namespace

void PeakEwma::observe(std::uint64_t round_trip_ns, std::uint64_t tau_ns,
                       Instant_ns now_ns) noexcept {
  ZW_ASSERT(now_ns > 0);
  const auto sample = static_cast<double>(round_trip_ns);
  if (!measured() || sample > value_ns_) {
    value_ns_ = sample;
  } else {
    const double old = weight(at_ns_, now_ns, tau_ns);
    value_ns_ = value_ns_ * old + sample * (1 - old);
  }
  at_ns_ = now_ns;
}

void PeakEwma::fade(std::uint64_t tau_ns, Instant_ns now_ns) noexcept {
  if (!measured()) return;
  value_ns_ *= weight(at_ns_, now_ns, tau_ns);
  at_ns_ = now_ns;
}

void RecentRoundTrips::add(std::uint64_t round_trip_ns) noexcept {
  samples_ns_[next_] = round_trip_ns;
  next_ = (next_ + 1) % kSamples_max;
  count_ = std::min(count_ + 1, kSamples_max);
}

std::uint64_t RecentRoundTrips::percentile_ns(unsigned percent) const noexcept {
  ZW_ASSERT(percent <= 100);
  if (count_ == 0) return 0;
  const std::size_t index = (percent * (count_ - 1) + 50) / 100;
  std::array<std::uint64_t, kSamples_max> sorted = samples_ns_;
  auto* const at = sorted.data() + index;
  std::nth_element(sorted.data(), at, sorted.data() + count_);
  return *at;
}

}  // namespace zenwire
