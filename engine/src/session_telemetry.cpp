#include "session_telemetry.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include "telemetry_fields.hpp"

namespace zenwire::detail {

Result<SessionTelemetry> SessionTelemetry::make(TelemetryPage& page) {
  SessionTelemetry made(page);
  made.entries_.reserve(1 + kLatencies);
  const auto counters = page.add<SessionCounters>("session", kSessionFields);
  if (!counters) return tl::unexpected<Error>(counters.error());
  made.counters_ = counters->data;
  made.entries_.push_back(counters->entry);
  std::array<std::uint32_t, kLatencies> entries;
  const auto latency = page.add_histograms<MethodHistogram::kPrecision_bits, SessionLatency>(
      "session_latency", kLatencyFields, entries);
  if (!latency) return tl::unexpected<Error>(latency.error());
  made.latency_ = *latency;
  made.entries_.insert(made.entries_.end(), entries.begin(), entries.end());
  made.labelled_ = made.entries_.size();
  return made;
}

SessionTelemetry::SessionTelemetry(SessionTelemetry&& other) noexcept
    : page_(std::exchange(other.page_, nullptr)),
      counters_(other.counters_),
      latency_(other.latency_),
      beats_(other.beats_),
      limiter_(other.limiter_),
      rates_(other.rates_),
      buckets_(std::move(other.buckets_)),
      entries_(std::move(other.entries_)),
      labelled_(other.labelled_) {}

SessionTelemetry::~SessionTelemetry() {
  if (page_ == nullptr) return;
  for (const std::uint32_t entry : entries_) page_->release(entry);
}

Result<void> SessionTelemetry::publish(std::string_view label, RateLimiter* limiter) {
  ZW_ASSERT(page_->is_shared() && beats_ == nullptr);
  for (std::size_t i = 0; i < labelled_; ++i) page_->set_label(entries_[i], label);
  const auto beats = page_->add<BeatNumbers>("heartbeat", kBeatFields);
  if (!beats) return tl::unexpected<Error>(beats.error());
  beats_ = keep(*beats, label);
  return limiter != nullptr ? publish_limiter(label, *limiter) : Result<void>();
}

Result<void> SessionTelemetry::publish_limiter(std::string_view label, RateLimiter& limiter) {
  const auto rates = page_->add<RateLimiter::Counters>("rate_limiter", kRateFields);
  if (!rates) return tl::unexpected<Error>(rates.error());
  rates_ = keep(*rates, label);
  for (std::size_t i = 0; i < limiter.bucket_count(); ++i) {
    const auto bucket = page_->add<BucketNumbers>("rate_bucket", kBucketFields);
    if (!bucket) return tl::unexpected<Error>(bucket.error());
    const std::string of = std::string(label) + " " + std::string(limiter.bucket_name(i));
    buckets_.push_back(keep(*bucket, of));
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
