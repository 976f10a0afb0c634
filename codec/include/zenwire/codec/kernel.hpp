#pragma once

// Which vector unit the byte kernels (masking, ASCII check) run on. Chosen once, before main, from
// what the processor has and the operating system saves.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace zenwire {

enum class Kernel : std::uint8_t { scalar, avx2, avx512 };

// "scalar", "avx2", "avx512"
std::string_view name(Kernel kernel) noexcept;

// What this machine can run, worst first; never empty.
std::span<const Kernel> kernels_available() noexcept;

// The one in use: the best available, unless a test forced another.
Kernel active_kernel() noexcept;

// The name of simdjson's implementation in use for UTF-8 that is not ASCII ("haswell", "icelake",
// ...).
std::string_view utf8_kernel_name() noexcept;

namespace detail {

// Kernels get the key already turned to the first byte (phase 0) and any length, zero too.
struct KernelTable {
  Kernel kernel;
  void (*mask_copy)(std::byte* to, const std::byte* from, std::size_t bytes,
                    std::uint32_t key) noexcept;
  bool (*is_ascii)(const std::byte* bytes, std::size_t count) noexcept;
};

// Asserts that the kernel is available.
const KernelTable& kernel_table(Kernel kernel) noexcept;

// Constant-initialised to the scalar kernels, so it is right at any time, and raised to the best
// before main.
extern std::atomic<const KernelTable*> active_kernels;

inline const KernelTable& kernels() noexcept {
  return *active_kernels.load(std::memory_order_relaxed);
}

// Makes a kernel the active one, of the whole process: for tests and benchmarks.
void force_kernel(Kernel kernel) noexcept;

}  // namespace detail
}  // namespace zenwire
