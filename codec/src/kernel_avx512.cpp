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

// The bytes before the first aligned store and those after the last whole block go under a mask, so
// that nothing is masked twice in place and nothing beyond the ends is touched.
static void mask_copy_avx512(std::byte* to, const std::byte* from, std::size_t bytes,
                             std::uint32_t key) noexcept {
  const std::size_t to_aligned = (0 - reinterpret_cast<std::uintptr_t>(to)) & (kBlock - 1);
  std::size_t at = to_aligned < bytes ? to_aligned : bytes % kBlock;
  const __mmask64 head = first_bytes(at);
  _mm512_mask_storeu_epi8(to, head,
                          _mm512_xor_si512(_mm512_maskz_loadu_epi8(head, from), keys_from(key, 0)));
  const __m512i keys = keys_from(key, at);
  for (; at + kBlock <= bytes; at += kBlock) {
    _mm512_storeu_si512(to + at, _mm512_xor_si512(_mm512_loadu_si512(from + at), keys));
  }
  const __mmask64 tail = first_bytes(bytes - at);
  _mm512_mask_storeu_epi8(to + at, tail,
                          _mm512_xor_si512(_mm512_maskz_loadu_epi8(tail, from + at), keys));
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
