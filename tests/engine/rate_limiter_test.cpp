// CreditBucket against exact fractions, nanosecond by nanosecond; RateLimiter: all buckets or none,
// the reserve, what a server's refusal does, and the tables.

#include <algorithm>
#include <string>

#include <allocation_counter.hpp>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <zenwire/engine/rate_limiter.hpp>
#include <zenwire/testing/random.hpp>

namespace zenwire {
namespace {

constexpr Instant_ns kSecond_ns = 1'000'000'000;
constexpr Instant_ns kStart_ns = 1'000 * kSecond_ns;
constexpr auto kNormal = Priority::normal;
constexpr auto kUrgent = Priority::urgent;

// The definition, one nanosecond at a time, in fractions with one denominator. Wide enough that
// nothing is ever cancelled or cut off.
class Model {
 public:
  __extension__ using Wide = unsigned __int128;

  Model(const BucketSpec& spec, Instant_ns now_ns)
      : spec_(spec), now_ns_(now_ns), stepped_ns_(now_ns), level_(whole(spec.credits_max)) {}

  void advance(Instant_ns to_ns) {
    while (now_ns_ < to_ns) tick();
  }
  [[nodiscard]] bool has(std::uint64_t credits, Priority priority) const {
    return now_ns_ >= blocked_ns_ &&
           level_ >= whole(credits + (priority == kNormal ? spec_.reserve_credits : 0));
  }
  void take(std::uint64_t credits) { level_ -= whole(credits); }
  void give_back(std::uint64_t credits) {
    level_ = std::min(level_ + whole(credits), whole(spec_.credits_max));
  }
  void throttled(Instant_ns retry_after_ns) {
    level_ = 0;
    share_ = std::max(share_ / 2, 1U);
    if (retry_after_ns != 0) {
      blocked_ns_ = std::max(blocked_ns_, now_ns_ + retry_after_ns);
      if (blocked_ns_ >= spec_.refill_period_ns)
        stepped_ns_ = std::max(stepped_ns_, blocked_ns_ - spec_.refill_period_ns);
    }
    recover_ns_ = std::max(now_ns_, blocked_ns_) + spec_.recover_ns;
  }
  [[nodiscard]] std::uint64_t credits() const {
    return static_cast<std::uint64_t>(level_ / whole(1));
  }

 private:
  [[nodiscard]] Wide whole(std::uint64_t credits) const {
    return Wide{credits} * 16 * spec_.refill_period_ns;
  }
  void tick() {
    const bool waits = now_ns_ < blocked_ns_;
    ++now_ns_;
    if (spec_.refill == Refill::continuous) {
      if (!waits) add(Wide{spec_.refill_credits} * share_);
    } else if (now_ns_ == stepped_ns_ + spec_.refill_period_ns) {
      stepped_ns_ = now_ns_;
      add(Wide{spec_.refill_credits} * share_ * spec_.refill_period_ns);
    }
    if (share_ < 16 && now_ns_ == recover_ns_) {
      ++share_;
      recover_ns_ += spec_.recover_ns;
    }
  }
  void add(Wide units) { level_ = std::min(level_ + units, whole(spec_.credits_max)); }

  BucketSpec spec_;
  Instant_ns now_ns_;
  Instant_ns stepped_ns_;
  Instant_ns blocked_ns_ = 0;
  Instant_ns recover_ns_ = 0;
  Wide level_;
  unsigned share_ = 16;
};

BucketSpec arbitrary_spec(testing::Random& random) {
  BucketSpec spec;
  spec.credits_max = random.between(1, 50);
  spec.refill_credits = random.between(1, 30);
  spec.refill_period_ns = random.between(1, 90);
  spec.refill = random.below(2) == 0 ? Refill::continuous : Refill::stepped;
  spec.reserve_credits = random.below(spec.credits_max);
  spec.recover_ns = random.between(1, 60);
  return spec;
}

void compare_with_fractions(testing::Random& random) {
  const BucketSpec spec = arbitrary_spec(random);
  Instant_ns now_ns = random.between(100, 1'000);
  CreditBucket bucket(spec, now_ns);
  Model model(spec, now_ns);
  for (int i = 0; i < 200; ++i) {
    now_ns += random.below(3) == 0 ? 0 : random.below(40);
    model.advance(now_ns);
    const std::uint64_t credits = random.between(0, spec.credits_max);
    const Priority priority = random.below(2) == 0 ? kNormal : kUrgent;
    const bool has = bucket.has(credits, priority, now_ns);
    RC_ASSERT(has == model.has(credits, priority));
    if (has) {
      bucket.take(credits);
      model.take(credits);
    }
    if (random.below(20) == 0) {
      const Instant_ns retry_after_ns = random.below(2) * random.below(100);
      bucket.throttled(now_ns, retry_after_ns);
      model.throttled(retry_after_ns);
    }
    RC_ASSERT(bucket.credits(now_ns) == model.credits());
  }
}

RC_GTEST_PROP(CreditBucket, agrees_with_exact_fractions, (std::uint64_t seed)) {
  testing::Random random(seed);
  for (int i = 0; i < 30; ++i) compare_with_fractions(random);
}

void wait_exactly(testing::Random& random) {
  const BucketSpec spec = arbitrary_spec(random);
  const Instant_ns now_ns = random.between(100, 1'000);
  CreditBucket bucket(spec, now_ns);
  bucket.take(random.between(0, spec.credits_max));
  if (random.below(2) == 0) bucket.throttled(now_ns, random.below(2) * random.below(100));
  const std::uint64_t credits = random.between(1, spec.credits_max + 1);
  const Priority priority = random.below(2) == 0 ? kNormal : kUrgent;
  const Instant_ns wait_ns = bucket.time_until(credits, priority, now_ns);
  const std::uint64_t reserve = priority == kNormal ? spec.reserve_credits : 0;
  RC_ASSERT((wait_ns == kNever_ns) == (credits + reserve > spec.credits_max));
  if (wait_ns == kNever_ns) return;
  CreditBucket early = bucket;
  if (wait_ns > 0) RC_ASSERT(!early.has(credits, priority, now_ns + wait_ns - 1));
  RC_ASSERT(bucket.has(credits, priority, now_ns + wait_ns));
}

RC_GTEST_PROP(CreditBucket, says_exactly_how_long_to_wait, (std::uint64_t seed)) {
  testing::Random random(seed);
  for (int i = 0; i < 100; ++i) wait_exactly(random);
}

RC_GTEST_PROP(CreditBucket, looking_often_changes_nothing, (std::uint64_t seed)) {
  testing::Random random(seed);
  const BucketSpec spec = arbitrary_spec(random);
  CreditBucket often(spec, kStart_ns);
  often.take(spec.credits_max);
  often.throttled(kStart_ns, random.below(50));
  CreditBucket once = often;
  Instant_ns now_ns = kStart_ns;
  for (int i = 0; i < 50; ++i) static_cast<void>(often.credits(now_ns += random.below(20)));
  RC_ASSERT(often.credits(now_ns) == once.credits(now_ns));
  RC_ASSERT(often.share() == once.share());
}

// A third of a credit a second, read a million times at odd instants: a sum in floating point has
// drifted by then.
TEST(CreditBucket, does_not_drift_over_a_year) {
  const BucketSpec spec{.name = "third",
                        .credits_max = 20'000'000,
                        .refill_credits = 1,
                        .refill_period_ns = 3 * kSecond_ns};
  CreditBucket bucket(spec, kStart_ns);
  bucket.take(spec.credits_max);
  testing::Random random(1);
  Instant_ns now_ns = kStart_ns;
  for (int i = 0; i < 1'000'000; ++i) {
    now_ns += random.below(2 * 31'536'000'000ULL);
    static_cast<void>(bucket.credits(now_ns));
  }
  EXPECT_GT(now_ns - kStart_ns, 300 * 86'400 * kSecond_ns);
  EXPECT_EQ(bucket.credits(now_ns), (now_ns - kStart_ns) / (3 * kSecond_ns));
}

TEST(CreditBucket, time_that_goes_back_stands_still) {
  CreditBucket bucket({.credits_max = 10, .refill_credits = 10}, kStart_ns);
  bucket.take(10);
  EXPECT_EQ(bucket.credits(kStart_ns + kSecond_ns / 2), 5u);
  EXPECT_EQ(bucket.credits(kStart_ns), 5u);
  EXPECT_EQ(bucket.credits(kStart_ns + kSecond_ns), 10u);
}

TEST(CreditBucket, an_age_without_a_look_fills_it_and_does_not_overflow) {
  CreditBucket bucket({.credits_max = 50'000, .refill_credits = 10'000}, 1);
  bucket.take(50'000);
  EXPECT_EQ(bucket.credits(kNever_ns - 1), 50'000u);
}

TEST(CreditBucket, a_stepped_bucket_fills_at_the_step_and_not_before) {
  CreditBucket bucket({.credits_max = 60,
                       .refill_credits = 60,
                       .refill_period_ns = 60 * kSecond_ns,
                       .refill = Refill::stepped},
                      kStart_ns);
  bucket.take(60);
  EXPECT_EQ(bucket.credits(kStart_ns + 60 * kSecond_ns - 1), 0u);
  EXPECT_EQ(bucket.credits(kStart_ns + 60 * kSecond_ns), 60u);
}

TEST(CreditBucket, steps_with_the_venues_minute) {
  CreditBucket bucket({.credits_max = 60,
                       .refill_credits = 60,
                       .refill_period_ns = 60 * kSecond_ns,
                       .refill = Refill::stepped},
                      kStart_ns);
  bucket.take(60);
  bucket.align(kStart_ns + 7 * kSecond_ns);
  EXPECT_EQ(bucket.time_until(1, kNormal, kStart_ns), 7 * kSecond_ns);
  EXPECT_EQ(bucket.credits(kStart_ns + 7 * kSecond_ns), 60u);
  bucket.take(60);
  EXPECT_EQ(bucket.time_until(1, kNormal, kStart_ns + 7 * kSecond_ns), 60 * kSecond_ns);
}

TEST(CreditBucket, a_refusal_halves_the_rate_which_comes_back_by_sixteenths) {
  const BucketSpec spec{.credits_max = 1600, .refill_credits = 1600, .recover_ns = 10 * kSecond_ns};
  CreditBucket bucket(spec, kStart_ns);
  bucket.throttled(kStart_ns, 0);
  EXPECT_EQ(bucket.credits(kStart_ns), 0u);
  EXPECT_EQ(bucket.credits(kStart_ns + kSecond_ns), 800u);
  EXPECT_EQ(bucket.share(), 8u);
  bucket.take(800);
  static_cast<void>(bucket.credits(kStart_ns + 10 * kSecond_ns));
  EXPECT_EQ(bucket.share(), 9u);
  static_cast<void>(bucket.credits(kStart_ns + 80 * kSecond_ns));
  EXPECT_EQ(bucket.share(), 16u);
  for (int i = 0; i < 10; ++i) bucket.throttled(kStart_ns + 80 * kSecond_ns, 0);
  EXPECT_EQ(bucket.share(), 1u);
}

// Inventory, section 4: a 429 with Retry-After: 60 was retried three times in 308 ms.
TEST(CreditBucket, retry_after_is_waited_for) {
  CreditBucket bucket({.credits_max = 10, .refill_credits = 10, .reserve_credits = 5}, kStart_ns);
  bucket.throttled(kStart_ns, 60 * kSecond_ns);
  for (Instant_ns ms = 0; ms < 60'000; ms += 100) {
    ASSERT_FALSE(bucket.has(0, kUrgent, kStart_ns + ms * 1'000'000)) << ms;
  }
  EXPECT_EQ(bucket.time_until(1, kUrgent, kStart_ns), 60 * kSecond_ns + kSecond_ns / 5);
}

constexpr BucketSpec kTwoBuckets[] = {
    {.name = "orders", .credits_max = 10, .refill_credits = 1, .reserve_credits = 2},
    {.name = "weight", .credits_max = 100, .refill_credits = 50}};
constexpr MethodRule kTwoRules[] = {
    {"buy", {1, 10}}, {"cancel", {1, 1}, Priority::urgent}, {"get_*", {0, 40}}, {"*", {0, 1}}};
constexpr RateTable kTwo{"two", kTwoBuckets, kTwoRules};

class RateLimiterTest : public ::testing::Test {
 protected:
  MethodTable methods;
  MethodId buy = methods.intern("buy");
  MethodId cancel = methods.intern("cancel");
  MethodId get_book = methods.intern("get_book");
  std::unique_ptr<RateLimiter> limiter = *RateLimiter::create(kTwo, methods, kStart_ns);
};

TEST_F(RateLimiterTest, a_cancel_passes_a_new_order) {
  int orders = 0;
  while (limiter->try_take(buy, kStart_ns) == Errc::ok) ++orders;
  EXPECT_EQ(orders, 8);
  EXPECT_EQ(limiter->try_take(buy, kStart_ns), Errc::rate_limited);
  EXPECT_EQ(limiter->try_take(cancel, kStart_ns), Errc::ok);
  EXPECT_EQ(limiter->try_take(cancel, kStart_ns), Errc::ok);
  EXPECT_EQ(limiter->try_take(cancel, kStart_ns), Errc::rate_limited);
}

TEST_F(RateLimiterTest, takes_from_all_buckets_or_from_none) {
  ASSERT_EQ(limiter->try_take(get_book, kStart_ns), Errc::ok);
  ASSERT_EQ(limiter->try_take(get_book, kStart_ns), Errc::ok);
  ASSERT_EQ(limiter->try_take(buy, kStart_ns), Errc::ok);
  ASSERT_EQ(limiter->try_take(buy, kStart_ns), Errc::ok);
  EXPECT_EQ(limiter->bucket(1).credits(kStart_ns), 0u);
  EXPECT_EQ(limiter->try_take(buy, kStart_ns), Errc::rate_limited);
  EXPECT_EQ(limiter->bucket(0).credits(kStart_ns), 8u);
}

// Inventory, section 24, number 20: refused requests were charged.
TEST_F(RateLimiterTest, a_refused_request_costs_nothing) {
  while (limiter->try_take(buy, kStart_ns) == Errc::ok) {
  }
  for (int i = 0; i < 101; ++i) EXPECT_EQ(limiter->try_take(buy, kStart_ns), Errc::rate_limited);
  EXPECT_EQ(limiter->time_until(limiter->cost(buy), kStart_ns), kSecond_ns);
  EXPECT_EQ(limiter->try_take(buy, kStart_ns + kSecond_ns), Errc::ok);
  EXPECT_EQ(limiter->counters().granted, 9u);
  EXPECT_EQ(limiter->counters().refused, 102u);
}

TEST_F(RateLimiterTest, waits_for_the_slowest_bucket) {
  while (limiter->try_take(buy, kStart_ns) == Errc::ok) {
  }
  while (limiter->try_take(limiter->cost(MethodId::other), kStart_ns) == Errc::ok) {
  }
  const Instant_ns wait_ns = limiter->time_until(limiter->cost(buy), kStart_ns);
  EXPECT_EQ(wait_ns, kSecond_ns);
  EXPECT_EQ(limiter->try_take(buy, kStart_ns + wait_ns - 1), Errc::rate_limited);
  EXPECT_EQ(limiter->try_take(buy, kStart_ns + wait_ns), Errc::ok);
}

TEST_F(RateLimiterTest, what_was_not_sent_is_given_back) {
  ASSERT_EQ(limiter->try_take(buy, kStart_ns), Errc::ok);
  limiter->give_back(limiter->cost(buy));
  EXPECT_EQ(limiter->bucket(0).credits(kStart_ns), 10u);
  limiter->give_back(limiter->cost(buy));
  EXPECT_EQ(limiter->bucket(0).credits(kStart_ns), 10u);
}

TEST_F(RateLimiterTest, a_refusal_lowers_the_buckets_of_its_method_only) {
  limiter->throttled(limiter->cost(get_book), kStart_ns);
  EXPECT_EQ(limiter->bucket(0).credits(kStart_ns), 10u);
  EXPECT_EQ(limiter->bucket(1).credits(kStart_ns), 0u);
  limiter->throttled({}, kStart_ns);
  EXPECT_EQ(limiter->bucket(0).credits(kStart_ns), 0u);
  EXPECT_EQ(limiter->counters().throttled, 2u);
}

TEST_F(RateLimiterTest, a_method_that_came_later_is_priced_by_the_same_rules) {
  const MethodId later = methods.intern("get_later");
  EXPECT_EQ(limiter->cost(later).credits[1], 40u);
  EXPECT_EQ(limiter->cost(MethodId::other).credits[1], 1u);
}

TEST_F(RateLimiterTest, allocates_nothing) {
  const test::AllocationScope scope;
  for (Instant_ns ms = 0; ms < 1'000; ++ms) {
    const Instant_ns now_ns = kStart_ns + ms * 1'000'000;
    if (limiter->try_take(buy, now_ns) != Errc::ok)
      static_cast<void>(limiter->time_until(limiter->cost(buy), now_ns));
    static_cast<void>(limiter->try_take(methods.intern("get_more"), now_ns));
  }
  limiter->throttled({}, kStart_ns + kSecond_ns, kSecond_ns);
  EXPECT_EQ(scope.count(), 0u);
}

// Inventory, section 24, number 19: refills that raced with takers handed out up to 16 percent more
// than there was. Here one thread owns a bucket; what is left to check is the sum.
TEST(RateLimiter, never_hands_out_more_than_burst_and_refill) {
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    testing::Random random(seed);
    BucketSpec spec = arbitrary_spec(random);
    spec.reserve_credits = 0;
    CreditBucket bucket(spec, kStart_ns);
    Instant_ns now_ns = kStart_ns;
    std::uint64_t taken = 0;
    for (int i = 0; i < 4'000; ++i) {
      now_ns += random.below(5);
      if (!bucket.has(1, kNormal, now_ns)) continue;
      bucket.take(1);
      ++taken;
    }
    const std::uint64_t refills =
        (now_ns - kStart_ns) * spec.refill_credits / spec.refill_period_ns;
    EXPECT_LE(taken, spec.credits_max + refills) << "seed " << seed;
  }
}

TEST(RateLimiters, connections_with_one_key_share_a_limiter) {
  MethodTable methods;
  RateLimiters limiters(methods);
  RateLimiter* const first = *limiters.share("account-1", kTwo, kStart_ns);
  RateLimiter* const second = *limiters.share("account-1", kTwo, kStart_ns);
  RateLimiter* const other = *limiters.share("account-2", kTwo, kStart_ns);
  EXPECT_EQ(first, second);
  EXPECT_NE(first, other);
  const auto clash = limiters.share("account-1", zen_simple_rates(), kStart_ns);
  ASSERT_FALSE(clash);
  EXPECT_EQ(clash.error().code(), Errc::contradictory_options);
}

struct BadTable {
  const char* why;
  BucketSpec bucket;
  MethodRule rule;
  Errc code;
};

TEST(RateTable, what_cannot_work_is_refused_and_named) {
  const BucketSpec good{.name = "b", .credits_max = 10, .refill_credits = 1};
  const BadTable cases[] = {
      {"no credits", {.name = "b", .refill_credits = 1}, {"*", {}}, Errc::invalid_option},
      {"no refill", {.name = "b", .credits_max = 1}, {"*", {}}, Errc::invalid_option},
      {"no period",
       {.name = "b", .credits_max = 1, .refill_credits = 1, .refill_period_ns = 0},
       {"*", {}},
       Errc::invalid_option},
      {"all reserve",
       {.name = "b", .credits_max = 4, .refill_credits = 1, .reserve_credits = 4},
       {"*", {}},
       Errc::invalid_option},
      {"too large",
       {.name = "b", .credits_max = 1'000'000'000'000, .refill_credits = 1},
       {"*", {}},
       Errc::invalid_option},
      {"no last rule", good, {"buy", {1}}, Errc::invalid_option},
      {"cost above capacity", good, {"*", {11}}, Errc::contradictory_options},
      {"cost in no bucket", good, {"*", {1, 1}}, Errc::contradictory_options},
  };
  for (const BadTable& each : cases) {
    const RateTable table{"t", {&each.bucket, 1}, {&each.rule, 1}};
    const auto valid = table.validate();
    ASSERT_FALSE(valid) << each.why;
    EXPECT_EQ(valid.error().code(), each.code) << each.why;
    EXPECT_NE(valid.error().detail().find('"'), std::string_view::npos) << each.why;
  }
}

struct Price {
  const char* table;
  const char* method;
  std::array<std::uint32_t, kBuckets_max> credits;
  Priority priority = Priority::normal;
};

TEST(RateTables, cost_what_their_venues_say) {
  constexpr Price kPrices[] = {
      {"zen-deribit", "public/test", {1}},
      {"zen-deribit", "public/get_instruments", {1}},
      {"zen-deribit", "private/get_positions", {5}},
      {"zen-deribit", "private/set_email_language", {10}},
      {"zen-deribit", "private/buy", {15}},
      {"zen-deribit", "private/sell", {15}},
      {"zen-deribit", "private/cancel", {5}},
      {"zen-deribit", "private/edit", {5}},
      {"zen-binance", "klines", {2}},
      {"zen-binance", "ticker", {1}},
      {"zen-binance", "depth", {1}},
      {"zen-binance", "order", {1}},
      {"zen-simple", "anything", {1}},
      {"deribit", "private/buy", {1}},
      {"deribit", "private/cancel_all", {1}, kUrgent},
      {"deribit", "public/subscribe", {0, 0, 3'000}},
      {"deribit", "private/get_positions", {0, 500}},
      {"binance", "order.place", {1, 1}},
      {"binance", "order.cancel", {1}, kUrgent},
      {"binance", "klines", {2}},
  };
  for (const RateTable* table : rate_tables()) {
    ASSERT_TRUE(table->validate()) << table->name;
    EXPECT_EQ(find_rate_table(table->name), table);
  }
  EXPECT_EQ(find_rate_table("nasdaq"), nullptr);
  for (const Price& price : kPrices) {
    MethodTable methods;
    const MethodId method = methods.intern(price.method);
    const auto limiter = *RateLimiter::create(*find_rate_table(price.table), methods, kStart_ns);
    EXPECT_EQ(limiter->cost(method).credits, price.credits) << price.table << ' ' << price.method;
    EXPECT_EQ(limiter->cost(method).priority, price.priority) << price.table << price.method;
  }
}

// 30,000 credits and 3,000 a subscription: ten at once, then 3.3 a second.
TEST(RateTables, deribit_subscriptions_come_ten_at_once_and_then_three_a_second) {
  MethodTable methods;
  const MethodId subscribe = methods.intern("public/subscribe");
  const auto limiter = *RateLimiter::create(deribit_rates(), methods, kStart_ns);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(limiter->try_take(subscribe, kStart_ns), Errc::ok);
  EXPECT_EQ(limiter->time_until(limiter->cost(subscribe), kStart_ns), 3 * kSecond_ns / 10);
}

TEST(RateTables, binance_weight_comes_back_on_the_minute) {
  MethodTable methods;
  const auto limiter = *RateLimiter::create(binance_rates(), methods, kStart_ns);
  limiter->align(kStart_ns, 1'700'000'002 * kSecond_ns);  // 22 s past a minute
  const RateCost all{{6'000}, kUrgent};
  ASSERT_EQ(limiter->try_take(all, kStart_ns), Errc::ok);
  EXPECT_EQ(limiter->time_until(all, kStart_ns), 38 * kSecond_ns);
}

}  // namespace
}  // namespace zenwire
