#include <array>

#include <zenwire/testing/sim_faults.hpp>

namespace zenwire::testing {
namespace {

struct Kind {
  const char* name;
  std::uint32_t SimFaults::*rate;
  std::uint32_t most_ppm;
};

// Faults that end a connection are rare, the others may be the rule.
constexpr std::array kKinds{
    Kind{"short_read", &SimFaults::short_read, 1'000'000},
    Kind{"short_write", &SimFaults::short_write, 1'000'000},
    Kind{"split", &SimFaults::split, 1'000'000},
    Kind{"clog", &SimFaults::clog, 50'000},
    Kind{"late_outcome", &SimFaults::late_outcome, 300'000},
    Kind{"reorder", &SimFaults::reorder, 1'000'000},
    Kind{"end_multishot", &SimFaults::end_multishot, 500'000},
    Kind{"overflow", &SimFaults::overflow, 200'000},
    Kind{"miss_cancel", &SimFaults::miss_cancel, 1'000'000},
    Kind{"spurious", &SimFaults::spurious, 300'000},
    Kind{"reset", &SimFaults::reset, 10'000},
    Kind{"lost_settle", &SimFaults::lost_settle, 10'000},
    Kind{"refuse", &SimFaults::refuse, 300'000},
    Kind{"late_connect", &SimFaults::late_connect, 300'000},
    Kind{"exhaust", &SimFaults::exhaust, 100'000},
    Kind{"fail_resolve", &SimFaults::fail_resolve, 300'000},
    Kind{"late_wake", &SimFaults::late_wake, 300'000},
    Kind{"clock_jump", &SimFaults::clock_jump, 300},
};
static_assert(kKinds.size() * sizeof(std::uint32_t) == sizeof(SimFaults), "every fault is named");

}  // namespace

SimFaults SimFaults::choose(Random& random) noexcept {
  SimFaults faults;
  for (const Kind& kind : kKinds) {
    const bool wanted = random.chance_ppm(500'000);
    const auto rate = static_cast<std::uint32_t>(random.skewed(kind.most_ppm));
    if (wanted) faults.*kind.rate = rate;
  }
  return faults;
}

std::string SimFaults::text() const {
  std::string text;
  for (const Kind& kind : kKinds) {
    if (this->*kind.rate == 0) continue;
    text +=
        (text.empty() ? "" : " ") + std::string(kind.name) + "=" + std::to_string(this->*kind.rate);
  }
  return text.empty() ? "none" : text;
}

}  // namespace zenwire::testing
