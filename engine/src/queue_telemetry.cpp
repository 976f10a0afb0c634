#include <zenwire/engine/queue_telemetry.hpp>

namespace zenwire {
namespace {

constexpr auto kGauge = telemetry::FieldKind::gauge;

constexpr TelemetryField kQueueFields[] = {
    {"used_bytes", kGauge},
    {"high_water_bytes", kGauge},
    {"capacity_bytes", kGauge},
    {"pushed"},
    {"pushed_bytes"},
    {"dropped"},
    {"too_large"},
    {"full"},
};
static_assert(sizeof(QueueCounters) == std::size(kQueueFields) * sizeof(std::uint64_t));

constexpr TelemetryField kOutboxFields[] = {
    {"high_water_bytes", kGauge}, {"capacity_bytes", kGauge}, {"sent"}, {"sent_bytes"}, {"full"},
};
static_assert(sizeof(OutboxCounters) == std::size(kOutboxFields) * sizeof(std::uint64_t));

}  // namespace

QueueCounters counters_of(const MessageQueue& queue) noexcept {
  const MessageQueueStatistics counted = queue.statistics();
  return {.used_bytes = queue.used_bytes(),
          .high_water_bytes = counted.high_water_bytes,
          .capacity_bytes = counted.capacity_bytes,
          .pushed = counted.pushed,
          .pushed_bytes = counted.pushed_bytes,
          .dropped = counted.dropped,
          .too_large = counted.too_large,
          .full = counted.full};
}

OutboxCounters counters_of(const Outbox& outbox) noexcept {
  const OutboxStatistics counted = outbox.statistics();
  return {.high_water_bytes = counted.high_water_bytes,
          .capacity_bytes = counted.capacity_bytes,
          .sent = counted.sent,
          .sent_bytes = counted.sent_bytes,
          .full = counted.full};
}

Result<TelemetryBlock<QueueCounters>> add_queue(TelemetryPage& page) {
  return page.add<QueueCounters>("queue", kQueueFields);
}

Result<TelemetryBlock<OutboxCounters>> add_outbox(TelemetryPage& page) {
  return page.add<OutboxCounters>("outbox", kOutboxFields);
}

}  // namespace zenwire
