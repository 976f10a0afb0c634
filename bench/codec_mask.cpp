// Masking beside memcpy: the ratio is what counts, and both are timed in one run.

#include <array>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include <zenwire/codec/mask.hpp>

namespace {

using zenwire::Kernel;
using zenwire::MaskingKey;

// As in a send buffer: the payload lies after an eight-byte header, its source anywhere.
struct Buffers {
  explicit Buffers(std::size_t bytes) : from(bytes + 64, std::byte{'x'}), to(bytes + 64) {}
  std::vector<std::byte> from;
  std::vector<std::byte> to;
};

void memcpy_bytes(benchmark::State& state) {
  const auto bytes = static_cast<std::size_t>(state.range(0));
  Buffers buffers(bytes);
  for (auto _ : state) {
    std::memcpy(buffers.to.data() + 8, buffers.from.data(), bytes);
    benchmark::ClobberMemory();
  }
}

void copy_and_mask(benchmark::State& state) {
  const auto bytes = static_cast<std::size_t>(state.range(0));
  Buffers buffers(bytes);
  MaskingKey key = 0x9e3779b9;
  for (auto _ : state) {
    zenwire::mask_copy(buffers.to.data() + 8, buffers.from.data(), bytes, key);
    key += 0x10001;
    benchmark::ClobberMemory();
  }
}

void mask_in_place(benchmark::State& state) {
  const auto bytes = static_cast<std::size_t>(state.range(0));
  Buffers buffers(bytes);
  for (auto _ : state) {
    zenwire::mask_copy(buffers.to.data() + 8, buffers.to.data() + 8, bytes, 0x9e3779b9);
    benchmark::ClobberMemory();
  }
}

void kernel_copy_and_mask(benchmark::State& state, Kernel kernel) {
  const auto bytes = static_cast<std::size_t>(state.range(0));
  Buffers buffers(bytes);
  const auto mask = zenwire::detail::kernel_table(kernel).mask_copy;
  for (auto _ : state) {
    mask(buffers.to.data() + 8, buffers.from.data(), bytes, 0x9e3779b9);
    benchmark::ClobberMemory();
  }
}

BENCHMARK(memcpy_bytes)->Arg(16)->Arg(128)->Arg(256)->Arg(1024)->Arg(16384);
BENCHMARK(copy_and_mask)->Arg(16)->Arg(128)->Arg(256)->Arg(1024)->Arg(16384);
BENCHMARK(mask_in_place)->Arg(128)->Arg(1024)->Arg(16384);

[[maybe_unused]] const bool kernels_registered = [] {
  for (const Kernel kernel : zenwire::kernels_available()) {
    const std::string title = "kernel_copy_and_mask/" + std::string(zenwire::name(kernel));
    benchmark::RegisterBenchmark(title.c_str(), kernel_copy_and_mask, kernel)->Arg(1024);
  }
  return true;
}();

}  // namespace
