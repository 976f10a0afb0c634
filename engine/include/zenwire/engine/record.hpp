#pragma once

// What a recording is made of: a message on its way in or out, and events between them.
//
// One JSON object a line. Its first keys are those of zen_websocket's recordings, so that either
// reads the other's; behind them come ours:
//
//   {"ts":"2026-01-20T15:30:45.123456Z","dir":"in","type":"text","data":"...",
//    "ns":1768923045123456789,"conn":3,"epoch":1,"session":2,"seq":41}
//
//   ts       when it was received or sent, UTC, microseconds
//   dir      "in" or "out"
//   type     "text", "binary", "close", "ping", "pong"
//   data     text, ping, pong: the payload. binary: base64. close: {"code":1000,"reason":"..."}
//            as a string, with the code 1005 for a close frame without one
//   binary   true if data is base64: always for type binary; for the others when the payload is not
//            UTF-8 (or not a valid close payload)
//   ns       the same moment in nanoseconds since 1970
//   seq      counts the lines of ours in this file, events too: a gap would show a lost line
//   redacted true if some bytes were overwritten because they are secret
//
// An event has "type":"event", no "dir" and no "data", but "event" (connect, disconnect, gap,
// overflow, recovered, ...), perhaps numbers of its own, and "reason".

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include <zenwire/base/bytes.hpp>

namespace zenwire {

enum class RecordDirection : std::uint8_t { in, out };
enum class RecordType : std::uint8_t { text, binary, close, ping, pong, event };
inline constexpr std::size_t kRecordTypes = 6;

// "in", "out"; "text", "binary", ...
constexpr std::string_view name(RecordDirection direction) noexcept {
  return direction == RecordDirection::in ? "in" : "out";
}
constexpr std::string_view name(RecordType type) noexcept {
  constexpr std::string_view kNames[kRecordTypes] = {"text", "binary", "close",
                                                     "ping", "pong",   "event"};
  return kNames[static_cast<std::size_t>(type)];
}

// Whose line it is.
struct RecordOwner {
  std::uint32_t connection = 0;
  std::uint32_t epoch = 0;
  std::uint32_t session = 0;

  bool operator==(const RecordOwner&) const noexcept = default;
};

// Bytes of a payload that are recorded as asterisks.
struct SecretRange {
  std::size_t offset = 0;
  std::size_t bytes = 0;
};

// A message to be recorded; all views are borrowed for the call.
struct RecordView {
  std::uint64_t ns = 0;  // since 1970
  RecordDirection direction = RecordDirection::in;
  RecordType type = RecordType::text;  // not event
  // The payload is known to be UTF-8: spares a check of text that is not ASCII.
  bool utf8 = false;
  RecordOwner owner = {};
  Bytes payload = {};
  std::span<const SecretRange> secrets = {};
};

struct EventNumber {
  std::string_view name = {};
  std::uint64_t value = 0;
};

// Something that happened between messages; all views are borrowed for the call.
struct EventView {
  std::uint64_t ns = 0;
  std::string_view event = {};  // one word in lower case
  RecordOwner owner = {};
  std::string_view reason = {};  // for a person; empty: none
  std::span<const EventNumber> numbers = {};
};

}  // namespace zenwire
