// RFC 4648: section 10's vectors, every length and alignment on every kernel, and strictness.

#include <algorithm>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <zenwire/codec/base64.hpp>
#include <zenwire/codec/kernel.hpp>

namespace zenwire {
namespace {

constexpr char kGuard = '\x5a';
constexpr std::size_t kGuard_bytes = 64;

bool has_vectors() {
  return kernels_available().size() > 1;
}

// Without any cleverness: the definition, six bits at a time.
std::string reference(Bytes from) {
  constexpr std::string_view kAlphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  std::uint32_t bits = 0;
  int count = 0;
  for (const std::byte byte : from) {
    bits = bits << 8 | std::to_integer<std::uint32_t>(byte);
    for (count += 8; count >= 6; count -= 6) text += kAlphabet[bits >> (count - 6) & 63];
  }
  if (count > 0) text += kAlphabet[bits << (6 - count) & 63];
  while (text.size() % 4 != 0) text += '=';
  return text;
}

std::vector<std::byte> some_bytes(std::size_t count, std::uint32_t seed) {
  std::vector<std::byte> bytes(count);
  std::uint32_t state = seed * 2654435761u + 1;
  for (std::byte& byte : bytes) {
    state = state * 1664525u + 1013904223u;
    byte = static_cast<std::byte>(state >> 24);
  }
  return bytes;
}

using Encode = std::size_t (*)(char*, const std::byte*, std::size_t) noexcept;

// Encodes into memory with a guard behind it.
std::string encode_with(Encode kernel, Bytes from) {
  const std::size_t room = base64_encoded_bytes(from.size());
  std::string text(room + kGuard_bytes, kGuard);
  EXPECT_EQ(kernel(text.data(), from.data(), from.size()), room);
  EXPECT_EQ(text.find_first_not_of(kGuard, room), std::string::npos) << "wrote beyond the end";
  text.resize(room);
  return text;
}

std::string encode(Bytes from) {
  std::string text(base64_encoded_bytes(from.size()), kGuard);
  EXPECT_EQ(base64_encode(text.data(), from), text.size());
  return text;
}

Result<std::string> decode(std::string_view text) {
  std::vector<std::byte> bytes(base64_decoded_bytes_max(text.size()) + kGuard_bytes,
                               std::byte{0x5a});
  const MutableBytes room(bytes.data(), bytes.size() - kGuard_bytes);
  const auto decoded = base64_decode(room, text);
  EXPECT_TRUE(std::all_of(bytes.end() - kGuard_bytes, bytes.end(), [](std::byte byte) {
    return byte == std::byte{0x5a};
  })) << "wrote beyond the end";
  if (!decoded) return tl::unexpected(decoded.error());
  return std::string(as_text(Bytes(bytes).first(*decoded)));
}

TEST(Base64, GivesTheTextsOfRfc4648) {
  struct Vector {
    std::string_view bytes;
    std::string_view text;
  };
  constexpr Vector kVectors[] = {{"", ""},
                                 {"f", "Zg=="},
                                 {"fo", "Zm8="},
                                 {"foo", "Zm9v"},
                                 {"foob", "Zm9vYg=="},
                                 {"fooba", "Zm9vYmE="},
                                 {"foobar", "Zm9vYmFy"}};
  for (const auto& [bytes, text] : kVectors) {
    EXPECT_EQ(encode(as_bytes(bytes)), text);
    EXPECT_EQ(decode(text).value(), bytes);
  }
}

TEST(Base64, EveryKernelEncodesEveryLengthAndAlignment) {
  for (std::size_t length = 0; length <= 300; ++length) {
    for (const std::size_t offset : {0u, 1u, 3u, 7u, 15u, 31u}) {
      const auto bytes = some_bytes(offset + length, static_cast<std::uint32_t>(length));
      const Bytes from = Bytes(bytes).subspan(offset);
      ASSERT_EQ(encode_with(detail::base64_encode_scalar, from), reference(from)) << length;
      if (!has_vectors()) continue;
      ASSERT_EQ(encode_with(detail::base64_encode_avx2, from), reference(from)) << length;
    }
  }
}

TEST(Base64, EveryByteValueStandsAtEveryPlace) {
  for (std::size_t at = 0; at < 96; ++at) {
    for (unsigned value = 0; value < 256; ++value) {
      auto bytes = some_bytes(96, static_cast<std::uint32_t>(at));
      bytes[at] = static_cast<std::byte>(value);
      const std::string text = encode(bytes);
      ASSERT_EQ(text, reference(bytes));
      ASSERT_EQ(decode(text).value(), as_text(Bytes(bytes)));
    }
  }
}

TEST(Base64, EveryKernelDecodesEveryLength) {
  for (std::size_t length = 0; length <= 300; ++length) {
    const auto bytes = some_bytes(length, static_cast<std::uint32_t>(length));
    const std::string text = reference(bytes);
    ASSERT_EQ(decode(text).value(), as_text(Bytes(bytes))) << length;
    if (!has_vectors()) continue;
    std::vector<std::byte> one(length + 3);
    std::vector<std::byte> other(length + 3);
    const std::size_t taken =
        detail::base64_decode_scalar(one.data(), one.size(), text.data(), text.size());
    ASSERT_EQ(detail::base64_decode_avx2(other.data(), other.size(), text.data(), text.size()),
              taken);
    ASSERT_TRUE(std::equal(one.begin(), one.begin() + static_cast<std::ptrdiff_t>(taken / 4 * 3),
                           other.begin()));
  }
}

// Each byte that is not in the alphabet, at each place of a text long enough for the vector path.
TEST(Base64, RefusesEveryByteOutsideTheAlphabetAtEveryPlace) {
  const auto bytes = some_bytes(72, 1);
  const std::string good = reference(bytes);
  for (std::size_t at = 0; at < good.size(); ++at) {
    for (unsigned value = 0; value < 256; ++value) {
      const char c = static_cast<char>(value);
      std::string text = good;
      text[at] = c;
      const bool in_alphabet = reference(bytes).size() == 96 &&
                               (isalnum(static_cast<int>(value)) != 0 || c == '+' || c == '/');
      // Padding may only end the text.
      const bool padding = c == '=' && at == good.size() - 1;
      const auto decoded = decode(text);
      if (in_alphabet) {
        ASSERT_TRUE(decoded) << at << ' ' << value;
      } else if (!padding) {
        ASSERT_FALSE(decoded) << at << ' ' << value;
        ASSERT_EQ(decoded.error().code(), Errc::base64_invalid);
        ASSERT_NE(decoded.error().detail().find("at character " + std::to_string(at / 4 * 4)),
                  std::string_view::npos)
            << decoded.error().detail();
      }
    }
  }
}

TEST(Base64, RefusesWhatIsNotCanonical) {
  for (const std::string_view text :
       {"Z",      "Zg",           "Zg=",   "Zg===", "=",    "==",    "===",      "====",
        "Z===",   "=g==",         "Z=g=",  "Zh==",  "Zm9=", "Zm9v=", "Zg==Zg==", "Zm9vZg==Zm9v",
        "Zg==\n", "Zm9v\r\nYmFy", " Zg==", "Zg== ", "Zm-_", "Zg=A",  "AA=A"}) {
    const auto decoded = decode(text);
    ASSERT_FALSE(decoded) << text;
    EXPECT_EQ(decoded.error().code(), Errc::base64_invalid);
  }
}

RC_GTEST_PROP(Base64, DecodesWhatItEncoded, (const std::vector<std::uint8_t>& values)) {
  const Bytes bytes = std::as_bytes(std::span(values));
  const std::string text = encode(bytes);
  RC_ASSERT(text == reference(bytes));
  RC_ASSERT(decode(text).value() == as_text(bytes));
}

// One text for each byte string: what decodes encodes to itself.
RC_GTEST_PROP(Base64, AcceptsOnlyWhatItWouldWrite, ()) {
  const auto text = *rc::gen::container<std::string>(rc::gen::element(
      'A', 'B', 'Q', 'Z', 'a', 'g', 'z', '0', '9', '+', '/', '=', '-', '\n', '\0', '\xff'));
  const auto decoded = decode(text);
  if (decoded) RC_ASSERT(encode(as_bytes(*decoded)) == text);
}

}  // namespace
}  // namespace zenwire
