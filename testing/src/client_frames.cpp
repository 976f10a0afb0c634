#include "client_frames.hpp"

#include <zenwire/base/assert.hpp>
#include <zenwire/base/bytes.hpp>
#include <zenwire/codec/arena.hpp>
#include <zenwire/codec/mask.hpp>
#include <zenwire/codec/utf8.hpp>

namespace zenwire::testing::detail {

void ClientFrames::enable_deflate(DeflateSide client) {
  const std::size_t bytes = inflate_arena_bytes(client) + Arena::kAlignment_bytes;
  arena_ = std::make_unique<std::byte[]>(bytes);
  Arena arena({arena_.get(), bytes});
  inflater_ = Inflater::open(client, arena).value();
}

std::nullopt_t ClientFrames::fail(Errc error) noexcept {
  error_ = error;
  return std::nullopt;
}

Errc ClientFrames::check(const FrameHeader& header) const {
  if (!header.masked) return Errc::frame_mask_missing;
  if (header.payload_bytes > kMessage_bytes_max) return Errc::frame_too_large;
  if (is_control(header.opcode)) return Errc::ok;
  const bool first = header.opcode != Opcode::continuation;
  if (first && partial_) return Errc::frame_continuation_expected;
  if (!first && !partial_) return Errc::frame_continuation_unexpected;
  if (header.rsv1 && (!first || !inflater_)) return Errc::frame_reserved_bits;
  const std::size_t so_far = partial_ ? partial_->payload.size() : 0;
  return so_far + header.payload_bytes > kMessage_bytes_max ? Errc::message_too_large : Errc::ok;
}

std::optional<CapturedFrame> ClientFrames::next(std::string_view& bytes) {
  if (error_ != Errc::ok) return std::nullopt;
  const DecodedHeader decoded = decode_header(as_bytes(bytes));
  if (decoded.error != Errc::ok) return fail(decoded.error);
  if (decoded.header_bytes == 0) return std::nullopt;
  const FrameHeader& header = decoded.header;
  if (const Errc error = check(header); error != Errc::ok) return fail(error);
  if (bytes.size() - decoded.header_bytes < header.payload_bytes) return std::nullopt;
  CapturedFrame frame{
      .opcode = header.opcode,
      .fin = header.fin,
      .rsv1 = header.rsv1,
      .key = header.key,
      .payload = std::string(bytes.substr(decoded.header_bytes, header.payload_bytes)),
      .received_at = std::chrono::steady_clock::now()};
  auto* const payload = reinterpret_cast<std::byte*>(frame.payload.data());
  mask_copy(payload, payload, frame.payload.size(), header.key);
  bytes.remove_prefix(decoded.header_bytes + frame.payload.size());
  if (!is_control(frame.opcode)) join(frame);
  return frame;
}

void ClientFrames::join(const CapturedFrame& frame) {
  if (!partial_)
    partial_ = CapturedMessage{.opcode = frame.opcode, .fragments = 0, .compressed = frame.rsv1};
  partial_->payload += frame.payload;
  partial_->received_at = frame.received_at;
  ++partial_->fragments;
  if (frame.fin) finish_message();
}

void ClientFrames::finish_message() {
  ZW_ASSERT(partial_.has_value());
  if (partial_->compressed && !inflate()) return;
  if (partial_->opcode == Opcode::text && !is_utf8(as_bytes(partial_->payload))) {
    error_ = Errc::text_not_utf8;
    return;
  }
  complete_ = std::move(partial_);
  partial_.reset();
}

// The room is the limit itself, for a second try would need the stream as it was. Its pages are
// virtual until they are written.
bool ClientFrames::inflate() {
  const auto room = std::make_unique_for_overwrite<std::byte[]>(kMessage_bytes_max);
  const auto bytes =
      inflater_->inflate_message(as_bytes(partial_->payload), {room.get(), kMessage_bytes_max});
  if (!bytes) {
    error_ = bytes.error().code();
    return false;
  }
  partial_->payload = as_text(Bytes(room.get(), *bytes));
  return true;
}

std::optional<CapturedMessage> ClientFrames::take_message() {
  std::optional<CapturedMessage> message = std::move(complete_);
  complete_.reset();
  return message;
}

}  // namespace zenwire::testing::detail
