#pragma once

// MessageHeader: what stands before each payload that crosses from the reactor to a strategy
// thread.

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include <zenwire/base/error.hpp>

namespace zenwire {

// The values below 16 are the opcodes of RFC 6455, section 5.2.
enum class MessageKind : std::uint8_t {
  text = 1,
  binary = 2,
  ping = 9,
  pong = 10,
  opened = 16,  // the connection is open; no payload
  closed = 17,  // the connection is gone: `reason` says why, the payload is the close frame's
};

// Text and binary are what a peer said; the others tell of the connection.
constexpr bool is_message(MessageKind kind) noexcept {
  return kind == MessageKind::text || kind == MessageKind::binary;
}

// Bits of MessageHeader::flags.
inline constexpr std::uint8_t kLastOfBurst = 1;    // nothing more was readable behind it
inline constexpr std::uint8_t kDroppedBefore = 2;  // dropped_before is not 0

struct MessageHeader {
  std::uint64_t received_ticks = 0;  // time-stamp counter when its last bytes were taken
  std::uint64_t received_ns = 0;     // the same moment, nanoseconds since the Unix epoch
  std::uint64_t queued_ticks = 0;    // time-stamp counter when it was put here
  std::uint64_t sequence = 0;        // of the message within its session
  std::uint32_t session = 0;
  std::uint32_t connection = 0;
  std::uint32_t epoch = 0;
  std::uint32_t payload_bytes = 0;   // set by the queue
  std::uint32_t dropped_before = 0;  // messages missing right before this one; set by the queue
  Errc reason = Errc::ok;            // of a `closed`
  MessageKind kind = MessageKind::text;
  std::uint8_t flags = 0;
};

// With the queue's own word it fills one cache line, so that a payload starts on the next one: no
// vector load of a parser straddles two.
static_assert(sizeof(MessageHeader) == 56 && std::is_trivially_copyable_v<MessageHeader>);

}  // namespace zenwire
