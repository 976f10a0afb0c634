#include "pool_telemetry.hpp"

#include <string>

namespace zenwire::detail {
namespace {

constexpr auto kGauge = telemetry::FieldKind::gauge;

constexpr TelemetryField kArbitrationFields[] = {{"delivered"}, {"gaps"}, {"pauses"}};
static_assert(sizeof(ArbitrationNumbers) == std::size(kArbitrationFields) * sizeof(std::uint64_t));

constexpr TelemetryField kArbitratedLineFields[] = {{"copies"}, {"wins"}, {"saved_ns_max", kGauge}};
static_assert(sizeof(ArbitratedLineNumbers) ==
              std::size(kArbitratedLineFields) * sizeof(std::uint64_t));

constexpr TelemetryField kLinesFields[] = {{"attempts"}, {"opened"},        {"failed"},
                                           {"closed"},   {"hook_failures"}, {"missed_pings"}};
static_assert(sizeof(LinesCounters) == std::size(kLinesFields) * sizeof(std::uint64_t));

constexpr TelemetryField kPoolFields[] = {
    {"sent"},      {"refused"}, {"failovers"},         {"moved"},
    {"resent"},    {"hedged"},  {"not_sent"},          {"unknown"},
    {"timed_out"}, {"replies"}, {"replies_unmatched"}, {"copies_missed"}};
static_assert(sizeof(PoolCounters) == std::size(kPoolFields) * sizeof(std::uint64_t));

constexpr TelemetryField kMemberFields[] = {{"usable", kGauge},
                                            {"standing", kGauge},
                                            {"health", kGauge},
                                            {"pending", kGauge},
                                            {"round_trip_ns", kGauge},
                                            {"sent"},
                                            {"replies"},
                                            {"errors"},
                                            {"failovers"},
                                            {"ejections"},
                                            {"ups"}};
static_assert(sizeof(MemberNumbers) == std::size(kMemberFields) * sizeof(std::uint64_t));

}  // namespace

// --- Arbitration.

ArbitrationTelemetry::ArbitrationTelemetry(TelemetryPage& page, const Arbitration& of) noexcept
    : of_(of),
      blocks_(page),
      sample_(Callback<std::uint64_t>::to<&ArbitrationTelemetry::take>(*this)) {}

Result<std::unique_ptr<ArbitrationTelemetry>> ArbitrationTelemetry::make(TelemetryPage& page,
                                                                         const Arbitration& of) {
  std::unique_ptr<ArbitrationTelemetry> made(new ArbitrationTelemetry(page, of));
  if (auto added = made->add_blocks(); !added) return tl::unexpected<Error>(added.error());
  page.sample_by(made->sample_);
  return made;
}

Result<void> ArbitrationTelemetry::add_blocks() {
  TelemetryPage& page = blocks_.page();
  auto whole =
      blocks_.keep(whole_, page.add<ArbitrationNumbers>("arbitration", kArbitrationFields));
  if (!whole) return whole;
  page.set_label(whole_.entry, "");
  if (auto queue = blocks_.keep(queue_, add_queue(page)); !queue) return queue;
  for (auto& line : lines_) {
    auto added = blocks_.keep(
        line, page.add<ArbitratedLineNumbers>("arbitration_line", kArbitratedLineFields));
    if (!added) return added;
  }
  return {};
}

// A line is shown from its first copy on, and goes on to be when its connection has ended.
void ArbitrationTelemetry::take(std::uint64_t) noexcept {
  *whole_.data = {of_.delivered(), of_.gaps(), of_.pauses()};
  const MessageQueue* const queue = of_.queue();
  if (queue != nullptr) *queue_.data = counters_of(*queue);
  if (queue_shown_ != (queue != nullptr))
    blocks_.page().set_label(queue_.entry, "of the arbitration", queue_shown_ = queue != nullptr);
  for (unsigned i = 0; i < lines_.size(); ++i) {
    const LineView view = of_.view(i);
    *lines_[i].data = {view.copies, view.wins, view.saved_ns_max};
    if (shown_[i] || (!view.live && view.copies == 0)) continue;
    shown_[i] = true;
    blocks_.page().set_label(lines_[i].entry, "line " + std::to_string(i));
  }
}

// --- Lines and their pool.

LinesTelemetry::LinesTelemetry(TelemetryPage& page, const Lines& lines, const Pool* pool) noexcept
    : of_(lines),
      pool_(pool),
      blocks_(page),
      sample_(Callback<std::uint64_t>::to<&LinesTelemetry::take>(*this)) {}

Result<std::unique_ptr<LinesTelemetry>> LinesTelemetry::make(TelemetryPage& page,
                                                             const Lines& lines, const Pool* pool) {
  std::unique_ptr<LinesTelemetry> made(new LinesTelemetry(page, lines, pool));
  if (auto added = made->add_blocks(); !added) return tl::unexpected<Error>(added.error());
  page.sample_by(made->sample_);
  return made;
}

Result<void> LinesTelemetry::add_blocks() {
  TelemetryPage& page = blocks_.page();
  auto lines = blocks_.keep(lines_, page.add<LinesCounters>("lines", kLinesFields));
  if (!lines) return lines;
  page.set_label(lines_.entry, "");
  if (pool_ == nullptr) return {};
  auto whole = blocks_.keep(whole_, page.add<PoolCounters>("pool", kPoolFields));
  if (!whole) return whole;
  page.set_label(whole_.entry, "");
  members_.resize(pool_->members());
  shown_.resize(pool_->members());
  for (auto& member : members_) {
    auto added = blocks_.keep(member, page.add<MemberNumbers>("pool_member", kMemberFields));
    if (!added) return added;
  }
  return {};
}

void LinesTelemetry::take(std::uint64_t now_ns) noexcept {
  *lines_.data = of_.counters();
  if (pool_ == nullptr) return;
  *whole_.data = pool_->counters();
  for (std::size_t i = 0; i < members_.size(); ++i)
    take_member(static_cast<MemberIndex>(i), now_ns);
}

// Shown since it was up for the first time.
void LinesTelemetry::take_member(MemberIndex member, std::uint64_t now_ns) noexcept {
  const MemberView view = pool_->view(member, now_ns);
  if (view.ups == 0) return;
  *members_[member].data = {.usable = view.usable ? 1U : 0U,
                            .standing = static_cast<std::uint64_t>(view.standing),
                            .health = view.health,
                            .pending = view.pending,
                            .round_trip_ns = view.round_trip_ns,
                            .sent = view.sent,
                            .replies = view.replies,
                            .errors = view.errors,
                            .failovers = view.failovers,
                            .ejections = view.ejections,
                            .ups = view.ups};
  if (shown_[member]) return;
  shown_[member] = true;
  blocks_.page().set_label(members_[member].entry, "member " + std::to_string(member));
}

}  // namespace zenwire::detail
