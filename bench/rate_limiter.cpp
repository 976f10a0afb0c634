// What asking the rate limiter costs a request: with a venue's table of several buckets, granted
// and refused, and the bare bucket below it.

#include <benchmark/benchmark.h>

#include <zenwire/engine/rate_limiter.hpp>

namespace {

using namespace zenwire;

constexpr Instant_ns kStart_ns = 1'000'000'000;
constexpr BucketSpec kBucket{.name = "requests", .credits_max = 50'000, .refill_credits = 10'000};

// Time goes on by a second a call, so that there are always credits.
void bucket_take(benchmark::State& state) {
  CreditBucket bucket(kBucket, kStart_ns);
  Instant_ns now_ns = kStart_ns;
  for (auto _ : state) {
    now_ns += 1'000'000'000;
    if (bucket.has(500, Priority::normal, now_ns)) bucket.take(500);
  }
}
BENCHMARK(bucket_take);

void take(benchmark::State& state, const RateTable& table, Instant_ns step_ns) {
  MethodTable methods;
  const MethodId buy = methods.intern("private/buy");
  const auto limiter = RateLimiter::create(table, methods, kStart_ns).value();
  Instant_ns now_ns = kStart_ns;
  for (auto _ : state) {
    now_ns += step_ns;
    benchmark::DoNotOptimize(limiter->try_take(buy, now_ns));
  }
  state.counters["buckets"] = static_cast<double>(limiter->bucket_count());
  state.counters["granted"] =
      static_cast<double>(limiter->counters().granted) / static_cast<double>(state.iterations());
}
// All of them granted, and next to none.
BENCHMARK_CAPTURE(take, deribit_granted, deribit_rates(), Instant_ns{1'000'000'000});
BENCHMARK_CAPTURE(take, deribit_refused, deribit_rates(), Instant_ns{1});
BENCHMARK_CAPTURE(take, binance_granted, binance_rates(), Instant_ns{60'000'000'000});
BENCHMARK_CAPTURE(take, binance_refused, binance_rates(), Instant_ns{1});

void time_until(benchmark::State& state) {
  MethodTable methods;
  const MethodId buy = methods.intern("private/buy");
  const auto limiter = RateLimiter::create(deribit_rates(), methods, kStart_ns).value();
  const RateCost& cost = limiter->cost(buy);
  while (limiter->try_take(cost, kStart_ns) == Errc::ok) {
  }
  for (auto _ : state) benchmark::DoNotOptimize(limiter->time_until(cost, kStart_ns));
}
BENCHMARK(time_until);

}  // namespace
