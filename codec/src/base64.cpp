#include <array>
#include <cstdint>
#include <cstring>

#include <zenwire/base/assert.hpp>
#include <zenwire/codec/base64.hpp>
#include <zenwire/codec/kernel.hpp>

#include "text_writer.hpp"

namespace zenwire {
namespace {

constexpr std::string_view kAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static_assert(kAlphabet.size() == 64);

constexpr std::size_t kGroup_bytes = 3;
constexpr std::size_t kGroup_characters = 4;

// Above every value, so that one or-ed comparison finds it among four.
constexpr std::uint8_t kNoValue = 0x80;

constexpr std::array<std::uint8_t, 256> kValues = [] {
  std::array<std::uint8_t, 256> values{};
  values.fill(kNoValue);
  for (std::size_t i = 0; i < kAlphabet.size(); ++i)
    values[static_cast<unsigned char>(kAlphabet[i])] = static_cast<std::uint8_t>(i);
  return values;
}();

constexpr std::uint32_t value_of(char c) noexcept {
  return kValues[static_cast<unsigned char>(c)];
}
constexpr char character_of(std::uint32_t bits) noexcept {
  return kAlphabet[bits & 63u];
}

void encode_group(char* to, std::uint32_t bits) noexcept {
  to[0] = character_of(bits >> 18);
  to[1] = character_of(bits >> 12);
  to[2] = character_of(bits >> 6);
  to[3] = character_of(bits);
}

// The first `bytes` of three bytes, the others zero.
std::uint32_t bits_of(const std::byte* from, std::size_t bytes) noexcept {
  std::uint32_t bits = std::to_integer<std::uint32_t>(from[0]) << 16;
  if (bytes > 1) bits |= std::to_integer<std::uint32_t>(from[1]) << 8;
  if (bytes > 2) bits |= std::to_integer<std::uint32_t>(from[2]);
  return bits;
}

bool use_vectors() noexcept {
  return active_kernel() != Kernel::scalar;
}

[[gnu::noinline, gnu::cold]] tl::unexpected<Error> invalid(std::string_view why,
                                                           std::size_t at) noexcept {
  return (detail::Detail() << why << " in the group at character " << std::uint64_t{at})
      .fail(Errc::base64_invalid);
}

// The last group, which may be padded. Returns the bytes written.
Result<std::size_t> decode_last(std::byte* to, std::string_view group, std::size_t at) noexcept {
  const std::size_t padding = group[3] != '=' ? 0u : group[2] != '=' ? 1u : 2u;
  const std::uint32_t a = value_of(group[0]);
  const std::uint32_t b = value_of(group[1]);
  const std::uint32_t c = padding == 2 ? 0 : value_of(group[2]);
  const std::uint32_t d = padding >= 1 ? 0 : value_of(group[3]);
  if ((a | b | c | d) & kNoValue) return invalid("a character outside the alphabet", at);
  const std::uint32_t bits = a << 18 | b << 12 | c << 6 | d;
  const std::uint32_t unused = padding == 2 ? 0xffffu : padding == 1 ? 0xffu : 0u;
  if ((bits & unused) != 0) return invalid("bits set beyond the last byte", at);
  for (std::size_t i = 0; i < kGroup_bytes - padding; ++i)
    to[i] = static_cast<std::byte>(bits >> (16 - 8 * i) & 0xff);
  return kGroup_bytes - padding;
}

}  // namespace

namespace detail {

std::size_t base64_encode_scalar(char* to, const std::byte* from, std::size_t bytes) noexcept {
  char* const start = to;
  for (; bytes >= kGroup_bytes; bytes -= kGroup_bytes, from += kGroup_bytes) {
    encode_group(to, bits_of(from, 3));
    to += kGroup_characters;
  }
  if (bytes == 0) return static_cast<std::size_t>(to - start);
  encode_group(to, bits_of(from, bytes));
  to[3] = '=';
  if (bytes == 1) to[2] = '=';
  return static_cast<std::size_t>(to - start) + kGroup_characters;
}

std::size_t base64_decode_scalar(std::byte* to, std::size_t room, const char* from,
                                 std::size_t characters) noexcept {
  std::size_t at = 0;
  for (; characters - at >= kGroup_characters && room >= kGroup_bytes; at += kGroup_characters) {
    const std::uint32_t a = value_of(from[at]);
    const std::uint32_t b = value_of(from[at + 1]);
    const std::uint32_t c = value_of(from[at + 2]);
    const std::uint32_t d = value_of(from[at + 3]);
    if ((a | b | c | d) & kNoValue) break;
    const std::uint32_t bits = a << 18 | b << 12 | c << 6 | d;
    to[0] = static_cast<std::byte>(bits >> 16);
    to[1] = static_cast<std::byte>(bits >> 8 & 0xff);
    to[2] = static_cast<std::byte>(bits & 0xff);
    to += kGroup_bytes;
    room -= kGroup_bytes;
  }
  return at;
}

}  // namespace detail

std::size_t base64_encode(char* to, Bytes from) noexcept {
  return use_vectors() ? detail::base64_encode_avx2(to, from.data(), from.size())
                       : detail::base64_encode_scalar(to, from.data(), from.size());
}

Result<std::size_t> base64_decode(MutableBytes to, std::string_view from) noexcept {
  ZW_ASSERT(to.size() >= base64_decoded_bytes_max(from.size()));
  if (from.size() % kGroup_characters != 0)
    return invalid("characters missing", from.size() - from.size() % kGroup_characters);
  const auto kernel = use_vectors() ? detail::base64_decode_avx2 : detail::base64_decode_scalar;
  const std::size_t taken = kernel(to.data(), to.size(), from.data(), from.size());
  const std::size_t written = taken / kGroup_characters * kGroup_bytes;
  if (taken == from.size()) return written;
  if (taken + kGroup_characters < from.size())
    return invalid("a character outside the alphabet", taken);
  const auto last = decode_last(to.data() + written, from.substr(taken), taken);
  if (!last) return last;
  return written + *last;
}

}  // namespace zenwire
