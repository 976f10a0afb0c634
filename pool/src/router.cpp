#include <algorithm>

#include <smmintrin.h>

#include <zenwire/pool/router.hpp>

namespace zenwire {
namespace {

__m128i keys_at(const std::uint32_t* keys) noexcept {
  return _mm_load_si128(reinterpret_cast<const __m128i*>(keys));
}

// Four lanes of least keys so far, from 16 keys.
__m128i least_of_block(const std::uint32_t* keys, __m128i least) noexcept {
  const __m128i low = _mm_min_epu32(keys_at(keys), keys_at(keys + 4));
  const __m128i high = _mm_min_epu32(keys_at(keys + 8), keys_at(keys + 12));
  return _mm_min_epu32(least, _mm_min_epu32(low, high));
}

__m128i least_in_all_lanes(__m128i least) noexcept {
  least = _mm_min_epu32(least, _mm_shuffle_epi32(least, _MM_SHUFFLE(1, 0, 3, 2)));
  return _mm_min_epu32(least, _mm_shuffle_epi32(least, _MM_SHUFFLE(2, 3, 0, 1)));
}

// A bit for each of 16 keys that is `wanted`.
std::uint32_t equals_of_block(const std::uint32_t* keys, __m128i wanted) noexcept {
  const __m128i low = _mm_packs_epi32(_mm_cmpeq_epi32(keys_at(keys), wanted),
                                      _mm_cmpeq_epi32(keys_at(keys + 4), wanted));
  const __m128i high = _mm_packs_epi32(_mm_cmpeq_epi32(keys_at(keys + 8), wanted),
                                       _mm_cmpeq_epi32(keys_at(keys + 12), wanted));
  return static_cast<std::uint32_t>(_mm_movemask_epi8(_mm_packs_epi16(low, high)));
}

}  // namespace

MemberIndex Router::choose() noexcept {
  const std::uint32_t* const keys = keys_.data();
  const std::uint32_t end = (members_ + kBlock - 1) / kBlock * kBlock;
  __m128i least = _mm_set1_epi32(-1);
  for (std::uint32_t at = 0; at < end; at += kBlock) least = least_of_block(keys + at, least);
  least = least_in_all_lanes(least);
  if (static_cast<std::uint32_t>(_mm_cvtsi128_si32(least)) == kBarred) return kNoMember;

  // From behind the last choice to the end, then from the start: the last block twice, once for
  // each of its halves.
  const MemberIndex next = last_ + 1 < end ? last_ + 1 : 0;
  std::uint32_t at = next / kBlock * kBlock;
  std::uint32_t equals = equals_of_block(keys + at, least) & (~0U << next % kBlock);
  while (equals == 0) {
    at = at + kBlock < end ? at + kBlock : 0;
    equals = equals_of_block(keys + at, least);
  }
  last_ = at + static_cast<std::uint32_t>(std::countr_zero(equals));
  return last_;
}

}  // namespace zenwire
