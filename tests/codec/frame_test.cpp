// Headers: RFC 6455, section 5.2, and the examples of section 5.7.

#include <initializer_list>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <zenwire/codec/frame.hpp>

namespace zenwire {
namespace {

std::vector<std::byte> bytes_of(std::initializer_list<int> values) {
  std::vector<std::byte> bytes;
  for (const int value : values) bytes.push_back(static_cast<std::byte>(value));
  return bytes;
}

struct Encoding {
  const char* what;
  FrameHeader header;
  std::vector<std::byte> bytes;
};

MaskingKey key_of(std::initializer_list<int> values) {
  MaskingKey key;
  std::memcpy(&key, bytes_of(values).data(), sizeof key);
  return key;
}

std::vector<Encoding> encodings() {
  const MaskingKey key = key_of({0x37, 0xfa, 0x21, 0x3d});
  return {
      {"5.7 single-frame unmasked text",
       {Opcode::text, true, false, false, 0, 5},
       bytes_of({0x81, 0x05})},
      {"5.7 single-frame masked text",
       {Opcode::text, true, false, true, key, 5},
       bytes_of({0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d})},
      {"5.7 first fragment", {Opcode::text, false, false, false, 0, 3}, bytes_of({0x01, 0x03})},
      {"5.7 last fragment",
       {Opcode::continuation, true, false, false, 0, 2},
       bytes_of({0x80, 0x02})},
      {"5.7 ping", {Opcode::ping, true, false, false, 0, 5}, bytes_of({0x89, 0x05})},
      {"5.7 masked pong",
       {Opcode::pong, true, false, true, key, 5},
       bytes_of({0x8a, 0x85, 0x37, 0xfa, 0x21, 0x3d})},
      {"5.7 256 bytes binary",
       {Opcode::binary, true, false, false, 0, 256},
       bytes_of({0x82, 0x7e, 0x01, 0x00})},
      {"5.7 64 KiB binary",
       {Opcode::binary, true, false, false, 0, 65536},
       bytes_of({0x82, 0x7f, 0, 0, 0, 0, 0, 1, 0, 0})},
      {"empty", {Opcode::binary, true, false, false, 0, 0}, bytes_of({0x82, 0x00})},
      {"largest in 7 bits", {Opcode::binary, true, false, false, 0, 125}, bytes_of({0x82, 125})},
      {"smallest in 16",
       {Opcode::binary, true, false, false, 0, 126},
       bytes_of({0x82, 126, 0, 126})},
      {"largest in 16",
       {Opcode::binary, true, false, false, 0, 65535},
       bytes_of({0x82, 126, 0xff, 0xff})},
      {"largest of all",
       {Opcode::binary, true, false, false, 0, ~std::uint64_t{0} >> 1},
       bytes_of({0x82, 127, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff})},
      {"RFC 7692 compressed", {Opcode::text, true, true, false, 0, 7}, bytes_of({0xc1, 0x07})},
      {"close", {Opcode::close, true, false, false, 0, 2}, bytes_of({0x88, 0x02})},
  };
}

TEST(Frame, EncodesAndDecodesTheTable) {
  for (const Encoding& encoding : encodings()) {
    SCOPED_TRACE(encoding.what);
    std::vector<std::byte> written(kFrameHeader_bytes_max, std::byte{0xee});
    const std::byte* const end = write_header(written.data(), encoding.header);
    const auto size = static_cast<std::size_t>(end - written.data());
    EXPECT_EQ(size, header_bytes(encoding.header.payload_bytes, encoding.header.masked));
    for (std::size_t i = size; i < written.size(); ++i)
      EXPECT_EQ(written[i], std::byte{0xee}) << "beyond the end";
    written.resize(size);
    EXPECT_EQ(written, encoding.bytes);
    const DecodedHeader decoded = decode_header(encoding.bytes);
    EXPECT_EQ(decoded.error, Errc::ok);
    EXPECT_EQ(decoded.header_bytes, size);
    EXPECT_EQ(decoded.header, encoding.header);
  }
}

TEST(Frame, AnIncompleteHeaderIsNoError) {
  for (const Encoding& encoding : encodings()) {
    for (std::size_t cut = 0; cut < encoding.bytes.size(); ++cut) {
      const DecodedHeader decoded = decode_header(Bytes(encoding.bytes).first(cut));
      EXPECT_EQ(decoded.error, Errc::ok) << encoding.what;
      EXPECT_EQ(decoded.header_bytes, 0u) << encoding.what;
    }
  }
}

struct Refusal {
  const char* what;
  std::vector<std::byte> bytes;
  Errc error;
  std::size_t noticed_at;  // bytes after which it is refused
};

TEST(Frame, RefusesAsSoonAsTheByteIsThere) {
  const std::vector<Refusal> refusals = {
      {"Autobahn 3.2: RSV3", bytes_of({0x91, 0x05}), Errc::frame_reserved_bits, 1},
      {"Autobahn 3.3: RSV2", bytes_of({0xa1, 0x05}), Errc::frame_reserved_bits, 1},
      {"RSV1 on a control frame", bytes_of({0xc9, 0x00}), Errc::frame_reserved_bits, 1},
      {"Autobahn 4.1.1: opcode 3", bytes_of({0x83, 0x00}), Errc::frame_opcode_unknown, 1},
      {"Autobahn 4.1.5: opcode 7", bytes_of({0x87, 0x00}), Errc::frame_opcode_unknown, 1},
      {"Autobahn 4.2.1: opcode 11", bytes_of({0x8b, 0x00}), Errc::frame_opcode_unknown, 1},
      {"Autobahn 4.2.5: opcode 15", bytes_of({0x8f, 0x00}), Errc::frame_opcode_unknown, 1},
      {"Autobahn 5.1: fragmented ping", bytes_of({0x09, 0x00}), Errc::frame_control_fragmented, 1},
      {"Autobahn 2.5: ping of 126", bytes_of({0x89, 126, 0, 126}), Errc::frame_control_too_long, 2},
      {"ping with a 64-bit length", bytes_of({0x89, 127}), Errc::frame_control_too_long, 2},
      {"5.2: 125 in 16 bits", bytes_of({0x82, 126, 0, 125}), Errc::frame_length_not_minimal, 4},
      {"5.2: 65535 in 64", bytes_of({0x82, 127, 0, 0, 0, 0, 0, 0, 0xff, 0xff}),
       Errc::frame_length_not_minimal, 10},
      {"5.2: top bit", bytes_of({0x82, 127, 0x80, 0, 0, 0, 0, 0, 0, 0}), Errc::frame_length_invalid,
       10},
  };
  for (const Refusal& refusal : refusals) {
    SCOPED_TRACE(refusal.what);
    for (std::size_t size = 0; size <= refusal.bytes.size(); ++size) {
      const DecodedHeader decoded = decode_header(Bytes(refusal.bytes).first(size));
      EXPECT_EQ(decoded.error, size < refusal.noticed_at ? Errc::ok : refusal.error) << size;
      EXPECT_EQ(decoded.header_bytes, 0u);
    }
  }
}

TEST(Frame, KnowsItsOpcodes) {
  for (unsigned opcode = 0; opcode < 16; ++opcode) {
    const bool known = opcode <= 2 || (opcode >= 8 && opcode <= 10);
    EXPECT_EQ(is_known_opcode(static_cast<std::uint8_t>(opcode)), known) << opcode;
    EXPECT_EQ(std::string(name(static_cast<Opcode>(opcode))) != "unknown", known) << opcode;
    EXPECT_EQ(is_control(static_cast<Opcode>(opcode)), opcode >= 8) << opcode;
  }
}

RC_GTEST_PROP(FrameProperty, RoundTrips, ()) {
  FrameHeader header;
  header.opcode = *rc::gen::element(Opcode::continuation, Opcode::text, Opcode::binary);
  header.fin = *rc::gen::arbitrary<bool>();
  header.rsv1 = *rc::gen::arbitrary<bool>();
  header.masked = *rc::gen::arbitrary<bool>();
  header.key = header.masked ? *rc::gen::arbitrary<MaskingKey>() : 0;
  header.payload_bytes = *rc::gen::arbitrary<std::uint64_t>() >> *rc::gen::inRange(1, 64);
  std::byte written[kFrameHeader_bytes_max];
  const std::byte* const end = write_header(written, header);
  const DecodedHeader decoded = decode_header({written, end});
  RC_ASSERT(decoded.error == Errc::ok);
  RC_ASSERT(decoded.header == header);
  RC_ASSERT(decoded.header_bytes == static_cast<std::size_t>(end - written));
}

}  // namespace
}  // namespace zenwire
