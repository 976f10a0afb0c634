#pragma once

// What the pool's parts have in the reactor's telemetry page. They count for themselves; this
// copies it when the page is sampled, and only if somebody can read it: if the page has a name.

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include <zenwire/engine/queue_telemetry.hpp>
#include <zenwire/engine/telemetry_blocks.hpp>
#include <zenwire/pool/arbitration.hpp>
#include <zenwire/pool/lines.hpp>
#include <zenwire/pool/pool.hpp>

namespace zenwire::detail {

struct ArbitrationNumbers {
  std::uint64_t delivered = 0;
  std::uint64_t gaps = 0;
  std::uint64_t pauses = 0;
};

struct ArbitratedLineNumbers {
  std::uint64_t copies = 0;
  std::uint64_t wins = 0;
  std::uint64_t saved_ns_max = 0;
};

// Thread: the reactor's. Lifetime: the arbitration's. Cost: a block for each line that there may
// be; at each sampling a view of each.
class ArbitrationTelemetry {
 public:
  // Errors: telemetry_full.
  static Result<std::unique_ptr<ArbitrationTelemetry>> make(TelemetryPage& page,
                                                            const Arbitration& of);

 private:
  ArbitrationTelemetry(TelemetryPage& page, const Arbitration& of) noexcept;
  Result<void> add_blocks();
  void take(std::uint64_t now_ns) noexcept;

  const Arbitration& of_;
  TelemetryBlocks blocks_;
  TelemetryBlock<ArbitrationNumbers> whole_;
  TelemetryBlock<QueueCounters> queue_;
  std::array<TelemetryBlock<ArbitratedLineNumbers>, SequenceGate::kMembers_max> lines_;
  std::array<bool, SequenceGate::kMembers_max> shown_{};
  bool queue_shown_ = false;
  TelemetrySample sample_;
};

struct MemberNumbers {
  std::uint64_t usable = 0;
  std::uint64_t standing = 0;  // the Standing, as a number
  std::uint64_t health = 0;
  std::uint64_t pending = 0;
  std::uint64_t round_trip_ns = 0;
  std::uint64_t sent = 0;
  std::uint64_t replies = 0;
  std::uint64_t errors = 0;
  std::uint64_t failovers = 0;
  std::uint64_t ejections = 0;
  std::uint64_t ups = 0;
};

// Of the lines, and of their pool if they have one. Thread, lifetime and cost as above.
class LinesTelemetry {
 public:
  // Errors: telemetry_full.
  static Result<std::unique_ptr<LinesTelemetry>> make(TelemetryPage& page, const Lines& lines,
                                                      const Pool* pool);

 private:
  LinesTelemetry(TelemetryPage& page, const Lines& lines, const Pool* pool) noexcept;
  Result<void> add_blocks();
  void take(std::uint64_t now_ns) noexcept;
  void take_member(MemberIndex member, std::uint64_t now_ns) noexcept;

  const Lines& of_;
  const Pool* pool_;
  TelemetryBlocks blocks_;
  TelemetryBlock<LinesCounters> lines_;
  TelemetryBlock<PoolCounters> whole_;
  std::vector<TelemetryBlock<MemberNumbers>> members_;
  std::vector<bool> shown_;
  TelemetrySample sample_;
};

}  // namespace zenwire::detail
