#pragma once

// UTF-8 as RFC 3629 defines it: no overlong forms, no surrogates, nothing above U+10FFFF.

#include <emmintrin.h>
#ifdef __AVX2__
#include <immintrin.h>
#endif

#include <cstddef>
#include <cstdint>

#include <zenwire/base/bytes.hpp>
#include <zenwire/codec/kernel.hpp>

namespace zenwire {

namespace detail {

// Up to here the inline check beats the call into a wider kernel.
inline constexpr std::size_t kInlineAscii_bytes_max = 256;

#ifdef __AVX2__
using AsciiBlock = __m256i;
inline AsciiBlock load_block(const std::byte* at) noexcept {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at));
}
inline AsciiBlock either(AsciiBlock a, AsciiBlock b) noexcept {
  return _mm256_or_si256(a, b);
}
inline std::uint32_t high_bits(AsciiBlock block) noexcept {
  return static_cast<std::uint32_t>(_mm256_movemask_epi8(block));
}
#else
using AsciiBlock = __m128i;
inline AsciiBlock load_block(const std::byte* at) noexcept {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
}
inline AsciiBlock either(AsciiBlock a, AsciiBlock b) noexcept {
  return _mm_or_si128(a, b);
}
inline std::uint32_t high_bits(AsciiBlock block) noexcept {
  return static_cast<std::uint32_t>(_mm_movemask_epi8(block));
}
#endif
static_assert(sizeof(AsciiBlock) <= kReadPadding_bytes);

// Whether all bytes are below 0x80. Reads up to a block past the end: only for bytes with
// kReadPadding_bytes readable after them, as every received payload has.
[[gnu::always_inline]] inline bool is_ascii_padded(const std::byte* at,
                                                   std::size_t count) noexcept {
  constexpr std::size_t kBlock = sizeof(AsciiBlock);
  if (count > kInlineAscii_bytes_max) [[unlikely]]
    return kernels().is_ascii(at, count);
  AsciiBlock seen{};
  for (; count >= 2 * kBlock; count -= 2 * kBlock, at += 2 * kBlock) {
    seen = either(seen, either(load_block(at), load_block(at + kBlock)));
  }
  if (count >= kBlock) {
    seen = either(seen, load_block(at));
    at += kBlock;
    count -= kBlock;
  }
  const std::uint32_t tail = high_bits(load_block(at)) & ((std::uint32_t{1} << count) - 1);
  return (high_bits(seen) | tail) == 0;
}

// Whether they are UTF-8, decided by simdjson's validator; for bytes that are not ASCII.
bool is_utf8_beyond_ascii(Bytes bytes) noexcept;

// The same decided byte by byte: what every kernel is tested against.
bool is_utf8_scalar(Bytes bytes) noexcept;

}  // namespace detail

// Whether all bytes are below 0x80. Reads nothing past the end.
inline bool is_ascii(Bytes bytes) noexcept {
  return detail::kernels().is_ascii(bytes.data(), bytes.size());
}

// Whether the bytes are UTF-8, whole sequences only. The empty string is.
inline bool is_utf8(Bytes bytes) noexcept {
  return is_ascii(bytes) || detail::is_utf8_beyond_ascii(bytes);
}

// The longest prefix of whole UTF-8 sequences. Byte by byte: for short texts.
Bytes utf8_prefix(Bytes bytes) noexcept;

// UTF-8 that comes in pieces, cut anywhere. A value; one thread at a time. ASCII costs one vector
// check a piece, the rest simdjson's validator, and at most three bytes at each cut are looked at
// one by one.
class Utf8Validator {
 public:
  // False as soon as a byte among those fed so far cannot be part of UTF-8; it stays false until
  // reset().
  bool feed(Bytes bytes) noexcept {
    if (missing_ == 0 && is_ascii(bytes)) return true;
    return feed_beyond_ascii(bytes);
  }

  // Whether all that was fed is UTF-8 with no sequence begun and not ended.
  [[nodiscard]] bool finish() const noexcept { return missing_ == 0; }

  // To the state after construction.
  void reset() noexcept { *this = Utf8Validator(); }

 private:
  friend Bytes utf8_prefix(Bytes bytes) noexcept;

  bool feed_beyond_ascii(Bytes bytes) noexcept;
  bool step_all(Bytes bytes) noexcept;
  bool step(std::uint8_t byte) noexcept;
  bool step_lead(std::uint8_t byte) noexcept;

  static constexpr std::uint8_t kFailed = 0xff;

  std::uint8_t missing_ = 0;  // continuation bytes that the sequence begun still needs, or kFailed
  std::uint8_t low_ = 0x80;   // the next of them lies from here
  std::uint8_t high_ = 0xbf;  // to here: narrower after E0, ED, F0 and F4
};

}  // namespace zenwire
