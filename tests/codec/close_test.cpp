// Close codes and payloads: RFC 6455, sections 5.5.1, 7.4.1 and 7.4.2; Autobahn 7.*.

#include <array>
#include <string>

#include <gtest/gtest.h>

#include <zenwire/codec/close.hpp>
#include <zenwire/codec/utf8.hpp>

namespace zenwire {
namespace {

std::string payload(std::uint16_t code, std::string_view reason = {}) {
  std::string bytes{static_cast<char>(code >> 8), static_cast<char>(code & 0xff)};
  return bytes.append(reason);
}

TEST(Close, CodesThatMayBeReceived) {
  for (unsigned code = 0; code <= 65535; ++code) {
    const bool may = (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
                     (code >= 3000 && code <= 4999);
    ASSERT_EQ(close_code_may_be_received(static_cast<std::uint16_t>(code)), may) << code;
    ASSERT_EQ(close_code_may_be_sent(static_cast<std::uint16_t>(code), Role::client), may) << code;
    ASSERT_EQ(close_code_may_be_sent(static_cast<std::uint16_t>(code), Role::server),
              may && code != 1010)
        << code;
  }
}

struct Parsed {
  const char* what;
  std::string payload;
  std::uint16_t code;
  std::string reason;
  Errc error;
};

TEST(Close, ParsesTheTable) {
  const std::string reason_123(123, '*');
  const std::vector<Parsed> table = {
      {"Autobahn 7.3.1: empty", "", 1005, "", Errc::ok},
      {"Autobahn 7.3.2: one byte", "a", 1005, "", Errc::close_payload_invalid},
      {"Autobahn 7.3.3: code alone", payload(1000), 1000, "", Errc::ok},
      {"Autobahn 7.3.4: with reason", payload(1000, "Hello World!"), 1000, "Hello World!",
       Errc::ok},
      {"Autobahn 7.3.5: reason of 123", payload(1000, reason_123), 1000, reason_123, Errc::ok},
      {"Autobahn 7.5.1: reason not UTF-8",
       payload(1000,
               "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80\x65\x64\x69\x74\x65\x64"),
       1000, "", Errc::text_not_utf8},
      {"reason cut in a character", payload(1000, "\xe2\x82"), 1000, "", Errc::text_not_utf8},
      {"7.4.1: 1005 on the wire", payload(1005), 1005, "", Errc::close_code_invalid},
      {"invalid code and reason: the code is named", payload(999, "\xff"), 999, "",
       Errc::close_code_invalid},
  };
  for (const Parsed& row : table) {
    SCOPED_TRACE(row.what);
    const ClosePayload close = parse_close(as_bytes(row.payload));
    EXPECT_EQ(close.code, row.code);
    EXPECT_EQ(close.reason, row.reason);
    EXPECT_EQ(close.error, row.error);
  }
}

TEST(Close, Autobahn77And79) {
  for (const int valid :
       {1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999}) {
    EXPECT_EQ(parse_close(as_bytes(payload(static_cast<std::uint16_t>(valid)))).error, Errc::ok)
        << valid;
  }
  for (const int invalid : {0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999, 5000, 65535}) {
    const ClosePayload close = parse_close(as_bytes(payload(static_cast<std::uint16_t>(invalid))));
    EXPECT_EQ(close.error, Errc::close_code_invalid) << invalid;
  }
}

std::string written(std::uint16_t code, std::string_view reason = {}) {
  std::array<std::byte, kControlPayload_bytes_max + 1> to;
  to.fill(std::byte{0xee});
  const std::byte* const end = write_close_payload(to.data(), code, reason);
  EXPECT_EQ(to.back(), std::byte{0xee}) << "wrote beyond a control frame's payload";
  return std::string(as_text({to.data(), end}));
}

TEST(Close, WritesWhatItParses) {
  EXPECT_EQ(written(CloseCode::no_status), "");
  EXPECT_EQ(written(CloseCode::no_status, "unsaid"), "");
  EXPECT_EQ(written(CloseCode::normal), payload(1000));
  EXPECT_EQ(written(4999, "done"), payload(4999, "done"));
  EXPECT_EQ(written(1000, std::string(123, 'x')), payload(1000, std::string(123, 'x')));
}

TEST(Close, CutsTheReasonBetweenCharacters) {
  const std::string euro = "\xe2\x82\xac";
  for (std::size_t ascii = 115; ascii <= 124; ++ascii) {
    std::string reason(ascii, 'x');
    for (int i = 0; i < 5; ++i) reason += euro;
    const std::string cut = written(1001, reason).substr(2);
    EXPECT_LE(cut.size(), kCloseReason_bytes_max);
    EXPECT_GT(cut.size() + euro.size(), kCloseReason_bytes_max) << "cut more than was needed";
    EXPECT_TRUE(is_utf8(as_bytes(cut)));
    EXPECT_EQ(reason.substr(0, cut.size()), cut);
  }
}

TEST(Close, NeverSendsAReasonThatIsNotUtf8) {
  EXPECT_EQ(written(1000, "good\xff bad"), payload(1000, "good"));
  EXPECT_EQ(written(1000, "\xc3"), payload(1000));
}

TEST(Close, TheCodeThatAnswersAnError) {
  EXPECT_EQ(close_code_for(Errc::ok), 1000);
  EXPECT_EQ(close_code_for(Errc::frame_reserved_bits), 1002);
  EXPECT_EQ(close_code_for(Errc::frame_continuation_expected), 1002);
  EXPECT_EQ(close_code_for(Errc::close_code_invalid), 1002);
  EXPECT_EQ(close_code_for(Errc::close_payload_invalid), 1002);
  EXPECT_EQ(close_code_for(Errc::text_not_utf8), 1007);
  EXPECT_EQ(close_code_for(Errc::deflate_invalid), 1007);
  EXPECT_EQ(close_code_for(Errc::frame_too_large), 1009);
  EXPECT_EQ(close_code_for(Errc::message_too_large), 1009);
  EXPECT_EQ(close_code_for(Errc::message_too_many_fragments), 1009);
  EXPECT_EQ(close_code_for(Errc::deflate_too_large), 1009);
  EXPECT_EQ(close_code_for(Errc::connection_lost), 1011);
}

TEST(Close, NamesItsCodes) {
  EXPECT_EQ(close_code_name(1000), "normal");
  EXPECT_EQ(close_code_name(1007), "invalid_payload");
  EXPECT_EQ(close_code_name(3500), "registered");
  EXPECT_EQ(close_code_name(4000), "private");
  EXPECT_EQ(close_code_name(1004), "unknown");
  EXPECT_EQ(close_code_name(5000), "unknown");
  for (std::uint16_t code = 1000; code <= 1014; ++code) {
    EXPECT_EQ(close_code_name(code) != "unknown", code != 1004) << code;
  }
}

using CloseDeathTest = testing::Test;

TEST(CloseDeathTest, ACodeThatMayNotBeOnTheWireIsAProgrammersError) {
  std::array<std::byte, kControlPayload_bytes_max> to;
  EXPECT_DEATH(write_close_payload(to.data(), 1006), "close_code_may_be_received");
}

}  // namespace
}  // namespace zenwire
