#include <zenwire/engine/subscription_registry.hpp>

namespace zenwire {

std::string_view name(SubscriptionState state) noexcept {
  switch (state) {
    case SubscriptionState::idle: return "idle";
    case SubscriptionState::asked: return "asked";
    case SubscriptionState::active: return "active";
    case SubscriptionState::leaving: return "leaving";
  }
  return "unknown";
}

SubscriptionRegistry::SubscriptionRegistry(std::uint32_t channels_max,
                                           std::uint32_t channel_bytes_max)
    : table_(channels_max, channel_bytes_max), entries_(std::make_unique<Entry[]>(channels_max)) {
  for (Queue& queue : queues_) queue.ring = std::make_unique<ChannelIndex[]>(channels_max);
}

// --- What the user wants.

ChannelIndex SubscriptionRegistry::insert(std::string_view channel, Errc& error) noexcept {
  error = Errc::ok;
  if (!table_.fits(channel)) {
    error = Errc::channel_invalid;
    return kNoChannel;
  }
  const std::uint32_t before = table_.count();
  const ChannelIndex at = table_.insert(channel);
  if (at == kNoChannel) error = Errc::subscriptions_exhausted;
  if (table_.count() != before) entries_[at] = Entry{};
  return at;
}

Errc SubscriptionRegistry::subscribe(std::string_view channel, Handler handler) noexcept {
  Errc error = Errc::ok;
  const ChannelIndex at = insert(channel, error);
  if (at == kNoChannel) return error;
  if (handler) entries_[at].handler = handler;
  entries_[at].rejected = entries_[at].leaving = false;
  want(at, true);
  return Errc::ok;
}

bool SubscriptionRegistry::unsubscribe(std::string_view channel) noexcept {
  const ChannelIndex at = table_.find(channel);
  if (at == kNoChannel || !entries_[at].wanted) return false;
  entries_[at].leaving = true;
  want(at, false);
  forget_if_left(at);
  return true;
}

void SubscriptionRegistry::unsubscribe_all() noexcept {
  for (ChannelIndex i = 0; i < table_.channels_max(); ++i) {
    if (is_wanted(i)) unsubscribe(table_.name(i));
  }
}

Errc SubscriptionRegistry::handle(std::string_view channel, Handler handler) noexcept {
  Errc error = Errc::ok;
  const ChannelIndex at = handler ? insert(channel, error) : table_.find(channel);
  if (at == kNoChannel) return error;
  entries_[at].handler = handler;
  entries_[at].leaving = !handler && !entries_[at].wanted;
  forget_if_left(at);
  return Errc::ok;
}

void SubscriptionRegistry::want(ChannelIndex channel, bool wanted) noexcept {
  Entry& entry = entries_[channel];
  if (entry.wanted != wanted) wanted_count_ += wanted ? 1U : ~0U;
  entry.wanted = wanted;
  for (std::size_t line = 0; line < kLines_max; ++line) queue_if_lagging(line, channel);
}

void SubscriptionRegistry::forget_if_left(ChannelIndex channel) noexcept {
  const Entry& entry = entries_[channel];
  if (!entry.leaving || entry.wanted) return;
  for (const Progress& at : entry.lines) {
    if (at.state != SubscriptionState::idle || at.queued) return;
  }
  if (on_forgotten) on_forgotten(channel);
  table_.erase(channel);
}

// --- Lines.

bool SubscriptionRegistry::lags(std::size_t line, ChannelIndex channel) const noexcept {
  const Entry& entry = entries_[channel];
  const SubscriptionState state = entry.lines[line].state;
  return entry.wanted ? state == SubscriptionState::idle : state == SubscriptionState::active;
}

void SubscriptionRegistry::queue_if_lagging(std::size_t line, ChannelIndex channel) noexcept {
  Queue& queue = queues_[line];
  Progress& at = entries_[channel].lines[line];
  if (!queue.live || at.queued || !lags(line, channel)) return;
  ZW_ASSERT(queue.count < table_.channels_max());
  at.queued = true;
  queue.ring[(queue.first + queue.count++) % table_.channels_max()] = channel;
}

void SubscriptionRegistry::begin(std::size_t line) noexcept {
  end(line);
  queues_[line].live = true;
  for (ChannelIndex i = 0; i < table_.channels_max(); ++i) {
    if (table_.holds(i)) queue_if_lagging(line, i);
  }
}

void SubscriptionRegistry::end(std::size_t line) noexcept {
  Queue& queue = queues_[line];
  queue.live = false;
  queue.first = queue.count = queue.asked = queue.active = 0;
  for (ChannelIndex i = 0; i < table_.channels_max(); ++i) {
    if (!table_.holds(i)) continue;
    entries_[i].lines[line] = Progress{};
    forget_if_left(i);
  }
}

SubscriptionRegistry::Chunk SubscriptionRegistry::take(std::size_t line, std::uint64_t ask_id,
                                                       std::span<ChannelIndex> channels) noexcept {
  Queue& queue = queues_[line];
  Chunk chunk;
  while (queue.count > 0 && chunk.count < channels.size()) {
    const ChannelIndex channel = queue.ring[queue.first];
    Entry& entry = entries_[channel];
    const bool needed = lags(line, channel);
    const auto ask = entry.wanted ? SubscriptionAsk::subscribe : SubscriptionAsk::unsubscribe;
    if (needed && chunk.count > 0 && ask != chunk.ask) break;  // the next chunk's
    queue.first = (queue.first + 1) % table_.channels_max();
    --queue.count;
    entry.lines[line].queued = false;
    if (!needed) {
      forget_if_left(channel);
      continue;
    }
    entry.lines[line].ask_id = ask_id;
    set(line, channel,
        ask == SubscriptionAsk::subscribe ? SubscriptionState::asked : SubscriptionState::leaving);
    chunk.ask = ask;
    channels[chunk.count++] = channel;
  }
  return chunk;
}

void SubscriptionRegistry::put_back(std::size_t line, std::uint64_t ask_id) noexcept {
  each_asked(line, ask_id, [&](ChannelIndex channel) {
    const bool was_asked = entries_[channel].lines[line].state == SubscriptionState::asked;
    set(line, channel, was_asked ? SubscriptionState::idle : SubscriptionState::active);
    queue_if_lagging(line, channel);
  });
}

// Keeps the line's counts.
void SubscriptionRegistry::set(std::size_t line, ChannelIndex channel,
                               SubscriptionState state) noexcept {
  Queue& queue = queues_[line];
  SubscriptionState& at = entries_[channel].lines[line].state;
  if (is_waiting(at)) --queue.asked;
  if (at == SubscriptionState::active) --queue.active;
  at = state;
  if (is_waiting(at)) ++queue.asked;
  if (at == SubscriptionState::active) ++queue.active;
}

void SubscriptionRegistry::settle(std::size_t line, ChannelIndex channel,
                                  SubscriptionState state) noexcept {
  set(line, channel, state);
  queue_if_lagging(line, channel);
  forget_if_left(channel);
}

bool SubscriptionRegistry::accepted(std::size_t line, ChannelIndex channel) noexcept {
  if (!table_.holds(channel)) return false;
  const SubscriptionState state = entries_[channel].lines[line].state;
  if (!is_waiting(state)) return false;
  settle(line, channel,
         state == SubscriptionState::asked ? SubscriptionState::active : SubscriptionState::idle);
  return true;
}

// A subscription that is refused is not wanted any more; a channel that cannot be left is as good
// as left, for nobody listens.
bool SubscriptionRegistry::rejected(std::size_t line, ChannelIndex channel) noexcept {
  if (!table_.holds(channel)) return false;
  Entry& entry = entries_[channel];
  if (!is_waiting(entry.lines[line].state)) return false;
  const bool refused = entry.lines[line].state == SubscriptionState::asked && entry.wanted;
  set(line, channel, SubscriptionState::idle);
  if (refused) {
    entry.rejected = true;
    want(channel, false);
  } else {
    queue_if_lagging(line, channel);
  }
  forget_if_left(channel);
  return true;
}

void SubscriptionRegistry::invariants() const noexcept {
  std::uint32_t wanted = 0;
  for (std::size_t line = 0; line < kLines_max; ++line) {
    const Queue& queue = queues_[line];
    std::uint32_t queued = 0;
    std::uint32_t asked = 0;
    std::uint32_t active = 0;
    for (ChannelIndex i = 0; i < table_.channels_max(); ++i) {
      if (!table_.holds(i)) continue;
      const Progress& at = entries_[i].lines[line];
      queued += at.queued ? 1U : 0U;
      asked += is_waiting(at.state) ? 1U : 0U;
      active += at.state == SubscriptionState::active ? 1U : 0U;
      ZW_ASSERT(!queue.live || at.queued || is_waiting(at.state) || !lags(line, i));
      ZW_ASSERT(queue.live || at.state == SubscriptionState::idle);
      if (line == 0 && entries_[i].wanted) ++wanted;
    }
    ZW_ASSERT(queued == queue.count && asked == queue.asked && active == queue.active);
  }
  ZW_ASSERT(wanted == wanted_count_);
}

}  // namespace zenwire
