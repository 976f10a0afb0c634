#pragma once

// Where a session is, and why it got there.

#include <cstdint>
#include <string_view>

#include <zenwire/base/error.hpp>
#include <zenwire/engine/connection.hpp>

namespace zenwire {

//   stopped -> resolving -> connecting -> tls -> upgrading -> authenticating -> restoring -> open
//                 ^                      (wss)               (if the dialect logs in)        |
//                 +--- backoff <--- any of them fails, or the connection drops <-------------+
//                      (0 ns for the first retry after an established drop)
//
//   any -> closing -> stopped      stop()
//   any -> stopped                 a fatal error, or no retry left
enum class SessionState : std::uint8_t {
  stopped,         // not started, or ended for good: start() begins anew
  resolving,       // the name; from here to upgrading the set-up thread works
  connecting,      // TCP
  tls,             // the handshake
  upgrading,       // HTTP
  authenticating,  // the login is out
  restoring,       // subscriptions are being asked for
  open,            // all of them are acknowledged: requests may be sent
  closing,         // stop() waits for answers, or an old line for its
  backoff,         // waits before the next attempt
};
std::string_view name(SessionState state) noexcept;

// A step of one of a session's lines. Lives until the callback returns.
struct SessionTransition {
  SessionState from = SessionState::stopped;
  SessionState to = SessionState::stopped;
  // Why: ok for a step forward.
  const Error& reason;
  // Of the line's connection; no epoch while there is none.
  ConnectionId connection{};
  // Whether it is the second line's, which is to take the first one's place; or the old one's, that
  // is being drained. The session's own state is then another.
  bool second_line = false;
  std::uint32_t retry = 0;    // to backoff or resolving: which of this outage, from 1
  std::uint64_t wait_ns = 0;  // to backoff: for how long
};

// What an error means and what to do about it, for a person.
struct Explanation {
  std::string_view name;  // stable: "connect_refused"
  std::string_view message;
  std::string_view suggestion;  // may be empty
  std::string_view detail;      // of that one error; dies with it
};
Explanation explain(const Error& error) noexcept;

}  // namespace zenwire
