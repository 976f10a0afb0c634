#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include <zenwire/base/duration.hpp>
#include <zenwire/pool/lines.hpp>

#include "pool_telemetry.hpp"

namespace zenwire {
namespace {

// A line that is to end looks this often whether its last requests have been answered.
constexpr Instant_ns kDrainPeriod_ns = 1'000'000;

}  // namespace

struct Lines::Line {
  Line(Lines& lines, MemberIndex index, Endpoint where)
      : owner(lines),
        member(index),
        endpoint(std::move(where)),
        circuit(lines.options_.circuit),
        timer(Callback<Timer&>::to<&Line::on_timer>(*this)) {}

  [[nodiscard]] ConnectionHandlers handlers() noexcept {
    return {.on_open = Callback<Connection&>::to<&Line::on_open>(*this),
            .on_control = Callback<Connection&, Opcode, Bytes>::to<&Line::on_control>(*this),
            .on_closed = Callback<Connection&, const Closed&>::to<&Line::on_closed>(*this),
            .on_failed = Callback<Connection&, const OpenFailure&>::to<&Line::on_failed>(*this)};
  }
  void on_open(Connection& connection) noexcept { owner.opened(*this, connection); }
  void on_control(Connection&, Opcode opcode, Bytes payload) noexcept {
    if (opcode == Opcode::pong) owner.ponged(*this, payload);
  }
  void on_closed(Connection& connection, const Closed& closed) noexcept {
    owner.closed(*this, connection, closed);
  }
  void on_failed(Connection&, const OpenFailure& failure) noexcept { owner.failed(*this, failure); }
  void on_timer(Timer&) noexcept { owner.wake(*this); }

  Lines& owner;
  MemberIndex member;
  Endpoint endpoint;
  Circuit circuit;
  Timer timer;  // open: the next ping; not open: the next attempt
  ConnectionId id;
  bool open = false;
  bool leaving = false;  // wanted no more
  std::uint32_t pings_missed = 0;
  Instant_ns pinged_at_ns = 0;  // 0: no ping is out
  Instant_ns opened_at_ns = 0;
  std::uint64_t ping_ns = 0;
  std::uint64_t connect_ns = 0;
};

Lines::Lines(Reactor& reactor, Pool* pool, Arbitration* arbitration, const LinesOptions& options,
             const LineHooks& hooks)
    : reactor_(reactor),
      pool_(pool),
      arbitration_(arbitration),
      options_(options),
      hooks_(hooks),
      pool_timer_(Callback<Timer&>::to<&Lines::on_pool_timer>(*this)) {
  ZW_ASSERT(options.pings_missed_max > 0);
  if (pool != nullptr) reactor.arm(pool_timer_, reactor.now_ns());
}

void Lines::on_pool_timer(Timer&) noexcept {
  const Instant_ns now_ns = reactor_.now_ns();
  pool_->expire(now_ns);
  reactor_.arm(pool_timer_, now_ns + pool_->tick_ns());
}

Lines::~Lines() {
  reactor_.cancel(pool_timer_);
  for (const auto& line : lines_) {
    if (line == nullptr) continue;
    reactor_.cancel(line->timer);
    ZW_ASSERT(!line->id);  // its connection would call a line that is gone
  }
}

std::uint32_t Lines::lines_max() const noexcept {
  const std::uint32_t of_pool = pool_ != nullptr ? pool_->members() : kMembers_max;
  return arbitration_ != nullptr ? std::min<std::uint32_t>(of_pool, SequenceGate::kMembers_max)
                                 : of_pool;
}

Result<MemberIndex> Lines::add(ConnectOptions options) {
  auto endpoint = Endpoint::make(std::move(options));
  if (!endpoint) return tl::unexpected<Error>(endpoint.error());
  if (auto published = publish(); !published) return tl::unexpected<Error>(published.error());
  MemberIndex member = 0;
  while (member < lines_.size() && lines_[member] != nullptr) ++member;
  if (member >= lines_max()) return fail(Errc::pool_members_exhausted, std::to_string(member));
  if (member == lines_.size()) lines_.emplace_back();
  lines_[member] = std::make_unique<Line>(*this, member, std::move(*endpoint));
  open(*lines_[member]);
  return member;
}

// With the first line, because it may fail.
Result<void> Lines::publish() {
  if (telemetry_ != nullptr || !reactor_.telemetry().is_shared()) return {};
  auto made = detail::LinesTelemetry::make(reactor_.telemetry(), *this, pool_);
  if (!made) return tl::unexpected<Error>(made.error());
  telemetry_ = std::move(*made);
  return {};
}

void Lines::open(Line& line) noexcept {
  const Instant_ns now_ns = reactor_.now_ns();
  line.circuit.trying(now_ns);
  ++counters_.attempts;
  const auto id = reactor_.connect(line.endpoint, line.handlers());
  if (id) {
    line.id = *id;
    return;
  }
  OpenFailure failure;
  failure.error = id.error();
  failed(line, failure);
}

void Lines::opened(Line& line, Connection& connection) noexcept {
  const Instant_ns now_ns = reactor_.now_ns();
  ++counters_.opened;
  ++open_count_;
  line.open = true;
  line.opened_at_ns = now_ns;
  line.connect_ns = connection.opened().connect_ns;
  line.pings_missed = 0;
  line.pinged_at_ns = 0;
  if (arbitration_ != nullptr) arbitration_->add(line.member, connection);
  if (pool_ != nullptr) {
    pool_->set_bar(line.member, Bar::draining, false);
    pool_->set_bar(line.member, Bar::not_alive, false);
    pool_->member_up(line.member, Link::to(connection), now_ns);
  }
  hooks_.on_connect.run(counters_.hook_failures, line.member, connection);
  if (options_.ping_every.count() != 0) ping(line, connection);
}

void Lines::closed(Line& line, Connection& connection, const Closed& closed) noexcept {
  const Instant_ns now_ns = reactor_.now_ns();
  ++counters_.closed;
  --open_count_;
  line.open = false;
  line.id = {};
  if (pool_ != nullptr) pool_->member_down(line.member, now_ns);
  hooks_.on_disconnect.run(counters_.hook_failures, line.member, connection, closed);
  if (line.leaving) return retry(line, now_ns);
  if (is_stable(line, now_ns)) {
    line.circuit.succeeded();
    return retry(line, now_ns + to_ns(options_.reconnect_after));
  }
  line.circuit.failed(now_ns);
  retry(line, std::max(line.circuit.retry_at_ns(), now_ns + to_ns(options_.reconnect_after)));
}

// To open and to close at once is no success: a circuit that took it for one would never open.
bool Lines::is_stable(const Line& line, Instant_ns now_ns) const noexcept {
  return now_ns - line.opened_at_ns >= to_ns(options_.stable_after);
}

void Lines::failed(Line& line, const OpenFailure& failure) noexcept {
  ++counters_.failed;
  line.id = {};
  const Instant_ns now_ns = reactor_.now_ns();
  line.circuit.failed(now_ns);
  hooks_.on_failure.run(counters_.hook_failures, line.member, failure);
  retry(line, std::max(line.circuit.retry_at_ns(), now_ns));
}

// The timer even when it is to be at once: the connection that has just ended still stands.
void Lines::retry(Line& line, Instant_ns at_ns) noexcept {
  reactor_.cancel(line.timer);
  if (line.leaving || options_.reconnect) reactor_.arm(line.timer, at_ns);
}

void Lines::wake(Line& line) noexcept {
  if (line.open) {
    Connection* const connection = reactor_.find(line.id);
    ZW_ASSERT(connection != nullptr);
    if (!line.leaving) return ping(line, *connection);
    if (idle(line)) return static_cast<void>(connection->close());
    reactor_.arm(line.timer, reactor_.now_ns() + kDrainPeriod_ns);
    return;
  }
  if (line.leaving) {
    lines_[line.member].reset();
    return;
  }
  if (line.circuit.may_try(reactor_.now_ns())) return open(line);
  reactor_.arm(line.timer, line.circuit.retry_at_ns());
}

// --- Pings.

void Lines::ping(Line& line, Connection& connection) noexcept {
  const Instant_ns now_ns = reactor_.now_ns();
  if (is_stable(line, now_ns)) line.circuit.succeeded();
  if (line.pinged_at_ns != 0) {
    ++counters_.missed_pings;
    if (pool_ != nullptr) pool_->set_bar(line.member, Bar::not_alive, true);
    if (++line.pings_missed >= options_.pings_missed_max) return connection.abort();
  }
  line.pinged_at_ns = now_ns;
  std::byte stamp[sizeof now_ns];
  std::memcpy(stamp, &now_ns, sizeof stamp);
  if (connection.ping(stamp) != Errc::ok) line.pinged_at_ns = 0;
  reactor_.arm(line.timer, now_ns + to_ns(options_.ping_every));
}

// Of the ping that is out, or another's.
void Lines::ponged(Line& line, Bytes payload) noexcept {
  Instant_ns stamp_ns = 0;
  if (payload.size() != sizeof stamp_ns) return;
  std::memcpy(&stamp_ns, payload.data(), sizeof stamp_ns);
  if (stamp_ns != line.pinged_at_ns || stamp_ns == 0) return;
  const Instant_ns now_ns = reactor_.now_ns();
  line.ping_ns = now_ns - stamp_ns;
  line.pinged_at_ns = 0;
  line.pings_missed = 0;
  if (pool_ == nullptr) return;
  pool_->set_bar(line.member, Bar::not_alive, false);
  pool_->observe_round_trip(line.member, line.ping_ns, now_ns);
}

// --- The end of a line.

bool Lines::idle(const Line& line) noexcept {
  return pool_ == nullptr || pool_->view(line.member, reactor_.now_ns()).pending == 0;
}

void Lines::remove(MemberIndex member, bool at_once) noexcept {
  ZW_ASSERT(member < lines_.size() && lines_[member] != nullptr);
  Line& line = *lines_[member];
  line.leaving = true;
  if (pool_ != nullptr) pool_->set_bar(member, Bar::draining, true);
  Connection* const connection = reactor_.find(line.id);
  if (connection != nullptr && (at_once || !line.open)) return connection->abort();
  reactor_.arm(line.timer, reactor_.now_ns());
}

void Lines::stop() noexcept {
  for (const auto& line : lines_)
    if (line != nullptr) remove(line->member, true);
}

// --- Views.

bool Lines::is_open(MemberIndex member) const noexcept {
  return member < lines_.size() && lines_[member] != nullptr && lines_[member]->open;
}

Connection* Lines::connection(MemberIndex member) noexcept {
  return is_open(member) ? reactor_.find(lines_[member]->id) : nullptr;
}

CircuitState Lines::circuit(MemberIndex member) const noexcept {
  ZW_ASSERT(member < lines_.size() && lines_[member] != nullptr);
  return lines_[member]->circuit.state();
}

std::uint64_t Lines::ping_ns(MemberIndex member) const noexcept {
  ZW_ASSERT(member < lines_.size() && lines_[member] != nullptr);
  return lines_[member]->ping_ns;
}

std::uint64_t Lines::connect_ns(MemberIndex member) const noexcept {
  ZW_ASSERT(member < lines_.size() && lines_[member] != nullptr);
  return lines_[member]->connect_ns;
}

}  // namespace zenwire
