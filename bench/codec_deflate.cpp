// permessage-deflate on messages as an exchange sends them: what one message costs each way, by
// level, window and context takeover, and what the compression is worth.

#include <memory>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include <zenwire/codec/deflate.hpp>

namespace zenwire {
namespace {

std::string ticker(unsigned i) {
  const auto price = [i](unsigned base, unsigned spread) {
    return std::to_string(base + i * 7919u % spread) + '.' + std::to_string(i * 31u % 10);
  };
  return R"({"jsonrpc":"2.0","method":"subscription","params":{"channel":"ticker.BTC-PERPETUAL.raw",)"
         R"("data":{"timestamp":)" +
         std::to_string(1700000000000u + i * 37u) + R"(,"state":"open","best_bid_price":)" +
         price(36000, 97) + R"(,"best_bid_amount":)" + price(1000, 5000) + R"(,"best_ask_price":)" +
         price(36100, 89) + R"(,"best_ask_amount":)" + price(1000, 7000) + R"(,"index_price":)" +
         price(36050, 50) + R"(,"open_interest":)" + price(900000, 1000) +
         R"(,"instrument_name":"BTC-PERPETUAL"}}})";
}

std::vector<std::string> messages() {
  std::vector<std::string> all;
  for (unsigned i = 0; i < 1024; ++i) all.push_back(ticker(i));
  return all;
}

struct Stream {
  explicit Stream(DeflateSide side, DeflateTuning tuning)
      : memory_bytes(deflate_arena_bytes(side, tuning) + inflate_arena_bytes(side)),
        memory(new std::byte[memory_bytes]),
        arena({memory.get(), memory_bytes}),
        deflater(Deflater::open(side, arena, tuning).value()),
        inflater(Inflater::open(side, arena).value()) {}

  std::size_t memory_bytes;
  std::unique_ptr<std::byte[]> memory;
  Arena arena;
  Deflater deflater;
  Inflater inflater;
};

// Arguments: level, memory level, window bits, no context takeover.
Stream stream_of(const benchmark::State& state) {
  const DeflateSide side{static_cast<std::uint8_t>(state.range(2)), state.range(3) != 0};
  return Stream(side, {static_cast<int>(state.range(0)), static_cast<int>(state.range(1))});
}

void agreements(benchmark::internal::Benchmark* bench) {
  bench->ArgNames({"level", "memory", "window", "forget"});
  for (const int level : {1, 6})
    for (const int memory : {1, 5, 8})
      for (const int window : {10, 15})
        for (const int forget : {0, 1}) bench->Args({level, memory, window, forget});
}

void compress(benchmark::State& state) {
  Stream stream = stream_of(state);
  const auto all = messages();
  std::vector<std::byte> out(deflate_bound_bytes(4096));
  std::size_t i = 0;
  std::size_t in_bytes = 0;
  std::size_t out_bytes = 0;
  for (auto _ : state) {
    const std::string& message = all[i++ % all.size()];
    in_bytes += message.size();
    out_bytes += stream.deflater.deflate_message(as_bytes(message), out);
  }
  state.counters["ratio"] = static_cast<double>(out_bytes) / static_cast<double>(in_bytes);
  state.counters["arena_bytes"] = static_cast<double>(stream.memory_bytes);
}
BENCHMARK(compress)->Apply(agreements);

void decompress(benchmark::State& state) {
  Stream stream = stream_of(state);
  const auto all = messages();
  std::vector<std::vector<std::byte>> payloads;
  std::vector<std::byte> out(deflate_bound_bytes(4096));
  for (const std::string& message : all) {
    const std::size_t bytes = stream.deflater.deflate_message(as_bytes(message), out);
    payloads.emplace_back(out.begin(), out.begin() + static_cast<std::ptrdiff_t>(bytes));
  }
  // The second time round, the window holds the end of the first rather than nothing: the first
  // messages reach back less far than it lasts, so they decompress all the same.
  std::size_t i = 0;
  for (auto _ : state) {
    const auto bytes = stream.inflater.inflate_message(payloads[i++ % payloads.size()], out);
    if (!bytes) state.SkipWithError("a payload that does not decompress");
  }
}
BENCHMARK(decompress)->Apply(agreements);

}  // namespace
}  // namespace zenwire
