// RFC 7692, section 7.2: its examples byte for byte, round trips under every agreement, limits at
// their boundary, and data that is not what it says.

#include <algorithm>
#include <array>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <zlib.h>

#include <zenwire/codec/deflate.hpp>

#include "allocation_counter.hpp"

namespace zenwire {
namespace {

using namespace std::string_view_literals;

// Memory of exactly `bytes`, so that the sanitizer sees a step too far.
class Memory {
 public:
  explicit Memory(std::size_t bytes)
      : bytes_(new std::byte[bytes]), arena_({bytes_.get(), bytes}) {}
  Arena& arena() { return arena_; }

 private:
  std::unique_ptr<std::byte[]> bytes_;
  Arena arena_;
};

class Sender {
 public:
  explicit Sender(DeflateSide side = {}, DeflateTuning tuning = {})
      : memory_(deflate_arena_bytes(side, tuning)),
        deflater_(Deflater::open(side, memory_.arena(), tuning).value()) {}

  std::string send(std::string_view message) {
    std::vector<std::byte> out(deflate_bound_bytes(message.size()));
    const std::size_t bytes = deflater_.deflate_message(as_bytes(message), out);
    return std::string(as_text(Bytes(out).first(bytes)));
  }

 private:
  Memory memory_;
  Deflater deflater_;
};

class Receiver {
 public:
  explicit Receiver(DeflateSide side = {})
      : memory_(inflate_arena_bytes(side)),
        inflater_(Inflater::open(side, memory_.arena()).value()) {}

  Result<std::string> receive(std::string_view payload, std::size_t limit = 1 << 20) {
    // Not a vector: memory of exactly the limit, and that never null.
    const std::unique_ptr<std::byte[]> out(new std::byte[limit]);
    const auto bytes = inflater_.inflate_message(as_bytes(payload), {out.get(), limit});
    if (!bytes) return tl::unexpected(bytes.error());
    EXPECT_LE(*bytes, limit);
    return std::string(as_text(Bytes(out.get(), *bytes)));
  }

 private:
  Memory memory_;
  Inflater inflater_;
};

// Messages as an exchange sends them: much alike, and then some that are not.
std::string ticker(unsigned i) {
  return R"({"jsonrpc":"2.0","method":"subscription","params":{"channel":"ticker.BTC-PERPETUAL.raw","data":{"timestamp":)" +
         std::to_string(1700000000000u + i * 37u) + R"(,"best_bid_price":)" +
         std::to_string(36000 + i % 97) + R"(.5,"best_ask_price":)" +
         std::to_string(36001 + i % 89) + "}}}";
}

std::string noise(std::size_t bytes, std::uint32_t seed) {
  std::string text(bytes, '\0');
  std::uint32_t state = seed * 2654435761u + 1;
  for (char& c : text) {
    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    c = static_cast<char>(state >> 24);
  }
  return text;
}

// ---- the RFC's examples

// Section 7.2.3.1 and 7.2.3.2: one block; and the same message again, out of the shared window.
TEST(DeflateExamples, HelloTwiceWithSharedWindow) {
  Receiver receiver;
  EXPECT_EQ(receiver.receive("\xf2\x48\xcd\xc9\xc9\x07\x00"sv).value(), "Hello");
  EXPECT_EQ(receiver.receive("\xf2\x00\x11\x00\x00"sv).value(), "Hello");
  // zlib at its best compresses to the same bytes.
  Sender sender({}, {9, 8});
  EXPECT_EQ(sender.send("Hello"), "\xf2\x48\xcd\xc9\xc9\x07\x00"sv);
  EXPECT_EQ(sender.send("Hello"), "\xf2\x00\x11\x00\x00"sv);
}

// Section 7.2.3.2: without context takeover both are the first.
TEST(DeflateExamples, HelloTwiceWithoutContextTakeover) {
  Sender sender({15, true});
  Receiver receiver({15, true});
  for (int i = 0; i < 3; ++i) {
    const std::string payload = sender.send("Hello");
    EXPECT_EQ(payload, "\xf2\x48\xcd\xc9\xc9\x07\x00"sv);
    EXPECT_EQ(receiver.receive(payload).value(), "Hello");
  }
  // A window that should have been forgotten is: the reference back is invalid.
  EXPECT_EQ(receiver.receive("\xf2\x00\x11\x00\x00"sv).error().code(), Errc::deflate_invalid);
}

// Section 7.2.3.3.
TEST(DeflateExamples, BlockWithoutCompression) {
  Receiver receiver;
  EXPECT_EQ(receiver.receive("\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00"sv).value(), "Hello");
}

// Section 7.2.3.4: a final block, padded to a byte. Its window lives on.
TEST(DeflateExamples, FinalBlock) {
  Receiver receiver;
  for (int i = 0; i < 3; ++i)
    EXPECT_EQ(receiver.receive("\xf3\x48\xcd\xc9\xc9\x07\x00\x00"sv).value(), "Hello");
  EXPECT_EQ(receiver.receive("\xf2\x00\x11\x00\x00"sv).value(), "Hello");
  // The same without the padding byte, and several in one message.
  EXPECT_EQ(receiver.receive("\xf3\x48\xcd\xc9\xc9\x07\x00"sv).value(), "Hello");
  EXPECT_EQ(receiver
                .receive("\xf3\x48\xcd\xc9\xc9\x07\x00\xf3\x48\xcd\xc9\xc9\x07\x00"
                         "\xf2\x48\xcd\xc9\xc9\x07\x00"sv)
                .value(),
            "HelloHelloHello");
  EXPECT_EQ(receiver.receive("\xf2\x00\x11\x00\x00"sv).value(), "Hello");
}

// Section 7.2.3.5: two blocks in one message.
TEST(DeflateExamples, TwoBlocks) {
  Receiver receiver;
  EXPECT_EQ(receiver.receive("\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00"sv).value(),
            "Hello");
}

// Section 7.2.3.6.
TEST(DeflateExamples, EmptyMessage) {
  Sender sender;
  Receiver receiver;
  EXPECT_EQ(sender.send(""), "\x00"sv);
  EXPECT_EQ(receiver.receive("\x00"sv).value(), "");
  EXPECT_EQ(receiver.receive(""sv).value(), "");
  EXPECT_EQ(receiver.receive("\x02\x00"sv).value(), "") << "an empty fixed block";
  EXPECT_EQ(receiver.receive(sender.send("Hello")).value(), "Hello");
  EXPECT_EQ(receiver.receive(sender.send("")).value(), "");
  EXPECT_EQ(receiver.receive(sender.send("Hello")).value(), "Hello");
}

// ---- every agreement

struct Agreement {
  DeflateSide side;
  DeflateTuning tuning;
};

std::vector<Agreement> all_agreements() {
  std::vector<Agreement> all;
  for (std::uint8_t bits = kWindowBits_min; bits <= kWindowBits_max; ++bits) {
    for (const bool no_takeover : {false, true}) {
      for (const int level : {0, 1, 6, 9}) {
        for (const int memory_level : {1, 8, 9})
          all.push_back({{bits, no_takeover}, {level, memory_level}});
      }
    }
  }
  return all;
}

TEST(Deflate, CarriesMessagesUnderEveryAgreement) {
  std::vector<std::string> messages = {"", "a", "", std::string(40'000, 'x'), noise(3'000, 1)};
  for (unsigned i = 0; i < 20; ++i) messages.push_back(ticker(i));
  messages.push_back(noise(20'000, 2));
  messages.push_back(noise(20'000, 2));
  for (const auto& [side, tuning] : all_agreements()) {
    Sender sender(side, tuning);
    Receiver receiver(side);
    for (const std::string& message : messages) {
      const auto received = receiver.receive(sender.send(message));
      ASSERT_TRUE(received) << received.error().detail();
      ASSERT_EQ(*received, message) << int{side.window_bits} << ' ' << tuning.level;
    }
  }
}

TEST(Deflate, SharesTheWindowOnlyWhenAgreed) {
  Sender sharing;
  Sender forgetting({15, true});
  const std::string first = noise(1000, 7);
  EXPECT_EQ(sharing.send(first).size(), forgetting.send(first).size());
  EXPECT_LT(sharing.send(first).size(), 100u);
  EXPECT_GT(forgetting.send(first).size(), 900u);
}

// A receiver that keeps no more than 2^bits of what came before, byte by byte, so that a reference
// that reaches further back cannot be resolved by accident.
std::string receive_through_window(std::string_view stream, int bits) {
  z_stream inflater{};
  EXPECT_EQ(inflateInit2(&inflater, -bits), Z_OK);
  std::string text;
  inflater.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(stream.data()));
  inflater.avail_in = static_cast<uInt>(stream.size());
  for (;;) {
    Bytef byte;
    inflater.next_out = &byte;
    inflater.avail_out = 1;
    const int status = inflate(&inflater, Z_SYNC_FLUSH);
    if (inflater.avail_out == 0) text += static_cast<char>(byte);
    if (inflater.avail_out == 0 && status == Z_OK) continue;
    EXPECT_TRUE(status == Z_BUF_ERROR || status == Z_OK) << inflater.msg;
    break;
  }
  inflateEnd(&inflater);
  return text;
}

// The trap of 8: zlib cannot deflate with a window of 256, and what we send instead must be
// readable by a peer that has no more. The same for every other size.
TEST(Deflate, NeverReachesBackBeyondTheWindow) {
  for (std::uint8_t bits = kWindowBits_min; bits <= kWindowBits_max; ++bits) {
    for (const int level : {1, 6, 9}) {
      Sender sender({bits, false}, {level, 8});
      std::string messages;
      std::string stream;
      // Repeats at every distance around the window's size.
      const std::size_t window = std::size_t{1} << bits;
      for (std::size_t distance = window - 20; distance <= window + 20; distance += 4) {
        const std::string message = noise(distance, static_cast<std::uint32_t>(distance)) +
                                    noise(300, static_cast<std::uint32_t>(distance)) + ticker(0);
        messages += message;
        stream += sender.send(message) + std::string("\x00\x00\xff\xff"sv);
      }
      ASSERT_EQ(receive_through_window(stream, bits), messages) << int{bits} << ' ' << level;
    }
  }
}

RC_GTEST_PROP(Deflate, CarriesAnyMessages, (const std::vector<std::string>& messages)) {
  const auto bits = static_cast<std::uint8_t>(*rc::gen::inRange(8, 16));
  const DeflateSide side{bits, *rc::gen::arbitrary<bool>()};
  const DeflateTuning tuning{*rc::gen::inRange(0, 10), *rc::gen::inRange(1, 10)};
  Sender sender(side, tuning);
  Receiver receiver(side);
  for (const std::string& message : messages)
    RC_ASSERT(receiver.receive(sender.send(message)).value() == message);
}

RC_GTEST_PROP(Deflate, CarriesRepetitiveMessagesExactlyAtTheLimit, ()) {
  Sender sender;
  Receiver receiver;
  const int count = *rc::gen::inRange(1, 6);
  for (int i = 0; i < count; ++i) {
    const auto unit = *rc::gen::nonEmpty(rc::gen::arbitrary<std::string>());
    const auto repeats = *rc::gen::inRange<std::size_t>(1, 400);
    std::string message;
    for (std::size_t k = 0; k < repeats; ++k) message += unit;
    RC_ASSERT(receiver.receive(sender.send(message), message.size()).value() == message);
  }
}

// ---- bounds and limits

TEST(Deflate, BoundHoldsForNoiseAtEveryLevel) {
  for (const auto& [side, tuning] : all_agreements()) {
    Sender sender(side, tuning);  // its assertion is the test
    for (const std::size_t bytes : {1u, 2u, 3u, 10u, 100u, 1000u, 20'000u})
      ASSERT_LE(sender.send(noise(bytes, 3)).size(), deflate_bound_bytes(bytes));
  }
}

// Every room from nothing to enough: the payload or nothing, never a byte beyond, and what does not
// fit goes past the stream uncompressed without harm to what follows.
TEST(Deflate, GoesOnAfterAMessageThatDidNotFit) {
  for (const bool no_takeover : {false, true}) {
    const DeflateSide side{15, no_takeover};
    for (const std::string& message : {ticker(1), noise(300, 1), std::string(300, 'x')}) {
      const std::size_t needed = Sender(side).send(message).size() + Deflater::kTail_bytes;
      Memory memory(deflate_arena_bytes(side));
      auto deflater = Deflater::open(side, memory.arena()).value();
      Receiver receiver(side);
      const auto send = [&](std::string_view text, std::size_t room) {
        const std::unique_ptr<std::byte[]> out(new std::byte[room]);
        const auto bytes = deflater.try_deflate_message(as_bytes(text), {out.get(), room});
        if (!bytes) return false;
        EXPECT_EQ(receiver.receive(as_text({out.get(), *bytes})).value(), text);
        return true;
      };
      for (std::size_t room = 0; room <= needed + 1; ++room) {
        ASSERT_TRUE(send(ticker(2), 4096));
        // With the window that ticker(2) left the first may fit into less; never into nothing.
        const bool fitted = send(message, room);
        ASSERT_FALSE(fitted && room < Deflater::kTail_bytes);
        ASSERT_TRUE(fitted || room < needed);
        ASSERT_TRUE(send(ticker(3), 4096));
      }
    }
  }
}

TEST(Deflate, TellsWhatIsWorthCompressing) {
  Memory memory(deflate_arena_bytes({}));
  auto deflater = Deflater::open({}, memory.arena()).value();
  std::array<std::byte, 4096> out;
  const std::string incompressible = noise(4096, 9);
  EXPECT_EQ(deflater.try_deflate_message(as_bytes(incompressible), out), std::nullopt);
  EXPECT_EQ(deflater.try_deflate_message(as_bytes(incompressible), out), std::nullopt)
      << "what was not sent is not in the window";
  const std::string repetitive(4096, 'x');
  EXPECT_LT(deflater.try_deflate_message(as_bytes(repetitive), out).value(), 100u);
}

TEST(Inflate, StopsExactlyAtTheLimit) {
  for (const std::size_t bytes : {1u, 2u, 257u, 258u, 259u, 1000u, 32768u, 40'000u, 1'000'000u}) {
    for (const std::string& message : {std::string(bytes, 'x'), noise(bytes, 5)}) {
      const std::string payload = Sender().send(message);
      EXPECT_EQ(Receiver().receive(payload, bytes).value(), message);
      EXPECT_EQ(Receiver().receive(payload, bytes + 1).value(), message);
      for (const std::size_t limit : {bytes - 1, bytes / 2, std::size_t{0}}) {
        const auto received = Receiver().receive(payload, limit);
        ASSERT_FALSE(received) << bytes << ' ' << limit;
        EXPECT_EQ(received.error().code(), Errc::deflate_too_large);
      }
    }
  }
}

TEST(Inflate, TakesEmptyMessagesWithNoRoomAtAll) {
  Receiver receiver;
  EXPECT_EQ(receiver.receive("\x00"sv, 0).value(), "");
  EXPECT_EQ(receiver.receive(""sv, 0).value(), "");
  EXPECT_EQ(receiver.receive("\xf3\x48\xcd\xc9\xc9\x07\x00"sv, 0).error().code(),
            Errc::deflate_too_large);
}

TEST(Inflate, GoesOnAfterAMessageThatFilledTheLimit) {
  Sender sender;
  Receiver receiver;
  for (unsigned i = 0; i < 50; ++i) {
    const std::string message = ticker(i);
    ASSERT_EQ(receiver.receive(sender.send(message), message.size()).value(), message);
  }
}

TEST(Inflate, StopsABombAtTheLimit) {
  Sender sender({}, {9, 8});
  const std::string bomb = sender.send(std::string(64 << 20, '\0'));
  ASSERT_LT(bomb.size(), 80'000u);
  EXPECT_EQ(Receiver().receive(bomb, 1 << 20).error().code(), Errc::deflate_too_large);
}

// A bomb of a thousand final blocks is one of bytes all the same.
TEST(Inflate, StopsABombOfFinalBlocks) {
  std::string bomb;
  for (int i = 0; i < 1000; ++i) bomb += "\xf3\x48\xcd\xc9\xc9\x07\x00"sv;
  EXPECT_EQ(Receiver().receive(bomb, 5000).value().size(), 5000u);
  EXPECT_EQ(Receiver().receive(bomb, 4999).error().code(), Errc::deflate_too_large);
}

// ---- bad data

TEST(Inflate, RefusesWhatIsNotDeflate) {
  struct Bad {
    std::string_view payload;
    std::string_view detail;
  };
  constexpr Bad kBad[] = {
      {"\x07"sv, "invalid block type"},
      {"\xff\xff\xff"sv, "invalid block type"},
      {"\x00\x05\x00\xfa\xfe\x48"sv, "invalid stored block lengths"},
      {"\xf2\x00\x11\x00\x00"sv, "invalid distance too far back"},
      {"\xf2\x48\xcd"sv, "the compressed message ends inside a block"},
      {"\xf2"sv, "the compressed message ends inside a block"},
      {"\x00\x09\x00\xf6\xff\x48\x65"sv, "the compressed message ends inside a block"},
      {"\xfc\xff\xff\xff"sv, "too many length or distance symbols"},
      {"\x78\x9c\xf3\x48\xcd\xc9\xc9\x07\x00"sv, "invalid stored block lengths"},  // zlib's header
  };
  for (const auto& [payload, detail] : kBad) {
    const auto received = Receiver().receive(payload);
    ASSERT_FALSE(received) << detail;
    EXPECT_EQ(received.error().code(), Errc::deflate_invalid) << detail;
    EXPECT_EQ(received.error().detail(), detail);
  }
}

// A message cut at every byte: an error, or (where a block happens to end) a prefix; never more.
TEST(Inflate, NeverMakesUpBytesForACutMessage) {
  const std::string message = ticker(1) + noise(200, 1) + ticker(2);
  const std::string payload = Sender({}, {6, 8}).send(message);
  for (std::size_t cut = 1; cut < payload.size(); ++cut) {
    const auto received = Receiver().receive(std::string_view(payload).substr(0, cut));
    if (!received) {
      ASSERT_EQ(received.error().code(), Errc::deflate_invalid);
    } else {
      ASSERT_EQ(message.substr(0, received->size()), *received) << cut;
    }
  }
}

RC_GTEST_PROP(Inflate, IsSafeOnAnyBytes, (const std::vector<std::string>& payloads)) {
  const auto bits = static_cast<std::uint8_t>(*rc::gen::inRange(8, 16));
  Receiver receiver({bits, *rc::gen::arbitrary<bool>()});
  const auto limit = *rc::gen::inRange<std::size_t>(0, 5000);
  for (const std::string& payload : payloads) {
    if (!receiver.receive(payload, limit)) break;
  }
}

RC_GTEST_PROP(Inflate, IsSafeOnAnyBytesChanged, ()) {
  Sender sender({}, {6, 8});
  Receiver receiver;
  for (unsigned i = 0; i < 4; ++i) {
    std::string payload = sender.send(ticker(i));
    const auto at = *rc::gen::inRange<std::size_t>(0, payload.size());
    payload[at] = *rc::gen::arbitrary<char>();
    if (!receiver.receive(payload, 4096)) break;
  }
}

// ---- memory

TEST(DeflateMemory, FitsTheArenaAndWastesLittle) {
  for (const auto& [side, tuning] : all_agreements()) {
    const std::size_t deflate_bytes = deflate_arena_bytes(side, tuning);
    Memory for_deflate(deflate_bytes);
    ASSERT_TRUE(Deflater::open(side, for_deflate.arena(), tuning));
    EXPECT_GE(for_deflate.arena().used_bytes() + 1024, deflate_bytes);

    const std::size_t inflate_bytes = inflate_arena_bytes(side);
    Memory for_inflate(inflate_bytes);
    ASSERT_TRUE(Inflater::open(side, for_inflate.arena()));
    EXPECT_GE(for_inflate.arena().used_bytes() + 1024, inflate_bytes);
  }
}

TEST(DeflateMemory, SaysWhenTheArenaIsTooSmall) {
  const DeflateSide side{9, false};
  const DeflateTuning tuning{1, 1};
  const std::size_t needed = [&] {
    Memory memory(deflate_arena_bytes(side, tuning));
    EXPECT_TRUE(Deflater::open(side, memory.arena(), tuning));
    return memory.arena().used_bytes();
  }();
  for (std::size_t bytes = 0; bytes + 128 < needed; bytes += 61) {
    Memory memory(bytes);
    const auto deflater = Deflater::open(side, memory.arena(), tuning);
    ASSERT_FALSE(deflater) << bytes;
    ASSERT_EQ(deflater.error().code(), Errc::memory_exhausted);
    ASSERT_FALSE(Inflater::open(side, memory.arena()) && bytes < 512);
  }
}

TEST(DeflateMemory, AnArenaServesAgainAfterReset) {
  const DeflateSide side{10, false};
  Memory memory(deflate_arena_bytes(side) + inflate_arena_bytes(side));
  for (unsigned i = 0; i < 3; ++i) {
    memory.arena().reset();
    auto deflater = Deflater::open(side, memory.arena()).value();
    auto inflater = Inflater::open(side, memory.arena()).value();
    std::array<std::byte, 256> compressed;
    std::array<std::byte, 256> out;
    const std::size_t bytes = deflater.deflate_message(as_bytes("Hello"), compressed);
    EXPECT_EQ(inflater.inflate_message(Bytes(compressed).first(bytes), out).value(), 5u);
    EXPECT_EQ(as_text(Bytes(out).first(5)), "Hello");
  }
}

TEST(DeflateMemory, NothingIsAllocatedFromOpeningOn) {
  for (const bool no_takeover : {false, true}) {
    const DeflateSide side{15, no_takeover};
    Memory memory(deflate_arena_bytes(side) + inflate_arena_bytes(side));
    const std::string messages[] = {ticker(1), noise(20'000, 1), std::string(100'000, 'x'), ""};
    std::vector<std::byte> compressed(deflate_bound_bytes(100'000));
    std::vector<std::byte> out(100'000);
    const test::AllocationScope scope;
    auto deflater = Deflater::open(side, memory.arena()).value();
    auto inflater = Inflater::open(side, memory.arena()).value();
    for (int i = 0; i < 100; ++i) {
      for (const std::string& message : messages) {
        const std::size_t bytes = deflater.deflate_message(as_bytes(message), compressed);
        ASSERT_EQ(inflater.inflate_message(Bytes(compressed).first(bytes), out).value(),
                  message.size());
      }
    }
    EXPECT_EQ(scope.count(), 0u);
  }
}

TEST(Arena, AlignsWhateverItsMemory) {
  alignas(64) std::array<std::byte, 512> memory;
  for (std::size_t offset = 0; offset < 64; ++offset) {
    Arena arena(MutableBytes(memory).subspan(offset));
    for (const std::size_t bytes : {1u, 63u, 64u, 0u}) {
      void* const place = arena.allocate(bytes);
      ASSERT_NE(place, nullptr);
      ASSERT_EQ(reinterpret_cast<std::uintptr_t>(place) % Arena::kAlignment_bytes, 0u);
    }
    ASSERT_EQ(arena.allocate(512), nullptr);
    ASSERT_EQ(arena.allocate(~std::size_t{0}), nullptr);
  }
  Arena nothing;
  EXPECT_EQ(nothing.allocate(1), nullptr);
}

TEST(Arena, GivesItsLastByte) {
  alignas(64) std::array<std::byte, 128> memory;
  Arena arena(memory);
  EXPECT_NE(arena.allocate(128), nullptr);
  EXPECT_EQ(arena.allocate(1), nullptr);
  arena.reset();
  EXPECT_EQ(arena.allocate(64), memory.data());
  EXPECT_EQ(arena.allocate(64), memory.data() + 64);
  EXPECT_EQ(arena.used_bytes(), arena.capacity_bytes());
}

}  // namespace
}  // namespace zenwire
