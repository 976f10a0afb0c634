#pragma once

// Base64 with the standard alphabet and padding (RFC 4648, section 4): the keys of the handshake,
// and binary payloads in recordings.

#include <cstddef>
#include <string_view>

#include <zenwire/base/bytes.hpp>
#include <zenwire/base/error.hpp>

namespace zenwire {

constexpr std::size_t base64_encoded_bytes(std::size_t bytes) noexcept {
  return (bytes + 2) / 3 * 4;
}

// Room that base64_decode() may need for this many characters: exact but for the padding.
constexpr std::size_t base64_decoded_bytes_max(std::size_t characters) noexcept {
  return characters / 4 * 3;
}

// Writes base64_encoded_bytes(from.size()) characters to `to`, none beyond, and returns their
// number. Uses AVX2 where the processor has it: about 0.1 ns a byte against 1 for the table.
std::size_t base64_encode(char* to, Bytes from) noexcept;

inline std::size_t base64_encode(std::byte* to, Bytes from) noexcept {
  return base64_encode(reinterpret_cast<char*>(to), from);
}

// Decodes canonical base64 only: whole groups of four, padding at the end and nowhere else, the
// unused bits zero, no line breaks. So every byte string has one text and every accepted text one
// byte string. Returns the number of bytes written. `to` holds at least
// base64_decoded_bytes_max(from.size()) bytes, of which those past the result are unspecified.
// Errors: base64_invalid, with the position of the bad group.
Result<std::size_t> base64_decode(MutableBytes to, std::string_view from) noexcept;

namespace detail {

// The kernels under the two functions above; those named avx2 assume that the processor has it.
std::size_t base64_encode_scalar(char* to, const std::byte* from, std::size_t bytes) noexcept;
std::size_t base64_encode_avx2(char* to, const std::byte* from, std::size_t bytes) noexcept;
// Decode whole groups without padding from the front, and stop before the first group that is
// anything else or for which there is no room (`room` bytes at `to` may be written). Return the
// number of characters taken in, a multiple of four; three quarters of it are the bytes written.
std::size_t base64_decode_scalar(std::byte* to, std::size_t room, const char* from,
                                 std::size_t characters) noexcept;
std::size_t base64_decode_avx2(std::byte* to, std::size_t room, const char* from,
                               std::size_t characters) noexcept;

}  // namespace detail
}  // namespace zenwire
