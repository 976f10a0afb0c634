#pragma once

// SimProgram: the command line of a simulation. Runs a scenario for many seeds, each twice, and
// says everything that is needed to repeat one that fails.
//
//   simulation --seeds 1..10000     exit code 0: all passed; 1: one failed; 2: not understood
//   simulation --seed 4711 --trace  every event of one, on standard error
//   simulation --seeds 1..500 --expect 5f3a...  fails if their combined hash is another: holds
//                                   builds of other compilers and machines to the same behaviour

#include <cstdint>
#include <functional>
#include <string>

namespace zenwire::testing {

// What a scenario says of one run.
struct SimResult {
  std::string failure{};  // empty: everything held
  std::uint64_t hash = 0;
  std::string setting{};      // what the seed chose, for a person
  std::string last_events{};  // SimTrace::last_events()
};

struct SimProgram {
  std::string name{};
  std::string about{};             // one line
  std::string source_directory{};  // a git checkout, to name its commit; empty: the working one
  // Makes a world of the seed, lets it run to its end, and looks at what came of it. Shows every
  // event as it happens if `trace`.
  std::function<SimResult(std::uint64_t seed, bool trace)> run{};
};

// For main().
int run_sim_program(const SimProgram& program, int argc, char** argv);

// One seed, twice: the first run's result, which has failed if the hashes differ.
SimResult run_sim_seed(const SimProgram& program, std::uint64_t seed);
// What to print of a failed seed: seed, commit, what failed, the last events, how to repeat it.
std::string sim_failure_report(const SimProgram& program, std::uint64_t seed,
                               const SimResult& result);
// The hashes of the seeds first..last in one, for tables of what must never change by accident.
std::uint64_t combine_sim_hash(std::uint64_t combined, std::uint64_t hash) noexcept;

}  // namespace zenwire::testing
