// Compiled for AVX2: see kernel_table.hpp for what must not be used here. After W. Mula and D.
// Lemire, "Faster Base64 Encoding and Decoding Using AVX2 Instructions" (2018).

#include <immintrin.h>

#include <zenwire/codec/base64.hpp>

namespace zenwire::detail {

// Six-bit values in each byte to characters: the offset between a value and its character depends
// only on which of five ranges it falls in.
static inline __m256i to_characters(__m256i values) noexcept {
  const __m256i offsets =
      _mm256_setr_epi8(65, 71, -4, -4, -4, -4, -4, -4, -4, -4, -4, -4, -19, -16, 0, 0, 65, 71, -4,
                       -4, -4, -4, -4, -4, -4, -4, -4, -4, -19, -16, 0, 0);
  __m256i range = _mm256_subs_epu8(values, _mm256_set1_epi8(51));
  range = _mm256_sub_epi8(range, _mm256_cmpgt_epi8(values, _mm256_set1_epi8(25)));
  return _mm256_add_epi8(values, _mm256_shuffle_epi8(offsets, range));
}

// 24 bytes, loaded as two halves of 12 that each have 4 bytes too many in front or behind, to 32
// six-bit values.
static inline __m256i to_values(__m256i halves) noexcept {
  const __m256i order = _mm256_setr_epi8(5, 4, 6, 5, 8, 7, 9, 8, 11, 10, 12, 11, 14, 13, 15, 14, 1,
                                         0, 2, 1, 4, 3, 5, 4, 7, 6, 8, 7, 10, 9, 11, 10);
  const __m256i spread = _mm256_shuffle_epi8(halves, order);
  const __m256i high = _mm256_mulhi_epu16(_mm256_and_si256(spread, _mm256_set1_epi32(0x0fc0fc00)),
                                          _mm256_set1_epi32(0x04000040));
  const __m256i low = _mm256_mullo_epi16(_mm256_and_si256(spread, _mm256_set1_epi32(0x003f03f0)),
                                         _mm256_set1_epi32(0x01000010));
  return _mm256_or_si256(high, low);
}

std::size_t base64_encode_avx2(char* to, const std::byte* from, std::size_t bytes) noexcept {
  constexpr std::size_t kStep_bytes = 24;
  constexpr std::size_t kStep_characters = 32;
  static_assert(kStep_bytes / 3 * 4 == kStep_characters);
  // What a step reads in front of its bytes and behind them.
  constexpr std::size_t kBefore_bytes = 4;
  constexpr std::size_t kAfter_bytes = 4;
  // The first groups go through the table, so that there are bytes in front to read.
  constexpr std::size_t kFirst_bytes = 6;
  static_assert(kFirst_bytes % 3 == 0 && kFirst_bytes >= kBefore_bytes);
  if (bytes < kFirst_bytes + kStep_bytes + kAfter_bytes)
    return base64_encode_scalar(to, from, bytes);

  char* const start = to;
  to += base64_encode_scalar(to, from, kFirst_bytes);
  std::size_t at = kFirst_bytes;
  for (; bytes - at >= kStep_bytes + kAfter_bytes; at += kStep_bytes) {
    const __m256i halves =
        _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from + at - kBefore_bytes));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), to_characters(to_values(halves)));
    to += kStep_characters;
  }
  to += base64_encode_scalar(to, from + at, bytes - at);
  return static_cast<std::size_t>(to - start);
}

// A step writes 32 bytes of which 24 count.
std::size_t base64_decode_avx2(std::byte* to, std::size_t room, const char* from,
                               std::size_t characters) noexcept {
  constexpr std::size_t kStep_characters = 32;
  constexpr std::size_t kStep_bytes = 24;
  constexpr std::size_t kWritten_bytes = 32;
  const __m256i low_classes =
      _mm256_setr_epi8(0x15, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x13, 0x1a, 0x1b,
                       0x1b, 0x1b, 0x1a, 0x15, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11,
                       0x13, 0x1a, 0x1b, 0x1b, 0x1b, 0x1a);
  const __m256i high_classes =
      _mm256_setr_epi8(0x10, 0x10, 0x01, 0x02, 0x04, 0x08, 0x04, 0x08, 0x10, 0x10, 0x10, 0x10, 0x10,
                       0x10, 0x10, 0x10, 0x10, 0x10, 0x01, 0x02, 0x04, 0x08, 0x04, 0x08, 0x10, 0x10,
                       0x10, 0x10, 0x10, 0x10, 0x10, 0x10);
  const __m256i offsets =
      _mm256_setr_epi8(0, 16, 19, 4, -65, -65, -71, -71, 0, 0, 0, 0, 0, 0, 0, 0, 0, 16, 19, 4, -65,
                       -65, -71, -71, 0, 0, 0, 0, 0, 0, 0, 0);
  const __m256i pack = _mm256_setr_epi8(2, 1, 0, 6, 5, 4, 10, 9, 8, 14, 13, 12, -1, -1, -1, -1, 2,
                                        1, 0, 6, 5, 4, 10, 9, 8, 14, 13, 12, -1, -1, -1, -1);
  const __m256i nibble = _mm256_set1_epi8(0x2f);

  std::size_t at = 0;
  for (; characters - at >= kStep_characters && room >= kWritten_bytes; at += kStep_characters) {
    const __m256i text = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from + at));
    const __m256i high = _mm256_and_si256(_mm256_srli_epi32(text, 4), nibble);
    const __m256i low = _mm256_and_si256(text, nibble);
    const __m256i bad = _mm256_and_si256(_mm256_shuffle_epi8(low_classes, low),
                                         _mm256_shuffle_epi8(high_classes, high));
    if (!_mm256_testz_si256(bad, bad)) break;
    const __m256i slash = _mm256_cmpeq_epi8(text, nibble);
    const __m256i values =
        _mm256_add_epi8(text, _mm256_shuffle_epi8(offsets, _mm256_add_epi8(slash, high)));
    const __m256i pairs = _mm256_maddubs_epi16(values, _mm256_set1_epi32(0x01400140));
    const __m256i groups = _mm256_madd_epi16(pairs, _mm256_set1_epi32(0x00011000));
    const __m256i packed = _mm256_permutevar8x32_epi32(_mm256_shuffle_epi8(groups, pack),
                                                       _mm256_setr_epi32(0, 1, 2, 4, 5, 6, -1, -1));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), packed);
    to += kStep_bytes;
    room -= kStep_bytes;
  }
  return at + base64_decode_scalar(to, room, from + at, characters - at);
}

}  // namespace zenwire::detail
