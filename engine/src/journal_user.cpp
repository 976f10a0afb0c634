#include "journal_user.hpp"

#include <algorithm>
#include <array>

#include "journalled_call.hpp"

namespace zenwire::detail {
namespace {

// A request names a handful of secrets; see also connection_record.cpp.
constexpr std::size_t kSecrets_max = 16;

std::uint64_t number(Errc code) noexcept {
  return static_cast<std::uint64_t>(code);
}

}  // namespace

// --- Callbacks.

void JournalUser::watch(Connection& connection) noexcept {
  using Table = Connection;
  connection.on_open.watch(Callback<bool, Table&>::to<&JournalUser::around_open>(*this));
  connection.on_message.watch(
      Callback<bool, Table&, const Message&>::to<&JournalUser::around_message>(*this));
  connection.on_control.watch(
      Callback<bool, Table&, Opcode, Bytes>::to<&JournalUser::around_control>(*this));
  connection.on_stage.watch(
      Callback<bool, Table&, OpenStage>::to<&JournalUser::around_stage>(*this));
  connection.on_closed.watch(
      Callback<bool, Table&, const Closed&>::to<&JournalUser::around_closed>(*this));
  connection.on_failed.watch(
      Callback<bool, Table&, const OpenFailure&>::to<&JournalUser::around_failed>(*this));
  connection.on_written.watch(
      Callback<bool, Table&, std::size_t, std::size_t>::to<&JournalUser::around_written>(*this));
  connection.on_high_water.watch(
      Callback<bool, Table&>::to<&JournalUser::around_high_water>(*this));
  connection.on_drained.watch(Callback<bool, Table&>::to<&JournalUser::around_drained>(*this));
}

void JournalUser::begin_callback(JournalCallback kind, ConnectionId id, std::uint64_t first,
                                 std::uint64_t second, Bytes payload) noexcept {
  journal_.enter_user(true);
  if (!journal_.begin(JournalEvent::callback)) return;
  const std::array<std::uint64_t, 6> values{
      static_cast<std::uint64_t>(kind), id.index, id.epoch, first, second, payload.size()};
  constexpr std::array<const char*, 6> kFields{"kind",  "connection", "epoch",
                                               "first", "second",     "payload"};
  for (std::size_t i = 0; i < values.size(); ++i) {
    journal_.same(kFields[i], values[i]);
    mix(values[i]);
  }
  const std::uint32_t check = Journal::check_of(payload);
  if (!journal_.replaying()) check_place_ = journal_.place_of_next();
  journal_.same_check("check", check);
  mix(check);
  journal_.commit();
  ++callbacks_;
  if (perform) perform();
}

void JournalUser::end_callback() noexcept {
  journal_.enter_user(false);
  if (journal_.begin(JournalEvent::returned)) journal_.commit();
}

void JournalUser::around_open(bool begins, Connection& connection) noexcept {
  if (!begins) return end_callback();
  begin_callback(JournalCallback::open, connection.id());
}

void JournalUser::around_message(bool begins, Connection& connection,
                                 const Message& message) noexcept {
  if (!begins) return end_callback();
  const std::uint64_t flags = static_cast<std::uint64_t>(message.opcode) |
                              (message.last_of_burst ? 0x100U : 0U) | message.sequence << 16;
  begin_callback(JournalCallback::message, connection.id(), flags, message.received_ns,
                 message.payload);
}

void JournalUser::around_control(bool begins, Connection& connection, Opcode opcode,
                                 Bytes payload) noexcept {
  if (!begins) return end_callback();
  begin_callback(JournalCallback::control, connection.id(), static_cast<std::uint64_t>(opcode), 0,
                 payload);
}

void JournalUser::around_stage(bool begins, Connection& connection, OpenStage stage) noexcept {
  if (!begins) return end_callback();
  begin_callback(JournalCallback::stage, connection.id(), static_cast<std::uint64_t>(stage));
}

void JournalUser::around_closed(bool begins, Connection& connection,
                                const Closed& closed) noexcept {
  if (!begins) return end_callback();
  const std::uint64_t flags = (closed.clean ? 1U : 0U) | (closed.by_peer ? 2U : 0U) |
                              static_cast<std::uint64_t>(closed.code) << 2;
  begin_callback(JournalCallback::closed, connection.id(), number(closed.error.code()), flags,
                 as_bytes(closed.reason));
}

void JournalUser::around_failed(bool begins, Connection& connection,
                                const OpenFailure& failure) noexcept {
  if (!begins) return end_callback();
  begin_callback(JournalCallback::failed, connection.id(), number(failure.error.code()),
                 static_cast<std::uint64_t>(failure.http_status));
}

void JournalUser::around_written(bool begins, Connection& connection, std::size_t bytes,
                                 std::size_t waiting) noexcept {
  if (!begins) return end_callback();
  begin_callback(JournalCallback::written, connection.id(), bytes, waiting);
}

void JournalUser::around_high_water(bool begins, Connection& connection) noexcept {
  if (!begins) return end_callback();
  begin_callback(JournalCallback::high_water, connection.id());
}

void JournalUser::around_drained(bool begins, Connection& connection) noexcept {
  if (!begins) return end_callback();
  begin_callback(JournalCallback::drained, connection.id());
}

void JournalUser::around_timer(bool begins, std::uint32_t tag) noexcept {
  if (!begins) return end_callback();
  begin_callback(JournalCallback::timer, {}, tag);
}

void JournalUser::key(std::uint32_t& key) noexcept {
  if (!journal_.begin(JournalEvent::key)) return;
  journal_.given_bytes(std::as_writable_bytes(std::span(&key, 1)));
  journal_.commit();
}

// --- What a compressed message came to: on replay nothing is decompressed.

Result<std::size_t> JournalUser::inflate(Inflater& inflater, Bytes compressed,
                                         MutableBytes room) noexcept {
  const bool replays = journal_.replaying();
  const auto live = replays ? Result<std::size_t>(fail(Errc::aborted))
                            : inflater.inflate_message(compressed, room);
  if (!journal_.begin(JournalEvent::inflated, live ? *live : 0)) return live;
  const auto code = static_cast<Errc>(
      journal_.given(static_cast<std::uint64_t>(live ? Errc::ok : live.error().code())));
  const std::size_t bytes = journal_.given(live ? *live : 0);
  if (bytes > room.size()) {
    journal_.refuse("number of bytes");
    return fail(Errc::aborted);
  }
  if (!replays) text_place_ = journal_.place_of_next();
  journal_.given_bytes(room.first(bytes));
  journal_.commit();
  if (!replays) return live;
  if (code != Errc::ok || !journal_.live()) return fail(code != Errc::ok ? code : Errc::aborted);
  return bytes;
}

// --- Secrets in what was received.

void JournalUser::hide(const MessageInHand& message) noexcept {
  ZW_ASSERT(!message.hidden.empty());
  if (journal_.replaying()) return;
  const JournalInput& input = io_.input(message.id.index);
  if (input.message_event() == JournalInput::kNowhere) return;  // it ended before the message
  if (!journal_.live() || !write_over(message, input)) journal_.cut(input.message_event());
}

// A compressed message is written over where its text is, and as a whole where it came.
bool JournalUser::write_over(const MessageInHand& message, const JournalInput& input) noexcept {
  const SecretRange range = message.hidden.back();
  if (message.compressed && !journal_.hide(text_place_ + range.offset, range.bytes)) return false;
  const SecretRange received = message.compressed ? SecretRange{0, message.received_bytes} : range;
  if (!input.hide(journal_, message.end, received)) return false;
  const std::uint32_t check = Journal::check_of(message.payload, message.hidden);
  return journal_.overwrite(check_place_, std::as_bytes(std::span(&check, 1)));
}

// --- Calls.

void JournalUser::note_payload(Bytes payload, std::span<const Bytes> secrets) noexcept {
  ZW_ASSERT(secrets.size() <= kSecrets_max);
  std::array<SecretRange, kSecrets_max> ranges;
  journal_.same("secrets", secrets.size());
  for (std::size_t i = 0; i < secrets.size(); ++i) {
    ranges[i] = {static_cast<std::size_t>(secrets[i].data() - payload.data()), secrets[i].size()};
    ZW_ASSERT(ranges[i].offset + ranges[i].bytes <= payload.size());
    journal_.same("secret", ranges[i].offset);
    journal_.same("secret", ranges[i].bytes);
  }
  journal_.same_redacted("payload", payload, {ranges.data(), secrets.size()});
}

bool JournalUser::begin_call(JournalCall call, ConnectionId id, std::uint64_t number,
                             std::uint64_t time_ns, Bytes payload,
                             std::span<const Bytes> secrets) noexcept {
  if (!journal_.in_user_code() || !journal_.begin(JournalEvent::call, payload.size())) return false;
  journal_.same("kind", static_cast<std::uint64_t>(call));
  journal_.same("connection", id.index);
  journal_.same("epoch", id.epoch);
  journal_.same("number", number);
  journal_.same("time", time_ns);
  note_payload(payload, secrets);
  journal_.commit();
  journal_.enter_user(false);
  return true;
}

Errc JournalUser::end_call(Errc outcome) noexcept {
  if (journal_.begin(JournalEvent::outcome)) {
    journal_.same("code", number(outcome));
    journal_.commit();
  }
  journal_.enter_user(true);
  return outcome;
}

std::uint16_t JournalUser::end_listen(std::uint16_t port) noexcept {
  if (journal_.begin(JournalEvent::outcome)) {
    port = static_cast<std::uint16_t>(journal_.given(port));
    journal_.commit();
  }
  journal_.enter_user(true);
  return port;
}

std::uint32_t JournalUser::number_of(Timer& timer) noexcept {
  if (timer.tag() == 0) timer.set_tag(++timers_);
  return timer.tag();
}

RecordedCall JournalUser::next_call() noexcept {
  RecordedCall recorded;
  const Journal::Place place = journal_.place();
  if (!journal_.begin(JournalEvent::call)) return recorded;
  recorded.call = static_cast<JournalCall>(journal_.given(0));
  recorded.id.index = static_cast<std::uint32_t>(journal_.given(0));
  recorded.id.epoch = static_cast<std::uint32_t>(journal_.given(0));
  recorded.number = journal_.given(0);
  recorded.time_ns = journal_.given(0);
  recorded.secrets.resize(std::min<std::uint64_t>(journal_.given(0), kSecrets_max));
  for (SecretRange& secret : recorded.secrets) {
    secret.offset = journal_.given(0);
    secret.bytes = journal_.given(0);
  }
  recorded.payload = journal_.given_block({});
  for (const SecretRange& secret : recorded.secrets) {
    const std::size_t size = recorded.payload.size();
    if (secret.offset > size || secret.bytes > size - secret.offset) journal_.refuse("secret");
  }
  if (recorded.call >= JournalCall::count_) journal_.refuse("kind");
  if (journal_.live()) journal_.go_back(place);
  return recorded;
}

bool JournalUser::skip_look() noexcept {
  switch (journal_.next()) {
    case JournalEvent::user_now:
      if (!journal_.begin(JournalEvent::user_now)) return false;
      static_cast<void>(journal_.given_now(0));
      break;
    case JournalEvent::user_wall: static_cast<void>(io_.wall_ns()); return true;
    case JournalEvent::user_random:
      if (!journal_.begin(JournalEvent::user_random)) return false;
      static_cast<void>(journal_.given_block({}));
      break;
    default: return false;
  }
  journal_.commit();
  return true;
}

void JournalledCall::keep_no_check(std::size_t unsent_bytes, std::size_t bytes) noexcept {
  if (journal_ == nullptr) return;
  journal_->journal().keep_check(false);
  journal_->io().keep_no_check(id_.index, unsent_bytes, bytes);
}

void JournalledCall::end() noexcept {
  journal_->journal().keep_check(true);
  journal_->end_call(outcome_);
}

// --- Queues.

// On replay the queue, if there is one, gets what it got then; its reader must keep up.
PushOutcome JournalUser::push(MessageQueue& queue, const MessageHeader& header,
                              Bytes payload) noexcept {
  if (!journal_.replaying()) return note_push(header, queue.try_push(header, payload));
  const PushOutcome recorded = note_push(header, PushOutcome::pushed);
  if (perform || !journal_.live() || recorded != PushOutcome::pushed) return recorded;
  if (queue.try_push(header, payload) != PushOutcome::pushed)
    journal_.disagree("push: a queue with room", "one that is full");
  return recorded;
}

PushOutcome JournalUser::push_again(MessageQueue& queue, const MessageHeader& header,
                                    Bytes payload) noexcept {
  if (journal_.replaying()) {
    if (journal_.live() && !next_push_is(header)) return PushOutcome::full;
    return push(queue, header, payload);
  }
  const PushOutcome outcome = queue.try_push(header, payload);
  return outcome == PushOutcome::full ? outcome : note_push(header, outcome);
}

// Several connections may wait for room in one turn.
bool JournalUser::next_push_is(const MessageHeader& header) noexcept {
  if (journal_.next() != JournalEvent::push) return false;
  const Journal::Place place = journal_.place();
  if (!journal_.begin(JournalEvent::push)) return false;
  const std::uint64_t connection = journal_.given(0);
  const std::uint64_t epoch = journal_.given(0);
  if (!journal_.live()) return false;
  journal_.go_back(place);
  return connection == header.connection && epoch == header.epoch;
}

PushOutcome JournalUser::note_push(const MessageHeader& header, PushOutcome outcome) noexcept {
  if (!journal_.begin(JournalEvent::push)) return outcome;
  journal_.same("connection", header.connection);
  journal_.same("epoch", header.epoch);
  const std::uint64_t given = journal_.given(static_cast<std::uint64_t>(outcome));
  if (given > static_cast<std::uint64_t>(PushOutcome::too_large)) journal_.refuse("outcome");
  journal_.commit();
  return journal_.live() ? static_cast<PushOutcome>(given) : outcome;
}

}  // namespace zenwire::detail
