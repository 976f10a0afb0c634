#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <system_error>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <zenwire/base/want_of_memory.hpp>
#include <zenwire/engine/io.hpp>
#include <zenwire/engine/telemetry_page.hpp>

#include "clock.hpp"

namespace zenwire {
namespace {

using telemetry::PageEntry;
using telemetry::PageField;
using telemetry::PageHeader;

// Between a file's opening and its locking another may replace it: then it is looked at again.
constexpr int kNameAttempts_max = 16;
constexpr std::uint32_t kNone = ~std::uint32_t{0};

constexpr std::size_t round_up(std::size_t bytes) noexcept {
  return (bytes + telemetry::kBlockAlignment_bytes - 1) / telemetry::kBlockAlignment_bytes *
         telemetry::kBlockAlignment_bytes;
}

// The rest of the array is zero already.
template <std::size_t Bytes>
void write_text(char (&to)[Bytes], std::string_view text) noexcept {
  const std::size_t bytes = std::min(text.size(), Bytes - 1);
  text.copy(to, bytes);
  std::memset(to + bytes, 0, Bytes - bytes);
}

bool is_name(std::string_view name) noexcept {
  constexpr std::string_view kAllowed =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
  return name.size() <= telemetry::kName_bytes_max &&
         name.find_first_not_of(kAllowed) == std::string_view::npos;
}

tl::unexpected<Error> system_failure(const std::string& path, int error) {
  return fail(Errc::system_error, path + ": " + std::strerror(error), error);
}

// Whether the name still leads to the file that is open.
bool is_same_file(int file, const std::string& path) noexcept {
  struct stat open_one {};
  struct stat named {};
  return fstat(file, &open_one) == 0 && stat(path.c_str(), &named) == 0 &&
         open_one.st_ino == named.st_ino && open_one.st_dev == named.st_dev;
}

}  // namespace

Result<std::unique_ptr<TelemetryPage>> TelemetryPage::create(const TelemetryOptions& options) {
  return or_memory_exhausted([&]() -> Result<std::unique_ptr<TelemetryPage>> {
    std::unique_ptr<TelemetryPage> page(new TelemetryPage);
    if (options.name.empty()) return page;
    if (!is_name(options.name)) {
      return fail(Errc::invalid_option,
                  "telemetry name \"" + options.name +
                      "\": at most 47 letters, digits, dots, dashes and underscores");
    }
    if (auto opened = page->open_file(options); !opened)
      return tl::unexpected<Error>(opened.error());
    return page;
  });
}

TelemetryPage::~TelemetryPage() {
  ZW_ASSERT(samples_ == nullptr);
  if (header_ != nullptr) {
    std::atomic_ref(header_->ended).store(1, std::memory_order_release);
    ::unlink(path_.c_str());
  }
  if (base_ != nullptr) ::munmap(base_, page_bytes_);
  if (file_ >= 0) ::close(file_);
}

// A file that nobody holds the lock of was left by a process that was killed.
Result<void> TelemetryPage::take_name() {
  for (int attempt = 0; attempt < kNameAttempts_max; ++attempt) {
    file_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (file_ < 0) return system_failure(path_, errno);
    if (::flock(file_, LOCK_EX | LOCK_NB) != 0) return fail(Errc::telemetry_name_in_use, path_);
    struct stat status {};
    const bool fresh = ::fstat(file_, &status) == 0 && status.st_size == 0;
    if (fresh && is_same_file(file_, path_)) return {};
    if (!fresh) ::unlink(path_.c_str());
    ::close(file_);
    file_ = -1;
  }
  return fail(Errc::telemetry_name_in_use, path_);
}

Result<void> TelemetryPage::open_file(const TelemetryOptions& options) {
  path_ =
      std::string(telemetry::kFolder) + "/" + std::string(telemetry::kFilePrefix) + options.name;
  if (auto taken = take_name(); !taken) return taken;
  const std::size_t tables = sizeof(PageHeader) + options.entries_max * sizeof(PageEntry) +
                             options.fields_max * sizeof(PageField);
  const std::size_t bytes = round_up(tables) + round_up(options.data_bytes);
  // posix_fallocate, so that a full /dev/shm is an error now and no SIGBUS later.
  if (const int error = ::posix_fallocate(file_, 0, static_cast<off_t>(bytes)); error != 0) {
    ::unlink(path_.c_str());
    return fail(Errc::memory_exhausted, path_ + ": " + std::strerror(error), error);
  }
  void* const address =
      ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, file_, 0);
  if (address == MAP_FAILED) {
    const int error = errno;
    ::unlink(path_.c_str());
    return fail(Errc::memory_exhausted, path_ + ": " + std::strerror(error), error);
  }
  base_ = static_cast<std::byte*>(address);
  page_bytes_ = bytes;
  data_end_ = round_up(tables);
  released_.reserve(options.entries_max);
  write_header(options, bytes);
  return {};
}

void TelemetryPage::write_header(const TelemetryOptions& options, std::size_t page_bytes) noexcept {
  header_ = new (base_) PageHeader{};
  header_->version = telemetry::kVersion;
  header_->header_bytes = sizeof(PageHeader);
  header_->page_bytes = page_bytes;
  header_->entry_bytes = sizeof(PageEntry);
  header_->entries_max = options.entries_max;
  header_->entries_offset = sizeof(PageHeader);
  header_->field_bytes = sizeof(PageField);
  header_->fields_max = options.fields_max;
  header_->fields_offset = sizeof(PageHeader) + options.entries_max * sizeof(PageEntry);
  header_->pid = static_cast<std::uint64_t>(::getpid());
  header_->started_wall_ns = detail::clock_ns(CLOCK_REALTIME);
  header_->started_monotonic_ns = detail::clock_ns(CLOCK_MONOTONIC);
  header_->started_ticks = TickSource().now();
  write_text(header_->name, options.name);
  entries_ = std::launder(reinterpret_cast<PageEntry*>(base_ + header_->entries_offset));
  fields_ = std::launder(reinterpret_cast<PageField*>(base_ + header_->fields_offset));
  // Last: whoever sees the magic sees the rest.
  std::atomic_thread_fence(std::memory_order_release);
  std::memcpy(header_->magic, telemetry::kMagic, sizeof telemetry::kMagic);
}

Result<TelemetryPage::Place> TelemetryPage::add_private(std::size_t bytes) {
  const auto alike = std::find_if(released_.begin(), released_.end(), [&](std::uint32_t index) {
    return private_[index].bytes() == bytes;
  });
  if (alike != released_.end()) {
    const std::uint32_t index = *alike;
    released_.erase(alike);
    return Place{private_[index].data(), index};
  }
  released_.reserve(private_.size() + 1);  // so that release() allocates nothing
  auto memory = MappedMemory::make(bytes);
  if (!memory) return tl::unexpected<Error>(memory.error());
  private_.push_back(std::move(*memory));
  return Place{private_.back().data(), static_cast<std::uint32_t>(private_.size() - 1)};
}

// Blocks of a group mostly have the same fields: these are written once.
std::uint32_t TelemetryPage::place_fields(std::span<const TelemetryField> fields) noexcept {
  const auto same = [](const PageField& known, const TelemetryField& field) noexcept {
    return field.name == known.name && field.kind == known.kind;
  };
  PageField* const end = fields_ + field_count_;
  PageField* const found = std::search(fields_, end, fields.begin(), fields.end(), same);
  if (found != end) return static_cast<std::uint32_t>(found - fields_);
  if (fields.size() > header_->fields_max - field_count_) return header_->fields_max;
  for (const TelemetryField& field : fields) {
    ZW_ASSERT(field.name.size() < sizeof(PageField::name));
    PageField& added = fields_[field_count_++];
    write_text(added.name, field.name);
    added.kind = field.kind;
  }
  return field_count_ - static_cast<std::uint32_t>(fields.size());
}

Result<TelemetryPage::Place> TelemetryPage::add_block(std::string_view group, std::size_t bytes,
                                                      HistogramShape shape,
                                                      std::span<const TelemetryField> fields) {
  ZW_ASSERT(bytes > 0 && !fields.empty() && group.size() < sizeof(PageEntry::group));
  if (header_ == nullptr) return add_private(bytes);
  const std::uint32_t field_first = place_fields(fields);
  if (const std::uint32_t again = take_released(group, bytes, field_first, 1); again != kNone)
    return Place{base_ + entries_[again].offset, again};
  const std::uint32_t index = header_->entry_count;
  if (index == header_->entries_max || field_first == header_->fields_max ||
      bytes > page_bytes_ - data_end_)
    return fail(Errc::telemetry_full, path_);
  std::byte* const data = base_ + data_end_;
  write_entry(group, bytes, shape, field_first, fields.size());
  data_end_ = std::min(page_bytes_, round_up(data_end_ + bytes));
  return Place{data, index};
}

// One behind the other, as the members of an object.
Result<void*> TelemetryPage::add_row(std::string_view group, std::size_t bytes,
                                     HistogramShape shape, std::span<const TelemetryField> fields,
                                     std::span<std::uint32_t> entries) {
  ZW_ASSERT(!fields.empty() && entries.size() == fields.size());
  if (header_ == nullptr) {
    auto place = add_private(bytes * fields.size());
    if (!place) return tl::unexpected<Error>(place.error());
    std::fill(entries.begin(), entries.end(), place->entry);
    return place->data;
  }
  const std::uint32_t field_first = place_fields(fields);
  const auto count = static_cast<std::uint32_t>(fields.size());
  std::uint32_t first = take_released(group, bytes, field_first, count);
  if (first == kNone) {
    first = header_->entry_count;
    if (count > header_->entries_max - first || field_first == header_->fields_max ||
        bytes * count > page_bytes_ - data_end_)
      return fail(Errc::telemetry_full, path_);
    for (std::uint32_t i = 0; i < count; ++i) {
      write_entry(group, bytes, shape, field_first + i, 1);
      data_end_ += bytes;
    }
    data_end_ = std::min(page_bytes_, round_up(data_end_));
  }
  for (std::uint32_t i = 0; i < count; ++i) entries[i] = first + i;
  return base_ + entries_[first].offset;
}

// --- Blocks that are given again.

void TelemetryPage::release(std::uint32_t index) noexcept {
  set_label(index, "", false);
  const auto place = std::lower_bound(released_.begin(), released_.end(), index);
  if (place == released_.end() || *place != index) released_.insert(place, index);
}

bool TelemetryPage::is_alike(const PageEntry& entry, std::string_view group, std::size_t bytes,
                             std::uint32_t field_first) const noexcept {
  return group == entry.group && entry.bytes == bytes && entry.field_first == field_first;
}

// The first of `count` that lie one behind the other, with their fields in order; or kNone.
std::uint32_t TelemetryPage::take_released(std::string_view group, std::size_t bytes,
                                           std::uint32_t field_first,
                                           std::uint32_t count) noexcept {
  for (std::size_t at = 0; at + count <= released_.size(); ++at) {
    const std::uint32_t first = released_[at];
    bool alike = released_[at + count - 1] == first + count - 1;
    for (std::uint32_t i = 0; alike && i < count; ++i)
      alike = is_alike(entries_[first + i], group, bytes, field_first + i);
    if (!alike) continue;
    const auto begin = released_.begin() + static_cast<std::ptrdiff_t>(at);
    released_.erase(begin, begin + count);
    return first;
  }
  return kNone;
}

// --- Samples.

TelemetrySample::~TelemetrySample() {
  if (page_ != nullptr) page_->forget(*this);
}

void TelemetryPage::sample_by(TelemetrySample& sample) noexcept {
  ZW_ASSERT(sample.page_ == nullptr);
  sample.page_ = this;
  sample.next_ = samples_;
  if (samples_ != nullptr) samples_->previous_ = &sample;
  samples_ = &sample;
}

void TelemetryPage::forget(TelemetrySample& sample) noexcept {
  (sample.previous_ != nullptr ? sample.previous_->next_ : samples_) = sample.next_;
  if (sample.next_ != nullptr) sample.next_->previous_ = sample.previous_;
}

void TelemetryPage::sample(std::uint64_t now_ns) noexcept {
  for (TelemetrySample* sample = samples_; sample != nullptr; sample = sample->next_)
    sample->take_(now_ns);
}

// At `data_end_`, which its caller moves on.
void TelemetryPage::write_entry(std::string_view group, std::size_t bytes, HistogramShape shape,
                                std::uint32_t field_first, std::size_t field_count) noexcept {
  const std::uint32_t index = header_->entry_count;
  PageEntry& entry = entries_[index];
  write_text(entry.group, group);
  entry.kind =
      shape.value_bits != 0 ? telemetry::EntryKind::histogram : telemetry::EntryKind::counters;
  entry.field_first = field_first;
  entry.field_count = static_cast<std::uint32_t>(field_count);
  entry.precision_bits = shape.precision_bits;
  entry.value_bits = shape.value_bits;
  entry.offset = data_end_;
  entry.bytes = bytes;
  std::atomic_ref(header_->entry_count).store(index + 1, std::memory_order_release);
}

// One object of several histograms, an entry each.
Result<LatencyRecorder*> TelemetryPage::add_latency(std::string_view label) {
  std::array<TelemetryField, kStages> fields;
  for (std::size_t i = 0; i < kStages; ++i)
    fields[i] = {name(static_cast<Stage>(i)), telemetry::FieldKind::ticks};
  std::array<std::uint32_t, kStages> entries;
  auto recorder =
      add_histograms<Histogram::kPrecision_bits, LatencyRecorder>("latency", fields, entries);
  if (!recorder) return recorder;
  for (const std::uint32_t entry : entries) set_label(entry, label);
  return recorder;
}

// A sequence lock with one writer: odd while the label changes. The fence keeps the label's stores
// behind the first store of the version, the release keeps them before the second.
void TelemetryPage::set_label(std::uint32_t index, std::string_view label, bool live) noexcept {
  if (header_ == nullptr) return;
  ZW_ASSERT(index < header_->entry_count);
  PageEntry& entry = entries_[index];
  std::atomic_ref version(entry.version);
  const std::uint32_t before = version.load(std::memory_order_relaxed);
  version.store(before + 1, std::memory_order_relaxed);
  std::atomic_thread_fence(std::memory_order_release);
  write_text(entry.label, label);
  entry.state = live ? telemetry::EntryState::live : telemetry::EntryState::idle;
  version.store(before + 2, std::memory_order_release);
}

}  // namespace zenwire
