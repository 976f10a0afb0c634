#pragma once

// Budget: limits on how long stages may take, and whether they were kept: of a Stopwatch's stages
// or of the engine's own (LatencyRecorder). A budget that a stage must keep beside a bare loop over
// the same sockets, rather than in nanoseconds, is what `zenwire bench` measures.

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <zenwire/base/error.hpp>
#include <zenwire/engine/histogram.hpp>
#include <zenwire/engine/latency.hpp>
#include <zenwire/engine/stopwatch.hpp>

namespace zenwire {

// `percent` of the values of `stage` are at most `limit_ns`.
struct BudgetLimit {
  std::string_view stage;
  double percent = 99;  // above 0; 100: all of them
  std::uint64_t limit_ns = 0;
};

struct BudgetVerdict {
  std::string_view stage;
  double percent = 0;
  std::uint64_t limit_ns = 0;
  std::uint64_t measured_ns = 0;
  std::uint64_t count = 0;  // 0: the stage was never marked, or there is none of that name
  // What was never marked keeps no limit.
  [[nodiscard]] bool met() const noexcept { return count != 0 && measured_ns <= limit_ns; }
};

// Thread: one. Lifetime: verdicts die at the next check. check() allocates nothing, text() does.
class Budget {
 public:
  static constexpr std::size_t kLimits_max = 256;

  // Errors: invalid_option (no limit, too many, a percentage that is none, a stage without a name);
  // memory_exhausted.
  static Result<Budget> make(std::initializer_list<BudgetLimit> limits) noexcept {
    return make(std::span(limits.begin(), limits.size()));
  }
  static Result<Budget> make(std::span<const BudgetLimit> limits) noexcept;

  // A verdict for each limit, in their order. Cost: a walk over the histogram for each.
  std::span<const BudgetVerdict> check(const Stopwatch& stopwatch) noexcept;
  // Stages are called as name(Stage) says. `ticks_per_ns`: see TickRate.
  std::span<const BudgetVerdict> check(const LatencyRecorder& latency,
                                       double ticks_per_ns) noexcept;

  // Of the last check: whether every limit was kept, and a table of it for people, a line a limit.
  [[nodiscard]] bool met() const noexcept;
  [[nodiscard]] std::string text() const;

 private:
  explicit Budget(std::span<const BudgetLimit> limits);
  void judge(BudgetVerdict& verdict) noexcept;

  std::vector<std::string> names_;
  std::vector<BudgetVerdict> verdicts_;
  std::unique_ptr<Histogram> nanoseconds_;
};

}  // namespace zenwire
