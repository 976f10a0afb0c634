// What an append costs the reactor, against the least that any recorder must do: bring a time into
// text and copy the payload. Paced at one append a microsecond, as a busy feed is: flat out, the
// numbers would be the disk's. ZENWIRE_BENCH_DIR says where the file goes (default: /tmp).

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>
#include <unistd.h>
#include <x86intrin.h>

#include <zenwire/codec/json_string.hpp>
#include <zenwire/engine/recorder.hpp>

namespace {

using zenwire::RecordType;

constexpr std::size_t kAppends = 400'000;

double ns_per_tick() {
  static const double value = [] {
    using Clock = std::chrono::steady_clock;
    const auto begin = Clock::now();
    const std::uint64_t begin_ticks = __rdtsc();
    while (Clock::now() - begin < std::chrono::milliseconds(20)) {
    }
    const std::uint64_t ticks = __rdtsc() - begin_ticks;
    return std::chrono::duration<double, std::nano>(Clock::now() - begin).count() /
           static_cast<double>(ticks);
  }();
  return value;
}

// Market data: a quote every few bytes.
std::string json_payload(std::size_t bytes) {
  std::string text = R"({"jsonrpc":"2.0","method":"subscription","params":{"data":[)";
  std::mt19937 random(7);
  while (text.size() < bytes) {
    text += R"({"price":)" + std::to_string(random() % 100000) + R"(,"side":"buy","id":")" +
            std::to_string(random()) + R"("},)";
  }
  text.resize(bytes);
  return text;
}

std::string bench_file() {
  const char* const directory = std::getenv("ZENWIRE_BENCH_DIR");
  return std::string(directory != nullptr ? directory : "/tmp") + "/zenwire-bench-recorder." +
         std::to_string(getpid()) + ".jsonl";
}

// Runs step(ns) kAppends times, one a microsecond, and reports what the calls took.
template <typename Step>
void run_paced(benchmark::State& state, Step step) {
  std::vector<std::uint64_t> taken(kAppends);
  const auto interval = static_cast<std::uint64_t>(1000 / ns_per_tick());
  std::uint64_t ns = 1'768'923'045'123'456'789;
  for (auto iteration : state) {
    (void)iteration;
    std::uint64_t due = __rdtsc();
    std::uint64_t sum = 0;
    for (std::uint64_t& ticks : taken) {
      while (__rdtsc() < due) {
      }
      due += interval;
      ns += 1000;
      unsigned core = 0;
      const std::uint64_t begin = __rdtscp(&core);
      step(ns);
      ticks = __rdtscp(&core) - begin;
      sum += ticks;
    }
    state.SetIterationTime(static_cast<double>(sum) * ns_per_tick() / 1e9);
  }
  std::sort(taken.begin(), taken.end());
  const auto at = [&](double part) {
    const auto rank = static_cast<std::size_t>(part * static_cast<double>(kAppends - 1));
    return static_cast<double>(taken[rank]) * ns_per_tick();
  };
  state.counters["p50_ns"] = at(0.5);
  state.counters["p99_ns"] = at(0.99);
  state.counters["p99.9_ns"] = at(0.999);
  state.counters["max_ns"] = at(1);
}

void BM_floor(benchmark::State& state) {
  const std::string payload = json_payload(static_cast<std::size_t>(state.range(0)));
  std::vector<char> buffer(payload.size() + 64);
  run_paced(state, [&](std::uint64_t ns) {
    std::to_chars(buffer.data(), buffer.data() + 20, ns);
    std::memcpy(buffer.data() + 20, payload.data(), payload.size());
    benchmark::ClobberMemory();
  });
}

void run_append(benchmark::State& state, RecordType type, bool own_owner_each) {
  const std::string payload = json_payload(static_cast<std::size_t>(state.range(0)));
  const std::string path = bench_file();
  auto recorder = zenwire::Recorder::open({.path = path});
  if (!recorder) {
    state.SkipWithError("cannot record");
    return;
  }
  unlink(path.c_str());
  std::uint32_t connection = 0;
  run_paced(state, [&](std::uint64_t ns) {
    if (own_owner_each) connection = (connection + 1) % 1000;
    recorder->append({.ns = ns,
                      .direction = zenwire::RecordDirection::in,
                      .type = type,
                      .owner = {connection, 1, 1},
                      .payload = zenwire::as_bytes(payload)});
  });
  const zenwire::RecorderStats stats = recorder->stats();
  state.counters["stalls"] = static_cast<double>(stats.stalls);
  state.counters["dropped"] = static_cast<double>(stats.status.dropped);
}

void BM_append_text(benchmark::State& state) {
  run_append(state, RecordType::text, false);
}
void BM_append_text_1000_connections(benchmark::State& state) {
  run_append(state, RecordType::text, true);
}
void BM_append_binary(benchmark::State& state) {
  run_append(state, RecordType::binary, false);
}

void BM_json_escape(benchmark::State& state) {
  const std::string payload = json_payload(static_cast<std::size_t>(state.range(0)));
  std::vector<char> buffer(zenwire::json_escaped_max(payload.size()));
  const auto& table = zenwire::detail::json_string_table(
      static_cast<zenwire::Kernel>(static_cast<int>(state.range(1))));
  state.SetLabel(std::string(zenwire::name(table.kernel)));
  for (auto iteration : state) {
    (void)iteration;
    benchmark::DoNotOptimize(table.escape(buffer.data(), payload.data(), payload.size()));
    benchmark::ClobberMemory();
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations()) * state.range(0));
}

BENCHMARK(BM_floor)->Arg(256)->Arg(1024)->Iterations(1)->UseManualTime();
BENCHMARK(BM_append_text)->Arg(64)->Arg(256)->Arg(1024)->Iterations(1)->UseManualTime();
BENCHMARK(BM_append_text_1000_connections)->Arg(256)->Iterations(1)->UseManualTime();
BENCHMARK(BM_append_binary)->Arg(256)->Iterations(1)->UseManualTime();
BENCHMARK(BM_json_escape)->ArgsProduct({{64, 256, 1024, 16384}, {0, 1, 2}});

}  // namespace
