#include <bit>
#include <cstring>

#include <zenwire/engine/method_table.hpp>

#include "text_hash.hpp"

namespace zenwire {

MethodTable::MethodTable(std::uint16_t methods_max)
    : count_max_(std::size_t{methods_max} + 1),
      mask_(std::bit_ceil(2 * count_max_) - 1),
      names_(std::make_unique<Name[]>(count_max_)),
      places_(std::make_unique<std::uint16_t[]>(mask_ + 1)) {
  ZW_ASSERT(methods_max <= kMethods_max);
  constexpr std::string_view kOther = "other";
  std::memcpy(names_[0].text.data(), kOther.data(), kOther.size());
  names_[0].bytes = kOther.size();
  count_ = 1;
}

// Where the name is, or would be put.
std::size_t MethodTable::place_of(std::string_view wanted) const noexcept {
  std::size_t place = detail::hash_text(wanted) & mask_;
  while (places_[place] != 0 && name(MethodId{places_[place]}) != wanted) {
    place = (place + 1) & mask_;
  }
  return place;
}

MethodId MethodTable::find(std::string_view wanted) const noexcept {
  return MethodId{places_[place_of(wanted)]};
}

MethodId MethodTable::intern(std::string_view wanted) noexcept {
  const std::size_t place = place_of(wanted);
  if (places_[place] != 0) [[likely]]
    return MethodId{places_[place]};
  if (count_ == count_max_ || wanted.empty() || wanted.size() > kName_bytes_max)
    return MethodId::other;
  Name& added = names_[count_];
  std::memcpy(added.text.data(), wanted.data(), wanted.size());
  added.bytes = static_cast<std::uint8_t>(wanted.size());
  places_[place] = static_cast<std::uint16_t>(count_);
  return static_cast<MethodId>(count_++);
}

}  // namespace zenwire
