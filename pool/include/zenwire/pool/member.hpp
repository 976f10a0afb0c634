#pragma once

// A member of a pool: its number, the way to send through it, and what may bar it from being
// chosen. The pool does not own what sends; a Connection, a Session or something of the user's own
// stands behind the link.

#include <cstdint>

#include <zenwire/base/assert.hpp>
#include <zenwire/base/bytes.hpp>
#include <zenwire/base/error.hpp>
#include <zenwire/codec/frame.hpp>
#include <zenwire/engine/connection.hpp>

namespace zenwire {

using MemberIndex = std::uint32_t;
inline constexpr MemberIndex kNoMember = ~MemberIndex{0};
inline constexpr std::uint32_t kMembers_max = 256;

// Bytes since the link's connection opened. What lies between was accepted and not written yet.
struct LinkProgress {
  std::uint64_t accepted_bytes = 0;  // on the wire or waiting for it
  std::uint64_t written_bytes = 0;   // taken by the kernel: may have reached the peer
};

// How to send through a member: functions and their context, no allocation. `owner` is borrowed
// until the member is down.
struct Link {
  using Send = Errc (*)(void* owner, Opcode opcode, Bytes payload) noexcept;
  using Progress = LinkProgress (*)(const void* owner) noexcept;

  // Sends now or refuses whole: ok; otherwise nothing of it was or will be sent.
  Send send = nullptr;
  // Still right when the connection has just ended, until the pool has been told.
  Progress progress = nullptr;
  void* owner = nullptr;

  explicit operator bool() const noexcept { return send != nullptr; }

  static Link to(Connection& connection) noexcept {
    return {[](void* linked, Opcode opcode, Bytes payload) noexcept {
              return static_cast<Connection*>(linked)->send(opcode, payload);
            },
            [](const void* linked) noexcept {
              const auto& from = *static_cast<const Connection*>(linked);
              return LinkProgress{from.wire_end_bytes(), from.counters().bytes_sent};
            },
            &connection};
  }
};

// Why a member must not be chosen. Any one suffices.
enum class Bar : std::uint8_t {
  closed = 1,           // no connection is open
  unauthenticated = 2,  // the venue would refuse
  no_credits = 4,       // the rate limit is used up
  not_alive = 8,        // its heartbeat is overdue
  ejected = 16,         // see ejection.hpp
  on_probation = 32,    // ejected lately, and its one trial is under way
  draining = 64,        // it is being replaced
};

class Bars {
 public:
  constexpr void set(Bar bar, bool on) noexcept {
    const auto bit = static_cast<std::uint8_t>(bar);
    bits_ = static_cast<std::uint8_t>(on ? bits_ | bit : bits_ & ~bit);
  }
  [[nodiscard]] constexpr bool has(Bar bar) const noexcept {
    return (bits_ & static_cast<std::uint8_t>(bar)) != 0;
  }
  [[nodiscard]] constexpr bool none() const noexcept { return bits_ == 0; }
  // Nothing but its own behaviour stands against it.
  [[nodiscard]] constexpr bool reachable() const noexcept {
    return (bits_ & ~(static_cast<std::uint8_t>(Bar::ejected) |
                      static_cast<std::uint8_t>(Bar::on_probation))) == 0;
  }

 private:
  std::uint8_t bits_ = 0;
};

}  // namespace zenwire
