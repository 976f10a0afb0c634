#include <algorithm>

#include <zenwire/codec/frame_reader.hpp>
namespace zenwire {

static_assert(FrameLimits{}.window_bytes_max() > FrameLimits{}.message_bytes_max);

FrameReader::FrameReader(Role role, const FrameLimits& limits) noexcept
    : role_(role), limits_(limits) {
  ZW_ASSERT(limits.fragments_max >= 1);
  ZW_ASSERT(limits.message_bytes_max <= std::uint64_t{1} << 62);
  fast_payload_bytes_max_ = std::min(limits.frame_bytes_max, limits.message_bytes_max);
  settle_fast_path();
}

// The fast path is for whole messages. It must be shut in every other state, or it would take a
// continuation's neighbour for a message of its own.
void FrameReader::settle_fast_path() noexcept {
  const bool open = phase_ == Phase::header && !in_message_;
  fast_second_end_ = open && role_ == Role::client ? detail::kLength64 : 0;
  fast_masked_end_ = open && role_ == Role::server ? detail::kLength64 : 0;
}

bool FrameReader::is_text_beyond_ascii(Bytes text) const noexcept {
  return !limits_.validate_utf8 || detail::is_utf8_beyond_ascii(text);
}

bool FrameReader::checks_text() const noexcept {
  return message_opcode_ == Opcode::text && !message_compressed_ && limits_.validate_utf8;
}

ReadStatus FrameReader::next_general(ReceiveWindow& window) noexcept {
  ReadStatus whole = ReadStatus::message;
  if (take_whole_message<true>(window, fast_masked_end_, whole)) return whole;
  for (;;) {
    if (phase_ == Phase::failed) return ReadStatus::failed;
    if (phase_ == Phase::closed) {
      window.parsed_ = window.filled_;
      return ReadStatus::need_more;
    }
    const auto status = phase_ == Phase::payload ? read_payload(window) : read_header(window);
    if (status) return *status;
  }
}

std::optional<ReadStatus> FrameReader::read_header(ReceiveWindow& window) noexcept {
  const std::size_t available = window.unparsed_bytes();
  const Errc error = check_header({window.parsed_, available});
  if (error != Errc::ok) return fail(error);
  if (available < 2) return ReadStatus::need_more;
  const auto second = std::to_integer<std::uint8_t>(window.parsed_[1]);
  const std::size_t before = 2 + detail::length_bytes(second) + key_bytes();
  if (available < before) return ReadStatus::need_more;
  const std::uint64_t payload_bytes = detail::load_length(second, window.parsed_ + 2);
  const auto first = std::to_integer<std::uint8_t>(window.parsed_[0]);
  if (is_control(static_cast<Opcode>(first & detail::kOpcodeBits))) {
    return read_control(window, before, static_cast<std::size_t>(payload_bytes));
  }
  begin_data_frame(window, before, payload_bytes);
  return std::nullopt;
}

// Each byte is checked as soon as it is there, in order, whatever the cut: the same stream gives
// the same error.
Errc FrameReader::check_header(Bytes bytes) const noexcept {
  if (bytes.empty()) return Errc::ok;
  const auto first = std::to_integer<std::uint8_t>(bytes[0]);
  if (const Errc error = detail::check_first_byte(first); error != Errc::ok) return error;
  if (const Errc error = check_order(first); error != Errc::ok) return error;
  if (bytes.size() < 2) return Errc::ok;
  const auto second = std::to_integer<std::uint8_t>(bytes[1]);
  const bool masked = (second & detail::kMaskBit) != 0;
  if (masked && role_ == Role::client) return Errc::frame_mask_unexpected;
  if (!masked && role_ == Role::server) return Errc::frame_mask_missing;
  if (const Errc error = detail::check_second_byte(first, second); error != Errc::ok) return error;
  if (bytes.size() < 2 + detail::length_bytes(second)) return Errc::ok;
  const std::uint64_t payload_bytes = detail::load_length(second, bytes.data() + 2);
  if (const Errc error = detail::check_length(second, payload_bytes); error != Errc::ok)
    return error;
  return check_limits(first, payload_bytes);
}

// What the first byte may be after the frames before (RFC 6455, section 5.4; RFC 7692,
// section 6.1).
Errc FrameReader::check_order(std::uint8_t first) const noexcept {
  const auto opcode = static_cast<Opcode>(first & detail::kOpcodeBits);
  if (is_control(opcode)) return Errc::ok;
  const bool rsv1 = (first & detail::kRsv1Bit) != 0;
  if (rsv1 && (!limits_.deflate || opcode == Opcode::continuation))
    return Errc::frame_reserved_bits;
  if (opcode == Opcode::continuation && !in_message_) return Errc::frame_continuation_unexpected;
  if (opcode != Opcode::continuation && in_message_) return Errc::frame_continuation_expected;
  return in_message_ && fragments_ >= limits_.fragments_max ? Errc::message_too_many_fragments
                                                            : Errc::ok;
}

Errc FrameReader::check_limits(std::uint8_t first, std::uint64_t payload_bytes) const noexcept {
  if (is_control(static_cast<Opcode>(first & detail::kOpcodeBits))) return Errc::ok;
  const bool compressed = in_message_ ? message_compressed_ : (first & detail::kRsv1Bit) != 0;
  const std::uint64_t growth = compressed ? limits_.deflate_growth_bytes_max : 0;
  if (payload_bytes > limits_.frame_bytes_max + growth) return Errc::frame_too_large;
  const std::uint64_t before = in_message_ ? message_bytes_ : 0;
  const std::uint64_t left = limits_.message_bytes_max + growth - before;
  return payload_bytes > left ? Errc::message_too_large : Errc::ok;
}

ReadStatus FrameReader::read_control(ReceiveWindow& window, std::size_t before,
                                     std::size_t payload_bytes) noexcept {
  ZW_ASSERT(payload_bytes <= kControlPayload_bytes_max);
  if (window.unparsed_bytes() < before + payload_bytes) return ReadStatus::need_more;
  std::byte* const payload = window.parsed_ + before;
  if (role_ == Role::server) detail::unmask(payload, payload_bytes, detail::load_key(payload));
  payload_ = payload;
  payload_bytes_ = payload_bytes;
  opcode_ =
      static_cast<Opcode>(std::to_integer<std::uint8_t>(window.parsed_[0]) & detail::kOpcodeBits);
  compressed_ = false;
  window.parsed_ = payload + payload_bytes;
  if (opcode_ == Opcode::close) phase_ = Phase::closed;
  settle_fast_path();
  return ReadStatus::control;
}

void FrameReader::begin_data_frame(ReceiveWindow& window, std::size_t before,
                                   std::uint64_t payload_bytes) noexcept {
  const auto first = std::to_integer<std::uint8_t>(window.parsed_[0]);
  if (!in_message_) {
    message_opcode_ = static_cast<Opcode>(first & detail::kOpcodeBits);
    message_compressed_ = (first & detail::kRsv1Bit) != 0;
    message_bytes_ = 0;
    fragments_ = 0;
    utf8_.reset();
  }
  if (role_ == Role::server) frame_key_ = detail::load_key(window.parsed_ + before);
  window.parsed_ += before;
  frame_fin_ = (first & detail::kFinBit) != 0;
  frame_bytes_left_ = payload_bytes;
  message_bytes_ += payload_bytes;
  ++fragments_;
  phase_ = Phase::payload;
  settle_fast_path();
}

// Takes what has come of the frame's payload: unmasked, checked and joined to the message, each
// byte once.
std::optional<ReadStatus> FrameReader::read_payload(ReceiveWindow& window) noexcept {
  const auto bytes =
      static_cast<std::size_t>(std::min<std::uint64_t>(window.unparsed_bytes(), frame_bytes_left_));
  if (role_ == Role::server) {
    detail::unmask(window.parsed_, bytes, frame_key_);
    frame_key_ = detail::turn_key(frame_key_, bytes);
  }
  if (checks_text() && !utf8_.feed({window.parsed_, bytes})) return fail(Errc::text_not_utf8);
  window.append_to_message(bytes);
  frame_bytes_left_ -= bytes;
  if (frame_bytes_left_ != 0) return ReadStatus::need_more;
  return end_data_frame(window);
}

std::optional<ReadStatus> FrameReader::end_data_frame(ReceiveWindow& window) noexcept {
  phase_ = Phase::header;
  in_message_ = !frame_fin_;
  settle_fast_path();
  if (!frame_fin_) return std::nullopt;
  if (checks_text() && !utf8_.finish()) return fail(Errc::text_not_utf8);
  const Bytes message = window.take_message();
  ZW_ASSERT(message.size() == message_bytes_);
  payload_ = message.data();
  payload_bytes_ = message.size();
  opcode_ = message_opcode_;
  compressed_ = message_compressed_;
  return ReadStatus::message;
}

ReadStatus FrameReader::fail(Errc error) noexcept {
  error_ = error;
  phase_ = Phase::failed;
  settle_fast_path();
  return ReadStatus::failed;
}

std::size_t FrameReader::wanted_bytes(const ReceiveWindow& window) const noexcept {
  const std::size_t assembled = window.assembled_bytes();
  if (phase_ == Phase::payload) return assembled + static_cast<std::size_t>(frame_bytes_left_);
  const std::size_t available = window.unparsed_bytes();
  if (available < 2) return assembled + 2;
  const auto second = std::to_integer<std::uint8_t>(window.parsed_[1]);
  const std::size_t before = 2 + detail::length_bytes(second) + key_bytes();
  // A header that is whole and was not taken is a control frame's.
  const std::size_t payload_bytes = available < before ? 0 : second & detail::kLengthBits;
  return assembled + before + payload_bytes;
}

}  // namespace zenwire
