// The AVX-512 kernels, which let the vector unit expand and compress bytes (VBMI2). Nothing is
// written behind the result.

#include <bit>
#include <cstdint>

#include <immintrin.h>

#include "json_string_kernels.hpp"

#define ZW_AVX512 [[gnu::target("avx512f,avx512bw,avx512vl,avx512vbmi2,bmi,bmi2,popcnt")]]

namespace zenwire::detail {

namespace {

constexpr std::size_t kNarrow = 32;  // bytes in, as they may double
constexpr std::size_t kWide = 64;

ZW_AVX512 inline std::uint64_t first_bits(std::size_t count) noexcept {
  return _bzhi_u64(~std::uint64_t{0}, static_cast<unsigned>(count));
}

// Which of a block's bytes take a backslash.
ZW_AVX512 inline std::uint32_t specials_of(__m256i block) noexcept {
  return _mm256_cmpeq_epi8_mask(block, _mm256_set1_epi8('"')) |
         _mm256_cmpeq_epi8_mask(block, _mm256_set1_epi8('\\'));
}

// Each byte becomes the pair {backslash, byte}; the backslashes of bytes that need none are then
// compressed away. `live`: the bytes that there are.
ZW_AVX512 inline __m512i escaped_block(__m256i block, std::uint32_t specials,
                                       std::uint64_t live) noexcept {
  const __m512i pairs =
      _mm512_or_si512(_mm512_slli_epi16(_mm512_cvtepu8_epi16(block), 8), _mm512_set1_epi16('\\'));
  const std::uint64_t kept =
      _pdep_u64(live, 0xaaaaaaaaaaaaaaaa) | _pdep_u64(specials, 0x5555555555555555);
  return _mm512_maskz_compress_epi8(kept, pairs);
}

struct Escaping {
  char* to;
  const char* from;
  std::size_t count;  // of bytes left
  __m256i seen;
};

// Whole blocks, as long as as many bytes follow: theirs overwrite the zeros that a whole store
// leaves. (A store under a mask takes twice as long.) Stops before a block with a control
// character: written as it is, a line feed would end the line of a recording that is cut off here.
ZW_AVX512 inline void escape_blocks(Escaping& at) noexcept {
  for (; at.count >= 2 * kNarrow; at.from += kNarrow, at.count -= kNarrow) {
    const __m256i block = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at.from));
    if (_mm256_cmplt_epu8_mask(block, _mm256_set1_epi8(0x20)) != 0) [[unlikely]]
      return;
    at.seen = _mm256_or_si256(at.seen, block);
    const std::uint32_t specials = specials_of(block);
    _mm512_storeu_si512(at.to, escaped_block(block, specials, first_bits(kNarrow)));
    at.to += kNarrow + static_cast<std::size_t>(std::popcount(specials));
  }
}

// One block of any bytes, or what is left.
ZW_AVX512 inline void escape_any(Escaping& at) noexcept {
  const std::size_t now = at.count < kNarrow ? at.count : kNarrow;
  const std::uint64_t live = first_bits(now);
  const auto live32 = static_cast<__mmask32>(live);
  const __m256i block = _mm256_maskz_loadu_epi8(live32, at.from);
  at.seen = _mm256_or_si256(at.seen, block);
  if (_mm256_mask_cmplt_epu8_mask(live32, block, _mm256_set1_epi8(0x20)) != 0) [[unlikely]] {
    at.to = escape_scalar(at.to, at.from, now);
  } else {
    const std::uint32_t specials = specials_of(block);
    const std::size_t bytes = now + static_cast<std::size_t>(std::popcount(specials));
    _mm512_mask_storeu_epi8(at.to, first_bits(bytes), escaped_block(block, specials, live));
    at.to += bytes;
  }
  at.from += now;
  at.count -= now;
}

ZW_AVX512 JsonEscaped escape_avx512(char* to, const char* from, std::size_t count) noexcept {
  Escaping at{to, from, count, _mm256_setzero_si256()};
  while (at.count != 0) {
    escape_blocks(at);
    escape_any(at);
  }
  return {static_cast<std::size_t>(at.to - to), _mm256_movepi8_mask(at.seen) == 0};
}

// As in the AVX2 kernel, over 64 bytes.
inline std::uint64_t escape_begins(std::uint64_t backslashes) noexcept {
  constexpr std::uint64_t kOdd = 0xaaaaaaaaaaaaaaaa;
  const std::uint64_t maybe_escaped = backslashes << 1;
  const std::uint64_t series = ((maybe_escaped | kOdd) - backslashes) ^ kOdd;
  return series & backslashes;
}

ZW_AVX512 std::size_t unescape_avx512(char* to, const char* from, std::size_t count) noexcept {
  const char* const end = from + count;
  Unescaping at{to, from};
  while (at.from < end) {
    const auto left = static_cast<std::size_t>(end - at.from);
    std::size_t now = left < kWide ? left : kWide;
    const std::uint64_t live = first_bits(now);
    const __m512i block = _mm512_maskz_loadu_epi8(live, at.from);
    const std::uint64_t backslashes = _mm512_cmpeq_epi8_mask(block, _mm512_set1_epi8('\\'));
    const std::uint64_t quotes = _mm512_cmpeq_epi8_mask(block, _mm512_set1_epi8('"'));
    const std::uint64_t slashes = _mm512_cmpeq_epi8_mask(block, _mm512_set1_epi8('/'));
    const std::uint64_t controls = _mm512_mask_cmplt_epu8_mask(live, block, _mm512_set1_epi8(0x20));
    const std::uint64_t begins = escape_begins(backslashes);
    const std::uint64_t escaped = begins << 1;
    if ((controls | (quotes & ~escaped)) != 0) return kJsonMalformed;
    if ((escaped & live & ~(quotes | backslashes | slashes)) != 0) {
      if (!unescape_scalar(at, at.from + now, end)) return kJsonMalformed;
      continue;
    }
    if (begins >> (now - 1) & 1) {  // the last byte begins an escape: it goes with the next block
      if (now == left) return kJsonMalformed;
      --now;
    }
    const std::uint64_t kept = first_bits(now) & ~begins;
    const auto bytes = static_cast<std::size_t>(std::popcount(kept));
    _mm512_mask_storeu_epi8(at.to, first_bits(bytes), _mm512_maskz_compress_epi8(kept, block));
    at.to += bytes;
    at.from += now;
  }
  return static_cast<std::size_t>(at.to - to);
}

}  // namespace

constinit const JsonStringTable kAvx512JsonString{Kernel::avx512, escape_avx512, unescape_avx512};

}  // namespace zenwire::detail
