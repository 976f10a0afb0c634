#include <zenwire/pool/discovery.hpp>

namespace zenwire {

void Discovery::refresh(Instant_ns now_ns) noexcept {
  FoundMembers found;
  found.count_max_ = pool_.members() - first_;
  const std::uint64_t failures = failures_;
  find_.run(failures_, found);
  if (failures_ != failures) return;
  for (const void* const owner : owners_)
    if (owner != nullptr && !found.holds(owner)) gone(owner, now_ns);
  for (std::uint32_t i = 0; i < found.count(); ++i)
    if (member_of(found.at(i).owner) == kNoMember) come(found.at(i), now_ns);
}

void Discovery::gone(const void* owner, Instant_ns now_ns) noexcept {
  const MemberIndex member = member_of(owner);
  if (member == kNoMember) return;
  owners_[member] = nullptr;
  --count_;
  pool_.member_down(member, now_ns);
}

MemberIndex Discovery::member_of(const void* owner) const noexcept {
  ZW_ASSERT(owner != nullptr);
  for (MemberIndex member = first_; member < pool_.members(); ++member)
    if (owners_[member] == owner) return member;
  return kNoMember;
}

void Discovery::come(const Link& link, Instant_ns now_ns) noexcept {
  MemberIndex member = first_;
  while (owners_[member] != nullptr) ++member;
  ZW_ASSERT(member < pool_.members());
  owners_[member] = link.owner;
  ++count_;
  pool_.member_up(member, link, now_ns);
}

}  // namespace zenwire
