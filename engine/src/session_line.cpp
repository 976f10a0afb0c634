// A session's connections: dialling, what comes of it, and what to do when they end.

#include <string>

#include "session_impl.hpp"

namespace zenwire {
namespace {

SessionState state_of(OpenStage stage) noexcept {
  switch (stage) {
    case OpenStage::waiting:
    case OpenStage::resolving: return SessionState::resolving;
    case OpenStage::connecting: return SessionState::connecting;
    case OpenStage::tls: return SessionState::tls;
    case OpenStage::upgrading: return SessionState::upgrading;
  }
  return SessionState::resolving;
}

bool is_opening(SessionState state) noexcept {
  return state >= SessionState::resolving && state <= SessionState::upgrading;
}

}  // namespace

ConnectionHandlers Session::Impl::Line::handlers() noexcept {
  return {.on_open = Callback<Connection&>::to<&Line::on_open>(*this),
          .on_message = Callback<Connection&, const Message&>::to<&Line::on_message>(*this),
          .on_control = Callback<Connection&, Opcode, Bytes>::to<&Line::on_control>(*this),
          .on_closed = Callback<Connection&, const Closed&>::to<&Line::on_closed>(*this),
          .on_failed = Callback<Connection&, const OpenFailure&>::to<&Line::on_failed>(*this),
          .on_stage = Callback<Connection&, OpenStage>::to<&Line::on_stage>(*this)};
}

// Last in whoever calls it: the handlers may change anything.
void Session::Impl::set_state(Line& line, SessionState to, const Error& reason, std::uint32_t retry,
                              std::uint64_t wait_ns) noexcept {
  ZW_ASSERT(line.state != to);
  const SessionState from = line.state;
  line.state = to;
  line.state_since_ns = now_ns();
  if (&line == &active()) counters.state = static_cast<std::uint64_t>(to);
  self.on_state(self, {.from = from,
                       .to = to,
                       .reason = reason,
                       .connection = line.connection,
                       .second_line = &line != &active(),
                       .retry = retry,
                       .wait_ns = wait_ns});
}

// The set-up thread may pass a stage before the reactor looks; it was passed all the same, so it is
// told. Plain connections have no TLS.
void Session::Impl::walk_to(Line& line, SessionState to) noexcept {
  ZW_ASSERT(is_opening(to));
  while (is_opening(line.state) && line.state < to) {
    auto next = static_cast<SessionState>(static_cast<unsigned>(line.state) + 1);
    if (next == SessionState::tls && !endpoint.url().secure) next = SessionState::upgrading;
    set_state(line, next, Error());
  }
}

void Session::Impl::dial(Line& line) noexcept {
  ZW_ASSERT(!line.connection);
  line.draining = line.close_sent = false;
  line.data_messages = 0;
  ++counters.attempts;
  const auto id = reactor.connect(endpoint, line.handlers(), attempts++);
  if (!id) {
    OpenFailure failure;
    failure.error = id.error();
    return failed(line, failure);
  }
  line.connection = *id;
  connection_of(line)->session = options.id;
  set_state(line, SessionState::resolving, last_error, policy.retries());
}

void Session::Impl::staged(Line& line, OpenStage stage) noexcept {
  walk_to(line, state_of(stage));
  rearm();
}

void Session::Impl::opened(Line& line, Connection& connection) noexcept {
  const Opened& facts = connection.opened();
  line.opened_ns = now_ns();
  line.pauses_seen = 0;
  ++counters.opens;
  latency.resolve.record(facts.resolve_ns);
  latency.connect.record(facts.connect_ns);
  if (facts.secure) latency.tls.record(facts.tls_ns);
  latency.upgrade.record(facts.upgrade_ns);
  if (options.recorder != nullptr) connection.record_to(options.recorder);
  line.beat.start(line.opened_ns);
  walk_to(line, SessionState::upgrading);
  if (line.state != SessionState::upgrading) return rearm();
  self.on_connection(self, connection);
  join_streams(line);
  if (connection.state() == ConnectionState::open) log_in(line);
  rearm();
}

void Session::Impl::failed(Line& line, const OpenFailure& failure) noexcept {
  line.connection = {};
  if (stopping) {
    finish_stop();
  } else if (&line != &active()) {
    second_line_ended(line, failure.error);
  } else {
    follow(line, policy.failed(failure.error.code(), failure.http_status, failure.retry_after),
           failure.error);
  }
  rearm();
}

void Session::Impl::ended(Line& line, Connection& connection, const Closed& closed) noexcept {
  const bool was_active = &line == &active();
  const SessionState state_before = line.state;
  if (was_active && state_before == SessionState::open) outage_since_ns = now_ns();
  if (was_active && !options.restore_subscriptions && state_before == SessionState::open)
    registry.unsubscribe_all();
  release(line, connection.counters().bytes_sent);
  if (line.connection || line.state != state_before) return rearm();  // a handler stopped, started
  if (stopping) {
    if (!was_active && line.state != SessionState::stopped)
      set_state(line, SessionState::stopped, closed.error);
    if (stopping) finish_stop();
  } else if (!was_active) {
    second_line_ended(line, closed.error);
  } else {
    ++counters.drops;
    policy.opened(line.opened_ns);
    const RetryVerdict verdict = policy.dropped(closed.error.code(), now_ns());
    follow(line, verdict, closed.error);
  }
  rearm();
}

// All that the connection held: requests end, the registry and the gates hear of it.
void Session::Impl::release(Line& line, std::uint64_t bytes_sent) noexcept {
  const ConnectionId id = line.connection;
  line.connection = {};
  line.answer_deadline_ns = line.next_chunk_ns = line.renew_ns = kNever_ns;
  line.beat.stop();
  registry.end(line.index);
  leave_streams(line);
  requests.connection_lost(id, bytes_sent);
}

// The active line has no connection any more. A second one that is under way takes its place: it
// is the immediate retry.
void Session::Impl::follow(Line& line, const RetryVerdict& verdict, const Error& error) noexcept {
  last_error = error;
  rotate_at_ns = flow_deadline_ns = kNever_ns;
  Line& second = other(line);
  if (second.connection && !second.draining) {
    active_line = second.index;
    ++counters.rotations_failed;
    return set_state(line, SessionState::stopped, last_error);
  }
  if (verdict.refusal != Errc::ok) return give_up(verdict.refusal, error);
  retry_at_ns = now_ns() + verdict.wait_ns;
  if (line.state != SessionState::backoff)
    set_state(line, SessionState::backoff, last_error, verdict.retry, verdict.wait_ns);
}

// An old line that is still being drained ends with it.
void Session::Impl::give_up(Errc refusal, const Error& error) noexcept {
  stopping = true;
  stop_deadline_ns = now_ns();
  stop_error = refusal == Errc::reconnects_exhausted ? Error(refusal, name(error.code())) : error;
  finish_stop();
}

// A peer that is alive sees why; one that is dead is not waited for.
void Session::Impl::drop(Line& line, const Error& error) noexcept {
  Connection* const connection = connection_of(line);
  if (connection == nullptr) return;
  if (connection->state() == ConnectionState::open)
    static_cast<void>(connection->close(CloseCode::going_away, message(error.code())));
  connection->abort(error);
}

}  // namespace zenwire
