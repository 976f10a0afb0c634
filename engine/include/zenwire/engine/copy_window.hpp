#pragma once

// CopyWindow: tells the first copy of a message from the later ones by its content, for streams
// whose messages carry no sequence.
//
// A feed may well send the same bytes twice and mean it (a heartbeat, two equal trades), so a set
// of hashes is not enough. For each content the window keeps how many copies each member is
// behind the one that is furthest ahead: a copy from a member that is not behind is news, and puts
// all others one behind; from one that is behind it is a copy of what was delivered, and it catches
// up by one. So a content comes out as often as the most complete feed carried it.
//
//   entry (one cache line):  hash | first | last | bytes | copies behind, a byte per member
//
// What it cannot know: a content that only a member had which is behind, and died for others, is
// taken for a copy. A sequence number has no such corner; use one where there is one.

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

#include <zenwire/base/assert.hpp>
#include <zenwire/base/bytes.hpp>
#include <zenwire/engine/io.hpp>

namespace zenwire {

struct CopyVerdict {
  bool fresh;           // deliver it; otherwise it is a copy
  Instant_ns first_ns;  // when the first one came
};

// Threads: the reactor's only. Lifetime: its gate's. Cost: one hash of the content (XXH3, 10 to 30
// bytes a nanosecond) and the cache lines of its set up to its own, all eight if it is fresh; that
// touches each member's byte of it. No allocation after construction.
class CopyWindow {
 public:
  static constexpr unsigned kMembers_max = 32;
  static constexpr std::uint32_t kContents_min = 8;  // one set

  // `contents` is a power of two from 8: how many are remembered at most. They lie in sets of
  // eight, so that one may be forgotten before all are there: with eight times as many as a member
  // is behind, hardly ever. One that has not been seen for `age_ns` is news again, whoever sends
  // it.
  CopyWindow(std::uint32_t contents, std::uint64_t age_ns);

  CopyVerdict offer(unsigned member, Bytes content, Instant_ns now_ns) noexcept;
  // A member begins anew: of what is remembered it is at most one copy behind.
  void join(unsigned member) noexcept;

  [[nodiscard]] std::size_t memory_bytes() const noexcept { return sets_ * sizeof(Set); }
  // Contents that were forgotten for want of room before they were old.
  [[nodiscard]] std::uint64_t evicted() const noexcept { return evicted_; }

 private:
  static constexpr std::size_t kWays = kContents_min;

  struct alignas(64) Entry {
    std::uint64_t hash = 0;
    Instant_ns first_ns = 0;
    Instant_ns last_ns = 0;  // 0: empty
    std::uint64_t bytes = 0;
    std::array<std::uint8_t, kMembers_max> behind{};
  };
  static_assert(sizeof(Entry) == 64);
  using Set = std::array<Entry, kWays>;

  [[nodiscard]] Entry* find(Set& set, std::uint64_t hash, std::uint64_t bytes) const noexcept;
  Entry& make(Set& set, std::uint64_t hash, std::uint64_t bytes, Instant_ns now_ns) noexcept;
  [[nodiscard]] bool is_old(const Entry& entry, Instant_ns now_ns) const noexcept {
    return entry.last_ns == 0 || now_ns - entry.last_ns > age_ns_;
  }

  std::size_t sets_;
  std::uint64_t age_ns_;
  std::unique_ptr<Set[]> entries_;
  std::uint64_t evicted_ = 0;
};

}  // namespace zenwire
