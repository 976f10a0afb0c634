#pragma once

// Router: which member is the cheapest. One dense array of 32-bit keys, a key a member, so that 256
// members are 16 cache lines and a decision is two passes of vector instructions over them:
//
//   pass 1: the least key           (pminud, 16 keys a step)
//   pass 2: the next member after the last choice that has it   (pcmpeqd, from there around)
//
// So equals take turns, with no counter of their own. A key is the cost as a 32-bit float, which
// orders like the unsigned integer of its bits and keeps 7 digits: members whose costs differ by
// less than 1e-7 of themselves are equals. A barred member's key is kBarred, above every cost.

#include <array>
#include <bit>
#include <cstdint>

#include <zenwire/base/assert.hpp>
#include <zenwire/pool/member.hpp>

namespace zenwire {

// Threads: the reactor's only. Cost of choose(): about 60 instructions for 16 members, 400 for 256;
// no branch that depends on the costs but the last.
class Router {
 public:
  // Members from 0 to below `members` can be chosen; all are barred at first.
  explicit Router(std::uint32_t members) noexcept : members_(members) {
    ZW_ASSERT(members > 0 && members <= kMembers_max);
    keys_.fill(kBarred);
  }

  void set(MemberIndex member, std::uint64_t cost) noexcept {
    ZW_ASSERT(member < members_);
    keys_[member] = std::bit_cast<std::uint32_t>(static_cast<float>(cost));
  }
  void bar(MemberIndex member) noexcept {
    ZW_ASSERT(member < members_);
    keys_[member] = kBarred;
  }
  [[nodiscard]] bool barred(MemberIndex member) const noexcept {
    ZW_ASSERT(member < members_);
    return keys_[member] == kBarred;
  }

  // The cheapest, or kNoMember when all are barred.
  [[nodiscard]] MemberIndex choose() noexcept;

 private:
  static constexpr std::uint32_t kBarred = ~std::uint32_t{0};
  static constexpr std::uint32_t kBlock = 16;
  static_assert(kMembers_max % kBlock == 0);

  alignas(64) std::array<std::uint32_t, kMembers_max> keys_;
  std::uint32_t members_;
  MemberIndex last_ = kMembers_max - 1;
};

}  // namespace zenwire
