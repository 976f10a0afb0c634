#include <zenwire/base/want_of_memory.hpp>
#include <zenwire/engine/message_queue.hpp>

namespace zenwire {

Result<std::unique_ptr<MessageQueue>> MessageQueue::make(
    const MessageQueueOptions& options) noexcept {
  return or_memory_exhausted([&]() -> Result<std::unique_ptr<MessageQueue>> {
    Result<MappedMemory> memory =
        ByteQueue<>::make_memory(options.capacity_bytes, 2 * sizeof(MessageHeader), options.memory);
    if (!memory) return tl::unexpected<Error>(memory.error());
    return std::make_unique<MessageQueue>(std::move(*memory), options.on_full);
  });
}

PushOutcome MessageQueue::refused(MessageKind kind, std::size_t payload_bytes) noexcept {
  const bool too_large = payload_bytes > payload_bytes_max();
  if (too_large) {
    too_large_.add();
  } else {
    full_.add();
    if (on_full_ == FullPolicy::stop_reading || !is_message(kind)) return PushOutcome::full;
  }
  dropped_.add();
  if (dropped_before_ != std::numeric_limits<std::uint32_t>::max()) ++dropped_before_;
  return too_large ? PushOutcome::too_large : PushOutcome::dropped;
}

MessageQueueStatistics MessageQueue::statistics() const noexcept {
  return {.pushed = pushed_.get(),
          .pushed_bytes = pushed_bytes_.get(),
          .dropped = dropped_.get(),
          .too_large = too_large_.get(),
          .full = full_.get(),
          .high_water_bytes = high_water_bytes_.get(),
          .capacity_bytes = ring_.capacity_bytes()};
}

Result<std::unique_ptr<Outbox>> Outbox::make(const OutboxOptions& options) noexcept {
  return or_memory_exhausted([&]() -> Result<std::unique_ptr<Outbox>> {
    Result<MappedMemory> memory = ByteQueue<>::make_memory(
        options.capacity_bytes, sizeof(OutboxHeader) + kControlPayload_bytes_max, options.memory);
    if (!memory) return tl::unexpected<Error>(memory.error());
    return std::make_unique<Outbox>(std::move(*memory));
  });
}

Errc Outbox::try_send_close(OutboxTarget target, std::uint16_t code,
                            std::string_view reason) noexcept {
  // A reason without a code cannot be told from a code (RFC 6455, section 5.5.1).
  if (reason.size() > kCloseReason_bytes_max || (code == 0 && !reason.empty())) {
    return Errc::close_payload_invalid;
  }
  OutboxHeader header = make_header(OutboxKind::close, target);
  header.close_code = code;
  return try_send(header, as_bytes(reason));
}

Errc Outbox::refused(std::size_t payload_bytes) noexcept {
  if (payload_bytes > payload_bytes_max()) return Errc::message_too_large;
  full_.add();
  return Errc::outbox_full;
}

OutboxStatistics Outbox::statistics() const noexcept {
  return {.sent = sent_.get(),
          .sent_bytes = sent_bytes_.get(),
          .full = full_.get(),
          .high_water_bytes = high_water_bytes_.get(),
          .capacity_bytes = ring_.capacity_bytes()};
}

}  // namespace zenwire
