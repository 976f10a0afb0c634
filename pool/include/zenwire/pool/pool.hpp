#pragma once

// Pool: many connections as one, for what is sent. It chooses the member for each request, knows
// which requests are under way on which member, and says what becomes of them when one dies.
//
//   send_balanced --> sticky? its member : cheapest that nothing bars --> its link, at once
//   complete      --> round trip, errors, standing --> the member's cost
//   member_down   --> each of its requests: not written -> another member
//                                          maybe written -> unknown outcome, or again if idempotent
//
// A request whose bytes may have left is never sent twice on the pool's own, unless it is marked
// idempotent. What "may have left" means is exact: the link counts the bytes that the kernel took,
// and a request of which it took none has not left.
//
// Sans I/O: links send, the owner passes `now`, and calls expire() at deadline_ns().

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>

#include <zenwire/base/callback.hpp>
#include <zenwire/base/error.hpp>
#include <zenwire/engine/buffer_pool.hpp>
#include <zenwire/engine/io.hpp>
#include <zenwire/pool/ejection.hpp>
#include <zenwire/pool/in_flight.hpp>
#include <zenwire/pool/member.hpp>
#include <zenwire/pool/policy.hpp>
#include <zenwire/pool/pool_request.hpp>
#include <zenwire/pool/router.hpp>
#include <zenwire/pool/score.hpp>
#include <zenwire/pool/sticky.hpp>

namespace zenwire {

struct PoolOptions {
  std::uint32_t members = 16;  // up to kMembers_max
  Policy policy{};
  EjectionOptions ejection{};
  // Over which a round trip's peak is forgotten.
  std::chrono::nanoseconds round_trip_tau = std::chrono::seconds(10);
  // Members that one send_balanced tries at most.
  std::uint32_t attempts_max = 3;

  std::uint32_t requests_max = 4096;  // under way at once; a power of two
  std::uint32_t sticky_keys = 4096;   // a power of two
  std::chrono::nanoseconds request_timeout = std::chrono::seconds(30);
  // An idempotent request without a reply is sent once more after this, through another member.
  // 0: never.
  std::chrono::nanoseconds hedge_after{0};
  // Payloads that are kept for sending again: of idempotent requests, and of those that wait in a
  // send queue. Without room, or above the size, they are not kept, and not sent again.
  std::uint32_t copies = 256;
  std::size_t copy_bytes_max = 4096;
  // How often costs fade and slow members are looked for.
  std::chrono::nanoseconds look_every = std::chrono::milliseconds(100);
  MappedMemoryOptions memory = {};

  [[nodiscard]] Result<void> validate() const;
};

struct PoolCounters {
  std::uint64_t sent = 0;       // send_balanced that went out
  std::uint64_t refused = 0;    // ... that no member took
  std::uint64_t failovers = 0;  // a member refused and another was tried
  std::uint64_t moved = 0;
  std::uint64_t resent = 0;
  std::uint64_t hedged = 0;
  std::uint64_t not_sent = 0;
  std::uint64_t outcomes_unknown = 0;
  std::uint64_t timed_out = 0;
  std::uint64_t replies = 0;
  std::uint64_t replies_unmatched = 0;  // late, or the second one of a hedge
  std::uint64_t copies_missed = 0;      // a payload could not be kept
};

// One member, for people and telemetry. A copy.
struct MemberView {
  bool usable = false;  // nothing bars it
  Standing standing = Standing::in;
  unsigned health = 0;  // zen_score, 100 to 10
  std::uint32_t pending = 0;
  std::uint64_t round_trip_ns = 0;
  std::uint64_t round_trip_p99_ns = 0;  // of the last 100
  std::uint64_t sent = 0;
  double share = 0;  // of all that the pool sent, 0 to 1
  std::uint64_t replies = 0;
  std::uint64_t errors = 0;
  std::uint64_t failovers = 0;  // sends that it refused and another took over
  std::uint64_t ejections = 0;
  std::uint64_t ups = 0;
};

// Threads: the reactor's. Lifetime: outlives its links' use. Cost of send_balanced: the link's own
// send and some 150 instructions; no allocation after make(). The news handler may send,
// and nothing else of the pool.
class Pool {
 public:
  // Errors: invalid_option; memory_exhausted.
  static Result<std::unique_ptr<Pool>> make(const PoolOptions& options,
                                            Callback<const RequestNews&> on_news = {});
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;
  ~Pool();

  // --- Members. Each has a number below members(), and begins as closed.
  [[nodiscard]] std::uint32_t members() const noexcept { return options_.members; }
  // Its connection is open and may be used.
  void member_up(MemberIndex member, const Link& link, Instant_ns now_ns) noexcept;
  // Its connection is gone. What is under way on it moves, or ends.
  void member_down(MemberIndex member, Instant_ns now_ns) noexcept;
  // Any other hard filter. closed, ejected and on_probation are the pool's own.
  void set_bar(MemberIndex member, Bar bar, bool on) noexcept;
  // Round trips of pings and the like, which no request gave.
  void observe_round_trip(MemberIndex member, std::uint64_t round_trip_ns,
                          Instant_ns now_ns) noexcept;
  // Failures that no request gave.
  void note_error(MemberIndex member, Instant_ns now_ns) noexcept;

  // --- Requests.
  // Sends it through the healthiest member, or its key's. Errors: pool_no_member (nothing usable,
  // or none took it); request_id_in_use; requests_exhausted; message_too_large.
  Errc send_balanced(const PoolRequest& request, Instant_ns now_ns) noexcept;
  // Its reply came through `member`. False if it is not under way (any more).
  bool complete(MemberIndex member, std::uint64_t id, bool ok, Instant_ns now_ns) noexcept;
  [[nodiscard]] std::uint32_t under_way() const noexcept { return requests_.count(); }

  // The member that a send of this key would go through now, without sending; kNoMember if none.
  // Takes the turn, as a send does.
  MemberIndex choose(std::uint64_t sticky_key = 0) noexcept;

  [[nodiscard]] Instant_ns deadline_ns() const noexcept;
  void expire(Instant_ns now_ns) noexcept;
  // For an owner that would rather call expire() at a steady pace: fine enough for hedges.
  [[nodiscard]] std::uint64_t tick_ns() const noexcept;

  // --- Telemetry.
  [[nodiscard]] const PoolCounters& counters() const noexcept { return counters_; }
  [[nodiscard]] MemberView view(MemberIndex member, Instant_ns now_ns) const noexcept;
  [[nodiscard]] unsigned health(MemberIndex member, Instant_ns now_ns) const noexcept;

 private:
  struct Member {
    Link link;
    Bars bars;
    PeakEwma round_trip;
    RecentRoundTrips recent;
    RecentErrors errors;
    std::uint32_t pending = 0;
    std::uint64_t sent = 0;
    std::uint64_t replies = 0;
    std::uint64_t errors_total = 0;
    std::uint64_t failovers = 0;
    std::uint64_t ups = 0;
  };

  Pool(const PoolOptions& options, Callback<const RequestNews&> on_news,
       std::unique_ptr<BufferPool> copies);

  Errc send_through_any(const PoolRequest& request, MemberIndex& sent_through, RequestLeg& leg,
                        Instant_ns now_ns) noexcept;
  [[gnu::noinline, gnu::cold]] Errc try_others(Errc outcome, const PoolRequest& request,
                                               MemberIndex& sent_through, RequestLeg& leg,
                                               Instant_ns now_ns) noexcept;
  Errc try_member(MemberIndex member, const PoolRequest& request, RequestLeg& leg,
                  Instant_ns now_ns) noexcept;
  Errc admit(const PoolRequest& request) const noexcept;
  void track(const PoolRequest& request, const RequestLeg& leg) noexcept;
  void keep_copy(InFlight& pending, Bytes payload) noexcept;
  void count_pending(MemberIndex member, bool more) noexcept;

  void leg_died(std::uint32_t index, MemberIndex member, const LinkProgress& progress,
                Instant_ns now_ns) noexcept;
  bool send_again(InFlight& pending, MemberIndex except, Instant_ns now_ns) noexcept;
  void hedge(std::uint32_t index, Instant_ns now_ns) noexcept;
  void finish(std::uint32_t index) noexcept;
  void end(std::uint32_t index, RequestNews::Kind kind, MemberIndex member) noexcept;
  void tell(std::uint64_t id, RequestNews::Kind kind, MemberIndex member) noexcept;

  void succeeded(MemberIndex member, std::uint64_t round_trip_ns, Instant_ns now_ns) noexcept;
  void failed(MemberIndex member, Instant_ns now_ns) noexcept;
  void on_standing(MemberIndex member, Standing standing) noexcept;
  [[nodiscard]] MemberLoad load_of(const Member& member, Instant_ns now_ns) const noexcept;
  void cost_again(MemberIndex member) noexcept;
  [[nodiscard]] bool may_follow(MemberIndex member) const noexcept;
  void time_out(std::uint32_t index, Instant_ns now_ns) noexcept;
  void look(Instant_ns now_ns) noexcept;
  void notice_stalls(Instant_ns now_ns) noexcept;

  PoolOptions options_;
  Callback<const RequestNews&> on_news_;
  Router router_;
  StickyTable sticky_;
  InFlightTable requests_;
  std::unique_ptr<BufferPool> copies_;
  std::unique_ptr<Member[]> members_;
  Ejection ejection_;
  PoolCounters counters_;
  std::uint64_t tau_ns_;
  std::uint64_t timeout_ns_;
  std::uint64_t hedge_after_ns_;
  std::uint64_t look_every_ns_;
  Instant_ns now_ns_ = 0;  // of the call in hand
  Instant_ns look_at_ns_ = 0;
};

}  // namespace zenwire
