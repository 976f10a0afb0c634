#pragma once

// Discovery: members that somebody else owns. A function of the user's says which there are, by
// their links; refresh() compares that with who was there before, and tells the pool of those that
// came and went. Without a function there are none, and the pool has its local members only.

#include <array>
#include <cstdint>

#include <zenwire/pool/hook.hpp>
#include <zenwire/pool/pool.hpp>

namespace zenwire {

// What the function fills. Links are told apart by their owners.
class FoundMembers {
 public:
  // False: there are as many as the pool may have.
  bool add(const Link& link) noexcept {
    ZW_ASSERT(link && link.progress != nullptr && link.owner != nullptr);
    if (count_ == count_max_) return false;
    links_[count_++] = link;
    return true;
  }
  [[nodiscard]] std::uint32_t count() const noexcept { return count_; }
  [[nodiscard]] const Link& at(std::uint32_t index) const noexcept { return links_[index]; }
  [[nodiscard]] bool holds(const void* owner) const noexcept {
    for (std::uint32_t i = 0; i < count_; ++i)
      if (links_[i].owner == owner) return true;
    return false;
  }

 private:
  friend class Discovery;
  std::array<Link, kMembers_max> links_{};
  std::uint32_t count_ = 0;
  std::uint32_t count_max_ = kMembers_max;
};

// Thread: the reactor's, and so the function's too. A found link must work until a refresh() after
// which it is not found any more. No allocation.
class Discovery {
 public:
  // Found members get the pool's numbers from `first` on; those below are the local ones.
  Discovery(Pool& pool, MemberIndex first, Hook<FoundMembers&> find) noexcept
      : pool_(pool), first_(first), find_(find) {
    ZW_ASSERT(first <= pool.members());
  }
  Discovery(const Discovery&) = delete;
  Discovery& operator=(const Discovery&) = delete;

  // A function that fails changes nothing, and is counted.
  void refresh(Instant_ns now_ns) noexcept;
  // A found member has died: at once, rather than at the next refresh().
  void gone(const void* owner, Instant_ns now_ns) noexcept;

  [[nodiscard]] std::uint32_t count() const noexcept { return count_; }
  [[nodiscard]] std::uint64_t failures() const noexcept { return failures_; }
  // kNoMember: not found.
  [[nodiscard]] MemberIndex member_of(const void* owner) const noexcept;

 private:
  void come(const Link& link, Instant_ns now_ns) noexcept;

  Pool& pool_;
  MemberIndex first_;
  Hook<FoundMembers&> find_;
  std::array<const void*, kMembers_max> owners_{};  // by member number; null: free
  std::uint32_t count_ = 0;
  std::uint64_t failures_ = 0;
};

}  // namespace zenwire
