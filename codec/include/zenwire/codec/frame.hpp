#pragma once

// One WebSocket frame's header (RFC 6455, section 5.2): its fields, its bytes, and their sizes.

#include <cstddef>
#include <cstdint>
#include <cstring>

#include <zenwire/base/assert.hpp>
#include <zenwire/base/bytes.hpp>
#include <zenwire/base/error.hpp>

namespace zenwire {

// Which end of the connection this end is. A client masks what it sends and refuses what comes
// masked; a server the other way round (RFC 6455, section 5.1).
enum class Role : std::uint8_t { client, server };

enum class Opcode : std::uint8_t {
  continuation = 0,
  text = 1,
  binary = 2,
  close = 8,
  ping = 9,
  pong = 10,
};

// Four bytes, in memory in the order they have on the wire.
using MaskingKey = std::uint32_t;

// Two bytes, eight of extended length, four of key.
inline constexpr std::size_t kFrameHeader_bytes_max = 14;
// RFC 6455, section 5.5.
inline constexpr std::size_t kControlPayload_bytes_max = 125;
// Room that a control frame may take between two fragments.
inline constexpr std::size_t kControlFrame_bytes_max = 2 + 4 + kControlPayload_bytes_max;

constexpr bool is_control(Opcode opcode) noexcept {
  return (static_cast<std::uint8_t>(opcode) & 0x8u) != 0;
}

constexpr bool is_known_opcode(std::uint8_t opcode) noexcept {
  return ((0x0707u >> opcode) & 1u) != 0;
}

// "text", "close", ...
constexpr const char* name(Opcode opcode) noexcept {
  switch (opcode) {
    case Opcode::continuation: return "continuation";
    case Opcode::text: return "text";
    case Opcode::binary: return "binary";
    case Opcode::close: return "close";
    case Opcode::ping: return "ping";
    case Opcode::pong: return "pong";
  }
  return "unknown";
}

struct FrameHeader {
  Opcode opcode = Opcode::continuation;
  bool fin = true;
  bool rsv1 = false;  // the message is compressed (RFC 7692, section 6)
  bool masked = false;
  MaskingKey key = 0;
  std::uint64_t payload_bytes = 0;

  bool operator==(const FrameHeader&) const = default;
};

namespace detail {
inline constexpr std::uint8_t kFinBit = 0x80;
inline constexpr std::uint8_t kRsv1Bit = 0x40;
inline constexpr std::uint8_t kRsv23Bits = 0x30;
inline constexpr std::uint8_t kOpcodeBits = 0x0f;
inline constexpr std::uint8_t kMaskBit = 0x80;
inline constexpr std::uint8_t kLengthBits = 0x7f;
inline constexpr std::uint8_t kLength16 = 126;  // two bytes of length follow
inline constexpr std::uint8_t kLength64 = 127;  // eight do
static_assert(kControlPayload_bytes_max < kLength16, "a control frame has no extended length");
}  // namespace detail

// Bytes of the header of a frame with this payload: 2, 4 or 10, and 4 more when masked.
constexpr std::size_t header_bytes(std::uint64_t payload_bytes, bool masked) noexcept {
  const std::size_t key_bytes = masked ? sizeof(MaskingKey) : 0;
  if (payload_bytes < detail::kLength16) return 2 + key_bytes;
  return (payload_bytes <= 0xffff ? 4 : 10) + key_bytes;
}

// Writes the header, with the length in its shortest form, and returns its end. Nothing beyond that
// is touched.
inline std::byte* write_header(std::byte* to, const FrameHeader& header) noexcept {
  ZW_DEBUG_ASSERT(!is_control(header.opcode) || header.payload_bytes <= kControlPayload_bytes_max);
  ZW_DEBUG_ASSERT(header.payload_bytes >> 63 == 0);
  const unsigned mask = header.masked ? detail::kMaskBit : 0u;
  to[0] = static_cast<std::byte>(static_cast<unsigned>(header.opcode) |
                                 (header.fin ? detail::kFinBit : 0u) |
                                 (header.rsv1 ? detail::kRsv1Bit : 0u));
  std::size_t at = 2;
  if (header.payload_bytes < detail::kLength16) {
    to[1] = static_cast<std::byte>(mask | static_cast<unsigned>(header.payload_bytes));
  } else if (header.payload_bytes <= 0xffff) {
    to[1] = static_cast<std::byte>(mask | detail::kLength16);
    store_big_endian(to + 2, static_cast<std::uint16_t>(header.payload_bytes));
    at = 4;
  } else {
    to[1] = static_cast<std::byte>(mask | detail::kLength64);
    store_big_endian(to + 2, header.payload_bytes);
    at = 10;
  }
  if (!header.masked) return to + at;
  std::memcpy(to + at, &header.key, sizeof header.key);
  return to + at + sizeof header.key;
}

// What decode_header found at the front of some bytes.
struct DecodedHeader {
  FrameHeader header;
  std::size_t header_bytes = 0;  // 0: incomplete, or refused
  Errc error = Errc::ok;
};

// Decodes a header and checks what does not depend on the role, the options or the frames before:
// reserved bits 2 and 3, opcode, control frames short and whole, length minimal and without its top
// bit. Refuses as soon as the offending byte is there. The frame reader checks the rest.
DecodedHeader decode_header(Bytes bytes) noexcept;

namespace detail {

// The parts of decode_header, by the byte that they look at. The reader calls them one by one with
// its own checks in between, so that the error of a frame with several does not depend on where the
// stream was cut.
constexpr Errc check_first_byte(std::uint8_t first) noexcept {
  if ((first & kRsv23Bits) != 0) return Errc::frame_reserved_bits;
  if (!is_known_opcode(first & kOpcodeBits)) return Errc::frame_opcode_unknown;
  const bool control = (first & 0x8u) != 0;
  if (control && (first & kFinBit) == 0) return Errc::frame_control_fragmented;
  if (control && (first & kRsv1Bit) != 0) return Errc::frame_reserved_bits;
  return Errc::ok;
}

constexpr Errc check_second_byte(std::uint8_t first, std::uint8_t second) noexcept {
  const bool control = (first & 0x8u) != 0;
  return control && (second & kLengthBits) > kControlPayload_bytes_max
             ? Errc::frame_control_too_long
             : Errc::ok;
}

constexpr std::size_t length_bytes(std::uint8_t second) noexcept {
  const unsigned length = second & kLengthBits;
  return length < kLength16 ? 0 : length == kLength16 ? 2 : 8;
}

// The payload's length from the second byte and those after it, of which there are length_bytes().
inline std::uint64_t load_length(std::uint8_t second, const std::byte* extended) noexcept {
  const std::size_t bytes = length_bytes(second);
  if (bytes == 0) return second & kLengthBits;
  return bytes == 2 ? load_big_endian<std::uint16_t>(extended)
                    : load_big_endian<std::uint64_t>(extended);
}

constexpr Errc check_length(std::uint8_t second, std::uint64_t length) noexcept {
  if (length >> 63 != 0) return Errc::frame_length_invalid;
  const std::size_t bytes = length_bytes(second);
  const bool minimal = bytes == 0 || (bytes == 2 ? length >= kLength16 : length > 0xffff);
  return minimal ? Errc::ok : Errc::frame_length_not_minimal;
}

}  // namespace detail
}  // namespace zenwire
