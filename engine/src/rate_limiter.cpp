#include <algorithm>
#include <limits>
#include <numeric>

#include <zenwire/base/want_of_memory.hpp>
#include <zenwire/engine/rate_limiter.hpp>

namespace zenwire {
namespace {

// Levels and what one refill may add to them stay below it, so that a sum of two cannot overflow.
constexpr std::uint64_t kUnits_max = std::uint64_t{1} << 62;

struct Units {
  std::uint64_t credit;  // units of a credit
  std::uint64_t refill;  // units that a tick brings, for each share
  Instant_ns tick_ns;
};

// A continuous bucket gains refill_credits / period a nanosecond: with the fraction in lowest
// terms, a credit is its denominator. Both are multiplied by the shares, so that a share is whole.
Units units_of(const BucketSpec& spec) noexcept {
  if (spec.refill == Refill::stepped)
    return {CreditBucket::kShares, spec.refill_credits, spec.refill_period_ns};
  const std::uint64_t common = std::gcd(spec.refill_credits, spec.refill_period_ns);
  return {spec.refill_period_ns / common * CreditBucket::kShares, spec.refill_credits / common, 1};
}

constexpr std::uint64_t divide_up(std::uint64_t value, std::uint64_t by) noexcept {
  return value / by + (value % by != 0 ? 1 : 0);
}

bool fits(std::string_view pattern, std::string_view name) noexcept {
  if (!pattern.ends_with('*')) return pattern == name;
  return name.starts_with(pattern.substr(0, pattern.size() - 1));
}

Result<void> refuse(Errc code, std::string_view what, std::string_view name, std::string_view why) {
  return fail(code, std::string(what) + " \"" + std::string(name) + "\": " + std::string(why));
}

Result<void> check(const BucketSpec& spec) {
  const auto refused = [&](std::string_view why) {
    return refuse(Errc::invalid_option, "bucket", spec.name, why);
  };
  if (spec.credits_max == 0) return refused("it can hold no credits");
  if (spec.refill_credits == 0 || spec.refill_period_ns == 0)
    return refused("it is never refilled");
  if (spec.recover_ns == 0) return refused("recover_ns is 0");
  if (spec.reserve_credits >= spec.credits_max) return refused("all of it is reserve");
  if (spec.refill_period_ns > kUnits_max / CreditBucket::kShares) return refused("period too long");
  const Units units = units_of(spec);
  if (spec.credits_max > kUnits_max / units.credit ||
      units.refill > kUnits_max / CreditBucket::kShares)
    return refused("numbers too large for exact arithmetic: use Refill::stepped");
  return {};
}

Result<void> check(const MethodRule& rule, std::span<const BucketSpec> buckets) {
  for (std::size_t i = 0; i < kBuckets_max; ++i) {
    if (rule.credits[i] == 0) continue;
    if (i >= buckets.size())
      return refuse(Errc::contradictory_options, "rule", rule.pattern, "it names no bucket");
    const std::uint64_t reserve =
        rule.priority == Priority::urgent ? 0 : buckets[i].reserve_credits;
    if (rule.credits[i] > buckets[i].credits_max - reserve)
      return refuse(Errc::contradictory_options, "rule", rule.pattern,
                    "it costs more than its bucket ever has for it");
  }
  return {};
}

}  // namespace

// --- CreditBucket.

CreditBucket::CreditBucket(const BucketSpec& spec, Instant_ns now_ns) noexcept
    : unit_(units_of(spec).credit),
      refill_(units_of(spec).refill),
      period_ns_(units_of(spec).tick_ns),
      refilled_ns_(now_ns),
      recover_ns_(spec.recover_ns),
      stepped_(spec.refill == Refill::stepped) {
  ZW_ASSERT(spec.credits_max > 0 && spec.credits_max <= kUnits_max / unit_ && refill_ > 0);
  level_ = full_ = spec.credits_max * unit_;
  reserve_ = spec.reserve_credits * unit_;
}

void CreditBucket::accrue(Instant_ns to_ns) noexcept {
  if (to_ns < refilled_ns_ || to_ns - refilled_ns_ < period_ns_) return;
  if (!stepped_) {
    add(to_ns - refilled_ns_);
    refilled_ns_ = to_ns;
    return;
  }
  const std::uint64_t periods = (to_ns - refilled_ns_) / period_ns_;
  add(periods);
  refilled_ns_ += periods * period_ns_;
}

void CreditBucket::add(std::uint64_t periods) noexcept {
  const std::uint64_t gain = refill_ * share_;
  const std::uint64_t missing = full_ - level_;
  level_ = missing / gain < periods ? full_ : std::min(full_, level_ + gain * periods);
}

// At a refusal's pace: each share that came back counts from its own instant on.
void CreditBucket::recover(Instant_ns now_ns) noexcept {
  while (share_ < kShares && recover_at_ns_ <= now_ns) {
    accrue(recover_at_ns_);
    ++share_;
    recover_at_ns_ += recover_ns_;
  }
}

void CreditBucket::give_back(std::uint64_t credits) noexcept {
  ZW_ASSERT(credits <= credits_max());
  level_ = std::min(full_, level_ + credits * unit_);
}

// When the level would be reached at the present share.
Instant_ns CreditBucket::next_reaching(std::uint64_t level) const noexcept {
  ZW_ASSERT(level > level_ && level <= full_);
  return refilled_ns_ + divide_up(level - level_, refill_ * share_) * period_ns_;
}

Instant_ns CreditBucket::time_until(std::uint64_t credits, Priority priority,
                                    Instant_ns now_ns) const noexcept {
  if (credits > credits_max() || wanted(credits, priority) > full_) return kNever_ns;
  const std::uint64_t level = wanted(credits, priority);
  CreditBucket ahead = *this;
  ahead.refill(now_ns);
  const Instant_ns earliest_ns = std::max(now_ns, blocked_until_ns_);
  while (ahead.level_ < level) {
    const Instant_ns at_ns = ahead.next_reaching(level);
    if (ahead.share_ == kShares || at_ns <= ahead.recover_at_ns_)
      return std::max(at_ns, earliest_ns) - now_ns;
    ahead.recover(ahead.recover_at_ns_);
  }
  return std::max(ahead.refilled_ns_, earliest_ns) - now_ns;
}

void CreditBucket::throttled(Instant_ns now_ns, Instant_ns retry_after_ns) noexcept {
  refill(now_ns);
  level_ = 0;
  share_ = std::max<std::uint32_t>(share_ / 2, 1);
  if (retry_after_ns != 0) {
    blocked_until_ns_ = std::max(blocked_until_ns_, now_ns + retry_after_ns);
    // The server said when there will be room again: a step falls there.
    const Instant_ns step_ns = stepped_ ? std::min(period_ns_, blocked_until_ns_) : 0;
    refilled_ns_ = std::max(refilled_ns_, blocked_until_ns_ - step_ns);
  }
  recover_at_ns_ = std::max(now_ns, blocked_until_ns_) + recover_ns_;
}

void CreditBucket::align(Instant_ns instant_ns) noexcept {
  if (!stepped_) return;
  const Instant_ns last_ns = instant_ns - std::min(instant_ns, period_ns_);
  refilled_ns_ = std::max(last_ns, blocked_until_ns_ - std::min(blocked_until_ns_, period_ns_));
}

// --- RateTable.

Result<void> RateTable::validate() const {
  if (buckets.empty() || buckets.size() > kBuckets_max)
    return refuse(Errc::invalid_option, "table", name, "it has no bucket, or more than 4");
  for (const BucketSpec& bucket : buckets) {
    if (auto good = check(bucket); !good) return good;
  }
  for (const MethodRule& rule : rules) {
    if (auto good = check(rule, buckets); !good) return good;
  }
  if (rules.empty() || rules.back().pattern != "*")
    return refuse(Errc::invalid_option, "table", name, "its last rule is not \"*\"");
  return {};
}

// --- RateLimiter.

Result<std::unique_ptr<RateLimiter>> RateLimiter::create(const RateTable& table,
                                                         const MethodTable& methods,
                                                         Instant_ns now_ns) {
  return or_memory_exhausted([&]() -> Result<std::unique_ptr<RateLimiter>> {
    if (auto good = table.validate(); !good) return tl::unexpected<Error>(good.error());
    return std::unique_ptr<RateLimiter>(new RateLimiter(table, methods, now_ns));
  });
}

RateLimiter::RateLimiter(const RateTable& table, const MethodTable& methods, Instant_ns now_ns)
    : methods_(methods), priced_(methods.count_max()) {
  for (const BucketSpec& spec : table.buckets) {
    buckets_.emplace_back(spec, now_ns);
    periods_ns_.push_back(spec.refill_period_ns);
    bucket_names_.emplace_back(spec.name);
  }
  for (const MethodRule& rule : table.rules) {
    rules_.push_back({std::string(rule.pattern), {rule.credits, rule.priority}});
  }
  for (std::size_t i = 0; i < methods.count(); ++i) price(static_cast<MethodId>(i));
}

void RateLimiter::price(MethodId method) noexcept {
  const std::string_view name = methods_.name(method);
  const auto rule = std::find_if(rules_.begin(), rules_.end(),
                                 [&](const Rule& each) { return fits(each.pattern, name); });
  ZW_ASSERT(rule != rules_.end());
  priced_[index_of(method)] = {rule->cost, true};
}

Errc RateLimiter::try_take(const RateCost& cost, Instant_ns now_ns) noexcept {
  for (std::size_t i = 0; i < buckets_.size(); ++i) {
    if (cost.credits[i] == 0) continue;
    if (buckets_[i].has(cost.credits[i], cost.priority, now_ns)) continue;
    ++counters_.refused;
    return Errc::rate_limited;
  }
  for (std::size_t i = 0; i < buckets_.size(); ++i) buckets_[i].take(cost.credits[i]);
  ++counters_.granted;
  return Errc::ok;
}

Instant_ns RateLimiter::time_until(const RateCost& cost, Instant_ns now_ns) const noexcept {
  Instant_ns longest_ns = 0;
  for (std::size_t i = 0; i < buckets_.size(); ++i) {
    if (cost.credits[i] == 0) continue;
    longest_ns =
        std::max(longest_ns, buckets_[i].time_until(cost.credits[i], cost.priority, now_ns));
  }
  return longest_ns;
}

void RateLimiter::give_back(const RateCost& cost) noexcept {
  for (std::size_t i = 0; i < buckets_.size(); ++i) buckets_[i].give_back(cost.credits[i]);
}

void RateLimiter::throttled(const RateCost& cost, Instant_ns now_ns,
                            Instant_ns retry_after_ns) noexcept {
  ++counters_.throttled;
  const bool all = std::all_of(cost.credits.begin(), cost.credits.end(),
                               [](std::uint32_t credits) { return credits == 0; });
  for (std::size_t i = 0; i < buckets_.size(); ++i) {
    if (all || cost.credits[i] != 0) buckets_[i].throttled(now_ns, retry_after_ns);
  }
}

void RateLimiter::align(Instant_ns now_ns, std::uint64_t wall_ns) noexcept {
  for (std::size_t i = 0; i < buckets_.size(); ++i) {
    buckets_[i].align(now_ns + periods_ns_[i] - wall_ns % periods_ns_[i]);
  }
}

// --- RateLimiters.

Result<RateLimiter*> RateLimiters::share(std::string_view key, const RateTable& table,
                                         Instant_ns now_ns) {
  for (const Shared& shared : shared_) {
    if (shared.key != key) continue;
    if (shared.table == table.name) return shared.limiter.get();
    return fail(Errc::contradictory_options, "rate limiter \"" + shared.key + "\" has table \"" +
                                                 shared.table + "\", not \"" +
                                                 std::string(table.name) + "\"");
  }
  auto limiter = RateLimiter::create(table, methods_, now_ns);
  if (!limiter) return tl::unexpected<Error>(limiter.error());
  shared_.push_back({std::string(key), std::string(table.name), std::move(*limiter)});
  return shared_.back().limiter.get();
}

}  // namespace zenwire
