// FIPS 180-4's examples and NIST's short-message vectors, and every length around the places where
// the padding changes its shape.

#include <string>
#include <string_view>

#include <gtest/gtest.h>

#include <zenwire/codec/sha1.hpp>

namespace zenwire {
namespace {

std::string hex(const Sha1Digest& digest) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (const std::byte byte : digest) {
    text += kDigits[std::to_integer<std::size_t>(byte >> 4)];
    text += kDigits[std::to_integer<std::size_t>(byte & std::byte{15})];
  }
  return text;
}

std::string sha1_hex(std::string_view message) {
  return hex(sha1(as_bytes(message)));
}

struct Vector {
  std::string_view message;
  std::string_view digest;
};

TEST(Sha1, GivesThePublishedDigests) {
  constexpr Vector kVectors[] = {
      {"", "da39a3ee5e6b4b0d3255bfef95601890afd80709"},
      {"abc", "a9993e364706816aba3e25717850c26c9cd0d89d"},
      {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
       "84983e441c3bd26ebaae4aa1f95129e5e54670f1"},
      {"abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmn"
       "opqr"
       "smnopqrstnopqrstu",
       "a49b2446a02c645bf419f995b67091253a04a259"},
      {"The quick brown fox jumps over the lazy dog", "2fd4e1c67a2d28fced849ee1bb76e7391b93eb12"},
  };
  for (const auto& [message, digest] : kVectors) EXPECT_EQ(sha1_hex(message), digest) << message;
}

TEST(Sha1, DigestsAMillionLetters) {
  EXPECT_EQ(sha1_hex(std::string(1'000'000, 'a')), "34aa973cd4c4daa4f61eeb2bdbad27316534016f");
}

// By coreutils' sha1sum, of so many letters 'a'.
TEST(Sha1, PadsAtEveryEdgeOfABlock) {
  struct Edge {
    std::size_t bytes;
    std::string_view digest;
  };
  constexpr Edge kEdges[] = {
      {55, "c1c8bbdc22796e28c0e15163d20899b65621d65a"},
      {56, "c2db330f6083854c99d4b5bfb6e8f29f201be699"},
      {63, "03f09f5b158a7a8cdad920bddc29b81c18a551f5"},
      {64, "0098ba824b5c16427bd7a1122a5a442a25ec644d"},
      {65, "11655326c708d70319be2610e8a57d9a5b959d3b"},
      {119, "ee971065aaa017e0632a8ca6c77bb3bf8b1dfc56"},
      {120, "f34c1488385346a55709ba056ddd08280dd4c6d6"},
      {128, "ad5b3fdbcb526778c2839d2f151ea753995e26a0"},
  };
  for (const auto& [bytes, digest] : kEdges)
    EXPECT_EQ(sha1_hex(std::string(bytes, 'a')), digest) << bytes;
}

TEST(Sha1, IsAConstantExpression) {
  constexpr std::array kMessage{std::byte{'a'}, std::byte{'b'}, std::byte{'c'}};
  constexpr Sha1Digest kDigest = sha1(kMessage);
  EXPECT_EQ(hex(kDigest), "a9993e364706816aba3e25717850c26c9cd0d89d");
}

}  // namespace
}  // namespace zenwire
