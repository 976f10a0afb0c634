#pragma once

// StickyTable: which member the last request of a key went through, so that an amend or a cancel
// follows its order: on one connection the venue sees them in the order in which they were sent.
//
// Of fixed size: sets of eight; a new key takes the place of the one in its set that was used least
// lately, which is then as if it had never been sent (and is counted).

#include <array>
#include <bit>
#include <cstdint>
#include <memory>

#include <zenwire/base/assert.hpp>
#include <zenwire/pool/member.hpp>

namespace zenwire {

// A value of the pool's; the reactor's thread. O(1).
class StickyTable {
 public:
  // `keys` is a power of two from 8: how many are remembered at most.
  explicit StickyTable(std::uint32_t keys)
      : sets_(keys / kWays), table_(std::make_unique<Set[]>(sets_)) {
    ZW_ASSERT(keys >= kWays && std::has_single_bit(keys));
  }

  // kNoMember if it is not known. A key of 0 never is.
  [[nodiscard]] MemberIndex find(std::uint64_t key) const noexcept {
    for (const Entry& entry : set_of(key))
      if (entry.key == key && key != 0) return entry.member;
    return kNoMember;
  }
  void put(std::uint64_t key, MemberIndex member) noexcept {
    if (key == 0) return;
    Set& set = set_of(key);
    Entry* place = set.data();
    for (Entry& entry : set) {
      if (entry.key == key) {
        place = &entry;
        break;
      }
      if (entry.used < place->used) place = &entry;
    }
    if (place->key != key && place->key != 0) ++evicted_;
    *place = {key, ++clock_, member};
  }
  [[nodiscard]] std::uint64_t evicted() const noexcept { return evicted_; }

 private:
  static constexpr std::uint32_t kWays = 8;
  struct Entry {
    std::uint64_t key = 0;
    std::uint64_t used = 0;
    MemberIndex member = kNoMember;
  };
  using Set = std::array<Entry, kWays>;

  [[nodiscard]] Set& set_of(std::uint64_t key) const noexcept {
    return table_[(key * 0x9E3779B97F4A7C15U >> 32) & (sets_ - 1)];
  }

  std::uint32_t sets_;
  std::unique_ptr<Set[]> table_;
  std::uint64_t clock_ = 0;
  std::uint64_t evicted_ = 0;
};

}  // namespace zenwire
