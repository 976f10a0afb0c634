#pragma once

// TimerQueue: a 4-ary heap of the timers of one reactor.
//
// Why a heap and not a wheel: a wheel's O(1) buys nothing with some thousands of timers that are
// mostly re-armed far ahead, and it rounds; a heap is exact, so "never early" needs no argument.
// Four children a node: half the levels of a binary heap, and four 24-byte entries span two lines.
//
// Timers are intrusive and belong to their owners; the queue holds pointers and the owners' timers
// hold their place in the heap, so that cancel and re-arm find it at once.

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>

#include <zenwire/base/assert.hpp>
#include <zenwire/base/callback.hpp>

namespace zenwire {

// One deadline of its owner's. Neither copied nor moved; must be disarmed before it dies.
class Timer {
 public:
  explicit Timer(Callback<Timer&> callback) noexcept : callback_(callback) {
    ZW_ASSERT(static_cast<bool>(callback));
  }
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;
  ~Timer() { ZW_ASSERT(!armed()); }

  [[nodiscard]] bool armed() const noexcept { return index_ != kNotArmed; }
  // Of the last arming, in the nanoseconds of the clock that the reactor passes down.
  [[nodiscard]] std::uint64_t deadline_ns() const noexcept { return deadline_ns_; }
  // For a journal, which numbers the timers that it watches.
  void set_tag(std::uint32_t tag) noexcept { tag_ = tag; }
  [[nodiscard]] std::uint32_t tag() const noexcept { return tag_; }

 private:
  friend class TimerQueue;
  static constexpr std::uint32_t kNotArmed = std::numeric_limits<std::uint32_t>::max();

  Callback<Timer&> callback_;
  std::uint64_t deadline_ns_ = 0;
  std::uint32_t index_ = kNotArmed;
  std::uint32_t tag_ = 0;
};

// Threads: the reactor's only. Lifetime: outlives its armed timers; empty when it dies. Cost:
// arm, cancel and each expiry O(log4 n); next_deadline_ns() O(1); no allocation after construction.
class TimerQueue {
 public:
  static constexpr std::uint64_t kNever = std::numeric_limits<std::uint64_t>::max();

  // As many timers can be armed at a time; the sum of what their owners hold.
  explicit TimerQueue(std::uint32_t timers_max);
  TimerQueue(const TimerQueue&) = delete;
  TimerQueue& operator=(const TimerQueue&) = delete;
  ~TimerQueue() { ZW_ASSERT(count_ == 0); }

  // Arms it, or moves it when it is armed already (it then counts as armed last). There must be
  // room.
  void arm(Timer& timer, std::uint64_t deadline_ns) noexcept;
  // Disarms it; nothing when it is not armed.
  void cancel(Timer& timer) noexcept;

  // Runs the callbacks of all timers with a deadline at or before `now_ns`, earliest first, and
  // those of one deadline in the order in which they were armed. A timer is disarmed when its
  // callback runs, which may arm, cancel and destroy any timer, its own too. What is armed
  // meanwhile runs in a later call at the earliest, however early its deadline, so the call ends.
  // Returns how many ran. Must not be called from a callback.
  std::size_t expire(std::uint64_t now_ns) noexcept;

  // `around` runs before (true) and after (false) the callback of every timer with a tag, which it
  // is given.
  void watch(Callback<bool, std::uint32_t> around) noexcept { around_ = around; }

  // The earliest deadline, or kNever. May lie in the past.
  [[nodiscard]] std::uint64_t next_deadline_ns() const noexcept {
    return count_ == 0 ? kNever : heap_[0].key_ns;
  }
  [[nodiscard]] std::uint32_t count() const noexcept { return count_; }
  [[nodiscard]] std::uint32_t timers_max() const noexcept { return timers_max_; }

  // Asserts the order of the heap and every back reference. O(n); for tests.
  void invariants() const noexcept;

 private:
  // `order` breaks ties: first armed, first run. 2^64 armings do not happen.
  struct Entry {
    std::uint64_t key_ns;
    std::uint64_t order;
    Timer* timer;

    [[nodiscard]] bool before(const Entry& other) const noexcept {
      return key_ns != other.key_ns ? key_ns < other.key_ns : order < other.order;
    }
  };

  void place(std::uint32_t index, const Entry& entry) noexcept;
  void sift_up(std::uint32_t hole, const Entry& entry) noexcept;
  void sift_down(std::uint32_t hole, const Entry& entry) noexcept;
  void sift(std::uint32_t hole, const Entry& entry) noexcept;
  void remove(std::uint32_t index) noexcept;

  std::unique_ptr<Entry[]> heap_;
  std::uint32_t timers_max_;
  std::uint32_t count_ = 0;
  std::uint64_t order_next_ = 0;
  // Of the expire() that runs; what is armed then sorts at it or later.
  std::uint64_t expiring_ns_ = 0;
  bool expiring_ = false;
  Callback<bool, std::uint32_t> around_{};
};

}  // namespace zenwire
