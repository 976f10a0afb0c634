#include "session_telemetry.hpp"

#include <algorithm>
#include <string>

#include "telemetry_fields.hpp"

namespace zenwire::detail {

Result<SessionTelemetry> SessionTelemetry::make(TelemetryPage& page) {
  SessionTelemetry made(page);
  TelemetryBlock<SessionCounters> counters;
  auto added = made.blocks_.keep(counters, page.add<SessionCounters>("session", kSessionFields));
  if (!added) return tl::unexpected<Error>(added.error());
  made.counters_ = counters.data;
  std::array<std::uint32_t, kLatencies> entries;
  const auto latency = page.add_histograms<MethodHistogram::kPrecision_bits, SessionLatency>(
      "session_latency", kLatencyFields, entries);
  if (!latency) return tl::unexpected<Error>(latency.error());
  made.latency_ = *latency;
  made.blocks_.keep(entries);
  return made;
}

Result<void> SessionTelemetry::publish(std::string_view label, RateLimiter* limiter) {
  TelemetryPage& page = blocks_.page();
  ZW_ASSERT(page.is_shared() && beats_ == nullptr);
  for (const std::uint32_t entry : blocks_.entries()) page.set_label(entry, label);
  auto beats = blocks_.keep(beats_, page.add<BeatNumbers>("heartbeat", kBeatFields), label);
  if (!beats || limiter == nullptr) return beats;
  return publish_limiter(label, *limiter);
}

Result<void> SessionTelemetry::publish_limiter(std::string_view label, RateLimiter& limiter) {
  TelemetryPage& page = blocks_.page();
  auto rates =
      blocks_.keep(rates_, page.add<RateLimiter::Counters>("rate_limiter", kRateFields), label);
  if (!rates) return rates;
  for (std::size_t i = 0; i < limiter.bucket_count(); ++i) {
    const std::string of = std::string(label) + " " + std::string(limiter.bucket_name(i));
    BucketNumbers*& bucket = buckets_.emplace_back();
    auto added = blocks_.keep(bucket, page.add<BucketNumbers>("rate_bucket", kBucketFields), of);
    if (!added) return added;
  }
  limiter_ = &limiter;
  return {};
}

void SessionTelemetry::take(const Heartbeat& active, const Heartbeat& other,
                            Instant_ns now_ns) noexcept {
  const HeartbeatCounters& a = active.counters();
  const HeartbeatCounters& b = other.counters();
  *beats_ = {.sent = a.sent + b.sent,
             .answered = a.answered + b.answered,
             .missed = a.missed + b.missed,
             .withheld = a.withheld + b.withheld,
             .missed_in_row = active.missed_in_row(),
             .round_trip_ns = a.round_trip_ns,
             .round_trip_ns_max = std::max(a.round_trip_ns_max, b.round_trip_ns_max)};
  if (limiter_ != nullptr) take_limiter(now_ns);
}

void SessionTelemetry::take_limiter(Instant_ns now_ns) noexcept {
  *rates_ = limiter_->counters();
  for (std::size_t i = 0; i < buckets_.size(); ++i) {
    CreditBucket& bucket = limiter_->bucket(i);
    *buckets_[i] = {
        .credits = bucket.credits(now_ns),
        .credits_max = bucket.credits_max(),
        .refill_permille = std::uint64_t{bucket.share()} * 1000 / CreditBucket::kShares};
  }
}

}  // namespace zenwire::detail
