#include "core_plan.hpp"

#include <charconv>
#include <vector>

#include <sched.h>

namespace zenwire::bench {
namespace {

std::vector<int> usable_cores() {
  cpu_set_t usable;
  CPU_ZERO(&usable);
  std::vector<int> cores;
  if (::sched_getaffinity(0, sizeof usable, &usable) != 0) return cores;
  for (int core = 0; core < CPU_SETSIZE; ++core) {
    if (CPU_ISSET(static_cast<std::size_t>(core), &usable)) cores.push_back(core);
  }
  return cores;
}

}  // namespace

Result<CorePlan> parse_cores(const std::string& list) {
  std::vector<int> cores;
  const char* at = list.data();
  const char* const end = at + list.size();
  while (at != end) {
    int core = -1;
    const auto [next, error] = std::from_chars(at, end, core);
    const bool sound = error == std::errc() && core >= 0 && core < CPU_SETSIZE;
    if (!sound || (next != end && (*next != ',' || next + 1 == end))) break;
    cores.push_back(core);
    at = next == end ? end : next + 1;
  }
  if (at != end || cores.size() < 2 || cores.size() > 3 || cores[0] == cores[1]) {
    return fail(Errc::invalid_option, "--cores is CLIENT,SERVER[,STRATEGY], as 3,1 or 3,1,2");
  }
  return CorePlan{cores[0], cores[1], cores.back()};
}

Result<CorePlan> plan_cores() {
  const std::vector<int> cores = usable_cores();
  if (cores.size() < 2) {
    return fail(Errc::affinity_refused,
                "two cores are needed, one for the client and one for the server");
  }
  const int strategy = cores.size() > 2 ? cores[cores.size() - 2] : cores.front();
  return CorePlan{cores.back(), cores.front(), strategy};
}

}  // namespace zenwire::bench
