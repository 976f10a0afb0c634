#pragma once

// Masking (RFC 6455, section 5.3): payload byte i is XORed with key byte i mod 4. Masking twice
// gives the original.

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include <emmintrin.h>

#include <zenwire/codec/frame.hpp>
#include <zenwire/codec/kernel.hpp>

namespace zenwire {

namespace detail {

// Up to here the inline SSE2 loop beats the call into a wider kernel.
inline constexpr std::size_t kInlineMask_bytes_max = 256;

// The key as it is for the byte `phase` places on.
constexpr MaskingKey turn_key(MaskingKey key, std::size_t phase) noexcept {
  return std::rotr(key, static_cast<int>(8 * (phase & 3)));
}

template <typename Word>
inline Word load_word(const std::byte* from) noexcept {
  Word word;
  std::memcpy(&word, from, sizeof word);
  return word;
}

template <typename Word>
inline void store_word(std::byte* to, Word word) noexcept {
  std::memcpy(to, &word, sizeof word);
}

// The short forms give whether what they wrote is ASCII, for nothing when nobody asks: a server's
// reader has to know, and if it loaded again what was just stored, in blocks of another size, it
// would wait for the stores.

inline constexpr std::uint64_t kHighBits = 0x8080808080808080;

// The first and the last Word of the bytes, which overlap unless there are exactly two. Both are
// loaded before either is stored, or masking in place would mask the overlap twice.
template <typename Word>
inline bool mask_two_words(std::byte* to, const std::byte* from, std::size_t bytes, Word key,
                           Word last_key) noexcept {
  const Word first = load_word<Word>(from) ^ key;
  const Word last = load_word<Word>(from + bytes - sizeof(Word)) ^ last_key;
  store_word(to, first);
  store_word(to + bytes - sizeof(Word), last);
  return ((first | last) & static_cast<Word>(kHighBits)) == 0;
}

inline bool mask_under_16(std::byte* to, const std::byte* from, std::size_t bytes,
                          MaskingKey key) noexcept {
  const MaskingKey last_key = turn_key(key, bytes);
  if (bytes >= 8) {
    const std::uint64_t wide = key | (std::uint64_t{key} << 32);
    const std::uint64_t wide_last = last_key | (std::uint64_t{last_key} << 32);
    return mask_two_words<std::uint64_t>(to, from, bytes, wide, wide_last);
  }
  if (bytes >= 4) return mask_two_words<std::uint32_t>(to, from, bytes, key, last_key);
  std::byte seen{};
  for (std::size_t i = 0; i < bytes; ++i, key >>= 8) {
    to[i] = from[i] ^ static_cast<std::byte>(key & 0xff);
    seen |= to[i];
  }
  return seen < std::byte{0x80};
}

// At least 16 bytes: whole blocks, then the last 16, loaded before the blocks are stored (see
// mask_two_words).
inline bool mask_blocks_16(std::byte* to, const std::byte* from, std::size_t bytes,
                           MaskingKey key) noexcept {
  const auto load = [](const std::byte* at) {
    return _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
  };
  const auto store = [](std::byte* at, __m128i block) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(at), block);
  };
  const __m128i keys = _mm_set1_epi32(static_cast<int>(key));
  const std::size_t last = bytes - 16;
  const __m128i last_keys = _mm_set1_epi32(static_cast<int>(turn_key(key, last)));
  const __m128i last_block = _mm_xor_si128(load(from + last), last_keys);
  __m128i seen = last_block;
  for (std::size_t at = 0; at < last; at += 16) {
    const __m128i block = _mm_xor_si128(load(from + at), keys);
    seen = _mm_or_si128(seen, block);
    store(to + at, block);
  }
  store(to + last, last_block);
  return _mm_movemask_epi8(seen) == 0;
}

// At most kInlineMask_bytes_max.
inline bool mask_copy_short(std::byte* to, const std::byte* from, std::size_t bytes,
                            MaskingKey key) noexcept {
  return bytes < 16 ? mask_under_16(to, from, bytes, key) : mask_blocks_16(to, from, bytes, key);
}

}  // namespace detail

// Copies `bytes` bytes and masks them on the way. `to` is `from` (in place) or does not overlap it.
// `phase` is how many bytes of the frame's payload came before these. Short payloads inline, others
// by the active kernel.
inline void mask_copy(std::byte* to, const std::byte* from, std::size_t bytes, MaskingKey key,
                      std::size_t phase = 0) noexcept {
  key = detail::turn_key(key, phase);
  if (bytes <= detail::kInlineMask_bytes_max) {
    detail::mask_copy_short(to, from, bytes, key);
    return;
  }
  detail::kernels().mask_copy(to, from, bytes, key);
}

}  // namespace zenwire
