// RFC 6455 by section, in both roles: what an end has to do with what it gets.

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "autobahn_cases.hpp"
#include "engine_verdict.hpp"

namespace zenwire::test {
namespace {

struct Rule {
  const char* section;  // and what it says, as a name
  Script script;
};

Frame text(const std::string& payload) {
  return {kText, payload};
}

// A header that announces a length in more bytes than it needs, or more than there may be.
Frame lengthy(std::uint64_t announced, unsigned bytes) {
  return {.opcode = kBinary, .length_bytes = bytes, .announced = announced};
}

// What every other message is tested with: a text in three fragments, control frames between.
Script interleaved(std::size_t chop) {
  return echoes({{kText, "one ", false},
                 {kPing, "1"},
                 {kContinuation, "two ", false},
                 {kPong, "unasked"},
                 {kPing, "2"},
                 {kContinuation, "three"}},
                {{kPong, "1"}, {kPong, "2"}, {kText, "one two three"}}, chop);
}

// A ping after a close frame, which is not answered any more.
Script nothing_after_close() {
  return {
      {Send{{close_frame(1001, "going"), {kPing, "late"}, text("late")}}}, {}, {.codes = {1001}}};
}

std::vector<Rule> rules() {
  const std::string most(125, 'c');
  const Ending refused{.codes = {kProtocolError}};
  std::vector<Rule> all = {
      {"5_1_masked_as_the_role_demands",
       refuses({{.opcode = kText, .payload = "x", .masked_wrongly = true}}, {}, kProtocolError)},
      {"5_1_control_frames_too",
       refuses({{.opcode = kPing, .masked_wrongly = true}}, {}, kProtocolError)},
      {"5_2_length_of_16_bits_is_minimal", refuses({lengthy(125, 2)}, {}, kProtocolError)},
      {"5_2_length_of_64_bits_is_minimal", refuses({lengthy(65535, 8)}, {}, kProtocolError)},
      {"5_2_length_has_63_bits", refuses({lengthy(std::uint64_t{1} << 63, 8)}, {}, kProtocolError)},
      {"5_2_length_126_is_the_first_of_16_bits",
       echoes({text(std::string(126, 'x'))}, {{kText, std::string(126, 'x')}})},
      {"5_2_length_65536_is_the_first_of_64_bits",
       echoes({text(std::string(65536, 'x'))}, {{kText, std::string(65536, 'x')}})},
      {"5_4_control_frames_between_fragments", interleaved(kOneWrite)},
      {"5_4_control_frames_between_fragments_octet_by_octet", interleaved(1)},
      {"5_4_fragments_may_be_empty",
       echoes({{kBinary, "", false}, {kContinuation, "", false}, {kContinuation, ""}},
              {{kBinary}})},
      {"5_4_no_message_within_a_message",
       refuses({{kText, "one", false}, {kBinary, "two"}}, {}, kProtocolError)},
      {"5_4_no_continuation_of_nothing", refuses({{kContinuation, "x"}}, {}, kProtocolError)},
      {"5_4_no_continuation_of_what_has_ended",
       refuses({text("x"), {kContinuation, "y"}}, {{kText, "x"}}, kProtocolError)},
      {"5_5_control_frames_are_whole", refuses({{kPing, "x", false}}, {}, kProtocolError)},
      {"5_5_control_frames_of_125_bytes", echoes({{kPing, most}}, {{kPong, most}})},
      {"5_5_control_frames_of_126_bytes", refuses({{kPing, most + "c"}}, {}, kProtocolError)},
      {"5_5_1_close_is_answered_with_its_code",
       {{Send{{close_frame(4321, "why")}}}, {}, {.codes = {4321}}}},
      {"5_5_1_an_empty_close_is_answered_with_an_empty_one",
       {{Send{{{kClose}}}}, {}, {.codes = {}, .without_code = true}}},
      {"5_5_1_a_code_has_two_bytes", {{Send{{{kClose, "\x03"}}}}, {}, refused}},
      {"5_5_1_a_reason_is_utf8",
       {{Send{{close_frame(1000, "\xff")}}}, {}, {.codes = {kInvalidPayload}}}},
      {"5_5_1_nothing_follows_a_close", nothing_after_close()},
      {"5_5_1_a_message_in_progress_is_given_up",
       {{Send{{{kText, "half", false}, close_frame(1000)}}}, {}, {}}},
      {"5_5_2_a_ping_is_answered_with_its_payload",
       echoes({{kPing, std::string("\0\xff", 2)}}, {{kPong, std::string("\0\xff", 2)}})},
      {"5_5_3_a_pong_unasked_is_not_answered", echoes({{kPong, "x"}}, {})},
      {"5_6_binary_is_not_looked_into", echoes({{kBinary, "\xff\xfe"}}, {{kBinary, "\xff\xfe"}})},
      {"7_1_7_what_follows_a_failure_is_not_processed",
       refuses({{3, ""}, text("late"), {kPing, "late"}}, {}, kProtocolError)},
      {"7_1_7_what_came_before_a_failure_is",
       refuses({text("before"), {kPing, "p"}, {3, ""}}, {{kText, "before"}, {kPong, "p"}},
               kProtocolError)},
      {"8_1_a_character_may_be_cut_by_fragments",
       echoes({{kText, "\xe2", false}, {kContinuation, "\x82", false}, {kContinuation, "\xac"}},
              {{kText, "\xe2\x82\xac"}})},
      {"8_1_a_character_may_not_be_cut_by_the_end",
       refuses({text("\xe2\x82")}, {}, kInvalidPayload)},
      {"8_1_a_ping_within_a_character",
       echoes({{kText, "\xe2", false}, {kPing, "p"}, {kContinuation, "\x82\xac"}},
              {{kPong, "p"}, {kText, "\xe2\x82\xac"}})},
      {"8_1_characters_of_two_messages_do_not_join",
       refuses({{kText, "\xe2\x82"}, {kText, "\xac"}}, {}, kInvalidPayload)},
  };
  return all;
}

class Rfc6455 : public testing::TestWithParam<Rule> {};

TEST_P(Rfc6455, holds_for_a_server) {
  EXPECT_EQ(engine_verdict(GetParam().script, {.role = Role::server}), "");
}
TEST_P(Rfc6455, holds_for_a_client) {
  EXPECT_EQ(engine_verdict(GetParam().script, {.role = Role::client}), "");
}

INSTANTIATE_TEST_SUITE_P(Section, Rfc6455, testing::ValuesIn(rules()),
                         [](const auto& at) { return std::string(at.param.section); });

constexpr Role kRoles[] = {Role::server, Role::client};

void expect_verdict(const Script& script, EngineEndOptions options, const std::string& of) {
  for (const Role role : kRoles) {
    options.role = role;
    EXPECT_EQ(engine_verdict(script, options), "")
        << of << (role == Role::server ? ", server" : ", client");
  }
}

TEST(Rfc6455Section5_2, every_reserved_bit_is_refused_on_every_opcode) {
  for (const unsigned opcode : {kText, kBinary, kClose, kPing, kPong}) {
    for (unsigned rsv = 1; rsv <= 7; ++rsv) {
      const Frame frame{opcode, opcode == kClose ? close_payload(1000) : "", true, rsv};
      expect_verdict(refuses({frame}, {}, kProtocolError), {},
                     std::to_string(opcode) + " with " + std::to_string(rsv));
    }
  }
}

TEST(Rfc6455Section5_2, every_reserved_opcode_is_refused) {
  for (const unsigned opcode : {3u, 4u, 5u, 6u, 7u, 11u, 12u, 13u, 14u, 15u})
    expect_verdict(refuses({{opcode, "x"}}, {}, kProtocolError), {}, std::to_string(opcode));
}

// Section 7.4: what may be on the wire; the codes 1012 to 1014 are of the IANA registry.
bool is_code(unsigned code) {
  return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
         (code >= 3000 && code <= 4999);
}

TEST(Rfc6455Section7_4, every_code_is_answered_or_refused) {
  for (unsigned code = 0; code <= 5100; code += code < 1020 || code > 2990 ? 1 : 7) {
    const auto answer = static_cast<std::uint16_t>(is_code(code) ? code : kProtocolError);
    expect_verdict({{Send{{close_frame(code)}}}, {}, {.codes = {answer}}}, {},
                   std::to_string(code));
  }
}

// --- Section 8.1: text that is not UTF-8 is refused at its first bad byte, wherever it is cut.

// The table of RFC 3629, section 4, byte by byte.
class Utf8Rule {
 public:
  bool takes(unsigned char byte) {
    if (missing_ == 0) return begin(byte);
    const bool good = byte >= low_ && byte <= high_;
    expect(missing_ - 1, 0x80, 0xbf);
    return good;
  }

 private:
  bool begin(unsigned char byte) {
    const int missing = byte < 0x80 ? 0 : byte < 0xe0 ? 1 : byte < 0xf0 ? 2 : 3;
    expect(missing,
           byte == 0xe0   ? 0xa0
           : byte == 0xf0 ? 0x90
                          : 0x80,
           byte == 0xed   ? 0x9f
           : byte == 0xf4 ? 0x8f
                          : 0xbf);
    return byte < 0x80 || (byte >= 0xc2 && byte <= 0xf4);
  }
  void expect(int missing, int low, int high) {
    missing_ = missing;
    low_ = low;
    high_ = high;
  }

  int missing_ = 0;
  int low_ = 0;
  int high_ = 0;
};

// How many bytes are there when the first bad one has come; none if there is no bad one.
std::size_t bytes_until_bad(const std::string& sequence) {
  Utf8Rule rule;
  for (std::size_t i = 0; i < sequence.size(); ++i) {
    if (!rule.takes(static_cast<unsigned char>(sequence[i]))) return i + 1;
  }
  return 0;
}

// In one frame that would go on for long, a byte a write: still open before, closed at.
Script refused_at(const std::string& prefix, const std::string& sequence, std::size_t bad) {
  const Frame frame{kText, prefix + sequence + std::string(300, 'x')};
  const std::size_t good = prefix.size() + bad - 1;
  Script script{{}, {}, fails_with(kInvalidPayload)};
  for (std::size_t i = 0; i < good; ++i) script.steps.push_back(SendPart{frame, i, i + 1});
  script.steps.push_back(StillOpen{});
  script.steps.push_back(SendPart{frame, good, good + 1});
  return script;
}

Script refused_at_fragment(const std::string& prefix, const std::string& sequence,
                           std::size_t bad) {
  Script script{{Send{{{kText, prefix + sequence.substr(0, bad - 1), false}}}, StillOpen{}},
                {},
                fails_with(kInvalidPayload)};
  script.steps.push_back(Send{{{kContinuation, sequence.substr(bad - 1, 1), false}}});
  return script;
}

TEST(Rfc6455Section8_1, text_is_refused_at_its_first_bad_byte) {
  const std::string prefixes[] = {"x", "\xc3\xa4\xe2\x82\xac",
                                  std::string(70, 'a') + "\xf0\x9f\x9a\x80"};
  int refused = 0;
  for (const Utf8Sequence& sequence : utf8_sequences()) {
    const std::size_t bad = bytes_until_bad(sequence.bytes);
    if (bad == 0) continue;
    for (const std::string& prefix : prefixes) {
      expect_verdict(refused_at(prefix, sequence.bytes, bad), {}, sequence.number);
      expect_verdict(refused_at_fragment(prefix, sequence.bytes, bad), {},
                     sequence.number + " in fragments");
    }
    ++refused;
  }
  EXPECT_GE(refused, 50);
}

// --- Section 10.4: limits, exactly at each and one beyond.

TEST(Rfc6455Section10_4, limits_are_inclusive_and_close_with_1009) {
  const Limits limits{.frame_bytes_max = 1000, .message_bytes_max = 1500, .fragments_max = 4};
  const EngineEndOptions options{.limits = limits};
  const std::string thousand(1000, 'x');
  const std::string five_hundred(500, 'y');
  expect_verdict(echoes({text(thousand)}, {{kText, thousand}}), options, "the largest frame");
  expect_verdict(refuses({text(thousand + "x")}, {}, kMessageTooBig), options, "a larger one");
  expect_verdict(echoes({{kText, thousand, false}, {kContinuation, five_hundred}},
                        {{kText, thousand + five_hundred}}),
                 options, "the largest message");
  expect_verdict(
      refuses({{kText, thousand, false}, {kContinuation, five_hundred + "y"}}, {}, kMessageTooBig),
      options, "a larger one");
  expect_verdict(echoes(fragments(kText, "abcd", 1), {{kText, "abcd"}}), options, "4 fragments");
  expect_verdict(refuses(fragments(kText, "abcde", 1), {}, kMessageTooBig), options, "5 fragments");
}

// A header alone is enough: nobody waits for a payload that will not be taken.
TEST(Rfc6455Section10_4, a_frame_is_refused_by_its_header) {
  const Frame huge{.opcode = kBinary, .announced = std::uint64_t{17} << 20};
  expect_verdict(refuses({huge}, {}, kMessageTooBig), {}, "17 MiB announced");
  expect_verdict(refuses({huge}, {}, kMessageTooBig, 1), {}, "octet by octet");
}

TEST(Rfc6455Section5_4, takes_65536_fragments_and_no_more) {
  const std::string payload(65536, 'f');
  expect_verdict(echoes(fragments(kBinary, payload, 1), {{kBinary, payload}}), {}, "65536");
  expect_verdict(refuses(fragments(kBinary, payload + "f", 1), {}, kMessageTooBig), {}, "65537");
}

// The same bytes mean the same, whatever the buffer that they fall into.
TEST(Rfc6455Section5_4, holds_in_the_smallest_buffers) {
  for (const std::size_t receive_bytes : {512u, 1024u, 4096u}) {
    const EngineEndOptions options{.receive_bytes = receive_bytes};
    const std::string payload(3 * receive_bytes, 'b');
    expect_verdict(echoes(fragments(kBinary, payload, 100), {{kBinary, payload}}), options,
                   "whole");
    expect_verdict(echoes(fragments(kBinary, payload, 100), {{kBinary, payload}}, 7), options,
                   "in chops of 7");
    expect_verdict(interleaved(3), options, "interleaved");
  }
}

}  // namespace
}  // namespace zenwire::test
