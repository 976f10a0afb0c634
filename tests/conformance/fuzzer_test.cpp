// The fuzzer's own proof: ends that misbehave are found out, each for its own reason.

#include "fuzzer.hpp"

#include <functional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace zenwire::test {
namespace {

// A server's bytes, as a script of answers: one for what is sent before each receive().
class ScriptedEnd final : public Wire {
 public:
  explicit ScriptedEnd(std::vector<std::optional<std::string>> answers)
      : answers_(std::move(answers)) {}
  void send(std::string_view) override {}
  std::optional<std::string> receive() override {
    if (next_ == answers_.size()) return std::nullopt;
    return answers_[next_++];
  }
  bool is_quiet() override { return next_ == answers_.size(); }
  void end() override {}

 private:
  std::vector<std::optional<std::string>> answers_;
  std::size_t next_ = 0;
};

const std::string kHead =
    "HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: "
    "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
const std::string kEnd;  // of the stream

std::string bytes(const Frame& frame) {
  return encode(frame, FuzzerRole::server, 0);
}

const Frame kEcho{kText, "text"};
const std::string kClosed = bytes(close_frame(1000));

struct Misbehaviour {
  const char* name;
  Script script;
  std::vector<std::optional<std::string>> answers;
  const char* verdict;  // a part of it; empty: all is well
};

Script echo_script() {
  return echoes({kEcho}, {{kText, "text"}});
}

class FuzzerFindsOut : public testing::TestWithParam<Misbehaviour> {};

TEST_P(FuzzerFindsOut, why) {
  auto answers = GetParam().answers;
  answers.insert(answers.begin(), kHead);
  ScriptedEnd end(answers);
  Fuzzer fuzzer(end, FuzzerRole::client);
  ASSERT_TRUE(fuzzer.connect()) << fuzzer.error();
  const std::string verdict = fuzzer.run(GetParam().script);
  if (*GetParam().verdict == '\0') {
    EXPECT_EQ(verdict, "");
  } else {
    EXPECT_NE(verdict.find(GetParam().verdict), std::string::npos) << verdict;
  }
}

const Script kRefusal = refuses({{3}}, {}, kProtocolError);

INSTANTIATE_TEST_SUITE_P(
    Table, FuzzerFindsOut,
    testing::Values(
        Misbehaviour{"nothing", echo_script(), {bytes(kEcho) + kClosed, kEnd}, ""},
        Misbehaviour{"a_missing_echo", echo_script(), {kClosed, kEnd}, "got [ ]"},
        Misbehaviour{
            "another_echo", echo_script(), {bytes({kText, "next"}) + kClosed, kEnd}, "1:next"},
        Misbehaviour{"an_echo_too_many",
                     echo_script(),
                     {bytes(kEcho) + bytes(kEcho) + kClosed, kEnd},
                     "1:text 1:text"},
        Misbehaviour{"an_echo_after_the_close_frame",
                     echo_script(),
                     {kClosed + bytes(kEcho), kEnd},
                     "after the close frame"},
        Misbehaviour{"bytes_after_the_close_frame",
                     echo_script(),
                     {bytes(kEcho) + kClosed, "x", kEnd},
                     "bytes after the close frame"},
        Misbehaviour{"silence", echo_script(), {}, "silent"},
        Misbehaviour{"no_close_frame", echo_script(), {bytes(kEcho), kEnd}, "without a close"},
        Misbehaviour{"a_stream_left_open", echo_script(), {bytes(kEcho) + kClosed}, "silent"},
        Misbehaviour{"another_code",
                     echo_script(),
                     {bytes(kEcho) + bytes(close_frame(1002)), kEnd},
                     "closed with 1002"},
        Misbehaviour{"a_masked_server",
                     echo_script(),
                     {bytes({.opcode = kText, .payload = "text", .masked_wrongly = true})},
                     "masked by the wrong end"},
        Misbehaviour{"a_long_length",
                     echo_script(),
                     {bytes({.opcode = kText, .payload = "text", .length_bytes = 2})},
                     "not needed"},
        Misbehaviour{"reserved_bits", echo_script(), {bytes({kText, "text", true, 2})}, "reserved"},
        Misbehaviour{"rsv1_without_deflate", echo_script(), {bytes({kText, "t", true, 4})}, "RSV1"},
        Misbehaviour{"a_stray_continuation",
                     echo_script(),
                     {bytes({kContinuation, "text"})},
                     "out of place"},
        Misbehaviour{
            "a_long_pong", echo_script(), {bytes({kPong, std::string(126, 'x')})}, "malformed"},
        Misbehaviour{"a_refusal", kRefusal, {bytes(close_frame(1002)), kEnd}, ""},
        Misbehaviour{"a_refusal_with_another_code",
                     kRefusal,
                     {bytes(close_frame(1007)), kEnd},
                     "closed with 1007"},
        Misbehaviour{"a_refusal_that_does_not_come", kRefusal, {}, "silent"},
        Misbehaviour{
            "an_answer_too_early", {{StillOpen{}}}, {bytes(kEcho) + kClosed, kEnd}, "too early"},
        Misbehaviour{"another_echo_in_a_row",
                     {{EchoEach{.count = 2, .payload = [](std::size_t) { return "text"; }}}},
                     {bytes(kEcho), bytes({kText, "else"})},
                     "message 1 was answered with"}),
    [](const auto& at) { return std::string(at.param.name); });

TEST(FuzzerDeflateWindow, finds_out_who_reaches_back_too_far) {
  std::string far;
  for (int i = 0; i < 400; ++i) far += std::to_string(i * 7919);
  far += far;
  FuzzerDeflate wide({}, FuzzerRole::client);
  FuzzerDeflate narrow({.client_window_bits = 9}, FuzzerRole::server);
  EXPECT_EQ(narrow.decompress(wide.compress(far)), std::nullopt);
  FuzzerDeflate as_wide({}, FuzzerRole::server);
  FuzzerDeflate again({}, FuzzerRole::client);
  EXPECT_EQ(as_wide.decompress(again.compress(far)), far);
}

}  // namespace
}  // namespace zenwire::test
