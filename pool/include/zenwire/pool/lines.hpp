#pragma once

// Lines: opens a connection for each member and keeps it open; tells the pool, the arbitration and
// the user's hooks of each that comes and goes.
//
//   add --> open --> member_up, arbitration, on_connect --> pings measure it
//            ^                                                |
//            |<-- circuit: at once, or later --- on_disconnect, member_down
//
// It also lets the pool's time pass (Pool::expire).
//
// A line is isolated: it has a circuit, a timer and a place among the reactor's connections of its
// own, so a dead endpoint takes nothing from a healthy one.

#include <chrono>
#include <cstdint>
#include <memory>
#include <vector>

#include <zenwire/base/callback.hpp>
#include <zenwire/base/error.hpp>
#include <zenwire/engine/endpoint.hpp>
#include <zenwire/engine/reactor.hpp>
#include <zenwire/pool/arbitration.hpp>
#include <zenwire/pool/circuit.hpp>
#include <zenwire/pool/hook.hpp>
#include <zenwire/pool/pool.hpp>

namespace zenwire {

namespace detail {
class LinesTelemetry;
}

struct LineHooks {
  // On every (re)connect and disconnect.
  Hook<MemberIndex, Connection&> on_connect{};
  Hook<MemberIndex, Connection&, const Closed&> on_disconnect{};
  // An attempt failed.
  Hook<MemberIndex, const OpenFailure&> on_failure{};
};

struct LinesOptions {
  CircuitOptions circuit{};
  // After the end of a connection that was open for `stable_after`, or else the circuit's time.
  std::chrono::nanoseconds reconnect_after{0};
  std::chrono::nanoseconds stable_after = std::chrono::seconds(1);
  bool reconnect = true;
  // 0: no pings, and no measuring but by requests.
  std::chrono::nanoseconds ping_every = std::chrono::seconds(1);
  // Pings in a row without a pong: from the first on the line is not chosen, at this many it ends.
  std::uint32_t pings_missed_max = 3;
};

struct LinesCounters {
  std::uint64_t attempts = 0;
  std::uint64_t opened = 0;
  std::uint64_t failed = 0;  // attempts
  std::uint64_t closed = 0;  // connections that had been open
  std::uint64_t hook_failures = 0;
  std::uint64_t missed_pings = 0;
};

// Threads: the reactor's. Lifetime: outlives its connections; the reactor, the pool and the
// arbitration outlive
// it; no connection may be left when it dies (stop() it, or the reactor, before).
class Lines {
 public:
  // Either of `pool` and `arbitration` may be null.
  Lines(Reactor& reactor, Pool* pool, Arbitration* arbitration, const LinesOptions& options,
        const LineHooks& hooks = {});
  ~Lines();
  Lines(const Lines&) = delete;
  Lines& operator=(const Lines&) = delete;

  // Begins to open a connection for the lowest free member number, and gives that. Errors: those of
  // Endpoint::make(); pool_members_exhausted; telemetry_full.
  Result<MemberIndex> add(ConnectOptions options);
  // Ends it: nothing new is sent there; it closes when nothing is under way, or at once.
  void remove(MemberIndex member, bool at_once = false) noexcept;
  // Ends all of them at once; they have ended some turns later. Or stop the reactor.
  void stop() noexcept;

  [[nodiscard]] bool is_open(MemberIndex member) const noexcept;
  // Null while it has none.
  [[nodiscard]] Connection* connection(MemberIndex member) noexcept;
  [[nodiscard]] CircuitState circuit(MemberIndex member) const noexcept;
  [[nodiscard]] std::uint32_t open_count() const noexcept { return open_count_; }
  [[nodiscard]] const LinesCounters& counters() const noexcept { return counters_; }

  // The last round trip of a ping; 0 before the first.
  [[nodiscard]] std::uint64_t ping_ns(MemberIndex member) const noexcept;
  // How long the TCP connect took.
  [[nodiscard]] std::uint64_t connect_ns(MemberIndex member) const noexcept;

 private:
  struct Line;
  Result<void> publish();
  void open(Line& line) noexcept;
  void opened(Line& line, Connection& connection) noexcept;
  void closed(Line& line, Connection& connection, const Closed& closed) noexcept;
  void failed(Line& line, const OpenFailure& failure) noexcept;
  void ponged(Line& line, Bytes payload) noexcept;
  void ping(Line& line, Connection& connection) noexcept;
  void wake(Line& line) noexcept;
  void retry(Line& line, Instant_ns at_ns) noexcept;
  void on_pool_timer(Timer&) noexcept;
  [[nodiscard]] bool idle(const Line& line) noexcept;
  [[nodiscard]] bool is_stable(const Line& line, Instant_ns now_ns) const noexcept;
  [[nodiscard]] std::uint32_t lines_max() const noexcept;

  Reactor& reactor_;
  Pool* pool_;
  Arbitration* arbitration_;
  LinesOptions options_;
  LineHooks hooks_;
  std::vector<std::unique_ptr<Line>> lines_;
  std::uint32_t open_count_ = 0;
  LinesCounters counters_;
  Timer pool_timer_;
  std::unique_ptr<detail::LinesTelemetry> telemetry_;  // null: the page has no name
};

}  // namespace zenwire
