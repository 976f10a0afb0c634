#pragma once

// MaskingKeys: a fresh unpredictable 32-bit key for every frame sent (RFC 6455, section 5.3), at
// the price of one load.
//
// Keys come from two blocks of cryptographically random bytes. The reactor consumes one while a
// helper thread fills the other:
//
//             next()                               refill()
//   reactor: consumes a block -- state: spent -->  helper: fills it -- state: full --> reactor
//
// Who owns what. A block whose state is `spent` belongs to the helper, any other to the reactor.
// The state is the hand-over: the reactor stores `spent` with release after its last read, the
// helper sees it with acquire and may write; the helper stores `full` with release after its last
// write, the reactor sees it with acquire and may read. One writer at a time on each side, so
// nothing else is atomic.
//
// When the block in use is spent and the other is not full yet (the helper is late, or is filling
// it right now), the reactor refills the one that it just spent, which it has not handed over and
// so still owns; the helper's block stays the helper's. That costs one fill on the hot path and is
// counted; it is never an old key again.
//
// How late the helper may be: a block of 16 KiB lasts 4,096 frames, so at a million frames a second
// a helper that looks every millisecond is in time. The reactor does not wake it: a wake-up is a
// system call.

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

#include <zenwire/base/assert.hpp>
#include <zenwire/base/bytes.hpp>
#include <zenwire/base/callback.hpp>
#include <zenwire/engine/thread_guard.hpp>

namespace zenwire {

// Fills all of it with cryptographically secure random bytes, or does not return.
using RandomFill = Callback<MutableBytes>;

// Threads: next() on the reactor's; refill() on one helper's; statistics from any. Lifetime: the
// fills are borrowed; the helper has stopped when this dies. Cost: next() is a load, a compare and
// an add; both blocks are filled at construction, which allocates.
class MaskingKeys {
 public:
  static constexpr std::size_t kBlock_bytes_default = std::size_t{16} << 10;

  // `fill` runs on the constructing thread and then on the helper's. `fill_inline` runs on the
  // reactor's when both blocks are used up; it may be the same if that may run on two threads at a
  // time. block_bytes is a multiple of 4.
  MaskingKeys(RandomFill fill, RandomFill fill_inline,
              std::size_t block_bytes = kBlock_bytes_default);
  MaskingKeys(const MaskingKeys&) = delete;
  MaskingKeys& operator=(const MaskingKeys&) = delete;

  // Reactor: the next key.
  [[nodiscard]] std::uint32_t next() noexcept {
    reactor_guard_.check();
    if (next_ == end_) [[unlikely]]
      change_block();
    return *next_++;
  }

  // Every key passes `tap`, which may read or change it, before it is given out: for a journal.
  // Each then costs a call. Before the first next().
  void watch(Callback<std::uint32_t&> tap) noexcept {
    tap_ = tap;
    block_end_ = end_;
    end_ = next_;
  }

  // Helper: fills what is spent; true if anything was.
  bool refill() noexcept;

  // Times that the reactor had to fill a block itself.
  [[nodiscard]] std::uint64_t inline_refills() const noexcept {
    return inline_refills_.load(std::memory_order_relaxed);
  }

 private:
  enum class State : std::uint8_t { full, spent };

  struct alignas(64) Block {
    std::atomic<State> state{State::full};
    std::unique_ptr<std::uint32_t[]> keys;
  };

  [[gnu::noinline, gnu::cold]] void change_block() noexcept;
  bool next_watched() noexcept;
  void use(std::size_t block) noexcept;
  [[nodiscard]] MutableBytes bytes_of(Block& block) const noexcept {
    return std::as_writable_bytes(std::span(block.keys.get(), keys_per_block_));
  }

  // The reactor's.
  std::uint32_t* next_ = nullptr;
  const std::uint32_t* end_ = nullptr;
  const std::uint32_t* block_end_ = nullptr;  // when watched: end_ is then one key further
  Callback<std::uint32_t&> tap_{};
  std::size_t current_ = 0;
  std::size_t keys_per_block_;
  RandomFill fill_;
  RandomFill fill_inline_;
  std::atomic<std::uint64_t> inline_refills_{0};
  ThreadGuard reactor_guard_;
  // Passed to and fro.
  std::array<Block, 2> blocks_;
  ThreadGuard helper_guard_;
};

}  // namespace zenwire
