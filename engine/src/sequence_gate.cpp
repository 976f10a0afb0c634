#include <algorithm>
#include <bit>
#include <cstring>

#include <zenwire/base/duration.hpp>
#include <zenwire/base/prefetch.hpp>
#include <zenwire/base/want_of_memory.hpp>
#include <zenwire/engine/sequence_gate.hpp>

namespace zenwire {
namespace {

constexpr std::size_t kLine_bytes = detail::kCacheLine_bytes;
constexpr std::uint64_t kGolden = 0x9E3779B97F4A7C15U;

constexpr std::size_t arena_bytes(std::size_t payload_bytes) noexcept {
  return (payload_bytes + kReadPadding_bytes + kLine_bytes - 1) / kLine_bytes * kLine_bytes;
}
static_assert(arena_bytes(0) >= kReadPadding_bytes && arena_bytes(1) % kLine_bytes == 0);

}  // namespace

// --- Making one.

Result<void> SequenceGateOptions::validate() const {
  if (gap_wait.count() < 0 || repair_wait.count() < 0)
    return fail(Errc::invalid_option, "gap_wait and repair_wait must not be negative");
  if (content_age.count() <= 0) return fail(Errc::invalid_option, "content_age must be above 0");
  if (!std::has_single_bit(held_max) || held_max > (1U << 20))
    return fail(Errc::invalid_option, "held_max must be a power of two up to 1048576");
  if (!std::has_single_bit(window) || window < 2 || window > (1U << 24))
    return fail(Errc::invalid_option, "window must be a power of two from 2 to 16777216");
  if (!std::has_single_bit(contents) || contents < CopyWindow::kContents_min ||
      contents > (1U << 24))
    return fail(Errc::invalid_option, "contents must be a power of two from 8 to 16777216");
  if (held_bytes_max < arena_bytes(0))
    return fail(Errc::invalid_option, "held_bytes_max must hold at least one padded message");
  return {};
}

Result<std::unique_ptr<SequenceGate>> SequenceGate::make(const SequenceGateOptions& options,
                                                         const GateHandlers& handlers) {
  ZW_ASSERT(static_cast<bool>(handlers.on_message));
  return or_memory_exhausted([&]() -> Result<std::unique_ptr<SequenceGate>> {
    if (auto valid = options.validate(); !valid) return tl::unexpected<Error>(valid.error());
    auto arena =
        MappedMemory::make(options.held_bytes_max / kLine_bytes * kLine_bytes, options.memory);
    if (!arena) return tl::unexpected<Error>(arena.error());
    return std::unique_ptr<SequenceGate>(new SequenceGate(options, handlers, std::move(*arena)));
  });
}

SequenceGate::SequenceGate(const SequenceGateOptions& options, const GateHandlers& handlers,
                           MappedMemory arena)
    : handlers_(handlers),
      gap_wait_ns_(to_ns(options.gap_wait)),
      repair_wait_ns_(to_ns(options.repair_wait)),
      arena_(std::move(arena)),
      held_(std::make_unique<Held[]>(options.held_max)),
      held_mask_(options.held_max - 1),
      order_(std::make_unique<std::uint32_t[]>(options.held_max)),
      arrivals_(std::make_unique<Arrival[]>(options.window)),
      arrivals_shift_(64U - static_cast<unsigned>(std::countr_zero(options.window))),
      contents_(options.contents, to_ns(options.content_age)) {
  if (options.first_sequence == 0) return;
  started_ = true;
  position_ = options.first_sequence - 1;
}

// --- Members.

void SequenceGate::join(unsigned member) noexcept {
  ZW_ASSERT(member < kMembers_max && !is_member(member));
  live_ |= bit(member);
  members_[member].passed = 0;
  ++members_[member].counters.joins;
  contents_.join(member);
}

void SequenceGate::leave(unsigned member, Instant_ns now_ns) noexcept {
  ZW_ASSERT(is_member(member));
  live_ &= ~bit(member);
  settle(now_ns);
}

// --- Messages.

Admission SequenceGate::offer(unsigned member, const SequenceKey& key, const Message& message,
                              Instant_ns now_ns) noexcept {
  ZW_ASSERT(is_member(member) && !delivering_);
  ++members_[member].counters.copies;
  if (key.kind == SequenceKey::Kind::unsequenced) return offer_content(member, message, now_ns);
  const SequenceKey checked_key = checked(key);
  pass(member, checked_key);
  const Admission admission = admit(member, checked_key, message, now_ns);
  if (order_count_ > 0 || deadline_ns_ != kNever_ns) [[unlikely]]
    settle(now_ns);
  return admission;
}

// A peer's nonsense must not move the position backwards.
SequenceKey SequenceGate::checked(SequenceKey key) noexcept {
  if (key.kind != SequenceKey::Kind::linked || key.previous < key.sequence) [[likely]]
    return key;
  ++counters_.links_invalid;
  key.previous = key.sequence - 1;
  return key;
}

// A member that has sent a number has sent all that it will ever send below it.
void SequenceGate::pass(unsigned member, const SequenceKey& key) noexcept {
  Member& from = members_[member];
  if (key.sequence > from.passed) [[likely]] {
    from.passed = key.sequence;
  } else {
    ++from.counters.backwards;
  }
}

Admission SequenceGate::fill(const SequenceKey& key, const Message& message,
                             Instant_ns now_ns) noexcept {
  ZW_ASSERT(!delivering_ && key.kind != SequenceKey::Kind::unsequenced);
  const bool covers = key.kind == SequenceKey::Kind::snapshot && key.sequence > position_;
  const Admission admission = started_ && covers
                                  ? cover(key, message, now_ns)
                                  : admit(kRepairMember, checked(key), message, now_ns);
  settle(now_ns);
  return admission;
}

// A snapshot that was asked for is used at once, whatever is held.
Admission SequenceGate::cover(const SequenceKey& key, const Message& message,
                              Instant_ns now_ns) noexcept {
  counters_.gaps_repaired += repair_ == Repair::underway ? 1U : 0U;
  declare(gap_before(key));
  arrival_of(key.sequence) = {key.sequence, now_ns};
  deliver({message, key, kRepairMember, now_ns, false});
  return Admission::delivered;
}

Admission SequenceGate::offer_content(unsigned member, const Message& message,
                                      Instant_ns now_ns) noexcept {
  const CopyVerdict verdict = contents_.offer(member, message.payload, now_ns);
  if (!verdict.fresh) {
    ++counters_.copies;
    count_behind(member, verdict.first_ns, now_ns);
    return Admission::copy;
  }
  deliver({message, SequenceKey{}, member, now_ns, false});
  return Admission::delivered;
}

Admission SequenceGate::admit(unsigned member, const SequenceKey& key, const Message& message,
                              Instant_ns now_ns) noexcept {
  if (started_ && key.sequence <= position_) return admit_again(member, key, now_ns);
  if (!fits(key)) [[unlikely]]
    return hold(member, key, message, now_ns);
  Arrival& arrival = arrival_of(key.sequence);
  if (arrival.sequence != key.sequence) arrival = {key.sequence, now_ns};
  deliver({message, key, member, now_ns, false});
  return Admission::delivered;
}

Admission SequenceGate::admit_again(unsigned member, const SequenceKey& key,
                                    Instant_ns now_ns) noexcept {
  const Arrival& arrival = arrival_of(key.sequence);
  if (arrival.sequence != key.sequence) {  // reported as missing, or older than the window
    ++counters_.late;
    return Admission::late;
  }
  ++counters_.copies;
  count_behind(member, arrival.first_ns, now_ns);
  return Admission::copy;
}

void SequenceGate::count_behind(unsigned member, Instant_ns first_ns, Instant_ns now_ns) noexcept {
  if (member == kRepairMember) return;
  GateMemberCounters& counters = members_[member].counters;
  const std::uint64_t behind_ns = now_ns - first_ns;
  counters.behind_ns += behind_ns;
  counters.behind_ns_max = std::max(counters.behind_ns_max, behind_ns);
  ++counters.behind_count;
}

SequenceGate::Arrival& SequenceGate::arrival_of(std::uint64_t sequence) const noexcept {
  return arrivals_[sequence * kGolden >> arrivals_shift_];
}

bool SequenceGate::fits(const SequenceKey& key) const noexcept {
  if (!started_) return true;
  return key.kind == SequenceKey::Kind::linked && key.previous <= position_;
}

void SequenceGate::deliver(const Admitted& admitted) noexcept {
  ZW_ASSERT(!delivering_);
  if (admitted.key.kind != SequenceKey::Kind::unsequenced) {
    position_ = admitted.key.sequence;
    started_ = true;
  }
  ++counters_.delivered;
  if (admitted.member != kRepairMember) ++members_[admitted.member].counters.wins;
  delivering_ = true;
  handlers_.on_message(admitted);
  delivering_ = false;
}

// --- What is held.

bool SequenceGate::before(const SequenceKey& left, const SequenceKey& right) noexcept {
  return left.sequence != right.sequence ? left.sequence < right.sequence : left.kind < right.kind;
}
static_assert(SequenceKey::Kind::linked < SequenceKey::Kind::snapshot);

// Where it is, or would go. Mostly at the end: a member that is ahead goes on being ahead.
std::uint32_t SequenceGate::place_of(const SequenceKey& key) const noexcept {
  if (order_count_ == 0 || before(in_order(order_count_ - 1).key, key)) return order_count_;
  const std::uint32_t* const begin = order_.get();
  const std::uint32_t* const place = std::lower_bound(
      begin, begin + order_count_, key, [this](std::uint32_t held, const SequenceKey& at) {
        return before(held_[held & held_mask_].key, at);
      });
  return static_cast<std::uint32_t>(place - begin);
}

// Its equal, or null.
const SequenceGate::Held* SequenceGate::find_held(const SequenceKey& key,
                                                  std::uint32_t place) const noexcept {
  return place < order_count_ && !before(key, in_order(place).key) ? &in_order(place) : nullptr;
}

Admission SequenceGate::hold(unsigned member, const SequenceKey& key, const Message& message,
                             Instant_ns now_ns) noexcept {
  if (const Held* const same = find_held(key, place_of(key)); same != nullptr) {
    ++counters_.copies;
    count_behind(member, same->arrived_ns, now_ns);
    return Admission::copy;
  }
  arrival_of(key.sequence) = {key.sequence, now_ns};
  Held* const held = claim_or_give_up(key, message.payload.size(), now_ns);
  if (held == nullptr && key.sequence <= position_) {
    ++counters_.superseded;
    return Admission::copy;
  }
  if (held == nullptr) {
    deliver({message, key, member, now_ns, false});
    return Admission::delivered;
  }
  std::byte* const bytes = arena_.data() + held->offset;
  if (!message.payload.empty()) std::memcpy(bytes, message.payload.data(), message.payload.size());
  held->key = key;
  held->message = message;
  held->message.payload = {bytes, message.payload.size()};
  held->arrived_ns = now_ns;
  held->member = member;
  held->live = true;
  insert(place_of(key));
  return Admission::held;
}

// When there is no room, the gap in front is declared at once, again and again until there is.
// Null: `key` came to be the next one.
SequenceGate::Held* SequenceGate::claim_or_give_up(const SequenceKey& key,
                                                   std::size_t payload_bytes,
                                                   Instant_ns now_ns) noexcept {
  for (;;) {
    if (Held* const held = claim(payload_bytes); held != nullptr) return held;
    ++counters_.arena_full;
    if (order_count_ == 0 || before(key, in_order(0).key)) {
      declare(gap_before(key));
      return nullptr;
    }
    give_up_front(now_ns);
    if (fits(key) || key.sequence <= position_) return nullptr;
  }
}

void SequenceGate::insert(std::uint32_t place) noexcept {
  std::copy_backward(order_.get() + place, order_.get() + order_count_,
                     order_.get() + order_count_ + 1);
  order_[place] = held_tail_++;
  ++order_count_;
  ++counters_.held;
}

void SequenceGate::remove(std::uint32_t at) noexcept {
  ZW_ASSERT(at < order_count_);
  Held& held = in_order(at);
  ZW_ASSERT(held.live);
  held.live = false;
  std::copy(order_.get() + at + 1, order_.get() + order_count_, order_.get() + at);
  --order_count_;
  free_oldest();
}

void SequenceGate::deliver_held(std::uint32_t at, Instant_ns now_ns) noexcept {
  const Held& held = in_order(at);
  const std::uint64_t waited_ns = now_ns - held.arrived_ns;
  counters_.held_ns += waited_ns;
  counters_.held_ns_max = std::max(counters_.held_ns_max, waited_ns);
  deliver({held.message, held.key, held.member, held.arrived_ns, true});
  remove(at);
}

// --- Gaps.

// Delivers what fits, and goes past gaps that are due. In a handler's own call the loop that called
// it goes on.
void SequenceGate::settle(Instant_ns now_ns) noexcept {
  if (delivering_) return;
  while (order_count_ > 0 && step(now_ns)) {
  }
  set_deadline();
}

bool SequenceGate::step(Instant_ns now_ns) noexcept {
  const SequenceKey front = in_order(0).key;
  if (front.sequence <= position_) {
    ++counters_.superseded;
    remove(0);
    return true;
  }
  if (const std::uint32_t linked = first_linked(); linked < order_count_) {
    close_gap(true);
    deliver_held(linked, now_ns);
    return true;
  }
  gap_open_ = true;
  if (!gap_is_due(now_ns) || begin_repair(gap_before(front), now_ns)) return false;
  give_up_front(now_ns);
  return true;
}

// The first that fits; order_count_ if none does. Only snapshots can lie before it.
std::uint32_t SequenceGate::first_linked() const noexcept {
  std::uint32_t at = 0;
  while (at < order_count_ && in_order(at).key.kind == SequenceKey::Kind::snapshot) ++at;
  return at < order_count_ && fits(in_order(at).key) ? at : order_count_;
}

bool SequenceGate::gap_is_due(Instant_ns now_ns) const noexcept {
  if (repair_ == Repair::underway) return now_ns >= repair_deadline_ns_;
  // All that is held lies behind the gap, so the oldest of it is what showed the gap.
  return now_ns - held_[held_head_ & held_mask_].arrived_ns >= gap_wait_ns_ || !can_be_filled();
}

bool SequenceGate::can_be_filled() const noexcept {
  for (std::uint32_t left = live_; left != 0; left &= left - 1) {
    if (members_[static_cast<std::size_t>(std::countr_zero(left))].passed <= position_) return true;
  }
  return false;
}

bool SequenceGate::begin_repair(const Gap& gap, Instant_ns now_ns) noexcept {
  if (repair_ != Repair::not_asked || !handlers_.on_repair) return false;
  GapRepair asked{.gap = gap};
  delivering_ = true;
  handlers_.on_repair(asked);
  delivering_ = false;
  if (!asked.underway) return false;
  repair_ = Repair::underway;
  repair_deadline_ns_ = now_ns + repair_wait_ns_;
  return true;
}

void SequenceGate::repair_failed(Instant_ns now_ns) noexcept {
  ZW_ASSERT(!delivering_);
  if (repair_ != Repair::underway) return;
  repair_ = Repair::failed;
  repair_deadline_ns_ = kNever_ns;
  settle(now_ns);
}

void SequenceGate::close_gap(bool filled) noexcept {
  if (!gap_open_) return;
  gap_open_ = false;
  if (filled) ++(repair_ == Repair::underway ? counters_.gaps_repaired : counters_.gaps_filled);
  repair_ = Repair::not_asked;
  repair_deadline_ns_ = kNever_ns;
}

Gap SequenceGate::gap_before(const SequenceKey& key) const noexcept {
  const bool snapshot = key.kind == SequenceKey::Kind::snapshot;
  return {position_ + 1, snapshot ? key.sequence - 1 : key.previous, snapshot};
}

// A snapshot right behind the position covers no number; then there is nothing to report.
void SequenceGate::declare(const Gap& gap) noexcept {
  gap_open_ = true;
  close_gap(false);
  if (gap.to < gap.from) return;
  position_ = gap.to;
  ++counters_.gaps_reported;
  counters_.gaps_covered += gap.covered ? 1U : 0U;
  if (!handlers_.on_gap) return;
  delivering_ = true;
  handlers_.on_gap(gap);
  delivering_ = false;
}

void SequenceGate::give_up_front(Instant_ns now_ns) noexcept {
  ZW_ASSERT(order_count_ > 0);
  // Of a delta and a snapshot of the same number the snapshot is what helps behind a gap.
  const bool twice = order_count_ > 1 && in_order(1).key.sequence == in_order(0).key.sequence;
  const std::uint32_t front = twice ? 1 : 0;
  declare(gap_before(in_order(front).key));
  deliver_held(front, now_ns);
  while (order_count_ > 0 && in_order(0).key.sequence <= position_) {
    ++counters_.superseded;
    remove(0);
  }
}

void SequenceGate::set_deadline() noexcept {
  if (order_count_ == 0) {
    gap_open_ = false;
    repair_ = Repair::not_asked;
    deadline_ns_ = kNever_ns;
  } else if (repair_ == Repair::underway) {
    deadline_ns_ = repair_deadline_ns_;
  } else {
    deadline_ns_ = held_[held_head_ & held_mask_].arrived_ns + gap_wait_ns_;
  }
}

void SequenceGate::expire(Instant_ns now_ns) noexcept {
  ZW_ASSERT(!delivering_);
  settle(now_ns);
}

void SequenceGate::restart(Instant_ns now_ns) noexcept {
  ZW_ASSERT(!delivering_);
  while (order_count_ > 0) give_up_front(now_ns);
  set_deadline();
  started_ = false;
  position_ = 0;
  for (Member& member : members_) member.passed = 0;
  std::fill_n(arrivals_.get(), std::size_t{1} << (64 - arrivals_shift_), Arrival{});
}

// --- The arena. Copies are freed in the order in which they came; one that waits keeps those that
// came after it from being reused, at most for as long as a gap is waited for.

SequenceGate::Held* SequenceGate::claim(std::size_t payload_bytes) noexcept {
  if (held_tail_ - held_head_ > held_mask_) return nullptr;
  const std::size_t bytes = arena_bytes(payload_bytes);
  if (held_head_ == held_tail_) arena_head_ = arena_tail_ = 0;
  std::size_t offset = arena_tail_;
  const bool wrapped =
      arena_tail_ < arena_head_ || (arena_tail_ == arena_head_ && arena_used_bytes_ > 0);
  if (wrapped) {
    if (arena_head_ - arena_tail_ < bytes) return nullptr;
  } else if (arena_.bytes() - arena_tail_ < bytes) {
    if (arena_head_ < bytes) return nullptr;
    offset = 0;
  }
  Held& held = held_[held_tail_ & held_mask_];
  held.offset = offset;
  held.bytes = bytes;
  arena_tail_ = offset + bytes;
  arena_used_bytes_ += bytes;
  counters_.held_high_water_bytes =
      std::max<std::uint64_t>(counters_.held_high_water_bytes, arena_used_bytes_);
  return &held;
}

void SequenceGate::free_oldest() noexcept {
  while (held_head_ != held_tail_ && !held_[held_head_ & held_mask_].live) {
    arena_used_bytes_ -= held_[held_head_ & held_mask_].bytes;
    ++held_head_;
    arena_head_ = held_head_ == held_tail_ ? arena_tail_ : held_[held_head_ & held_mask_].offset;
  }
}

void SequenceGate::invariants() const noexcept {
  for (std::uint32_t at = 0; at < order_count_; ++at) {
    ZW_ASSERT(in_order(at).live);
    if (at > 0) ZW_ASSERT(before(in_order(at - 1).key, in_order(at).key));
  }
  std::uint32_t live = 0;
  std::size_t bytes = 0;
  for (std::uint32_t at = held_head_; at != held_tail_; ++at) {
    live += held_[at & held_mask_].live ? 1U : 0U;
    bytes += held_[at & held_mask_].bytes;
  }
  ZW_ASSERT(live == order_count_ && bytes == arena_used_bytes_);
  ZW_ASSERT(held_head_ == held_tail_ || held_[held_head_ & held_mask_].live);
}

}  // namespace zenwire
