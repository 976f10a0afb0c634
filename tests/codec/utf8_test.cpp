// UTF-8: RFC 3629; the texts of Autobahn 6.*. Every kernel against a decoder written from the
// definition.

#include <array>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <zenwire/codec/utf8.hpp>

namespace zenwire {
namespace {

constexpr std::uint64_t kSeed = 3629;

// From the definition: decode, then ask whether the code point is one and its form the shortest.
bool is_utf8_by_definition(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(text[at + i]); };
    const std::size_t length = byte(0) < 0x80       ? 1
                               : byte(0) >> 5 == 6  ? 2
                               : byte(0) >> 4 == 14 ? 3
                               : byte(0) >> 3 == 30 ? 4
                                                    : 0;
    if (length == 0 || at + length > text.size()) return false;
    std::uint32_t point = length == 1 ? byte(0) : byte(0) & (0x7fu >> length);
    for (std::size_t i = 1; i < length; ++i) {
      if (byte(i) >> 6 != 2) return false;
      point = point << 6 | (byte(i) & 0x3fu);
    }
    constexpr std::array<std::uint32_t, 5> kSmallest{0, 0, 0x80, 0x800, 0x10000};
    if (point < kSmallest[length] || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff))
      return false;
    at += length;
  }
  return true;
}

std::string encode(std::uint32_t point) {
  const auto tail = [&](unsigned shift) {
    return static_cast<char>(0x80 | (point >> shift & 0x3f));
  };
  if (point < 0x80) return {static_cast<char>(point)};
  if (point < 0x800) return {static_cast<char>(0xc0 | point >> 6), tail(0)};
  if (point < 0x10000) return {static_cast<char>(0xe0 | point >> 12), tail(6), tail(0)};
  return {static_cast<char>(0xf0 | point >> 18), tail(12), tail(6), tail(0)};
}

// The first byte at which no continuation could make it UTF-8; its size if there is none.
std::size_t first_bad_byte(std::string_view text) {
  for (std::size_t size = 1; size <= text.size(); ++size) {
    bool may_go_on = false;
    const std::string prefix(text.substr(0, size));
    for (const char* rest : {"", "\x80", "\xa0", "\x90", "\x80\x80", "\xa0\x80", "\x90\x80",
                             "\x80\x80\x80", "\x90\x80\x80"}) {
      may_go_on = may_go_on || is_utf8_by_definition(prefix + rest);
    }
    if (!may_go_on) return size - 1;
  }
  return text.size();
}

struct Text {
  const char* what;
  std::string bytes;
  bool valid;
};

std::vector<Text> texts() {
  return {
      {"empty", "", true},
      {"6.2.1", "Hello-\xc2\xb5@\xc3\x9f\xc3\xb6\xc3\xa4\xc3\xbc\xc3\xa0\xc3\xa1-UTF-8!!", true},
      {"6.3.1",
       "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80"
       "edited",
       false},
      {"6.4.1",
       "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xf4\x90\x80\x80"
       "edited",
       false},
      {"6.5.1", "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5", true},
      {"6.6.1 cut", "\xce", false},
      {"6.6.2", "\xce\xba", true},
      {"6.6.3 cut", "\xce\xba\xe1", false},
      {"6.6.4 cut", "\xce\xba\xe1\xbd", false},
      {"6.7.1 NUL", std::string(1, '\0'), true},
      {"6.7.2", "\xc2\x80", true},
      {"6.7.3", "\xe0\xa0\x80", true},
      {"6.7.4", "\xf0\x90\x80\x80", true},
      {"6.8.1 five bytes", "\xf8\x88\x80\x80\x80", false},
      {"6.8.2 six bytes", "\xfc\x84\x80\x80\x80\x80", false},
      {"6.9.1", "\x7f", true},
      {"6.9.2", "\xdf\xbf", true},
      {"6.9.3", "\xef\xbf\xbf", true},
      {"6.9.4", "\xf4\x8f\xbf\xbf", true},
      {"6.10.1", "\xf7\xbf\xbf\xbf", false},
      {"6.10.2", "\xfb\xbf\xbf\xbf\xbf", false},
      {"6.10.3", "\xfd\xbf\xbf\xbf\xbf\xbf", false},
      {"6.11.1", "\xed\x9f\xbf", true},
      {"6.11.2", "\xee\x80\x80", true},
      {"6.11.3", "\xef\xbf\xbd", true},
      {"6.11.4", "\xf4\x8f\xbf\xbf", true},
      {"6.11.5", "\xf4\x90\x80\x80", false},
      {"6.12.1", "\x80", false},
      {"6.12.8", "\x80\xbf\x80\xbf\x80\xbf\xbe", false},
      {"6.13.1", "\xc0\x20\xc1\x20", false},
      {"6.14.1", "\xc0", false},
      {"6.14.6", "\xdf", false},
      {"6.14.7", "\xef\xbf", false},
      {"6.15.1", "\xc0\xe0\x80\xf0\x80\x80\xf8\x80\x80\x80", false},
      {"6.16.1", "\xfe", false},
      {"6.16.2", "\xff", false},
      {"6.17.1 overlong /", "\xc0\xaf", false},
      {"6.17.2", "\xe0\x80\xaf", false},
      {"6.17.3", "\xf0\x80\x80\xaf", false},
      {"6.17.4", "\xf8\x80\x80\x80\xaf", false},
      {"6.18.1 largest overlong", "\xc1\xbf", false},
      {"6.18.2", "\xe0\x9f\xbf", false},
      {"6.18.3", "\xf0\x8f\xbf\xbf", false},
      {"6.19.1 overlong NUL", "\xc0\x80", false},
      {"6.19.2", "\xe0\x80\x80", false},
      {"6.20.1 surrogate", "\xed\xa0\x80", false},
      {"6.20.7", "\xed\xbf\xbf", false},
      {"6.21.1 surrogate pair", "\xed\xa0\x80\xed\xb0\x80", false},
      {"6.22.1", "\xef\xbf\xbe", true},
      {"6.22.5", "\xf0\xaf\xbf\xbf", true},
      {"6.23.1", "\xef\xbf\xbc", true},
  };
}

bool stream_whole(std::string_view text, std::size_t cut) {
  Utf8Validator validator;
  return validator.feed(as_bytes(text.substr(0, cut))) &&
         validator.feed(as_bytes(text.substr(cut))) && validator.finish();
}

void check_text(std::string_view text) {
  const bool valid = is_utf8_by_definition(text);
  ASSERT_EQ(is_utf8(as_bytes(text)), valid);
  ASSERT_EQ(detail::is_utf8_scalar(as_bytes(text)), valid);
  ASSERT_EQ(detail::is_utf8_beyond_ascii(as_bytes(text)), valid) << utf8_kernel_name();
}

// Whatever the cut, a piece is refused if and only if the first bad byte is in it or before.
void check_pieces(std::string_view text) {
  const std::size_t bad = first_bad_byte(text);
  for (std::size_t cut = 0; cut <= text.size(); ++cut) {
    ASSERT_EQ(stream_whole(text, cut), is_utf8_by_definition(text)) << "cut at " << cut;
    Utf8Validator validator;
    ASSERT_EQ(validator.feed(as_bytes(text.substr(0, cut))), cut <= bad) << "cut at " << cut;
  }
  Utf8Validator single;
  for (std::size_t at = 0; at < text.size(); ++at) {
    ASSERT_EQ(single.feed(as_bytes(text.substr(at, 1))), at < bad) << "byte " << at;
  }
}

TEST(Utf8, TheTextsOfAutobahnWholeAndCutAnywhere) {
  for (const Text& text : texts()) {
    // Also far into a long message, so that the vector path meets it at every place of a block.
    for (const std::size_t before :
         {0u, 1u, 15u, 16u, 17u, 31u, 60u, 61u, 62u, 63u, 64u, 65u, 127u, 130u, 300u}) {
      SCOPED_TRACE(testing::Message() << text.what << " after " << before);
      const std::string bytes = std::string(before, 'a') + text.bytes;
      EXPECT_EQ(is_utf8_by_definition(bytes), text.valid) << "the test's own decoder";
      check_text(bytes);
      check_pieces(bytes);
      if (HasFatalFailure()) return;
    }
  }
}

TEST(Utf8, EverySequenceOfThreeBytes) {
  for (unsigned bytes = 0; bytes < 1u << 24; ++bytes) {
    const std::array<char, 3> text{static_cast<char>(bytes >> 16), static_cast<char>(bytes >> 8),
                                   static_cast<char>(bytes)};
    // All with a first byte above ASCII; of those below only a few, as the rest is shorter
    // sequences again.
    if (bytes >> 16 < 0x7e) continue;
    const std::string_view view(text.data(), text.size());
    ASSERT_EQ(detail::is_utf8_scalar(as_bytes(view)), is_utf8_by_definition(view))
        << std::hex << bytes;
  }
}

TEST(Utf8, EveryCodePoint) {
  for (std::uint32_t point = 0; point <= 0x110400; ++point) {
    const std::string text = encode(point);
    const bool valid = point <= 0x10ffff && (point < 0xd800 || point > 0xdfff);
    ASSERT_EQ(detail::is_utf8_scalar(as_bytes(text)), valid) << std::hex << point;
    ASSERT_EQ(detail::is_utf8_beyond_ascii(as_bytes(text)), valid) << std::hex << point;
  }
}

TEST(Utf8, EveryAsciiKernelFindsEveryByteAtAllLengthsAndAlignments) {
  alignas(64) std::array<std::byte, 600 + 64 + kReadPadding_bytes> memory;
  for (const Kernel kernel : kernels_available()) {
    SCOPED_TRACE(name(kernel));
    const auto is_ascii_kernel = detail::kernel_table(kernel).is_ascii;
    for (std::size_t length = 0; length <= 600; ++length) {
      for (std::size_t alignment = 0; alignment < 64; ++alignment) {
        std::byte* const bytes = memory.data() + alignment;
        memory.fill(std::byte{0xff});  // what lies around must not matter
        std::fill_n(bytes, length, std::byte{0x7f});
        ASSERT_TRUE(is_ascii_kernel(bytes, length)) << length << " at " << alignment;
        ASSERT_TRUE(detail::is_ascii_padded(bytes, length)) << length << " at " << alignment;
        if (length == 0) continue;
        // One bad byte, at a place that goes over the whole length as the alignments go.
        const std::size_t at = (alignment * length + length / 2) / 64 % length;
        bytes[at] = std::byte{0x80};
        ASSERT_FALSE(is_ascii_kernel(bytes, length))
            << length << " at " << alignment << ", byte " << at;
        ASSERT_FALSE(detail::is_ascii_padded(bytes, length))
            << length << " at " << alignment << ", byte " << at;
      }
    }
  }
}

TEST(Utf8, EveryAsciiKernelFindsABadByteAtEveryPlace) {
  std::array<std::byte, 600 + kReadPadding_bytes> bytes;
  for (const Kernel kernel : kernels_available()) {
    for (const std::size_t length :
         {1u, 15u, 16u, 31u, 32u, 33u, 63u, 64u, 65u, 127u, 128u, 129u, 255u, 256u, 257u, 600u}) {
      bytes.fill(std::byte{0x00});
      for (std::size_t at = 0; at < length; ++at) {
        bytes[at] = std::byte{0x80};
        ASSERT_FALSE(detail::kernel_table(kernel).is_ascii(bytes.data(), length))
            << name(kernel) << length << at;
        ASSERT_FALSE(detail::is_ascii_padded(bytes.data(), length)) << length << at;
        bytes[at] = std::byte{0x00};
      }
    }
  }
}

// Random text of all lengths of sequence, sometimes with one byte changed.
std::string random_text(std::mt19937_64& random, std::size_t length) {
  std::string text;
  const unsigned ascii_of_8 = static_cast<unsigned>(random() % 9);
  while (text.size() < length) {
    const unsigned bits = random() % 8 < ascii_of_8 ? 7 : 7 + static_cast<unsigned>(random() % 15);
    const auto point = static_cast<std::uint32_t>(random() & ((1u << bits) - 1));
    if (point <= 0x10ffff && (point < 0xd800 || point > 0xdfff)) text += encode(point);
  }
  if (random() % 2 == 0 && !text.empty())
    text[random() % text.size()] = static_cast<char>(random());
  return text;
}

TEST(Utf8, TheKernelsAgreeAtAllLengthsAndAlignments) {
  SCOPED_TRACE(testing::Message() << "seed " << kSeed);
  std::mt19937_64 random(kSeed);
  for (std::size_t length = 0; length <= 600; ++length) {
    for (std::size_t alignment = 0; alignment < 64; ++alignment) {
      const std::string text = std::string(alignment, '\xff') + random_text(random, length);
      check_text(std::string_view(text).substr(alignment));
      if (HasFatalFailure()) return;
    }
  }
}

TEST(Utf8, PiecesOfRandomSizesAgreeWithTheWhole) {
  SCOPED_TRACE(testing::Message() << "seed " << kSeed);
  std::mt19937_64 random(kSeed);
  for (int round = 0; round < 20000; ++round) {
    const std::string text = random_text(random, random() % 400);
    Utf8Validator validator;
    bool good = true;
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t bytes = std::min<std::size_t>(random() % 90, text.size() - at);
      const bool fed = validator.feed(as_bytes(std::string_view(text).substr(at, bytes)));
      ASSERT_FALSE(!good && fed) << "good again after it was refused";
      good = fed;
      at += bytes;
    }
    ASSERT_EQ(good && validator.finish(), is_utf8_by_definition(text)) << "round " << round;
  }
}

TEST(Utf8, ThePrefixIsTheLongestOfWholeCharacters) {
  EXPECT_EQ(utf8_prefix(as_bytes("")).size(), 0u);
  EXPECT_EQ(utf8_prefix(as_bytes("abc")).size(), 3u);
  EXPECT_EQ(utf8_prefix(as_bytes("ab\xe2\x82")).size(), 2u);
  EXPECT_EQ(utf8_prefix(as_bytes("ab\xe2\x82\xac"
                                 "c\xff"
                                 "d"))
                .size(),
            6u);
}

TEST(Utf8, ResetForgets) {
  Utf8Validator validator;
  EXPECT_FALSE(validator.feed(as_bytes("\xff")));
  EXPECT_FALSE(validator.feed(as_bytes("fine")));
  EXPECT_FALSE(validator.finish());
  validator.reset();
  EXPECT_TRUE(validator.feed(as_bytes("fine")));
  EXPECT_TRUE(validator.finish());
}

RC_GTEST_PROP(Utf8Property, ArbitraryBytesCutAnywhere, ()) {
  const auto text = *rc::gen::container<std::string>(
      rc::gen::element('a', '\xc3', '\xa9', '\xe2', '\x82', '\xac', '\xf0', '\x9f', '\x98', '\x80',
                       '\xed', '\xa0', '\xf4'));
  const auto cut = *rc::gen::inRange<std::size_t>(0, text.size() + 1);
  RC_ASSERT(stream_whole(text, cut) == is_utf8_by_definition(text));
}

}  // namespace
}  // namespace zenwire
