#pragma once

// CorePlan: which core the client, the server and the strategy's thread have.

#include <string>

#include <zenwire/base/error.hpp>

namespace zenwire::bench {

struct CorePlan {
  int client = -1;
  int server = -1;
  int strategy = -1;

  // With two cores there is none for the strategy alone: it runs where the server does, and both
  // give way to one another, which is measured as theirs.
  [[nodiscard]] bool strategy_shares() const noexcept { return strategy == server; }
};

// Of the cores that the process may use: the last for the client, the first for the server, where
// interrupts usually go, one between them for the strategy. Error: affinity_refused (there is only
// one).
Result<CorePlan> plan_cores();
// "CLIENT,SERVER[,STRATEGY]". Error: invalid_option.
Result<CorePlan> parse_cores(const std::string& list);

}  // namespace zenwire::bench
