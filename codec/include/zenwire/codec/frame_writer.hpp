#pragma once

// Writing frames (RFC 6455, sections 5.2 to 5.4) into memory that the caller sized with
// frame_bytes().

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include <zenwire/base/assert.hpp>
#include <zenwire/base/bytes.hpp>
#include <zenwire/codec/frame.hpp>
#include <zenwire/codec/mask.hpp>

namespace zenwire {

// Bytes on the wire of a frame with this payload.
constexpr std::size_t frame_bytes(Role role, std::size_t payload_bytes) noexcept {
  return header_bytes(payload_bytes, role == Role::client) + payload_bytes;
}

// Writes one frame at `to` and returns its end, frame_bytes() further. Nothing beyond the end is
// touched. A client masks with `key`, in the same pass that copies; a server ignores it. `payload`
// must not overlap the frame, but that it may lie exactly where it goes: frame_bytes() less its
// size after `to`, so that a message can be made in place. A control frame has fin, no rsv1, and at
// most kControlPayload_bytes_max (asserted).
inline std::byte* write_frame(std::byte* to, Role role, Opcode opcode, Bytes payload,
                              MaskingKey key, bool fin = true, bool rsv1 = false) noexcept {
  ZW_ASSERT(!is_control(opcode) || (payload.size() <= kControlPayload_bytes_max && fin && !rsv1));
  const bool masked = role == Role::client;
  std::byte* const body = write_header(to, {opcode, fin, rsv1, masked, key, payload.size()});
  if (masked) {
    mask_copy(body, payload.data(), payload.size(), key);
  } else if (!payload.empty() && body != payload.data()) {
    std::memcpy(body, payload.data(), payload.size());
  }
  return body + payload.size();
}

// A message cut into frames of a given size, one a call, so that control frames and other work fit
// in between (RFC 6455, section 5.4). A view of the payload, which has to outlive it; the frames
// are the caller's memory.
class FragmentWriter {
 public:
  // `opcode` is text or binary. Each fragment carries fragment_bytes (at least 1), the last what is
  // left; an empty message is one empty frame. RSV1 is set on the first only.
  FragmentWriter(Role role, Opcode opcode, Bytes payload, std::size_t fragment_bytes,
                 bool rsv1 = false) noexcept
      : rest_(payload), fragment_bytes_(fragment_bytes), role_(role), opcode_(opcode), rsv1_(rsv1) {
    ZW_ASSERT(opcode == Opcode::text || opcode == Opcode::binary);
    ZW_ASSERT(fragment_bytes >= 1);
  }

  // The frame with FIN was written.
  [[nodiscard]] bool done() const noexcept { return done_; }

  // Room that the next write() takes.
  [[nodiscard]] std::size_t next_frame_bytes() const noexcept {
    return frame_bytes(role_, std::min(fragment_bytes_, rest_.size()));
  }

  // Writes the next frame and returns its end. Each frame of a client has a key of its own. Asserts
  // that not done().
  std::byte* write(std::byte* to, MaskingKey key) noexcept {
    ZW_ASSERT(!done_);
    const Bytes fragment = rest_.first(std::min(fragment_bytes_, rest_.size()));
    rest_ = rest_.subspan(fragment.size());
    done_ = rest_.empty();
    std::byte* const end = write_frame(to, role_, opcode_, fragment, key, done_, rsv1_);
    opcode_ = Opcode::continuation;
    rsv1_ = false;
    return end;
  }

 private:
  Bytes rest_;
  std::size_t fragment_bytes_;
  Role role_;
  Opcode opcode_;
  bool rsv1_;
  bool done_ = false;
};

}  // namespace zenwire
