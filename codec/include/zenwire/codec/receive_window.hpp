#pragma once

#include <cstddef>
#include <cstring>

#include <zenwire/base/assert.hpp>
#include <zenwire/base/bytes.hpp>

namespace zenwire {

// A connection's receive buffer as the frame reader sees it. The memory is the caller's: `capacity`
// bytes at `base` and kReadPadding_bytes more that may be read.
//
//     base      message       message + assembled   parsed        filled        base + capacity
//      |  dead  |  payload of the  |   dead (headers)  |  not parsed  |   writable   |  padding
//               |  message so far  |                   |              |
//
// The fragments of a message are made contiguous as they come: each payload byte of a later
// fragment is moved down at most once, over the headers. Live bytes are the message so far and
// those not parsed.
//
// A value of six words that owns nothing; one thread at a time. All calls are O(1) but compact()
// and relocate(), which are O(live bytes). Views of payloads die with any call that changes the
// window but commit().
class ReceiveWindow {
 public:
  ReceiveWindow() noexcept = default;
  ReceiveWindow(std::byte* base, std::size_t capacity) noexcept
      : base_(base), end_(base + capacity), parsed_(base), filled_(base), message_(base) {
    ZW_ASSERT(base != nullptr);
  }

  // Where the next received bytes go; empty when there is no room (compact(), or relocate() into
  // more).
  [[nodiscard]] MutableBytes writable() const noexcept {
    return {filled_, static_cast<std::size_t>(end_ - filled_)};
  }

  // `bytes` bytes were written at the front of writable().
  void commit(std::size_t bytes) noexcept {
    ZW_ASSERT(bytes <= static_cast<std::size_t>(end_ - filled_));
    filled_ += bytes;
  }

  // No live bytes.
  [[nodiscard]] bool empty() const noexcept { return assembled_bytes_ == 0 && parsed_ == filled_; }

  // Bytes received that the reader has not taken.
  [[nodiscard]] std::size_t unparsed_bytes() const noexcept {
    return static_cast<std::size_t>(filled_ - parsed_);
  }

  // Payload bytes of the message in progress.
  [[nodiscard]] std::size_t assembled_bytes() const noexcept { return assembled_bytes_; }

  [[nodiscard]] std::size_t live_bytes() const noexcept {
    return assembled_bytes_ + unparsed_bytes();
  }
  [[nodiscard]] std::size_t capacity() const noexcept {
    return static_cast<std::size_t>(end_ - base_);
  }
  [[nodiscard]] std::byte* base() const noexcept { return base_; }

  // Gives back what can be given back without moving a byte: everything when the window is empty,
  // else the dead bytes behind the message so far when nothing is unparsed; else nothing.
  void rewind() noexcept {
    if (parsed_ != filled_) return;
    if (assembled_bytes_ == 0) message_ = base_;
    parsed_ = filled_ = message_ + assembled_bytes_;
  }

  // Moves the live bytes to the front.
  void compact() noexcept { move_to(base_); }

  // Moves the live bytes into other memory, larger or smaller, of the same kind. It may overlap the
  // old, if it begins at or before it. Asserts that they fit.
  void relocate(std::byte* base, std::size_t capacity) noexcept {
    ZW_ASSERT(base != nullptr);
    ZW_ASSERT(live_bytes() <= capacity);
    move_to(base);
    base_ = base;
    end_ = base + capacity;
  }

 private:
  friend class FrameReader;

  // What lies right already is not touched: a caller short of room compacts again and again, and
  // must not pay for a message of megabytes each time.
  void move_to(std::byte* base) noexcept {
    const std::size_t unparsed = unparsed_bytes();
    std::byte* const rest = base + assembled_bytes_;
    if (assembled_bytes_ != 0 && base != message_) std::memmove(base, message_, assembled_bytes_);
    if (unparsed != 0 && rest != parsed_) std::memmove(rest, parsed_, unparsed);
    message_ = base;
    parsed_ = base + assembled_bytes_;
    filled_ = parsed_ + unparsed;
  }

  // Takes `bytes` unparsed bytes as the next of the message in progress.
  void append_to_message(std::size_t bytes) noexcept {
    ZW_DEBUG_ASSERT(bytes <= unparsed_bytes());
    if (assembled_bytes_ == 0) message_ = parsed_;
    std::byte* const to = message_ + assembled_bytes_;
    if (to != parsed_ && bytes != 0) std::memmove(to, parsed_, bytes);
    assembled_bytes_ += bytes;
    parsed_ += bytes;
  }

  // The message in progress is complete: its payload is dead for the window and lives until the
  // next change.
  Bytes take_message() noexcept {
    const Bytes message{message_, assembled_bytes_};
    assembled_bytes_ = 0;
    return message;
  }

  std::byte* base_ = nullptr;
  std::byte* end_ = nullptr;
  std::byte* parsed_ = nullptr;
  std::byte* filled_ = nullptr;
  std::byte* message_ =
      nullptr;  // of the message in progress; meaningless while assembled_bytes_ is 0
  std::size_t assembled_bytes_ = 0;
};

}  // namespace zenwire
