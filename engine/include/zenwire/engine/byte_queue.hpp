#pragma once

// ByteQueue: a lock-free queue of variable-size records from one thread to one other, built so that
// a hop costs the transfer of one cache line.
//
//   producer                                 consumer
//     MutableBytes room = queue.try_claim(n);   Bytes record = queue.try_read();
//     if (room.data() == nullptr) full;         if (record.data() == nullptr) empty;
//     fill room; queue.commit();                use record; queue.release();
//
// The ring is an array of 64-byte lines. A record starts on a line of its own:
//
//   | word | payload ........................ | read padding (64 B) |   rounded up to whole lines
//   ^ 8 B, says "not yet" (0), "n bytes" (n + 1), or "skip to the start" (kSkip)
//
// Why the word lies in the record. The usual ring publishes a tail index, so that the consumer
// fetches two lines for each record: the index, then the bytes (90 ns one way on the machine this
// was written on). Here the consumer waits on the very line that the record will start in, and a
// record of up to 56 bytes comes along with the word (45 ns). The price is that a record takes
// whole lines, and that bulk throughput is half of an index queue's; it is a queue for latency.
//
// Who owns what.
//   tail_         producer only; nobody else ever reads it: the words say it all.
//   head_         written by the consumer, read by the producer, and only when its copy
//                 (cached_head_) says that the ring may be full.
//   lines [head, tail)      the consumer's, record by record, once it has read that record's word.
//   lines [tail, head + C)  the producer's.
//   the word at tail        the producer's to write once and the consumer's to read; always 0
//                           while no record is there.
//
// Why the word at tail is always 0. A word is read at a place where an earlier lap may have left
// payload, and payload is written by strangers: a stale byte pattern could pass for any sequence
// number. So before the producer publishes a record, it zeroes the word behind it. That line must
// be free, hence a claim needs one line more than its record, and the ring never fills completely.
// (It is also the line that the next record is going to need: the store fetches it ahead.)
//
// Why each memory order suffices.
//   commit   stores 0 behind the record (relaxed), then the record's word (release). The consumer
//            loads the word with acquire. So whoever sees the word sees the payload and the zero
//            behind it: it can go on to wait there without meeting an old byte.
//   release  stores head_ (release) after the last read of the record; the producer loads it
//            (acquire) before it writes into those lines. So no payload is overwritten while it is
//            being read.
//   Everything else is touched by one thread only. No store-to-load ordering is needed anywhere,
//   hence no fence and no locked instruction: on x86-64 both sides are plain moves.
//
// At the wrap. A record is contiguous. When it does not fit before the ring's end, the claim zeroes
// the word at the ring's start and publishes a skip word at tail; the consumer follows it without
// telling its caller. The skip stays when the claim is aborted; it holds no record.
//
// Which record always fits. If a record of L lines does not fit before the end, fewer than L lines
// are left there, so skip + record + 1 <= (L - 1) + L + 1 = 2 L lines. An empty ring of C lines
// takes that wherever its tail stands if L <= C / 2; record_bytes_max() is that bound. A larger one
// might fit today and never again, so it is refused always.
//
// Read padding. The kReadPadding_bytes behind a payload are part of the record: a parser that reads
// past the end touches neither a line that the producer is writing (a data race, and a stolen line)
// nor the end of the mapping.
//
// The index type counts lines and may overflow: only differences are used. Tests instantiate
// uint8_t, where it overflows every 256 lines.

#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <type_traits>
#include <utility>

#include <zenwire/base/assert.hpp>
#include <zenwire/base/bytes.hpp>
#include <zenwire/base/error.hpp>
#include <zenwire/base/prefetch.hpp>
#include <zenwire/base/want_of_memory.hpp>
#include <zenwire/engine/mapped_memory.hpp>
#include <zenwire/engine/thread_guard.hpp>

namespace zenwire {

namespace detail {

// Tells the core that this is a spin: the loop leaves the sibling thread its units and does not
// mispredict its own end.
inline void spin_pause() noexcept {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

}  // namespace detail

// What a batch reader's handler says of the record that it was given.
enum class ReadVerdict : std::uint8_t {
  next,  // consumed; go on
  last,  // consumed; stop
  keep,  // not consumed: it stays in front; stop
};

// Threads: one producer (try_claim, commit, abort, has_room, lines used), one consumer (try_read,
// release, read_batch, spin_read); debug builds catch a third. Lifetime: views and claims die at
// release, commit or abort, and with the queue. Cost: two stores and two predictable branches on
// each side; no allocation, lock, fence or system call after construction.
template <typename Index = std::uint64_t>
class ByteQueue {
  static_assert(std::is_unsigned_v<Index>, "positions wrap, and only unsigned ones may");

 public:
  static constexpr std::size_t kLine_bytes = detail::kCacheLine_bytes;
  static constexpr std::size_t kWord_bytes = sizeof(std::uint64_t);
  static constexpr std::size_t kRecordOverhead_bytes = kWord_bytes + kReadPadding_bytes;
  static constexpr std::size_t kCapacity_bytes_min = 4 * kLine_bytes;
  // Half of what the index can tell apart, so that full and empty differ.
  static constexpr std::size_t kCapacity_lines_max =
      (std::size_t{std::numeric_limits<Index>::max()} >> 1) + 1;

  // The ring is the whole of `memory`, which must be zeroed: a power of two of bytes from
  // kCapacity_bytes_min to kCapacity_lines_max lines.
  explicit ByteQueue(MappedMemory memory) noexcept;

  // Errors: invalid_option for a capacity out of those bounds; memory_exhausted.
  static Result<std::unique_ptr<ByteQueue>> make(std::size_t capacity_bytes,
                                                 MappedMemoryOptions options = {}) noexcept;
  // Memory for a queue that takes records of at least `record_bytes`. The same errors, and
  // invalid_option when the capacity is too small for such a record.
  static Result<MappedMemory> make_memory(std::size_t capacity_bytes, std::size_t record_bytes,
                                          MappedMemoryOptions options) noexcept;

  ByteQueue(const ByteQueue&) = delete;
  ByteQueue& operator=(const ByteQueue&) = delete;

  [[nodiscard]] std::size_t capacity_bytes() const noexcept {
    return capacity_lines() * kLine_bytes;
  }
  // The largest record, in payload bytes. It fits whenever the ring is empty.
  [[nodiscard]] std::size_t record_bytes_max() const noexcept {
    return capacity_bytes() / 2 - kRecordOverhead_bytes;
  }

  // Producer: room for a record of `bytes` (0 is a record too), or a span whose data() is null when
  // there is none. `bytes` up to record_bytes_max(). One claim at a time.
  [[nodiscard]] MutableBytes try_claim(std::size_t bytes) noexcept;
  // Publishes the claim; the second form its first `bytes` only.
  void commit() noexcept { commit(claimed_bytes_); }
  void commit(std::size_t bytes) noexcept;
  // Forgets the claim; the consumer never learns of it.
  void abort() noexcept;
  // Producer: whether try_claim(bytes) would find room now. Looks at the consumer's index each
  // time, so it is for polling after a refusal, not for asking before each claim.
  [[nodiscard]] bool has_room(std::size_t bytes) noexcept;
  // Producer: what is in use now, in bytes. Fetches the consumer's line: not for every record.
  [[nodiscard]] std::size_t used_bytes() const noexcept {
    return distance(head_.load(std::memory_order_acquire), tail_) * kLine_bytes;
  }
  // Producer: the most that was ever in use, in bytes. Exact above a sixteenth of the capacity;
  // below, it is that sixteenth: to know better, each claim would have to fetch the consumer's
  // line.
  [[nodiscard]] std::size_t high_water_bytes() const noexcept {
    return reload_above_lines_ * kLine_bytes;
  }

  // Consumer: the payload of the front record, or data() == nullptr when there is none. Asked again
  // before release(), it answers the same.
  [[nodiscard]] Bytes try_read() noexcept;
  // Consumer: gives the front record's lines back; try_read() must have returned it.
  void release() noexcept;
  // Consumer: hands up to `count_max` records to handler(Bytes) -> ReadVerdict, publishes the freed
  // room once (or every quarter of the ring), and returns how many were consumed.
  template <typename Handler>
  std::size_t read_batch(Handler&& handler, std::size_t count_max) noexcept;
  // Consumer: spins until there is a record or stop() is true (then data() == nullptr).
  template <typename Stop>
  [[nodiscard]] Bytes spin_read(Stop&& stop) noexcept;

  // Let another thread take a side over; the hand-over itself must order memory.
  void unbind_producer() noexcept { producer_guard_.unbind(); }
  void unbind_consumer() noexcept { consumer_guard_.unbind(); }

 private:
  // Not the line at tail: the consumer is waiting on it, and would only take it back.
  static constexpr std::size_t kPrefetch_lines = 4;
  static constexpr std::uint64_t kNotYet = 0;
  static constexpr std::uint64_t kSkip = std::numeric_limits<std::uint64_t>::max();

  static constexpr Index advance(Index position, std::size_t lines) noexcept {
    return static_cast<Index>(position + static_cast<Index>(lines));
  }
  static constexpr std::size_t distance(Index from, Index to) noexcept {
    return static_cast<Index>(to - from);
  }
  static constexpr std::size_t lines_of(std::size_t bytes) noexcept {
    return (bytes + kRecordOverhead_bytes + kLine_bytes - 1) / kLine_bytes;
  }

  [[nodiscard]] std::size_t capacity_lines() const noexcept { return mask_ + 1; }
  [[nodiscard]] std::size_t line_of(Index position) const noexcept { return position & mask_; }
  [[nodiscard]] std::size_t lines_to_end(Index position) const noexcept {
    return capacity_lines() - line_of(position);
  }
  [[nodiscard]] std::byte* at(Index position) const noexcept {
    return ring_ + line_of(position) * kLine_bytes;
  }
  [[nodiscard]] std::atomic_ref<std::uint64_t> word(Index position) const noexcept {
    return std::atomic_ref<std::uint64_t>(*reinterpret_cast<std::uint64_t*>(at(position)));
  }

  // Lines that a claim of `lines` takes from the producer's: the skip before it, itself, and the
  // line behind it that holds the next word.
  [[nodiscard]] std::size_t lines_needed(std::size_t lines) const noexcept {
    const std::size_t to_end = lines_to_end(tail_);
    return lines + 1 + (lines > to_end ? to_end : 0);
  }
  [[gnu::noinline, gnu::cold]] bool reload_head(std::size_t needed_lines) noexcept;
  [[gnu::noinline, gnu::cold]] void skip_to_start() noexcept;
  [[nodiscard]] std::uint64_t front_word(Index& position) noexcept;

  // Read by both sides, written by neither.
  MappedMemory memory_;
  std::byte* ring_;
  std::size_t mask_;

  // The producer's line.
  alignas(kLine_bytes) Index tail_ = 0;
  Index cached_head_ = 0;
  bool claimed_ = false;
  std::size_t claimed_bytes_ = 0;
  // In use beyond this (by cached_head_): look at head_. It is the high-water mark too, so that one
  // branch of the hot path serves both.
  std::size_t reload_above_lines_;
  ThreadGuard producer_guard_;

  // The consumer's line.
  alignas(kLine_bytes) std::atomic<Index> head_{0};
  std::size_t front_lines_ = 0;
  ThreadGuard consumer_guard_;
};

template <typename Index>
ByteQueue<Index>::ByteQueue(MappedMemory memory) noexcept
    : memory_(std::move(memory)),
      ring_(memory_.data()),
      mask_(memory_.bytes() / kLine_bytes - 1),
      reload_above_lines_(memory_.bytes() / kLine_bytes / 16) {
  ZW_ASSERT(std::has_single_bit(memory_.bytes()) && memory_.bytes() >= kCapacity_bytes_min);
  ZW_ASSERT(capacity_lines() <= kCapacity_lines_max);
}

template <typename Index>
Result<MappedMemory> ByteQueue<Index>::make_memory(std::size_t capacity_bytes,
                                                   std::size_t record_bytes,
                                                   MappedMemoryOptions options) noexcept {
  if (!std::has_single_bit(capacity_bytes) || capacity_bytes < kCapacity_bytes_min ||
      capacity_bytes / kLine_bytes > kCapacity_lines_max) {
    return fail(Errc::invalid_option, "queue capacity: a power of two of bytes, 256 or more");
  }
  if (capacity_bytes / 2 - kRecordOverhead_bytes < record_bytes) {
    return fail(Errc::invalid_option, "queue capacity: too small for one record");
  }
  return MappedMemory::make(capacity_bytes, options);
}

template <typename Index>
Result<std::unique_ptr<ByteQueue<Index>>> ByteQueue<Index>::make(
    std::size_t capacity_bytes, MappedMemoryOptions options) noexcept {
  return or_memory_exhausted([&]() -> Result<std::unique_ptr<ByteQueue>> {
    Result<MappedMemory> memory = make_memory(capacity_bytes, 0, options);
    if (!memory) return tl::unexpected<Error>(memory.error());
    return std::make_unique<ByteQueue>(std::move(*memory));
  });
}

template <typename Index>
MutableBytes ByteQueue<Index>::try_claim(std::size_t bytes) noexcept {
  producer_guard_.check();
  ZW_DEBUG_ASSERT(!claimed_);
  ZW_ASSERT(bytes <= record_bytes_max());
  const std::size_t lines = lines_of(bytes);
  const std::size_t needed = lines_needed(lines);
  if (distance(cached_head_, tail_) + needed > reload_above_lines_) [[unlikely]] {
    if (!reload_head(needed)) return {};
  }
  if (lines > lines_to_end(tail_)) [[unlikely]]
    skip_to_start();
  claimed_ = true;
  claimed_bytes_ = bytes;
  return {at(tail_) + kWord_bytes, bytes};
}

template <typename Index>
void ByteQueue<Index>::commit(std::size_t bytes) noexcept {
  ZW_DEBUG_ASSERT(claimed_);
  ZW_ASSERT(bytes <= claimed_bytes_);
  const Index next = advance(tail_, lines_of(bytes));
  word(next).store(kNotYet, std::memory_order_relaxed);
  word(tail_).store(bytes + 1, std::memory_order_release);
  tail_ = next;
  claimed_ = false;
  // The consumer read these lines a lap ago and its cache still holds them. Asked for now, between
  // two messages, they do not hold up the next record: in a burst half the time of a record.
  for (std::size_t ahead = 1; ahead <= kPrefetch_lines; ++ahead) {
    detail::prefetch_for_write(at(advance(tail_, ahead)));
  }
}

template <typename Index>
void ByteQueue<Index>::abort() noexcept {
  ZW_DEBUG_ASSERT(claimed_);
  claimed_ = false;
}

template <typename Index>
bool ByteQueue<Index>::has_room(std::size_t bytes) noexcept {
  producer_guard_.check();
  ZW_ASSERT(bytes <= record_bytes_max());
  cached_head_ = head_.load(std::memory_order_acquire);
  return distance(cached_head_, tail_) + lines_needed(lines_of(bytes)) <= capacity_lines();
}

// Tempting: to load head_ on every claim. That would fetch the consumer's line each time.
template <typename Index>
bool ByteQueue<Index>::reload_head(std::size_t needed_lines) noexcept {
  cached_head_ = head_.load(std::memory_order_acquire);
  const std::size_t used = distance(cached_head_, tail_) + needed_lines;
  if (used > capacity_lines()) return false;
  if (used > reload_above_lines_) reload_above_lines_ = used;
  return true;
}

template <typename Index>
void ByteQueue<Index>::skip_to_start() noexcept {
  const Index start = advance(tail_, lines_to_end(tail_));
  ZW_ASSERT(line_of(start) == 0);
  word(start).store(kNotYet, std::memory_order_relaxed);
  word(tail_).store(kSkip, std::memory_order_release);
  tail_ = start;
}

// The first word at or after `position` that is not a skip; `position` moves to it.
template <typename Index>
std::uint64_t ByteQueue<Index>::front_word(Index& position) noexcept {
  std::uint64_t value = word(position).load(std::memory_order_acquire);
  if (value == kSkip) [[unlikely]] {
    position = advance(position, lines_to_end(position));
    value = word(position).load(std::memory_order_acquire);
    ZW_ASSERT(value != kSkip);
  }
  return value;
}

template <typename Index>
Bytes ByteQueue<Index>::try_read() noexcept {
  consumer_guard_.check();
  Index position = head_.load(std::memory_order_relaxed);
  const Index before = position;
  const std::uint64_t value = front_word(position);
  if (position != before) [[unlikely]]
    head_.store(position, std::memory_order_release);
  if (value == kNotYet) return {};
  const std::size_t bytes = value - 1;
  front_lines_ = lines_of(bytes);
  return {at(position) + kWord_bytes, bytes};
}

template <typename Index>
void ByteQueue<Index>::release() noexcept {
  consumer_guard_.check();
  ZW_ASSERT(front_lines_ != 0);
  const Index position = head_.load(std::memory_order_relaxed);
  head_.store(advance(position, front_lines_), std::memory_order_release);
  front_lines_ = 0;
}

template <typename Index>
template <typename Handler>
std::size_t ByteQueue<Index>::read_batch(Handler&& handler, std::size_t count_max) noexcept {
  consumer_guard_.check();
  ZW_DEBUG_ASSERT(front_lines_ == 0);
  Index published = head_.load(std::memory_order_relaxed);
  Index position = published;
  std::size_t count = 0;
  ReadVerdict verdict = ReadVerdict::next;
  while (count < count_max && verdict == ReadVerdict::next) {
    const std::uint64_t value = front_word(position);
    if (value == kNotYet) break;
    verdict = handler(Bytes{at(position) + kWord_bytes, value - 1});
    if (verdict == ReadVerdict::keep) break;
    position = advance(position, lines_of(value - 1));
    ++count;
    if (distance(published, position) > capacity_lines() / 4) {
      head_.store(position, std::memory_order_release);
      published = position;
    }
  }
  if (position != published) head_.store(position, std::memory_order_release);
  return count;
}

template <typename Index>
template <typename Stop>
Bytes ByteQueue<Index>::spin_read(Stop&& stop) noexcept {
  for (;;) {
    const Bytes record = try_read();
    if (record.data() != nullptr) return record;
    if (stop()) return {};
    detail::spin_pause();
  }
}

}  // namespace zenwire
