#include <algorithm>
#include <cstring>

#include <zenwire/codec/frame_writer.hpp>
#include <zenwire/codec/mask.hpp>
#include <zenwire/engine/connection.hpp>
#include <zenwire/engine/message_queue.hpp>

#include "connection_services.hpp"
#include "established.hpp"
#include "journal_user.hpp"
#include "journalled_call.hpp"

namespace zenwire {
namespace {

// A window with less room than this is compacted before more is received: short reads cost a call
// each.
constexpr std::size_t kRoomFraction = 4;
// What the bound on ciphertext adds for each further record.
constexpr std::size_t kRecordSlack_bytes = 128;
// What a message may grow by when it is compressed: so that short ones, which hardly shrink, keep
// the window going.
constexpr std::size_t kDeflateGrowth_bytes = 64;
// What a peer's may: stored blocks cost 5 bytes each, and peers that store in blocks of less than
// a KiB are none that compress (RFC 1951, section 3.2.4).
constexpr std::uint64_t kDeflateGrowthFraction = 128;

}  // namespace

std::string_view name(ConnectionState state) noexcept {
  switch (state) {
    case ConnectionState::opening: return "opening";
    case ConnectionState::open: return "open";
    case ConnectionState::closing: return "closing";
    case ConnectionState::closed: return "closed";
  }
  return "unknown";
}

PreparedMessage::PreparedMessage(Opcode opcode, Bytes payload)
    : opcode_(opcode), payload_(payload.begin(), payload.end()) {
  ZW_ASSERT(opcode == Opcode::text || opcode == Opcode::binary);
}

void PreparedMessage::patch(std::size_t offset, std::string_view bytes) noexcept {
  ZW_ASSERT(offset <= payload_.size() && bytes.size() <= payload_.size() - offset);
  std::memcpy(payload_.data() + offset, bytes.data(), bytes.size());
}

// --- Life.

// What send() asks on its way is kept in one flag.
void Connection::enter(ConnectionState state) noexcept {
  state_ = state;
  sends_open_ = state == ConnectionState::open && services_.journal == nullptr;
}

Connection::Connection(detail::ConnectionServices& services, ConnectionId id, Role role,
                       MutableBytes receive, MutableBytes send,
                       ConnectionCounters* counters) noexcept
    : services_(services),
      reader_(role, FrameLimits{}),
      window_(receive.data(), receive.size()),
      role_(role),
      send_queue_(send.data(), send.size(), services.large),
      counters_(counters != nullptr ? *counters : own_counters_),
      id_(id),
      own_receive_(receive) {
  ZW_ASSERT(!receive.empty() && !send.empty());
}

Connection::~Connection() {
  release_inflated();
  if (window_.base() != own_receive_.data()) services_.large.give_back(window_.base());
}

const Opened& Connection::opened() const noexcept {
  ZW_ASSERT(parts_ != nullptr);
  return parts_->opened;
}

void Connection::open(detail::Established& parts) noexcept {
  ZW_ASSERT(state_ == ConnectionState::opening && parts_ == nullptr);
  parts_ = &parts;
  const Limits& limits = parts.limits;
  reader_ = FrameReader(
      role_, {.frame_bytes_max = limits.frame_bytes_max,
              .message_bytes_max = limits.message_bytes_max,
              .fragments_max = limits.fragments_max,
              .deflate = parts.opened.deflate.has_value(),
              .deflate_growth_bytes_max = static_cast<std::uint32_t>(
                  limits.message_bytes_max / kDeflateGrowthFraction + kDeflateGrowth_bytes),
              .validate_utf8 = limits.validate_utf8});
  if (parts.opened.deflate) services_.large.expect_inflating();
  tls_ = parts.tls ? &*parts.tls : nullptr;
  observed_ = recorder_ != nullptr || services_.journal != nullptr;
  enter(ConnectionState::open);
  backlog_ = true;  // what came behind the header block
  if (recorder_ != nullptr) record_opened();
  announce();
  on_open(*this);
}

void Connection::deliver_to(MessageQueue* queue) noexcept {
  ZW_ASSERT(!stops_.stalled);  // the message that waits for the old queue would be lost
  const detail::JournalledCall call(services_.journal, detail::JournalCall::deliver_to, id_,
                                    queue != nullptr ? 1 : 0);
  queue_ = queue;
  stops_.opened_owed = false;
  if (state_ == ConnectionState::open) announce();
}

// A queue that has no room is told as soon as it has; reading is withheld until then, so that no
// message comes before the event.
void Connection::announce() noexcept {
  if (queue_ == nullptr) return;
  stops_.opened_owed = !push_event(MessageKind::opened, Errc::ok, {});
  if (!stops_.opened_owed) return;
  ++counters_.pauses;
  attention();
}

bool Connection::retry_announcement() noexcept {
  if (stops_.opened_owed && queue_ != nullptr)
    stops_.opened_owed = !push_event(MessageKind::opened, Errc::ok, {});
  return !stops_.opened_owed;
}

void Connection::record_to(Recorder* recorder) noexcept {
  services_.unrecorded.flush();
  recorder_ = recorder;
  observed_ = recorder_ != nullptr || services_.journal != nullptr;
  if (recorder != nullptr && state_ == ConnectionState::open) record_opened();
}

void Connection::attention() noexcept {
  services_.attention(*this);
}

void Connection::pause() noexcept {
  if (stops_.paused_by_user) return;
  const detail::JournalledCall call(services_.journal, detail::JournalCall::pause, id_);
  stops_.paused_by_user = true;
  ++counters_.pauses;
}

void Connection::resume() noexcept {
  if (!stops_.paused_by_user) return;
  const detail::JournalledCall call(services_.journal, detail::JournalCall::resume, id_);
  stops_.paused_by_user = false;
  attention();
}

// --- Receiving.

bool Connection::has_backlog() const noexcept {
  if (state_ == ConnectionState::opening || state_ == ConnectionState::closed ||
      stops_.paused_by_user)
    return false;
  return stops_.stalled || stops_.opened_owed || backlog_;
}

// Reading is withheld by an empty space; what the window holds must fit the frame in progress, or
// the peer would wait for us and we for it.
MutableBytes Connection::receive_space() noexcept {
  if (paused() || backlog_) return {};
  if (tls_ != nullptr) return tls_->ciphertext_space();
  if (stops_.discard) window_ = ReceiveWindow(window_.base(), window_.capacity());
  return ensure_room() ? window_.writable() : MutableBytes{};
}

void Connection::received(std::size_t bytes, std::uint64_t ticks, std::uint64_t wall_ns) noexcept {
  received_ticks_ = ticks;
  received_ns_ = wall_ns;
  counters_.bytes_received += bytes;
  ++counters_.takes;
  if (tls_ != nullptr) {
    tls_->ciphertext_commit(bytes);
  } else {
    window_.commit(bytes);
  }
}

void Connection::process() noexcept {
  if (state_ == ConnectionState::opening || stops_.paused_by_user) return;
  if (stops_.opened_owed && !retry_announcement()) [[unlikely]]
    return;
  if (!retry_stalled() || !retry_inflate()) return;
  backlog_ = true;  // until everything complete has been delivered
  bool delivered = true;
  while ((delivered = deliver_window()) && refill()) continue;
  if (delivered) backlog_ = refill_blocked_;
  if (window_.base() != own_receive_.data()) [[unlikely]]
    return_window();
}

// False while the message that the queue refused is still refused.
inline bool Connection::retry_stalled() noexcept {
  if (!stops_.stalled) return true;
  if (!push_observed(stalled_message_, true)) return false;
  stops_.stalled = false;
  release_inflated();
  return true;
}

// True when the window holds nothing complete any more; false when delivery must stop here. A burst
// is this loop, with what every message costs in line; the rest leaves it through calls.
bool Connection::deliver_window() noexcept {
  while (!stops_.any() && state_ != ConnectionState::closed) {
    if (window_.unparsed_bytes() == 0) return true;
    const ReadStatus status = reader_.next(window_);
    if (status == ReadStatus::need_more) return true;
    if (status == ReadStatus::message) [[likely]] {
      deliver_message();
    } else if (status == ReadStatus::control) {
      handle_control();
    } else {
      fail_protocol(reader_.error(), reader_.close_code());
    }
  }
  return state_ != ConnectionState::closed && !paused() && !stops_.inflate_waits;
}

inline void Connection::deliver_message() noexcept {
  ++counters_.messages_received;
  deliver_held();
}

// The message that the reader holds.
inline void Connection::deliver_held() noexcept {
  Message message{.payload = reader_.payload(),
                  .opcode = reader_.opcode(),
                  .last_of_burst = !reader_.complete_frame_follows(window_) &&
                                   (tls_ == nullptr || !tls_->has_complete_record()),
                  .sequence = counters_.messages_received,
                  .received_ns = received_ns_,
                  .received_ticks = received_ticks_};
  if (reader_.compressed()) [[unlikely]]
    return deliver_compressed(message);
  counters_.payload_bytes_received += message.payload.size();
  hand_over(message);
}

void Connection::deliver_compressed(Message& message) noexcept {
  if (!inflate(message)) return;
  counters_.payload_bytes_received += message.payload.size();
  hand_over(message);
  if (!stops_.stalled) release_inflated();
}

inline void Connection::hand_over(const Message& message) noexcept {
  if (services_.latency != nullptr) [[unlikely]]
    mark(Stage::framed);
  on_message(*this, message);
  if (services_.latency != nullptr) [[unlikely]]
    mark(Stage::callback);
  if (observed_) [[unlikely]]
    return hand_over_observed(message);
  if (queue_ != nullptr && !push(message)) [[unlikely]]
    stall(message);
}

// With a recorder, a journal, or both.
void Connection::hand_over_observed(const Message& message) noexcept {
  if (recorder_ != nullptr) record_in(message);
  services_.hidden.clear();
  if (services_.journal != nullptr) services_.journal->end_message(id_, plaintext_taken_bytes());
  if (queue_ != nullptr && !push_observed(message, false)) [[unlikely]]
    stall(message);
}

void Connection::stall(const Message& message) noexcept {
  stops_.stalled = true;
  stalled_message_ = message;
  ++counters_.pauses;
}

void Connection::mark(Stage stage) noexcept {
  services_.latency->mark(stage, received_ticks_, services_.ticks.now());
}

Passport Connection::passport() const noexcept {
  return {.kernel_ns = kernel_ns_,
          .received_ns = received_ns_,
          .received_ticks = received_ticks_,
          .decrypted_ticks = decrypted_ticks_ != 0 ? decrypted_ticks_ : received_ticks_,
          .framed_ticks = services_.ticks.now()};
}

// False: full, and the policy is to wait.
bool Connection::push(const Message& message) noexcept {
  if (queue_ == nullptr) return true;
  const MessageHeader header = header_of(message);
  const PushOutcome outcome = queue_->try_push(header, message.payload);
  if (services_.latency != nullptr && outcome == PushOutcome::pushed) {
    services_.latency->mark(Stage::queued, message.received_ticks, services_.ticks.now());
  }
  return outcome != PushOutcome::full;
}

// The journal is told what became of it, and on replay says so.
bool Connection::push_observed(const Message& message, bool again) noexcept {
  if (services_.journal == nullptr || queue_ == nullptr) return push(message);
  const MessageHeader header = header_of(message);
  detail::JournalUser& journal = *services_.journal;
  const PushOutcome outcome = again ? journal.push_again(*queue_, header, message.payload)
                                    : journal.push(*queue_, header, message.payload);
  return outcome != PushOutcome::full;
}

MessageHeader Connection::header_of(const Message& message) const noexcept {
  MessageHeader header;
  header.received_ticks = message.received_ticks;
  header.received_ns = message.received_ns;
  header.queued_ticks = services_.latency != nullptr ? services_.ticks.now() : 0;
  header.sequence = message.sequence;
  header.session = session;
  header.connection = id_.index;
  header.epoch = id_.epoch;
  header.kind = static_cast<MessageKind>(message.opcode);
  header.flags = message.last_of_burst ? kLastOfBurst : 0;
  return header;
}

// Decompresses into a large buffer, leased for as long as the message is delivered.
bool Connection::inflate(Message& message) noexcept {
  ZW_ASSERT(inflated_ == nullptr);
  inflated_ = services_.large.lease();
  if (inflated_ == nullptr) {
    wait_to_inflate();
    return false;
  }
  const std::size_t room =
      std::min<std::uint64_t>(parts_->limits.message_bytes_max, services_.large.buffer_bytes());
  auto size =
      services_.journal == nullptr
          ? parts_->inflater.inflate_message(message.payload, {inflated_, room})
          : services_.journal->inflate(parts_->inflater, message.payload, {inflated_, room});
  Errc error = size ? Errc::ok : size.error().code();
  if (size && message.is_text() && parts_->limits.validate_utf8 && !is_utf8({inflated_, *size})) {
    error = Errc::text_not_utf8;
  }
  if (error != Errc::ok) {
    release_inflated();
    fail_protocol(error, close_code_for(error));
    return false;
  }
  inflated_bytes_ = *size;
  message.payload = {inflated_, *size};
  return true;
}

// The message waits in the window for a large buffer to come home. Not if the window is one itself
// and none is kept for this: two connections that each hold one and want another would wait for
// each other.
void Connection::wait_to_inflate() noexcept {
  if (window_.base() != own_receive_.data() && !services_.large.keeps_one_for_delivering()) {
    fail_protocol(Errc::large_buffers_exhausted, CloseCode::try_again_later);
    return;
  }
  stops_.inflate_waits = true;
  ++counters_.waits_for_large_buffer;
}

// False while there is none.
bool Connection::retry_inflate() noexcept {
  if (!stops_.inflate_waits) return true;
  if (services_.large.exhausted()) return false;
  stops_.inflate_waits = false;
  if (state_ != ConnectionState::closed && !stops_.discard) deliver_held();
  return !paused();
}

void Connection::release_inflated() noexcept {
  if (inflated_ == nullptr) return;
  services_.unrecorded.flush();
  services_.large.give_back(inflated_);
  inflated_ = nullptr;
}

// --- The window.

// More decrypted bytes into the window; true if it got any.
inline bool Connection::refill() noexcept {
  refill_blocked_ = false;
  if (state_ == ConnectionState::closed) return false;
  if (parts_ != nullptr && leftover_taken_bytes_ < parts_->leftover.size())
    return refill_leftover();
  return tls_ != nullptr && tls_->has_complete_record() && refill_tls();
}

bool Connection::refill_leftover() noexcept {
  refill_blocked_ = !ensure_room();
  if (refill_blocked_) return false;
  const Bytes left = Bytes(parts_->leftover).subspan(leftover_taken_bytes_);
  const MutableBytes space = window_.writable();
  const std::size_t bytes = std::min(left.size(), space.size());
  std::memcpy(space.data(), left.data(), bytes);
  window_.commit(bytes);
  leftover_taken_bytes_ += bytes;
  if (received_ns_ == 0) {  // the set-up thread has had them until now
    received_ns_ = services_.wall_ns;
    received_ticks_ = services_.ticks.now();
  }
  return bytes > 0;
}

bool Connection::refill_tls() noexcept {
  if (stops_.discard) window_ = ReceiveWindow(window_.base(), window_.capacity());
  refill_blocked_ = !ensure_room();
  if (refill_blocked_) return false;
  const auto plain = tls_->read(window_.writable());
  take_tls_output();
  if (plain) {
    if (services_.latency != nullptr) mark(Stage::decrypted);
    if (stamped_) decrypted_ticks_ = services_.ticks.now();
    window_.commit(*plain);
    return *plain > 0;
  }
  if (plain.error().code() == Errc::tls_closed) {
    end_of_stream_ = tls_closed_ = true;
  } else {
    fail_transport(plain.error());
  }
  return false;
}

// Room for what completes the frame in progress. False, and counted, when that takes a large buffer
// and none is free.
inline bool Connection::ensure_room() noexcept {
  const std::size_t wanted = stops_.discard ? 1 : reader_.wanted_bytes(window_);
  if (wanted > window_.capacity()) [[unlikely]]
    return grow(wanted);
  waits_for_large_ = false;
  if (window_.base() != own_receive_.data() && wanted <= own_receive_.size()) [[unlikely]]
    shrink();
  const std::size_t room = window_.writable().size();
  if (room >= window_.capacity() / kRoomFraction && room + window_.live_bytes() >= wanted)
    return true;
  if (!services_.unrecorded.empty()) services_.unrecorded.flush();
  window_.compact();
  window_.rewind();
  return true;
}

bool Connection::grow(std::size_t wanted_bytes) noexcept {
  ZW_ASSERT(wanted_bytes <= services_.large.buffer_bytes());
  ZW_ASSERT(window_.base() == own_receive_.data());
  std::byte* buffer = services_.large.lease(LeaseFor::receiving);
  if (buffer == nullptr) {
    if (!waits_for_large_) ++counters_.waits_for_large_buffer;
    waits_for_large_ = true;
    return false;
  }
  waits_for_large_ = false;
  services_.unrecorded.flush();
  window_.relocate(buffer, services_.large.buffer_bytes());
  return true;
}

// A large buffer is for those who need it: a connection that is paused, or whose peer says no more,
// would keep it from them.
void Connection::return_window() noexcept {
  if (stops_.stalled || stops_.inflate_waits) return;  // the message that waits lies there
  if (stops_.discard) window_ = ReceiveWindow(window_.base(), window_.capacity());
  if (stops_.discard || reader_.wanted_bytes(window_) <= own_receive_.size()) shrink();
}

// Back into the connection's own buffer, once what is left fits with room to spare.
void Connection::shrink() noexcept {
  if (window_.live_bytes() > own_receive_.size() / 2) return;
  services_.unrecorded.flush();
  std::byte* const large = window_.base();
  window_.relocate(own_receive_.data(), own_receive_.size());
  services_.large.give_back(large);
}

// --- Control frames and closing.

void Connection::handle_control() noexcept {
  const Bytes payload = reader_.payload();
  switch (reader_.opcode()) {
    case Opcode::ping:
      ++counters_.pings_received;
      if (recorder_ != nullptr) record_control(true, Opcode::ping, payload);
      send_control(Opcode::pong, payload);
      break;
    case Opcode::pong:
      ++counters_.pongs_received;
      if (recorder_ != nullptr) record_control(true, Opcode::pong, payload);
      break;
    default: handle_close(payload); return;
  }
  on_control(*this, reader_.opcode(), payload);
}

void Connection::handle_close(Bytes payload) noexcept {
  const ClosePayload peer = parse_close(payload);
  if (peer.error != Errc::ok) {
    fail_protocol(peer.error, close_code_for(peer.error));
    return;
  }
  close_received_ = true;
  stops_.discard = true;
  close_code_ = peer.code;
  close_reason_bytes_ = static_cast<std::uint8_t>(peer.reason.size());
  std::ranges::copy(peer.reason, close_reason_.begin());
  if (recorder_ != nullptr) record_control(true, Opcode::close, payload);
  if (!close_sent_) {
    close_by_peer_ = true;
    queue_close(peer.code, {});
  }
  // RFC 6455, section 7.1.1: the server closes the transport first, so that it, not the client,
  // holds the port in TIME_WAIT.
  half_close_ = role_ == Role::server;
  enter(ConnectionState::closing);
  attention();
}

void Connection::fail_protocol(Errc error, std::uint16_t code) noexcept {
  ZW_ASSERT(error != Errc::ok);
  if (state_ == ConnectionState::closed) return;
  if (!error_) error_ = Error(error, "", 0);
  stops_.discard = true;
  if (!close_sent_) {
    close_code_ = code;
    queue_close(code, message(error));
  }
  half_close_ = true;
  enter(ConnectionState::closing);
  attention();
}

void Connection::fail_send(const Error& error) noexcept {
  if (state_ == ConnectionState::closed) return;
  if (!error_) error_ = error;
  send_queue_.clear();
  close_sent_ = true;
  close_owed_ = pong_owed_ = half_close_ = false;
  enter(ConnectionState::closing);
  attention();
}

void Connection::fail_transport(const Error& error) noexcept {
  if (state_ == ConnectionState::closed) return;
  if (!error_) error_ = error;
  send_queue_.clear();
  enter(ConnectionState::closed);
  attention();
}

// What was received before is still delivered.
void Connection::transport_lost(const Error& error) noexcept {
  if (!error_ && !(close_sent_ && close_received_)) error_ = error;
  end_of_stream_ = true;
}

void Connection::abort(Error why) noexcept {
  const detail::JournalledCall call(services_.journal, detail::JournalCall::abort, id_,
                                    static_cast<std::uint64_t>(why.code()));
  stops_.stalled = false;
  stops_.paused_by_user = false;
  fail_transport(why);
}

Errc Connection::close(std::uint16_t code, std::string_view reason) noexcept {
  detail::JournalledCall call(services_.journal, detail::JournalCall::close, id_, code,
                              as_bytes(reason));
  return call.came_to(close_open(code, reason));
}

Errc Connection::close_open(std::uint16_t code, std::string_view reason) noexcept {
  if (state_ != ConnectionState::open || close_sent_) return Errc::connection_closed;
  if (code != CloseCode::no_status && !close_code_may_be_sent(code, role_))
    return Errc::close_code_invalid;
  close_code_ = code;
  queue_close(code, reason);
  enter(ConnectionState::closing);
  attention();
  return Errc::ok;
}

// After it nothing else is sent (RFC 6455, section 5.5.1).
void Connection::queue_close(std::uint16_t code, std::string_view reason) noexcept {
  ZW_ASSERT(!close_sent_);
  std::array<std::byte, kControlPayload_bytes_max> payload;
  const std::byte* const end = write_close_payload(payload.data(), code, reason);
  const Bytes bytes(payload.data(), end);
  close_sent_ = true;
  pong_owed_ = false;
  if (recorder_ != nullptr) record_control(false, Opcode::close, bytes);
  if (send_frame(Opcode::close, bytes, false) == Errc::ok) return;
  close_owed_ = true;
  owed_bytes_ = static_cast<std::uint8_t>(bytes.size());
  std::memcpy(owed_.data(), bytes.data(), bytes.size());
}

// A pong or close that found no room goes out as soon as there is some. Of several pings only the
// last needs its pong (RFC 6455, section 5.5.3).
void Connection::send_owed() noexcept {
  if (!pong_owed_ && !close_owed_) return;
  const Opcode opcode = close_owed_ ? Opcode::close : Opcode::pong;
  if (send_frame(opcode, {owed_.data(), owed_bytes_}, false) != Errc::ok) return;
  pong_owed_ = close_owed_ = false;
}

// The close frame is out and nothing else will be: end our half. Over TLS its own closing alert
// goes first.
bool Connection::take_half_close() noexcept {
  if (!half_close_ || !send_queue_.empty() || close_owed_) return false;
  if (tls_ != nullptr && !tls_close_sent_) {
    tls_close_sent_ = true;
    tls_->close_notify();
    take_tls_output();
    if (!send_queue_.empty()) return false;
  }
  half_close_ = false;
  return true;
}

void Connection::close_deadline_passed() noexcept {
  if (!close_sent_ || !close_received_) return abort(error_ ? error_ : Error(Errc::close_timeout));
  // The handshake is done; only the peer's end of the transport is missing.
  end_of_stream_ = true;
  backlog_ = stops_.paused_by_user = false;
}

bool Connection::is_finished() const noexcept {
  if (state_ == ConnectionState::closed) return true;
  return end_of_stream_ && !paused() && !backlog_;
}

bool Connection::finish() noexcept {
  ZW_ASSERT(!finished_);
  Closed closed;
  closed.clean = close_sent_ && close_received_ && !error_;
  closed.by_peer = close_by_peer_;
  closed.code = close_sent_ || close_received_ ? close_code_ : CloseCode::abnormal;
  closed.reason = {close_reason_.data(), close_reason_bytes_};
  if (error_) {
    closed.error = error_;
  } else if (close_received_) {
    closed.error = close_by_peer_ ? Errc::closed_by_peer : Errc::closed_normally;
  } else {
    closed.error = tls_ != nullptr && !tls_closed_ ? Errc::tls_truncated : Errc::connection_lost;
    closed.code = CloseCode::abnormal;
  }
  if (!retry_announcement()) return false;
  if (queue_ != nullptr &&
      !push_event(MessageKind::closed, closed.error.code(), as_bytes(closed.reason)))
    return false;
  finished_ = true;
  end_ = {closed.error.code(), closed.code, closed.clean};
  enter(ConnectionState::closed);
  if (recorder_ != nullptr) record_closed(closed);
  on_closed(*this, closed);
  return true;
}

bool Connection::push_event(MessageKind kind, Errc reason, Bytes payload) noexcept {
  MessageHeader header;
  header.received_ns = services_.wall_ns;
  header.sequence = counters_.messages_received;
  header.session = session;
  header.connection = id_.index;
  header.epoch = id_.epoch;
  header.kind = kind;
  header.reason = reason;
  const PushOutcome outcome = services_.journal == nullptr
                                  ? queue_->try_push(header, payload)
                                  : services_.journal->push_again(*queue_, header, payload);
  return outcome != PushOutcome::full;
}

// --- Sending.

// A server sends unmasked (RFC 6455, section 5.1); it draws no key.
inline MaskingKey Connection::masking_key() noexcept {
  return role_ == Role::client ? services_.keys.next() : 0;
}

Errc Connection::send(Opcode opcode, Bytes payload) noexcept {
  return send_message(opcode, payload, {});
}

Errc Connection::send_secret(Opcode opcode, Bytes payload, std::span<const Bytes> values) noexcept {
  return send_message(opcode, payload, values);
}

Errc Connection::send_message(Opcode opcode, Bytes payload,
                              std::span<const Bytes> secrets) noexcept {
  ZW_ASSERT(opcode == Opcode::text || opcode == Opcode::binary);
  if (!sends_open_) [[unlikely]]
    return send_otherwise(opcode, payload, secrets);
  return send_open(opcode, payload, secrets);
}

// Not open, or before the eyes of a journal.
Errc Connection::send_otherwise(Opcode opcode, Bytes payload,
                                std::span<const Bytes> secrets) noexcept {
  if (state_ != ConnectionState::open) return Errc::connection_closed;
  detail::JournalledCall call(services_.journal, detail::JournalCall::send, id_,
                              static_cast<std::uint64_t>(opcode), payload, secrets);
  if (!secrets.empty()) call.keep_no_check(send_queue_.size(), frame_bytes(role_, payload.size()));
  return call.came_to(send_open(opcode, payload, secrets));
}

// Secrets go uncompressed: the length of what is compressed together tells of them (RFC 7692,
// section 8).
inline Errc Connection::send_open(Opcode opcode, Bytes payload,
                                  std::span<const Bytes> secrets) noexcept {
  const Errc outcome = parts_->deflater.is_open() && secrets.empty()
                           ? send_compressed(opcode, payload)
                           : send_frame(opcode, payload, false);
  if (outcome != Errc::ok) [[unlikely]]
    return outcome;
  ++counters_.messages_sent;
  counters_.payload_bytes_sent += payload.size();
  if (recorder_ != nullptr) record_out(opcode, payload, secrets);
  return Errc::ok;
}

// A message that deflate would make longer than this, or for which there is no large buffer, goes
// uncompressed, which is allowed at any time.
Errc Connection::send_compressed(Opcode opcode, Bytes payload) noexcept {
  // Room first: once compressed, a message must go out, or the peer's window would not follow ours.
  const std::size_t compressed_max = payload.size() + kDeflateGrowth_bytes;
  const std::size_t room = queue_room_bytes(compressed_max);
  if (send_queue_.reserve(room).empty()) return refuse(room);
  std::byte* const buffer = services_.large.lease();
  if (buffer == nullptr) return send_frame(opcode, payload, false);
  const auto compressed = parts_->deflater.try_deflate_message(
      payload, {buffer, std::min(compressed_max, services_.large.buffer_bytes())});
  const Errc outcome = compressed ? send_frame(opcode, {buffer, *compressed}, true)
                                  : send_frame(opcode, payload, false);
  services_.large.give_back(buffer);
  ZW_ASSERT(outcome == Errc::ok || state_ == ConnectionState::closed);
  return outcome;
}

// What a frame of this payload may take in the send queue.
std::size_t Connection::queue_room_bytes(std::size_t payload_bytes) const noexcept {
  const std::size_t bytes = frame_bytes(role_, payload_bytes);
  if (tls_ == nullptr) return bytes;
  return TlsStream::ciphertext_bound_bytes(bytes) +
         bytes / services_.frame_scratch.size() * kRecordSlack_bytes;
}

inline Errc Connection::send_frame(Opcode opcode, Bytes payload, bool rsv1) noexcept {
  const Errc outcome =
      tls_ == nullptr ? queue_plain(opcode, payload, rsv1) : queue_encrypted(opcode, payload, rsv1);
  if (outcome != Errc::ok) [[unlikely]]
    return outcome;
  sent();
  return Errc::ok;
}

inline Errc Connection::queue_plain(Opcode opcode, Bytes payload, bool rsv1) noexcept {
  const std::size_t bytes = frame_bytes(role_, payload.size());
  const MutableBytes room = send_queue_.reserve(bytes);
  if (room.empty()) [[unlikely]]
    return refuse(bytes);
  write_frame(room.data(), role_, opcode, payload, masking_key(), true, rsv1);
  send_queue_.commit(bytes);
  return Errc::ok;
}

// The frame is put together in the scratch, a record at a time, and encrypted from there into the
// queue.
Errc Connection::queue_encrypted(Opcode opcode, Bytes payload, bool rsv1) noexcept {
  const std::size_t bytes = frame_bytes(role_, payload.size());
  const MutableBytes scratch = services_.frame_scratch;
  const std::size_t room = queue_room_bytes(payload.size());
  if (send_queue_.reserve(room).empty()) [[unlikely]]
    return refuse(room);
  const MaskingKey key = masking_key();
  if (bytes <= scratch.size()) {
    write_frame(scratch.data(), role_, opcode, payload, key, true, rsv1);
    return encrypt(scratch.first(bytes));
  }
  return encrypt_long(opcode, payload, rsv1, key);
}

Errc Connection::encrypt_long(Opcode opcode, Bytes payload, bool rsv1, MaskingKey key) noexcept {
  const MutableBytes scratch = services_.frame_scratch;
  const bool masked = role_ == Role::client;
  const std::byte* const body =
      write_header(scratch.data(), {opcode, true, rsv1, masked, key, payload.size()});
  auto filled = static_cast<std::size_t>(body - scratch.data());
  std::size_t taken = 0;
  while (taken < payload.size() || filled > 0) {
    const std::size_t part = std::min(payload.size() - taken, scratch.size() - filled);
    mask_copy(scratch.data() + filled, payload.data() + taken, part, masked ? key : 0, taken);
    if (const Errc outcome = encrypt(scratch.first(filled + part)); outcome != Errc::ok)
      return outcome;
    taken += part;
    filled = 0;
  }
  return Errc::ok;
}

Errc Connection::encrypt(Bytes plaintext) noexcept {
  const std::size_t bound = TlsStream::ciphertext_bound_bytes(plaintext.size());
  const MutableBytes room = send_queue_.reserve(bound);
  ZW_ASSERT(!room.empty());
  const auto written = tls_->write(plaintext, room);
  if (!written) [[unlikely]] {
    fail_transport(written.error());
    return Errc::connection_closed;
  }
  send_queue_.commit(*written);
  return Errc::ok;
}

// Alerts, tickets' answers and key updates that the library made while reading.
void Connection::take_tls_output() noexcept {
  const Bytes output = tls_->pending_out();
  if (output.empty()) [[likely]]
    return;
  const MutableBytes room = send_queue_.reserve(output.size());
  if (room.empty()) return;  // it stays with the library until there is room
  std::memcpy(room.data(), output.data(), output.size());
  send_queue_.commit(output.size());
  tls_->pending_out_consume(output.size());
  services_.flush(*this);
}

Errc Connection::send_frames(Bytes frames) noexcept {
  if (state_ != ConnectionState::open) return Errc::connection_closed;
  if (frames.empty()) return Errc::ok;
  if (sends_open_) return send_frames_open(frames);
  detail::JournalledCall call(services_.journal, detail::JournalCall::send_frames, id_, 0, frames);
  return call.came_to(send_frames_open(frames));
}

Errc Connection::send_frames_open(Bytes frames) noexcept {
  const std::size_t bound =
      tls_ == nullptr ? frames.size() : TlsStream::ciphertext_bound_bytes(frames.size());
  const MutableBytes room = send_queue_.reserve(bound);
  if (room.empty()) return refuse(bound);
  if (tls_ != nullptr) {
    if (const Errc outcome = encrypt(frames); outcome != Errc::ok) return outcome;
  } else {
    std::memcpy(room.data(), frames.data(), frames.size());
    send_queue_.commit(frames.size());
  }
  sent();
  return Errc::ok;
}

Errc Connection::refuse(std::size_t bytes) noexcept {
  ++counters_.sends_refused;
  return bytes > services_.large.buffer_bytes() ? Errc::message_too_large : Errc::send_queue_full;
}

inline void Connection::sent() noexcept {
  if (corks_ == 0) services_.flush(*this);
  if (parts_ == nullptr || above_high_water_) return;
  if (send_queue_.size() <= parts_->limits.send_high_water_bytes) [[likely]]
    return;
  above_high_water_ = true;
  on_high_water(*this);
}

void Connection::note_cork() noexcept {
  const detail::JournalledCall call(services_.journal, detail::JournalCall::cork, id_);
}

void Connection::uncork() noexcept {
  ZW_ASSERT(corks_ > 0);
  if (sends_open_) return uncork_now();
  const detail::JournalledCall call(services_.journal, detail::JournalCall::uncork, id_);
  uncork_now();
}

void Connection::uncork_now() noexcept {
  if (--corks_ == 0 && !send_queue_.empty()) services_.flush(*this);
}

void Connection::output_consume(std::size_t bytes) noexcept {
  send_queue_.consume(bytes);
  counters_.bytes_sent += bytes;
  if (!on_written.empty()) on_written(*this, bytes, send_queue_.size());
  if (!send_queue_.empty()) return;
  if (pong_owed_ || close_owed_) [[unlikely]]
    send_owed();
  if (above_high_water_) [[unlikely]] {
    above_high_water_ = false;
    on_drained(*this);
  }
}

Errc Connection::send_control(Opcode opcode, Bytes payload) noexcept {
  if (payload.size() > kControlPayload_bytes_max) return Errc::frame_control_too_long;
  if (close_sent_ || state_ == ConnectionState::closed || state_ == ConnectionState::opening) {
    return Errc::connection_closed;
  }
  if (recorder_ != nullptr) record_control(false, opcode, payload);
  const Errc outcome = send_frame(opcode, payload, false);
  if (outcome == Errc::ok || opcode != Opcode::pong) return outcome;
  pong_owed_ = true;
  owed_bytes_ = static_cast<std::uint8_t>(payload.size());
  if (!payload.empty()) std::memcpy(owed_.data(), payload.data(), payload.size());
  return Errc::ok;
}

Errc Connection::ping(Bytes payload) noexcept {
  detail::JournalledCall call(services_.journal, detail::JournalCall::ping, id_, 0, payload);
  return call.came_to(send_control(Opcode::ping, payload));
}
Errc Connection::pong(Bytes payload) noexcept {
  detail::JournalledCall call(services_.journal, detail::JournalCall::pong, id_, 0, payload);
  return call.came_to(send_control(Opcode::pong, payload));
}

}  // namespace zenwire
