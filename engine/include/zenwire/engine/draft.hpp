#pragma once

// Draft: a message that a dialect writes for its session, in room that the session keeps.
//
// What does not fit is not written and makes the draft overflow, which the session reports; so a
// dialect appends and looks at nothing. A value added as secret is overwritten in recordings.

#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

#include <zenwire/base/bytes.hpp>
#include <zenwire/codec/json_string.hpp>

namespace zenwire {

// Thread: its owner's. Lifetime: that of its room; payload() and secrets() are views into it.
class Draft {
 public:
  static constexpr std::size_t kSecrets_max = 4;

  // `id`: what the message may carry to be answered by, unique in its session.
  Draft(MutableBytes room, std::int64_t id) noexcept : room_(room), id_(id) {}

  // Using the id says that the message will be answered with it: the session then waits for that.
  [[nodiscard]] std::int64_t id() noexcept {
    correlated_ = true;
    return id_;
  }

  Draft& text(std::string_view text) noexcept {
    if (text.size() > room_.size() - bytes_) {
      overflowed_ = true;
    } else if (!text.empty()) {
      std::memcpy(room_.data() + bytes_, text.data(), text.size());
      bytes_ += text.size();
    }
    return *this;
  }
  Draft& number(std::int64_t number) noexcept {
    char digits[20];
    const auto end = std::to_chars(digits, digits + sizeof digits, number).ptr;
    return text({digits, static_cast<std::size_t>(end - digits)});
  }
  // As a JSON string, with its quotes.
  Draft& quoted(std::string_view value) noexcept {
    text("\"");
    escaped(value);
    return text("\"");
  }
  Draft& secret(std::string_view value) noexcept {
    text("\"");
    const std::size_t begin = bytes_;
    escaped(value);
    if (secret_count_ == kSecrets_max) {
      overflowed_ = true;  // rather not sent than recorded
    } else {
      secrets_[secret_count_++] = Bytes(room_).subspan(begin, bytes_ - begin);
    }
    return text("\"");
  }

  [[nodiscard]] Bytes payload() const noexcept { return Bytes(room_).first(bytes_); }
  [[nodiscard]] std::span<const Bytes> secrets() const noexcept {
    return {secrets_.data(), secret_count_};
  }
  [[nodiscard]] bool overflowed() const noexcept { return overflowed_; }
  [[nodiscard]] bool correlated() const noexcept { return correlated_; }
  [[nodiscard]] std::int64_t assigned_id() const noexcept { return id_; }

 private:
  void escaped(std::string_view value) noexcept {
    if (json_escaped_max(value.size()) > room_.size() - bytes_) {
      overflowed_ = true;
      return;
    }
    bytes_ += json_escape(reinterpret_cast<char*>(room_.data()) + bytes_, as_bytes(value)).bytes;
  }

  MutableBytes room_;
  std::size_t bytes_ = 0;
  std::int64_t id_;
  bool correlated_ = false;
  bool overflowed_ = false;
  std::size_t secret_count_ = 0;
  std::array<Bytes, kSecrets_max> secrets_{};
};

}  // namespace zenwire
