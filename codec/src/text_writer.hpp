#pragma once

// Builds short texts (header blocks, the details of errors) in memory that the caller gives.

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include <zenwire/base/bytes.hpp>
#include <zenwire/base/error.hpp>

namespace zenwire::detail {

// Appends and never writes past the end: what does not fit is only counted, so that the caller can
// say how much room it takes.
class TextWriter {
 public:
  explicit TextWriter(MutableBytes to) noexcept : to_(to) {}

  TextWriter& operator<<(std::string_view text) noexcept {
    if (fits(text.size()) && !text.empty())
      std::memcpy(to_.data() + size_, text.data(), text.size());
    size_ += text.size();
    return *this;
  }
  TextWriter& operator<<(char character) noexcept {
    return *this << std::string_view(&character, 1);
  }
  TextWriter& operator<<(std::uint64_t number) noexcept {
    char digits[20];
    const auto end = std::to_chars(digits, digits + sizeof digits, number).ptr;
    return *this << std::string_view(digits, static_cast<std::size_t>(end - digits));
  }

  // Text from the network, for a person: what is not printable ASCII becomes '?'.
  TextWriter& printable(std::string_view text) noexcept {
    for (const char c : text) *this << (c >= ' ' && c <= '~' ? c : '?');
    return *this;
  }

  // Bytes of the whole text, written or not.
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] bool overflowed() const noexcept { return size_ > to_.size(); }

 private:
  [[nodiscard]] bool fits(std::size_t bytes) const noexcept {
    return size_ <= to_.size() && bytes <= to_.size() - size_;
  }

  MutableBytes to_;
  std::size_t size_ = 0;
};

// The detail of an error: text that is cut when it is too long, whole pieces at a time.
class Detail {
 public:
  template <typename Piece>
  Detail& operator<<(Piece piece) noexcept {
    writer_ << piece;
    if (!writer_.overflowed()) kept_ = writer_.size();
    return *this;
  }
  // At most `characters_max` of it.
  Detail& printable(std::string_view text, std::size_t characters_max = 80) noexcept {
    writer_.printable(text.substr(0, characters_max));
    if (!writer_.overflowed()) kept_ = writer_.size();
    return *this;
  }

  [[nodiscard]] tl::unexpected<Error> fail(Errc code) const noexcept {
    return zenwire::fail(code, {text_, kept_});
  }

 private:
  char text_[Error::kDetail_bytes];
  TextWriter writer_{MutableBytes(reinterpret_cast<std::byte*>(text_), sizeof text_)};
  std::size_t kept_ = 0;
};

}  // namespace zenwire::detail
