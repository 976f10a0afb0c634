#pragma once

// LatestTable: "keep the latest per key" between the reactor and a strategy thread. A slow strategy
// finds the newest value of each key that changed, each once; what it missed between is counted,
// never queued. The producer never waits and never finds it full.
//
// The key is a dense index that the user gives (an instrument's number): a cell each.
//
//   cell:  | sequence | queued | payload size, header, payload (64-bit words) |
//   ring:  the indices of the cells that changed since the consumer last looked, oldest first
//
// The cell is a sequence lock. The producer makes `sequence` odd, writes the words, makes it even.
// The consumer reads sequence, words, sequence: two equal even values mean that what it copied is
// one value. The words are atomics, since they are read while they are being written and a plain
// access would be a data race however the result is then thrown away.
//   Producer: sequence = odd (relaxed); each word (release); sequence = even (release).
//   Consumer: sequence (acquire); each word (acquire); sequence again (relaxed).
// If the consumer got any word of a newer write, that word's release-acquire pair shows it the odd
// sequence which came before, so its second look differs from its first. If it got an older word
// than its first look promises: excluded by that look's own acquire. On x86-64 all of these are
// plain moves; fences would give the same code, but ThreadSanitizer does not understand fences.
//
// The ring. A cell's index is in the ring at most once: the producer exchanges `queued` to true
// after writing the cell and pushes the index only if it was false; the consumer takes the index
// out and exchanges `queued` to false before it reads the cell. Both are read-modify-writes
// (acquire and release) of one variable, so they are ordered:
//   - the producer's exchange came first (it saw true): the consumer's reads from it, and so sees
//     the producer's write. Nothing is missed.
//   - the consumer's came first (the producer saw false): the index is pushed again. The consumer
//     may have read the new value already; it knows by the sequence that this is no news and
//     skips it.
// A load and a store instead of the exchanges would need store-to-load ordering on both sides; that
// is the classical way to lose the last update.
// The ring has room for every cell, so it never overflows. A slot holds index + 1, and 0 when
// empty. The consumer empties a slot before its exchange, and the producer comes back to that slot
// only after it saw at least one exchange per earlier use of the ring beyond the number of cells;
// the consumer does them in order, so the slot was emptied before.
//
// A torn read (the producer was in the cell) is retried a few times, then left: the producer's
// write ends with an exchange that comes after ours, so the index is pushed again. So neither side
// ever waits for the other.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

#include <zenwire/base/assert.hpp>
#include <zenwire/base/bytes.hpp>
#include <zenwire/base/error.hpp>
#include <zenwire/engine/mapped_memory.hpp>
#include <zenwire/engine/message_header.hpp>
#include <zenwire/engine/thread_guard.hpp>

namespace zenwire {

struct LatestTableOptions {
  std::uint32_t cells = 0;
  std::size_t payload_bytes_max = 0;
  MappedMemoryOptions memory = {};
};

// What the consumer sees: a copy in the table's own buffer, until the next try_read().
struct LatestView {
  std::uint32_t cell = 0;
  std::uint32_t conflated = 0;  // values of this cell that were overwritten unseen before this one
  const MessageHeader* header = nullptr;
  Bytes payload;  // followed by kReadPadding_bytes that may be read

  // False: nothing has changed.
  explicit operator bool() const noexcept { return header != nullptr; }
};

// Threads: the reactor publishes, one strategy thread reads. Lifetime: a view dies at the next
// try_read(). Cost: publish copies the payload in words and makes one locked exchange (5 to 20 ns
// with 256 bytes); try_read copies it once more. No allocation after construction.
class LatestTable {
 public:
  // Errors: invalid_option when a number is 0 or the sum is absurd; memory_exhausted.
  static Result<std::unique_ptr<LatestTable>> make(const LatestTableOptions& options) noexcept;

  LatestTable(MappedMemory memory, std::uint32_t cells, std::size_t payload_bytes_max);
  LatestTable(const LatestTable&) = delete;
  LatestTable& operator=(const LatestTable&) = delete;

  // Reactor: makes this the cell's value. False when the payload is larger than
  // payload_bytes_max(): then the cell keeps its old value and it is counted. header.payload_bytes
  // is set here, and dropped_before to the values that were overwritten unseen.
  bool publish(std::uint32_t cell, const MessageHeader& header, Bytes payload) noexcept;

  // Strategy: the next cell that changed, longest waiting first, or a false view.
  [[nodiscard]] LatestView try_read() noexcept;

  [[nodiscard]] std::uint32_t cells() const noexcept { return cells_; }
  [[nodiscard]] std::size_t payload_bytes_max() const noexcept { return payload_bytes_max_; }

  // Any thread: values published; refused as too large; overwritten before they were seen.
  [[nodiscard]] std::uint64_t published() const noexcept {
    return published_.load(std::memory_order_relaxed);
  }
  [[nodiscard]] std::uint64_t too_large() const noexcept {
    return too_large_.load(std::memory_order_relaxed);
  }
  [[nodiscard]] std::uint64_t conflated() const noexcept {
    return conflated_.load(std::memory_order_relaxed);
  }

  // Bytes of memory that a table of these numbers needs.
  static std::size_t memory_bytes(std::uint32_t cells, std::size_t payload_bytes_max) noexcept;

  void unbind_producer() noexcept { producer_guard_.unbind(); }
  void unbind_consumer() noexcept { consumer_guard_.unbind(); }

 private:
  using Word = std::uint64_t;
  static constexpr std::size_t kLine_bytes = 64;
  static constexpr std::size_t kHeader_words = sizeof(MessageHeader) / sizeof(Word);
  static_assert(sizeof(MessageHeader) % sizeof(Word) == 0);
  static constexpr int kTries_max = 4;

  // The head of a cell. Sequence, flag and header share a line, as one change touches them all.
  struct Cell {
    std::atomic<Word> sequence;
    std::atomic<std::uint32_t> queued;
    std::uint32_t unused;
  };
  static_assert(sizeof(Cell) == 2 * sizeof(Word));

  static constexpr std::size_t stride_bytes(std::size_t payload_bytes_max) noexcept;
  static constexpr std::size_t ring_slots(std::uint32_t cells) noexcept;
  static constexpr std::size_t words_of(std::size_t bytes) noexcept {
    return (bytes + sizeof(Word) - 1) / sizeof(Word);
  }

  [[nodiscard]] Cell& cell_at(std::uint32_t cell) const noexcept;
  [[nodiscard]] std::atomic_ref<std::uint32_t> slot_at(std::uint64_t position) const noexcept;
  static Word* words_behind(Cell& cell) noexcept;
  static void store_words(Word* to, Bytes bytes) noexcept;
  static void load_words(Word* from, std::size_t words, std::byte* to) noexcept;
  void push(std::uint32_t cell) noexcept;
  bool pop(std::uint32_t& cell) noexcept;
  bool copy_out(std::uint32_t cell, Word& sequence) noexcept;
  LatestView view_of(std::uint32_t cell, Word sequence) noexcept;

  MappedMemory memory_;
  std::uint32_t cells_;
  std::size_t payload_bytes_max_;
  std::size_t stride_bytes_;
  std::byte* cells_base_;
  std::byte* ring_base_;
  std::uint64_t ring_mask_;

  // The producer's.
  alignas(kLine_bytes) std::uint64_t tail_ = 0;
  std::atomic<std::uint64_t> published_{0};
  std::atomic<std::uint64_t> too_large_{0};
  ThreadGuard producer_guard_;

  // The consumer's.
  alignas(kLine_bytes) std::uint64_t head_ = 0;
  std::unique_ptr<Word[]> seen_;       // per cell, the sequence of the value last returned
  MessageHeader header_;               // of the value under way
  std::unique_ptr<std::byte[]> copy_;  // its payload and the read padding
  std::atomic<std::uint64_t> conflated_{0};
  ThreadGuard consumer_guard_;
};

}  // namespace zenwire
