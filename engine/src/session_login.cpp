// Login, preparation, subscriptions: what a session says on a connection before it is open, and
// again when something changes. Answers by id come through the request table like all others, so
// that each ends once, with its connection at the latest.

#include <algorithm>

#include "session_impl.hpp"

namespace zenwire {
namespace {

// The connection is gone, or the session stops: whoever ended it goes on from there.
bool is_over(const RequestEnd& end) noexcept {
  return end.outcome == RequestOutcome::not_sent || end.outcome == RequestOutcome::unknown ||
         end.outcome == RequestOutcome::cancelled;
}

// What could not be sent for want of room, a place or an id is tried again after this.
constexpr Instant_ns kHoldBack_ns = 1'000'000;
// ... and what the server was too busy for after this.
constexpr Instant_ns kBusy_ns = 1'000'000'000;

void ignore_end(void*, const RequestEnd&) noexcept {}

// A string of fewer bytes is a word, not a token.
constexpr std::size_t kToken_bytes_min = 8;

// Of the string that begins behind the quote at `begin`: where its closing quote is, or the end.
std::size_t end_of_string(std::string_view json, std::size_t begin) noexcept {
  std::size_t at = begin;
  while (at < json.size() && json[at] != '"') at += json[at] == '\\' ? 2U : 1U;
  return std::min(at, json.size());
}

bool is_key(std::string_view json, std::size_t string_end) noexcept {
  const std::size_t next = json.find_first_not_of(" \t\r\n", string_end + 1);
  return next != std::string_view::npos && json[next] == ':';
}

}  // namespace

// In the answer to a login every string may be a token, whatever the venue calls it.
void Session::Impl::hide_tokens(Line& line, Bytes answer) noexcept {
  Connection* const connection = connection_of(line);
  if (connection == nullptr) return;
  const std::string_view json = as_text(answer);
  for (std::size_t quote = json.find('"'); quote < json.size();) {
    const std::size_t begin = quote + 1;
    const std::size_t end = end_of_string(json, begin);
    if (end - begin >= kToken_bytes_min && !is_key(json, end))
      connection->hide(answer.subspan(begin, end - begin));
    quote = end < json.size() ? json.find('"', end + 1) : json.size();
  }
}

// Sends what the dialect wrote, with a deadline if it wants an answer.
Errc Session::Impl::send_draft(Line& line, Draft& draft, MethodId method, EndFunction on_end,
                               std::chrono::nanoseconds timeout) noexcept {
  Connection* const connection = connection_of(line);
  if (connection == nullptr) return Errc::session_not_open;
  if (draft.overflowed()) return Errc::draft_too_long;
  const Instant_ns now = now_ns();
  if (draft.correlated()) {
    const Request request{.id = RequestId(draft.assigned_id()),
                          .method = method,
                          .deadline_ns = now + to_ns(timeout),
                          .on_end = on_end ? on_end : EndFunction(&ignore_end, nullptr)};
    return requests
        .send_secret(*connection, request, draft.payload(), draft.secrets(), ticks(),
                     options.limiter, now)
        .code;
  }
  if (options.limiter != nullptr) {
    if (const Errc code = options.limiter->try_take(method, now); code != Errc::ok) return code;
  }
  return connection->send_secret(Opcode::text, draft.payload(), draft.secrets());
}

// --- Login.

void Session::Impl::log_in(Line& line) noexcept {
  if (!dialect.write_login) return logged_in(line, {});
  Draft draft = new_draft();
  dialect.write_login(draft);
  const Errc sent = send_draft(line, draft, dialect.login_method,
                               EndFunction::to<&Line::on_login_end>(line), options.login_timeout);
  if (sent != Errc::ok) return drop(line, sent);
  line.answer_deadline_ns = now_ns() + to_ns(options.login_timeout);
  set_state(line, SessionState::authenticating, Error());
}

LoginAnswer Session::Impl::read_login(const RequestEnd& end) noexcept {
  LoginAnswer answer;
  if (end.outcome == RequestOutcome::timed_out) answer.outcome = Errc::login_timeout;
  if (end.outcome == RequestOutcome::refused) answer.outcome = Errc::login_refused;
  if (dialect.read_login && end.outcome != RequestOutcome::timed_out)
    dialect.read_login(end, answer);
  return answer;
}

// A server may be done with the login before the reactor has told of the state.
void Session::Impl::login_ended(Line& line, const RequestEnd& end) noexcept {
  if (is_over(end) || end.connection != line.connection) return;
  hide_tokens(line, end.answer);
  const LoginAnswer answer = read_login(end);
  if (answer.outcome != Errc::ok) return drop(line, answer.outcome);
  logged_in(line, answer);
  rearm();
}

void Session::Impl::logged_in(Line& line, const LoginAnswer& answer) noexcept {
  line.answer_deadline_ns = kNever_ns;
  if (line.state == SessionState::authenticating)
    latency.login.record(now_ns() - line.state_since_ns);
  schedule_renewal(line, answer);
  if (!dialect.write_preparation) return restore(line);
  Draft draft = new_draft();
  dialect.write_preparation(draft);
  const Errc sent =
      send_draft(line, draft, dialect.preparation_method,
                 EndFunction::to<&Line::on_preparation_end>(line), options.login_timeout);
  if (sent != Errc::ok) return drop(line, sent);
  restore(line);
}

void Session::Impl::preparation_ended(Line& line, const RequestEnd& end) noexcept {
  if (is_over(end) || end.connection != line.connection) return;
  if (end.outcome == RequestOutcome::refused) drop(line, Errc::login_refused);
  if (end.outcome == RequestOutcome::timed_out) drop(line, Errc::login_timeout);
}

void Session::Impl::schedule_renewal(Line& line, const LoginAnswer& answer) noexcept {
  const bool renews = dialect.write_renewal && answer.renew_after.count() > 0;
  line.renew_ns = renews ? now_ns() + to_ns(answer.renew_after) : kNever_ns;
}

void Session::Impl::renew(Line& line) noexcept {
  line.renew_ns = kNever_ns;
  Draft draft = new_draft();
  dialect.write_renewal(draft);
  const Errc sent = send_draft(line, draft, dialect.login_method,
                               EndFunction::to<&Line::on_renewal_end>(line), options.login_timeout);
  if (sent == Errc::ok) return;
  ++counters.drafts_refused;
  line.renew_ns = now_ns() + kHoldBack_ns;
}

void Session::Impl::renewal_ended(Line& line, const RequestEnd& end) noexcept {
  if (is_over(end) || end.connection != line.connection) return;
  hide_tokens(line, end.answer);
  const LoginAnswer answer = read_login(end);
  // A token that cannot be renewed is no reason to stop: a new connection logs in from scratch.
  if (answer.outcome != Errc::ok) return drop(line, Errc::login_timeout);
  schedule_renewal(line, answer);
  rearm();
}

// --- Subscriptions.

void Session::Impl::restore(Line& line) noexcept {
  set_state(line, SessionState::restoring, Error());
  if (line.state != SessionState::restoring || !line.connection) return;
  registry.begin(line.index);
  ask(line);
  check_restored(line);
}

// As many chunks as the pace allows.
void Session::Impl::ask(Line& line) noexcept {
  if (line.state != SessionState::restoring && line.state != SessionState::open) return;
  if (!line.connection || line.next_chunk_ns != kNever_ns) return;
  while (registry.queued_count(line.index) > 0 && ask_chunk(line)) {
  }
}

// False: later, or nothing to ask.
bool Session::Impl::ask_chunk(Line& line) noexcept {
  const Instant_ns paced_ns = line.last_chunk_ns + to_ns(options.chunk_interval);
  if (options.chunk_interval.count() > 0 && now_ns() < paced_ns) {
    line.next_chunk_ns = paced_ns;
    return false;
  }
  Draft draft = new_draft();
  const auto ask_id = static_cast<std::uint64_t>(draft.assigned_id());
  const auto chunk = registry.take(line.index, ask_id, chunk_room);
  if (chunk.count == 0) return false;
  for (std::size_t i = 0; i < chunk.count; ++i) chunk_names[i] = registry.name(chunk_room[i]);
  const bool subscribes = chunk.ask == SubscriptionAsk::subscribe;
  (subscribes ? dialect.write_subscribe : dialect.write_unsubscribe)(
      draft, std::span<const std::string_view>(chunk_names).first(chunk.count));
  const MethodId method = subscribes ? dialect.subscribe_method : dialect.unsubscribe_method;
  const Errc sent =
      send_draft(line, draft, method, EndFunction::to<&Line::on_subscription_end>(line),
                 options.acknowledge_timeout);
  if (sent != Errc::ok) {
    registry.put_back(line.index, ask_id);
    hold_back(line, method, sent);
    return false;
  }
  sent_chunk(line, draft);
  return true;
}

void Session::Impl::sent_chunk(Line& line, const Draft& draft) noexcept {
  const Instant_ns now = now_ns();
  line.last_chunk_ns = now;
  if (draft.correlated()) return;  // its deadline is the request's
  line.ask_id = draft.assigned_id();
  if (!dialect.tells_subscriptions) return settle_all(line, true);
  line.answer_deadline_ns = now + to_ns(options.acknowledge_timeout);
}

// A message that will never fit ends the connection, or it would be tried for ever.
void Session::Impl::hold_back(Line& line, MethodId method, Errc code) noexcept {
  ++counters.drafts_refused;
  if (code == Errc::draft_too_long || code == Errc::message_too_large) return drop(line, code);
  if (code != Errc::rate_limited) {
    line.next_chunk_ns = now_ns() + kHoldBack_ns;
    return;
  }
  RateLimiter& limiter = *options.limiter;
  const Instant_ns wait_ns = limiter.time_until(limiter.cost(method), now_ns());
  if (wait_ns == kNever_ns) return drop(line, code);
  line.next_chunk_ns = now_ns() + std::max<Instant_ns>(wait_ns, 1);
}

void Session::Impl::subscription_ended(Line& line, const RequestEnd& end) noexcept {
  if (is_over(end) || end.connection != line.connection) return;
  if (end.outcome == RequestOutcome::timed_out) return drop(line, Errc::subscription_timeout);
  line.ask_id = end.id.integer();
  if (dialect.read_subscription) {
    struct Told {
      Impl& impl;
      Line& line;
      void operator()(std::string_view channel, bool accepted) const noexcept {
        if (channel.empty()) return impl.settle_all(line, accepted);
        impl.subscription_told(line, channel, accepted);
      }
    };
    const Told told{*this, line};
    SubscriptionAnswer answer(SubscriptionAnswer::Verdict::to(told));
    dialect.read_subscription(end, answer);
    if (answer.is_later()) return ask_later(line);
    settle_all(line, false);  // what the answer did not name
  } else {
    settle_all(line, end.outcome == RequestOutcome::answered);
  }
  ask(line);
  check_restored(line);
  rearm();
}

void Session::Impl::ask_later(Line& line) noexcept {
  registry.put_back(line.index, static_cast<std::uint64_t>(line.ask_id));
  line.next_chunk_ns = now_ns() + kBusy_ns;
  rearm();
}

void Session::Impl::subscription_told(Line& line, std::string_view channel,
                                      bool accepted) noexcept {
  const ChannelIndex at = registry.find(channel);
  if (at != kNoChannel) settle(line, at, accepted);
}

// What a handler asks for now has another ask id, so it is not settled with these.
void Session::Impl::settle_all(Line& line, bool accepted) noexcept {
  registry.each_asked(line.index, static_cast<std::uint64_t>(line.ask_id),
                      [&](ChannelIndex channel) noexcept { settle(line, channel, accepted); });
}

// A channel that the old line has and the new one is refused must not be lost: the rotation is
// given up instead.
void Session::Impl::settle(Line& line, ChannelIndex channel, bool accepted) noexcept {
  const SubscriptionState before = registry.state(line.index, channel);
  if (before != SubscriptionState::asked && before != SubscriptionState::leaving) return;
  if (&line != &active() && !line.draining && !accepted && before == SubscriptionState::asked)
    return drop(line, Errc::subscription_rejected);
  const bool asked = before == SubscriptionState::asked;
  const auto kind =
      !asked ? SubscriptionNews::Kind::left
             : (accepted ? SubscriptionNews::Kind::accepted : SubscriptionNews::Kind::rejected);
  // Told first, while the name is there.
  self.on_subscription(self, {kind, registry.name(channel)});
  if (!line.connection || !registry.holds(channel)) return;
  if (accepted) {
    registry.accepted(line.index, channel);
  } else {
    registry.rejected(line.index, channel);
  }
}

void Session::Impl::check_restored(Line& line) noexcept {
  const std::size_t at = line.index;
  if (registry.asked_count(at) == 0 && dialect.tells_subscriptions) {
    line.answer_deadline_ns = kNever_ns;
  }
  if (line.state != SessionState::restoring || !line.connection) return;
  if (registry.asked_count(at) > 0 || registry.queued_count(at) > 0) return;
  latency.restore.record(now_ns() - line.state_since_ns);
  if (&line != &active()) return second_line_open(line);
  ++counters.restores;
  latency.outage.record(now_ns() - outage_since_ns);
  const std::uint64_t age_ns = to_ns(options.rotation.age_max);
  rotate_at_ns = age_ns == 0 ? kNever_ns : line.opened_ns + age_ns;
  set_state(line, SessionState::open, Error());
}

}  // namespace zenwire
