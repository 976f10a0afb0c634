#include <bit>
#include <cstring>

#include <zenwire/engine/channel_table.hpp>

#include "text_hash.hpp"

namespace zenwire {

ChannelTable::ChannelTable(std::uint32_t channels_max, std::uint32_t name_bytes_max)
    : channels_max_(channels_max),
      name_bytes_max_(name_bytes_max),
      mask_(std::bit_ceil(2 * channels_max) - 1),
      places_(std::make_unique<ChannelIndex[]>(mask_ + 1)),
      entries_(std::make_unique<Entry[]>(channels_max)),
      names_(std::make_unique<char[]>(std::size_t{channels_max} * name_bytes_max)) {
  ZW_ASSERT(channels_max > 0 && channels_max < (1U << 30) && name_bytes_max > 0);
  for (std::uint32_t place = 0; place <= mask_; ++place) places_[place] = kNoChannel;
  for (ChannelIndex i = 0; i < channels_max; ++i)
    entries_[i].next_free = i + 1 < channels_max ? i + 1 : kNoChannel;
}

// Where the name is, or the free place where it would be.
std::uint32_t ChannelTable::place_of(std::string_view name, std::uint64_t hash) const noexcept {
  auto place = static_cast<std::uint32_t>(hash) & mask_;
  for (; places_[place] != kNoChannel; place = (place + 1) & mask_) {
    const Entry& entry = entries_[places_[place]];
    if (entry.hash == hash && name == std::string_view(text_of(places_[place]), entry.bytes)) break;
  }
  return place;
}

ChannelIndex ChannelTable::find(std::string_view name) const noexcept {
  return places_[place_of(name, detail::hash_text(name))];
}

ChannelIndex ChannelTable::insert(std::string_view name) noexcept {
  if (!fits(name)) return kNoChannel;
  const std::uint64_t hash = detail::hash_text(name);
  const std::uint32_t place = place_of(name, hash);
  if (places_[place] != kNoChannel || first_free_ == kNoChannel) return places_[place];
  const ChannelIndex channel = first_free_;
  Entry& entry = entries_[channel];
  first_free_ = entry.next_free;
  entry = {hash, static_cast<std::uint32_t>(name.size()), kNoChannel};
  std::memcpy(text_of(channel), name.data(), name.size());
  places_[place] = channel;
  ++count_;
  return channel;
}

void ChannelTable::erase(ChannelIndex channel) noexcept {
  ZW_ASSERT(holds(channel));
  Entry& entry = entries_[channel];
  close_hole(place_of(name(channel), entry.hash));
  entry = {0, 0, first_free_};
  first_free_ = channel;
  --count_;
}

// Moves back whoever is further from its own place than the hole is.
void ChannelTable::close_hole(std::uint32_t hole) noexcept {
  for (std::uint32_t at = (hole + 1) & mask_; places_[at] != kNoChannel; at = (at + 1) & mask_) {
    const auto home = static_cast<std::uint32_t>(entries_[places_[at]].hash) & mask_;
    if (((at - home) & mask_) < ((at - hole) & mask_)) continue;
    places_[hole] = places_[at];
    hole = at;
  }
  places_[hole] = kNoChannel;
}

}  // namespace zenwire
