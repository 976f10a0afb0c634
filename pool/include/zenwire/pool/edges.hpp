#pragma once

// Edges: keeps a pool's lines on the best of a venue's addresses.
//
//   resolve the host, add the user's list --> probe each: connect, one ping --> the best N get a
//   line --> probe again, now and then --> a better one appears: its line opens, and when it is
//   open the worst one's ends (make before break)
//
// Never more connections than the venue allows: lines and probes together stay within
// `connections_max`, so that a swap or a probe waits for its place.

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <zenwire/base/error.hpp>
#include <zenwire/engine/reactor.hpp>
#include <zenwire/pool/edge_table.hpp>
#include <zenwire/pool/lines.hpp>

namespace zenwire {

struct EdgesOptions {
  ConnectOptions connect{};            // `dial` is set per edge
  std::vector<std::string> addresses;  // beside what the host resolves to: "1.2.3.4", "[::1]:443"
  bool resolve = true;                 // false: the list alone
  std::uint32_t keep = 4;              // lines
  std::uint32_t connections_max = 32;  // of the venue: lines and a probe
  std::chrono::nanoseconds probe_every = std::chrono::seconds(60);        // each edge
  std::chrono::nanoseconds probe_pause = std::chrono::milliseconds(500);  // between two probes
  double better_by = 0.1;  // a swap must gain this part
};

struct EdgesCounters {
  std::uint64_t probes = 0;
  std::uint64_t probes_failed = 0;
  std::uint64_t swaps = 0;
  std::uint64_t resolve_failures = 0;
};

// Thread: the reactor's. Lifetime: the lines and the reactor outlive it; stop() it, and let the
// reactor turn until stopped() says so, before it dies. Allocates when it adds lines, which is
// rare.
class Edges {
 public:
  Edges(Reactor& reactor, Lines& lines, EdgesOptions options);
  ~Edges();
  Edges(const Edges&) = delete;
  Edges& operator=(const Edges&) = delete;

  // Errors: those of the URL; invalid_option for an address that is none, or limits that leave no
  // room for a probe beside the lines.
  Result<void> start();
  void stop() noexcept;
  [[nodiscard]] bool stopped() const noexcept;

  [[nodiscard]] const EdgeTable& table() const noexcept { return table_; }
  [[nodiscard]] const EdgesCounters& counters() const noexcept { return counters_; }
  // The edge of a line; nothing if it is not one of ours.
  [[nodiscard]] const Edge* edge_of(MemberIndex member) const noexcept;

 private:
  struct Used {
    EdgeIndex edge;
    MemberIndex member;
  };
  struct Swap {
    Used old;
    Used fresh;
  };

  static void on_resolved(void* self, Outcome outcome) noexcept;
  void resolved(Outcome outcome) noexcept;
  void on_timer(Timer&) noexcept;
  void step() noexcept;
  void probe(EdgeIndex edge) noexcept;
  void probe_opened(Connection& connection) noexcept;
  void probe_control(Connection& connection, Opcode opcode, Bytes payload) noexcept;
  void probe_closed(Connection& connection, const Closed& closed) noexcept;
  void probe_failed(Connection& connection, const OpenFailure& failure) noexcept;
  void probe_ended() noexcept;
  bool fill_up() noexcept;
  void begin_swap() noexcept;
  void finish_swap() noexcept;
  bool add_line(EdgeIndex edge) noexcept;
  void forget(MemberIndex member) noexcept;
  [[nodiscard]] ConnectOptions options_of(EdgeIndex edge) const;
  [[nodiscard]] std::uint32_t connections() const noexcept;

  Reactor& reactor_;
  Lines& lines_;
  EdgesOptions options_;
  EdgeTable table_;
  EdgesCounters counters_;
  std::vector<Used> used_;
  bool running_ = false;
  std::uint16_t port_ = 0;
  ResolveRequest request_;
  Completion resolving_;
  Timer timer_;

  // The probe that is out.
  ConnectionId probing_;
  EdgeIndex probed_ = 0;
  bool probe_answered_ = false;
  Instant_ns pinged_at_ns_ = 0;
  std::uint64_t probe_connect_ns_ = 0;
  // The swap under way.
  bool swapping_ = false;
  Swap swap_{};
};

}  // namespace zenwire
