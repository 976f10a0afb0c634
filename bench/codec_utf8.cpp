// UTF-8: the inline ASCII check that most market data ends in, the validator for the rest, and
// pieces.

#include <string>

#include <benchmark/benchmark.h>

#include <zenwire/codec/utf8.hpp>

namespace {

using zenwire::as_bytes;

std::string ascii(std::size_t bytes) {
  return std::string(bytes, 'a');
}

// Two bytes of every twenty beyond ASCII.
std::string mixed(std::size_t bytes) {
  std::string text = ascii(bytes);
  for (std::size_t at = 0; at + 2 <= bytes; at += 20) text.replace(at, 2, "\xc3\xa9");
  return text;
}

void ascii_padded(benchmark::State& state) {
  const auto bytes = static_cast<std::size_t>(state.range(0));
  const std::string text = ascii(bytes + zenwire::kReadPadding_bytes);
  for (auto _ : state) {
    benchmark::DoNotOptimize(zenwire::detail::is_ascii_padded(as_bytes(text).data(), bytes));
    benchmark::ClobberMemory();
  }
}

void is_utf8(benchmark::State& state, const std::string& text) {
  for (auto _ : state) {
    benchmark::DoNotOptimize(zenwire::is_utf8(as_bytes(text)));
    benchmark::ClobberMemory();
  }
}

void is_utf8_ascii(benchmark::State& state) {
  is_utf8(state, ascii(static_cast<std::size_t>(state.range(0))));
}
void is_utf8_mixed(benchmark::State& state) {
  is_utf8(state, mixed(static_cast<std::size_t>(state.range(0))));
}

void in_pieces(benchmark::State& state) {
  const std::string text = mixed(16384);
  const auto piece = static_cast<std::size_t>(state.range(0));
  for (auto _ : state) {
    zenwire::Utf8Validator validator;
    for (std::size_t at = 0; at < text.size(); at += piece) {
      benchmark::DoNotOptimize(validator.feed(as_bytes(std::string_view(text).substr(at, piece))));
    }
    benchmark::DoNotOptimize(validator.finish());
  }
  state.SetBytesProcessed(state.iterations() * 16384);
}

BENCHMARK(ascii_padded)->Arg(20)->Arg(128)->Arg(200)->Arg(1024);
BENCHMARK(is_utf8_ascii)->Arg(20)->Arg(128)->Arg(1024)->Arg(16384);
BENCHMARK(is_utf8_mixed)->Arg(20)->Arg(128)->Arg(1024)->Arg(16384);
BENCHMARK(in_pieces)->Arg(7)->Arg(125)->Arg(1447);

}  // namespace
