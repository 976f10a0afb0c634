#include <algorithm>
#include <cstdio>

#include <zenwire/base/assert.hpp>
#include <zenwire/base/want_of_memory.hpp>
#include <zenwire/engine/budget.hpp>

namespace zenwire {

Budget::Budget(std::span<const BudgetLimit> limits) : nanoseconds_(std::make_unique<Histogram>()) {
  ZW_ASSERT(!limits.empty() && limits.size() <= kLimits_max);
  names_.reserve(limits.size());  // verdicts point at the names
  verdicts_.reserve(limits.size());
  for (const BudgetLimit& limit : limits) {
    names_.emplace_back(limit.stage);
    verdicts_.push_back(
        {.stage = names_.back(), .percent = limit.percent, .limit_ns = limit.limit_ns});
  }
}

Result<Budget> Budget::make(std::span<const BudgetLimit> limits) noexcept {
  return or_memory_exhausted([&]() -> Result<Budget> {
    if (limits.empty() || limits.size() > kLimits_max) {
      return fail(Errc::invalid_option, "budget: needs 1 to 256 limits");
    }
    static_assert(kLimits_max == 256, "the error says so");
    for (const BudgetLimit& limit : limits) {
      const bool sound = limit.percent > 0 && limit.percent <= 100;
      if (limit.stage.empty()) return fail(Errc::invalid_option, "budget: a limit without a stage");
      if (!sound) {
        return fail(Errc::invalid_option,
                    "budget: " + std::string(limit.stage) + ": percent is above 0, at most 100");
      }
    }
    return Budget(limits);
  });
}

void Budget::judge(BudgetVerdict& verdict) noexcept {
  verdict.count = nanoseconds_->count();
  verdict.measured_ns = verdict.count == 0 ? 0 : nanoseconds_->percentile(verdict.percent);
}

std::span<const BudgetVerdict> Budget::check(const Stopwatch& stopwatch) noexcept {
  for (BudgetVerdict& verdict : verdicts_) {
    nanoseconds_->clear();
    const auto stage = stopwatch.find(verdict.stage);
    if (stage) stopwatch.to_nanoseconds(*stage, *nanoseconds_);
    judge(verdict);
  }
  return verdicts_;
}

std::span<const BudgetVerdict> Budget::check(const LatencyRecorder& latency,
                                             double ticks_per_ns) noexcept {
  ZW_ASSERT(ticks_per_ns > 0);
  for (BudgetVerdict& verdict : verdicts_) {
    nanoseconds_->clear();
    for (std::size_t i = 0; i < kStages; ++i) {
      const auto stage = static_cast<Stage>(i);
      if (name(stage) == verdict.stage) latency.to_nanoseconds(stage, ticks_per_ns, *nanoseconds_);
    }
    judge(verdict);
  }
  return verdicts_;
}

bool Budget::met() const noexcept {
  return std::all_of(verdicts_.begin(), verdicts_.end(),
                     [](const BudgetVerdict& verdict) noexcept { return verdict.met(); });
}

std::string Budget::text() const {
  char line[160];
  std::snprintf(line, sizeof line, "%-20s %8s %12s %12s %12s\n", "stage", "percent", "limit ns",
                "measured ns", "count");
  std::string text = line;
  for (const BudgetVerdict& verdict : verdicts_) {
    std::snprintf(line, sizeof line, "%-20s %8g %12llu %12llu %12llu  %s\n",
                  std::string(verdict.stage.substr(0, 64)).c_str(), verdict.percent,
                  static_cast<unsigned long long>(verdict.limit_ns),
                  static_cast<unsigned long long>(verdict.measured_ns),
                  static_cast<unsigned long long>(verdict.count),
                  verdict.met()        ? "kept"
                  : verdict.count == 0 ? "BROKEN: never marked"
                                       : "BROKEN");
    text += line;
  }
  return text;
}

}  // namespace zenwire
