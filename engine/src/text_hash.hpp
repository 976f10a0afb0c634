#pragma once

// A hash of short texts for tables in memory: eight bytes at a time, multiplied and folded. Not
// against an adversary: the texts are ours (methods, request ids).

#include <cstdint>
#include <cstring>
#include <string_view>

namespace zenwire::detail {

inline constexpr std::uint64_t kHashFactor = 0x9E37'79B9'7F4A'7C15;

constexpr std::uint64_t mix(std::uint64_t value) noexcept {
  value *= kHashFactor;
  return value ^ (value >> 32);
}

inline std::uint64_t hash_text(std::string_view text) noexcept {
  std::uint64_t hash = text.size();
  while (text.size() > sizeof hash) {
    std::uint64_t word;
    std::memcpy(&word, text.data(), sizeof word);
    hash = mix(hash ^ word);
    text.remove_prefix(sizeof word);
  }
  std::uint64_t word = 0;
  if (!text.empty()) std::memcpy(&word, text.data(), text.size());
  return mix(hash ^ word);
}

}  // namespace zenwire::detail
