#pragma once

// RecordingFile: the file under a Recorder, as memory that is ready to be written before it is
// needed. recorder.hpp tells the idea.
//
// The file appears in a window of reserved address space, one segment behind the other, so that a
// line may cross segments with a plain copy:
//
//     |  retired: synced, given back  |  being written  |  prepared  |  reserved, not mapped  |
//     window                     published           writer       ready_end
//
// Threads: open and close on any; `published`, wait_for_room and move_window are the writer's. The
// helpers share the rest under a mutex, which the writer takes only when it has run out of room.

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include <pthread.h>

#include <zenwire/base/bytes.hpp>
#include <zenwire/base/error.hpp>
#include <zenwire/engine/recorder.hpp>

#include "recording_tail.hpp"

namespace zenwire::detail {

struct RecordingFileStats {
  std::uint64_t segments = 0;
  std::uint64_t segments_synced = 0;
  std::uint64_t torn_bytes = 0;
};

class RecordingFile {
 public:
  static Result<std::unique_ptr<RecordingFile>> open(const RecorderOptions& options);

  RecordingFile(const RecordingFile&) = delete;
  RecordingFile& operator=(const RecordingFile&) = delete;
  ~RecordingFile();

  [[nodiscard]] const RecordingTail& tail() const noexcept { return tail_; }

  // Where the next byte goes when the file was just opened.
  [[nodiscard]] char* begin() const noexcept {
    return window_ + (tail_.whole_bytes - window_offset_);
  }

  // Memory below this may be written.
  [[nodiscard]] char* ready_end() const noexcept {
    return ready_end_.load(std::memory_order_acquire);
  }

  // All below `end` is complete: the helpers may retire it. Returns its place in the file.
  std::uint64_t publish(const char* end) noexcept {
    published_.store(end, std::memory_order_release);
    return window_offset_ + static_cast<std::uint64_t>(end - window_);
  }

  // Waits until `bytes` from `from` are ready, or there is an error, or `wait_ns` have passed.
  bool wait_for_room(const char* from, std::size_t bytes, std::uint64_t wait_ns) noexcept;

  // Whether `bytes` from `from` lie within the window, ready or not.
  [[nodiscard]] bool in_window(const char* from, std::size_t bytes) const noexcept {
    return static_cast<std::size_t>(window_ + options_.window_bytes - from) >= bytes;
  }

  // Reserves another window of at least `bytes` that begins at the page of `published`, which all
  // before it is. Returns the new place of `published`, or null on an error, which is then error().
  char* move_window(std::size_t bytes) noexcept;

  // --- For whoever must change afterwards what was written. Rare: it takes the mutex, and a system
  // call where the helpers have given the memory back. The writer's.

  // Where `at`, in the window, lies in the file.
  [[nodiscard]] std::uint64_t offset_of(const char* at) const noexcept {
    return window_offset_ + static_cast<std::uint64_t>(at - window_);
  }
  // False: the file refuses, see error().
  bool read_back(std::uint64_t offset, MutableBytes to) noexcept;
  bool overwrite(std::uint64_t offset, Bytes from) noexcept;
  // Cuts the file at `offset`, at once. Nothing may be written any more.
  void cut(std::uint64_t offset) noexcept;

  // No more room will come.
  [[nodiscard]] bool exhausted() const noexcept {
    return exhausted_.load(std::memory_order_acquire);
  }
  // The first error of room or syncing.
  [[nodiscard]] std::optional<Error> error() const noexcept;

  [[nodiscard]] RecordingFileStats stats() const noexcept;

  // Ends the helpers, cuts the file behind `published`.
  Result<void> close() noexcept;

 private:
  struct Piece {  // of the file, mapped
    char* at = nullptr;
    std::size_t bytes = 0;
  };
  struct Thread {
    pthread_t id{};
    bool running = false;
  };

  explicit RecordingFile(const RecorderOptions& options);

  Result<void> open_file();
  Result<void> recover();
  Result<void> start();
  Result<void> start_thread(Thread& thread, void* (*body)(void*), const char* name);
  void join(Thread& thread) noexcept;

  Result<void> reserve(std::size_t bytes) noexcept;
  Result<void> map(char* at, std::uint64_t offset, std::size_t bytes) noexcept;
  Result<void> prepare_first() noexcept;
  Result<std::size_t> allocate(std::uint64_t offset, std::size_t bytes) noexcept;
  int allocate_exactly(std::uint64_t offset, std::size_t bytes) noexcept;
  int write_zeros(std::uint64_t offset, std::size_t bytes) noexcept;

  void prepare_loop() noexcept;
  void sync_loop() noexcept;
  bool wants_segment() noexcept;
  void prepare_segment(std::unique_lock<std::mutex>& lock) noexcept;
  void refuse(const Error& error) noexcept;
  Result<void> keep(const Piece& piece) noexcept;
  Result<void> begin_pieces(std::size_t ready_bytes) noexcept;
  void retire() noexcept;
  void retire_published();
  void populate_ahead() const noexcept;
  void sync_piece(const Piece& piece) noexcept;
  void place_helper() const noexcept;
  void note_error(const Error& error) noexcept;
  [[nodiscard]] char* mapped(std::uint64_t offset, std::size_t bytes) noexcept;
  bool is_whole(ssize_t moved, std::size_t bytes, const char* doing) noexcept;

  RecorderOptions options_;
  int file_ = -1;
  RecordingTail tail_;

  // The writer's, and the helpers' to read.
  alignas(64) std::atomic<const char*> published_{nullptr};
  alignas(64) std::atomic<char*> ready_end_{nullptr};
  std::atomic<bool> exhausted_{false};

  // Changed under the mutex; window_ and window_offset_ only while the writer waits.
  mutable std::mutex mutex_;
  std::condition_variable prepare_wakes_;
  std::condition_variable sync_wakes_;
  std::condition_variable writer_wakes_;
  char* window_ = nullptr;
  std::uint64_t window_offset_ = 0;    // of the window's first byte in the file
  std::uint64_t allocated_bytes_ = 0;  // of the file
  std::uint64_t cut_at_ = ~std::uint64_t{0};
  const char* wanted_end_ = nullptr;  // room up to here is being waited for
  bool stopping_ = false;
  bool preparing_ = false;  // a segment is being prepared, outside the mutex
  unsigned rest_ = 0;       // rounds until a full disk is tried again
  bool closed_ = false;
  std::deque<Piece> pieces_;    // mapped, not retired
  std::deque<Piece> retired_;   // to be synced and given back
  std::vector<Piece> windows_;  // reservations, the last in use
  std::optional<Error> error_;
  RecordingFileStats stats_;
  Thread preparer_;
  Thread syncer_;
};

}  // namespace zenwire::detail
