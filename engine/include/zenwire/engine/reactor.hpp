#pragma once

// Reactor: one thread, one core, one ring, every connection.
//
// Thread: one runs it (run() or poll()); all calls are that thread's, or come before it runs, but
// stop(), post() and doorbell(), which any thread may call. Two reactors of one process share
// nothing. Lifetime: it outlives its connections and sessions; queues and outboxes outlive it, or
// at least its orderly end: once run() has returned it touches none. It must not be destroyed in a
// callback. Memory: all of it is reserved by create(). While connections are open,
// its thread allocates nothing, locks nothing and makes no system call but the ring's own and
// direct recv and send.
//
// Setting connections up (names, TCP, TLS, the upgrade) happens on a set-up thread of its own that
// hands over what is open, so a slow handshake never stalls a hot connection.
//
// Want of memory is an error, memory_exhausted: of the call that makes something, or of the attempt
// to connect. What was there before goes on, and open connections need none.

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include <zenwire/base/callback.hpp>
#include <zenwire/base/error.hpp>
#include <zenwire/engine/connection.hpp>
#include <zenwire/engine/endpoint.hpp>
#include <zenwire/engine/io.hpp>
#include <zenwire/engine/latency.hpp>
#include <zenwire/engine/message_queue.hpp>
#include <zenwire/engine/options.hpp>
#include <zenwire/engine/stop_notice.hpp>
#include <zenwire/engine/telemetry_page.hpp>
#include <zenwire/engine/timer_queue.hpp>

namespace zenwire {

// Counts since the start; written by the reactor's thread only.
struct ReactorCounters {
  std::uint64_t turns = 0;             // of the loop
  std::uint64_t connect_attempts = 0;  // calls of connect() that began
  std::uint64_t connections_opened = 0;
  std::uint64_t connections_failed = 0;
  std::uint64_t connections_closed = 0;
  std::uint64_t connections_lost = 0;  // of the closed ones: those that ended without a handshake
  std::uint64_t last_close_code = 0;   // 1006 for a lost one
  std::uint64_t last_error_code = 0;   // the Errc of the last connection that ended or failed
  // Of connections that have ended; an open one counts its own.
  std::uint64_t messages_received = 0;
  std::uint64_t messages_sent = 0;
  std::uint64_t bytes_received = 0;
  std::uint64_t bytes_sent = 0;
  std::uint64_t outbox_records = 0;
  std::uint64_t outbox_refused = 0;      // no such connection, or it did not take the message
  std::uint64_t accepts_refused = 0;     // no room for another connection
  std::uint64_t peeks_switched_off = 0;  // slow callbacks
};

struct ConnectionHandlers {
  Callback<Connection&> on_open{};
  Callback<Connection&, const Message&> on_message{};
  Callback<Connection&, Opcode, Bytes> on_control{};
  Callback<Connection&, const Closed&> on_closed{};
  Callback<Connection&, const OpenFailure&> on_failed{};
  Callback<Connection&, OpenStage> on_stage{};
};

// An outbox record that could not be sent, for the thread that wrote it to hear of it.
struct OutboxRefusal {
  std::uint64_t tag;
  ConnectionId connection;
  Errc reason;
};

namespace detail {
class Journal;
class JournalUser;
}  // namespace detail

class JournalReplay;

// What a reactor runs over when it is not io_uring: a simulation gives its own.
struct ReactorIo {
  std::unique_ptr<Io> reactor;
  std::unique_ptr<Io> setup;
  bool start_setup_thread = true;  // otherwise step_setup() steps it by hand
  // Of a replay (see journal.hpp), which takes the place of the reactor's Io.
  detail::Journal* journal = nullptr;
};

class Reactor {
 public:
  // Errors: those of ReactorOptions::validate(), ring_*, memory_exhausted, memory_lock_refused,
  // system_error (no thread for the set-up).
  static Result<std::unique_ptr<Reactor>> create(const ReactorOptions& options = {}) noexcept;
  static Result<std::unique_ptr<Reactor>> create(const ReactorOptions& options,
                                                 ReactorIo ios) noexcept;
  ~Reactor();

  // Begins to open a connection; the outcome comes as on_open or on_failed. Returns at once.
  // Errors: those of ConnectOptions::validate(), file and TLS configuration errors,
  // connections_exhausted, reactor_stopping, memory_exhausted.
  Result<ConnectionId> connect(const ConnectOptions& options,
                               const ConnectionHandlers& handlers = {}) noexcept;
  // The same without an allocation on this thread, to be called again and again. The attempt starts
  // with the `first_address`-th of the addresses that the name resolves to, modulo their number.
  // Errors: contradictory_options (a limit above the reactor's), connections_exhausted,
  // reactor_stopping.
  Result<ConnectionId> connect(const Endpoint& endpoint, const ConnectionHandlers& handlers = {},
                               std::uint32_t first_address = 0) noexcept;
  // Accepts connections; returns the address, with the port that was taken. Errors: those of
  // ListenOptions::validate(), file and TLS configuration errors, address_in_use, listen_failed,
  // memory_exhausted.
  Result<Address> listen(const ListenOptions& options) noexcept;

  // The connection, or null when it has ended.
  [[nodiscard]] Connection* find(ConnectionId id) noexcept;

  // Drains `outbox` in every turn, before reading. At most kOutboxes_max.
  Result<void> attach(Outbox& outbox, Callback<const OutboxRefusal&> on_refused = {});
  void detach(Outbox& outbox) noexcept;
  static constexpr std::size_t kOutboxes_max = 16;

  // Stages are marked into it; null switches marking off. Borrowed.
  void measure_into(LatencyRecorder* latency) noexcept;

  // Timers of the user's own, on the reactor's clock: at most kUserTimers_max armed at a time.
  void arm(Timer& timer, Instant_ns deadline_ns) noexcept;
  void cancel(Timer& timer) noexcept;
  [[nodiscard]] Instant_ns now_ns() noexcept;
  static constexpr std::uint32_t kUserTimers_max = 4096;

  // Has `notice` called when the reactor begins to stop; at its next turn if it has begun.
  void notify_of_stop(StopNotice& notice) noexcept;

  // Runs until stop(): on the calling thread, pinned if the options say so. Error:
  // affinity_refused; it has stopped then, too, and who waited was told.
  Result<void> run();
  // One turn: outboxes, commands, outcomes, reading, timers. Waits if the idle policy allows and
  // `may_wait`. False once it has stopped.
  bool poll(bool may_wait = false);

  // One round of the set-up, when it has no thread of its own. Waits if `may_wait`.
  void step_setup(bool may_wait = false);

  // Any thread. Refuses new work, sends what is queued, closes every connection with 1001 and ends
  // when all have closed, or at the deadline by force.
  void stop(std::chrono::nanoseconds deadline = std::chrono::seconds(3)) noexcept;
  // Any thread: runs `call` on the reactor's thread. Allocates; want of memory ends the process.
  void post(Callback<Reactor&> call) noexcept;
  // Any thread: ends a reactor's sleep after something was put into an outbox. Two loads if it does
  // not sleep.
  void doorbell() noexcept;

  // Why the journal is not written any more: its disk is full or failed. The reactor goes on.
  [[nodiscard]] std::optional<Error> journal_error() const noexcept;
  [[nodiscard]] const ReactorCounters& counters() const noexcept;
  [[nodiscard]] std::uint32_t connections_open() const noexcept;
  [[nodiscard]] const ReactorOptions& options() const noexcept;
  [[nodiscard]] Io& io() noexcept;
  // Where the counters live: add blocks of your own at set-up.
  [[nodiscard]] TelemetryPage& telemetry() noexcept;

  Reactor(const Reactor&) = delete;
  Reactor& operator=(const Reactor&) = delete;

 private:
  friend class JournalReplay;
  struct Impl;
  Reactor() noexcept;
  void finish() noexcept;
  static Result<std::unique_ptr<Reactor>> make(const ReactorOptions& options, ReactorIo ios);
  [[nodiscard]] detail::JournalUser& journal_user() noexcept;
  std::unique_ptr<Impl> impl_;
};

}  // namespace zenwire
