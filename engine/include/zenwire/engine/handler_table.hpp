#pragma once

// HandlerTable: up to eight callbacks for one kind of event, added, replaced and removed at any
// time, inside their own call too.
//
// Cost. An event is one indirect call through entry_: with one handler that is the handler itself,
// with none a function that does nothing, with more a function that walks a bit mask of the slots.
// So the common case pays for the generality nothing, not even a branch. add, replace and remove
// are a few stores; nothing allocates.
//
// Changes during an event. A handler that is removed does not run any more, in this event either. A
// handler that is replaced runs as the new one if its turn is still to come. A handler that is
// added starts with the next event, even in a slot that this event has not reached: each running
// event keeps the mask of the slots that it still owes a call, `remove` takes bits out of it and
// `add` puts none in. Events nest: the running ones are a list on the stack.
//
// Order: by slot, which is by age until a slot is reused.

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <type_traits>

#include <zenwire/base/assert.hpp>
#include <zenwire/base/callback.hpp>

namespace zenwire {

// Names one registration. A stale one (its handler was removed) is recognised, until its slot has
// been reused 2^32 times.
struct HandlerId {
  std::uint32_t generation = 0;  // 0 names none
  std::uint8_t slot = 0;

  explicit operator bool() const noexcept { return generation != 0; }
  bool operator==(const HandlerId&) const noexcept = default;
};

// Threads: one. Lifetime: it must not be destroyed while an event runs; callbacks borrow their
// contexts. Neither copied nor moved.
template <typename... Arguments>
class HandlerTable {
  static_assert(((std::is_lvalue_reference_v<Arguments> ||
                  std::is_trivially_copyable_v<Arguments>)&&...),
                "each handler gets its own copy: pass references or small plain values");

 public:
  using Handler = Callback<Arguments...>;
  static constexpr std::size_t kHandlers_max = 8;

  HandlerTable() noexcept = default;
  HandlerTable(const HandlerTable&) = delete;
  HandlerTable& operator=(const HandlerTable&) = delete;
  ~HandlerTable() { ZW_ASSERT(running_ == nullptr); }

  // Nothing when all slots are taken (the caller's Errc::handlers_exhausted). Not for a null
  // callback.
  [[nodiscard]] std::optional<HandlerId> add(Handler handler) noexcept {
    ZW_ASSERT(static_cast<bool>(handler));
    const auto slot = static_cast<std::uint8_t>(std::countr_one(taken_));
    if (slot == kHandlers_max) [[unlikely]]
      return std::nullopt;
    taken_ = static_cast<Mask>(taken_ | bit(slot));
    handlers_[slot] = handler;
    choose_entry();
    return HandlerId{generations_[slot], slot};
  }

  // False when the id is stale. Keeps id and turn.
  bool replace(HandlerId id, Handler handler) noexcept {
    ZW_ASSERT(static_cast<bool>(handler));
    if (!holds(id)) return false;
    handlers_[id.slot] = handler;
    choose_entry();
    return true;
  }

  // False when the id is stale.
  bool remove(HandlerId id) noexcept {
    if (!holds(id)) return false;
    const auto others = static_cast<Mask>(~bit(id.slot));
    taken_ = static_cast<Mask>(taken_ & others);
    for (Event* event = running_; event != nullptr; event = event->outer) {
      event->owed = static_cast<Mask>(event->owed & others);
    }
    // 0 names none, so it is left out.
    if (++generations_[id.slot] == 0) generations_[id.slot] = 1;
    choose_entry();
    return true;
  }

  [[nodiscard]] bool holds(HandlerId id) const noexcept {
    ZW_ASSERT(id.slot < kHandlers_max);
    return (taken_ & bit(id.slot)) != 0 && generations_[id.slot] == id.generation;
  }
  [[nodiscard]] std::size_t count() const noexcept {
    return static_cast<std::size_t>(std::popcount(taken_));
  }
  // A table that is watched is not: its events are to run.
  [[nodiscard]] bool empty() const noexcept { return taken_ == 0 && !around_; }

  // `around` runs before (true) and after (false) the handlers of every event, also when there are
  // none: for a journal. Not inside an event.
  using Around = Callback<bool, Arguments...>;
  void watch(Around around) noexcept {
    ZW_ASSERT(running_ == nullptr);
    around_ = around;
    choose_entry();
  }

  // Runs the handlers.
  void operator()(Arguments... arguments) noexcept { entry_(arguments...); }

 private:
  using Mask = std::uint8_t;
  static_assert(8 * sizeof(Mask) == kHandlers_max);

  struct Event {
    Mask owed;
    Event* outer;
  };

  static constexpr Mask bit(std::uint8_t slot) noexcept { return static_cast<Mask>(1U << slot); }
  static void run_none(void*, Arguments...) noexcept {}
  static void run_many(void* self, Arguments... arguments) noexcept {
    static_cast<HandlerTable*>(self)->run_owed(arguments...);
  }

  static void run_watched(void* self, Arguments... arguments) noexcept {
    auto& table = *static_cast<HandlerTable*>(self);
    table.around_(true, arguments...);
    table.run_owed(arguments...);
    table.around_(false, arguments...);
  }

  void run_owed(Arguments... arguments) noexcept {
    Event event{taken_, running_};
    running_ = &event;
    while (event.owed != 0) {
      const auto slot = static_cast<std::uint8_t>(std::countr_zero(event.owed));
      event.owed = static_cast<Mask>(event.owed & (event.owed - 1));
      const Handler handler = handlers_[slot];
      handler(arguments...);
    }
    running_ = event.outer;
  }

  void choose_entry() noexcept {
    if (around_) {
      entry_ = Handler(&run_watched, this);
    } else if (taken_ == 0) {
      entry_ = Handler(&run_none, nullptr);
    } else if (std::has_single_bit(taken_)) {
      entry_ = handlers_[static_cast<std::size_t>(std::countr_zero(taken_))];
    } else {
      entry_ = Handler(&run_many, this);
    }
  }

  Handler entry_{&run_none, nullptr};
  Event* running_ = nullptr;
  Mask taken_ = 0;
  std::array<std::uint32_t, kHandlers_max> generations_{1, 1, 1, 1, 1, 1, 1, 1};
  std::array<Handler, kHandlers_max> handlers_{};
  Around around_{};
};

}  // namespace zenwire
