#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include <zenwire/base/duration.hpp>
#include <zenwire/base/want_of_memory.hpp>
#include <zenwire/pool/pool.hpp>

namespace zenwire {
namespace {

// Of the oldest requests, looked at for replies that are overdue.
constexpr int kStallsLookedAt = 64;

constexpr std::uint64_t kTicksPerHedge = 4;
constexpr std::uint64_t kTick_ns_min = 50'000;

// What the message itself is guilty of, whatever member it goes through.
constexpr bool is_the_messages_own(Errc error) noexcept {
  return error == Errc::message_too_large;
}

// A member without credits is not at fault.
constexpr bool is_the_members_fault(Errc error) noexcept {
  return error != Errc::rate_limited;
}

}  // namespace

// --- Making one.

Result<void> PoolOptions::validate() const {
  if (members == 0 || members > kMembers_max)
    return fail(Errc::invalid_option, "members must be from 1 to 256");
  if (!std::has_single_bit(requests_max) || requests_max < 2 || requests_max > (1U << 24))
    return fail(Errc::invalid_option, "requests_max must be a power of two from 2 to 16777216");
  if (!std::has_single_bit(sticky_keys) || sticky_keys < 8 || sticky_keys > (1U << 24))
    return fail(Errc::invalid_option, "sticky_keys must be a power of two from 8 to 16777216");
  if (attempts_max == 0) return fail(Errc::invalid_option, "attempts_max must not be 0");
  if (round_trip_tau.count() <= 0 || request_timeout.count() <= 0 || look_every.count() <= 0)
    return fail(Errc::invalid_option,
                "round_trip_tau, request_timeout and look_every must be above 0");
  if (hedge_after.count() < 0)
    return fail(Errc::invalid_option, "hedge_after must not be negative");
  return {};
}

Result<std::unique_ptr<Pool>> Pool::make(const PoolOptions& options,
                                         Callback<const RequestNews&> on_news) {
  return or_memory_exhausted([&]() -> Result<std::unique_ptr<Pool>> {
    if (auto valid = options.validate(); !valid) return tl::unexpected<Error>(valid.error());
    auto copies = BufferPool::make({options.copy_bytes_max, options.copies, options.memory});
    if (!copies) return tl::unexpected<Error>(copies.error());
    return std::unique_ptr<Pool>(new Pool(options, on_news, std::move(*copies)));
  });
}

Pool::Pool(const PoolOptions& options, Callback<const RequestNews&> on_news,
           std::unique_ptr<BufferPool> copies)
    : options_(options),
      on_news_(on_news),
      router_(options.members),
      sticky_(options.sticky_keys),
      requests_(options.requests_max),
      copies_(std::move(copies)),
      members_(std::make_unique<Member[]>(options.members)),
      ejection_(options.ejection, options.members,
                Callback<MemberIndex, Standing>::to<&Pool::on_standing>(*this)),
      tau_ns_(to_ns(options.round_trip_tau)),
      timeout_ns_(to_ns(options.request_timeout)),
      hedge_after_ns_(to_ns(options.hedge_after)),
      look_every_ns_(to_ns(options.look_every)) {
  for (Member& member : std::span(members_.get(), options.members))
    member.bars.set(Bar::closed, true);
}

Pool::~Pool() {
  while (requests_.oldest() != InFlightTable::kNone) finish(requests_.oldest());
}

// --- Members.

void Pool::member_up(MemberIndex index, const Link& link, Instant_ns now_ns) noexcept {
  ZW_ASSERT(index < options_.members && link && link.progress != nullptr);
  Member& member = members_[index];
  ZW_ASSERT(member.bars.has(Bar::closed) && member.pending == 0);
  now_ns_ = now_ns;
  member.link = link;
  ++member.ups;
  ejection_.up(index, now_ns);
  set_bar(index, Bar::closed, false);
}

void Pool::member_down(MemberIndex index, Instant_ns now_ns) noexcept {
  ZW_ASSERT(index < options_.members);
  Member& member = members_[index];
  if (member.bars.has(Bar::closed)) return;
  now_ns_ = now_ns;
  set_bar(index, Bar::closed, true);
  const LinkProgress progress = member.link.progress(member.link.owner);
  for (std::uint32_t at = requests_.oldest(); at != InFlightTable::kNone;) {
    const std::uint32_t next = requests_.younger(at);
    if (requests_.at(at).leg_of(index) != nullptr) leg_died(at, index, progress, now_ns);
    at = next;
  }
  member.link = {};
  ZW_ASSERT(member.pending == 0);
}

void Pool::set_bar(MemberIndex index, Bar bar, bool on) noexcept {
  ZW_ASSERT(index < options_.members);
  members_[index].bars.set(bar, on);
  ejection_.set_reachable(index, members_[index].bars.reachable());
  cost_again(index);
}

void Pool::observe_round_trip(MemberIndex index, std::uint64_t round_trip_ns,
                              Instant_ns now_ns) noexcept {
  ZW_ASSERT(index < options_.members);
  now_ns_ = now_ns;
  members_[index].round_trip.observe(round_trip_ns, tau_ns_, now_ns);
  members_[index].recent.add(round_trip_ns);
  ejection_.success(index, round_trip_ns, now_ns);
  cost_again(index);
}

void Pool::note_error(MemberIndex index, Instant_ns now_ns) noexcept {
  ZW_ASSERT(index < options_.members);
  now_ns_ = now_ns;
  failed(index, now_ns);
}

void Pool::succeeded(MemberIndex index, std::uint64_t round_trip_ns, Instant_ns now_ns) noexcept {
  members_[index].errors.clear();
  observe_round_trip(index, round_trip_ns, now_ns);
}

void Pool::failed(MemberIndex index, Instant_ns now_ns) noexcept {
  Member& member = members_[index];
  member.errors.add(now_ns);
  ++member.errors_total;
  ejection_.failure(index, now_ns);
  cost_again(index);
}

void Pool::on_standing(MemberIndex index, Standing standing) noexcept {
  Member& member = members_[index];
  member.bars.set(Bar::ejected, standing == Standing::ejected);
  member.bars.set(Bar::on_probation, standing == Standing::probation && member.pending > 0);
  cost_again(index);
}

inline MemberLoad Pool::load_of(const Member& member, Instant_ns now_ns) const noexcept {
  return {.round_trip_ns = member.round_trip.value_ns(),
          .measured = member.round_trip.measured(),
          .pending = member.pending,
          .errors = member.errors.count(now_ns),
          .recent = &member.recent};
}

inline void Pool::cost_again(MemberIndex index) noexcept {
  const Member& member = members_[index];
  if (!member.bars.none()) return router_.bar(index);
  router_.set(index, options_.policy.cost(load_of(member, now_ns_)));
}

inline void Pool::count_pending(MemberIndex index, bool more) noexcept {
  Member& member = members_[index];
  ZW_ASSERT(more || member.pending > 0);
  more ? ++member.pending : --member.pending;
  if (ejection_.standing(index) == Standing::probation) [[unlikely]]
    member.bars.set(Bar::on_probation, member.pending > 0);
  cost_again(index);
}

// --- Sending.

Errc Pool::send_balanced(const PoolRequest& request, Instant_ns now_ns) noexcept {
  now_ns_ = now_ns;
  if (const Errc refusal = admit(request); refusal != Errc::ok) [[unlikely]]
    return refusal;
  RequestLeg leg;
  MemberIndex member = kNoMember;
  const Errc outcome = send_through_any(request, member, leg, now_ns);
  if (outcome != Errc::ok) [[unlikely]] {
    ++counters_.refused;
    return outcome;
  }
  ++counters_.sent;
  sticky_.put(request.sticky_key, member);
  if (request.id != 0) track(request, leg);
  return Errc::ok;
}

inline Errc Pool::admit(const PoolRequest& request) const noexcept {
  if (request.id == 0) return Errc::ok;
  if (requests_.find(request.id) != InFlightTable::kNone) return Errc::request_id_in_use;
  return requests_.full() ? Errc::requests_exhausted : Errc::ok;
}

MemberIndex Pool::choose(std::uint64_t sticky_key) noexcept {
  const MemberIndex followed = sticky_key != 0 ? sticky_.find(sticky_key) : kNoMember;
  return followed != kNoMember && may_follow(followed) ? followed : router_.choose();
}

// One on probation may be followed: its order went through it.
bool Pool::may_follow(MemberIndex index) const noexcept {
  const Bars& bars = members_[index].bars;
  return bars.reachable() && !bars.has(Bar::ejected);
}

inline Errc Pool::try_member(MemberIndex index, const PoolRequest& request, RequestLeg& leg,
                             Instant_ns now_ns) noexcept {
  Member& member = members_[index];
  const Link link = member.link;
  leg = {index, request.id != 0 ? link.progress(link.owner).accepted_bytes : 0, now_ns};
  const Errc outcome = link.send(link.owner, request.opcode, request.payload);
  if (outcome == Errc::ok) [[likely]]
    ++member.sent;
  return outcome;
}

inline Errc Pool::send_through_any(const PoolRequest& request, MemberIndex& sent_through,
                                   RequestLeg& leg, Instant_ns now_ns) noexcept {
  sent_through = choose(request.sticky_key);
  if (sent_through == kNoMember) [[unlikely]]
    return Errc::pool_no_member;
  const Errc outcome = try_member(sent_through, request, leg, now_ns);
  if (outcome == Errc::ok || is_the_messages_own(outcome)) [[likely]]
    return outcome;
  return try_others(outcome, request, sent_through, leg, now_ns);
}

// Members that refuse are out of the choice for this one send.
Errc Pool::try_others(Errc outcome, const PoolRequest& request, MemberIndex& sent_through,
                      RequestLeg& leg, Instant_ns now_ns) noexcept {
  std::array<MemberIndex, kMembers_max> refused;
  std::uint32_t count = 0;
  while (outcome != Errc::ok) {
    if (is_the_members_fault(outcome)) failed(sent_through, now_ns);
    router_.bar(sent_through);
    refused[count++] = sent_through;
    const MemberIndex next =
        count < std::min(options_.attempts_max, options_.members) ? router_.choose() : kNoMember;
    if (next == kNoMember) break;
    ++members_[sent_through].failovers;
    ++counters_.failovers;
    sent_through = next;
    outcome = try_member(next, request, leg, now_ns);
  }
  for (std::uint32_t at = 0; at < count; ++at) cost_again(refused[at]);
  return outcome == Errc::ok ? Errc::ok : Errc::pool_no_member;
}

inline void Pool::track(const PoolRequest& request, const RequestLeg& leg) noexcept {
  const std::uint32_t index = requests_.add(request.id);
  InFlight& pending = requests_.at(index);
  pending.sent_ns = leg.sent_ns;
  pending.sticky_key = request.sticky_key;
  pending.legs[0] = leg;
  pending.opcode = request.opcode;
  pending.idempotent = request.idempotent;
  count_pending(leg.member, true);
  const Link& link = members_[leg.member].link;
  const LinkProgress progress = link.progress(link.owner);
  const bool waits = progress.written_bytes <= leg.begins_at;
  if (request.idempotent || waits) [[unlikely]]
    keep_copy(pending, request.payload);
  if (request.idempotent && hedge_after_ns_ != 0 && pending.copy != nullptr)
    requests_.await_hedge(index);
}

void Pool::keep_copy(InFlight& pending, Bytes payload) noexcept {
  pending.copy = payload.size() <= copies_->buffer_bytes() ? copies_->lease() : nullptr;
  pending.bytes = payload.size();
  if (pending.copy == nullptr) {
    ++counters_.copies_missed;
    return;
  }
  if (!payload.empty()) std::memcpy(pending.copy, payload.data(), payload.size());
}

// --- Replies.

bool Pool::complete(MemberIndex member, std::uint64_t id, bool ok, Instant_ns now_ns) noexcept {
  ZW_ASSERT(member < options_.members);
  now_ns_ = now_ns;
  const std::uint32_t index = requests_.find(id);
  const RequestLeg* const leg =
      index != InFlightTable::kNone ? requests_.at(index).leg_of(member) : nullptr;
  if (leg == nullptr) {
    ++counters_.replies_unmatched;
    return false;
  }
  const std::uint64_t round_trip_ns = now_ns - leg->sent_ns;
  ++counters_.replies;
  ++members_[member].replies;
  finish(index);
  if (ok) {
    succeeded(member, round_trip_ns, now_ns);
  } else {
    failed(member, now_ns);
  }
  return true;
}

// --- Deaths, time-outs, hedges.

void Pool::leg_died(std::uint32_t index, MemberIndex member, const LinkProgress& progress,
                    Instant_ns now_ns) noexcept {
  InFlight& pending = requests_.at(index);
  const RequestLeg leg = std::exchange(*pending.leg_of(member), {});
  count_pending(member, false);
  const bool left = progress.written_bytes > leg.begins_at;
  pending.may_have_left |= left;
  if (pending.has_legs()) return;  // the other one may still be answered
  if (left && (!pending.idempotent || pending.hedged))
    return end(index, RequestNews::Kind::outcome_unknown, member);
  if (send_again(pending, member, now_ns)) {
    pending.hedged |= left;
    requests_.hedged(index);
    return tell(pending.id, left ? RequestNews::Kind::resent : RequestNews::Kind::moved,
                pending.legs[0].member);
  }
  end(index,
      pending.may_have_left ? RequestNews::Kind::outcome_unknown : RequestNews::Kind::not_sent,
      member);
}

// Into the free leg, through any member but `except`.
bool Pool::send_again(InFlight& pending, MemberIndex except, Instant_ns now_ns) noexcept {
  if (pending.copy == nullptr) return false;
  const PoolRequest request{
      .id = pending.id, .payload = {pending.copy, pending.bytes}, .opcode = pending.opcode};
  MemberIndex member = kNoMember;
  RequestLeg leg;
  router_.bar(except);
  const Errc outcome = send_through_any(request, member, leg, now_ns);
  cost_again(except);
  if (outcome != Errc::ok) return false;
  RequestLeg& place = pending.legs[pending.legs[0].member == kNoMember ? 0 : 1];
  ZW_ASSERT(place.member == kNoMember);
  place = leg;
  count_pending(member, true);
  sticky_.put(pending.sticky_key, member);
  return true;
}

void Pool::hedge(std::uint32_t index, Instant_ns now_ns) noexcept {
  requests_.hedged(index);
  InFlight& pending = requests_.at(index);
  pending.hedged = true;
  const std::uint64_t sticky_key = std::exchange(pending.sticky_key, 0);  // it stays where it was
  const bool sent = send_again(pending, pending.legs[0].member, now_ns);
  pending.sticky_key = sticky_key;
  if (sent) tell(pending.id, RequestNews::Kind::hedged, pending.legs[1].member);
}

void Pool::finish(std::uint32_t index) noexcept {
  InFlight& pending = requests_.at(index);
  for (const RequestLeg& leg : pending.legs)
    if (leg.member != kNoMember) count_pending(leg.member, false);
  if (pending.copy != nullptr) copies_->give_back(std::exchange(pending.copy, nullptr));
  requests_.remove(index);
}

void Pool::end(std::uint32_t index, RequestNews::Kind kind, MemberIndex member) noexcept {
  const std::uint64_t id = requests_.at(index).id;
  finish(index);
  tell(id, kind, member);
}

void Pool::tell(std::uint64_t id, RequestNews::Kind kind, MemberIndex member) noexcept {
  switch (kind) {
    case RequestNews::Kind::moved: ++counters_.moved; break;
    case RequestNews::Kind::resent: ++counters_.resent; break;
    case RequestNews::Kind::hedged: ++counters_.hedged; break;
    case RequestNews::Kind::not_sent: ++counters_.not_sent; break;
    case RequestNews::Kind::outcome_unknown: ++counters_.outcomes_unknown; break;
    case RequestNews::Kind::timed_out: ++counters_.timed_out; break;
  }
  if (on_news_) on_news_({id, kind, member});
}

// --- Time.

Instant_ns Pool::deadline_ns() const noexcept {
  Instant_ns deadline_ns = look_at_ns_;
  if (const auto oldest = requests_.oldest(); oldest != InFlightTable::kNone)
    deadline_ns = std::min(deadline_ns, requests_.at(oldest).sent_ns + timeout_ns_);
  if (const auto oldest = requests_.oldest_unhedged(); oldest != InFlightTable::kNone)
    deadline_ns = std::min(deadline_ns, requests_.at(oldest).sent_ns + hedge_after_ns_);
  return deadline_ns;
}

std::uint64_t Pool::tick_ns() const noexcept {
  if (hedge_after_ns_ == 0) return look_every_ns_;
  return std::min(look_every_ns_, std::max(hedge_after_ns_ / kTicksPerHedge, kTick_ns_min));
}

void Pool::expire(Instant_ns now_ns) noexcept {
  now_ns_ = now_ns;
  for (std::uint32_t at = requests_.oldest();
       at != InFlightTable::kNone && now_ns - requests_.at(at).sent_ns >= timeout_ns_;
       at = requests_.oldest())
    time_out(at, now_ns);
  for (std::uint32_t at = requests_.oldest_unhedged();
       at != InFlightTable::kNone && now_ns - requests_.at(at).sent_ns >= hedge_after_ns_;
       at = requests_.oldest_unhedged())
    hedge(at, now_ns);
  if (now_ns >= look_at_ns_) look(now_ns);
}

void Pool::time_out(std::uint32_t index, Instant_ns now_ns) noexcept {
  MemberIndex last = kNoMember;
  for (const RequestLeg& leg : requests_.at(index).legs) {
    if (leg.member == kNoMember) continue;
    failed(leg.member, now_ns);
    last = leg.member;
  }
  end(index, RequestNews::Kind::timed_out, last);
}

void Pool::look(Instant_ns now_ns) noexcept {
  look_at_ns_ = now_ns + look_every_ns_;
  notice_stalls(now_ns);
  ejection_.look(now_ns);
  for (MemberIndex index = 0; index < options_.members; ++index) {
    if (members_[index].pending == 0) members_[index].round_trip.fade(tau_ns_, now_ns);
    cost_again(index);
  }
}

// A reply that has not come says as much as one that came late. The oldest requests are enough: a
// member that stalls has some among them.
void Pool::notice_stalls(Instant_ns now_ns) noexcept {
  std::uint32_t at = requests_.oldest();
  for (int looked = 0; looked < kStallsLookedAt && at != InFlightTable::kNone; ++looked) {
    for (const RequestLeg& leg : requests_.at(at).legs) {
      if (leg.member == kNoMember) continue;
      PeakEwma& round_trip = members_[leg.member].round_trip;
      const std::uint64_t waited_ns = now_ns - leg.sent_ns;
      if (waited_ns > round_trip.value_ns()) round_trip.observe(waited_ns, tau_ns_, now_ns);
    }
    at = requests_.younger(at);
  }
}

// --- Telemetry.

unsigned Pool::health(MemberIndex index, Instant_ns now_ns) const noexcept {
  ZW_ASSERT(index < options_.members);
  return ZenCost::score(load_of(members_[index], now_ns));
}

MemberView Pool::view(MemberIndex index, Instant_ns now_ns) const noexcept {
  const unsigned health_now = health(index, now_ns);
  const Member& member = members_[index];
  const auto all = static_cast<double>(std::max<std::uint64_t>(counters_.sent, 1));
  return {.usable = member.bars.none(),
          .standing = ejection_.standing(index),
          .health = health_now,
          .pending = member.pending,
          .round_trip_ns = member.round_trip.value_ns(),
          .round_trip_p99_ns = member.recent.percentile_ns(99),
          .sent = member.sent,
          .share = static_cast<double>(member.sent) / all,
          .replies = member.replies,
          .errors = member.errors_total,
          .failovers = member.failovers,
          .ejections = ejection_.ejections(index),
          .ups = member.ups};
}

}  // namespace zenwire
