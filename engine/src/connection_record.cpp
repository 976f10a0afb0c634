// What a connection writes into its recording.

#include <array>

#include <zenwire/engine/connection.hpp>

#include "connection_services.hpp"
#include "established.hpp"

namespace zenwire {
namespace {

// A request names a handful of secrets: a key, a signature, a token.
constexpr std::size_t kSecrets_max = 16;

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
  services_.unrecorded.add(*recorder_, record);
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
