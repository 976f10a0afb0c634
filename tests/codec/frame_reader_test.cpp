// The frame reader: RFC 6455, sections 5 and 8.1, by the case numbers of Autobahn, in both roles,
// cut at every byte.

#include <numeric>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <zenwire/codec/frame_reader.hpp>

#include "frame_feed.hpp"

namespace zenwire {
namespace {

using test::control;
using test::Event;
using test::events_of;
using test::failure;
using test::Feed;
using test::message;
using test::other;
using test::ReaderModel;
using test::Stream;

constexpr Role kRoles[] = {Role::client, Role::server};

struct Case {
  std::string what;
  std::function<void(Stream&)> write;
  std::vector<Event> events;
  FrameLimits limits = {};
};

std::vector<std::size_t> every_byte(std::size_t size) {
  std::vector<std::size_t> cuts(size);
  std::iota(cuts.begin(), cuts.end(), std::size_t{0});
  return cuts;
}

// Whole, in two at every byte, and byte by byte: the same events.
void check(const Case& row, Role reader) {
  SCOPED_TRACE(testing::Message() << row.what << ", read by a " << test::role_name(reader));
  Stream stream(other(reader));
  row.write(stream);
  const std::string& bytes = stream.bytes();
  EXPECT_EQ(ReaderModel(reader, row.limits).run(bytes), row.events) << "the model";
  EXPECT_EQ(events_of(reader, row.limits, bytes, {}, bytes.size() + 1), row.events) << "whole";
  EXPECT_EQ(events_of(reader, row.limits, bytes, every_byte(bytes.size())), row.events)
      << "byte by byte";
  const std::size_t step = std::max<std::size_t>(1, bytes.size() / 2000);
  for (std::size_t cut = 1; cut < bytes.size();
       cut += cut < 300 || cut + 300 > bytes.size() ? 1 : step) {
    ASSERT_EQ(events_of(reader, row.limits, bytes, {cut}, bytes.size() + 1), row.events)
        << "cut at " << cut;
  }
}

void check_table(const std::vector<Case>& table) {
  for (const Case& row : table) {
    for (const Role reader : kRoles) check(row, reader);
  }
}

// 1: framing; a text and a binary message of each size around the steps of the length's form.
TEST(FrameReader, Autobahn1Framing) {
  std::vector<Case> table;
  for (const std::size_t size :
       {0u, 1u, 125u, 126u, 127u, 128u, 255u, 256u, 257u, 65535u, 65536u}) {
    for (const Opcode opcode : {Opcode::text, Opcode::binary}) {
      const std::string payload(size, opcode == Opcode::text ? '*' : '\xfe');
      table.push_back({"Autobahn 1.*: " + std::string(name(opcode)) + " of " + std::to_string(size),
                       [=](Stream& stream) { stream.frame(opcode, payload); },
                       {message(opcode, payload)}});
    }
  }
  check_table(table);
}

TEST(FrameReader, Autobahn2PingsAndPongs) {
  const std::string most(125, '\xfe');
  std::vector<Case> table = {
      {"2.1 empty ping", [](Stream& s) { s.frame(Opcode::ping, ""); }, {control(Opcode::ping, "")}},
      {"2.2 ping with text",
       [](Stream& s) { s.frame(Opcode::ping, "Hello"); },
       {control(Opcode::ping, "Hello")}},
      {"2.4 ping of 125",
       [=](Stream& s) { s.frame(Opcode::ping, most); },
       {control(Opcode::ping, most)}},
      {"2.5 ping of 126",
       [](Stream& s) { s.frame(Opcode::ping, std::string(126, 'x')); },
       {failure(Errc::frame_control_too_long)}},
      {"2.7 unasked pong",
       [](Stream& s) { s.frame(Opcode::pong, ""); },
       {control(Opcode::pong, "")}},
      {"2.9 pong, then ping",
       [](Stream& s) { s.frame(Opcode::pong, "unasked").frame(Opcode::ping, "p"); },
       {control(Opcode::pong, "unasked"), control(Opcode::ping, "p")}},
  };
  Case ten{"2.10 ten pings", {}, {}};
  for (int i = 0; i < 10; ++i)
    ten.events.push_back(control(Opcode::ping, "payload-" + std::to_string(i)));
  ten.write = [events = ten.events](Stream& s) {
    for (const Event& event : events) s.frame(Opcode::ping, event.payload);
  };
  table.push_back(ten);
  check_table(table);
}

TEST(FrameReader, Autobahn3ReservedBits) {
  std::vector<Case> table;
  for (const unsigned bits : {0x40u, 0x20u, 0x10u, 0x30u, 0x50u, 0x60u, 0x70u}) {
    for (const unsigned opcode : {1u, 2u, 8u, 9u, 10u}) {
      table.push_back(
          {"3.* bits " + std::to_string(bits) + " opcode " + std::to_string(opcode),
           [=](Stream& s) { s.frame(Opcode::text, "before").header(0x80 | bits | opcode, 0); },
           {message(Opcode::text, "before"), failure(Errc::frame_reserved_bits)}});
    }
  }
  check_table(table);
}

TEST(FrameReader, Autobahn4Opcodes) {
  std::vector<Case> table;
  for (const unsigned opcode : {3u, 4u, 5u, 6u, 7u, 11u, 12u, 13u, 14u, 15u}) {
    table.push_back(
        {"4.* opcode " + std::to_string(opcode),
         [=](Stream& s) {
           s.frame(Opcode::text, "before").header(0x80 | opcode, 0).frame(Opcode::ping, "");
         },
         {message(Opcode::text, "before"), failure(Errc::frame_opcode_unknown)}});
  }
  check_table(table);
}

TEST(FrameReader, Autobahn5Fragmentation) {
  check_table({
      {"5.1 fragmented ping",
       [](Stream& s) { s.frame(Opcode::ping, "a", false).frame(Opcode::continuation, "b"); },
       {failure(Errc::frame_control_fragmented)}},
      {"5.2 fragmented pong",
       [](Stream& s) { s.frame(Opcode::pong, "a", false).frame(Opcode::continuation, "b"); },
       {failure(Errc::frame_control_fragmented)}},
      {"fragmented close",
       [](Stream& s) { s.frame(Opcode::close, "", false); },
       {failure(Errc::frame_control_fragmented)}},
      {"5.3 two fragments",
       [](Stream& s) {
         s.frame(Opcode::text, "fragment1", false).frame(Opcode::continuation, "fragment2");
       },
       {message(Opcode::text, "fragment1fragment2")}},
      {"5.6 ping between them",
       [](Stream& s) {
         s.frame(Opcode::text, "fragment1", false)
             .frame(Opcode::ping, "ping")
             .frame(Opcode::continuation, "fragment2");
       },
       {control(Opcode::ping, "ping"), message(Opcode::text, "fragment1fragment2")}},
      {"5.9 continuation of nothing",
       [](Stream& s) { s.frame(Opcode::continuation, "x").frame(Opcode::text, "y"); },
       {failure(Errc::frame_continuation_unexpected)}},
      {"5.12 continuation of nothing, not final",
       [](Stream& s) { s.frame(Opcode::continuation, "x", false).frame(Opcode::text, "y"); },
       {failure(Errc::frame_continuation_unexpected)}},
      {"5.15 continuation after a finished message",
       [](Stream& s) {
         s.frame(Opcode::text, "fragment1", false).frame(Opcode::continuation, "fragment2");
         s.frame(Opcode::continuation, "fragment3", false).frame(Opcode::text, "fragment4");
       },
       {message(Opcode::text, "fragment1fragment2"), failure(Errc::frame_continuation_unexpected)}},
      {"5.18 text in the midst of a text",
       [](Stream& s) {
         s.frame(Opcode::text, "fragment1", false).frame(Opcode::text, "fragment2");
       },
       {failure(Errc::frame_continuation_expected)}},
      {"binary in the midst of a text",
       [](Stream& s) {
         s.frame(Opcode::text, "fragment1", false).frame(Opcode::binary, "fragment2");
       },
       {failure(Errc::frame_continuation_expected)}},
      {"5.19 pings within five fragments",
       [](Stream& s) {
         s.frame(Opcode::text, "fragment1", false).frame(Opcode::continuation, "fragment2", false);
         s.frame(Opcode::ping, "pongme 1!");
         s.frame(Opcode::continuation, "fragment3", false)
             .frame(Opcode::continuation, "fragment4", false);
         s.frame(Opcode::ping, "pongme 2!").frame(Opcode::continuation, "fragment5");
       },
       {control(Opcode::ping, "pongme 1!"), control(Opcode::ping, "pongme 2!"),
        message(Opcode::text, "fragment1fragment2fragment3fragment4fragment5")}},
      {"empty fragments",
       [](Stream& s) {
         s.frame(Opcode::binary, "", false)
             .frame(Opcode::continuation, "", false)
             .frame(Opcode::continuation, "");
         s.frame(Opcode::binary, "", false)
             .frame(Opcode::continuation, "x", false)
             .frame(Opcode::continuation, "");
       },
       {message(Opcode::binary, ""), message(Opcode::binary, "x")}},
      {"messages before and after",
       [](Stream& s) {
         s.frame(Opcode::text, "one").frame(Opcode::binary, std::string(300, 'f'), false);
         s.frame(Opcode::pong, "")
             .frame(Opcode::continuation, std::string(200, 'g'))
             .frame(Opcode::text, "two");
       },
       {message(Opcode::text, "one"), control(Opcode::pong, ""),
        message(Opcode::binary, std::string(300, 'f') + std::string(200, 'g')),
        message(Opcode::text, "two")}},
  });
}

// The texts are in utf8_test.cpp; here it is how they are laid over frames.
TEST(FrameReader, Autobahn6Utf8) {
  const std::string good =
      "Hello-\xc2\xb5@\xc3\x9f\xc3\xb6\xc3\xa4\xc3\xbc\xc3\xa0\xc3\xa1-UTF-8!!";
  const std::string bad =
      "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80"
      "edited";
  const std::string long_good = std::string(130, 'a') + good + std::string(100, 'b') + good;
  check_table({
      {"6.1.1 empty", [](Stream& s) { s.frame(Opcode::text, ""); }, {message(Opcode::text, "")}},
      {"6.1.3 empty, text, empty",
       [](Stream& s) {
         s.frame(Opcode::text, "", false)
             .frame(Opcode::continuation, "middle", false)
             .frame(Opcode::continuation, "");
       },
       {message(Opcode::text, "middle")}},
      {"6.2.1 one frame",
       [=](Stream& s) { s.frame(Opcode::text, good); },
       {message(Opcode::text, good)}},
      {"6.2.1 one long frame",
       [=](Stream& s) { s.frame(Opcode::text, long_good); },
       {message(Opcode::text, long_good)}},
      {"6.2.3 a fragment a byte",
       [=](Stream& s) {
         s.frame(Opcode::text, good.substr(0, 1), false);
         for (std::size_t i = 1; i < good.size(); ++i)
           s.frame(Opcode::continuation, good.substr(i, 1), i + 1 == good.size());
       },
       {message(Opcode::text, good)}},
      {"6.3.1 bad in one frame",
       [=](Stream& s) { s.frame(Opcode::text, bad); },
       {failure(Errc::text_not_utf8)}},
      {"6.3.2 bad, a fragment a byte",
       [=](Stream& s) {
         s.frame(Opcode::text, bad.substr(0, 1), false);
         for (std::size_t i = 1; i < bad.size(); ++i)
           s.frame(Opcode::continuation, bad.substr(i, 1), i + 1 == bad.size());
       },
       {failure(Errc::text_not_utf8)}},
      {"6.6.3 cut in a character",
       [](Stream& s) { s.frame(Opcode::text, "\xce\xba\xe1"); },
       {failure(Errc::text_not_utf8)}},
      {"cut in a character, ended by an empty fragment",
       [](Stream& s) {
         s.frame(Opcode::text, "\xce\xba\xe1", false).frame(Opcode::continuation, "");
       },
       {failure(Errc::text_not_utf8)}},
      {"ping within a character",
       [](Stream& s) {
         s.frame(Opcode::text, "\xe2\x82", false)
             .frame(Opcode::ping, "\xff")
             .frame(Opcode::continuation, "\xac");
       },
       {control(Opcode::ping, "\xff"), message(Opcode::text, "\xe2\x82\xac")}},
      {"the state does not leak into the next message",
       [](Stream& s) {
         s.frame(Opcode::text, "\xe2\x82\xac")
             .frame(Opcode::binary, "\xe2")
             .frame(Opcode::text, "\xac");
       },
       {message(Opcode::text, "\xe2\x82\xac"), message(Opcode::binary, "\xe2"),
        failure(Errc::text_not_utf8)}},
      {"binary is not checked",
       [=](Stream& s) { s.frame(Opcode::binary, bad); },
       {message(Opcode::binary, bad)}},
      {"not checked when told so",
       [=](Stream& s) {
         s.frame(Opcode::text, bad)
             .frame(Opcode::text, bad, false)
             .frame(Opcode::continuation, bad);
       },
       {message(Opcode::text, bad), message(Opcode::text, bad + bad)},
       {.validate_utf8 = false}},
  });
}

TEST(FrameReader, Autobahn7Closing) {
  check_table({
      {"7.1.1 message, then close",
       [](Stream& s) { s.frame(Opcode::text, "Hello World!").frame(Opcode::close, "\x03\xe8"); },
       {message(Opcode::text, "Hello World!"), control(Opcode::close, "\x03\xe8")}},
      {"7.1.2 two closes",
       [](Stream& s) { s.frame(Opcode::close, "\x03\xe8").frame(Opcode::close, "\x03\xe8"); },
       {control(Opcode::close, "\x03\xe8")}},
      {"7.1.3 ping after close",
       [](Stream& s) { s.frame(Opcode::close, "\x03\xe8").frame(Opcode::ping, ""); },
       {control(Opcode::close, "\x03\xe8")}},
      {"7.1.4 text after close",
       [](Stream& s) { s.frame(Opcode::close, "\x03\xe8").frame(Opcode::text, "late"); },
       {control(Opcode::close, "\x03\xe8")}},
      {"7.1.5 close within fragments",
       [](Stream& s) {
         s.frame(Opcode::text, "fragment1", false)
             .frame(Opcode::close, "\x03\xe8")
             .frame(Opcode::continuation, "fragment2");
       },
       {control(Opcode::close, "\x03\xe8")}},
      {"garbage after close is discarded, not judged",
       [](Stream& s) { s.frame(Opcode::close, "").raw(std::string(100, '\xff')); },
       {control(Opcode::close, "")}},
      {"7.3.1 empty close",
       [](Stream& s) { s.frame(Opcode::close, ""); },
       {control(Opcode::close, "")}},
      {"7.3.6 close of 126",
       [](Stream& s) { s.frame(Opcode::close, "\x03\xe8" + std::string(124, 'x')); },
       {failure(Errc::frame_control_too_long)}},
  });
}

TEST(FrameReader, Section52Lengths) {
  const auto number = [](std::initializer_list<int> bytes) {
    std::string text;
    for (const int byte : bytes) text += static_cast<char>(byte);
    return text;
  };
  check_table({
      {"125 in 16 bits",
       [=](Stream& s) {
         s.header(0x82, 126, number({0, 125}));
       },
       {failure(Errc::frame_length_not_minimal)}},
      {"0 in 16 bits",
       [=](Stream& s) {
         s.header(0x81, 126, number({0, 0}));
       },
       {failure(Errc::frame_length_not_minimal)}},
      {"65535 in 64 bits",
       [=](Stream& s) {
         s.header(0x82, 127, number({0, 0, 0, 0, 0, 0, 0xff, 0xff}));
       },
       {failure(Errc::frame_length_not_minimal)}},
      {"1 in 64 bits",
       [=](Stream& s) {
         s.header(0x81, 127, number({0, 0, 0, 0, 0, 0, 0, 1}));
       },
       {failure(Errc::frame_length_not_minimal)}},
      {"top bit",
       [=](Stream& s) {
         s.header(0x82, 127, number({0x80, 0, 0, 0, 0, 0, 0, 0}));
       },
       {failure(Errc::frame_length_invalid)}},
      {"all bits",
       [=](Stream& s) {
         s.header(0x82, 127, number({255, 255, 255, 255, 255, 255, 255, 255}));
       },
       {failure(Errc::frame_length_invalid)}},
      {"the largest that is one",
       [=](Stream& s) {
         s.header(0x82, 127, number({127, 255, 255, 255, 255, 255, 255, 255}));
       },
       {failure(Errc::frame_too_large)}},
  });
}

TEST(FrameReader, Section51Masking) {
  const FrameLimits limits;
  for (const Role reader : kRoles) {
    // From an end of the reader's own role, the mask is the wrong way round.
    for (const Opcode opcode : {Opcode::text, Opcode::binary, Opcode::ping, Opcode::close}) {
      Stream stream(reader);
      stream.frame(opcode, "");
      const auto error =
          reader == Role::client ? Errc::frame_mask_unexpected : Errc::frame_mask_missing;
      const std::vector<Event> events{failure(error)};
      EXPECT_EQ(events_of(reader, limits, stream.bytes()), events);
      EXPECT_EQ(events_of(reader, limits, stream.bytes(), every_byte(stream.bytes().size())),
                events);
    }
  }
}

// RFC 7692: the reader marks what is compressed and leaves the rest to the inflater.
TEST(FrameReader, Section7692Compressed) {
  const std::string not_text = "\xff\xfe\x00";
  const FrameLimits deflate{.deflate = true};
  check_table({
      {"compressed text is not checked",
       [=](Stream& s) { s.frame(Opcode::text, not_text, true, true); },
       {message(Opcode::text, not_text, true)},
       deflate},
      {"compressed fragments",
       [=](Stream& s) {
         s.frame(Opcode::text, not_text, false, true).frame(Opcode::continuation, not_text);
       },
       {message(Opcode::text, not_text + not_text, true)},
       deflate},
      {"and then one that is not",
       [=](Stream& s) {
         s.frame(Opcode::binary, not_text, true, true)
             .frame(Opcode::text, "plain")
             .frame(Opcode::text, "\xff");
       },
       {message(Opcode::binary, not_text, true), message(Opcode::text, "plain"),
        failure(Errc::text_not_utf8)},
       deflate},
      {"RSV1 on a continuation",
       [=](Stream& s) {
         s.frame(Opcode::text, "a", false, true).frame(Opcode::continuation, "b", true, true);
       },
       {failure(Errc::frame_reserved_bits)},
       deflate},
      {"RSV1 on a ping",
       [=](Stream& s) { s.frame(Opcode::ping, "a", true, true); },
       {failure(Errc::frame_reserved_bits)},
       deflate},
      {"RSV1 not negotiated",
       [=](Stream& s) { s.frame(Opcode::text, "a", true, true); },
       {failure(Errc::frame_reserved_bits)}},
  });
}

TEST(FrameReader, LimitsAreInclusive) {
  const FrameLimits limits{.frame_bytes_max = 300, .message_bytes_max = 500, .fragments_max = 3};
  const auto payload = [](std::size_t size) { return std::string(size, 'x'); };
  check_table({
      {"frame at the limit",
       [=](Stream& s) { s.frame(Opcode::text, payload(300)); },
       {message(Opcode::text, payload(300))},
       limits},
      {"frame one over",
       [=](Stream& s) { s.frame(Opcode::text, payload(301)); },
       {failure(Errc::frame_too_large)},
       limits},
      {"message at the limit",
       [=](Stream& s) {
         s.frame(Opcode::binary, payload(300), false).frame(Opcode::continuation, payload(200));
       },
       {message(Opcode::binary, payload(500))},
       limits},
      {"message one over",
       [=](Stream& s) {
         s.frame(Opcode::binary, payload(300), false).frame(Opcode::continuation, payload(201));
       },
       {failure(Errc::message_too_large)},
       limits},
      {"fragment over the frame limit",
       [=](Stream& s) {
         s.frame(Opcode::binary, payload(1), false).frame(Opcode::continuation, payload(301));
       },
       {failure(Errc::frame_too_large)},
       limits},
      {"the next message starts anew",
       [=](Stream& s) {
         s.frame(Opcode::binary, payload(300), false).frame(Opcode::continuation, payload(200));
         s.frame(Opcode::binary, payload(300), false).frame(Opcode::continuation, payload(200));
       },
       {message(Opcode::binary, payload(500)), message(Opcode::binary, payload(500))},
       limits},
      {"fragments at the limit",
       [=](Stream& s) {
         s.frame(Opcode::text, "a", false)
             .frame(Opcode::continuation, "b", false)
             .frame(Opcode::continuation, "c");
       },
       {message(Opcode::text, "abc")},
       limits},
      {"one fragment over",
       [=](Stream& s) {
         s.frame(Opcode::text, "a", false)
             .frame(Opcode::continuation, "b", false)
             .frame(Opcode::continuation, "c", false);
         s.frame(Opcode::continuation, "");
       },
       {failure(Errc::message_too_many_fragments)},
       limits},
      {"control frames are no fragments and have their own limit",
       [=](Stream& s) {
         s.frame(Opcode::text, "a", false)
             .frame(Opcode::ping, payload(125))
             .frame(Opcode::ping, payload(125));
         s.frame(Opcode::continuation, "b", false)
             .frame(Opcode::pong, "")
             .frame(Opcode::continuation, "c");
       },
       {control(Opcode::ping, payload(125)), control(Opcode::ping, payload(125)),
        control(Opcode::pong, ""), message(Opcode::text, "abc")},
       limits},
      {"control frames pass where no payload may",
       [=](Stream& s) {
         s.frame(Opcode::ping, payload(125)).frame(Opcode::text, "").frame(Opcode::text, "x");
       },
       {control(Opcode::ping, payload(125)), message(Opcode::text, ""),
        failure(Errc::frame_too_large)},
       {.frame_bytes_max = 0, .message_bytes_max = 0}},
      {"one fragment only",
       [=](Stream& s) {
         s.frame(Opcode::text, "a").frame(Opcode::text, "b", false).frame(Opcode::continuation, "");
       },
       {message(Opcode::text, "a"), failure(Errc::message_too_many_fragments)},
       {.fragments_max = 1}},
      {"a message limit below the frame limit",
       [=](Stream& s) { s.frame(Opcode::text, payload(10)).frame(Opcode::text, payload(11)); },
       {message(Opcode::text, payload(10)), failure(Errc::message_too_large)},
       {.message_bytes_max = 10}},
  });
}

// What comes first decides, byte for byte: which error, and after how many bytes.
struct Fast {
  const char* what;
  std::function<void(Stream&)> write;
  std::size_t client_bytes;  // arrived when the error comes, read by a client
  std::size_t server_bytes;  // and by a server, after four bytes of key
  Errc error;
};

TEST(FrameReader, FailsAtTheFirstByteThatIsWrong) {
  const Fast table[] = {
      {"reserved bit", [](Stream& s) { s.frame(Opcode::text, "abc", true, true); }, 1, 1,
       Errc::frame_reserved_bits},
      {"continuation", [](Stream& s) { s.frame(Opcode::continuation, "abc"); }, 1, 1,
       Errc::frame_continuation_unexpected},
      {"long ping", [](Stream& s) { s.frame(Opcode::ping, std::string(126, 'x')); }, 2, 2,
       Errc::frame_control_too_long},
      {"too large, before any payload",
       [](Stream& s) { s.frame(Opcode::binary, std::string(1001, 'x')); }, 4, 4,
       Errc::frame_too_large},
      {"6.4.1: bad character in the third part, at its first bad byte",
       [](Stream& s) {
         s.frame(Opcode::text,
                 "\xce\xba\xe1\xbd\xb9\xf4\x90\x80\x80"
                 "edited");
       },
       2 + 7, 6 + 7, Errc::text_not_utf8},
      {"6.4.3: lone surrogate far in",
       [](Stream& s) {
         s.frame(Opcode::text, std::string(200, 'a') + "\xed\xa0\x80" + std::string(200, 'b'));
       },
       4 + 202, 8 + 202, Errc::text_not_utf8},
      {"bad byte in the second fragment",
       [](Stream& s) {
         s.frame(Opcode::text, "\xe2\x82", false).frame(Opcode::continuation, "\x28\xa1rest");
       },
       2 + 2 + 2 + 1, 6 + 2 + 6 + 1, Errc::text_not_utf8},
  };
  const FrameLimits limits{.frame_bytes_max = 1000};
  for (const Fast& row : table) {
    for (const Role reader : kRoles) {
      SCOPED_TRACE(testing::Message() << row.what << ", read by a " << test::role_name(reader));
      Stream stream(other(reader));
      row.write(stream);
      Feed feed(reader, limits, 64);
      std::size_t arrived = 0;
      while (!feed.failed() && arrived < stream.bytes().size())
        feed.receive(stream.bytes().substr(arrived++, 1));
      ASSERT_TRUE(feed.failed());
      EXPECT_EQ(feed.events().back(), failure(row.error));
      EXPECT_EQ(arrived, reader == Role::client ? row.client_bytes : row.server_bytes);
    }
  }
}

TEST(FrameReader, StaysFailedAndSaysWithWhichCodeToClose) {
  Feed feed(Role::client, {}, 64);
  feed.receive("\x83");
  ASSERT_TRUE(feed.failed());
  for (int i = 0; i < 3; ++i) EXPECT_EQ(feed.reader().next(feed.window()), ReadStatus::failed);
  EXPECT_EQ(feed.reader().error(), Errc::frame_opcode_unknown);
  EXPECT_EQ(feed.reader().close_code(), CloseCode::protocol_error);
  const auto code_after = [](const FrameLimits& limits, std::string_view bytes) {
    Feed failing(Role::client, limits, 64);
    failing.receive(bytes);
    return failing.reader().close_code();
  };
  EXPECT_EQ(code_after({}, "\x81\x01\xff"), CloseCode::invalid_payload);
  EXPECT_EQ(code_after({.frame_bytes_max = 1}, "\x82\x02"), CloseCode::message_too_big);
}

TEST(FrameReader, WantsWhatCompletesTheFrame) {
  const FrameLimits limits{.frame_bytes_max = 1 << 20, .message_bytes_max = 1 << 20};
  for (const Role reader : kRoles) {
    const std::size_t key = reader == Role::server ? 4 : 0;
    Stream stream(other(reader));
    stream.frame(Opcode::binary, std::string(100000, 'x'), false)
        .frame(Opcode::ping, std::string(100, 'p'));
    const auto wanted_after = [&](std::size_t bytes) {
      Feed feed(reader, limits, stream.bytes().size());
      feed.receive(std::string_view(stream.bytes()).substr(0, bytes));
      return feed.reader().wanted_bytes(feed.window());
    };
    EXPECT_EQ(wanted_after(1), 2u);
    EXPECT_EQ(wanted_after(2), 10 + key);
    EXPECT_EQ(wanted_after(9 + key), 10 + key);
    EXPECT_EQ(wanted_after(10 + key), 100000u) << "the header is taken";
    EXPECT_EQ(wanted_after(5000), 100000u);
    const std::size_t first = 10 + key + 100000;
    EXPECT_EQ(wanted_after(first), 100000u + 2);
    EXPECT_EQ(wanted_after(first + 2), 100000u + 2 + key + (key == 0 ? 100 : 0));
    EXPECT_EQ(wanted_after(first + 2 + key), 100000u + 2 + key + 100);
  }
}

TEST(FrameReader, SaysWhetherAWholeFrameFollows) {
  for (const Role reader : kRoles) {
    for (const std::size_t size : {0u, 1u, 125u, 126u, 65535u, 65536u}) {
      Stream first(other(reader));
      first.frame(Opcode::text, "first");
      Stream both(other(reader));
      both.frame(Opcode::text, "first").frame(Opcode::binary, std::string(size, 'x'));
      for (std::size_t end = first.bytes().size(); end <= both.bytes().size();
           end +=
           end < 40 || end + 8 > both.bytes().size() ? 1u : (both.bytes().size() - end) / 4) {
        test::WindowMemory memory(both.bytes().size());
        ReceiveWindow window(memory.base(), memory.capacity());
        std::memcpy(window.writable().data(), both.bytes().data(), end);
        window.commit(end);
        FrameReader frames(reader, {});
        ASSERT_EQ(frames.next(window), ReadStatus::message);
        ASSERT_EQ(frames.complete_frame_follows(window), end == both.bytes().size())
            << size << " at " << end;
      }
    }
  }
}

TEST(FrameReader, SixteenMebibytesIn65536Fragments) {
  constexpr std::size_t kFragment_bytes = 256;
  constexpr std::uint32_t kFragments = 65536;
  static_assert(kFragment_bytes * kFragments == std::size_t{16} << 20);
  for (const Role reader : kRoles) {
    Stream stream(other(reader));
    std::string expected;
    for (std::uint32_t i = 0; i < kFragments; ++i) {
      std::string fragment = "fragment " + std::to_string(i) + " ";
      fragment.resize(kFragment_bytes, static_cast<char>('a' + i % 26));
      stream.frame(i == 0 ? Opcode::text : Opcode::continuation, fragment, i + 1 == kFragments);
      expected += fragment;
      if (i % 10000 == 5000) stream.frame(Opcode::ping, "still there?");
    }
    Feed feed(reader, {}, 4096);
    std::string_view bytes = stream.bytes();
    while (!bytes.empty()) {
      const std::size_t piece = std::min<std::size_t>(bytes.size(), 65521);
      // As the engine leases, in steps: growing by what each fragment wants would move 16 MiB for
      // each.
      const std::size_t needed = feed.window().live_bytes() + piece;
      if (needed > feed.capacity()) feed.relocate(2 * needed);
      feed.receive(bytes.substr(0, piece));
      bytes.remove_prefix(piece);
    }
    ASSERT_EQ(feed.events().size(), 8u);
    EXPECT_TRUE(feed.events().back() == message(Opcode::text, expected));
    EXPECT_LT(feed.relocations(), 20u);
    // One fragment more is refused.
    Stream over(other(reader));
    over.frame(Opcode::text, "", false);
    for (std::uint32_t i = 1; i < kFragments; ++i) over.frame(Opcode::continuation, "", false);
    Feed refusing(reader, {}, 4096);
    refusing.receive(over.bytes());
    EXPECT_TRUE(refusing.events().empty());
    refusing.receive(Stream(other(reader)).frame(Opcode::continuation, "").bytes());
    ASSERT_TRUE(refusing.failed());
    EXPECT_EQ(refusing.events().back(), failure(Errc::message_too_many_fragments));
  }
}

TEST(FrameReader, SixteenMebibytesInOneFrameExactlyAtTheLimit) {
  const FrameLimits limits;
  for (const Role reader : kRoles) {
    std::string payload(limits.message_bytes_max, 'z');
    for (std::size_t i = 0; i < payload.size(); i += 4099)
      payload[i] = static_cast<char>('a' + i % 26);
    const std::string bytes = Stream(other(reader)).frame(Opcode::binary, payload).bytes();
    Feed feed(reader, limits, 16384);
    feed.receive(bytes);
    ASSERT_EQ(feed.events().size(), 1u);
    EXPECT_TRUE(feed.events()[0] == message(Opcode::binary, payload));
    EXPECT_EQ(feed.relocations(), 1u) << "the header says at once how much is needed";
    EXPECT_EQ(feed.capacity(), payload.size());
    payload += 'x';
    Feed refusing(reader, limits, 16384);
    refusing.receive(Stream(other(reader)).frame(Opcode::binary, payload).bytes());
    EXPECT_EQ(refusing.events(), std::vector<Event>{failure(Errc::frame_too_large)});
    EXPECT_EQ(refusing.relocations(), 0u);
  }
}

TEST(FrameReader, AWindowThatGrowsByAByteAtATime) {
  for (const Role reader : kRoles) {
    Stream stream(other(reader));
    const std::string part(300, 'p');
    stream.frame(Opcode::text, part, false)
        .frame(Opcode::ping, "between")
        .frame(Opcode::continuation, part, false);
    stream.frame(Opcode::continuation, part).frame(Opcode::text, "after");
    Feed feed(reader, {}, 1);
    for (const char byte : stream.bytes()) {
      if (feed.window().writable().empty()) feed.relocate(feed.window().live_bytes() + 1);
      feed.receive({&byte, 1});
    }
    const std::vector<Event> events{control(Opcode::ping, "between"),
                                    message(Opcode::text, part + part + part),
                                    message(Opcode::text, "after")};
    EXPECT_EQ(feed.events(), events);
    EXPECT_GE(feed.relocations(), 3 * part.size() - 1);
  }
}

// Windows of every small size: the reader never wants more than the frame, and gets through.
TEST(FrameReader, TheSmallestWindowThatItWantsSuffices) {
  for (const Role reader : kRoles) {
    Stream stream(other(reader));
    stream.frame(Opcode::text, "short")
        .frame(Opcode::binary, std::string(200, 'b'), false)
        .frame(Opcode::ping, "p");
    stream.frame(Opcode::continuation, std::string(50, 'c'))
        .frame(Opcode::text, "\xe2\x82\xac")
        .frame(Opcode::close, "");
    const std::vector<Event> events = events_of(reader, {}, stream.bytes(), {}, 4096);
    ASSERT_EQ(events.size(), 5u);
    for (std::size_t capacity = 1; capacity < 300; ++capacity) {
      ASSERT_EQ(events_of(reader, {}, stream.bytes(), {}, capacity), events) << capacity;
    }
  }
}

TEST(ReceiveWindow, KeepsItsBooks) {
  test::WindowMemory memory(100);
  ReceiveWindow window(memory.base(), memory.capacity());
  EXPECT_TRUE(window.empty());
  EXPECT_EQ(window.writable().size(), 100u);
  const std::string bytes =
      Stream(Role::server).frame(Opcode::text, "ab", false).frame(Opcode::text, "x").bytes();
  std::memcpy(window.writable().data(), bytes.data(), 6);
  window.commit(6);
  EXPECT_EQ(window.unparsed_bytes(), 6u);
  EXPECT_EQ(window.live_bytes(), 6u);
  FrameReader reader(Role::client, {});
  EXPECT_EQ(reader.next(window), ReadStatus::failed);
  EXPECT_EQ(window.assembled_bytes(), 2u);
  EXPECT_EQ(window.unparsed_bytes(), 2u);
  EXPECT_EQ(window.live_bytes(), 4u);
  window.rewind();
  EXPECT_EQ(window.writable().size(), 94u) << "unparsed bytes stay where they are";
  window.compact();
  EXPECT_EQ(window.writable().size(), 96u);
  EXPECT_EQ(window.live_bytes(), 4u);
}

TEST(ReceiveWindow, RewindGivesBackTheHeaders) {
  test::WindowMemory memory(100);
  ReceiveWindow window(memory.base(), memory.capacity());
  const std::string bytes = Stream(Role::server)
                                .frame(Opcode::text, "ab", false)
                                .frame(Opcode::continuation, "cd", false)
                                .bytes();
  std::memcpy(window.writable().data(), bytes.data(), bytes.size());
  window.commit(bytes.size());
  FrameReader reader(Role::client, {});
  EXPECT_EQ(reader.next(window), ReadStatus::need_more);
  EXPECT_TRUE(reader.in_message());
  window.rewind();
  EXPECT_EQ(window.writable().size(), 100u - 2 - 4);
  window.compact();
  EXPECT_EQ(window.writable().size(), 100u - 4);
  const std::string rest = Stream(Role::server).frame(Opcode::continuation, "ef").bytes();
  std::memcpy(window.writable().data(), rest.data(), rest.size());
  window.commit(rest.size());
  ASSERT_EQ(reader.next(window), ReadStatus::message);
  EXPECT_EQ(as_text(reader.payload()), "abcdef");
  EXPECT_TRUE(window.empty());
  EXPECT_FALSE(reader.in_message());
  window.rewind();
  EXPECT_EQ(window.writable().size(), 100u);
}

TEST(ReceiveWindowDeathTest, MisuseAsserts) {
  test::WindowMemory memory(8);
  ReceiveWindow window(memory.base(), memory.capacity());
  EXPECT_DEATH(window.commit(9), "bytes <=");
  window.commit(8);
  EXPECT_DEATH(window.relocate(memory.base(), 7), "live_bytes");
}

// Random streams against the model.

struct Shape {
  std::uint64_t seed;
  Role reader;
  bool deflate;
};

FrameLimits limits_for(std::mt19937_64& random, bool deflate) {
  FrameLimits limits;
  limits.deflate = deflate;
  if (random() % 4 == 0) limits.frame_bytes_max = random() % 400;
  if (random() % 4 == 0) limits.message_bytes_max = random() % 800;
  if (random() % 4 == 0) limits.fragments_max = 1 + static_cast<std::uint32_t>(random() % 4);
  if (random() % 8 == 0) limits.validate_utf8 = false;
  return limits;
}

std::string random_payload(std::mt19937_64& random, bool text) {
  const std::size_t size =
      random() % 16 == 0 ? 65000 + random() % 1000 : random() % (random() % 2 == 0 ? 8 : 300);
  std::string payload(size, 'a');
  if (!text) {
    for (char& byte : payload) byte = static_cast<char>(random());
  } else if (random() % 2 == 0) {
    for (std::size_t i = 0; i + 3 <= size; i += 3 + random() % 20)
      payload.replace(i, 3, "\xe2\x82\xac");
  }
  return payload;
}

// Mostly what a good peer sends, with now and then a frame out of order.
std::string random_stream(std::mt19937_64& random, Role sender, bool deflate) {
  Stream stream(sender);
  bool open = false;
  bool text = false;
  const std::size_t frames = 1 + random() % 12;
  for (std::size_t i = 0; i < frames; ++i) {
    if (random() % 4 == 0) {
      const Opcode opcode = random() % 12 == 0  ? Opcode::close
                            : random() % 2 == 0 ? Opcode::ping
                                                : Opcode::pong;
      stream.frame(opcode, random_payload(random, false).substr(0, random() % 126));
      continue;
    }
    const bool wrong = random() % 40 == 0;
    if (!open) text = random() % 2 == 0;
    const bool first = open == wrong;
    const bool fin = random() % 2 == 0;
    const Opcode opcode = !first ? Opcode::continuation : text ? Opcode::text : Opcode::binary;
    stream.frame(opcode, random_payload(random, text), fin, first && deflate && random() % 2 == 0);
    open = !fin;
  }
  return stream.bytes();
}

void damage(std::mt19937_64& random, std::string& stream) {
  const std::uint64_t kind = random() % 4;
  if (kind == 0 || stream.empty()) return;
  const std::size_t at = random() % std::min<std::size_t>(stream.size(), 600);
  if (kind == 1) stream[at] = static_cast<char>(random());
  if (kind == 2)
    stream[at] = static_cast<char>(static_cast<unsigned char>(stream[at]) ^ (1u << random() % 8));
  if (kind == 3) stream.erase(at, 1 + random() % 3);
}

std::vector<std::size_t> random_cuts(std::mt19937_64& random, std::size_t size) {
  std::vector<std::size_t> cuts(random() % 20);
  for (std::size_t& cut : cuts) cut = random() % (size + 1);
  std::sort(cuts.begin(), cuts.end());
  return cuts;
}

void check_against_the_model(const Shape& shape) {
  std::mt19937_64 random(shape.seed);
  const FrameLimits limits = limits_for(random, shape.deflate);
  std::string stream = random_stream(random, other(shape.reader), shape.deflate);
  damage(random, stream);
  const std::vector<Event> expected = ReaderModel(shape.reader, limits).run(stream);
  const std::size_t capacity = 1 + random() % 2000;
  RC_ASSERT(events_of(shape.reader, limits, stream, {}, stream.size() + 1) == expected);
  RC_ASSERT(events_of(shape.reader, limits, stream, random_cuts(random, stream.size()), capacity) ==
            expected);
}

RC_GTEST_PROP(FrameReaderProperty, AgreesWithTheModelOnGoodAndDamagedStreams, ()) {
  for (int round = 0; round < 20; ++round) {
    const auto seed = *rc::gen::noShrink(rc::gen::arbitrary<std::uint64_t>());
    RC_LOG() << "seed " << seed;
    for (const Role reader : kRoles) check_against_the_model({seed, reader, seed % 3 == 0});
  }
}

RC_GTEST_PROP(FrameReaderProperty, AgreesWithTheModelOnNoise, ()) {
  const auto noise = *rc::gen::container<std::string>(rc::gen::weightedOneOf<char>(
      {{4, rc::gen::element('\x81', '\x01', '\x80', '\x82', '\x89', '\x00', '\x02', '\xfe', '\x7e',
                            '\x7f', '\x84')},
       {1, rc::gen::arbitrary<char>()}}));
  const auto cut = *rc::gen::inRange<std::size_t>(0, noise.size() + 1);
  for (const Role reader : kRoles) {
    const FrameLimits limits{.deflate = noise.size() % 2 == 0};
    const std::vector<Event> expected = ReaderModel(reader, limits).run(noise);
    RC_ASSERT(events_of(reader, limits, noise) == expected);
    RC_ASSERT(events_of(reader, limits, noise, {cut}) == expected);
    RC_ASSERT(events_of(reader, limits, noise, every_byte(noise.size())) == expected);
  }
}

}  // namespace
}  // namespace zenwire
