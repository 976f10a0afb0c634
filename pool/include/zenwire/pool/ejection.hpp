#pragma once

// Ejection: takes members that misbehave out of the choice, for a while, and never too many.
//
//   in ---errors in a row, or slow against the best---> ejected ---its time---> probation
//   ^                                                      ^                        |
//   +--------- trials_wanted successes ---------+          +------- a failure ------+
//
// The time is base * 2^times, up to a maximum; each such stretch of good behaviour takes one off.
// On probation a member gets one request at a time.
//
// The guards against a storm, in which ejecting makes the others look worse: a slow member must be
// slower than `slow_factor` times the best and by `slow_by`; both must have `samples_min` samples
// and have been up for `grace`; samples above `sample_max` are stalls, not speed, and are left out;
// one member is ejected a look at most; `ejected_percent_max` and `live_min` always hold.

#include <chrono>
#include <cstdint>
#include <memory>
#include <string_view>

#include <zenwire/base/callback.hpp>
#include <zenwire/engine/io.hpp>
#include <zenwire/pool/member.hpp>

namespace zenwire {

struct EjectionOptions {
  bool enabled = true;
  std::uint32_t errors_max = 5;  // in a row
  std::chrono::nanoseconds base = std::chrono::seconds(30);
  std::chrono::nanoseconds time_max = std::chrono::seconds(300);
  std::uint32_t ejected_percent_max = 10;  // of the reachable members; one is always allowed
  std::uint32_t live_min = 2;              // so many are left in
  std::uint32_t trials_wanted = 3;

  double slow_factor = 2;
  std::chrono::nanoseconds slow_by = std::chrono::milliseconds(50);
  std::uint32_t samples_min = 64;
  std::chrono::nanoseconds grace = std::chrono::seconds(10);
  std::chrono::nanoseconds sample_max = std::chrono::milliseconds(500);
};

enum class Standing : std::uint8_t { in, ejected, probation };
std::string_view name(Standing standing) noexcept;

// Threads: the reactor's. Cost: success and failure O(1); look() O(members), to be called a few
// times a second. No allocation after construction.
class Ejection {
 public:
  // `on_change` hears of each change of a standing.
  Ejection(const EjectionOptions& options, std::uint32_t members,
           Callback<MemberIndex, Standing> on_change);

  // Whether nothing but its behaviour stands against it: who is not reachable does not count as
  // live. `up` begins its grace.
  void set_reachable(MemberIndex member, bool reachable) noexcept;
  void up(MemberIndex member, Instant_ns now_ns) noexcept;

  void success(MemberIndex member, std::uint64_t round_trip_ns, Instant_ns now_ns) noexcept;
  void failure(MemberIndex member, Instant_ns now_ns) noexcept;
  // Lets those in whose time is over, and looks for slow ones.
  void look(Instant_ns now_ns) noexcept;

  [[nodiscard]] Standing standing(MemberIndex member) const noexcept {
    return records_[member].standing;
  }
  [[nodiscard]] std::uint64_t ejections(MemberIndex member) const noexcept {
    return records_[member].ejections;
  }
  // Ejections that the guards refused.
  [[nodiscard]] std::uint64_t refused() const noexcept { return refused_; }

 private:
  struct Record {
    Standing standing = Standing::in;
    bool reachable = false;
    std::uint32_t errors = 0;  // in a row
    std::uint32_t trials = 0;  // successes on probation
    std::uint32_t times = 0;
    std::uint32_t samples = 0;
    double mean_ns = 0;
    Instant_ns up_since_ns = 0;
    Instant_ns until_ns = 0;  // ejected until; in: when its good behaviour takes one off `times`
    std::uint64_t ejections = 0;
  };

  [[nodiscard]] bool may_eject() const noexcept;
  [[nodiscard]] bool is_comparable(const Record& record, Instant_ns now_ns) const noexcept;
  void look_for_slow(Instant_ns now_ns) noexcept;
  bool eject(MemberIndex member, Instant_ns now_ns) noexcept;
  void change(MemberIndex member, Standing standing) noexcept;
  [[nodiscard]] std::uint64_t time_ns(const Record& record) const noexcept;

  EjectionOptions options_;
  std::uint32_t members_;
  std::unique_ptr<Record[]> records_;
  Callback<MemberIndex, Standing> on_change_;
  std::uint64_t refused_ = 0;
};

}  // namespace zenwire
