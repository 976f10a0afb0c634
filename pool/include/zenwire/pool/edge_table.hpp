#pragma once

// EdgeTable: the addresses behind which a venue answers, how fast each is, and which to keep.
//
// Sans I/O: whoever measures tells it; it says what to measure next, which edges to use and which
// of those to replace. An edge's speed is the median of its last measurements, so that one lucky or
// unlucky probe decides nothing.

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include <zenwire/base/assert.hpp>
#include <zenwire/engine/address.hpp>
#include <zenwire/engine/io.hpp>

namespace zenwire {

using EdgeIndex = std::uint32_t;

struct Edge {
  static constexpr std::size_t kMeasurements = 3;

  Address address{};
  bool used = false;           // a line runs over it
  std::uint32_t failures = 0;  // in a row
  Instant_ns measured_at_ns = 0;
  std::uint64_t connect_ns = 0;  // the last one
  std::uint64_t ping_ns = 0;     // the last one
  std::array<std::uint64_t, kMeasurements> pings_ns{};
  std::uint32_t measurements = 0;

  // The median round trip of its pings; kNever_ns before the first, or after a failure.
  [[nodiscard]] std::uint64_t speed_ns() const noexcept;
};

struct EdgeSwap {
  EdgeIndex out;
  EdgeIndex in;
};

// Cold: allocates as edges are added. Any one thread.
class EdgeTable {
 public:
  // An unused edge takes a used one's place when it is faster by this part of its speed.
  explicit EdgeTable(double better_by = 0.1) noexcept : better_by_(better_by) {
    ZW_ASSERT(better_by >= 0 && better_by < 1);
  }

  // The same address twice is one edge.
  EdgeIndex add(const Address& address);
  void measured(EdgeIndex edge, std::uint64_t connect_ns, std::uint64_t ping_ns,
                Instant_ns now_ns) noexcept;
  void failed(EdgeIndex edge, Instant_ns now_ns) noexcept;
  void use(EdgeIndex edge, bool used) noexcept { at(edge).used = used; }

  [[nodiscard]] std::uint32_t count() const noexcept {
    return static_cast<std::uint32_t>(edges_.size());
  }
  [[nodiscard]] const Edge& edge(EdgeIndex index) const noexcept { return edges_[index]; }

  // The one measured longest ago, never first; nothing when all are newer than `max_age_ns`.
  [[nodiscard]] std::optional<EdgeIndex> next_to_measure(Instant_ns now_ns,
                                                         std::uint64_t max_age_ns) const noexcept;
  // The fastest that is not used and answers.
  [[nodiscard]] std::optional<EdgeIndex> best_unused() const noexcept;
  // The slowest used one, if the best unused one is better by enough.
  [[nodiscard]] std::optional<EdgeSwap> swap() const noexcept;

 private:
  [[nodiscard]] Edge& at(EdgeIndex index) noexcept {
    ZW_ASSERT(index < edges_.size());
    return edges_[index];
  }

  double better_by_;
  std::vector<Edge> edges_;
};

}  // namespace zenwire
