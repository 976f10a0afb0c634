#pragma once

// JournalUser: the other border of the engine, that to the program: callbacks go out, calls come
// in.
//
// A callback is two events, around whatever handlers there are; a call is its arguments and, once
// it is done, its outcome. Only calls that user code makes are events: what the engine calls of its
// own accord it will call again on replay. So it is kept whose code runs: the program's between two
// turns and within callbacks, the engine's within a turn and within calls.
//
// On replay the program's code may run again, and its calls are compared; or `perform` stands in
// for it, and makes the recorded ones.

#include <cstdint>
#include <span>
#include <vector>

#include <zenwire/base/callback.hpp>
#include <zenwire/codec/deflate.hpp>
#include <zenwire/engine/connection.hpp>
#include <zenwire/engine/message_queue.hpp>
#include <zenwire/engine/timer_queue.hpp>

#include "journal.hpp"
#include "journal_io.hpp"

namespace zenwire::detail {

enum class JournalCallback : std::uint8_t {
  open,
  accepted,
  message,
  control,
  stage,
  closed,
  failed,
  written,
  high_water,
  drained,
  timer,
  post,
  refused,
  notice,
  count_
};

enum class JournalCall : std::uint8_t {
  connect,
  listen,
  arm,
  cancel,
  send,
  send_frames,
  ping,
  pong,
  close,
  abort,
  cork,
  uncork,
  pause,
  resume,
  deliver_to,
  count_
};

// One call as it was recorded. Views of the journal.
struct RecordedCall {
  JournalCall call = JournalCall::connect;
  ConnectionId id;
  std::uint64_t number = 0;  // opcode, close code, timer, error, ...
  std::uint64_t time_ns = 0;
  Bytes payload;
  std::vector<SecretRange> secrets;
};

// A message whose callback runs, and what of it is secret. All views are borrowed for the call.
struct MessageInHand {
  ConnectionId id;
  std::uint64_t end = 0;           // where it ends in what the connection has received
  std::size_t received_bytes = 0;  // of its payload as it came
  bool compressed = false;
  Bytes payload;                        // as it is delivered
  std::span<const SecretRange> hidden;  // in that; the last is new
};

// Thread: the reactor's. Lifetime: the reactor's.
class JournalUser {
 public:
  JournalUser(Journal& journal, JournalIo& io) noexcept : journal_(journal), io_(io) {}

  [[nodiscard]] Journal& journal() noexcept { return journal_; }
  [[nodiscard]] JournalIo& io() noexcept { return io_; }
  // Replay without the program: makes the calls that come next.
  Callback<> perform{};

  // Its callbacks are events from now on.
  void watch(Connection& connection) noexcept;
  // Those of no table. Returns whether the program's own code is to run.
  void begin_callback(JournalCallback kind, ConnectionId id, std::uint64_t first = 0,
                      std::uint64_t second = 0, Bytes payload = {}) noexcept;
  void end_callback() noexcept;
  void around_timer(bool begins, std::uint32_t tag) noexcept;
  void key(std::uint32_t& key) noexcept;

  // --- Calls of the program. False: it is the engine's own, or there is no journal any more.
  bool begin_call(JournalCall call, ConnectionId id, std::uint64_t number = 0,
                  std::uint64_t time_ns = 0, Bytes payload = {},
                  std::span<const Bytes> secrets = {}) noexcept;
  Errc end_call(Errc outcome) noexcept;
  // The port that a listener got.
  std::uint16_t end_listen(std::uint16_t port) noexcept;
  // A timer's number: its first arming gives it.
  std::uint32_t number_of(Timer& timer) noexcept;
  // Replay: the next event as a call, which stays the next.
  [[nodiscard]] RecordedCall next_call() noexcept;
  // Replay: takes a look at a clock or random bytes, which whoever stands in does not need.
  bool skip_look() noexcept;

  // --- What is received.
  // As Inflater::inflate_message().
  Result<std::size_t> inflate(Inflater& inflater, Bytes compressed, MutableBytes room) noexcept;
  // A message has been delivered that ends there in what the connection has received.
  void end_message(ConnectionId id, std::uint64_t end) noexcept {
    if (journal_.live() && !journal_.replaying()) io_.input(id.index).end_message(end);
  }
  // Takes a secret out of the journal. Where it cannot, the journal ends before the message.
  [[gnu::noinline, gnu::cold]] void hide(const MessageInHand& message) noexcept;

  // --- What became of a message for a queue.
  PushOutcome push(MessageQueue& queue, const MessageHeader& header, Bytes payload) noexcept;
  // The same for one that found no room before: it is an event when it finds some.
  PushOutcome push_again(MessageQueue& queue, const MessageHeader& header, Bytes payload) noexcept;

  [[nodiscard]] std::uint64_t callbacks() const noexcept { return callbacks_; }
  [[nodiscard]] std::uint64_t callback_hash() const noexcept { return callback_hash_; }

 private:
  void around_open(bool begins, Connection&) noexcept;
  void around_message(bool begins, Connection&, const Message&) noexcept;
  void around_control(bool begins, Connection&, Opcode, Bytes) noexcept;
  void around_stage(bool begins, Connection&, OpenStage) noexcept;
  void around_closed(bool begins, Connection&, const Closed&) noexcept;
  void around_failed(bool begins, Connection&, const OpenFailure&) noexcept;
  void around_written(bool begins, Connection&, std::size_t, std::size_t) noexcept;
  void around_high_water(bool begins, Connection&) noexcept;
  void around_drained(bool begins, Connection&) noexcept;
  bool write_over(const MessageInHand& message, const JournalInput& input) noexcept;
  void mix(std::uint64_t value) noexcept {
    callback_hash_ = (callback_hash_ ^ value) * 0x100000001b3;
  }
  void note_payload(Bytes payload, std::span<const Bytes> secrets) noexcept;
  bool next_push_is(const MessageHeader& header) noexcept;
  PushOutcome note_push(const MessageHeader& header, PushOutcome outcome) noexcept;

  Journal& journal_;
  JournalIo& io_;
  std::uint64_t check_place_ = 0;  // in the file: of the last callback
  std::uint64_t text_place_ = 0;   // ... of the last text that was decompressed
  std::uint32_t timers_ = 0;
  std::uint64_t callbacks_ = 0;
  std::uint64_t callback_hash_ = Journal::kHash_seed;
};

}  // namespace zenwire::detail
