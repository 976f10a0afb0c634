#include <algorithm>

#include <simdjson.h>

#include <zenwire/base/assert.hpp>
#include <zenwire/codec/utf8.hpp>

namespace zenwire {

namespace {

// Shorter pieces are stepped through: simdjson copies a tail below 64 bytes into a block of its
// own.
constexpr std::size_t kStepped_bytes_max = 16;

// How many bytes a sequence with this first byte has; 0 for a byte that begins none.
constexpr std::size_t sequence_bytes(std::uint8_t lead) noexcept {
  if (lead < 0x80) return 1;
  if (lead < 0xc2 || lead > 0xf4) return 0;
  return lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
}

// How many bytes at the end belong to a sequence that ends beyond it, by its first byte alone; 0
// to 3.
std::size_t open_tail_bytes(Bytes bytes) noexcept {
  const std::size_t most = std::min<std::size_t>(3, bytes.size());
  for (std::size_t back = 1; back <= most; ++back) {
    const auto byte = std::to_integer<std::uint8_t>(bytes[bytes.size() - back]);
    if ((byte & 0xc0) == 0x80) continue;
    return sequence_bytes(byte) > back ? back : 0;
  }
  return 0;
}

}  // namespace

std::string_view utf8_kernel_name() noexcept {
  // A string of simdjson's own with static storage, unlike the one that name() returns by value.
  static const std::string name = simdjson::get_active_implementation()->name();
  return name;
}

namespace detail {

bool is_utf8_beyond_ascii(Bytes bytes) noexcept {
  return simdjson::validate_utf8(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

bool is_utf8_scalar(Bytes bytes) noexcept {
  return utf8_prefix(bytes).size() == bytes.size();
}

}  // namespace detail

Bytes utf8_prefix(Bytes bytes) noexcept {
  Utf8Validator validator;
  std::size_t whole = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (!validator.step(std::to_integer<std::uint8_t>(bytes[i]))) break;
    if (validator.finish()) whole = i + 1;
  }
  return bytes.first(whole);
}

bool Utf8Validator::step_lead(std::uint8_t byte) noexcept {
  const std::size_t length = sequence_bytes(byte);
  if (length == 0) {
    missing_ = kFailed;
    return false;
  }
  missing_ = static_cast<std::uint8_t>(length - 1);
  // RFC 3629, section 4: what keeps out overlong forms, surrogates and all above U+10FFFF.
  low_ = byte == 0xe0 ? 0xa0 : byte == 0xf0 ? 0x90 : 0x80;
  high_ = byte == 0xed ? 0x9f : byte == 0xf4 ? 0x8f : 0xbf;
  return true;
}

bool Utf8Validator::step(std::uint8_t byte) noexcept {
  if (missing_ == 0) return step_lead(byte);
  if (missing_ == kFailed || byte < low_ || byte > high_) {
    missing_ = kFailed;
    return false;
  }
  --missing_;
  low_ = 0x80;
  high_ = 0xbf;
  return true;
}

bool Utf8Validator::step_all(Bytes bytes) noexcept {
  for (const std::byte byte : bytes) {
    if (!step(std::to_integer<std::uint8_t>(byte))) return false;
  }
  return missing_ != kFailed;
}

bool Utf8Validator::feed_beyond_ascii(Bytes bytes) noexcept {
  if (bytes.size() <= kStepped_bytes_max) return step_all(bytes);
  while (missing_ != 0) {
    if (!step(std::to_integer<std::uint8_t>(bytes.front()))) return false;
    bytes = bytes.subspan(1);
  }
  const std::size_t open = open_tail_bytes(bytes);
  const Bytes whole = bytes.first(bytes.size() - open);
  if (!is_utf8(whole)) {
    missing_ = kFailed;
    return false;
  }
  return step_all(bytes.last(open));
}

}  // namespace zenwire
