#include <algorithm>

#include <zenwire/codec/http_head.hpp>
#include <zenwire/testing/capture.hpp>

namespace zenwire::testing {
namespace {

constexpr std::size_t kShown_bytes_max = 120;

// Bytes that a terminal cannot show become dots; UTF-8 stays where it is text.
std::string shown(Opcode opcode, std::string_view payload) {
  std::string text(payload.substr(0, kShown_bytes_max));
  const bool is_text = opcode == Opcode::text;
  std::replace_if(
      text.begin(), text.end(),
      [&](char c) { return (c >= 0 && c < ' ') || c == '\x7f' || (c < 0 && !is_text); }, '.');
  if (payload.size() > kShown_bytes_max) text += "...";
  return text;
}

std::string described(Opcode opcode, std::string_view payload) {
  return std::string(name(opcode)) + ", " + std::to_string(payload.size()) +
         " bytes: " + shown(opcode, payload);
}

}  // namespace

std::optional<std::string_view> CapturedRequest::header(std::string_view name) const noexcept {
  for (const auto& [field, value] : headers) {
    if (equal_ignoring_case(field, name)) return value;
  }
  return std::nullopt;
}

std::string describe(const CapturedMessage& message) {
  return described(message.opcode, message.payload);
}

std::string describe(const CapturedFrame& frame) {
  return described(frame.opcode, frame.payload) + (frame.fin ? "" : " (to be continued)");
}

}  // namespace zenwire::testing
