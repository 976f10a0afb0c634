#pragma once

// Bytes, views of them, and their big-endian loads and stores.

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

#include <zenwire/base/assert.hpp>

namespace zenwire {

using Bytes = std::span<const std::byte>;
using MutableBytes = std::span<std::byte>;

// Bytes that may be read past the end of every received payload. Equal to simdjson's
// SIMDJSON_PADDING, so that a parser can be handed the payload where it lies; the content of those
// bytes is unspecified.
inline constexpr std::size_t kReadPadding_bytes = 64;

inline std::string_view as_text(Bytes bytes) noexcept {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

inline Bytes as_bytes(std::string_view text) noexcept {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

template <typename Integer>
inline Integer load_big_endian(const std::byte* from) noexcept {
  Integer value;
  std::memcpy(&value, from, sizeof value);
  if constexpr (sizeof value == 2) return static_cast<Integer>(__builtin_bswap16(value));
  if constexpr (sizeof value == 4) return static_cast<Integer>(__builtin_bswap32(value));
  if constexpr (sizeof value == 8) return static_cast<Integer>(__builtin_bswap64(value));
  return value;
}

template <typename Integer>
inline void store_big_endian(std::byte* to, Integer value) noexcept {
  value = load_big_endian<Integer>(reinterpret_cast<const std::byte*>(&value));
  std::memcpy(to, &value, sizeof value);
}

static_assert(std::endian::native == std::endian::little,
              "zenwire is written for little-endian machines");

}  // namespace zenwire
