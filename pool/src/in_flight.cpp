#include <algorithm>
#include <bit>
#include <utility>

#include <zenwire/pool/in_flight.hpp>

namespace zenwire {

InFlightTable::InFlightTable(std::uint32_t requests_max)
    : slots_(std::make_unique<Slot[]>(requests_max)),
      buckets_(std::make_unique<std::uint32_t[]>(requests_max)),
      shift_(64U - static_cast<unsigned>(std::countr_zero(requests_max))) {
  ZW_ASSERT(requests_max >= 2 && std::has_single_bit(requests_max));
  std::fill_n(buckets_.get(), requests_max, kNone);
  for (std::uint32_t index = requests_max; index-- > 0;) {
    slots_[index].next = free_;
    free_ = index;
  }
}

std::uint32_t InFlightTable::find(std::uint64_t id) const noexcept {
  std::uint32_t index = bucket_of(id);
  while (index != kNone && slots_[index].request.id != id) index = slots_[index].next;
  return index;
}

std::uint32_t InFlightTable::add(std::uint64_t id) noexcept {
  ZW_ASSERT(!full());
  const std::uint32_t index = free_;
  Slot& slot = slots_[index];
  free_ = slot.next;
  slot.request = {};
  slot.request.id = id;
  std::uint32_t& bucket = bucket_of(id);
  slot.next = std::exchange(bucket, index);
  append(age_, &Slot::age, index);
  ++count_;
  return index;
}

void InFlightTable::remove(std::uint32_t index) noexcept {
  Slot& slot = slots_[index];
  ZW_ASSERT(slot.age.linked && slot.request.copy == nullptr);
  std::uint32_t* at = &bucket_of(slot.request.id);
  while (*at != index) at = &slots_[*at].next;
  *at = slot.next;
  unlink(age_, &Slot::age, index);
  hedged(index);
  slot.next = std::exchange(free_, index);
  --count_;
}

void InFlightTable::await_hedge(std::uint32_t index) noexcept {
  append(hedge_, &Slot::hedge, index);
}

void InFlightTable::hedged(std::uint32_t index) noexcept {
  if (slots_[index].hedge.linked) unlink(hedge_, &Slot::hedge, index);
}

void InFlightTable::append(List& list, Links Slot::*links, std::uint32_t index) noexcept {
  Links& mine = slots_[index].*links;
  ZW_ASSERT(!mine.linked);
  mine = {kNone, list.last, true};
  (list.last == kNone ? list.first : (slots_[list.last].*links).next) = index;
  list.last = index;
}

void InFlightTable::unlink(List& list, Links Slot::*links, std::uint32_t index) noexcept {
  Links& mine = slots_[index].*links;
  ZW_ASSERT(mine.linked);
  (mine.previous == kNone ? list.first : (slots_[mine.previous].*links).next) = mine.next;
  (mine.next == kNone ? list.last : (slots_[mine.next].*links).previous) = mine.previous;
  mine = {};
}

}  // namespace zenwire
