// What a routing decision costs: pool_choose MEMBERS DECISIONS. Prints the time of one. The test of
// the same name runs it under callgrind, for two numbers of decisions, and divides the difference.
//
// All costs differ, so that each search goes around to the very member that was chosen last: the
// longest way there is.

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>

#include <zenwire/pool/pool.hpp>

#include "peers/clock.hpp"

namespace {

using namespace zenwire;

Link sink() noexcept {
  return {[](void*, Opcode, Bytes) noexcept { return Errc::ok; },
          [](const void*) noexcept { return LinkProgress{}; }, nullptr};
}

}  // namespace

int main(int count, char** values) {
  const auto members =
      static_cast<std::uint32_t>(count > 1 ? std::strtoul(values[1], nullptr, 10) : 16);
  const std::uint64_t decisions = count > 2 ? std::strtoull(values[2], nullptr, 10) : 10'000'000;
  if (members == 0 || members > kMembers_max || decisions == 0) {
    std::fputs("usage: pool_choose MEMBERS(1..256) DECISIONS\n", stderr);
    return 2;
  }
  const auto pool = Pool::make({.members = members}).value();
  for (MemberIndex member = 0; member < members; ++member) {
    pool->member_up(member, sink(), 1);
    pool->observe_round_trip(member, 1'000'000 + (member * 7919) % 1009 * 1000, 1);
  }
  MemberIndex sum = 0;
  const std::uint64_t began_ns = bench::clock_ns();
  for (std::uint64_t i = 0; i < decisions; ++i) sum += pool->choose();
  const double each =
      static_cast<double>(bench::clock_ns() - began_ns) / static_cast<double>(decisions);
  std::printf("%u members: %.1f ns a decision (%u)\n", members, each, sum);
  return 0;
}
