// RFC 9112 as far as a WebSocket handshake needs it: where a head ends, however it is cut; what is
// refused; and the limits.

#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <zenwire/codec/http_head.hpp>

namespace zenwire {
namespace {

constexpr std::string_view kAnswer =
    "HTTP/1.1 101 Switching Protocols\r\n"
    "Upgrade: websocket\r\n"
    "connection:\t Upgrade \r\n"
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
    "X-Empty:\r\n"
    "Set-Cookie: a=1; b=\"\xc3\xa9\"\r\n"
    "Set-Cookie: c=2\r\n"
    "\r\n";

constexpr std::string_view kRequest =
    "GET /chat?x=1 HTTP/1.1\r\n"
    "Host: server.example.com\r\n"
    "Upgrade: websocket\r\n"
    "\r\n";

Result<std::size_t> find_whole(std::string_view text, const HttpLimits& limits = {}) {
  HttpHeadState state;
  return find_head(as_bytes(text), state, limits);
}

// Grows by `step` bytes at a time, as a socket might deliver it.
Result<std::size_t> find_in_steps(std::string_view text, std::size_t step,
                                  const HttpLimits& limits = {}) {
  HttpHeadState state;
  for (std::size_t bytes = 0;; bytes += step) {
    const auto found = find_head(as_bytes(text.substr(0, bytes)), state, limits);
    if (!found || *found != 0 || bytes >= text.size()) return found;
  }
}

HttpResponseHead answer_of(std::string_view text) {
  return parse_response_head(as_bytes(text)).value();
}

TEST(FindHead, FindsTheEndHoweverItIsCut) {
  for (const std::string_view head : {kAnswer, kRequest}) {
    const std::string with_more = std::string(head) + "\x81\x05Hello";
    EXPECT_EQ(find_whole(with_more).value(), head.size());
    for (std::size_t step = 1; step <= with_more.size(); ++step)
      ASSERT_EQ(find_in_steps(with_more, step).value(), head.size()) << step;
  }
}

TEST(FindHead, AsksForMoreAtEveryCut) {
  for (std::size_t cut = 0; cut < kAnswer.size(); ++cut) {
    HttpHeadState state;
    ASSERT_EQ(find_head(as_bytes(kAnswer.substr(0, cut)), state).value(), 0u) << cut;
    ASSERT_EQ(state.scanned_bytes, cut) << "each byte is looked at once";
    ASSERT_EQ(find_head(as_bytes(kAnswer), state).value(), kAnswer.size()) << cut;
  }
}

struct Malformed {
  std::string_view text;
  std::string_view detail;
};

TEST(FindHead, RefusesAtTheFirstByteThatShowsIt) {
  using namespace std::string_view_literals;
  constexpr Malformed kCases[] = {
      {"\r\n"sv, "a start line that is not HTTP at byte 0"},
      {" HTTP/1.1 101 OK\r\n"sv, "a start line that is not HTTP at byte 0"},
      {"\x15\x03\x01"sv, "a start line that is not HTTP at byte 0"},
      {"\0"sv, "a NUL byte at byte 0"},
      {"HTTP/1.1 101 \0"sv, "a NUL byte at byte 13"},
      {"HTTP/1.1 101\n"sv, "an LF without CR at byte 12"},
      {"HTTP/1.1 101\rX"sv, "a CR without LF at byte 13"},
      {"HTTP/1.1 101\r\r\n"sv, "a CR without LF at byte 13"},
      {"HTTP/1.1\x01"sv, "a control character at byte 8"},
      {"HTTP/1.1\x7f"sv, "a control character at byte 8"},
      {"A b\r\n C: d"sv, "a folded header line at byte 5"},
      {"A b\r\nC: d\r\n\te"sv, "a folded header line at byte 11"},
      {"A b\r\nC : d"sv, "a space before the colon at byte 6"},
      {"A b\r\nC\t: d"sv, "a space before the colon at byte 6"},
      {"A b\r\nC\r\n"sv, "a header line without a colon at byte 6"},
      {"A b\r\n: d"sv, "a character that a header name cannot hold at byte 5"},
      {"A b\r\nC(: d"sv, "a character that a header name cannot hold at byte 6"},
      {"A b\r\n\xc3\xa9: d"sv, "a character that a header name cannot hold at byte 5"},
      {"A b\r\nC\0: d"sv, "a NUL byte at byte 6"},
      {"A b\r\nC: d\0"sv, "a NUL byte at byte 9"},
      {"A b\r\nC: d\x1f"sv, "a control character at byte 9"},
      {"A b\r\nC: d\n"sv, "an LF without CR at byte 9"},
      {"A b\r\nC: d\re"sv, "a CR without LF at byte 10"},
      {"A b\r\n\n"sv, "an LF without CR at byte 5"},
      {"A b\r\n\rX"sv, "a CR without LF at byte 6"},
      {"A b\r\n\r\r\n"sv, "a CR without LF at byte 6"},
  };
  for (const auto& [text, detail] : kCases) {
    const auto whole = find_whole(text);
    ASSERT_FALSE(whole) << detail;
    EXPECT_EQ(whole.error().code(), Errc::http_malformed);
    EXPECT_EQ(whole.error().detail(), detail);
    const auto stepwise = find_in_steps(text, 1);
    ASSERT_FALSE(stepwise) << detail;
    EXPECT_EQ(stepwise.error().detail(), detail);
  }
}

TEST(FindHead, LimitsTheBytesExactly) {
  HttpLimits limits;
  limits.head_bytes_max = kAnswer.size();
  EXPECT_EQ(find_whole(kAnswer, limits).value(), kAnswer.size());
  EXPECT_EQ(find_whole(std::string(kAnswer) + "more", limits).value(), kAnswer.size());
  EXPECT_EQ(find_in_steps(kAnswer, 1, limits).value(), kAnswer.size());
  limits.head_bytes_max = kAnswer.size() - 1;
  for (const auto& found : {find_whole(kAnswer, limits), find_in_steps(kAnswer, 1, limits)}) {
    ASSERT_FALSE(found);
    EXPECT_EQ(found.error().code(), Errc::http_header_too_large);
  }
}

TEST(FindHead, NeedsNoEndToSeeThatThereIsNone) {
  const std::string endless = "HTTP/1.1 101 OK\r\nX: " + std::string(20000, 'a');
  HttpHeadState state;
  EXPECT_EQ(find_head(as_bytes(endless).first(16383), state).value(), 0u);
  const auto found = find_head(as_bytes(endless).first(16384), state);
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code(), Errc::http_header_too_large);
  EXPECT_EQ(found.error().detail(), "the head has no end within 16384 bytes");
}

TEST(FindHead, LimitsTheFieldsExactly) {
  const auto head_with = [](std::size_t fields) {
    std::string text = "HTTP/1.1 101 OK\r\n";
    for (std::size_t i = 0; i < fields; ++i) text += "A: b\r\n";
    return text + "\r\n";
  };
  EXPECT_TRUE(find_whole(head_with(100)));
  const auto found = find_whole(head_with(101));
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code(), Errc::http_header_too_large);
  EXPECT_EQ(found.error().detail(), "the head has no end within 100 header fields");

  HttpLimits generous;
  generous.headers_max = 1'000'000;
  EXPECT_TRUE(find_whole(head_with(kHttpHeaders_max), generous));
  EXPECT_FALSE(find_whole(head_with(kHttpHeaders_max + 1), generous));
  EXPECT_EQ(answer_of(head_with(kHttpHeaders_max)).headers.count(), kHttpHeaders_max);
  EXPECT_EQ(parse_response_head(as_bytes(head_with(kHttpHeaders_max + 1))).error().code(),
            Errc::http_header_too_large);
}

TEST(ResponseHead, ReadsStatusReasonAndFields) {
  const HttpResponseHead head = answer_of(kAnswer);
  EXPECT_EQ(head.status, 101);
  EXPECT_EQ(head.version_minor, 1);
  EXPECT_EQ(head.reason, "Switching Protocols");
  EXPECT_EQ(head.headers.count(), 6u);
  EXPECT_EQ(head.find("UPGRADE"), "websocket");
  EXPECT_EQ(head.find("Connection"), "Upgrade");
  EXPECT_EQ(head.find("x-empty"), "");
  EXPECT_EQ(head.find("Set-Cookie"), "a=1; b=\"\xc3\xa9\"");
  EXPECT_EQ(head.headers.count("set-cookie"), 2u);
  EXPECT_EQ(head.headers.all().back().name, "Set-Cookie");
  EXPECT_EQ(head.find("X"), std::nullopt);
}

TEST(ResponseHead, ReadsEveryFormOfStatusLine) {
  struct Line {
    std::string_view text;
    int status;
    int version_minor;
    std::string_view reason;
  };
  constexpr Line kLines[] = {
      {"HTTP/1.1 200 OK", 200, 1, "OK"},
      {"HTTP/1.0 503 Busy", 503, 0, "Busy"},
      {"HTTP/1.1 404 ", 404, 1, ""},
      {"HTTP/1.1 404", 404, 1, ""},
      {"HTTP/1.1 999 \xe9t\xe9", 999, 1, "\xe9t\xe9"},
      {"HTTP/1.1 100 a b  c", 100, 1, "a b  c"},
  };
  for (const auto& line : kLines) {
    const std::string text = std::string(line.text) + "\r\n\r\n";
    const HttpResponseHead head = answer_of(text);
    EXPECT_EQ(head.status, line.status) << line.text;
    EXPECT_EQ(head.version_minor, line.version_minor) << line.text;
    EXPECT_EQ(head.reason, line.reason) << line.text;
  }
}

TEST(ResponseHead, RefusesOtherStatusLines) {
  for (const std::string_view line :
       {"", "HTTP/1.1", "HTTP/1.1 ", "HTTP/1.1 1", "HTTP/1.1 99", "HTTP/1.1 099 x", "HTTP/1.1 1000",
        "HTTP/1.1 20x OK", "HTTP/1.1 +20 OK", "HTTP/1.1 -20 OK", "HTTP/1.1  200 OK",
        "HTTP/1.1\t200 OK", "HTTP/2 200", "HTTP/1.2 200 OK", "http/1.1 200 OK", "HTTP/1.1 200OK",
        "ICY 200 OK", "SSH-2.0-OpenSSH_9.2", "HTTP/1.1 2000 OK"}) {
    const auto head = parse_response_head(as_bytes(std::string(line) + "\r\n\r\n"));
    ASSERT_FALSE(head) << line;
    EXPECT_EQ(head.error().code(), Errc::http_malformed) << line;
  }
}

TEST(ResponseHead, RefusesWhatIsNotOneHead) {
  for (const std::string_view text :
       {"", "HTTP/1.1 200 OK", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\n\r",
        "HTTP/1.1 200 OK\r\nA: b\r\n", "HTTP/1.1 200 OK\r\n\r\nbody",
        "HTTP/1.1 200 OK\r\nA b\r\n\r\n", "HTTP/1.1 200 OK\r\n: b\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA : b\r\n\r\n", "HTTP/1.1 200 OK\r\nA: \x01\r\n\r\n"}) {
    EXPECT_FALSE(parse_response_head(as_bytes(text))) << text;
  }
}

TEST(RequestHead, ReadsMethodTargetAndFields) {
  const auto head = parse_request_head(as_bytes(kRequest)).value();
  EXPECT_EQ(head.method, "GET");
  EXPECT_EQ(head.target, "/chat?x=1");
  EXPECT_EQ(head.version_minor, 1);
  EXPECT_EQ(head.find("host"), "server.example.com");
}

TEST(RequestHead, RefusesOtherRequestLines) {
  for (const std::string_view line :
       {"", "GET", "GET /", "GET  HTTP/1.1", "GET / HTTP/1.2", "GET / HTTP/2.0",
        "GET /a b HTTP/1.1", "GET /\t HTTP/1.1", "GET /\xc3\xa9 HTTP/1.1", " GET / HTTP/1.1",
        "G(T / HTTP/1.1", "GET / http/1.1", "GET / HTTP/1.1 ", "GET /  HTTP/1.1"}) {
    const auto head = parse_request_head(as_bytes(std::string(line) + "\r\n\r\n"));
    ASSERT_FALSE(head) << line;
    EXPECT_EQ(head.error().code(), Errc::http_malformed) << line;
  }
}

TEST(HttpHeaders, ReadsListsOverAllOccurrences) {
  const HttpResponseHead head = answer_of(
      "HTTP/1.1 101 x\r\nConnection: keep-alive, Upgrade\r\nConnection: ,x , y,\r\nOther: "
      "z\r\n\r\n");
  for (const std::string_view token : {"upgrade", "keep-alive", "x", "Y"})
    EXPECT_TRUE(head.headers.list_holds("connection", token)) << token;
  for (const std::string_view token : {"keep", "z", "x , y", "Upgrade,"})
    EXPECT_FALSE(head.headers.list_holds("connection", token)) << token;
  EXPECT_FALSE(head.headers.list_holds("missing", "x"));
}

TEST(HttpHeaders, ReadsTheContentLength) {
  const auto length_of = [](std::string_view fields) {
    return content_length(answer_of("HTTP/1.1 200 x\r\n" + std::string(fields) + "\r\n").headers);
  };
  EXPECT_EQ(length_of("Content-Length: 12\r\n"), 12u);
  EXPECT_EQ(length_of("content-length: 0\r\n"), 0u);
  EXPECT_EQ(length_of("Content-Length: 18446744073709551615\r\n"), ~std::uint64_t{0});
  EXPECT_EQ(length_of(""), std::nullopt);
  EXPECT_EQ(length_of("Content-Length: 18446744073709551616\r\n"), std::nullopt);
  EXPECT_EQ(length_of("Content-Length: -1\r\n"), std::nullopt);
  EXPECT_EQ(length_of("Content-Length: 1, 1\r\n"), std::nullopt);
  EXPECT_EQ(length_of("Content-Length: 1\r\nContent-Length: 1\r\n"), std::nullopt);
  EXPECT_EQ(length_of("Content-Length:\r\n"), std::nullopt);
}

TEST(HttpText, KnowsTokens) {
  for (const std::string_view token : {"a", "permessage-deflate", "!#$%&'*+-.^_`|~09azAZ"})
    EXPECT_TRUE(is_token(token)) << token;
  for (const std::string_view text :
       {"", " ", "a b", "a,b", "a/b", "a\"", "a(", "a=b", "\x7f", "\xc3\xa9"})
    EXPECT_FALSE(is_token(text)) << text;
}

// Whatever the bytes: no crash, the same answer however they are cut, and what is found can be read
// or is refused with an error.
RC_GTEST_PROP(FindHead, GivesTheSameAnswerHoweverItIsCut, ()) {
  const auto pieces = *rc::gen::container<std::vector<std::string>>(rc::gen::element<std::string>(
      "HTTP/1.1 101 x", "\r\n", "\r\n\r\n", "\r", "\n", ":", " ", "A", "Upgrade: websocket", "\t",
      std::string(1, '\0'), "\x7f", "\xff", "GET / HTTP/1.1", "Host:a"));
  std::string text;
  for (const std::string& piece : pieces) text += piece;
  const std::size_t step = *rc::gen::inRange<std::size_t>(1, 20);
  HttpLimits limits;
  limits.head_bytes_max = *rc::gen::inRange<std::size_t>(1, 200);
  limits.headers_max = *rc::gen::inRange<std::uint32_t>(0, 5);
  const auto whole = find_whole(text, limits);
  const auto stepwise = find_in_steps(text, step, limits);
  RC_ASSERT(whole.has_value() == stepwise.has_value());
  if (!whole) {
    RC_ASSERT(whole.error().code() == stepwise.error().code());
    RC_ASSERT(whole.error().detail() == stepwise.error().detail());
    return;
  }
  RC_ASSERT(*whole == *stepwise);
  RC_ASSERT(*whole <= limits.head_bytes_max);
  const Bytes head = as_bytes(text).first(*whole);
  if (const auto answer = parse_response_head(head))
    RC_ASSERT(answer->headers.count() <= limits.headers_max);
  (void)parse_request_head(head);
}

RC_GTEST_PROP(ParseHead, IsSafeOnAnyBytes, (const std::string& text)) {
  (void)parse_response_head(as_bytes(text));
  (void)parse_request_head(as_bytes(text));
  (void)parse_response_head(as_bytes("HTTP/1.1 200 " + text + "\r\n\r\n"));
  (void)parse_response_head(as_bytes("HTTP/1.1 200 OK\r\n" + text + "\r\n\r\n"));
  (void)parse_request_head(as_bytes("GET " + text + " HTTP/1.1\r\n\r\n"));
}

}  // namespace
}  // namespace zenwire
