#pragma once

// How full the queues of a reactor are, and what they refused, in its telemetry page. A queue
// counts for itself, in memory that its consumer shares; this copies it when the page is sampled.

#include <cstdint>

#include <zenwire/engine/message_queue.hpp>
#include <zenwire/engine/telemetry_page.hpp>

namespace zenwire {

// A MessageQueue in a page: the reactor to a strategy. In bytes of the ring, which records fill
// with their headers, in whole lines.
struct QueueCounters {
  std::uint64_t used_bytes = 0;
  std::uint64_t high_water_bytes = 0;
  std::uint64_t capacity_bytes = 0;
  std::uint64_t pushed = 0;
  std::uint64_t pushed_bytes = 0;  // of payload
  std::uint64_t dropped = 0;
  std::uint64_t too_large = 0;
  std::uint64_t full = 0;
};

// An Outbox in a page: a strategy to the reactor.
struct OutboxCounters {
  std::uint64_t high_water_bytes = 0;
  std::uint64_t capacity_bytes = 0;
  std::uint64_t sent = 0;
  std::uint64_t sent_bytes = 0;  // of payload
  std::uint64_t full = 0;
};

// Of the thread that pushes.
[[nodiscard]] QueueCounters counters_of(const MessageQueue& queue) noexcept;
// Any thread.
[[nodiscard]] OutboxCounters counters_of(const Outbox& outbox) noexcept;

// Errors: telemetry_full.
Result<TelemetryBlock<QueueCounters>> add_queue(TelemetryPage& page);
Result<TelemetryBlock<OutboxCounters>> add_outbox(TelemetryPage& page);

}  // namespace zenwire
