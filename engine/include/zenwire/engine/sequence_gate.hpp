#pragma once

// SequenceGate: several connections carry the same stream; the first complete copy of each message
// goes through, once and in order.
//
//   member 0  --->+
//   member 1  --->+--- in order? ---> on_message, at once, where it lies (no copy)
//   member 2  --->+        | no
//                          +--- held (copied) until what is before it has come, or the gap is due
//
// The first to be complete wins, not the first to begin: a message is offered when its last byte is
// here, so a slow many-packet copy never blocks a sibling's.
//
// A gap is due when no live member can fill it any more: each of them has gone past it (a
// connection keeps its order), or none is left. Otherwise when `gap_wait` has passed since the
// first message behind it came. A gap that is due is offered for repair, if there is such a hook,
// and when that fails reported as Gap{from, to}; then the stream goes on behind it. Nothing is
// ever left out in silence: what the gate does not deliver is in a Gap or is counted as a copy.
//
// A snapshot (a message that stands for all before it) waits as well, because its siblings' deltas
// may still come; when the gap before it is due it covers the gap, and the Gap says so.
//
// Held copies lie in an arena of fixed size. When it is full the rule is: the gap in front is
// declared at once, so that what waits behind it leaves; it is counted (`arena_full`).
//
// Sans I/O: the owner passes `now` and calls expire() at deadline_ns().

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>

#include <zenwire/base/assert.hpp>
#include <zenwire/base/bytes.hpp>
#include <zenwire/base/callback.hpp>
#include <zenwire/base/error.hpp>
#include <zenwire/engine/connection.hpp>
#include <zenwire/engine/copy_window.hpp>
#include <zenwire/engine/io.hpp>
#include <zenwire/engine/mapped_memory.hpp>

namespace zenwire {

// Where a message stands in its stream.
struct SequenceKey {
  enum class Kind : std::uint8_t {
    unsequenced,  // only its content tells copies apart; delivered in the order of arrival
    linked,       // follows `previous`
    snapshot,     // stands for everything up to `sequence`; `previous` is not looked at
  };
  // Its own number. Of a range of numbers (first to last), the last.
  std::uint64_t sequence = 0;
  // The last number before it: sequence - 1 where numbers are dense, the venue's own link
  // otherwise (prev_change_id; the first of a range, less one).
  std::uint64_t previous = 0;
  Kind kind = Kind::unsequenced;

  static constexpr SequenceKey dense(std::uint64_t sequence) noexcept {
    return {sequence, sequence - 1, Kind::linked};
  }
  static constexpr SequenceKey after(std::uint64_t previous, std::uint64_t sequence) noexcept {
    return {sequence, previous, Kind::linked};
  }
  static constexpr SequenceKey snapshot(std::uint64_t sequence) noexcept {
    return {sequence, 0, Kind::snapshot};
  }
};

// Finds the key in a message. Without a function every message is unsequenced.
struct KeyExtractor {
  using Function = SequenceKey (*)(void* context, const Message& message) noexcept;
  Function function = nullptr;
  void* context = nullptr;

  SequenceKey operator()(const Message& message) const noexcept {
    return function != nullptr ? function(context, message) : SequenceKey{};
  }
};

// Messages that do not come through, from <= sequence <= to: no member has them in time.
struct Gap {
  std::uint64_t from = 0;
  std::uint64_t to = 0;
  // The message that follows is a snapshot which stands for them.
  bool covered = false;
  bool operator==(const Gap&) const noexcept = default;
};

// Asks whether a gap can be repaired: set `underway` and later, not in this call, call fill() with
// what is missing (or a snapshot, which is used at once), or repair_failed(). After `repair_wait`
// the gap is reported.
struct GapRepair {
  Gap gap;
  bool underway = false;
};

// What goes through. A view: it dies when the callback returns.
struct Admitted {
  const Message& message;
  SequenceKey key;
  unsigned member;        // whose copy it is, or kRepairMember
  Instant_ns arrived_ns;  // when that copy was offered
  bool held;              // it waited for one before it
};
inline constexpr unsigned kRepairMember = ~0U;

enum class Admission : std::uint8_t {
  delivered,
  held,
  copy,  // it has been delivered, or is held
  late,  // it is within a gap that was reported, or before the first message
};

struct SequenceGateOptions {
  std::chrono::nanoseconds gap_wait = std::chrono::milliseconds(5);
  std::chrono::nanoseconds repair_wait = std::chrono::seconds(1);
  // Of the copies that wait for one before them; a message may take up to this less
  // kReadPadding_bytes, and a larger one is never held.
  std::size_t held_bytes_max = std::size_t{1} << 20;
  std::uint32_t held_max = 1024;  // a power of two
  // When the first copy of each of so many recent numbers came: what tells a copy from a message
  // that is too late, and how far a member is behind. A power of two.
  std::uint32_t window = 4096;
  // Where messages have no sequence: so many recent contents are known again, for so long:
  // eight times as many as a member may be behind (copy_window.hpp). A power of two from 8.
  std::uint32_t contents = 1024;
  std::chrono::nanoseconds content_age = std::chrono::seconds(10);
  // The first number to expect; 0 takes the first message's.
  std::uint64_t first_sequence = 0;
  MappedMemoryOptions memory = {};

  [[nodiscard]] Result<void> validate() const;
};

struct GateHandlers {
  Callback<const Admitted&> on_message{};
  Callback<const Gap&> on_gap{};
  Callback<GapRepair&> on_repair{};
};

struct GateCounters {
  std::uint64_t delivered = 0;
  std::uint64_t copies = 0;   // of messages that had come before
  std::uint64_t late = 0;     // within a reported gap, or before the first message
  std::uint64_t held = 0;     // messages that waited for one before them
  std::uint64_t held_ns = 0;  // the sum of their waiting
  std::uint64_t held_ns_max = 0;
  std::uint64_t held_high_water_bytes = 0;
  std::uint64_t superseded =
      0;  // held copies that a snapshot or an overlapping range made needless
  std::uint64_t gaps_filled = 0;    // a sibling had what was missing, in time
  std::uint64_t gaps_repaired = 0;  // the repair did
  std::uint64_t gaps_covered = 0;   // reported, and a snapshot followed
  std::uint64_t gaps_reported = 0;  // all that on_gap heard of
  std::uint64_t arena_full = 0;     // gaps declared early for want of room
  std::uint64_t links_invalid = 0;  // a `previous` that is not below its `sequence`; taken as dense
};

// One member's share, since it joined first.
struct GateMemberCounters {
  std::uint64_t copies = 0;     // complete messages that it offered
  std::uint64_t wins = 0;       // ... of which it had the first
  std::uint64_t backwards = 0;  // its own numbers went back: the venue began anew, see restart()
  std::uint64_t joins = 0;
  // Over its copies that were not first: how much earlier the first one was. What the others save
  // against this line alone. Copies older than the window are not in it.
  std::uint64_t behind_ns = 0;
  std::uint64_t behind_ns_max = 0;
  std::uint64_t behind_count = 0;
};

// Threads: the reactor's only. Lifetime: outlives its members' callbacks; handlers may call join()
// and leave(), nothing else of it. Cost of a message in order: no copy, no allocation, some 40
// instructions beside the handler. Memory: held_bytes_max + held_max * 128 + window * 16 + contents
// * 64 bytes.
class SequenceGate {
 public:
  static constexpr unsigned kMembers_max = CopyWindow::kMembers_max;

  // Errors: invalid_option; memory_exhausted.
  static Result<std::unique_ptr<SequenceGate>> make(const SequenceGateOptions& options,
                                                    const GateHandlers& handlers);
  SequenceGate(const SequenceGate&) = delete;
  SequenceGate& operator=(const SequenceGate&) = delete;

  // A member's connection is open, its subscription made. It must not be a member already.
  void join(unsigned member) noexcept;
  // It has died: it can fill nothing any more.
  void leave(unsigned member, Instant_ns now_ns) noexcept;
  [[nodiscard]] bool is_member(unsigned member) const noexcept {
    return member < kMembers_max && (live_ & bit(member)) != 0;
  }
  [[nodiscard]] unsigned members() const noexcept {
    return static_cast<unsigned>(__builtin_popcount(live_));
  }

  // A complete message of a member.
  Admission offer(unsigned member, const SequenceKey& key, const Message& message,
                  Instant_ns now_ns) noexcept;

  // What a repair found, in any order; and its end when it finds no more.
  Admission fill(const SequenceKey& key, const Message& message, Instant_ns now_ns) noexcept;
  void repair_failed(Instant_ns now_ns) noexcept;

  // When expire() is wanted; kNever_ns while nothing waits.
  [[nodiscard]] Instant_ns deadline_ns() const noexcept { return deadline_ns_; }
  void expire(Instant_ns now_ns) noexcept;

  // The venue's numbers began anew: what is held goes out with its gaps, and the next message is
  // the first.
  void restart(Instant_ns now_ns) noexcept;

  // The number of the last message that went through, or before the first one.
  [[nodiscard]] std::uint64_t position() const noexcept { return position_; }
  [[nodiscard]] std::uint32_t held_count() const noexcept { return order_count_; }
  [[nodiscard]] const GateCounters& counters() const noexcept { return counters_; }
  [[nodiscard]] const GateMemberCounters& counters(unsigned member) const noexcept {
    ZW_ASSERT(member < kMembers_max);
    return members_[member].counters;
  }

  // Asserts the order of what is held and the arena's accounts. O(held); for tests.
  void invariants() const noexcept;

 private:
  struct Member {
    std::uint64_t passed = 0;  // the highest number it has sent since it joined
    GateMemberCounters counters;
  };
  // A held copy. `live` until it has left; its bytes are free when all older ones have left too.
  struct Held {
    SequenceKey key;
    Message message;
    Instant_ns arrived_ns = 0;
    std::size_t offset = 0;
    std::size_t bytes = 0;  // padding included
    unsigned member = 0;
    bool live = false;
  };
  static constexpr std::uint64_t kNoSequence = ~std::uint64_t{0};
  struct Arrival {
    std::uint64_t sequence = kNoSequence;
    Instant_ns first_ns = 0;
  };
  enum class Repair : std::uint8_t { not_asked, underway, failed };

  SequenceGate(const SequenceGateOptions& options, const GateHandlers& handlers,
               MappedMemory arena);
  static constexpr std::uint32_t bit(unsigned member) noexcept { return 1U << member; }

  SequenceKey checked(SequenceKey key) noexcept;
  Admission offer_content(unsigned member, const Message& message, Instant_ns now_ns) noexcept;
  Admission admit(unsigned member, const SequenceKey& key, const Message& message,
                  Instant_ns now_ns) noexcept;
  Admission cover(const SequenceKey& key, const Message& message, Instant_ns now_ns) noexcept;
  Admission admit_again(unsigned member, const SequenceKey& key, Instant_ns now_ns) noexcept;
  Admission hold(unsigned member, const SequenceKey& key, const Message& message,
                 Instant_ns now_ns) noexcept;
  Held* claim_or_give_up(const SequenceKey& key, std::size_t payload_bytes,
                         Instant_ns now_ns) noexcept;
  void count_behind(unsigned member, Instant_ns first_ns, Instant_ns now_ns) noexcept;
  void pass(unsigned member, const SequenceKey& key) noexcept;

  [[nodiscard]] bool fits(const SequenceKey& key) const noexcept;
  void deliver(const Admitted& admitted) noexcept;
  void deliver_held(std::uint32_t at, Instant_ns now_ns) noexcept;
  void settle(Instant_ns now_ns) noexcept;
  bool step(Instant_ns now_ns) noexcept;
  [[nodiscard]] std::uint32_t first_linked() const noexcept;
  [[nodiscard]] bool gap_is_due(Instant_ns now_ns) const noexcept;
  [[nodiscard]] bool can_be_filled() const noexcept;
  bool begin_repair(const Gap& gap, Instant_ns now_ns) noexcept;
  void close_gap(bool filled) noexcept;
  void declare(const Gap& gap) noexcept;
  void give_up_front(Instant_ns now_ns) noexcept;
  [[nodiscard]] Gap gap_before(const SequenceKey& key) const noexcept;
  void set_deadline() noexcept;

  // The order of what is held: by number, and a delta before a snapshot of the same number.
  [[nodiscard]] Held& in_order(std::uint32_t at) const noexcept {
    return held_[order_[at] & held_mask_];
  }
  static bool before(const SequenceKey& left, const SequenceKey& right) noexcept;
  [[nodiscard]] std::uint32_t place_of(const SequenceKey& key) const noexcept;
  [[nodiscard]] const Held* find_held(const SequenceKey& key, std::uint32_t place) const noexcept;
  void insert(std::uint32_t place) noexcept;
  void remove(std::uint32_t at) noexcept;

  // The arena: a ring in the order of arrival.
  [[nodiscard]] Held* claim(std::size_t payload_bytes) noexcept;
  void free_oldest() noexcept;
  [[nodiscard]] Arrival& arrival_of(std::uint64_t sequence) const noexcept;

  std::uint64_t position_ = 0;
  std::uint32_t live_ = 0;  // a bit per member
  std::uint32_t order_count_ = 0;
  bool started_ = false;
  bool delivering_ = false;
  Repair repair_ = Repair::not_asked;
  bool gap_open_ = false;  // something is held behind a gap
  Instant_ns deadline_ns_ = kNever_ns;
  Instant_ns repair_deadline_ns_ = kNever_ns;
  GateHandlers handlers_;
  std::uint64_t gap_wait_ns_;
  std::uint64_t repair_wait_ns_;
  GateCounters counters_;
  std::array<Member, kMembers_max> members_{};

  MappedMemory arena_;
  std::unique_ptr<Held[]> held_;
  std::uint32_t held_mask_;
  std::uint32_t held_head_ = 0;  // counts up; a slot is its remainder
  std::uint32_t held_tail_ = 0;
  std::size_t arena_head_ = 0;
  std::size_t arena_tail_ = 0;
  std::size_t arena_used_bytes_ = 0;
  std::unique_ptr<std::uint32_t[]> order_;  // numbers of held copies, sorted by key
  std::unique_ptr<Arrival[]> arrivals_;
  std::uint32_t arrivals_shift_;
  CopyWindow contents_;
};

}  // namespace zenwire
