#pragma once

// TelemetryPage: where the counters of a reactor live, so that another process can read them.
//
// The engine counts with plain stores into this memory, which it would have to do anywhere. If the
// page has a name it is a file in /dev/shm that a reader maps read-only: reading costs the engine
// no instruction, and as a reader never writes, no line goes back and forth but those that it
// reads. Without a name the same memory is private.
//
// What is not counted in place (how full a queue is, what belongs to somebody without a page) is
// copied in at the page's own pace, by TelemetrySamples that the reactor has run now and then.
//
// Thread: one adds blocks, labels and samples (at set-up, or the reactor); the blocks follow their
// owners' rules. Lifetime: longer than the blocks' users. Memory: all of it at create(), faulted
// in; without a name, each block as it is added. A block that was released is given to the next
// that is alike. A file goes with its page; what a killed process left behind is replaced by the
// next of that name.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include <zenwire/base/assert.hpp>
#include <zenwire/base/callback.hpp>
#include <zenwire/base/error.hpp>
#include <zenwire/engine/histogram.hpp>
#include <zenwire/engine/latency.hpp>
#include <zenwire/engine/mapped_memory.hpp>
#include <zenwire/engine/telemetry_layout.hpp>

namespace zenwire {

struct TelemetryOptions {
  // Letters, digits, dots, dashes and underscores, at most 47. Empty: a private page.
  std::string name{};
  std::size_t data_bytes = std::size_t{4} << 20;
  std::uint32_t entries_max = 512;
  std::uint32_t fields_max = 1024;
};

struct TelemetryField {
  std::string_view name{};
  telemetry::FieldKind kind = telemetry::FieldKind::counter;
};

// A block of counters in the page.
template <typename Counters>
struct TelemetryBlock {
  Counters* data = nullptr;
  std::uint32_t entry = 0;
};

class TelemetryPage;

// Copies numbers into blocks whenever the page is sampled, with the time of that; it looks at no
// clock itself. In a page from sample_by() until it dies; the page outlives it. Neither copied nor
// moved.
class TelemetrySample {
 public:
  explicit TelemetrySample(Callback<std::uint64_t> take) noexcept : take_(take) {
    ZW_ASSERT(static_cast<bool>(take));
  }
  ~TelemetrySample();
  TelemetrySample(const TelemetrySample&) = delete;
  TelemetrySample& operator=(const TelemetrySample&) = delete;

 private:
  friend class TelemetryPage;

  Callback<std::uint64_t> take_;
  TelemetryPage* page_ = nullptr;
  TelemetrySample* previous_ = nullptr;
  TelemetrySample* next_ = nullptr;
};

class TelemetryPage {
 public:
  // Errors: invalid_option (the name), telemetry_name_in_use, memory_exhausted, system_error.
  static Result<std::unique_ptr<TelemetryPage>> create(const TelemetryOptions& options);
  ~TelemetryPage();

  // A block of 64-bit numbers, zero, one for each of `fields`, in that order. `group` has at most
  // 23 bytes, a field's name 59. Errors: telemetry_full.
  template <typename Counters>
  Result<TelemetryBlock<Counters>> add(std::string_view group,
                                       std::span<const TelemetryField> fields) {
    static_assert(std::is_trivially_destructible_v<Counters> &&
                  std::is_standard_layout_v<Counters>);
    ZW_ASSERT(sizeof(Counters) == fields.size() * sizeof(std::uint64_t));
    auto place = add_counters(group, sizeof(Counters), fields);
    if (!place) return tl::unexpected<Error>(place.error());
    return TelemetryBlock<Counters>{new (place->data) Counters{}, place->entry};
  }

  // A histogram, empty, in ticks or in nanoseconds. Errors: telemetry_full.
  template <unsigned Precision_bits>
  Result<TelemetryBlock<BasicHistogram<Precision_bits>>> add_histogram(std::string_view group,
                                                                       TelemetryField field) {
    using Values = BasicHistogram<Precision_bits>;
    static_assert(std::is_standard_layout_v<Values> && std::is_trivially_destructible_v<Values>);
    const HistogramShape shape{Precision_bits, Values::kValue_bits};
    auto place = add_block(group, sizeof(Values), shape, {&field, 1});
    if (!place) return tl::unexpected<Error>(place.error());
    return TelemetryBlock<Values>{new (place->data) Values{}, place->entry};
  }

  // One object that is nothing but histograms, an entry of the group for each field, in their
  // order; `entries` gets their numbers. Errors: telemetry_full.
  template <unsigned Precision_bits, typename Histograms>
  Result<Histograms*> add_histograms(std::string_view group, std::span<const TelemetryField> fields,
                                     std::span<std::uint32_t> entries) {
    using Values = BasicHistogram<Precision_bits>;
    static_assert(std::is_standard_layout_v<Histograms> &&
                  std::is_trivially_destructible_v<Histograms>);
    ZW_ASSERT(sizeof(Histograms) == fields.size() * sizeof(Values));
    auto data =
        add_row(group, sizeof(Values), {Precision_bits, Values::kValue_bits}, fields, entries);
    if (!data) return tl::unexpected<Error>(data.error());
    return new (*data) Histograms{};
  }

  // Stages of latency, to be marked in ticks (Reactor::measure_into). Errors: telemetry_full.
  Result<LatencyRecorder*> add_latency(std::string_view label);

  // Says which of its group the block is, cut to 95 bytes, and that it is in use or not. Cold, but
  // allocates nothing.
  void set_label(std::uint32_t entry, std::string_view label, bool live = true) noexcept;

  // Its user is gone: it is not read any more, and given to the next block of the same group and
  // fields.
  void release(std::uint32_t entry) noexcept;

  // From now on it is run by sample(), which the reactor calls every kSamplePeriod_ns if the page
  // has a name.
  void sample_by(TelemetrySample& sample) noexcept;
  void sample(std::uint64_t now_ns) noexcept;
  static constexpr std::uint64_t kSamplePeriod_ns = 100'000'000;

  [[nodiscard]] bool is_shared() const noexcept { return header_ != nullptr; }
  // Of the file; empty when private.
  [[nodiscard]] const std::string& path() const noexcept { return path_; }

  TelemetryPage(const TelemetryPage&) = delete;
  TelemetryPage& operator=(const TelemetryPage&) = delete;

 private:
  friend class TelemetrySample;

  struct Place {
    void* data;
    std::uint32_t entry;
  };
  struct HistogramShape {
    std::uint32_t precision_bits = 0;
    std::uint32_t value_bits = 0;
  };

  TelemetryPage() = default;
  Result<void> open_file(const TelemetryOptions& options);
  Result<void> take_name();
  void write_header(const TelemetryOptions& options, std::size_t page_bytes) noexcept;
  Result<Place> add_counters(std::string_view group, std::size_t bytes,
                             std::span<const TelemetryField> fields) {
    return add_block(group, bytes, {}, fields);
  }
  Result<Place> add_block(std::string_view group, std::size_t bytes, HistogramShape shape,
                          std::span<const TelemetryField> fields);
  Result<Place> add_private(std::size_t bytes);
  Result<void*> add_row(std::string_view group, std::size_t bytes, HistogramShape shape,
                        std::span<const TelemetryField> fields, std::span<std::uint32_t> entries);
  [[nodiscard]] bool is_alike(const telemetry::PageEntry& entry, std::string_view group,
                              std::size_t bytes, std::uint32_t field_first) const noexcept;
  [[nodiscard]] std::uint32_t take_released(std::string_view group, std::size_t bytes,
                                            std::uint32_t field_first,
                                            std::uint32_t count) noexcept;
  void forget(TelemetrySample& sample) noexcept;
  void write_entry(std::string_view group, std::size_t bytes, HistogramShape shape,
                   std::uint32_t field_first, std::size_t field_count) noexcept;
  [[nodiscard]] std::uint32_t place_fields(std::span<const TelemetryField> fields) noexcept;

  std::string path_;
  int file_ = -1;  // locked for as long as the page lives
  std::byte* base_ = nullptr;
  std::size_t page_bytes_ = 0;
  telemetry::PageHeader* header_ = nullptr;
  telemetry::PageEntry* entries_ = nullptr;
  telemetry::PageField* fields_ = nullptr;
  std::uint32_t field_count_ = 0;
  std::size_t data_end_ = 0;
  std::vector<MappedMemory> private_;
  std::vector<std::uint32_t> released_;  // in the order of their numbers
  TelemetrySample* samples_ = nullptr;
};

}  // namespace zenwire
