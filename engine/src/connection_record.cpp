// What a connection writes into its recording.

#include <array>

#include <zenwire/engine/connection.hpp>

#include "connection_services.hpp"
#include "established.hpp"
#include "journal_user.hpp"

namespace zenwire {
namespace {

// A request names a handful of secrets: a key, a signature, a token.
constexpr std::size_t kSecrets_max = 16;

// A byte of UTF-8 that does not begin a character.
bool continues_character(std::byte byte) noexcept {
  return (byte & std::byte{0xc0}) == std::byte{0x80};
}

RecordType record_type(Opcode opcode) noexcept {
  switch (opcode) {
    case Opcode::text: return RecordType::text;
    case Opcode::binary: return RecordType::binary;
    case Opcode::close: return RecordType::close;
    case Opcode::ping: return RecordType::ping;
    default: return RecordType::pong;
  }
}

}  // namespace

// After settle, unless the message lies in a buffer that is about to be given back.
void Connection::record_in(const Message& message) noexcept {
  RecordView record;
  record.ns = message.received_ns;
  record.type = record_type(message.opcode);
  record.utf8 = message.is_text() && parts_->limits.validate_utf8;
  record.owner = {id_.index, id_.epoch, session};
  record.payload = message.payload;
  if (!services_.hidden.ranges().empty()) [[unlikely]]
    return record_hidden(record);
  services_.unrecorded.add(*recorder_, record);
}

// At once, for the ranges do not outlive the call. What was received before goes first.
void Connection::record_hidden(RecordView record) noexcept {
  services_.unrecorded.flush();
  record.secrets = services_.hidden.ranges();
  recorder_->append(record);
}

// --- Secrets in what is received.

Bytes Connection::message_in_hand() const noexcept {
  return inflated_ != nullptr ? Bytes(inflated_, inflated_bytes_) : reader_.payload();
}

// What the messages up to the one in hand took of the plaintext.
std::uint64_t Connection::plaintext_taken_bytes() const noexcept {
  const std::uint64_t received_bytes = services_.journal->io().input(id_.index).bytes();
  const std::size_t left_over = parts_->leftover.size() - leftover_taken_bytes_;
  return received_bytes - left_over - window_.unparsed_bytes();
}

void Connection::hide(Bytes value) noexcept {
  if (!observed_ || value.empty()) return;
  const Bytes message = message_in_hand();
  ZW_ASSERT(value.data() >= message.data() &&
            value.data() + value.size() <= message.data() + message.size());
  auto begin = static_cast<std::size_t>(value.data() - message.data());
  std::size_t end = begin + value.size();
  if (reader_.opcode() == Opcode::text) {
    while (begin > 0 && continues_character(message[begin])) --begin;
    while (end < message.size() && continues_character(message[end])) ++end;
  }
  services_.hidden.add({begin, end - begin});
  if (services_.journal != nullptr) hide_from_journal(message);
}

void Connection::hide_from_journal(Bytes message) noexcept {
  services_.journal->hide({.id = id_,
                           .end = plaintext_taken_bytes(),
                           .received_bytes = reader_.payload().size(),
                           .compressed = inflated_ != nullptr,
                           .payload = message,
                           .hidden = services_.hidden.ranges()});
}

// What was received before goes first: a recording is in the order of what happened.
void Connection::record_out(Opcode opcode, Bytes payload, std::span<const Bytes> secrets) noexcept {
  ZW_ASSERT(secrets.size() <= kSecrets_max);
  services_.unrecorded.flush();
  std::array<SecretRange, kSecrets_max> ranges;
  for (std::size_t i = 0; i < secrets.size(); ++i) {
    ZW_ASSERT(secrets[i].data() >= payload.data());
    const auto offset = static_cast<std::size_t>(secrets[i].data() - payload.data());
    ZW_ASSERT(offset + secrets[i].size() <= payload.size());
    ranges[i] = {offset, secrets[i].size()};
  }
  RecordView record;
  record.ns = services_.wall_ns;
  record.direction = RecordDirection::out;
  record.type = record_type(opcode);
  record.owner = {id_.index, id_.epoch, session};
  record.payload = payload;
  record.secrets = {ranges.data(), secrets.size()};
  recorder_->append(record);
}

void Connection::record_control(bool inbound, Opcode opcode, Bytes payload) noexcept {
  services_.unrecorded.flush();
  RecordView record;
  record.ns = inbound ? received_ns_ : services_.wall_ns;
  record.direction = inbound ? RecordDirection::in : RecordDirection::out;
  record.type = record_type(opcode);
  record.owner = {id_.index, id_.epoch, session};
  record.payload = payload;
  recorder_->append(record);
}

void Connection::record_opened() noexcept {
  const Opened& opened = parts_->opened;
  const std::array<EventNumber, 4> numbers{{{"resolve_ns", opened.resolve_ns},
                                            {"connect_ns", opened.connect_ns},
                                            {"tls_ns", opened.tls_ns},
                                            {"upgrade_ns", opened.upgrade_ns}}};
  EventView event;
  event.ns = services_.wall_ns;
  event.event = "connect";
  event.owner = {id_.index, id_.epoch, session};
  event.numbers = numbers;
  recorder_->event(event);
}

void Connection::record_closed(const Closed& closed) noexcept {
  services_.unrecorded.flush();
  const std::array<EventNumber, 1> numbers{{{"code", closed.code}}};
  EventView event;
  event.ns = services_.wall_ns;
  event.event = "disconnect";
  event.owner = {id_.index, id_.epoch, session};
  event.reason = name(closed.error.code());
  event.numbers = numbers;
  recorder_->event(event);
}

}  // namespace zenwire
