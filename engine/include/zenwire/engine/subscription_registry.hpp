#pragma once

// SubscriptionRegistry: which channels a session wants, and how far each of its lines has come with
// them. Venue-neutral and sans I/O: it names the channels to be asked for, and is told what the
// server said.
//
//   wanted by the user                         per line (a connection of the session)
//   ------------------                         --------------------------------------
//   subscribe()   -> wanted                    idle --take--> asked --accepted--> active
//   unsubscribe() -> not wanted                     <--rejected--'                  |take
//   rejected by the server -> not wanted,      idle <--accepted-- leaving <---------'
//     with the code, until asked for anew
//
// The two sides are brought together, never assumed to agree: a channel whose line lags behind what
// is wanted stands in that line's queue once, and what is to be done is decided when it is taken.
// So to subscribe and leave again before anything was sent sends nothing, and an answer that comes
// when the user has changed his mind puts the channel back into the queue.
//
// What the server says changes it; data never does, and sending never does by itself. begin() of a
// line forgets what was asked on the last connection: an answer that never came leaves nothing.

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include <zenwire/base/assert.hpp>
#include <zenwire/base/callback.hpp>
#include <zenwire/base/error.hpp>
#include <zenwire/engine/channel_table.hpp>

namespace zenwire {

class Session;
struct Message;

// A session has one line, and a second one while it rotates.
inline constexpr std::size_t kLines_max = 2;

enum class SubscriptionState : std::uint8_t { idle, asked, active, leaving };
std::string_view name(SubscriptionState state) noexcept;

enum class SubscriptionAsk : std::uint8_t { subscribe, unsubscribe };

// Thread: the reactor's. Memory: some 80 bytes a channel beside its name; no allocation after
// construction. Costs: find() one hash; a chunk and its acknowledgement O(channels_max).
class SubscriptionRegistry {
 public:
  using Handler = Callback<Session&, const Message&>;

  SubscriptionRegistry(std::uint32_t channels_max, std::uint32_t channel_bytes_max);

  // --- What the user wants. Codes: ok; channel_invalid; subscriptions_exhausted. A handler that is
  // null leaves the one that is there.
  Errc subscribe(std::string_view channel, Handler handler = {}) noexcept;
  // False if it was not wanted. The channel is forgotten when every line has left it; until then
  // its handler still gets what comes.
  bool unsubscribe(std::string_view channel) noexcept;
  void unsubscribe_all() noexcept;
  // A handler without a subscription: for what comes unasked. Null takes it away.
  Errc handle(std::string_view channel, Handler handler) noexcept;

  // --- The hot path: one hash.
  [[nodiscard]] ChannelIndex find(std::string_view channel) const noexcept {
    return table_.find(channel);
  }
  [[nodiscard]] const Handler& handler(ChannelIndex channel) const noexcept {
    ZW_DEBUG_ASSERT(table_.holds(channel));
    return entries_[channel].handler;
  }

  // A channel's index is about to become another's.
  Callback<ChannelIndex> on_forgotten{};

  // --- A line's life.
  // A new connection: nothing is asked on it, and all that is wanted is queued.
  void begin(std::size_t line) noexcept;
  void end(std::size_t line) noexcept;

  // The next channels of one kind to be asked for together; nothing when the queue is empty. They
  // count as asked (or leaving) under `ask_id` from now on.
  struct Chunk {
    SubscriptionAsk ask = SubscriptionAsk::subscribe;
    std::size_t count = 0;
  };
  Chunk take(std::size_t line, std::uint64_t ask_id, std::span<ChannelIndex> channels) noexcept;
  // The chunk could not be sent: it is queued again.
  void put_back(std::size_t line, std::uint64_t ask_id) noexcept;

  // The server's answer for one channel; false if nothing of that kind was asked for it.
  bool accepted(std::size_t line, ChannelIndex channel) noexcept;
  bool rejected(std::size_t line, ChannelIndex channel) noexcept;
  // Runs `each(channel)` for what is still asked under this id.
  template <typename Each>
  void each_asked(std::size_t line, std::uint64_t ask_id, Each&& each) noexcept {
    for (ChannelIndex i = 0; i < table_.channels_max(); ++i) {
      const Progress& at = entries_[i].lines[line];
      if (table_.holds(i) && is_waiting(at.state) && at.ask_id == ask_id) each(i);
    }
  }

  // --- What there is.
  [[nodiscard]] std::string_view name(ChannelIndex channel) const noexcept {
    return table_.name(channel);
  }
  [[nodiscard]] bool holds(ChannelIndex channel) const noexcept { return table_.holds(channel); }
  [[nodiscard]] bool is_wanted(ChannelIndex channel) const noexcept {
    return table_.holds(channel) && entries_[channel].wanted;
  }
  [[nodiscard]] bool is_rejected(ChannelIndex channel) const noexcept {
    return table_.holds(channel) && entries_[channel].rejected;
  }
  [[nodiscard]] SubscriptionState state(std::size_t line, ChannelIndex channel) const noexcept {
    return entries_[channel].lines[line].state;
  }
  [[nodiscard]] std::uint32_t wanted_count() const noexcept { return wanted_count_; }
  [[nodiscard]] std::uint32_t queued_count(std::size_t line) const noexcept {
    return queues_[line].count;
  }
  [[nodiscard]] std::uint32_t asked_count(std::size_t line) const noexcept {
    return queues_[line].asked;
  }
  [[nodiscard]] std::uint32_t active_count(std::size_t line) const noexcept {
    return queues_[line].active;
  }
  [[nodiscard]] std::uint32_t channels_max() const noexcept { return table_.channels_max(); }

  // Asserts every count against the entries. O(channels_max); for tests.
  void invariants() const noexcept;

 private:
  struct Progress {
    SubscriptionState state = SubscriptionState::idle;
    bool queued = false;
    std::uint64_t ask_id = 0;
  };
  struct Entry {
    Handler handler{};
    bool wanted = false;
    bool rejected = false;
    bool leaving = false;  // forgotten when idle on every line
    std::array<Progress, kLines_max> lines{};
  };
  // A ring of channels that lag behind what is wanted; each stands in it once at most.
  struct Queue {
    std::unique_ptr<ChannelIndex[]> ring;
    std::uint32_t first = 0;
    std::uint32_t count = 0;
    std::uint32_t asked = 0;
    std::uint32_t active = 0;
    bool live = false;
  };

  static bool is_waiting(SubscriptionState state) noexcept {
    return state == SubscriptionState::asked || state == SubscriptionState::leaving;
  }
  ChannelIndex insert(std::string_view channel, Errc& error) noexcept;
  void want(ChannelIndex channel, bool wanted) noexcept;
  [[nodiscard]] bool lags(std::size_t line, ChannelIndex channel) const noexcept;
  void queue_if_lagging(std::size_t line, ChannelIndex channel) noexcept;
  void set(std::size_t line, ChannelIndex channel, SubscriptionState state) noexcept;
  void settle(std::size_t line, ChannelIndex channel, SubscriptionState state) noexcept;
  void forget_if_left(ChannelIndex channel) noexcept;

  ChannelTable table_;
  std::unique_ptr<Entry[]> entries_;
  std::array<Queue, kLines_max> queues_;
  std::uint32_t wanted_count_ = 0;
};

}  // namespace zenwire
