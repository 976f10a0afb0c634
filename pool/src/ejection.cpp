#include <algorithm>

#include <zenwire/base/duration.hpp>
#include <zenwire/pool/ejection.hpp>

namespace zenwire {
namespace {

// Of the plain moving average that outliers are found by.
constexpr double kMeanWeight = 1.0 / 16;
constexpr std::uint32_t kDoublings_max = 20;

}  // namespace

std::string_view name(Standing standing) noexcept {
  switch (standing) {
    case Standing::in: return "in";
    case Standing::ejected: return "ejected";
    case Standing::probation: return "probation";
  }
  return "unknown";
}

Ejection::Ejection(const EjectionOptions& options, std::uint32_t members,
                   Callback<MemberIndex, Standing> on_change)
    : options_(options),
      members_(members),
      records_(std::make_unique<Record[]>(members)),
      on_change_(on_change) {
  ZW_ASSERT(members > 0 && options.errors_max > 0 && options.trials_wanted > 0);
  ZW_ASSERT(options.base.count() > 0 && options.base <= options.time_max);
}

void Ejection::set_reachable(MemberIndex member, bool reachable) noexcept {
  ZW_ASSERT(member < members_);
  records_[member].reachable = reachable;
}

// Another connection: what was measured of the last one says nothing of it. Its standing stays,
// because the endpoint is the same.
void Ejection::up(MemberIndex member, Instant_ns now_ns) noexcept {
  Record& record = records_[member];
  record.errors = record.samples = 0;
  record.mean_ns = 0;
  record.up_since_ns = now_ns;
}

void Ejection::success(MemberIndex member, std::uint64_t round_trip_ns,
                       Instant_ns now_ns) noexcept {
  Record& record = records_[member];
  record.errors = 0;
  if (round_trip_ns <= to_ns(options_.sample_max)) {
    const auto sample = static_cast<double>(round_trip_ns);
    record.mean_ns =
        record.samples == 0 ? sample : record.mean_ns + (sample - record.mean_ns) * kMeanWeight;
    ++record.samples;
  }
  if (record.standing != Standing::probation || ++record.trials < options_.trials_wanted) return;
  record.until_ns = now_ns + time_ns(record);
  change(member, Standing::in);
}

void Ejection::failure(MemberIndex member, Instant_ns now_ns) noexcept {
  Record& record = records_[member];
  ++record.errors;
  if (record.standing == Standing::ejected) return;
  const bool too_many = record.errors >= options_.errors_max;
  if (record.standing == Standing::probation || too_many) eject(member, now_ns);
}

void Ejection::look(Instant_ns now_ns) noexcept {
  for (MemberIndex member = 0; member < members_; ++member) {
    Record& record = records_[member];
    if (record.until_ns == 0 || now_ns < record.until_ns) continue;
    if (record.standing == Standing::ejected) {
      record.trials = record.errors = record.samples = 0;
      record.until_ns = 0;
      change(member, Standing::probation);
    } else if (record.standing == Standing::in) {
      record.times -= record.times > 0 ? 1 : 0;
      record.until_ns = record.times > 0 ? now_ns + time_ns(record) : 0;
    }
  }
  look_for_slow(now_ns);
}

bool Ejection::is_comparable(const Record& record, Instant_ns now_ns) const noexcept {
  return record.reachable && record.standing == Standing::in &&
         record.samples >= options_.samples_min &&
         now_ns - record.up_since_ns >= to_ns(options_.grace);
}

// The slowest one, against the fastest.
void Ejection::look_for_slow(Instant_ns now_ns) noexcept {
  const Record* best = nullptr;
  MemberIndex worst = kNoMember;
  for (MemberIndex member = 0; member < members_; ++member) {
    const Record& record = records_[member];
    if (!is_comparable(record, now_ns)) continue;
    if (best == nullptr || record.mean_ns < best->mean_ns) best = &record;
    if (worst == kNoMember || record.mean_ns > records_[worst].mean_ns) worst = member;
  }
  if (best == nullptr) return;
  const double slowest_ns = records_[worst].mean_ns;
  const bool slow = slowest_ns > best->mean_ns * options_.slow_factor &&
                    slowest_ns - best->mean_ns > static_cast<double>(options_.slow_by.count());
  if (slow) eject(worst, now_ns);
}

// Room for one more: below the share, and enough others stay.
bool Ejection::may_eject() const noexcept {
  std::uint32_t reachable = 0;
  std::uint32_t in = 0;
  for (const Record& record : std::span(records_.get(), members_)) {
    reachable += record.reachable ? 1 : 0;
    in += record.reachable && record.standing != Standing::ejected ? 1 : 0;
  }
  const std::uint32_t ejected = reachable - in;
  const std::uint32_t allowed = std::max(1U, reachable * options_.ejected_percent_max / 100);
  return ejected < allowed && in > options_.live_min;
}

bool Ejection::eject(MemberIndex member, Instant_ns now_ns) noexcept {
  if (!options_.enabled) return false;
  if (!may_eject()) {
    ++refused_;
    return false;
  }
  Record& record = records_[member];
  record.until_ns = now_ns + time_ns(record);
  ++record.times;
  ++record.ejections;
  change(member, Standing::ejected);
  return true;
}

void Ejection::change(MemberIndex member, Standing standing) noexcept {
  records_[member].standing = standing;
  on_change_(member, standing);
}

std::uint64_t Ejection::time_ns(const Record& record) const noexcept {
  const std::uint32_t doublings = std::min(record.times, kDoublings_max);
  return std::min(to_ns(options_.time_max), to_ns(options_.base) << doublings);
}

}  // namespace zenwire
