// Compiled for AVX-512 (F, BW, VL): see kernel_table.hpp for what must not be used here.

#include <immintrin.h>

#include "kernel_table.hpp"

namespace zenwire::detail {

static constexpr std::size_t kBlock = sizeof(__m512i);

static inline __m512i keys_from(std::uint32_t key, std::size_t phase) noexcept {
  const unsigned bits = 8u * static_cast<unsigned>(phase & 3);
  const std::uint32_t turned = bits == 0 ? key : (key >> bits | key << (32 - bits));
  return _mm512_set1_epi32(static_cast<int>(turned));
}

// A mask of the first `count` bytes of a block; count is below 64.
static inline __mmask64 first_bytes(std::size_t count) noexcept {
  return static_cast<__mmask64>((std::uint64_t{1} << count) - 1);
}

static inline __m512i load(const std::byte* at) noexcept {
  return _mm512_loadu_si512(at);
}

static inline void store(std::byte* at, __m512i block) noexcept {
  _mm512_storeu_si512(at, block);
}

// Less than a block, under a mask: nothing beyond the end is touched.
static void mask_short(std::byte* to, const std::byte* from, std::size_t bytes,
                       std::uint32_t key) noexcept {
  const __mmask64 all = first_bytes(bytes);
  _mm512_mask_storeu_epi8(to, all,
                          _mm512_xor_si512(_mm512_maskz_loadu_epi8(all, from), keys_from(key, 0)));
}

// As in AVX2: stores are aligned, and the first and last blocks, which may overlap the aligned
// ones, are loaded before any store and stored after them all. (Stores under a mask took half as
// long again.)
static void mask_copy_avx512(std::byte* to, const std::byte* from, std::size_t bytes,
                             std::uint32_t key) noexcept {
  if (bytes < kBlock) return mask_short(to, from, bytes, key);
  const std::size_t last = bytes - kBlock;
  const __m512i first_block = _mm512_xor_si512(load(from), keys_from(key, 0));
  const __m512i last_block = _mm512_xor_si512(load(from + last), keys_from(key, last));
  std::size_t at = kBlock - (reinterpret_cast<std::uintptr_t>(to) & (kBlock - 1));
  const __m512i keys = keys_from(key, at);
  for (; at + 4 * kBlock <= bytes; at += 4 * kBlock) {
    const __m512i a = load(from + at);
    const __m512i b = load(from + at + kBlock);
    const __m512i c = load(from + at + 2 * kBlock);
    const __m512i d = load(from + at + 3 * kBlock);
    store(to + at, _mm512_xor_si512(a, keys));
    store(to + at + kBlock, _mm512_xor_si512(b, keys));
    store(to + at + 2 * kBlock, _mm512_xor_si512(c, keys));
    store(to + at + 3 * kBlock, _mm512_xor_si512(d, keys));
  }
  for (; at < last; at += kBlock) store(to + at, _mm512_xor_si512(load(from + at), keys));
  store(to, first_block);
  store(to + last, last_block);
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
