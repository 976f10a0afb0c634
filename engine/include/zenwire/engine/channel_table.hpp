#pragma once

// ChannelTable: the names of channels ("book.BTC-PERPETUAL.raw") as small numbers.
//
// A message's channel is looked up here once; its handler, its subscription and its gate are then
// array elements at the same number. Open addressing with linear probing, at most half full, so
// that a look-up is one hash and nearly always one comparison; an erased place is closed by moving
// its followers back, so that days of subscribing and leaving do not fill the table with graves.

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <string_view>

#include <zenwire/base/assert.hpp>

namespace zenwire {

using ChannelIndex = std::uint32_t;
inline constexpr ChannelIndex kNoChannel = std::numeric_limits<ChannelIndex>::max();

// Thread: the reactor's. Memory: channels_max * (name_bytes_max + 24) bytes, reserved at
// construction; no allocation after it. An index stays its channel's until that is erased.
class ChannelTable {
 public:
  ChannelTable(std::uint32_t channels_max, std::uint32_t name_bytes_max);

  // kNoChannel when the table is full, or the name is empty or too long: fits() tells them apart.
  ChannelIndex insert(std::string_view name) noexcept;
  [[nodiscard]] ChannelIndex find(std::string_view name) const noexcept;
  void erase(ChannelIndex channel) noexcept;
  [[nodiscard]] bool fits(std::string_view name) const noexcept {
    return !name.empty() && name.size() <= name_bytes_max_;
  }

  [[nodiscard]] bool holds(ChannelIndex channel) const noexcept {
    return channel < channels_max_ && entries_[channel].bytes != 0;
  }
  [[nodiscard]] std::string_view name(ChannelIndex channel) const noexcept {
    ZW_ASSERT(holds(channel));
    return {text_of(channel), entries_[channel].bytes};
  }
  [[nodiscard]] std::uint32_t count() const noexcept { return count_; }
  [[nodiscard]] std::uint32_t channels_max() const noexcept { return channels_max_; }

  ChannelTable(const ChannelTable&) = delete;
  ChannelTable& operator=(const ChannelTable&) = delete;

 private:
  struct Entry {
    std::uint64_t hash = 0;
    std::uint32_t bytes = 0;  // of the name; 0: free
    ChannelIndex next_free = kNoChannel;
  };

  [[nodiscard]] char* text_of(ChannelIndex channel) const noexcept {
    return names_.get() + std::size_t{channel} * name_bytes_max_;
  }
  [[nodiscard]] std::uint32_t place_of(std::string_view name, std::uint64_t hash) const noexcept;
  void close_hole(std::uint32_t hole) noexcept;

  std::uint32_t channels_max_;
  std::uint32_t name_bytes_max_;
  std::uint32_t mask_;
  std::uint32_t count_ = 0;
  ChannelIndex first_free_ = 0;
  std::unique_ptr<ChannelIndex[]> places_;
  std::unique_ptr<Entry[]> entries_;
  std::unique_ptr<char[]> names_;
};

}  // namespace zenwire
