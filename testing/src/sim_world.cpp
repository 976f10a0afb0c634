#include <algorithm>

#include <zenwire/engine/tls_random.hpp>
#include <zenwire/testing/sim_world.hpp>

#include "sim_io.hpp"
#include "sim_network.hpp"

namespace zenwire::testing {
namespace {

// How far time goes on when somebody spins and nothing is known to come: little while there is
// activity, more and more without.
constexpr Instant_ns kQuantum_ns_min = 1'000;
constexpr Instant_ns kQuantum_ns_max = 5'000'000;
constexpr Instant_ns kLateWake_ns_max = 50'000'000;
constexpr Instant_ns kClockJump_ns_max = 20'000'000'000;

}  // namespace

SimWorld::SimWorld(std::uint64_t seed, const SimFaults& faults)
    : random_(seed),
      order_random_(random_.split()),
      tls_random_(random_.split()),
      network_(std::make_unique<detail::SimNetwork>(random_.split(), trace_, faults)),
      quantum_ns_(kQuantum_ns_min) {
  set_tls_random_source(Callback<MutableBytes>::to<&SimWorld::fill_tls>(*this));
}

SimWorld::~SimWorld() {
  ZW_ASSERT(network_->ios.empty());
  set_tls_random_source({});
}

std::unique_ptr<Io> SimWorld::make_io() {
  return std::make_unique<detail::SimIo>(*network_);
}

ReactorIo SimWorld::make_reactor_io() {
  return {make_io(), make_io(), false};
}

void SimWorld::add(Reactor& reactor) {
  actors_.push_back({&reactor, {}});
}
void SimWorld::remove(Reactor& reactor) {
  std::erase_if(actors_, [&](const Actor& actor) { return actor.reactor == &reactor; });
}
void SimWorld::add(Callback<> turn) {
  actors_.push_back({nullptr, turn});
}

void SimWorld::step() {
  network_->stepping = true;
  for (detail::SimIo* io : network_->ios) io->begin_round();
  const std::uint64_t activity = network_->activity;
  network_->report_spuriously();
  const std::size_t first = actors_.empty() ? 0 : order_random_.below(actors_.size());
  for (std::size_t i = 0; i < actors_.size(); ++i) {
    const Actor actor = actors_[(first + i) % actors_.size()];
    if (actor.reactor == nullptr) {
      actor.turn();
      continue;
    }
    actor.reactor->step_setup(true);
    static_cast<void>(actor.reactor->poll(true));
  }
  network_->stepping = false;
  quantum_ns_ =
      network_->activity != activity ? kQuantum_ns_min : std::min(quantum_ns_ * 2, kQuantum_ns_max);
  Instant_ns wanted_ns = network_->next_event_ns();
  for (const detail::SimIo* io : network_->ios) wanted_ns = std::min(wanted_ns, io->wants_ns());
  advance(wanted_ns);
}

// To `wanted_ns`, or a little where somebody wants another turn at once.
void SimWorld::advance(Instant_ns wanted_ns) noexcept {
  const Instant_ns now = network_->now_ns();
  const bool spins = wanted_ns <= now || wanted_ns == kNever_ns;
  Instant_ns next_ns = spins ? now + quantum_ns_ : wanted_ns;
  next_ns = std::max(std::min(next_ns, network_->next_event_ns()), now + 1);
  if (network_->chance(faults().late_wake)) next_ns += random_.skewed(kLateWake_ns_max);
  if (network_->chance(faults().clock_jump)) next_ns += random_.skewed(kClockJump_ns_max);
  network_->pass(next_ns - now);
  network_->run_events();
}

Instant_ns SimWorld::now_ns() const noexcept {
  return network_->now_ns();
}
void SimWorld::spend(Instant_ns duration_ns) noexcept {
  network_->pass(duration_ns);
}
SimFaults& SimWorld::faults() noexcept {
  return network_->faults;
}
void SimWorld::add_host(std::string host, std::vector<Address> addresses) {
  network_->hosts[std::move(host)] = std::move(addresses);
}
void SimWorld::reset(Socket socket) noexcept {
  network_->abort(socket);
}
void SimWorld::fail_operation(std::uint64_t nth) noexcept {
  network_->fail_operation(nth);
}
std::uint64_t SimWorld::operations() const noexcept {
  return network_->operations_done();
}
const std::vector<std::string>& SimWorld::violations() const noexcept {
  return network_->violations;
}
std::size_t SimWorld::sockets_open() const noexcept {
  return network_->sockets_open();
}
std::size_t SimWorld::operations_in_flight() const noexcept {
  return network_->operations.size();
}
std::string SimWorld::unwatched() const {
  return network_->unwatched();
}
SimTrace& SimWorld::trace() noexcept {
  return trace_;
}
Random& SimWorld::random() noexcept {
  return random_;
}

}  // namespace zenwire::testing
