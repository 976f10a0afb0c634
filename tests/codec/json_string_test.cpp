#include <algorithm>
#include <csignal>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <zenwire/codec/json_string.hpp>

namespace zenwire {
namespace {

constexpr std::size_t kGuard_bytes = 64;
constexpr char kGuard = '\x5a';

class JsonString : public testing::TestWithParam<Kernel> {
 protected:
  void SetUp() override {
    if (detail::json_string_table(GetParam()).kernel != GetParam()) {
      GTEST_SKIP() << "this processor has no " << name(GetParam()) << " kernel for JSON strings";
    }
  }

  const detail::JsonStringTable& table() const { return detail::json_string_table(GetParam()); }

  // Through the kernel, at this offset from an aligned address, checking what it may touch.
  std::string escape(std::string_view text, std::size_t offset = 0) const {
    std::vector<char> from(offset + text.size());
    std::copy(text.begin(), text.end(), from.begin() + static_cast<std::ptrdiff_t>(offset));
    const std::size_t room = json_escaped_max(text.size());
    std::vector<char> to(offset + room + kGuard_bytes, kGuard);
    const JsonEscaped escaped =
        table().escape(to.data() + offset, from.data() + offset, text.size());
    bool ascii = true;
    for (const char byte : text) ascii &= static_cast<unsigned char>(byte) < 0x80;
    EXPECT_EQ(escaped.ascii, ascii);
    for (std::size_t at = 0; at < offset; ++at) EXPECT_EQ(to[at], kGuard);
    for (std::size_t at = offset + room; at < to.size(); ++at) EXPECT_EQ(to[at], kGuard);
    for (std::size_t at = offset; at < offset + room; ++at) {
      EXPECT_GE(static_cast<unsigned char>(to[at]), 0x20) << "a control character at " << at;
    }
    return {to.data() + offset, escaped.bytes};
  }

  std::optional<std::string> unescape(std::string_view text, std::size_t offset = 0) const {
    std::vector<char> from(offset + text.size());
    std::copy(text.begin(), text.end(), from.begin() + static_cast<std::ptrdiff_t>(offset));
    std::vector<char> to(offset + text.size() + kGuard_bytes, kGuard);
    const std::size_t bytes =
        table().unescape(to.data() + offset, from.data() + offset, text.size());
    for (std::size_t at = 0; at < offset; ++at) EXPECT_EQ(to[at], kGuard);
    for (std::size_t at = offset + text.size(); at < to.size(); ++at) EXPECT_EQ(to[at], kGuard);
    if (bytes == detail::kJsonMalformed) return std::nullopt;
    return std::string(to.data() + offset, bytes);
  }
};

INSTANTIATE_TEST_SUITE_P(Kernels, JsonString,
                         testing::Values(Kernel::scalar, Kernel::avx2, Kernel::avx512),
                         [](const auto& param) { return std::string(name(param.param)); });

TEST_P(JsonString, escapes_what_json_demands_and_no_more) {
  struct Case {
    std::string_view from, to;
  };
  static constexpr Case kCases[] = {
      {"", ""},
      {"a", "a"},
      {"\"", "\\\""},
      {"\\", "\\\\"},
      {"/", "/"},
      {"\b\f\n\r\t", "\\b\\f\\n\\r\\t"},
      {std::string_view("\0\x1f\x7f", 3), "\\u0000\\u001f\x7f"},
      {"\xc3\xa9\xf0\x9f\x98\x80", "\xc3\xa9\xf0\x9f\x98\x80"},
      {R"({"a":"b\\"})", R"({\"a\":\"b\\\\\"})"},
  };
  for (const Case& c : kCases) {
    EXPECT_EQ(escape(c.from), c.to);
    EXPECT_EQ(unescape(c.to), c.from);
  }
}

TEST_P(JsonString, unescapes_every_escape_and_refuses_what_is_not_one) {
  struct Case {
    std::string_view from;
    std::optional<std::string_view> to;
  };
  static constexpr Case kCases[] = {
      {R"(\/\b\f\n\r\t\"\\)", "/\b\f\n\r\t\"\\"},
      {R"(\u0041\u00e9\u20AC)", "A\xc3\xa9\xe2\x82\xac"},
      {R"(\uD83D\uDE00)", "\xf0\x9f\x98\x80"},
      {R"(\udbff\udfff)", "\xf4\x8f\xbf\xbf"},
      {R"(\u0000)", std::string_view("\0", 1)},
      {R"(\)", {}},        // cut
      {R"(abc\)", {}},     //
      {R"(\u12)", {}},     //
      {R"(\u123)", {}},    //
      {R"(\x41)", {}},     // unknown
      {R"(\')", {}},       //
      {R"(\u12g4)", {}},   //
      {R"(\u 123)", {}},   //
      {R"(\ud83d)", {}},   // half a pair
      {R"(\ud83dx)", {}},  //
      {R"(\ud83d\u0041)", {}},
      {R"(\ud83d\ud83d)", {}},
      {R"(\ude00)", {}},
      {"\"", {}},  // unescaped
      {"\n", {}},  //
      {std::string_view("\0", 1), {}},
  };
  // Each alone, and at every place around the edges of the blocks.
  for (std::size_t before = 0; before < 140; ++before) {
    for (const std::size_t behind : {std::size_t{0}, std::size_t{1}, std::size_t{70}}) {
      for (const Case& c : kCases) {
        const std::string x(before, 'x');
        const std::string y(behind, 'y');
        std::optional<std::string> expected;
        if (c.to) expected = x + std::string(*c.to) + y;
        ASSERT_EQ(unescape(x + std::string(c.from) + y), expected) << c.from << " at " << before;
      }
    }
  }
}

TEST_P(JsonString, agrees_with_the_scalar_kernel_at_every_length_and_alignment) {
  constexpr unsigned kSeed = 20260;
  SCOPED_TRACE(testing::Message() << "seed " << kSeed);
  std::mt19937 random(kSeed);
  // From all backslashes to none of what is special.
  static constexpr std::string_view kAlphabets[] = {
      "\\", "\"\\", "\"a", "ab\"\\/nu0\n\x01", "abcdefghij\"", "abc\xc3\xa9"};
  const auto& scalar = detail::json_string_table(Kernel::scalar);
  for (std::size_t length = 0; length < 200; ++length) {
    for (std::size_t offset = 0; offset < 64; offset += length < 70 ? 1 : 7) {
      const std::string_view alphabet = kAlphabets[random() % std::size(kAlphabets)];
      std::string text(length, ' ');
      for (char& byte : text) byte = alphabet[random() % alphabet.size()];
      std::vector<char> expected(json_escaped_max(length));
      const JsonEscaped escaped = scalar.escape(expected.data(), text.data(), length);
      ASSERT_EQ(escape(text, offset), std::string_view(expected.data(), escaped.bytes));
      ASSERT_EQ(unescape(std::string_view(expected.data(), escaped.bytes), offset), text);
      std::vector<char> meant(length);
      const std::size_t bytes = scalar.unescape(meant.data(), text.data(), length);
      const auto got = unescape(text, offset);
      ASSERT_EQ(got.has_value(), bytes != detail::kJsonMalformed) << text;
      if (got) {
        ASSERT_EQ(*got, std::string_view(meant.data(), bytes));
      }
    }
  }
}

// A process may be killed at any store: what a recording holds then must be no line of its own.
// Here the store that has no page ends it, at each place of a block.
TEST_P(JsonString, no_control_character_is_written_even_for_a_moment) {
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  std::string text;
  for (std::size_t i = 0; i < page; ++i) text += i % 3 == 0 ? '\n' : 'x';
  char* const pages = static_cast<char*>(
      ::mmap(nullptr, 2 * page, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  ASSERT_NE(pages, MAP_FAILED);
  ASSERT_EQ(::mprotect(pages + page, page, PROT_NONE), 0);
  for (std::size_t offset = 0; offset < 64; ++offset) {
    std::fill_n(pages, page, kGuard);
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      ::signal(SIGSEGV, [](int) { ::_exit(0); });
      table().escape(pages + offset, text.data(), text.size());
      ::_exit(1);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << "it was not cut off";
    EXPECT_EQ(std::string_view(pages, page).find('\n'), std::string_view::npos);
  }
  ::munmap(pages, 2 * page);
}

TEST_P(JsonString, every_byte_at_every_place_of_two_blocks_comes_back) {
  for (unsigned byte = 0; byte < 256; ++byte) {
    for (std::size_t place = 0; place < 130; ++place) {
      std::string text(130, 'x');
      text[place] = static_cast<char>(byte);
      ASSERT_EQ(unescape(escape(text)), text) << byte << " at " << place;
    }
  }
}

RC_GTEST_PROP(JsonStringProperty, any_bytes_come_back, (const std::string& text)) {
  std::string escaped(json_escaped_max(text.size()), '\0');
  escaped.resize(json_escape(escaped.data(), as_bytes(text)).bytes);
  std::string back(escaped.size(), '\0');
  const auto bytes = json_unescape(back.data(), escaped);
  RC_ASSERT(bytes.has_value());
  back.resize(*bytes);
  RC_ASSERT(back == text);
}

}  // namespace
}  // namespace zenwire
