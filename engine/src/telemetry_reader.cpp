#include <algorithm>
#include <atomic>
#include <bit>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <optional>
#include <utility>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <zenwire/engine/io.hpp>
#include <zenwire/engine/telemetry_reader.hpp>

#include "clock.hpp"

namespace zenwire {
namespace {

using telemetry::EntryKind;
using telemetry::EntryState;
using telemetry::FieldKind;
using telemetry::HistogramSums;
using telemetry::PageEntry;
using telemetry::PageField;
using telemetry::PageHeader;

// A young page's rate of ticks would be measured over too little: then over this from now on.
constexpr std::uint64_t kRateSpan_ns = 20'000'000;
// A label that keeps changing is read as it is after so many looks.
constexpr int kLooks_max = 1000;

// The other process writes meanwhile: each number is loaded whole, and once.
std::uint64_t load(const std::byte* from) noexcept {
  std::uint64_t value;
  __atomic_load(reinterpret_cast<const std::uint64_t*>(from), &value, __ATOMIC_RELAXED);
  return value;
}

std::uint32_t load_acquire(const std::uint32_t& from) noexcept {
  return __atomic_load_n(&from, __ATOMIC_ACQUIRE);
}

template <std::size_t Bytes>
std::string_view text_of(const char (&from)[Bytes]) noexcept {
  return {from, strnlen(from, Bytes)};
}

tl::unexpected<Error> malformed(std::string_view why) {
  return fail(Errc::telemetry_malformed, why);
}

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text.empty() ? "there is none" : "there is: " + text;
}

std::string path_of(std::string_view name) {
  return std::string(telemetry::kFolder) + "/" + std::string(telemetry::kFilePrefix) +
         std::string(name);
}

// A histogram's numbers as the writer's precision has them.
class Buckets {
 public:
  Buckets(const std::byte* block, const PageEntry& entry) noexcept
      : counts_(block + sizeof(HistogramSums)), precision_(entry.precision_bits) {
    count_ = (std::size_t{entry.value_bits} - precision_ + 1) << precision_;
    for (std::size_t i = 0; i < count_; ++i) total_ += at(i);
  }
  static std::size_t bytes(const PageEntry& entry) noexcept {
    const std::size_t buckets = (std::size_t{entry.value_bits} - entry.precision_bits + 1)
                                << entry.precision_bits;
    return sizeof(HistogramSums) + buckets * sizeof(std::uint64_t);
  }

  [[nodiscard]] std::uint64_t total() const noexcept { return total_; }
  [[nodiscard]] std::uint64_t percentile(double percent) const noexcept {
    const double wanted = std::ceil(percent / 100 * static_cast<double>(total_) * (1 - 1e-12));
    const auto rank = std::max<std::uint64_t>(static_cast<std::uint64_t>(wanted), 1);
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < count_; ++i) {
      seen += at(i);
      if (seen >= rank) return highest_of(i);
    }
    return 0;
  }

 private:
  [[nodiscard]] std::uint64_t at(std::size_t index) const noexcept {
    return load(counts_ + index * sizeof(std::uint64_t));
  }
  [[nodiscard]] std::uint64_t highest_of(std::size_t index) const noexcept {
    const std::size_t steps = std::size_t{1} << precision_;
    const std::size_t shift = index < 2 * steps ? 0 : index / steps - 1;
    return ((index - shift * steps) << shift) + (std::uint64_t{1} << shift) - 1;
  }

  const std::byte* counts_;
  unsigned precision_;
  std::size_t count_;
  std::uint64_t total_ = 0;
};

HistogramReading read_histogram(const std::byte* block, const PageEntry& entry,
                                double ticks_per_unit) {
  const Buckets buckets(block, entry);
  const auto scaled = [&](std::uint64_t value) noexcept {
    return static_cast<std::uint64_t>(static_cast<double>(value) / ticks_per_unit);
  };
  const auto sum = [&](std::size_t offset) noexcept { return load(block + offset); };
  HistogramReading reading;
  reading.count = buckets.total();
  if (reading.count == 0) return reading;
  const std::uint64_t max = sum(offsetof(HistogramSums, max));
  reading.p50 = scaled(std::min(max, buckets.percentile(50)));
  reading.p99 = scaled(std::min(max, buckets.percentile(99)));
  reading.p99_9 = scaled(std::min(max, buckets.percentile(99.9)));
  reading.min = scaled(sum(offsetof(HistogramSums, min)));
  reading.max = scaled(max);
  reading.last = scaled(sum(offsetof(HistogramSums, last)));
  reading.sum = static_cast<double>(sum(offsetof(HistogramSums, sum))) / ticks_per_unit;
  return reading;
}

struct Label {
  std::string text;
  EntryState state;
};

// The reader's side of the sequence lock in TelemetryPage::set_label().
Label read_label(const PageEntry& entry) {
  Label label{{}, EntryState::idle};
  for (int look = 0; look < kLooks_max; ++look) {
    const std::uint32_t before = load_acquire(entry.version);
    label = {std::string(text_of(entry.label)), entry.state};
    std::atomic_thread_fence(std::memory_order_acquire);
    if (before % 2 == 0 && load_acquire(entry.version) == before) break;
  }
  return label;
}

}  // namespace

// --- Opening.

std::vector<std::string> TelemetryReader::names() {
  std::vector<std::string> found;
  std::error_code error;
  for (const auto& file : std::filesystem::directory_iterator(telemetry::kFolder, error)) {
    const std::string name = file.path().filename().string();
    if (name.starts_with(telemetry::kFilePrefix))
      found.push_back(name.substr(telemetry::kFilePrefix.size()));
  }
  std::sort(found.begin(), found.end());
  return found;
}

Result<TelemetryReader> TelemetryReader::open(std::string_view name) {
  if (name.find('/') != std::string_view::npos)
    return fail(Errc::telemetry_not_found, "a name has no slash");
  return open_path(path_of(name));
}

Result<TelemetryReader> TelemetryReader::open_pid(std::uint64_t pid) {
  for (const std::string& name : names()) {
    auto reader = open(name);
    if (reader && reader->pid() == pid) return reader;
  }
  return fail(Errc::telemetry_not_found,
              "of process " + std::to_string(pid) + "; " + joined(names()));
}

Result<TelemetryReader> TelemetryReader::open_path(const std::string& path) {
  TelemetryReader reader;
  reader.file_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (reader.file_ < 0) {
    if (errno == ENOENT) return fail(Errc::telemetry_not_found, path + "; " + joined(names()));
    return fail(Errc::system_error, path + ": " + std::strerror(errno), errno);
  }
  struct stat status {};
  if (::fstat(reader.file_, &status) != 0 ||
      status.st_size < static_cast<off_t>(sizeof(PageHeader)))
    return malformed(path + ": too short");
  reader.bytes_ = static_cast<std::size_t>(status.st_size);
  void* const address = ::mmap(nullptr, reader.bytes_, PROT_READ, MAP_SHARED, reader.file_, 0);
  if (address == MAP_FAILED)
    return fail(Errc::system_error, path + ": " + std::strerror(errno), errno);
  reader.base_ = static_cast<const std::byte*>(address);
  if (auto good = reader.check(); !good) return tl::unexpected<Error>(good.error());
  return reader;
}

TelemetryReader::TelemetryReader(TelemetryReader&& other) noexcept
    : file_(std::exchange(other.file_, -1)),
      base_(std::exchange(other.base_, nullptr)),
      bytes_(other.bytes_) {}

TelemetryReader& TelemetryReader::operator=(TelemetryReader&& other) noexcept {
  std::swap(file_, other.file_);
  std::swap(base_, other.base_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

TelemetryReader::~TelemetryReader() {
  if (base_ != nullptr) ::munmap(const_cast<std::byte*>(base_), bytes_);
  if (file_ >= 0) ::close(file_);
}

const PageHeader& TelemetryReader::header() const noexcept {
  return *reinterpret_cast<const PageHeader*>(base_);
}

Result<void> TelemetryReader::check() const {
  const PageHeader& page = header();
  if (std::memcmp(page.magic, telemetry::kMagic, sizeof page.magic) != 0)
    return malformed("it does not begin as a telemetry page does");
  if (page.version != telemetry::kVersion)
    return malformed("version " + std::to_string(page.version) + " of the layout; this reads " +
                     std::to_string(telemetry::kVersion));
  const auto table_fits = [&](std::uint64_t offset, std::uint64_t each, std::uint64_t count) {
    return offset % 8 == 0 && offset <= bytes_ && each % 8 == 0 && count <= (1U << 24) &&
           each <= (1U << 16) && each * count <= bytes_ - offset;
  };
  if (page.page_bytes > bytes_ || page.header_bytes < sizeof(PageHeader) ||
      page.entry_bytes < sizeof(PageEntry) || page.field_bytes < sizeof(PageField) ||
      !table_fits(page.entries_offset, page.entry_bytes, page.entries_max) ||
      !table_fits(page.fields_offset, page.field_bytes, page.fields_max))
    return malformed("its tables do not lie within it");
  return {};
}

bool TelemetryReader::is_sound(const PageEntry& entry) const noexcept {
  if (entry.offset % 8 != 0 || entry.offset > bytes_ || entry.bytes > bytes_ - entry.offset)
    return false;
  if (entry.field_count == 0 || entry.field_first > header().fields_max ||
      entry.field_count > header().fields_max - entry.field_first)
    return false;
  if (entry.kind == EntryKind::counters)
    return entry.bytes >= std::uint64_t{entry.field_count} * sizeof(std::uint64_t);
  return entry.kind == EntryKind::histogram && entry.value_bits <= 64 &&
         entry.precision_bits < entry.value_bits && entry.precision_bits <= 20 &&
         Buckets::bytes(entry) <= entry.bytes;
}

// --- Reading.

std::string_view TelemetryReader::name() const noexcept {
  return text_of(header().name);
}
std::uint64_t TelemetryReader::pid() const noexcept {
  return header().pid;
}
std::uint64_t TelemetryReader::started_wall_ns() const noexcept {
  return header().started_wall_ns;
}
bool TelemetryReader::has_ended() const noexcept {
  return load_acquire(header().ended) != 0;
}

bool TelemetryReader::is_writer_alive() const noexcept {
  if (has_ended()) return false;
  if (::flock(file_, LOCK_SH | LOCK_NB) != 0) return errno == EWOULDBLOCK;
  ::flock(file_, LOCK_UN);
  return false;
}

double TelemetryReader::ticks_per_ns() const noexcept {
  std::uint64_t from_ns = header().started_monotonic_ns;
  std::uint64_t from_ticks = header().started_ticks;
  if (detail::clock_ns(CLOCK_MONOTONIC) - from_ns < kRateSpan_ns) {
    from_ns = detail::clock_ns(CLOCK_MONOTONIC);
    from_ticks = TickSource().now();
    const timespec span{0, static_cast<long>(kRateSpan_ns)};
    ::nanosleep(&span, nullptr);
  }
  return static_cast<double>(TickSource().now() - from_ticks) /
         static_cast<double>(detail::clock_ns(CLOCK_MONOTONIC) - from_ns);
}

std::vector<EntryReading> TelemetryReader::read() const {
  std::vector<EntryReading> readings;
  std::optional<double> rate;
  const PageHeader& page = header();
  const std::uint32_t count = std::min(load_acquire(page.entry_count), page.entries_max);
  const auto field_at = [&](std::size_t index) -> const PageField& {
    return *reinterpret_cast<const PageField*>(base_ + page.fields_offset +
                                               index * page.field_bytes);
  };
  for (std::uint32_t i = 0; i < count; ++i) {
    const auto& entry = *reinterpret_cast<const PageEntry*>(base_ + page.entries_offset +
                                                            std::size_t{i} * page.entry_bytes);
    if (!is_sound(entry)) continue;
    Label label = read_label(entry);
    if (label.state != EntryState::live) continue;
    EntryReading reading;
    reading.group = text_of(entry.group);
    reading.label = std::move(label.text);
    reading.live = true;
    const std::byte* const block = base_ + entry.offset;
    if (entry.kind == EntryKind::counters) {
      for (std::size_t f = 0; f < entry.field_count; ++f) {
        const PageField& field = field_at(entry.field_first + f);
        reading.counters.push_back({std::string(text_of(field.name)), field.kind,
                                    load(block + f * sizeof(std::uint64_t))});
      }
    } else {
      const PageField& field = field_at(entry.field_first);
      if (field.kind == FieldKind::ticks && !rate) rate = ticks_per_ns();
      reading.histogram_name = text_of(field.name);
      reading.histogram =
          read_histogram(block, entry, field.kind == FieldKind::ticks ? *rate : 1.0);
    }
    readings.push_back(std::move(reading));
  }
  return readings;
}

std::uint64_t TelemetryReader::checksum() const noexcept {
  std::uint64_t sum = 0;
  for (std::size_t at = 0; at + 8 <= bytes_; at += 8) sum += load(base_ + at);
  return sum;
}

}  // namespace zenwire
