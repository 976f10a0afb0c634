#pragma once

// DemoResult: what the demo found, and how it is told.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <zenwire/base/error.hpp>
#include <zenwire/engine/latency.hpp>
#include <zenwire/pool/arbitration.hpp>

namespace zenwire::tools {

struct DemoResult {
  std::string source;     // what was streamed
  std::string transport;  // "TLSv1.3 TLS13-AES128-GCM-SHA256 to 127.0.0.1:4711"
  std::string recording;
  std::string report;  // empty: none was written
  std::uint64_t warm_up = 0;

  std::vector<LineView> lines;  // the connections that carried the stream
  std::uint64_t lines_killed = 0;

  std::uint64_t served = 0;  // 0: not known
  std::uint64_t callback_messages = 0;
  std::uint64_t callback_bytes = 0;
  std::uint64_t strategy_messages = 0;
  std::uint64_t recorded_messages = 0;
  std::uint64_t orders_sent = 0;
  std::optional<std::uint64_t> orders_received;  // nothing: nobody to ask

  // Messages that are missing somewhere on the way: at the callback, the strategy, the recording.
  std::uint64_t gaps = 0;
  // Messages that differ from what was sent, at the strategy or in the recording.
  std::uint64_t different = 0;
  // Of the venue's own change ids: it, not the connection, left them out.
  std::uint64_t change_ids = 0;
  std::uint64_t change_id_gaps = 0;
  std::uint64_t allocations = 0;  // on the reactor's thread, after the warm-up
  std::uint64_t streamed_ns = 0;  // from the first message to the last

  // In nanoseconds, by stage.
  std::array<Histogram, kStages> stages;

  [[nodiscard]] bool is_whole() const noexcept { return gaps == 0 && different == 0; }
};

// What each stage's times end with, for a person.
std::string_view description(Stage stage) noexcept;

// The table, of several lines.
std::string text_of(const DemoResult& result);
// The page with the latency plot. Error: file_unreadable.
Result<void> write_demo_report(const std::string& path, const DemoResult& result);
// One JSON object, without a line feed.
std::string json_of(const DemoResult& result);

}  // namespace zenwire::tools
