#include <algorithm>

#include <zenwire/base/duration.hpp>
#include <zenwire/engine/heartbeat.hpp>

namespace zenwire {
namespace {

constexpr std::uint64_t kTicksPerPeriod = 4;
// No tick is closer than this to the last: a millisecond is far below any network's jitter.
constexpr std::uint64_t kTick_ns_min = 1'000'000;

}  // namespace

Result<void> HeartbeatOptions::validate() const {
  using std::chrono::nanoseconds;
  if (kind != HeartbeatKind::none && interval <= nanoseconds(0))
    return fail(Errc::invalid_option, "heartbeat interval must be above 0");
  if (kind != HeartbeatKind::none && missed_max == 0)
    return fail(Errc::invalid_option, "heartbeat missed_max must be above 0");
  if (idle_timeout < nanoseconds(0))
    return fail(Errc::invalid_option, "idle_timeout must not be negative");
  return {};
}

Heartbeat::Heartbeat(const HeartbeatOptions& options) noexcept
    : kind_(options.kind),
      missed_max_(options.missed_max),
      interval_ns_(to_ns(options.interval)),
      idle_ns_(to_ns(options.idle_timeout)) {
  std::uint64_t shortest_ns = kNever_ns;
  if (beats()) shortest_ns = interval_ns_;
  if (idle_ns_ != 0) shortest_ns = std::min(shortest_ns, idle_ns_);
  tick_period_ns_ =
      shortest_ns == kNever_ns ? kNever_ns : std::max(shortest_ns / kTicksPerPeriod, kTick_ns_min);
}

void Heartbeat::start(Instant_ns now_ns) noexcept {
  running_ = tick_period_ns_ != kNever_ns;
  waiting_ = kind_ == HeartbeatKind::server;
  missed_in_row_ = 0;
  received_ = 0;
  last_received_ns_ = last_tick_ns_ = now_ns;
  period_end_ns_ = now_ns + interval_ns_;
  tick_ns_ = running_ ? now_ns + tick_period_ns_ : kNever_ns;
}

// While reading is withheld all deadlines move along with the time.
void Heartbeat::progress(std::uint64_t received, bool withheld, Instant_ns now_ns) noexcept {
  ZW_ASSERT(running_ && now_ns >= last_tick_ns_);
  if (withheld) {
    const std::uint64_t stood_ns = now_ns - last_tick_ns_;
    period_end_ns_ += stood_ns;
    last_received_ns_ += stood_ns;
    ++counters_.withheld;
  } else if (received != received_) {
    last_received_ns_ = now_ns;
  }
  received_ = received;
  last_tick_ns_ = now_ns;
  tick_ns_ = now_ns + tick_period_ns_;
}

Heartbeat::Due Heartbeat::due(Instant_ns now_ns) noexcept {
  ZW_ASSERT(running_);
  if (idle_ns_ != 0 && now_ns - last_received_ns_ >= idle_ns_) return Due::idle_limit;
  const Due due = beats() && now_ns >= period_end_ns_ ? end_period(now_ns) : Due::nothing;
  if (beats()) tick_ns_ = std::min(tick_ns_, period_end_ns_);
  return due;
}

Heartbeat::Due Heartbeat::end_period(Instant_ns now_ns) noexcept {
  period_end_ns_ = now_ns + interval_ns_;
  if (waiting_) {
    ++counters_.missed;
    if (++missed_in_row_ >= missed_max_) return Due::missed_limit;
  }
  waiting_ = true;
  ++token_;  // a late answer to the last one must not pass for this one's
  return kind_ == HeartbeatKind::server ? Due::nothing : Due::send;
}

void Heartbeat::sent(Instant_ns now_ns) noexcept {
  ++counters_.sent;
  sent_ns_ = now_ns;
}

bool Heartbeat::answered(std::uint64_t token, Instant_ns now_ns) noexcept {
  if (!waiting_ || token != token_ || kind_ == HeartbeatKind::server) return false;
  waiting_ = false;
  missed_in_row_ = 0;
  ++counters_.answered;
  counters_.round_trip_ns = now_ns - sent_ns_;
  counters_.round_trip_ns_max = std::max(counters_.round_trip_ns_max, counters_.round_trip_ns);
  return true;
}

void Heartbeat::received_beat() noexcept {
  ++counters_.answered;
  if (kind_ != HeartbeatKind::server) return;
  waiting_ = false;
  missed_in_row_ = 0;
}

}  // namespace zenwire
