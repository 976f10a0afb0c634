#pragma once

// InFlightTable: the requests of a pool that are under way: by id, and in the order in which they
// were sent. All memory is taken at start.

#include <array>
#include <cstdint>
#include <memory>

#include <zenwire/base/assert.hpp>
#include <zenwire/engine/buffer_pool.hpp>
#include <zenwire/engine/io.hpp>
#include <zenwire/pool/pool_request.hpp>

namespace zenwire {

// Where a request went: at most two places, the second by a hedge or a resend.
struct RequestLeg {
  MemberIndex member = kNoMember;
  std::uint64_t begins_at = 0;  // LinkProgress::accepted_bytes before it
  Instant_ns sent_ns = 0;
};

struct InFlight {
  std::uint64_t id = 0;
  std::uint64_t sticky_key = 0;
  Instant_ns sent_ns = 0;  // first
  std::array<RequestLeg, 2> legs{};
  std::byte* copy = nullptr;  // of its payload, for sending it again
  std::size_t bytes = 0;
  Opcode opcode = Opcode::text;
  bool idempotent = false;
  bool hedged = false;         // or resent: not twice
  bool may_have_left = false;  // of a connection that died

  [[nodiscard]] RequestLeg* leg_of(MemberIndex member) noexcept {
    for (RequestLeg& leg : legs)
      if (leg.member == member) return &leg;
    return nullptr;
  }
  [[nodiscard]] bool has_legs() const noexcept {
    return legs[0].member != kNoMember || legs[1].member != kNoMember;
  }
};

// Threads: the reactor's. O(1) but for what walks them all. Indices stay until remove().
class InFlightTable {
 public:
  static constexpr std::uint32_t kNone = ~0U;

  explicit InFlightTable(std::uint32_t requests_max);

  // kNone when the id is not there.
  [[nodiscard]] std::uint32_t find(std::uint64_t id) const noexcept;
  // The id must not be there, and not all places taken.
  std::uint32_t add(std::uint64_t id) noexcept;
  void remove(std::uint32_t index) noexcept;

  [[nodiscard]] bool full() const noexcept { return free_ == kNone; }
  [[nodiscard]] std::uint32_t count() const noexcept { return count_; }
  [[nodiscard]] InFlight& at(std::uint32_t index) noexcept { return slots_[index].request; }
  [[nodiscard]] const InFlight& at(std::uint32_t index) const noexcept {
    return slots_[index].request;
  }

  // In the order of sending: the oldest, and the next younger one.
  [[nodiscard]] std::uint32_t oldest() const noexcept { return age_.first; }
  [[nodiscard]] std::uint32_t younger(std::uint32_t index) const noexcept {
    return slots_[index].age.next;
  }
  // Those that wait to be hedged, in the same order.
  void await_hedge(std::uint32_t index) noexcept;
  [[nodiscard]] std::uint32_t oldest_unhedged() const noexcept { return hedge_.first; }
  void hedged(std::uint32_t index) noexcept;

 private:
  struct Links {
    std::uint32_t next = kNone;
    std::uint32_t previous = kNone;
    bool linked = false;
  };
  struct Slot {
    InFlight request;
    Links age;
    Links hedge;
    std::uint32_t next = kNone;  // in its bucket, or in the free list
  };
  struct List {
    std::uint32_t first = kNone;
    std::uint32_t last = kNone;
  };

  void append(List& list, Links Slot::*links, std::uint32_t index) noexcept;
  void unlink(List& list, Links Slot::*links, std::uint32_t index) noexcept;
  [[nodiscard]] std::uint32_t& bucket_of(std::uint64_t id) const noexcept {
    return buckets_[id * 0x9E3779B97F4A7C15U >> shift_];
  }

  std::unique_ptr<Slot[]> slots_;
  std::unique_ptr<std::uint32_t[]> buckets_;
  unsigned shift_;
  std::uint32_t free_ = kNone;
  std::uint32_t count_ = 0;
  List age_;
  List hedge_;
};

}  // namespace zenwire
