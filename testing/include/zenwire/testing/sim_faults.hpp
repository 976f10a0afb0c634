#pragma once

// SimFaults: what goes wrong in a simulated world, and how often. Every rate is in parts per
// million of the calls or events that it concerns; 0 switches that fault off.
//
// Each of them is something that a kernel or a network does: none breaks the contract of Io.

#include <cstdint>
#include <string>

#include <zenwire/testing/random.hpp>

namespace zenwire::testing {

struct SimFaults {
  // Bytes.
  std::uint32_t short_read = 0;   // take finds fewer bytes, down to one; the rest arrives later
  std::uint32_t short_write = 0;  // send takes fewer bytes, down to one
  std::uint32_t split = 0;        // what one send carried arrives in pieces
  std::uint32_t clog = 0;         // nothing arrives for a while, then all of it at once

  // The ring.
  std::uint32_t late_outcome = 0;   // an outcome is reaped long after it happened
  std::uint32_t reorder = 0;        // a later outcome is reaped first
  std::uint32_t end_multishot = 0;  // a multishot operation ends with an outcome
  std::uint32_t overflow = 0;       // a reap has room for one outcome; multishots end for that
  std::uint32_t miss_cancel = 0;    // the operation's own outcome comes instead of -ECANCELED
  std::uint32_t spurious = 0;       // a poll reports what has been read already

  // Connections.
  std::uint32_t reset = 0;        // of what arrives: the connection is reset instead
  std::uint32_t lost_settle = 0;  // a reset comes between take and settle
  std::uint32_t refuse = 0;       // a connect is refused, unreachable, or times out
  std::uint32_t late_connect = 0;
  std::uint32_t exhaust = 0;  // no descriptor or kernel memory for a socket or an accept
  std::uint32_t fail_resolve = 0;

  // Time.
  std::uint32_t late_wake = 0;   // a wait ends late: timers run late
  std::uint32_t clock_jump = 0;  // the machine was suspended: time leaps ahead

  // All rates chosen: about half of them 0, the others anywhere up to a most that still lets
  // connections live for a while.
  static SimFaults choose(Random& random) noexcept;
  // "short_read=200000 reset=15 ..."; "none".
  [[nodiscard]] std::string text() const;
};

}  // namespace zenwire::testing
