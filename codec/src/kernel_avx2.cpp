// Compiled for AVX2: see kernel_table.hpp for what must not be used here.

#include <immintrin.h>

#include "kernel_table.hpp"

namespace zenwire::detail {

static constexpr std::size_t kBlock = sizeof(__m256i);

static inline __m256i load(const std::byte* at) noexcept {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at));
}

static inline void store(std::byte* at, __m256i block) noexcept {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(at), block);
}

static inline __m256i keys_from(std::uint32_t key, std::size_t phase) noexcept {
  const unsigned bits = 8u * static_cast<unsigned>(phase & 3);
  const std::uint32_t turned = bits == 0 ? key : (key >> bits | key << (32 - bits));
  return _mm256_set1_epi32(static_cast<int>(turned));
}

static void mask_short(std::byte* to, const std::byte* from, std::size_t bytes,
                       std::uint32_t key) noexcept {
  for (std::size_t at = 0; at < bytes; ++at) {
    to[at] =
        static_cast<std::byte>(static_cast<unsigned>(from[at]) ^ (key >> (8 * (at & 3)) & 0xff));
  }
}

// Stores are aligned, as half of those at odd addresses would touch two cache lines. The first and
// last blocks may overlap the aligned ones, so they are loaded before any store and stored after
// them all: in place, the overlap would be masked twice otherwise.
static void mask_copy_avx2(std::byte* to, const std::byte* from, std::size_t bytes,
                           std::uint32_t key) noexcept {
  if (bytes < kBlock) return mask_short(to, from, bytes, key);
  const std::size_t last = bytes - kBlock;
  const __m256i first_block = _mm256_xor_si256(load(from), keys_from(key, 0));
  const __m256i last_block = _mm256_xor_si256(load(from + last), keys_from(key, last));
  std::size_t at = kBlock - (reinterpret_cast<std::uintptr_t>(to) & (kBlock - 1));
  const __m256i keys = keys_from(key, at);
  for (; at + 4 * kBlock <= bytes; at += 4 * kBlock) {
    const __m256i a = load(from + at);
    const __m256i b = load(from + at + kBlock);
    const __m256i c = load(from + at + 2 * kBlock);
    const __m256i d = load(from + at + 3 * kBlock);
    store(to + at, _mm256_xor_si256(a, keys));
    store(to + at + kBlock, _mm256_xor_si256(b, keys));
    store(to + at + 2 * kBlock, _mm256_xor_si256(c, keys));
    store(to + at + 3 * kBlock, _mm256_xor_si256(d, keys));
  }
  for (; at < last; at += kBlock) store(to + at, _mm256_xor_si256(load(from + at), keys));
  store(to, first_block);
  store(to + last, last_block);
}

static bool is_ascii_avx2(const std::byte* bytes, std::size_t count) noexcept {
  if (count < kBlock) {
    unsigned seen = 0;
    for (std::size_t at = 0; at < count; ++at) seen |= static_cast<unsigned>(bytes[at]);
    return seen < 0x80;
  }
  const std::size_t last = count - kBlock;
  __m256i seen = load(bytes + last);
  std::size_t at = 0;
  for (; at + 4 * kBlock <= count; at += 4 * kBlock) {
    const __m256i ab = _mm256_or_si256(load(bytes + at), load(bytes + at + kBlock));
    const __m256i cd =
        _mm256_or_si256(load(bytes + at + 2 * kBlock), load(bytes + at + 3 * kBlock));
    seen = _mm256_or_si256(seen, _mm256_or_si256(ab, cd));
  }
  for (; at < last; at += kBlock) seen = _mm256_or_si256(seen, load(bytes + at));
  return _mm256_movemask_epi8(seen) == 0;
}

constinit const KernelTable kAvx2Kernels{Kernel::avx2, mask_copy_avx2, is_ascii_avx2};

}  // namespace zenwire::detail
