#include <array>

#include <zenwire/base/assert.hpp>
#include <zenwire/base/bytes.hpp>
#include <zenwire/codec/mask.hpp>
#include <zenwire/testing/script.hpp>

namespace zenwire::testing {

std::string AnyFrame::bytes() const {
  ZW_ASSERT(opcode <= 15);
  std::array<std::byte, kFrameHeader_bytes_max> header{};
  const std::byte* const end =
      write_header(header.data(), {.opcode = Opcode::binary,
                                   .fin = fin,
                                   .rsv1 = rsv1,
                                   .masked = key.has_value(),
                                   .key = key.value_or(0),
                                   .payload_bytes = announced_bytes.value_or(payload.size())});
  const unsigned reserved = (rsv2 ? 0x20u : 0u) | (rsv3 ? 0x10u : 0u);
  header[0] = (header[0] & std::byte{0xc0}) | static_cast<std::byte>(reserved | opcode);
  std::string bytes(reinterpret_cast<const char*>(header.data()),
                    static_cast<std::size_t>(end - header.data()));
  const std::size_t header_bytes = bytes.size();
  bytes += payload;
  auto* const body = reinterpret_cast<std::byte*>(bytes.data()) + header_bytes;
  if (key && !payload.empty()) mask_copy(body, body, payload.size(), *key);
  return bytes;
}

Script& Script::text(std::string_view payload) {
  steps_.emplace_back(SendMessage{Opcode::text, std::string(payload), 0});
  return *this;
}

Script& Script::binary(std::string_view payload) {
  steps_.emplace_back(SendMessage{Opcode::binary, std::string(payload), 0});
  return *this;
}

Script& Script::fragments(Opcode opcode, std::string_view payload, std::size_t fragment_bytes) {
  ZW_ASSERT(!is_control(opcode) && fragment_bytes >= 1);
  steps_.emplace_back(SendMessage{opcode, std::string(payload), fragment_bytes});
  return *this;
}

Script& Script::ping(std::string_view payload) {
  return frame(
      {.opcode = static_cast<std::uint8_t>(Opcode::ping), .payload = std::string(payload)});
}

Script& Script::pong(std::string_view payload) {
  return frame(
      {.opcode = static_cast<std::uint8_t>(Opcode::pong), .payload = std::string(payload)});
}

Script& Script::close(std::uint16_t code, std::string_view reason) {
  steps_.emplace_back(SendClose{code, std::string(reason)});
  return *this;
}

Script& Script::frame(const AnyFrame& frame) {
  return raw(frame.bytes());
}

Script& Script::raw(std::string_view bytes) {
  steps_.emplace_back(SendRaw{std::string(bytes)});
  return *this;
}

Script& Script::delay(std::chrono::nanoseconds time) {
  steps_.emplace_back(Delay{time});
  return *this;
}

Script& Script::await(Matcher matcher) {
  steps_.emplace_back(Await{std::move(matcher)});
  return *this;
}

Script& Script::hold() {
  steps_.emplace_back(Hold{});
  return *this;
}

Script& Script::stop_reading() {
  steps_.emplace_back(ReadPace{0, {}});
  return *this;
}

Script& Script::read_slowly(std::size_t bytes, std::chrono::nanoseconds every) {
  ZW_ASSERT(bytes >= 1 && every.count() > 0);
  steps_.emplace_back(ReadPace{bytes, every});
  return *this;
}

Script& Script::read_freely() {
  steps_.emplace_back(ReadPace{~std::size_t{0}, {}});
  return *this;
}

Script& Script::write_in_pieces(std::size_t bytes) {
  ZW_ASSERT(bytes >= 1);
  steps_.emplace_back(WritePieces{bytes});
  return *this;
}

Script& Script::end_in_order() {
  steps_.emplace_back(End::in_order);
  return *this;
}

Script& Script::end() {
  steps_.emplace_back(End::fin);
  return *this;
}

Script& Script::reset() {
  steps_.emplace_back(End::reset);
  return *this;
}

Script& Script::go_silent() {
  steps_.emplace_back(End::silence);
  return *this;
}

Script& Script::then(const Script& other) {
  const std::vector<Step> more = other.steps_;  // a script may follow itself
  steps_.insert(steps_.end(), more.begin(), more.end());
  return *this;
}

Script Disconnect::code(std::uint16_t code, std::string_view reason) {
  return Script().close(code, reason);
}

Script Disconnect::mid_frame() {
  const std::string whole = AnyFrame{.payload = "this frame has no end"}.bytes();
  return Script().raw(std::string_view(whole).substr(0, whole.size() / 2)).end();
}

}  // namespace zenwire::testing
