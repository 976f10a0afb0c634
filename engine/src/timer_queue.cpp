#include <algorithm>

#include <zenwire/engine/timer_queue.hpp>

namespace zenwire {
namespace {

constexpr std::uint32_t kChildren = 4;

constexpr std::uint32_t parent_of(std::uint32_t index) noexcept {
  return (index - 1) / kChildren;
}

constexpr std::uint32_t first_child_of(std::uint32_t index) noexcept {
  return index * kChildren + 1;
}

}  // namespace

TimerQueue::TimerQueue(std::uint32_t timers_max)
    : heap_(std::make_unique<Entry[]>(timers_max)), timers_max_(timers_max) {
  ZW_ASSERT(timers_max > 0 && timers_max < std::numeric_limits<std::uint32_t>::max() / kChildren);
}

void TimerQueue::arm(Timer& timer, std::uint64_t deadline_ns) noexcept {
  ZW_ASSERT(deadline_ns != kNever);
  // A deadline that has passed already is due now. Sorted by its own value it would run before
  // timers that were due when expire() began; sorted at `now`, and by order behind all of those,
  // it ends the run when it reaches the top.
  const Entry entry{expiring_ ? std::max(deadline_ns, expiring_ns_) : deadline_ns, order_next_++,
                    &timer};
  timer.deadline_ns_ = deadline_ns;
  if (timer.armed()) {
    ZW_ASSERT(timer.index_ < count_ && heap_[timer.index_].timer == &timer);
    sift(timer.index_, entry);
    return;
  }
  ZW_ASSERT(count_ < timers_max_);
  sift_up(count_++, entry);
}

void TimerQueue::cancel(Timer& timer) noexcept {
  if (!timer.armed()) return;
  ZW_ASSERT(timer.index_ < count_ && heap_[timer.index_].timer == &timer);
  remove(timer.index_);
}

std::size_t TimerQueue::expire(std::uint64_t now_ns) noexcept {
  ZW_ASSERT(!expiring_);
  const std::uint64_t order_end = order_next_;
  std::size_t ran = 0;
  expiring_ = true;
  expiring_ns_ = now_ns;
  while (count_ != 0 && heap_[0].key_ns <= now_ns && heap_[0].order < order_end) {
    Timer& timer = *heap_[0].timer;
    remove(0);
    // The callback may destroy the timer: it is a copy that runs.
    const Callback<Timer&> callback = timer.callback_;
    const std::uint32_t tag = around_ ? timer.tag() : 0;
    if (tag != 0) around_(true, tag);
    callback(timer);
    if (tag != 0) around_(false, tag);
    ++ran;
  }
  expiring_ = false;
  return ran;
}

void TimerQueue::place(std::uint32_t index, const Entry& entry) noexcept {
  heap_[index] = entry;
  entry.timer->index_ = index;
}

void TimerQueue::sift_up(std::uint32_t hole, const Entry& entry) noexcept {
  while (hole != 0 && entry.before(heap_[parent_of(hole)])) {
    place(hole, heap_[parent_of(hole)]);
    hole = parent_of(hole);
  }
  place(hole, entry);
}

void TimerQueue::sift_down(std::uint32_t hole, const Entry& entry) noexcept {
  for (;;) {
    const std::uint32_t first = first_child_of(hole);
    if (first >= count_) break;
    const std::uint32_t end = std::min(first + kChildren, count_);
    std::uint32_t least = first;
    for (std::uint32_t child = first + 1; child < end; ++child) {
      if (heap_[child].before(heap_[least])) least = child;
    }
    if (!heap_[least].before(entry)) break;
    place(hole, heap_[least]);
    hole = least;
  }
  place(hole, entry);
}

void TimerQueue::sift(std::uint32_t hole, const Entry& entry) noexcept {
  if (hole != 0 && entry.before(heap_[parent_of(hole)])) {
    sift_up(hole, entry);
  } else {
    sift_down(hole, entry);
  }
}

void TimerQueue::remove(std::uint32_t index) noexcept {
  heap_[index].timer->index_ = Timer::kNotArmed;
  --count_;
  if (index != count_) sift(index, heap_[count_]);
}

void TimerQueue::invariants() const noexcept {
  ZW_ASSERT(count_ <= timers_max_);
  for (std::uint32_t index = 0; index < count_; ++index) {
    const Entry& entry = heap_[index];
    ZW_ASSERT(entry.timer->index_ == index);
    ZW_ASSERT(entry.key_ns >= entry.timer->deadline_ns_);
    ZW_ASSERT(index == 0 || !entry.before(heap_[parent_of(index)]));
  }
}

}  // namespace zenwire
