// Writing frames: RFC 6455, sections 5.2 to 5.4 and the examples of 5.7.

#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <zenwire/codec/frame_writer.hpp>

#include "frame_feed.hpp"

namespace zenwire {
namespace {

using test::control;
using test::Event;
using test::events_of;
using test::message;
using test::other;

constexpr Role kRoles[] = {Role::client, Role::server};
constexpr std::byte kGuard{0xa5};

std::string written(Role role, Opcode opcode, std::string_view payload, MaskingKey key,
                    bool fin = true, bool rsv1 = false) {
  std::vector<std::byte> to(frame_bytes(role, payload.size()) + 16, kGuard);
  const std::byte* const end =
      write_frame(to.data(), role, opcode, as_bytes(payload), key, fin, rsv1);
  EXPECT_EQ(static_cast<std::size_t>(end - to.data()), frame_bytes(role, payload.size()));
  for (std::size_t i = to.size() - 16; i < to.size(); ++i)
    EXPECT_EQ(to[i], kGuard) << "beyond the end";
  return std::string(as_text({to.data(), end}));
}

TEST(FrameWriter, TheExamplesOfSection57) {
  MaskingKey key;
  std::memcpy(&key, "\x37\xfa\x21\x3d", sizeof key);
  EXPECT_EQ(written(Role::server, Opcode::text, "Hello", 0), "\x81\x05Hello");
  EXPECT_EQ(written(Role::client, Opcode::text, "Hello", key),
            "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58");
  EXPECT_EQ(written(Role::server, Opcode::text, "Hel", 0, false), "\x01\x03Hel");
  EXPECT_EQ(written(Role::server, Opcode::continuation, "lo", 0), "\x80\x02lo");
  EXPECT_EQ(written(Role::server, Opcode::ping, "Hello", 0), "\x89\x05Hello");
  EXPECT_EQ(written(Role::client, Opcode::pong, "Hello", key),
            "\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58");
  EXPECT_EQ(written(Role::server, Opcode::binary, std::string(256, 'b'), 0).substr(0, 5),
            std::string("\x82\x7e\x01\x00"
                        "b",
                        5));
  EXPECT_EQ(written(Role::server, Opcode::binary, std::string(65536, 'b'), 0).substr(0, 11),
            std::string("\x82\x7f\0\0\0\0\0\x01\0\0"
                        "b",
                        11));
  EXPECT_EQ(written(Role::server, Opcode::text, "z", 0, true, true), "\xc1\x01z")
      << "RFC 7692: compressed";
}

TEST(FrameWriter, EveryPayloadLengthIsReadBack) {
  std::string payload;
  for (std::size_t size = 0; size <= 700; ++size) {
    for (const Role role : kRoles) {
      const std::string frame =
          written(role, Opcode::text, payload, static_cast<MaskingKey>(size * 2654435761u));
      const std::vector<Event> expected{message(Opcode::text, payload)};
      ASSERT_EQ(events_of(other(role), {}, frame, {}, frame.size()), expected) << size;
    }
    payload += static_cast<char>('!' + size % 90);
  }
}

TEST(FrameWriter, AMessageMayBeMadeInPlace) {
  for (const Role role : kRoles) {
    for (const std::size_t size : {0u, 1u, 5u, 100u, 125u, 126u, 300u, 65535u, 65536u}) {
      const std::string payload(size, 'm');
      const std::string expected = written(role, Opcode::binary, payload, 0x01020304);
      std::vector<std::byte> to(frame_bytes(role, size));
      std::byte* const body = to.data() + to.size() - size;
      if (size != 0) std::memcpy(body, payload.data(), size);
      write_frame(to.data(), role, Opcode::binary, {body, size}, 0x01020304);
      ASSERT_EQ(as_text(to), expected) << size;
    }
  }
}

TEST(FrameWriter, FragmentsAreOneMessageWithControlFramesBetween) {
  for (const Role role : kRoles) {
    for (const std::size_t size : {0u, 1u, 9u, 10u, 11u, 20u, 99u, 1000u}) {
      for (const std::size_t fragment : {1u, 3u, 10u, 125u, 126u, 1000u, 5000u}) {
        std::string payload(size, 'p');
        for (std::size_t i = 0; i < size; ++i) payload[i] = static_cast<char>('a' + i % 26);
        FragmentWriter writer(role, Opcode::text, as_bytes(payload), fragment);
        std::vector<std::byte> stream;
        std::size_t frames = 0;
        while (!writer.done()) {
          std::vector<std::byte> frame(writer.next_frame_bytes() + frame_bytes(role, 4));
          std::byte* const end =
              writer.write(frame.data(), static_cast<MaskingKey>(frames * 77777));
          ASSERT_EQ(end, frame.data() + frame.size() - frame_bytes(role, 4));
          write_frame(end, role, Opcode::ping, as_bytes("ping"), 0x55555555);
          stream.insert(stream.end(), frame.begin(), frame.end());
          ++frames;
        }
        EXPECT_EQ(frames, size == 0 ? 1 : (size + fragment - 1) / fragment);
        std::vector<Event> events = events_of(other(role), {}, as_text(stream));
        std::vector<Event> expected(frames, control(Opcode::ping, "ping"));
        expected.insert(expected.end() - 1, message(Opcode::text, payload));
        ASSERT_EQ(events, expected) << size << " by " << fragment;
      }
    }
  }
}

TEST(FrameWriter, OnlyTheFirstFragmentOfACompressedMessageHasRsv1) {
  FragmentWriter writer(Role::server, Opcode::binary, as_bytes("abcdef"), 3, true);
  std::byte frame[16];
  writer.write(frame, 0);
  EXPECT_EQ(frame[0], std::byte{0x42});
  writer.write(frame, 0);
  EXPECT_EQ(frame[0], std::byte{0x80});
  EXPECT_TRUE(writer.done());
}

TEST(FrameWriterDeathTest, MisuseAsserts) {
  std::byte to[256];
  const std::string long_payload(126, 'x');
  EXPECT_DEATH(write_frame(to, Role::client, Opcode::ping, as_bytes(long_payload), 0),
               "is_control");
  EXPECT_DEATH(write_frame(to, Role::client, Opcode::ping, {}, 0, false), "is_control");
  EXPECT_DEATH(FragmentWriter(Role::client, Opcode::ping, {}, 1), "Opcode::text");
  FragmentWriter writer(Role::client, Opcode::text, {}, 1);
  writer.write(to, 0);
  EXPECT_DEATH(writer.write(to, 0), "done_");
}

// Whatever is written in one role is read in the other, whole and cut anywhere.
RC_GTEST_PROP(FrameWriterProperty, RoundTripsRandomSequences, ()) {
  const auto seed = *rc::gen::noShrink(rc::gen::arbitrary<std::uint64_t>());
  std::mt19937_64 random(seed);
  const Role role = random() % 2 == 0 ? Role::client : Role::server;
  std::vector<Event> expected;
  std::string stream;
  const auto append = [&](Opcode opcode, std::string_view payload, std::size_t fragment) {
    FragmentWriter writer(role, opcode, as_bytes(payload), fragment);
    while (!writer.done()) {
      std::vector<std::byte> frame(writer.next_frame_bytes());
      writer.write(frame.data(), static_cast<MaskingKey>(random()));
      stream.append(as_text(frame));
      if (random() % 4 != 0) continue;
      const std::string ping(random() % 126, 'i');
      stream += written(role, Opcode::ping, ping, static_cast<MaskingKey>(random()));
      if (!writer.done()) {
        expected.push_back(control(Opcode::ping, ping));
      } else {
        expected.push_back(message(opcode, payload));
        expected.push_back(control(Opcode::ping, ping));
        return;
      }
    }
    expected.push_back(message(opcode, payload));
  };
  for (std::uint64_t messages = random() % 8; messages > 0; --messages) {
    std::string payload(random() % 1000, 'x');
    for (char& byte : payload) byte = static_cast<char>(random() % 128);
    append(random() % 2 == 0 ? Opcode::text : Opcode::binary, payload, 1 + random() % 600);
  }
  std::vector<std::size_t> cuts(random() % 30);
  for (std::size_t& cut : cuts) cut = random() % (stream.size() + 1);
  std::sort(cuts.begin(), cuts.end());
  RC_ASSERT(events_of(other(role), {}, stream, {}, stream.size() + 1) == expected);
  RC_ASSERT(events_of(other(role), {}, stream, cuts, 1 + random() % 3000) == expected);
}

}  // namespace
}  // namespace zenwire
