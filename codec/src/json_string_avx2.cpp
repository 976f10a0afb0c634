// The AVX2 kernels. The instruction set is named per function, so that nothing which other files
// share is compiled for it.

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>

#include <immintrin.h>

#include "json_string_kernels.hpp"

#define ZW_AVX2 [[gnu::target("avx2,bmi,bmi2,popcnt")]]

namespace zenwire::detail {

namespace {

constexpr std::size_t kBlock = 32;
constexpr std::size_t kStep = 8;

// For the eight bytes whose specials are the bits of the index: which byte goes to each of sixteen
// places. The high bit asks for a backslash there.
struct alignas(64) ExpandTable {
  std::array<std::array<std::uint8_t, 16>, 256> order{};
};
constexpr std::uint8_t kPutBackslash = 0x80;

constexpr ExpandTable kExpand = [] {
  ExpandTable table;
  for (unsigned specials = 0; specials < 256; ++specials) {
    auto& order = table.order[specials];
    order.fill(kPutBackslash);
    std::size_t to = 0;
    for (unsigned byte = 0; byte < kStep; ++byte) {
      if (specials >> byte & 1) ++to;
      order[to++] = static_cast<std::uint8_t>(byte);
    }
  }
  return table;
}();
static_assert(2 * kStep == 16 && kJsonEscapeSlack_bytes >= 2 * kStep);

// For the eight bytes of which the bits of the index are left out: the order of the others.
struct alignas(64) CompressTable {
  std::array<std::array<std::uint8_t, 8>, 256> order{};
};

constexpr CompressTable kCompress = [] {
  CompressTable table;
  for (unsigned dropped = 0; dropped < 256; ++dropped) {
    std::size_t to = 0;
    for (unsigned byte = 0; byte < kStep; ++byte) {
      if (!(dropped >> byte & 1)) table.order[dropped][to++] = static_cast<std::uint8_t>(byte);
    }
  }
  return table;
}();

ZW_AVX2 inline __m256i load(const char* from) noexcept {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
}

ZW_AVX2 inline std::uint32_t equal(__m256i block, char byte) noexcept {
  return static_cast<std::uint32_t>(
      _mm256_movemask_epi8(_mm256_cmpeq_epi8(block, _mm256_set1_epi8(byte))));
}

ZW_AVX2 inline std::uint32_t controls(__m256i block) noexcept {
  return static_cast<std::uint32_t>(_mm256_movemask_epi8(
      _mm256_cmpeq_epi8(_mm256_min_epu8(block, _mm256_set1_epi8(0x1f)), block)));
}

// Stores sixteen bytes, of which the returned end says how many count.
ZW_AVX2 inline char* expand(char* to, std::uint64_t bytes, std::uint32_t specials) noexcept {
  const __m128i order =
      _mm_load_si128(reinterpret_cast<const __m128i*>(kExpand.order[specials].data()));
  const __m128i placed = _mm_shuffle_epi8(_mm_cvtsi64_si128(static_cast<long long>(bytes)), order);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to),
                   _mm_blendv_epi8(placed, _mm_set1_epi8('\\'), order));
  return to + kStep + std::popcount(specials);
}

inline std::uint64_t load_step(const char* from) noexcept {
  std::uint64_t bytes;
  std::memcpy(&bytes, from, sizeof bytes);
  return bytes;
}

ZW_AVX2 inline char* expand_block(char* to, const char* from, std::uint32_t specials) noexcept {
  to = expand(to, load_step(from), specials & 0xff);
  to = expand(to, load_step(from + 8), specials >> 8 & 0xff);
  to = expand(to, load_step(from + 16), specials >> 16 & 0xff);
  return expand(to, load_step(from + 24), specials >> 24);
}

// Fewer bytes than a block, brought into one that is spaces behind them.
ZW_AVX2 inline char* escape_tail(char* to, const char* from, std::size_t count,
                                 __m256i& seen) noexcept {
  alignas(32) char tail[kBlock];
  _mm256_store_si256(reinterpret_cast<__m256i*>(tail), _mm256_set1_epi8(' '));
  std::memcpy(tail, from, count);
  const __m256i block = load(tail);
  seen = _mm256_or_si256(seen, block);
  if (controls(block) != 0) [[unlikely]]
    return escape_scalar(to, from, count);
  const std::uint32_t specials = equal(block, '"') | equal(block, '\\');
  std::size_t at = 0;
  for (; at + kStep <= count; at += kStep) {
    to = expand(to, load_step(tail + at), specials >> at & 0xff);
  }
  if (at == count) return to;
  return expand(to, load_step(tail + at), specials >> at & 0xff) - (at + kStep - count);
}

ZW_AVX2 JsonEscaped escape_avx2(char* to, const char* from, std::size_t count) noexcept {
  const char* const begin = to;
  __m256i seen = _mm256_setzero_si256();
  for (; count >= kBlock; count -= kBlock, from += kBlock) {
    const __m256i block = load(from);
    seen = _mm256_or_si256(seen, block);
    const std::uint32_t specials = equal(block, '"') | equal(block, '\\');
    if ((specials | controls(block)) == 0) {
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), block);
      to += kBlock;
    } else if (controls(block) == 0) [[likely]] {
      to = expand_block(to, from, specials);
    } else {
      to = escape_scalar(to, from, kBlock);
    }
  }
  if (count != 0) to = escape_tail(to, from, count, seen);
  return {static_cast<std::size_t>(to - begin), _mm256_movemask_epi8(seen) == 0};
}

// Of a block that begins outside an escape: the backslashes that begin an escape, by the carry of a
// subtraction over runs of them, as simdjson finds them.
inline std::uint32_t escape_begins(std::uint32_t backslashes) noexcept {
  constexpr std::uint32_t kOdd = 0xaaaaaaaa;
  const std::uint32_t maybe_escaped = backslashes << 1;
  const std::uint32_t series = ((maybe_escaped | kOdd) - backslashes) ^ kOdd;
  return series & backslashes;
}

ZW_AVX2 inline char* compress(char* to, const char* from, std::uint32_t dropped) noexcept {
  const __m128i order =
      _mm_loadl_epi64(reinterpret_cast<const __m128i*>(kCompress.order[dropped].data()));
  const __m128i bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(from));
  _mm_storel_epi64(reinterpret_cast<__m128i*>(to), _mm_shuffle_epi8(bytes, order));
  return to + kStep - std::popcount(dropped);
}

// A block with escapes. False if malformed.
ZW_AVX2 inline bool unescape_block(Unescaping& at, __m256i block, std::uint32_t backslashes,
                                   const char* end) noexcept {
  const std::uint32_t begins = escape_begins(backslashes);
  const std::uint32_t escaped = begins << 1;
  const std::uint32_t quotes = equal(block, '"');
  if ((quotes & ~escaped) != 0) return false;
  const std::uint32_t plain = quotes | backslashes | equal(block, '/');
  if ((escaped & ~plain) != 0) return unescape_scalar(at, at.from + kBlock, end);
  at.to = compress(at.to, at.from, begins & 0xff);
  at.to = compress(at.to, at.from + 8, begins >> 8 & 0xff);
  at.to = compress(at.to, at.from + 16, begins >> 16 & 0xff);
  at.to = compress(at.to, at.from + 24, begins >> 24);
  at.from += kBlock;
  if (begins >> 31) --at.from;  // the last byte begins an escape: it goes with the next block
  return true;
}

ZW_AVX2 std::size_t unescape_avx2(char* to, const char* from, std::size_t count) noexcept {
  const char* const end = from + count;
  Unescaping at{to, from};
  while (static_cast<std::size_t>(end - at.from) >= kBlock) {
    const __m256i block = load(at.from);
    if (controls(block) != 0) return kJsonMalformed;
    const std::uint32_t backslashes = equal(block, '\\');
    if (backslashes != 0) {
      if (!unescape_block(at, block, backslashes, end)) return kJsonMalformed;
      continue;
    }
    if (equal(block, '"') != 0) return kJsonMalformed;
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(at.to), block);
    at.to += kBlock;
    at.from += kBlock;
  }
  if (!unescape_scalar(at, end, end)) return kJsonMalformed;
  return static_cast<std::size_t>(at.to - to);
}

}  // namespace

constinit const JsonStringTable kAvx2JsonString{Kernel::avx2, escape_avx2, unescape_avx2};

}  // namespace zenwire::detail
