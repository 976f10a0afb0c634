#pragma once

// Session: what a user holds while connections come and go. It connects, logs in, restores its
// subscriptions, keeps alive, notices death, reconnects, replaces an ageing connection without a
// gap, and gives every request exactly one outcome.
//
// A session has a line: one connection at a time. While it rotates it has two, and messages that
// carry a sequence key pass through gates that let each through once. What survives a reconnect,
// and what does not, is in docs/sessions.md.
//
// Thread: the reactor's, all of it; callbacks too. Lifetime: created with a reactor, which outlives
// it; it must have stopped (state stopped) before it dies. Memory: all of it at create(); then
// nothing, a reconnect included. Costs beside the connection's own: a data message without channels
// is one call more; with them, one look of the dialect and one hash.
//
// In a callback you may send, request, cancel, subscribe, rotate, reconnect and stop; you may not
// destroy the session.

#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include <zenwire/base/callback.hpp>
#include <zenwire/base/error.hpp>
#include <zenwire/engine/dialect.hpp>
#include <zenwire/engine/handler_table.hpp>
#include <zenwire/engine/histogram.hpp>
#include <zenwire/engine/reactor.hpp>
#include <zenwire/engine/session_options.hpp>
#include <zenwire/engine/session_state.hpp>
#include <zenwire/engine/subscription_registry.hpp>

namespace zenwire {

// What became of a subscription.
struct SubscriptionNews {
  enum class Kind : std::uint8_t {
    accepted,  // the server acknowledged it
    rejected,  // the server said no: it is not restored until subscribed anew
    left,      // the server acknowledged its end
  };
  Kind kind;
  std::string_view channel;  // dies with the callback
};

// Messages of a stream that no connection has delivered.
struct StreamGap {
  std::string_view channel;  // dies with the callback
  Gap gap;
};

struct SessionCounters {
  std::uint64_t state = 0;      // the SessionState of the line in use, as a number
  std::uint64_t attempts = 0;   // to open a connection
  std::uint64_t opens = 0;      // connections that were upgraded
  std::uint64_t drops = 0;      // established connections that ended without our wish
  std::uint64_t restores = 0;   // times that the state became open
  std::uint64_t rotations = 0;  // completed
  std::uint64_t rotations_failed = 0;
  std::uint64_t missed_limits = 0;   // connections ended for missed heartbeats
  std::uint64_t idle_limits = 0;     // ... for silence
  std::uint64_t beats_answered = 0;  // heartbeat requests of the server
  std::uint64_t messages = 0;        // delivered to handlers
  std::uint64_t copies = 0;          // of a second line, without a key: not delivered
  std::uint64_t ungated = 0;         // with a key, for which no gate was left
  std::uint64_t late_answers_untold = 0;
  std::uint64_t drafts_refused = 0;  // messages of the dialect that could not be sent at once
};

// How long the parts of getting open take, in nanoseconds.
struct SessionLatency {
  MethodHistogram resolve;
  MethodHistogram connect;
  MethodHistogram tls;
  MethodHistogram upgrade;
  MethodHistogram login;
  MethodHistogram restore;
  MethodHistogram outage;      // from a drop until the state is open again
  MethodHistogram round_trip;  // of heartbeats
};

class Session {
 public:
  // Errors: those of SessionOptions::validate(), invalid_option (the dialect lacks a function that
  // the options need), memory_exhausted.
  static Result<std::unique_ptr<Session>> create(Reactor& reactor, const SessionOptions& options,
                                                 const Dialect& dialect = {});
  ~Session();

  // Begins to connect. Nothing if it is not stopped.
  void start() noexcept;
  // Takes no more requests; waits for the answers of those in flight until the deadline, closes,
  // and becomes stopped. What is still waiting at the deadline ends as `unknown` or `not_sent`.
  void stop(std::chrono::nanoseconds deadline = std::chrono::seconds(3)) noexcept;
  // Ends the connection and opens another, at once. Codes: ok; session_not_open.
  Errc reconnect() noexcept;
  // Opens another connection beside the one that is open, and changes over when it flows. Codes:
  // ok; session_busy. The outcome shows in on_state (second_line) and in counters().
  Errc rotate() noexcept;

  [[nodiscard]] SessionState state() const noexcept;
  [[nodiscard]] bool is_open() const noexcept { return state() == SessionState::open; }
  [[nodiscard]] bool rotating() const noexcept;
  // Why it stopped, or last left a connection; ok before.
  [[nodiscard]] const Error& last_error() const noexcept;
  [[nodiscard]] std::uint32_t id() const noexcept;
  // The connection that is sent on, or null. Keep no pointer: it may be another the next time.
  [[nodiscard]] Connection* connection() noexcept;
  // Of the retry that backoff waits for; kNever_ns in other states.
  [[nodiscard]] Instant_ns retry_at_ns() const noexcept;

  // --- Sending. A fresh id for a request: 1, 2, ...; the session takes its own from the same row.
  [[nodiscard]] std::int64_t next_id() noexcept;
  // A request whose id is in the payload. Its end comes exactly once, unless the code is not ok.
  // Codes: session_not_open, session_stopped (it is stopping); those of RequestTable::send().
  RequestBegun request(const Request& request, Bytes payload,
                       std::span<const Bytes> secrets = {}) noexcept;
  bool cancel(RequestHandle handle) noexcept;
  // A message that wants no answer. Codes: session_not_open; those of Connection::send().
  Errc send(Opcode opcode, Bytes payload) noexcept;
  // How long until the rate limiter would let a request of that method pass; 0: now.
  [[nodiscard]] Instant_ns time_until(MethodId method) noexcept;
  // The server said that there were too many (Deribit's 10028).
  void throttled(MethodId method, std::chrono::nanoseconds retry_after) noexcept;

  // --- Channels. Restored on every connection until unsubscribed or rejected. Codes of
  // subscribe(): ok; channel_invalid; subscriptions_exhausted; invalid_option (the dialect cannot).
  using ChannelHandler = SubscriptionRegistry::Handler;
  Errc subscribe(std::string_view channel, ChannelHandler handler = {}) noexcept;
  bool unsubscribe(std::string_view channel) noexcept;
  // A handler without a subscription. Null takes it away.
  Errc handle(std::string_view channel, ChannelHandler handler) noexcept;

  // For heartbeats that the user recognises himself (HeartbeatKind::server).
  void received_beat() noexcept;

  // --- Handlers. O(1), no allocation, at any time.
  HandlerTable<Session&, const SessionTransition&> on_state;
  // Data of every channel and of none, after the channel's own handler.
  HandlerTable<Session&, const Message&> on_message;
  HandlerTable<Session&, const SubscriptionNews&> on_subscription;
  HandlerTable<Session&, const StreamGap&> on_gap;
  // Answers to requests that had ended before.
  HandlerTable<Session&, const RequestEnd&> on_late;
  // Each connection as it opens, before anything is sent on it: to add handlers, a queue.
  HandlerTable<Session&, Connection&> on_connection;

  [[nodiscard]] const SubscriptionRegistry& subscriptions() const noexcept;
  [[nodiscard]] const RequestTable& requests() const noexcept;
  [[nodiscard]] const HeartbeatCounters& heartbeat() const noexcept;
  [[nodiscard]] const SessionCounters& counters() const noexcept;
  [[nodiscard]] const SessionLatency& latency() const noexcept;
  [[nodiscard]] Reactor& reactor() noexcept;

  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

 private:
  struct Impl;
  friend struct Impl;
  Session() noexcept;
  std::unique_ptr<Impl> impl_;
};

}  // namespace zenwire
