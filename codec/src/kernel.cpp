#include <algorithm>
#include <array>

#include <zenwire/base/assert.hpp>
#include <zenwire/codec/kernel.hpp>

#include "kernel_table.hpp"

namespace zenwire {

namespace {

// Worst first; kernels_available() is a prefix of it.
constexpr std::array kKernels{Kernel::scalar, Kernel::avx2, Kernel::avx512};

std::size_t count_available() noexcept {
  __builtin_cpu_init();
  if (!__builtin_cpu_supports("avx2")) return 1;
  const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512vl");
  return avx512 ? 3 : 2;
}

// Raises the kernels to the best before main. It may run after other files' initialisers have used
// the scalar ones, which give the same bytes.
[[maybe_unused]] const bool raised = [] {
  detail::force_kernel(kernels_available().back());
  return true;
}();

}  // namespace

std::string_view name(Kernel kernel) noexcept {
  switch (kernel) {
    case Kernel::scalar: return "scalar";
    case Kernel::avx2: return "avx2";
    case Kernel::avx512: return "avx512";
  }
  return "unknown";
}

std::span<const Kernel> kernels_available() noexcept {
  static const std::size_t count = count_available();
  return std::span(kKernels).first(count);
}

Kernel active_kernel() noexcept {
  return detail::kernels().kernel;
}

namespace detail {

constinit std::atomic<const KernelTable*> active_kernels{&kScalarKernels};

const KernelTable& kernel_table(Kernel kernel) noexcept {
  ZW_ASSERT(std::ranges::find(kernels_available(), kernel) != kernels_available().end());
  switch (kernel) {
    case Kernel::scalar: return kScalarKernels;
    case Kernel::avx2: return kAvx2Kernels;
    case Kernel::avx512: return kAvx512Kernels;
  }
  return kScalarKernels;
}

void force_kernel(Kernel kernel) noexcept {
  active_kernels.store(&kernel_table(kernel), std::memory_order_relaxed);
}

}  // namespace detail
}  // namespace zenwire
