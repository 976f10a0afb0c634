#include <zenwire/codec/frame.hpp>

namespace zenwire {

namespace {

DecodedHeader refused(Errc error) noexcept {
  return {{}, 0, error};
}

FrameHeader first_fields(std::uint8_t first, std::uint8_t second) noexcept {
  FrameHeader header;
  header.opcode = static_cast<Opcode>(first & detail::kOpcodeBits);
  header.fin = (first & detail::kFinBit) != 0;
  header.rsv1 = (first & detail::kRsv1Bit) != 0;
  header.masked = (second & detail::kMaskBit) != 0;
  return header;
}

}  // namespace

DecodedHeader decode_header(Bytes bytes) noexcept {
  if (bytes.empty()) return {};
  const auto first = std::to_integer<std::uint8_t>(bytes[0]);
  if (const Errc error = detail::check_first_byte(first); error != Errc::ok) return refused(error);
  if (bytes.size() < 2) return {};
  const auto second = std::to_integer<std::uint8_t>(bytes[1]);
  if (const Errc error = detail::check_second_byte(first, second); error != Errc::ok)
    return refused(error);
  const std::size_t before_key = 2 + detail::length_bytes(second);
  if (bytes.size() < before_key) return {};
  FrameHeader header = first_fields(first, second);
  header.payload_bytes = detail::load_length(second, bytes.data() + 2);
  const Errc error = detail::check_length(second, header.payload_bytes);
  if (error != Errc::ok) return refused(error);
  if (!header.masked) return {header, before_key, Errc::ok};
  if (bytes.size() < before_key + sizeof header.key) return {};
  std::memcpy(&header.key, bytes.data() + before_key, sizeof header.key);
  return {header, before_key + sizeof header.key, Errc::ok};
}

}  // namespace zenwire
