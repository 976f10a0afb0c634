#pragma once

// What a telemetry page looks like in memory: for readers, of this build, another, or another
// language. All numbers are little-endian; all offsets count from the start of the page.
//
//   PageHeader | PageEntry * entries_max | PageField * fields_max | data
//
// An entry names a block of data: counters (a row of 64-bit numbers, named by as many fields) or a
// histogram. The writer fills an entry in before it raises `entry_count`; later it changes only the
// label and the state, under the entry's version (odd while it changes). The data is written by
// plain 64-bit stores at any time: each number is whole, several are not of one instant.

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <type_traits>

namespace zenwire::telemetry {

inline constexpr char kMagic[8] = {'Z', 'W', 'S', 'T', 'A', 'T', 'S', '\0'};
// Raised when a reader of an older version would misread the page.
inline constexpr std::uint32_t kVersion = 1;
// Where the pages lie, and how a file's name begins.
inline constexpr std::string_view kFolder = "/dev/shm";
inline constexpr std::string_view kFilePrefix = "zenwire.";
inline constexpr std::size_t kName_bytes_max = 47;
inline constexpr std::size_t kBlockAlignment_bytes = 128;  // two lines: what the prefetcher pairs

struct PageHeader {
  char magic[8];
  std::uint32_t version;
  std::uint32_t header_bytes;
  std::uint64_t page_bytes;
  std::uint32_t entry_bytes;
  std::uint32_t entries_max;
  std::uint64_t entries_offset;
  std::uint32_t field_bytes;
  std::uint32_t fields_max;
  std::uint64_t fields_offset;
  std::uint64_t pid;
  std::uint64_t started_wall_ns;       // since 1970
  std::uint64_t started_monotonic_ns;  // CLOCK_MONOTONIC, with the counter's ticks of that moment:
  std::uint64_t started_ticks;         // a reader measures the rate from there to now
  char name[kName_bytes_max + 1];
  alignas(64) std::uint32_t entry_count;
  std::uint32_t ended;  // 1: the process has let go of the page
};

enum class EntryKind : std::uint32_t { counters = 1, histogram = 2 };
enum class EntryState : std::uint32_t {
  idle = 0,  // belongs to nobody now (a connection's place that is free)
  live = 1,
};

struct PageEntry {
  char group[24];  // "reactor", "connection", ...
  std::uint32_t version;
  EntryState state;
  char label[96];  // which of the group
  EntryKind kind;
  std::uint32_t field_first;
  std::uint32_t field_count;  // counters: 8 bytes each; histogram: 1, its name and unit
  std::uint32_t precision_bits;
  std::uint32_t value_bits;
  std::uint32_t unused;
  std::uint64_t offset;
  std::uint64_t bytes;
};

enum class FieldKind : std::uint32_t {
  counter = 1,  // only grows, until its block is used anew
  gauge = 2,
  ticks = 3,        // a histogram of time-stamp counter ticks
  nanoseconds = 4,  // a histogram of nanoseconds
};

inline constexpr std::size_t kFieldName_bytes_max = 59;
struct PageField {
  char name[kFieldName_bytes_max + 1];
  FieldKind kind;
};

// A histogram's block: the sums, then a count for each bucket. A value v is in bucket
//   shift * 2^precision + (v >> shift), shift = max(0, bit_width(v) - precision - 1).
struct HistogramSums {
  std::uint64_t count;
  std::uint64_t sum;
  std::uint64_t saturated;
  std::uint64_t last;
  std::uint64_t min;
  std::uint64_t max;
};

static_assert(sizeof(PageHeader) == 256 && std::is_trivially_copyable_v<PageHeader>);
static_assert(sizeof(PageEntry) == 168 && std::is_trivially_copyable_v<PageEntry>);
static_assert(sizeof(PageField) == 64 && sizeof(HistogramSums) == 48);

}  // namespace zenwire::telemetry
