#pragma once

// What a MockServer saw: requests, frames, messages and ends of its clients. Values; they own their
// bytes.

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <zenwire/base/error.hpp>
#include <zenwire/codec/close.hpp>
#include <zenwire/codec/frame.hpp>
#include <zenwire/engine/options.hpp>

namespace zenwire::testing {

// Counts the connections that a server accepted, from 1, also over restarts.
using ClientId = std::uint32_t;
// Where a client may be named: whichever there are.
inline constexpr ClientId kEveryClient = 0;

using SteadyTime = std::chrono::steady_clock::time_point;

// A client's request to upgrade.
struct CapturedRequest {
  ClientId client = 0;
  std::string method{};
  std::string target{};
  HeaderList headers{};

  // The value of the first header of this name, ASCII case ignored.
  [[nodiscard]] std::optional<std::string_view> header(std::string_view name) const noexcept;
};

// One frame as it came, control frames and fragments too.
struct CapturedFrame {
  ClientId client = 0;
  Opcode opcode = Opcode::text;
  bool fin = true;
  bool rsv1 = false;
  MaskingKey key = 0;
  std::string payload{};  // unmasked; compressed if it was
  SteadyTime received_at{};
};

// A whole text or binary message: fragments joined, decompressed.
struct CapturedMessage {
  ClientId client = 0;
  Opcode opcode = Opcode::text;
  std::string payload{};
  std::uint32_t fragments = 1;
  bool compressed = false;
  SteadyTime received_at{};
};

// How a connection ended, as the server saw it.
struct ClientEnd {
  ClientId client = 0;
  bool opened = false;       // it was answered with 101
  bool close_frame = false;  // the client sent one: with this code and reason
  std::uint16_t close_code = CloseCode::no_status;
  std::string close_reason{};
  bool end_of_stream = false;  // the client ended its half in order
  bool by_server = false;      // reset or stopped by the server, before the client ended it
  // A rule that the client broke, or what went wrong in its TLS handshake or upgrade.
  Errc violation = Errc::ok;
};

// "text, 12 bytes: hello world!", cut to a line.
std::string describe(const CapturedMessage& message);
std::string describe(const CapturedFrame& frame);

}  // namespace zenwire::testing
