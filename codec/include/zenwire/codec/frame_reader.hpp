#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include <zenwire/base/assert.hpp>
#include <zenwire/base/bytes.hpp>
#include <zenwire/base/error.hpp>
#include <zenwire/codec/close.hpp>
#include <zenwire/codec/frame.hpp>
#include <zenwire/codec/mask.hpp>
#include <zenwire/codec/receive_window.hpp>
#include <zenwire/codec/utf8.hpp>

namespace zenwire {

// What a reader accepts. Each limit is inclusive: exactly that much is accepted, one more is
// refused.
struct FrameLimits {
  // Payload of one data frame.
  std::uint64_t frame_bytes_max = std::uint64_t{16} << 20;
  // Payload of one message, as it is on the wire: compressed if it is.
  std::uint64_t message_bytes_max = std::uint64_t{16} << 20;
  // Frames of one message; at least 1.
  std::uint32_t fragments_max = 65536;
  // permessage-deflate was negotiated: RSV1 may mark the first frame of a message.
  bool deflate = false;
  // How much longer than these limits a compressed message and its frames may be: deflate makes
  // what it cannot compress a little longer, and the message itself may still be within its limit.
  std::uint32_t deflate_growth_bytes_max = 0;
  // Text messages that are not compressed are checked.
  bool validate_utf8 = true;

  // The largest window that a reader with these limits ever wants: the largest message, the largest
  // header, and a control frame in between.
  [[nodiscard]] constexpr std::uint64_t window_bytes_max() const noexcept {
    return message_bytes_max + deflate_growth_bytes_max + kFrameHeader_bytes_max +
           kControlFrame_bytes_max;
  }
};

namespace detail {

// The key is the last part of the header.
inline MaskingKey load_key(const std::byte* payload) noexcept {
  return load_word<MaskingKey>(payload - sizeof(MaskingKey));
}

inline void unmask(std::byte* payload, std::size_t bytes, MaskingKey key) noexcept {
  mask_copy(payload, payload, bytes, key);
}

// Unmasks if need be, and gives whether the payload is ASCII; kReadPadding_bytes after it are
// readable.
template <bool masked>
[[gnu::always_inline]] inline bool is_ascii_unmasked(std::byte* payload,
                                                     std::size_t bytes) noexcept {
  if constexpr (masked) {
    const MaskingKey key = load_key(payload);
    if (bytes <= kInlineMask_bytes_max) return mask_copy_short(payload, payload, bytes, key);
    unmask(payload, bytes, key);
  }
  return is_ascii_padded(payload, bytes);
}

}  // namespace detail

enum class ReadStatus : std::uint8_t {
  message,    // a whole data message: opcode(), payload(), compressed()
  control,    // a ping, pong or close frame: opcode(), payload()
  need_more,  // no whole frame left: receive more, into a window of wanted_bytes()
  failed,     // the peer broke the protocol or a limit: error(), close_code(); and so it stays
};

// Takes frames out of a receive window, one message or control frame a call (RFC 6455, sections 5
// and 8.1): every complete one in the window is delivered before need_more. Messages are put
// together in the window; text is checked as UTF-8, also while its frame is incomplete, so that the
// first bad byte fails as soon as it has come. Control frames between fragments are delivered at
// once. A server's reader unmasks in place. After a close frame everything that follows is
// discarded (section 1.4).
//
// Limits and rules are checked from each byte of a header as it comes, before any payload is taken.
// No input makes it assert, allocate or read beyond the window and its padding.
//
// One reader a connection, one window a reader, one thread at a time. A whole unfragmented frame of
// a client takes the inline path in next(): header, limits and one vector check; all else is a
// call.
class FrameReader {
 public:
  FrameReader(Role role, const FrameLimits& limits) noexcept;

  ReadStatus next(ReceiveWindow& window) noexcept {
    ReadStatus status = ReadStatus::message;
    if (take_whole_message<false>(window, fast_second_end_, status)) return status;
    return next_general(window);
  }

  // Of the message or control frame that next() gave.
  [[nodiscard]] Opcode opcode() const noexcept { return opcode_; }

  // Its payload; kReadPadding_bytes after it are readable. It lives until the next call of next()
  // or any change of the window but commit().
  [[nodiscard]] Bytes payload() const noexcept { return {payload_, payload_bytes_}; }

  // The message is to be inflated (RFC 7692); it was not checked as UTF-8.
  [[nodiscard]] bool compressed() const noexcept { return compressed_; }

  // After need_more: the capacity that the window needs, once compacted, to hold what completes the
  // current frame, or the next part of its header. More than zero, and at most window_bytes_max()
  // of the limits.
  [[nodiscard]] std::size_t wanted_bytes(const ReceiveWindow& window) const noexcept;

  // After failed: the cause, and the code to close with (1002, 1007 or 1009).
  [[nodiscard]] Errc error() const noexcept { return error_; }
  [[nodiscard]] std::uint16_t close_code() const noexcept { return close_code_for(error_); }

  // Whether another complete frame lies in the window, by its length alone: the message just given
  // is not the last of the burst.
  [[nodiscard]] bool complete_frame_follows(const ReceiveWindow& window) const noexcept {
    const std::size_t available = window.unparsed_bytes();
    if (available < 2) return false;
    const std::uint8_t second = std::to_integer<std::uint8_t>(window.parsed_[1]);
    const std::size_t before = 2 + detail::length_bytes(second) + key_bytes();
    if (available < before) return false;
    return detail::load_length(second, window.parsed_ + 2) <= available - before;
  }

  // A message was begun and has not ended: a close or end of stream here cuts it.
  [[nodiscard]] bool in_message() const noexcept { return in_message_ || phase_ == Phase::payload; }

  [[nodiscard]] Role role() const noexcept { return role_; }
  [[nodiscard]] const FrameLimits& limits() const noexcept { return limits_; }

 private:
  enum class Phase : std::uint8_t { header, payload, closed, failed };

  static constexpr std::size_t kFastHeader_bytes_max = 4;  // without the key
  static constexpr unsigned kFinalText = detail::kFinBit | static_cast<unsigned>(Opcode::text);
  static_assert(kFinalText + 1 == (detail::kFinBit | static_cast<unsigned>(Opcode::binary)));

  [[nodiscard]] std::size_t key_bytes() const noexcept {
    return role_ == Role::server ? sizeof(MaskingKey) : 0;
  }

  // Takes a message of one frame that is whole in the window, if that is what comes next; changes
  // nothing otherwise. `second_end` is above every second header byte that may be taken, less the
  // mask bit; zero shuts the path, so that one comparison stands for the role, the mask bit, a
  // 64-bit length and any state but between two messages.
  template <bool masked>
  [[gnu::always_inline]] bool take_whole_message(ReceiveWindow& window, std::uint8_t second_end,
                                                 ReadStatus& status) noexcept {
    constexpr std::size_t kKey_bytes = masked ? sizeof(MaskingKey) : 0;
    std::byte* const at = window.parsed_;
    const auto available = static_cast<std::size_t>(window.filled_ - at);
    if (available < kFastHeader_bytes_max + kKey_bytes) return false;
    const unsigned first = std::to_integer<unsigned>(at[0]);
    std::size_t payload_bytes =
        std::to_integer<std::size_t>(at[1]) - (masked ? detail::kMaskBit : 0u);
    if (payload_bytes >= second_end) return false;
    std::size_t before = 2 + kKey_bytes;
    if (payload_bytes == detail::kLength16) {
      payload_bytes = load_big_endian<std::uint16_t>(at + 2);
      before = kFastHeader_bytes_max + kKey_bytes;
      if (payload_bytes < detail::kLength16) [[unlikely]]
        return false;
    }
    if (first - kFinalText > 1u || payload_bytes > fast_payload_bytes_max_ ||
        payload_bytes > available - before) {
      return false;
    }
    std::byte* const payload = at + before;
    // A binary payload that is not masked is not looked at.
    const bool text = first == kFinalText;
    if ((masked || text) && !detail::is_ascii_unmasked<masked>(payload, payload_bytes) && text &&
        !is_text_beyond_ascii({payload, payload_bytes})) {
      status = fail(Errc::text_not_utf8);
      return true;
    }
    window.parsed_ = payload + payload_bytes;
    payload_ = payload;
    payload_bytes_ = payload_bytes;
    opcode_ = static_cast<Opcode>(first & detail::kOpcodeBits);
    compressed_ = false;
    return true;
  }

  [[gnu::noinline]] ReadStatus next_general(ReceiveWindow& window) noexcept;
  [[gnu::noinline, gnu::cold]] bool is_text_beyond_ascii(Bytes text) const noexcept;

  // Each gives the status to return, or none to go on with the next frame.
  std::optional<ReadStatus> read_header(ReceiveWindow& window) noexcept;
  std::optional<ReadStatus> read_payload(ReceiveWindow& window) noexcept;
  std::optional<ReadStatus> end_data_frame(ReceiveWindow& window) noexcept;
  ReadStatus read_control(ReceiveWindow& window, std::size_t before,
                          std::size_t payload_bytes) noexcept;
  void begin_data_frame(ReceiveWindow& window, std::size_t before,
                        std::uint64_t payload_bytes) noexcept;

  Errc check_header(Bytes bytes) const noexcept;
  Errc check_order(std::uint8_t first) const noexcept;
  Errc check_limits(std::uint8_t first, std::uint64_t payload_bytes) const noexcept;
  [[nodiscard]] bool checks_text() const noexcept;
  [[gnu::noinline, gnu::cold]] ReadStatus fail(Errc error) noexcept;
  void settle_fast_path() noexcept;

  // What the inline path touches.
  const std::byte* payload_ = nullptr;
  std::size_t payload_bytes_ = 0;
  std::size_t fast_payload_bytes_max_ = 0;
  std::uint8_t fast_second_end_ = 0;  // of a client
  std::uint8_t fast_masked_end_ = 0;  // of a server
  Opcode opcode_ = Opcode::text;
  bool compressed_ = false;

  // The rest.
  Role role_;
  Phase phase_ = Phase::header;
  bool in_message_ = false;  // a data frame without FIN came: a continuation has to follow
  Opcode message_opcode_ = Opcode::text;
  bool message_compressed_ = false;
  bool frame_fin_ = false;
  Utf8Validator utf8_;
  Errc error_ = Errc::ok;
  MaskingKey frame_key_ = 0;            // turned to the next byte of the payload
  std::uint64_t frame_bytes_left_ = 0;  // of the payload of the frame in progress
  std::uint64_t message_bytes_ = 0;     // announced by the headers of the message in progress
  std::uint32_t fragments_ = 0;
  FrameLimits limits_;
};

}  // namespace zenwire
