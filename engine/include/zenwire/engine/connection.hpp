#pragma once

// A WebSocket connection that is open: bytes and `now` go in; messages, events and bytes come out.
// It knows no socket, no clock and no thread; the reactor moves its bytes.

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include <zenwire/base/bytes.hpp>
#include <zenwire/base/callback.hpp>
#include <zenwire/base/error.hpp>
#include <zenwire/codec/close.hpp>
#include <zenwire/codec/deflate.hpp>
#include <zenwire/codec/frame.hpp>
#include <zenwire/codec/frame_reader.hpp>
#include <zenwire/codec/receive_window.hpp>
#include <zenwire/engine/buffer_pool.hpp>
#include <zenwire/engine/handler_table.hpp>
#include <zenwire/engine/io.hpp>
#include <zenwire/engine/latency.hpp>
#include <zenwire/engine/message_header.hpp>
#include <zenwire/engine/opening.hpp>
#include <zenwire/engine/options.hpp>
#include <zenwire/engine/passport.hpp>
#include <zenwire/engine/send_queue.hpp>
#include <zenwire/engine/tls.hpp>

namespace zenwire {

class MessageQueue;
class Recorder;
struct RecordView;

namespace detail {
struct ConnectionServices;
struct Established;
}  // namespace detail

// Names a connection for as long as the process lives: an index that is used again, and an epoch
// that is not.
struct ConnectionId {
  std::uint32_t index = 0;
  std::uint32_t epoch = 0;  // 0 is no connection
  bool operator==(const ConnectionId&) const noexcept = default;
  explicit operator bool() const noexcept { return epoch != 0; }
};

// A received message. A view: it dies when the callback returns.
struct Message {
  Bytes payload;  // kReadPadding_bytes after it may be read
  Opcode opcode = Opcode::text;
  bool last_of_burst = true;      // nothing more had been received behind it
  std::uint64_t sequence = 0;     // counts the messages of this connection, from 1
  std::uint64_t received_ns = 0;  // since 1970, when the bytes were taken
  std::uint64_t received_ticks = 0;

  [[nodiscard]] std::string_view text() const noexcept { return as_text(payload); }
  [[nodiscard]] bool is_text() const noexcept { return opcode == Opcode::text; }
};

// What ended a connection.
struct Closed {
  Error error;  // closed_normally, closed_by_peer, or what went wrong
  // The code that the peer sent, or that we closed with; 1005: its frame had none; 1006: there was
  // no frame (RFC 6455, section 7.1.5).
  std::uint16_t code = CloseCode::no_status;
  std::string_view reason;  // dies with the callback
  bool clean = false;       // close frames went both ways
  bool by_peer = false;     // the peer's close frame came first
};

// The same without what dies with the callback.
struct ConnectionEnd {
  Errc error = Errc::ok;
  std::uint16_t code = CloseCode::no_status;
  bool clean = false;
};

enum class ConnectionState : std::uint8_t { opening, open, closing, closed };
std::string_view name(ConnectionState state) noexcept;

struct ConnectionCounters {
  std::uint64_t messages_received = 0;
  std::uint64_t payload_bytes_received = 0;
  std::uint64_t bytes_received = 0;  // on the wire
  std::uint64_t messages_sent = 0;
  std::uint64_t payload_bytes_sent = 0;
  std::uint64_t bytes_sent = 0;  // on the wire
  std::uint64_t pings_received = 0;
  std::uint64_t pongs_received = 0;
  std::uint64_t pauses = 0;  // reading was withheld: by the user or a full queue
  std::uint64_t waits_for_large_buffer = 0;
  std::uint64_t sends_refused = 0;  // send_queue_full
  std::uint64_t takes = 0;
  std::uint64_t peeks = 0;
};

// A message made once and sent often: its header is precomputed, and fields of fixed width may be
// patched in place. A client's frame is masked with a fresh key at each send, as RFC 6455
// section 5.3 demands.
class PreparedMessage {
 public:
  PreparedMessage(Opcode opcode, Bytes payload);
  // Overwrites payload bytes [offset, offset + bytes.size()). Asserts that they lie within.
  void patch(std::size_t offset, std::string_view bytes) noexcept;
  [[nodiscard]] Bytes payload() const noexcept { return payload_; }
  [[nodiscard]] Opcode opcode() const noexcept { return opcode_; }

 private:
  Opcode opcode_;
  std::vector<std::byte> payload_;
};

// Thread: the reactor's. Lifetime: from connect() or accept until on_closed (or on_failed) has
// returned; keep the id, not the pointer. Cost of a send of a small message: one copy-and-mask and
// one send(); no allocation.
//
// In a callback you may send, close, pause, resume, and add, replace or remove handlers. Handlers
// run in the order of their slots; one added during a call starts with the next event.
class Connection {
 public:
  [[nodiscard]] ConnectionId id() const noexcept { return id_; }
  [[nodiscard]] ConnectionState state() const noexcept { return state_; }
  [[nodiscard]] Role role() const noexcept { return role_; }
  // Set by the user; the session that the connection serves, carried by queue headers and records.
  std::uint32_t session = 0;
  // For the user's own state of this connection.
  void* context = nullptr;

  // --- Handlers. O(1), no allocation, at any time.
  HandlerTable<Connection&> on_open;
  HandlerTable<Connection&, const Message&> on_message;
  // A ping (already answered) or a pong.
  HandlerTable<Connection&, Opcode, Bytes> on_control;
  HandlerTable<Connection&, const Closed&> on_closed;
  // How far the set-up has come. A stage that was passed before the reactor looked is left out.
  HandlerTable<Connection&, OpenStage> on_stage;
  // The attempt to open it failed. The connection ends with it; on_closed does not run.
  HandlerTable<Connection&, const OpenFailure&> on_failed;
  // Bytes that the kernel has taken since the last call, and how many wait.
  HandlerTable<Connection&, std::size_t, std::size_t> on_written;
  HandlerTable<Connection&> on_high_water;
  HandlerTable<Connection&> on_drained;

  // With SocketOptions::kernel_stamps: the kernel has stamped what was sent.
  HandlerTable<Connection&, const Transmitted&> on_transmitted;

  // --- Sends go out at once. Codes, not Results, which are 256 bytes: ok; connection_closed;
  // send_queue_full (nothing was sent: wait for on_drained); message_too_large (it can never pass).
  Errc send(Opcode opcode, Bytes payload) noexcept;
  Errc send_text(std::string_view text) noexcept { return send(Opcode::text, as_bytes(text)); }
  Errc send_binary(Bytes payload) noexcept { return send(Opcode::binary, payload); }
  Errc send_prepared(const PreparedMessage& message) noexcept {
    return send(message.opcode(), message.payload());
  }
  // A request that holds secrets: it is recorded with `values`, views into `payload`, overwritten
  // at equal length.
  Errc send_secret(Opcode opcode, Bytes payload, std::span<const Bytes> values) noexcept;
  // In on_message: `value`, a view into the message's payload, is secret (a token in a reply). The
  // recording and the reactor's journal have it overwritten at equal length, in a text by whole
  // characters. Nothing without either. Costs what is hidden; in a journal that has given its
  // memory back by then, a system call or two.
  void hide(Bytes value) noexcept;
  // Whole frames, in one write: masked already where this end is a client. They are not looked
  // into.
  Errc send_frames(Bytes frames) noexcept;
  // Payload up to 125 bytes; a longer one is frame_control_too_long.
  Errc ping(Bytes payload = {}) noexcept;
  Errc pong(Bytes payload = {}) noexcept;
  // Starts the closing handshake: what was sent before goes out first, nothing after. Also
  // close_code_invalid.
  Errc close(std::uint16_t code = CloseCode::normal, std::string_view reason = {}) noexcept;
  // Ends it now, without a handshake: the peer sees a reset or an end of stream. One that is not
  // open yet is given up: on_failed runs with `aborted` as soon as the set-up thread has let go.
  void abort(Error why = Errc::aborted) noexcept;

  // In on_message, first of all: when the message was where. Without SocketOptions::kernel_stamps
  // the kernel's stamp is 0, and `decrypted_ticks` is not marked.
  [[nodiscard]] Passport passport() const noexcept;

  // While corked, frames gather and go out in one write at uncork. Nests.
  void cork() noexcept {
    if (!sends_open_) [[unlikely]]
      note_cork();
    ++corks_;
  }
  void uncork() noexcept;

  // Back-pressure: while paused nothing is read, TCP pushes back. Nests with a full queue's own
  // pause.
  void pause() noexcept;
  void resume() noexcept;
  [[nodiscard]] bool paused() const noexcept {
    return stops_.paused_by_user || stops_.stalled || stops_.opened_owed;
  }

  // Every message goes to the queue as well, after the handlers, and `opened` and `closed` too.
  // Null takes it away.
  void deliver_to(MessageQueue* queue) noexcept;
  // Null: none.
  [[nodiscard]] const MessageQueue* queue() const noexcept { return queue_; }
  // Every message, in and out, and every event is recorded. Null takes it away.
  void record_to(Recorder* recorder) noexcept;
  [[nodiscard]] const ConnectionCounters& counters() const noexcept { return counters_; }
  [[nodiscard]] std::size_t unsent_bytes() const noexcept { return send_queue_.size(); }
  // What counters().bytes_sent comes to when all that was sent so far has left.
  [[nodiscard]] std::uint64_t wire_end_bytes() const noexcept {
    return counters_.bytes_sent + send_queue_.size();
  }
  // After on_closed has run.
  [[nodiscard]] const ConnectionEnd& how_it_ended() const noexcept { return end_; }
  // Facts of the set-up: addresses, subprotocol, TLS, the server's headers, time per stage.
  // Asserts that it has opened.
  [[nodiscard]] const Opened& opened() const noexcept;

  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection();

  // --- For whoever moves the bytes (the reactor; a test).

  // `receive` and `send` are the connection's own buffers; kReadPadding_bytes after `receive` may
  // be read.
  // `counters` is where it counts, zero at first: in a telemetry page; null for its own.
  Connection(detail::ConnectionServices& services, ConnectionId id, Role role, MutableBytes receive,
             MutableBytes send, ConnectionCounters* counters = nullptr) noexcept;
  // The set-up is done. `parts` outlives the connection. Runs on_open.
  void open(detail::Established& parts) noexcept;

  // Where received bytes go; empty while reading is withheld (paused, stalled, no large buffer
  // free).
  [[nodiscard]] MutableBytes receive_space() noexcept;
  void received(std::size_t bytes, std::uint64_t ticks, std::uint64_t wall_ns) noexcept;
  // Before received(): the kernel's stamp of the bytes, and that stages are to be marked.
  void stamp(std::uint64_t kernel_ns) noexcept {
    kernel_ns_ = kernel_ns;
    decrypted_ticks_ = 0;
    stamped_ = true;
  }
  // The peer sends no more.
  void end_of_stream() noexcept { end_of_stream_ = true; }
  // Delivers all that is complete, unless reading is withheld.
  void process() noexcept;
  // Whether process() has something to do without new bytes: a stalled message, unread leftovers.
  [[nodiscard]] bool has_backlog() const noexcept;

  [[nodiscard]] Bytes output() const noexcept { return send_queue_.front(); }
  // The kernel took `bytes` of output(). Runs on_written and on_drained.
  void output_consume(std::size_t bytes) noexcept;
  // True once, when the transport's sending half is to be ended: all has been sent.
  [[nodiscard]] bool take_half_close() noexcept;
  // The deadline of the closing handshake passed.
  void close_deadline_passed() noexcept;
  // Nothing more will happen: finish() it.
  [[nodiscard]] bool is_finished() const noexcept;
  // A send failed: nothing more goes out, but what the peer sent before is still read.
  void fail_send(const Error& error) noexcept;
  // The transport is gone.
  void transport_lost(const Error& error) noexcept;
  void fail_transport(const Error& error) noexcept;
  // Runs on_closed and tells the queue. False if the queue has no room: call again.
  bool finish() noexcept;
  [[nodiscard]] bool closing() const noexcept { return state_ == ConnectionState::closing; }

 private:
  // What holds delivery up, side by side so that a burst asks once a message.
  struct Stops {
    bool paused_by_user = false;
    bool stalled = false;        // the queue had no room for stalled_message_
    bool opened_owed = false;    // ... nor for the news that it opened
    bool inflate_waits = false;  // what the reader holds waits for a large buffer
    bool discard = false;        // what still comes is not looked at
    std::array<bool, 3> none{};
    [[nodiscard]] bool any() const noexcept { return std::bit_cast<std::uint64_t>(*this) != 0; }
  };
  static_assert(sizeof(Stops) == sizeof(std::uint64_t));

  void enter(ConnectionState state) noexcept;
  void announce() noexcept;
  bool retry_announcement() noexcept;
  bool retry_stalled() noexcept;
  bool deliver_window() noexcept;
  void deliver_message() noexcept;
  void deliver_held() noexcept;
  void deliver_compressed(Message& message) noexcept;
  void mark(Stage stage) noexcept;
  bool inflate(Message& message) noexcept;
  void hand_over(const Message& message) noexcept;
  void hand_over_observed(const Message& message) noexcept;
  void stall(const Message& message) noexcept;
  bool push(const Message& message) noexcept;
  [[nodiscard]] MessageHeader header_of(const Message& message) const noexcept;
  bool push_observed(const Message& message, bool again) noexcept;
  bool push_event(MessageKind kind, Errc reason, Bytes payload) noexcept;
  void wait_to_inflate() noexcept;
  bool retry_inflate() noexcept;
  void release_inflated() noexcept;
  void handle_control() noexcept;
  void handle_close(Bytes payload) noexcept;
  bool refill() noexcept;
  bool refill_leftover() noexcept;
  bool refill_tls() noexcept;
  bool ensure_room() noexcept;
  bool grow(std::size_t wanted_bytes) noexcept;
  void return_window() noexcept;
  void shrink() noexcept;
  void fail_protocol(Errc error, std::uint16_t code) noexcept;
  Errc send_message(Opcode opcode, Bytes payload, std::span<const Bytes> secrets) noexcept;
  Errc send_open(Opcode opcode, Bytes payload, std::span<const Bytes> secrets) noexcept;
  Errc send_otherwise(Opcode opcode, Bytes payload, std::span<const Bytes> secrets) noexcept;
  Errc send_frames_open(Bytes frames) noexcept;
  Errc close_open(std::uint16_t code, std::string_view reason) noexcept;
  void note_cork() noexcept;
  void uncork_now() noexcept;
  Errc send_compressed(Opcode opcode, Bytes payload) noexcept;
  [[nodiscard]] std::size_t queue_room_bytes(std::size_t payload_bytes) const noexcept;
  Errc send_frame(Opcode opcode, Bytes payload, bool rsv1) noexcept;
  Errc queue_plain(Opcode opcode, Bytes payload, bool rsv1) noexcept;
  Errc queue_encrypted(Opcode opcode, Bytes payload, bool rsv1) noexcept;
  Errc encrypt_long(Opcode opcode, Bytes payload, bool rsv1, MaskingKey key) noexcept;
  Errc encrypt(Bytes plaintext) noexcept;
  MaskingKey masking_key() noexcept;
  Errc refuse(std::size_t bytes) noexcept;
  void sent() noexcept;
  Errc send_control(Opcode opcode, Bytes payload) noexcept;
  void queue_close(std::uint16_t code, std::string_view reason) noexcept;
  void send_owed() noexcept;
  void take_tls_output() noexcept;
  [[nodiscard]] Bytes message_in_hand() const noexcept;
  [[nodiscard]] std::uint64_t plaintext_taken_bytes() const noexcept;
  void hide_from_journal(Bytes message) noexcept;
  void record_in(const Message& message) noexcept;
  void record_hidden(RecordView record) noexcept;
  void record_control(bool inbound, Opcode opcode, Bytes payload) noexcept;
  void record_opened() noexcept;
  void record_closed(const Closed& closed) noexcept;
  void record_out(Opcode opcode, Bytes payload, std::span<const Bytes> secrets) noexcept;
  void attention() noexcept;

  detail::ConnectionServices& services_;
  // What every message touches, first.
  FrameReader reader_;
  ReceiveWindow window_;
  TlsStream* tls_ = nullptr;
  MessageQueue* queue_ = nullptr;
  Recorder* recorder_ = nullptr;
  bool observed_ = false;    // there is a recorder or a journal
  bool sends_open_ = false;  // open, and without a journal: a send goes its short way
  std::uint64_t received_ticks_ = 0;
  std::uint64_t received_ns_ = 0;
  ConnectionState state_ = ConnectionState::opening;
  Role role_;
  Stops stops_;
  bool waits_for_large_ = false;  // no large buffer was free
  bool backlog_ = false;          // received bytes are still to be processed
  bool refill_blocked_ = false;   // ... and the window has no room for them
  bool end_of_stream_ = false;
  bool above_high_water_ = false;
  std::uint32_t corks_ = 0;
  SendQueue send_queue_;
  ConnectionCounters& counters_;

  // The closing handshake.
  bool close_sent_ = false;
  bool close_received_ = false;
  bool close_by_peer_ = false;
  bool half_close_ = false;
  bool pong_owed_ = false;  // there was no room for it
  bool close_owed_ = false;
  bool finished_ = false;
  bool tls_close_sent_ = false;
  bool tls_closed_ = false;  // the peer's closing alert came
  bool stamped_ = false;     // passports are asked for
  std::uint16_t close_code_ = CloseCode::no_status;
  std::uint8_t close_reason_bytes_ = 0;
  std::uint8_t owed_bytes_ = 0;
  std::array<char, kControlPayload_bytes_max> close_reason_{};
  std::array<std::byte, kControlPayload_bytes_max> owed_{};
  Error error_;
  ConnectionEnd end_;

  ConnectionId id_;
  detail::Established* parts_ = nullptr;
  std::size_t leftover_taken_bytes_ = 0;
  std::uint64_t kernel_ns_ = 0;
  std::uint64_t decrypted_ticks_ = 0;
  MutableBytes own_receive_;
  std::byte* inflated_ = nullptr;  // a leased large buffer that holds the message being delivered
  std::size_t inflated_bytes_ = 0;
  Message stalled_message_;
  ConnectionCounters own_counters_;  // where there is no telemetry page
};

}  // namespace zenwire
