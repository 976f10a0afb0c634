// What the pool does to route: the decision alone, and a whole send_balanced through links that
// take everything. All costs differ, so that each decision goes around to the member that was
// chosen last: the longest way there is. pool_choose does the same for callgrind.

#include <memory>
#include <string>

#include <benchmark/benchmark.h>

#include <zenwire/pool/pool.hpp>

namespace {

using namespace zenwire;

Link sink() noexcept {
  return {[](void*, Opcode, Bytes) noexcept { return Errc::ok; },
          [](const void*) noexcept { return LinkProgress{}; }, nullptr};
}

std::unique_ptr<Pool> pool_of(std::uint32_t members) {
  auto pool = Pool::make({.members = members}).value();
  for (MemberIndex member = 0; member < members; ++member) {
    pool->member_up(member, sink(), 1);
    pool->observe_round_trip(member, 1'000'000 + (member * 7919) % 1009 * 1000, 1);
  }
  return pool;
}

void choose(benchmark::State& state) {
  const auto pool = pool_of(static_cast<std::uint32_t>(state.range(0)));
  for (auto _ : state) benchmark::DoNotOptimize(pool->choose());
}
BENCHMARK(choose)->Arg(2)->Arg(16)->Arg(64)->Arg(256);

void send_balanced(benchmark::State& state) {
  const auto pool = pool_of(static_cast<std::uint32_t>(state.range(0)));
  const std::string text(120, 'x');
  const PoolRequest request{.payload = as_bytes(text)};
  for (auto _ : state) benchmark::DoNotOptimize(pool->send_balanced(request, 1'000));
}
BENCHMARK(send_balanced)->Arg(2)->Arg(16)->Arg(256);

}  // namespace
