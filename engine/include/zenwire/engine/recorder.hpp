#pragma once

// Recorder: appends messages and events to a recording (record.hpp says what is in it) as they
// pass, from the reactor's thread.
//
// How it is fast and yet safe. The file is mapped, and an append formats the line straight into the
// mapping: what was written belongs to the kernel at once, so a process killed the next moment has
// lost nothing but the line that it was in. A helper thread keeps the next segments of the file
// allocated, mapped and faulted in ahead of the writer; another syncs and unmaps those behind it.
// They are two because one that syncs (20 ms and more) lets the writer run out of room. Only the
// range of a retired segment is synced: syncing the file would write-protect the pages being
// written, and each of them would then fault.
//
// Nothing lost: when the writer catches up with the helper, append() waits for it, no longer than
// stall_ns_max, and counts the stall. Then, and when the disk is full, records are dropped and
// counted; an `overflow` event in the file says how many, and error() why. Allocated blocks are a
// condition for writing, so a full disk is that error and never a SIGBUS.
//
// A line is complete when its newline is there, and nothing that is ever written behind the last
// newline has one: so whatever moment the process ends at, the file is whole lines, then at most
// one torn line, then zeros. open() appends behind the whole lines; close() cuts the file there.
//
// Threads: one thread appends; stats() and error() from any. Open and close elsewhere if the
// appending thread must not make system calls. Do not fork with one open.
// Power loss: what is synced survives, that is all but the last segments_ahead + 1 segments and
// what the kernel wrote back by itself.
// Cost of append: 256 bytes of JSON in 20 to 50 ns; no allocation, no lock, no system call.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include <zenwire/base/error.hpp>
#include <zenwire/engine/record.hpp>

namespace zenwire {

struct RecorderOptions {
  // Created if missing; appended to otherwise.
  std::string path = {};
  // The step in which the file grows; rounded up to pages. 64 KiB to 1 GiB.
  std::size_t segment_bytes = std::size_t{8} << 20;
  // Segments kept ready beyond the one being written. 1 to 64. Together they should hold what
  // arrives while the disk stalls.
  unsigned segments_ahead = 2;
  // Sync each segment when it is full, and the rest on close().
  bool sync = true;
  // How long one append may wait for room; 0: never, drop at once.
  std::uint64_t stall_ns_max = 250'000'000;
  // A small file, mapped shared, in which RecorderStatus is kept up to date. Empty: none.
  std::string status_path = {};
  // Processor for the helper threads; -1: any but the one to which the opening thread is pinned.
  int helper_cpu = -1;
  // False: allocate by writing zeros, for a file system whose fallocate() does not keep its word.
  // It is done so anyway where there is no fallocate().
  bool fallocate = true;
  // Address space mapped at a time. Passing it costs one stall. At least 8 segments.
  std::size_t window_bytes = std::size_t{64} << 30;
};

// How far a recorder is, as it stands in the status file: after each append, before it returns.
struct RecorderStatus {
  std::uint64_t magic = kMagic;
  std::uint64_t records = 0;  // completed by this recorder; events are not records
  std::uint64_t events = 0;
  std::uint64_t bytes = 0;  // where the last complete line ends in the file
  std::uint64_t dropped = 0;
  std::uint64_t dropped_bytes = 0;  // of their payloads

  static constexpr std::uint64_t kMagic = 0x3174617473777a7f;  // "\x7fzwstat1"
};

struct RecorderStats {
  RecorderStatus status;
  std::uint64_t stalls = 0;      // appends that had to wait
  std::uint64_t stalled_ns = 0;  // for how long, together
  std::uint64_t stalled_ns_max = 0;
  std::uint64_t segments = 0;  // prepared
  std::uint64_t segments_synced = 0;
  std::uint64_t torn_bytes = 0;  // cut off an unfinished line when the file was opened
};

class Recorder {
 public:
  // Starts the helper threads; the first segment is ready when it returns. A torn last line is cut
  // off, which the first line written then says (event `recovered`, number torn_bytes).
  // Errors: recording_unwritable (path, permission, not a regular file), recording_busy (another
  // recorder has it), recording_malformed (the file is something else), recording_disk_full,
  // recording_failed, invalid_option.
  static Result<Recorder> open(const RecorderOptions& options);

  Recorder(Recorder&&) noexcept;
  Recorder& operator=(Recorder&&) noexcept;
  ~Recorder();  // close(), its error ignored

  // One line. A message of any size: also one larger than a segment.
  void append(const RecordView& record) noexcept;

  // One line. The name and the names of numbers are cut at 64 bytes, the reason at 1 KiB; up to 16
  // numbers.
  void event(const EventView& event) noexcept;

  [[nodiscard]] RecorderStats stats() const noexcept;

  // Why nothing is recorded any more, or why what was recorded could not be synced; once there it
  // stays. recording_disk_full or recording_failed.
  [[nodiscard]] std::optional<Error> error() const noexcept;

  // Cuts the file behind its last line, syncs, ends the helper threads. Returns error(). No append
  // after it; a second close does nothing.
  Result<void> close() noexcept;

 private:
  class Writer;
  explicit Recorder(std::unique_ptr<Writer> writer) noexcept;
  std::unique_ptr<Writer> writer_;
};

}  // namespace zenwire
