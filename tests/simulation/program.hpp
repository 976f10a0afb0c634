#pragma once

#include <cstdlib>

#include <zenwire/testing/sim_program.hpp>

#include "simulation.hpp"

namespace zenwire::simulation {

inline testing::SimProgram program() {
  const char* const source = std::getenv("ZENWIRE_SOURCE_DIR");
  return {.name = "zenwire_simulation",
          .about = "the whole engine in one thread, under virtual time and seeded faults",
          .source_directory = source != nullptr ? source : "",
          .run = [](std::uint64_t seed, bool trace) { return Simulation(seed, trace).run(); }};
}

}  // namespace zenwire::simulation
