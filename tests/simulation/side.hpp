#pragma once

// Side: whose code runs, the engine's or that of the world around it (the simulated network, the
// workload, its callbacks). A test that lets allocations fail has only the engine's fail.

#include <memory>
#include <utility>

#include <zenwire/engine/reactor.hpp>

#include "around_io.hpp"

namespace zenwire::simulation {

enum class Side : bool { world, engine };

inline thread_local Side running_side = Side::world;

// Until it dies.
class Running {
 public:
  explicit Running(Side side) noexcept : before_(std::exchange(running_side, side)) {}
  ~Running() { running_side = before_; }
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;

 private:
  Side before_;
};

// A call of the engine's, by the workload.
template <typename Call>
decltype(auto) in_engine(Call&& call) {
  const Running engine(Side::engine);
  return std::forward<Call>(call)();
}

struct InWorld {
  Running operator()() const noexcept { return Running(Side::world); }
};
using WorldIo = test::AroundIo<InWorld>;

inline ReactorIo at_the_seam(ReactorIo ios) {
  ios.reactor = std::make_unique<WorldIo>(std::move(ios.reactor), InWorld{});
  ios.setup = std::make_unique<WorldIo>(std::move(ios.setup), InWorld{});
  return ios;
}

}  // namespace zenwire::simulation
