#pragma once

// Script: what a conformance fuzzer does to an echoing end, and what it wants to see. Plain data,
// the same for both roles of the end under test and for every wire: an engine in memory or a
// process on loopback.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace zenwire::test {

// Opcodes as plain numbers: half of the cases send what the product's enumeration has no name for.
inline constexpr unsigned kContinuation = 0;
inline constexpr unsigned kText = 1;
inline constexpr unsigned kBinary = 2;
inline constexpr unsigned kClose = 8;
inline constexpr unsigned kPing = 9;
inline constexpr unsigned kPong = 10;

struct Frame {
  unsigned opcode = kText;
  std::string payload{};
  bool fin = true;
  unsigned rsv = 0;             // 4 is RSV1, 1 is RSV3, as the bits stand in the byte
  bool masked_wrongly = false;  // masked by a server, or not by a client
  unsigned length_bytes = 0;    // of the extended length: 2 or 8; 0 is the shortest form
  std::optional<std::uint64_t> announced{};  // a length that is not the payload's
};

// What came back: a message, or a control frame other than close.
struct Event {
  unsigned opcode = kText;
  std::string payload{};
  bool operator==(const Event&) const = default;
};

// How the bytes of a step are cut into writes.
inline constexpr std::size_t kOneWrite = 0;
inline constexpr std::size_t kFrameWise = ~std::size_t{0};

struct Send {
  std::vector<Frame> frames;
  std::size_t chop_bytes = kOneWrite;
};
// A frame of which only this much of the payload is sent, or, after the first, what follows it.
struct SendPart {
  Frame frame;
  std::size_t from = 0;  // 0: the header goes first
  std::size_t to = 0;
};
// The end has not closed so far.
struct StillOpen {};
// Waits until this many events have come.
struct Await {
  std::size_t events = 0;
};
// Messages sent one by one, each after the echo of the one before.
struct EchoEach {
  unsigned opcode = kText;
  std::size_t count = 1;
  std::function<std::string(std::size_t index)> payload;
  std::size_t fragment_bytes = 0;  // 0: in one frame
  std::size_t chop_bytes = kOneWrite;
  bool compressed = false;
};
using Step = std::variant<Send, SendPart, StillOpen, Await, EchoEach>;

// How it has to end.
struct Ending {
  bool end_fails = false;  // the end under test has to close by itself; else the fuzzer does
  std::vector<std::uint16_t> codes = {1000};  // that its close frame may carry; empty: any
  bool without_code = false;                  // ... or has to have none
};

struct Script {
  std::vector<Step> steps;
  std::vector<Event> wanted = {};
  Ending ending = {};
};

inline constexpr std::uint16_t kProtocolError = 1002;
inline constexpr std::uint16_t kInvalidPayload = 1007;
inline constexpr std::uint16_t kMessageTooBig = 1009;

inline Ending fails_with(std::uint16_t code) {
  return {.end_fails = true, .codes = {code}};
}
// The payload of a close frame.
inline std::string close_payload(unsigned code, const std::string& reason = {}) {
  return std::string{static_cast<char>(code >> 8), static_cast<char>(code)} + reason;
}
inline Frame close_frame(unsigned code, const std::string& reason = {}) {
  return {.opcode = kClose, .payload = close_payload(code, reason)};
}
// The frames of a message whose fragments carry `bytes` each.
std::vector<Frame> fragments(unsigned opcode, const std::string& payload, std::size_t bytes);

// What permessage-deflate is to be agreed, from the fuzzer's side: the offers of a fuzzing client
// in its order, of which the first is also what a fuzzing server answers with. As in Autobahn:
// (request no context takeover, request max window bits; 0 is none).
struct DeflateRequest {
  bool no_context_takeover = false;
  unsigned window_bits = 0;
};

}  // namespace zenwire::test
