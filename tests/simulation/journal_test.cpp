// Time travel under faults: what the reactors of a simulation did is done again from their
// journals, whatever went wrong between them.

#include <gtest/gtest.h>

#include <zenwire/engine/journal.hpp>

#include "simulation.hpp"
#include "temporary_directory.hpp"

namespace zenwire::simulation {
namespace {

constexpr std::uint64_t kSeeds = 60;

std::string tell(const JournalReport& report) {
  if (!report.divergence) return "none";
  const JournalDivergence& at = *report.divergence;
  return "event " + std::to_string(at.event) + " at byte " + std::to_string(at.byte) +
         ": expected " + at.expected + ", got " + at.got;
}

TEST(SimulatedJournal, is_done_again_whatever_went_wrong) {
  const test::TemporaryDirectory directory;
  const std::string client = directory.path() + "/client.journal";
  const std::string server = directory.path() + "/server.journal";
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    {
      Simulation simulation(seed, false);
      simulation.keep_journals(client, server);
      EXPECT_EQ(simulation.run().failure, "");
    }
    for (const std::string& path : {client, server}) {
      auto journal = JournalReplay::open(path);
      ASSERT_TRUE(journal.has_value()) << path;
      const auto report = journal->run();
      ASSERT_TRUE(report.has_value()) << path;
      ASSERT_EQ(tell(*report), "none") << path;
      auto journal_again = JournalReplay::open(path);
      EXPECT_EQ(journal_again->run()->callback_hash, report->callback_hash);
    }
  }
}

// The journal only looks on: the simulated world has the same trace with it and without.
TEST(SimulatedJournal, changes_nothing) {
  const test::TemporaryDirectory directory;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const std::uint64_t without = Simulation(seed, false).run().hash;
    Simulation watched(seed, false);
    watched.keep_journals(directory.path() + "/client", directory.path() + "/server");
    EXPECT_EQ(watched.run().hash, without);
  }
}

}  // namespace
}  // namespace zenwire::simulation
