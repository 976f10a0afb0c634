#include "recording_file.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <string>
#include <system_error>

#include <fcntl.h>
#include <sched.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <zenwire/base/assert.hpp>
#include <zenwire/base/want_of_memory.hpp>

namespace zenwire::detail {

namespace {

constexpr std::size_t kPage_bytes = 4096;
constexpr std::size_t kSegment_bytes_min = 64 * 1024;
constexpr std::size_t kSegment_bytes_max = std::size_t{1} << 30;
constexpr unsigned kSegments_ahead_max = 64;
constexpr std::size_t kWindow_segments_min = 8;
// On a disk that is nearly full, segments get smaller down to this.
constexpr std::size_t kLastSegment_bytes_min = 16 * kPage_bytes;
static_assert(kLastSegment_bytes_min <= kSegment_bytes_min);

// The preparing thread looks this often whether a segment is wanted: so rarely that it costs
// nothing, so often that it is early at a gigabyte a second.
constexpr auto kPrepare_interval = std::chrono::milliseconds(5);
// Write-back protects pages that it has written; those just ahead of the writer are faulted in
// again every so many looks.
constexpr unsigned kPopulate_every = 10;
constexpr std::size_t kPopulate_bytes = 128 * 1024;
// A disk found full is tried again after so many looks.
constexpr unsigned kRest_after_refusal = 50;

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

constexpr std::uint64_t page_floor(std::uint64_t bytes) noexcept {
  return bytes & ~std::uint64_t{kPage_bytes - 1};
}
constexpr std::uint64_t page_ceiling(std::uint64_t bytes) noexcept {
  return page_floor(bytes + kPage_bytes - 1);
}

Error system_failure(Errc code, const std::string& what, int os_error) {
  return {code, what + ": " + std::generic_category().message(os_error), os_error};
}

// An allocation or a mapping that the system refused.
Error room_failure(const std::string& what, int os_error) {
  const bool full = os_error == ENOSPC || os_error == EDQUOT || os_error == EFBIG;
  return system_failure(full ? Errc::recording_disk_full : Errc::recording_failed, what, os_error);
}

Result<void> check(const RecorderOptions& options) {
  if (options.path.empty()) return fail(Errc::invalid_option, "recording path: empty");
  if (options.segment_bytes < kSegment_bytes_min || options.segment_bytes > kSegment_bytes_max) {
    return fail(Errc::invalid_option, "recording segment_bytes: not from 64 KiB to 1 GiB");
  }
  if (options.segments_ahead == 0 || options.segments_ahead > kSegments_ahead_max) {
    return fail(Errc::invalid_option, "recording segments_ahead: not from 1 to 64");
  }
  if (options.window_bytes / kWindow_segments_min < options.segment_bytes) {
    return fail(Errc::invalid_option, "recording window_bytes: less than 8 segments");
  }
  return {};
}

// A new file is there after a power loss only if its directory was synced, too.
void sync_directory_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  const std::string directory =
      slash == std::string::npos ? "." : path.substr(0, std::max<std::size_t>(slash, 1));
  const int file = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (file < 0) return;
  fsync(file);
  ::close(file);
}

}  // namespace

RecordingFile::RecordingFile(const RecorderOptions& options) : options_(options) {
  options_.segment_bytes = page_ceiling(options.segment_bytes);
  options_.window_bytes = page_ceiling(options.window_bytes);
}

Result<std::unique_ptr<RecordingFile>> RecordingFile::open(const RecorderOptions& options) {
  if (auto checked = check(options); !checked) return tl::unexpected(checked.error());
  std::unique_ptr<RecordingFile> file(new RecordingFile(options));
  if (auto opened = file->open_file(); !opened) return tl::unexpected(opened.error());
  if (auto recovered = file->recover(); !recovered) return tl::unexpected(recovered.error());
  if (auto started = file->start(); !started) return tl::unexpected(started.error());
  return file;
}

RecordingFile::~RecordingFile() {
  (void)close();
}

Result<void> RecordingFile::open_file() {
  const auto refused = [&](const char* why) {
    return fail(Errc::recording_unwritable, options_.path + ": " + why);
  };
  const char* const path = options_.path.c_str();
  constexpr int kFlags = O_RDWR | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
  file_ = ::open(path, kFlags);
  const bool created = file_ < 0 && errno == ENOENT;
  if (created) file_ = ::open(path, kFlags | O_CREAT, 0644);
  if (file_ < 0) {
    return tl::unexpected(system_failure(Errc::recording_unwritable, options_.path, errno));
  }
  struct stat status {};
  if (fstat(file_, &status) != 0) {
    return tl::unexpected(system_failure(Errc::recording_unwritable, options_.path, errno));
  }
  if (!S_ISREG(status.st_mode)) return refused("not a regular file");
  if (flock(file_, LOCK_EX | LOCK_NB) != 0) {
    return fail(Errc::recording_busy, options_.path, errno);
  }
  if (created && options_.sync) sync_directory_of(options_.path);
  return {};
}

Result<void> RecordingFile::recover() {
  struct stat status {};
  if (fstat(file_, &status) != 0) {
    return tl::unexpected(system_failure(Errc::recording_failed, options_.path, errno));
  }
  const auto size = static_cast<std::uint64_t>(status.st_size);
  auto tail = find_recording_tail(file_, size);
  if (!tail) {
    const Error& error = tail.error();
    return fail(error.code(), options_.path + ": " + std::string(error.detail()), error.os_error());
  }
  tail_ = *tail;
  stats_.torn_bytes = tail_.torn_bytes;
  if (tail_.whole_bytes == size) return {};
  if (ftruncate(file_, static_cast<off_t>(tail_.whole_bytes)) != 0) {
    return tl::unexpected(system_failure(Errc::recording_unwritable, options_.path, errno));
  }
  return {};
}

Result<void> RecordingFile::start() {
  if (auto reserved = reserve(options_.window_bytes); !reserved) return reserved;
  window_offset_ = allocated_bytes_ = page_floor(tail_.whole_bytes);
  published_ = begin();
  ready_end_ = window_;
  if (auto prepared = prepare_first(); !prepared) return prepared;
  auto started = start_thread(
      preparer_,
      [](void* file) -> void* {
        static_cast<RecordingFile*>(file)->prepare_loop();
        return nullptr;
      },
      "zw-rec-prepare");
  if (!started) return started;
  return start_thread(
      syncer_,
      [](void* file) -> void* {
        static_cast<RecordingFile*>(file)->sync_loop();
        return nullptr;
      },
      "zw-rec-sync");
}

Result<void> RecordingFile::prepare_first() noexcept {
  std::unique_lock lock(mutex_);
  wanted_end_ = begin() + 1;  // so that a refusal counts
  prepare_segment(lock);
  wanted_end_ = nullptr;
  if (!error_) return {};
  const bool full = error_->code() == Errc::recording_disk_full;
  return fail(full ? Errc::recording_disk_full : Errc::recording_unwritable, error_->detail(),
              error_->os_error());
}

// Signals are for the threads of the program: the helpers take none.
Result<void> RecordingFile::start_thread(Thread& thread, void* (*body)(void*), const char* name) {
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  const int error = pthread_create(&thread.id, nullptr, body, this);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (error != 0) {
    return tl::unexpected(system_failure(Errc::recording_failed, "helper thread", error));
  }
  thread.running = true;
  pthread_setname_np(thread.id, name);
  return {};
}

void RecordingFile::join(Thread& thread) noexcept {
  if (!thread.running) return;
  pthread_join(thread.id, nullptr);
  thread.running = false;
}

// A helper inherits the processors of the thread that opened: were that pinned, the helper would
// have to share a core with a thread that never gives it up.
void RecordingFile::place_helper() const noexcept {
  cpu_set_t processors;
  if (options_.helper_cpu >= 0 && options_.helper_cpu < CPU_SETSIZE) {
    CPU_ZERO(&processors);
    CPU_SET(static_cast<std::size_t>(options_.helper_cpu), &processors);
  } else {
    if (sched_getaffinity(0, sizeof processors, &processors) != 0) return;
    if (CPU_COUNT(&processors) != 1) return;
    cpu_set_t pinned = processors;
    std::memset(&processors, 0xff, sizeof processors);
    CPU_XOR(&processors, &processors, &pinned);
  }
  sched_setaffinity(0, sizeof processors, &processors);  // refused: stays where it is
}

// Address space only: nothing is mapped yet.
Result<void> RecordingFile::reserve(std::size_t bytes) noexcept {
  return or_memory_exhausted([&]() -> Result<void> {
    windows_.reserve(windows_.size() + 1);
    void* const at =
        mmap(nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at == MAP_FAILED) return tl::unexpected(room_failure("address space", errno));
    window_ = static_cast<char*>(at);
    options_.window_bytes = bytes;
    windows_.push_back({window_, bytes});
    return {};
  });
}

int RecordingFile::write_zeros(std::uint64_t offset, std::size_t bytes) noexcept {
  static constexpr char kZeros[256 * 1024] = {};
  // What the last page holds already stays.
  const std::uint64_t end = offset + bytes;
  offset = std::max(offset, tail_.whole_bytes);
  while (offset < end) {
    const auto now = static_cast<std::size_t>(std::min<std::uint64_t>(end - offset, sizeof kZeros));
    const ssize_t wrote = pwrite(file_, kZeros, now, static_cast<off_t>(offset));
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) return wrote == 0 ? ENOSPC : errno;
    offset += static_cast<std::uint64_t>(wrote);
  }
  return 0;
}

// 0 or the errno. Blocks must be there before a page is written, or a full disk is a SIGBUS.
int RecordingFile::allocate_exactly(std::uint64_t offset, std::size_t bytes) noexcept {
  if (options_.fallocate) {
    int error = EINTR;
    while (error == EINTR) {
      const int result =
          ::fallocate(file_, 0, static_cast<off_t>(offset), static_cast<off_t>(bytes));
      error = result == 0 ? 0 : errno;
    }
    if (error != EOPNOTSUPP && error != ENOSYS) return error;
    options_.fallocate = false;
  }
  return write_zeros(offset, bytes);
}

// As much of `bytes` as the disk has room for.
Result<std::size_t> RecordingFile::allocate(std::uint64_t offset, std::size_t bytes) noexcept {
  while (true) {
    const int error = allocate_exactly(offset, bytes);
    if (error == 0) return bytes;
    const bool full = error == ENOSPC || error == EDQUOT || error == EFBIG;
    if (!full || bytes / 2 < kLastSegment_bytes_min) {
      return tl::unexpected(room_failure(options_.path, error));
    }
    bytes = static_cast<std::size_t>(page_floor(bytes / 2));
  }
}

Result<void> RecordingFile::map(char* at, std::uint64_t offset, std::size_t bytes) noexcept {
  void* const mapped = mmap(at, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, file_,
                            static_cast<off_t>(offset));
  if (mapped == MAP_FAILED) return tl::unexpected(room_failure("mapping the recording", errno));
  if (madvise(at, bytes, MADV_POPULATE_WRITE) == 0) return {};
  // Before Linux 5.14 there is no such advice: the writer takes the faults itself.
  if (errno == EINVAL) return {};
  return tl::unexpected(room_failure("faulting in the recording", errno));
}

bool RecordingFile::wants_segment() noexcept {
  if (exhausted_) return false;
  const char* const ready = ready_end_;
  if (!in_window(ready, 1)) return false;
  if (wanted_end_ != nullptr && ready < wanted_end_) return true;
  if (rest_ != 0) {
    --rest_;
    return false;
  }
  const auto ahead = static_cast<std::size_t>(ready - published_.load(std::memory_order_acquire));
  return ahead < (options_.segments_ahead + std::size_t{1}) * options_.segment_bytes;
}

void RecordingFile::refuse(const Error& error) noexcept {
  rest_ = kRest_after_refusal;
  const bool waited_for = wanted_end_ != nullptr && ready_end_.load() < wanted_end_;
  if (!waited_for) return;  // the writer may never need it, or the disk have room by then
  if (!error_) error_ = error;
  exhausted_.store(true, std::memory_order_release);
}

void RecordingFile::prepare_segment(std::unique_lock<std::mutex>& lock) noexcept {
  ZW_ASSERT(lock.owns_lock() && !preparing_);
  const std::uint64_t offset = allocated_bytes_;
  char* const at = window_ + (offset - window_offset_);
  const auto left = static_cast<std::size_t>(window_ + options_.window_bytes - at);
  preparing_ = true;
  lock.unlock();
  const auto bytes = allocate(offset, std::min(options_.segment_bytes, left));
  const auto mapped = bytes ? map(at, offset, *bytes) : Result<void>();
  lock.lock();
  preparing_ = false;
  const auto kept = bytes && mapped ? keep({at, *bytes}) : Result<void>();
  if (bytes && mapped && kept) {
    allocated_bytes_ = offset + *bytes;
    ++stats_.segments;
    ready_end_.store(at + *bytes, std::memory_order_release);
  } else {
    refuse(!bytes ? bytes.error() : !mapped ? mapped.error() : kept.error());
  }
  writer_wakes_.notify_all();
}

Result<void> RecordingFile::keep(const Piece& piece) noexcept {
  return or_memory_exhausted([&]() -> Result<void> {
    pieces_.push_back(piece);
    return {};
  });
}

// Without the memory for it, later: the next look finds them again.
void RecordingFile::retire() noexcept {
  static_cast<void>(or_memory_exhausted([this]() -> Result<void> {
    retire_published();
    return {};
  }));
  if (!retired_.empty()) sync_wakes_.notify_one();
}

void RecordingFile::retire_published() {
  const char* const published = published_.load(std::memory_order_acquire);
  while (!pieces_.empty() && pieces_.front().at + pieces_.front().bytes <= published) {
    retired_.push_back(pieces_.front());
    pieces_.pop_front();
  }
}

void RecordingFile::populate_ahead() const noexcept {
  const char* const ready = ready_end();
  const char* const published = published_.load(std::memory_order_acquire);
  const auto page = reinterpret_cast<std::uintptr_t>(published) & (kPage_bytes - 1);
  const char* const from = published - page;
  if (from >= ready) return;
  const auto bytes = std::min(kPopulate_bytes, static_cast<std::size_t>(ready - from));
  // Refused at worst because the window has moved meanwhile.
  (void)madvise(const_cast<char*>(from), bytes, MADV_POPULATE_WRITE);
}

void RecordingFile::prepare_loop() noexcept {
  place_helper();
  unsigned looks = 0;
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    retire();
    if (wants_segment()) {
      prepare_segment(lock);
      continue;
    }
    if (++looks % kPopulate_every == 0) {
      lock.unlock();
      populate_ahead();
      lock.lock();
      if (stopping_) break;
    }
    prepare_wakes_.wait_for(lock, kPrepare_interval);
  }
}

void RecordingFile::sync_piece(const Piece& piece) noexcept {
  // Of this range alone: its pages are done with, those being written stay writable.
  if (options_.sync && msync(piece.at, piece.bytes, MS_SYNC) != 0) {
    note_error(system_failure(Errc::recording_failed, "syncing " + options_.path, errno));
  }
  // Back to reserved, so that nothing else of the process comes to lie there.
  void* const given_back = mmap(piece.at, piece.bytes, PROT_NONE,
                                MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
  if (given_back == MAP_FAILED) {
    note_error(system_failure(Errc::recording_failed, "unmapping " + options_.path, errno));
  }
}

void RecordingFile::sync_loop() noexcept {
  place_helper();
  std::unique_lock lock(mutex_);
  while (true) {
    sync_wakes_.wait(lock, [&] { return stopping_ || !retired_.empty(); });
    if (stopping_) return;  // close() syncs the whole file
    const Piece piece = retired_.front();
    retired_.pop_front();
    lock.unlock();
    sync_piece(piece);
    lock.lock();
    ++stats_.segments_synced;
  }
}

void RecordingFile::note_error(const Error& error) noexcept {
  const std::lock_guard lock(mutex_);
  if (!error_) error_ = error;
}

std::optional<Error> RecordingFile::error() const noexcept {
  const std::lock_guard lock(mutex_);
  return error_;
}

RecordingFileStats RecordingFile::stats() const noexcept {
  const std::lock_guard lock(mutex_);
  return stats_;
}

bool RecordingFile::wait_for_room(const char* from, std::size_t bytes,
                                  std::uint64_t wait_ns) noexcept {
  ZW_ASSERT(in_window(from, bytes));
  std::unique_lock lock(mutex_);
  const auto there = [&] { return ready_end_.load() - from >= static_cast<std::ptrdiff_t>(bytes); };
  wanted_end_ = from + bytes;
  prepare_wakes_.notify_one();
  writer_wakes_.wait_for(lock, std::chrono::nanoseconds(wait_ns),
                         [&] { return there() || exhausted_; });
  wanted_end_ = nullptr;
  return there();
}

// Those of the window before are retired; what of it is ready lies in this one too.
Result<void> RecordingFile::begin_pieces(std::size_t ready_bytes) noexcept {
  return or_memory_exhausted([&]() -> Result<void> {
    retired_.insert(retired_.end(), pieces_.begin(), pieces_.end());
    pieces_.clear();
    if (ready_bytes != 0) pieces_.push_back({window_, ready_bytes});
    return {};
  });
}

char* RecordingFile::move_window(std::size_t bytes) noexcept {
  std::unique_lock lock(mutex_);
  writer_wakes_.wait(lock, [&] { return !preparing_; });
  if (exhausted_) return nullptr;
  const char* const published = published_.load();
  const std::uint64_t offset = window_offset_ + static_cast<std::uint64_t>(published - window_);
  const std::uint64_t first = page_floor(offset);
  const auto ready_bytes = static_cast<std::size_t>(allocated_bytes_ - first);
  const auto window_bytes = std::max<std::uint64_t>(options_.window_bytes, page_ceiling(bytes));
  auto moved = reserve(static_cast<std::size_t>(window_bytes));
  if (moved && ready_bytes != 0) moved = map(window_, first, ready_bytes);
  if (moved) moved = begin_pieces(ready_bytes);
  if (!moved) {
    if (!error_) error_ = moved.error();
    exhausted_ = true;
    return nullptr;
  }
  window_offset_ = first;
  char* const at = window_ + (offset - first);
  published_ = at;
  ready_end_ = window_ + ready_bytes;
  sync_wakes_.notify_one();
  prepare_wakes_.notify_one();
  return at;
}

// --- What was written, changed afterwards.

// Under the mutex, without which the helpers give it back. Null: they have.
char* RecordingFile::mapped(std::uint64_t offset, std::size_t bytes) noexcept {
  if (pieces_.empty() || offset < window_offset_) return nullptr;
  // By offsets: an address outside of what is mapped may not even be computed.
  const std::uint64_t from = offset - window_offset_;
  const auto first = static_cast<std::uint64_t>(pieces_.front().at - window_);
  const auto last = static_cast<std::uint64_t>(pieces_.back().at - window_) + pieces_.back().bytes;
  const bool there = from >= first && from <= last && bytes <= last - from;
  return there ? window_ + from : nullptr;
}

// Under the mutex. Less than was asked for is an error too.
bool RecordingFile::is_whole(ssize_t moved, std::size_t bytes, const char* doing) noexcept {
  if (moved == static_cast<ssize_t>(bytes)) return true;
  if (!error_)
    error_ = system_failure(Errc::recording_failed, doing + options_.path, moved < 0 ? errno : EIO);
  return false;
}

bool RecordingFile::read_back(std::uint64_t offset, MutableBytes to) noexcept {
  const std::lock_guard lock(mutex_);
  if (const char* const at = mapped(offset, to.size())) {
    std::memcpy(to.data(), at, to.size());
    return true;
  }
  const ssize_t read = pread(file_, to.data(), to.size(), static_cast<off_t>(offset));
  return is_whole(read, to.size(), "reading ");
}

bool RecordingFile::overwrite(std::uint64_t offset, Bytes from) noexcept {
  const std::lock_guard lock(mutex_);
  if (char* const at = mapped(offset, from.size())) {
    std::memcpy(at, from.data(), from.size());
    return true;
  }
  const ssize_t wrote = pwrite(file_, from.data(), from.size(), static_cast<off_t>(offset));
  return is_whole(wrote, from.size(), "writing ");
}

// The helpers may lengthen it again, by zeros, until close().
void RecordingFile::cut(std::uint64_t offset) noexcept {
  const std::lock_guard lock(mutex_);
  cut_at_ = std::min(cut_at_, offset);
  exhausted_.store(true, std::memory_order_release);
  if (ftruncate(file_, static_cast<off_t>(cut_at_)) == 0 || error_) return;
  error_ = system_failure(Errc::recording_failed, "cutting " + options_.path, errno);
}

Result<void> RecordingFile::close() noexcept {
  if (closed_) return error_ ? Result<void>(tl::unexpected(*error_)) : Result<void>();
  closed_ = true;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    prepare_wakes_.notify_all();
    sync_wakes_.notify_all();
  }
  join(preparer_);
  join(syncer_);
  const bool started = ready_end_.load() != nullptr;
  const std::uint64_t end = started ? std::min(offset_of(published_.load()), cut_at_) : 0;
  for (const Piece& window : windows_) munmap(window.at, window.bytes);
  if (file_ >= 0) {
    int error = 0;
    if (started && ftruncate(file_, static_cast<off_t>(end)) != 0) error = errno;
    if (started && options_.sync && fdatasync(file_) != 0) error = errno;
    ::close(file_);
    if (error != 0 && !error_) {
      error_ = system_failure(Errc::recording_failed, "closing " + options_.path, error);
    }
  }
  if (error_) return tl::unexpected(*error_);
  return {};
}

}  // namespace zenwire::detail
