#include <algorithm>

#include <zenwire/pool/edge_table.hpp>

namespace zenwire {

std::uint64_t Edge::speed_ns() const noexcept {
  if (measurements == 0 || failures > 0) return kNever_ns;
  std::array<std::uint64_t, kMeasurements> sorted = pings_ns;
  const std::size_t count = std::min<std::size_t>(measurements, kMeasurements);
  std::sort(sorted.begin(), sorted.begin() + static_cast<std::ptrdiff_t>(count));
  return sorted[(count - 1) / 2];
}

EdgeIndex EdgeTable::add(const Address& address) {
  for (EdgeIndex index = 0; index < count(); ++index)
    if (edges_[index].address == address) return index;
  Edge edge;
  edge.address = address;
  edges_.push_back(edge);
  return count() - 1;
}

void EdgeTable::measured(EdgeIndex index, std::uint64_t connect_ns, std::uint64_t ping_ns,
                         Instant_ns now_ns) noexcept {
  Edge& edge = at(index);
  edge.pings_ns[edge.measurements++ % Edge::kMeasurements] = ping_ns;
  edge.connect_ns = connect_ns;
  edge.ping_ns = ping_ns;
  edge.failures = 0;
  edge.measured_at_ns = now_ns;
}

void EdgeTable::failed(EdgeIndex index, Instant_ns now_ns) noexcept {
  ++at(index).failures;
  at(index).measured_at_ns = now_ns;
}

std::optional<EdgeIndex> EdgeTable::next_to_measure(Instant_ns now_ns,
                                                    std::uint64_t max_age_ns) const noexcept {
  std::optional<EdgeIndex> oldest;
  for (EdgeIndex index = 0; index < count(); ++index) {
    if (oldest && edges_[index].measured_at_ns >= edges_[*oldest].measured_at_ns) continue;
    oldest = index;
  }
  if (!oldest) return std::nullopt;
  const Instant_ns at_ns = edges_[*oldest].measured_at_ns;
  return at_ns == 0 || now_ns - at_ns >= max_age_ns ? oldest : std::nullopt;
}

std::optional<EdgeIndex> EdgeTable::best_unused() const noexcept {
  std::optional<EdgeIndex> best;
  for (EdgeIndex index = 0; index < count(); ++index) {
    const Edge& edge = edges_[index];
    if (edge.used || edge.speed_ns() == kNever_ns) continue;
    if (!best || edge.speed_ns() < edges_[*best].speed_ns()) best = index;
  }
  return best;
}

std::optional<EdgeSwap> EdgeTable::swap() const noexcept {
  std::optional<EdgeIndex> worst;
  for (EdgeIndex index = 0; index < count(); ++index) {
    if (!edges_[index].used) continue;
    if (!worst || edges_[index].speed_ns() > edges_[*worst].speed_ns()) worst = index;
  }
  const auto best = best_unused();
  if (!worst || !best) return std::nullopt;
  const auto out_ns = static_cast<double>(edges_[*worst].speed_ns());
  const auto in_ns = static_cast<double>(edges_[*best].speed_ns());
  if (in_ns >= out_ns * (1 - better_by_)) return std::nullopt;
  return EdgeSwap{*worst, *best};
}

}  // namespace zenwire
