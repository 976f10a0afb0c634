// Compiled for AVX-512 (F, BW, VL): see kernel_table.hpp for what must not be used here.

#include <immintrin.h>

#include "kernel_table.hpp"
#include "mask_blocks.hpp"

namespace zenwire::detail {

struct Avx512 {
  using Block = __m512i;
  static constexpr std::size_t kBlock_bytes = sizeof(Block);

  static Block load(const std::byte* at) noexcept { return _mm512_loadu_si512(at); }
  static void store(std::byte* at, Block block) noexcept { _mm512_storeu_si512(at, block); }
  static Block keys(std::uint32_t key) noexcept { return _mm512_set1_epi32(static_cast<int>(key)); }
};
static constexpr std::size_t kBlock = Avx512::kBlock_bytes;

// A mask of the first `count` bytes of a block; count is below 64.
static inline __mmask64 first_bytes(std::size_t count) noexcept {
  return static_cast<__mmask64>((std::uint64_t{1} << count) - 1);
}

// Less than a block, under a mask: nothing beyond the end is touched.
static void mask_short(std::byte* to, const std::byte* from, std::size_t bytes,
                       std::uint32_t key) noexcept {
  const __mmask64 all = first_bytes(bytes);
  _mm512_mask_storeu_epi8(to, all, _mm512_maskz_loadu_epi8(all, from) ^ Avx512::keys(key));
}

static void mask_copy_avx512(std::byte* to, const std::byte* from, std::size_t bytes,
                             std::uint32_t key) noexcept {
  if (bytes < kBlock) return mask_short(to, from, bytes, key);
  mask_copy_blocks<Avx512>(to, from, bytes, key);
}

static bool is_ascii_avx512(const std::byte* bytes, std::size_t count) noexcept {
  __m512i seen = _mm512_setzero_si512();
  std::size_t at = 0;
  for (; at + kBlock <= count; at += kBlock)
    seen = _mm512_or_si512(seen, _mm512_loadu_si512(bytes + at));
  seen = _mm512_or_si512(seen, _mm512_maskz_loadu_epi8(first_bytes(count - at), bytes + at));
  return _mm512_movepi8_mask(seen) == 0;
}

constinit const KernelTable kAvx512Kernels{Kernel::avx512, mask_copy_avx512, is_ascii_avx512};

}  // namespace zenwire::detail
