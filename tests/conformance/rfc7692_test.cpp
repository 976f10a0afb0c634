// RFC 7692 by section, in both roles.

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "engine_verdict.hpp"
#include "fuzzer.hpp"

namespace zenwire::test {
namespace {

constexpr unsigned kRsv1 = 4;
const std::vector<DeflateRequest> kAgreed = {{false, 0}};

std::string octets(std::initializer_list<int> values) {
  std::string all;
  for (const int value : values) all += static_cast<char>(value);
  return all;
}

Frame deflated(const std::string& payload, bool fin = true) {
  return {kText, payload, fin, kRsv1};
}

const std::string kHello = octets({0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00});

struct Rule {
  const char* section;
  Script script;
};

std::vector<Rule> rules() {
  const Event hello{kText, "Hello"};
  const std::string stored = octets({0x00, 0x05, 0x00, 0xfa, 0xff, 'H', 'e', 'l', 'l', 'o', 0x00});
  const std::string final_block = octets({0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00});
  const std::string two_blocks =
      octets({0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00});
  return {
      {"6_1_messages_may_go_uncompressed", echoes({{kText, "Hello"}}, {hello})},
      {"6_1_both_kinds_in_turn", echoes({deflated(kHello), {kText, "plain"}, deflated(kHello)},
                                        {hello, {kText, "plain"}, hello})},
      {"6_1_fragments_of_a_compressed_message",
       echoes({deflated(kHello.substr(0, 3), false), {kContinuation, kHello.substr(3)}}, {hello})},
      {"6_1_control_frames_between_its_fragments",
       echoes(
           {deflated(kHello.substr(0, 3), false), {kPing, "p"}, {kContinuation, kHello.substr(3)}},
           {{kPong, "p"}, hello})},
      {"6_1_rsv1_only_on_the_first_fragment",
       refuses(
           {deflated(kHello.substr(0, 3), false), {kContinuation, kHello.substr(3), true, kRsv1}},
           {}, kProtocolError)},
      {"6_1_rsv1_not_on_later_fragments_of_a_plain_message",
       refuses({{kText, "Hel", false}, {kContinuation, "lo", true, kRsv1}}, {}, kProtocolError)},
      {"6_1_control_frames_are_not_compressed",
       refuses({{kPing, kHello, true, kRsv1}}, {}, kProtocolError)},
      {"6_1_other_bits_stay_reserved", refuses({{kText, kHello, true, 6}}, {}, kProtocolError)},
      {"6_2_what_is_not_deflate_is_refused",
       refuses({deflated(octets({0x06, 0xff, 0xff}))}, {}, kInvalidPayload)},
      {"6_2_a_message_that_ends_in_a_block_is_refused",
       refuses({deflated(octets({0xf2, 0x48}))}, {}, kInvalidPayload)},
      {"7_2_3_1_one_block", echoes({deflated(kHello)}, {hello})},
      {"7_2_3_3_a_block_without_compression", echoes({deflated(stored)}, {hello})},
      {"7_2_3_4_a_block_with_bfinal", echoes({deflated(final_block)}, {hello})},
      {"7_2_3_4_and_a_message_after_it",
       echoes({deflated(final_block), deflated(kHello)}, {hello, hello})},
      {"7_2_3_5_two_blocks", echoes({deflated(two_blocks)}, {hello})},
      {"7_2_3_6_an_empty_message", echoes({deflated(octets({0x00}))}, {{kText}})},
      {"8_1_of_6455_text_is_utf8_once_inflated",
       refuses({deflated(octets({0x00, 0x01, 0x00, 0xfe, 0xff, 0xff, 0x00}))}, {},
               kInvalidPayload)},
      {"8_1_of_6455_binary_is_not_looked_into",
       echoes({{kBinary, octets({0x00, 0x01, 0x00, 0xfe, 0xff, 0xff, 0x00}), true, kRsv1}},
              {{kBinary, "\xff"}})},
  };
}

class Rfc7692 : public testing::TestWithParam<Rule> {};

TEST_P(Rfc7692, holds_for_a_server) {
  EXPECT_EQ(engine_verdict(GetParam().script, {.role = Role::server}, kAgreed), "");
}
TEST_P(Rfc7692, holds_for_a_client) {
  EXPECT_EQ(engine_verdict(GetParam().script, {.role = Role::client}, kAgreed), "");
}
TEST_P(Rfc7692, holds_octet_by_octet) {
  Script script = GetParam().script;
  std::get<Send>(script.steps.front()).chop_bytes = 1;
  EXPECT_EQ(engine_verdict(script, {.role = Role::client}, kAgreed), "");
}

INSTANTIATE_TEST_SUITE_P(Section, Rfc7692, testing::ValuesIn(rules()),
                         [](const auto& at) { return std::string(at.param.section); });

// Our server may not, for the fuzzing client offers client_no_context_takeover, as Autobahn's does.
TEST(Rfc7692Section7_2_3_2, a_message_may_refer_to_the_one_before_unless_its_sender_forgets) {
  const Event hello{kText, "Hello"};
  const Frame again = deflated(octets({0xf2, 0x00, 0x11, 0x00, 0x00}));
  EXPECT_EQ(engine_verdict(echoes({deflated(kHello), again}, {hello, hello}),
                           {.role = Role::client}, kAgreed),
            "");
  EXPECT_EQ(engine_verdict(refuses({deflated(kHello), again}, {hello}, kInvalidPayload),
                           {.role = Role::server}, kAgreed),
            "");
}

TEST(Rfc7692Section6_1, rsv1_is_refused_when_nothing_was_agreed) {
  for (const Role role : {Role::server, Role::client}) {
    const Script script = refuses({deflated(kHello)}, {}, kProtocolError);
    EXPECT_EQ(engine_verdict(script, {.role = role}), "");
  }
}

std::string noise(std::size_t bytes) {
  std::string text;
  for (std::size_t i = 0; text.size() < bytes; ++i) text += std::to_string(i * 2654435761u) + ',';
  text.resize(bytes);
  return text;
}

// Whatever is agreed, each end keeps to the window and forgets when it said so: the fuzzer inflates
// with exactly that much.
TEST(Rfc7692Section7_1, every_window_and_takeover_round_trips) {
  for (unsigned bits = 8; bits <= 15; ++bits) {
    for (const bool forgets : {false, true}) {
      for (const Role role : {Role::server, Role::client}) {
        const Script script{{EchoEach{.opcode = kText,
                                      .count = 5,
                                      .payload = [](std::size_t) { return noise(70'000); },
                                      .fragment_bytes = 1000,
                                      .compressed = true}}};
        EXPECT_EQ(engine_verdict(script, {.role = role}, {{forgets, bits}}), "")
            << bits << " bits, forgets " << forgets << ", role " << static_cast<int>(role);
      }
    }
  }
}

TEST(Rfc7692Section6_1, echoes_come_back_compressed) {
  EngineMemory memory;
  EngineEnd end(memory, {.role = Role::server, .deflate = true});
  Fuzzer fuzzer(end, FuzzerRole::client);
  ASSERT_TRUE(fuzzer.connect(kAgreed)) << fuzzer.error();
  EXPECT_EQ(
      fuzzer.run(echoes({{kText, std::string(5000, 'a')}}, {{kText, std::string(5000, 'a')}})), "");
  EXPECT_EQ(fuzzer.compressed_received(), 1u);
}

// A small message that would inflate to more than may be.
TEST(Rfc7692Section8, a_bomb_is_refused_with_1009) {
  const Limits limits{.message_bytes_max = 10'000};
  for (const Role role : {Role::server, Role::client}) {
    const auto of = [](std::size_t bytes) {
      return EchoEach{.payload = [bytes](std::size_t) { return std::string(bytes, 'b'); },
                      .compressed = true};
    };
    EXPECT_EQ(engine_verdict({{of(10'000)}}, {.role = role, .limits = limits}, kAgreed), "");
    FuzzerDeflate deflate({}, FuzzerRole::client);
    const Script bomb =
        refuses({deflated(deflate.compress(std::string(10'001, 'b')))}, {}, kMessageTooBig);
    EXPECT_EQ(engine_verdict(bomb, {.role = role, .limits = limits}, kAgreed), "");
  }
}

}  // namespace
}  // namespace zenwire::test
