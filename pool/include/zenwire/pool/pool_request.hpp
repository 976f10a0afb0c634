#pragma once

// A request that goes through a pool, and what becomes of it.

#include <cstdint>
#include <string_view>

#include <zenwire/base/bytes.hpp>
#include <zenwire/base/error.hpp>
#include <zenwire/codec/frame.hpp>
#include <zenwire/pool/member.hpp>

namespace zenwire {

struct PoolRequest {
  // The caller's own, unique among those under way; complete() names it. 0: no reply is awaited,
  // and the pool forgets it once it is sent.
  std::uint64_t id = 0;
  Bytes payload{};
  Opcode opcode = Opcode::text;
  // Sending it twice does no harm: a read, a cancel. Then it may be sent again when its connection
  // dies, and hedged. Never for an order.
  bool idempotent = false;
  // What must stay on one connection: an order's number, for the order and its amends and cancels.
  // 0: nothing.
  std::uint64_t sticky_key = 0;
};

// What a pool tells of a request on its own. The last three end it; a reply ends it through
// complete().
struct RequestNews {
  enum class Kind : std::uint8_t {
    moved,     // its connection died before any byte of it was written; it went through another
    resent,    // it may have been written, and is idempotent: it went through another as well
    hedged,    // no reply for a while, and it is idempotent: it went through another as well
    not_sent,  // its connection died first, and no other took it: surely not at the venue
    outcome_unknown,  // it may have reached the venue, and no reply can come any more
    timed_out,        // no reply in time: whether it reached the venue is unknown
  };
  std::uint64_t id;
  Kind kind;
  MemberIndex member;  // that it is through now, or was last
};
std::string_view name(RequestNews::Kind kind) noexcept;

}  // namespace zenwire
