#pragma once

// Heartbeat: tells a quiet peer from a dead one. It is told what came and what time it is, and says
// what is due; it sends and closes nothing itself.
//
// Two clocks run. The idle clock runs since anything was received. The beat clock runs in periods
// of `interval`: at the end of each, a beat is due to be sent (ping, text), or should have come
// (server); one that was not answered before the next is due counts as missed, and `missed_max` in
// a row end the connection. Both stop while the engine itself withholds reading: what waits in the
// kernel is not the peer's silence.
//
// What was received costs nothing per message: progress() compares a counter of the connection at
// each tick, so silence is noticed up to a tick (a quarter of the shorter of the two) late, never
// early.

#include <chrono>
#include <cstdint>

#include <zenwire/base/assert.hpp>
#include <zenwire/base/error.hpp>
#include <zenwire/engine/io.hpp>

namespace zenwire {

enum class HeartbeatKind : std::uint8_t {
  none,    // only the idle timeout
  ping,    // we send WebSocket pings, the peer's pong with the same payload answers
  text,    // we send what the dialect writes ("ping"), what it calls a heartbeat reply answers
  server,  // the peer beats: pings (Binance), or what the dialect calls a heartbeat (Deribit)
};

struct HeartbeatOptions {
  HeartbeatKind kind = HeartbeatKind::none;
  std::chrono::nanoseconds interval = std::chrono::seconds(30);
  // So many missed in a row end the connection.
  std::uint32_t missed_max = 3;
  // Nothing at all received for this long ends it; 0 switches it off.
  std::chrono::nanoseconds idle_timeout{0};

  [[nodiscard]] Result<void> validate() const;
};

struct HeartbeatCounters {
  std::uint64_t sent = 0;
  std::uint64_t answered = 0;  // or, of the server kind, received
  std::uint64_t missed = 0;
  std::uint64_t withheld = 0;       // ticks at which the clocks stood still
  std::uint64_t round_trip_ns = 0;  // of the last one answered
  std::uint64_t round_trip_ns_max = 0;
};

class Heartbeat {
 public:
  enum class Due : std::uint8_t { nothing, send, missed_limit, idle_limit };

  explicit Heartbeat(const HeartbeatOptions& options) noexcept;

  // A connection has opened: both clocks start. stop() ends them; counters stay.
  void start(Instant_ns now_ns) noexcept;
  void stop() noexcept { running_ = false; }
  [[nodiscard]] bool running() const noexcept { return running_; }

  // At each tick, before due(). `received`: the connection's count of bytes. `withheld`: whether
  // the engine withholds its reading, or did since the last tick.
  void progress(std::uint64_t received, bool withheld, Instant_ns now_ns) noexcept;
  // After `send` a beat goes out with token(), and sent() is told.
  [[nodiscard]] Due due(Instant_ns now_ns) noexcept;
  [[nodiscard]] Instant_ns next_tick_ns() const noexcept { return running_ ? tick_ns_ : kNever_ns; }

  // Names the beat in flight: a pong with another one answers nothing. Never 0.
  [[nodiscard]] std::uint64_t token() const noexcept { return token_; }
  void sent(Instant_ns now_ns) noexcept;
  // The answer to that beat; false if none is in flight or it is another's. Gives the round trip in
  // counters().
  bool answered(std::uint64_t token, Instant_ns now_ns) noexcept;
  // A beat of the server's.
  void received_beat() noexcept;

  [[nodiscard]] std::uint32_t missed_in_row() const noexcept { return missed_in_row_; }
  [[nodiscard]] const HeartbeatCounters& counters() const noexcept { return counters_; }

 private:
  [[nodiscard]] bool beats() const noexcept { return kind_ != HeartbeatKind::none; }
  Due end_period(Instant_ns now_ns) noexcept;

  HeartbeatKind kind_;
  std::uint32_t missed_max_;
  std::uint64_t interval_ns_;
  std::uint64_t idle_ns_;
  std::uint64_t tick_period_ns_;

  bool running_ = false;
  bool waiting_ = false;  // a beat is in flight; of the server kind: none came in this period
  std::uint32_t missed_in_row_ = 0;
  std::uint64_t token_ = 1;
  std::uint64_t received_ = 0;
  Instant_ns tick_ns_ = 0;
  Instant_ns last_tick_ns_ = 0;
  Instant_ns period_end_ns_ = 0;
  Instant_ns last_received_ns_ = 0;
  Instant_ns sent_ns_ = 0;
  HeartbeatCounters counters_;
};

}  // namespace zenwire
