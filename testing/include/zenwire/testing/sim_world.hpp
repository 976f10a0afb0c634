#pragma once

// SimWorld: a machine, its network and its clock, simulated from one seed, so that the whole engine
// runs in one thread under virtual time and faults, and any run can be repeated exactly.
//
// It gives out Ios (the seam of engine/io.hpp). Two reactors of one world can connect to each
// other, as processes on loopback would; scripted peers (sim_peer.hpp) speak raw bytes. Whoever
// writes a strategy simulates it the same way: run its callbacks in a reactor of a world, and let
// the seed choose what goes wrong (docs/testing.md).
//
// What happens when is decided by the seed and by the order of the calls alone: no clock, no
// address, no hash table has a say. Only integers, and distributions of our own (random.hpp).
//
// Thread: one, for the world and all that runs in it; TLS of that thread draws its random bytes
// from the world while it lives, so there is one world at a time in a thread. Lifetime: the world
// outlives its Ios.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <zenwire/base/callback.hpp>
#include <zenwire/engine/io.hpp>
#include <zenwire/engine/reactor.hpp>
#include <zenwire/testing/random.hpp>
#include <zenwire/testing/sim_faults.hpp>
#include <zenwire/testing/sim_trace.hpp>

namespace zenwire::testing {

namespace detail {
class SimNetwork;
}

class SimWorld {
 public:
  explicit SimWorld(std::uint64_t seed, const SimFaults& faults = {});
  SimWorld(const SimWorld&) = delete;
  SimWorld& operator=(const SimWorld&) = delete;
  ~SimWorld();

  // An Io of this world.
  [[nodiscard]] std::unique_ptr<Io> make_io();
  // What Reactor::create takes: the set-up is stepped by step() too.
  [[nodiscard]] ReactorIo make_reactor_io();

  // Who has a turn in step(): a reactor with its set-up, or anything else (a strategy that reads a
  // queue). They are borrowed; remove() before they die.
  void add(Reactor& reactor);
  void remove(Reactor& reactor);
  void add(Callback<> turn);

  // One round: everybody has a turn, in an order of the seed's; then time goes on to what comes
  // next: an arrival, an outcome, a deadline that somebody waits for.
  void step();
  // Steps until done() or until `limit_ns` of virtual time have passed; the value of done().
  template <typename Done>
  [[nodiscard]] bool run_until(Done&& done, Instant_ns limit_ns) {
    const Instant_ns end_ns = now_ns() + limit_ns;
    while (!done()) {
      if (now_ns() >= end_ns) return false;
      step();
    }
    return true;
  }

  [[nodiscard]] Instant_ns now_ns() const noexcept;
  // Time passes in the middle of a turn: a slow callback.
  void spend(Instant_ns duration_ns) noexcept;

  // The rates from now on. heal() switches all faults off: what is under way still comes, late but
  // surely, so that everything must finish.
  [[nodiscard]] SimFaults& faults() noexcept;
  void heal() noexcept { faults() = {}; }

  // `host` resolves to these; other names do not exist.
  void add_host(std::string host, std::vector<Address> addresses);
  // Resets the connection of this socket, as a peer's crash or a firewall would.
  void reset(Socket socket) noexcept;

  // The nth operation on an Io from now on fails, as that operation can; 0 for none. operations()
  // counts them.
  void fail_operation(std::uint64_t nth) noexcept;
  [[nodiscard]] std::uint64_t operations() const noexcept;

  // Broken rules of the seam: a socket closed with an operation in flight, bytes taken while others
  // are unsettled, and so on. Empty unless the engine has a bug.
  [[nodiscard]] const std::vector<std::string>& violations() const noexcept;
  // What has not come home: 0 once every reactor has died.
  [[nodiscard]] std::size_t sockets_open() const noexcept;
  [[nodiscard]] std::size_t operations_in_flight() const noexcept;
  // Sockets with bytes or an end to be read and no operation in flight that would tell of them: if
  // nothing goes on, this is why.
  [[nodiscard]] std::string unwatched() const;

  [[nodiscard]] SimTrace& trace() noexcept;
  // A generator for the workload: its draws do not shift the network's.
  [[nodiscard]] Random& random() noexcept;

 private:
  void advance(Instant_ns wanted_ns) noexcept;
  void fill_tls(MutableBytes bytes) noexcept { tls_random_.fill(bytes); }

  struct Actor {
    Reactor* reactor;
    Callback<> turn;
  };

  Random random_;
  Random order_random_;
  Random tls_random_;
  SimTrace trace_;
  std::unique_ptr<detail::SimNetwork> network_;
  std::vector<Actor> actors_;
  Instant_ns quantum_ns_;
};

}  // namespace zenwire::testing
