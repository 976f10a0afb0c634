// Compiled for AVX2: see kernel_table.hpp for what must not be used here.

#include <immintrin.h>

#include "kernel_table.hpp"
#include "mask_blocks.hpp"

namespace zenwire::detail {

struct Avx2 {
  using Block = __m256i;
  static constexpr std::size_t kBlock_bytes = sizeof(Block);

  static Block load(const std::byte* at) noexcept {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at));
  }
  static void store(std::byte* at, Block block) noexcept {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(at), block);
  }
  static Block keys(std::uint32_t key) noexcept { return _mm256_set1_epi32(static_cast<int>(key)); }
};
static constexpr std::size_t kBlock = Avx2::kBlock_bytes;

static void mask_short(std::byte* to, const std::byte* from, std::size_t bytes,
                       std::uint32_t key) noexcept {
  for (std::size_t at = 0; at < bytes; ++at) {
    to[at] =
        static_cast<std::byte>(static_cast<unsigned>(from[at]) ^ (key >> (8 * (at & 3)) & 0xff));
  }
}

static void mask_copy_avx2(std::byte* to, const std::byte* from, std::size_t bytes,
                           std::uint32_t key) noexcept {
  if (bytes < kBlock) return mask_short(to, from, bytes, key);
  mask_copy_blocks<Avx2>(to, from, bytes, key);
}

static bool is_ascii_avx2(const std::byte* bytes, std::size_t count) noexcept {
  if (count < kBlock) {
    unsigned seen = 0;
    for (std::size_t at = 0; at < count; ++at) seen |= static_cast<unsigned>(bytes[at]);
    return seen < 0x80;
  }
  const std::size_t last = count - kBlock;
  __m256i seen = Avx2::load(bytes + last);
  std::size_t at = 0;
  for (; at + 4 * kBlock <= count; at += 4 * kBlock) {
    const __m256i ab = _mm256_or_si256(Avx2::load(bytes + at), Avx2::load(bytes + at + kBlock));
    const __m256i cd =
        _mm256_or_si256(Avx2::load(bytes + at + 2 * kBlock), Avx2::load(bytes + at + 3 * kBlock));
    seen = _mm256_or_si256(seen, _mm256_or_si256(ab, cd));
  }
  for (; at < last; at += kBlock) seen = _mm256_or_si256(seen, Avx2::load(bytes + at));
  return _mm256_movemask_epi8(seen) == 0;
}

constinit const KernelTable kAvx2Kernels{Kernel::avx2, mask_copy_avx2, is_ascii_avx2};

}  // namespace zenwire::detail
