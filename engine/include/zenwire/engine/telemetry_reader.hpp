#pragma once

// TelemetryReader: another process's telemetry page, read-only.
//
// It trusts nothing in the page: every offset and size is checked against the file, so that a page
// of another build, or a damaged one, is an error and not a crash.
// Thread: any one. Costs the writer nothing.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <zenwire/base/error.hpp>
#include <zenwire/engine/telemetry_layout.hpp>

namespace zenwire {

struct CounterReading {
  std::string name;
  telemetry::FieldKind kind;
  std::uint64_t value;
};

// In nanoseconds.
struct HistogramReading {
  std::uint64_t count = 0;
  std::uint64_t p50 = 0;
  std::uint64_t p99 = 0;
  std::uint64_t p99_9 = 0;
  std::uint64_t min = 0;
  std::uint64_t max = 0;
  std::uint64_t last = 0;
  double sum = 0;
};

struct EntryReading {
  std::string group;
  std::string label;
  bool live = false;
  std::vector<CounterReading> counters;  // empty for a histogram
  std::string histogram_name{};
  HistogramReading histogram;
};

class TelemetryReader {
 public:
  // Errors: telemetry_not_found (with the names that there are), telemetry_malformed, system_error.
  static Result<TelemetryReader> open(std::string_view name);
  // The page of that process. Errors: as above.
  static Result<TelemetryReader> open_pid(std::uint64_t pid);
  // Names of the pages that exist.
  static std::vector<std::string> names();

  TelemetryReader(TelemetryReader&& other) noexcept;
  TelemetryReader& operator=(TelemetryReader&& other) noexcept;
  ~TelemetryReader();

  [[nodiscard]] std::string_view name() const noexcept;
  [[nodiscard]] std::uint64_t pid() const noexcept;
  [[nodiscard]] std::uint64_t started_wall_ns() const noexcept;
  // The writer ended in order. One that was killed has not: ask is_writer_alive().
  [[nodiscard]] bool has_ended() const noexcept;
  [[nodiscard]] bool is_writer_alive() const noexcept;

  // Everything that is in use now, in the order in which it was added.
  [[nodiscard]] std::vector<EntryReading> read() const;
  // All numbers of the page once, without making anything of them: what a reader costs a writer.
  [[nodiscard]] std::uint64_t checksum() const noexcept;

 private:
  TelemetryReader() = default;
  static Result<TelemetryReader> open_path(const std::string& path);
  [[nodiscard]] Result<void> check() const;
  [[nodiscard]] bool is_sound(const telemetry::PageEntry& entry) const noexcept;
  [[nodiscard]] const telemetry::PageHeader& header() const noexcept;
  [[nodiscard]] double ticks_per_ns() const noexcept;

  int file_ = -1;
  const std::byte* base_ = nullptr;
  std::size_t bytes_ = 0;
};

}  // namespace zenwire
