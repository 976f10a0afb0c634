// Replacing a connection make-before-break.
//
//   line 0  open --------------------------------> closing (answers) --> stopped
//   line 1        resolving .. restoring  flows? ^ open
//                                                 change over
//
// Until the old line has ended both offer what carries a sequence key to the gates, so the consumer
// sees each message once. The old line is closed by the closing handshake and read to its end: what
// the server had sent on it before it answered is not lost.

#include "session_impl.hpp"

namespace zenwire {

bool Session::Impl::rotating() const noexcept {
  return lines[1 - active_line].connection || lines[1 - active_line].state != SessionState::stopped;
}

Errc Session::Impl::begin_rotation() noexcept {
  if (active().state != SessionState::open || stopping || rotating()) return Errc::session_busy;
  rotate_at_ns = kNever_ns;
  dial(other(active()));
  return Errc::ok;
}

void Session::Impl::advance_rotation(Instant_ns now) noexcept {
  if (now >= rotate_at_ns) {
    rotate_at_ns = kNever_ns;
    static_cast<void>(begin_rotation());  // busy: the rotation that runs renews the age
  }
  Line& second = other(active());
  if (now >= flow_deadline_ns || (flow_deadline_ns != kNever_ns && flows(second, now)))
    change_over(second);
  Line& old = other(active());
  if (old.draining) drain(old, now);
}

void Session::Impl::second_line_open(Line& line) noexcept {
  set_state(line, SessionState::open, Error());
  if (line.state != SessionState::open || &line == &active()) return;
  if (flows(line, now_ns())) return change_over(line);
  flow_deadline_ns = now_ns() + to_ns(options.rotation.flow_timeout);
}

bool Session::Impl::flows(const Line& line, Instant_ns now) const noexcept {
  return line.data_messages > 0 || registry.wanted_count() == 0 || now >= flow_deadline_ns;
}

// From here on requests go to the new line; the old one only listens.
void Session::Impl::change_over(Line& to) noexcept {
  Line& old = other(to);
  flow_deadline_ns = kNever_ns;
  if (to.state != SessionState::open || !old.connection) return;
  active_line = to.index;
  ++counters.rotations;
  old.draining = true;
  drain_deadline_ns = now_ns() + to_ns(options.rotation.drain_timeout);
  const std::uint64_t age_ns = to_ns(options.rotation.age_max);
  rotate_at_ns = age_ns == 0 ? kNever_ns : to.opened_ns + age_ns;
  if (old.state == SessionState::open) set_state(old, SessionState::closing, Errc::rotated);
  drain(old, now_ns());
}

// Closes the old line once nothing waits for an answer on it.
void Session::Impl::drain(Line& line, Instant_ns now) noexcept {
  Connection* const connection = connection_of(line);
  if (connection == nullptr || line.close_sent) return;
  if (requests.waiting(line.connection) > 0 && now < drain_deadline_ns) return;
  line.close_sent = true;
  drain_deadline_ns = kNever_ns;
  static_cast<void>(connection->close(CloseCode::normal));
}

// The old one has been drained, or the new one did not come to flow: the active one goes on.
void Session::Impl::second_line_ended(Line& line, const Error& error) noexcept {
  const bool drained = line.draining;
  line.draining = false;
  flow_deadline_ns = drain_deadline_ns = kNever_ns;
  if (!drained) {
    ++counters.rotations_failed;
    const std::uint64_t age_ns = to_ns(options.rotation.age_max);
    if (age_ns != 0) rotate_at_ns = now_ns() + to_ns(options.reconnect.cap);
  }
  const Error reason = drained ? Error(Errc::rotated) : error;
  if (line.state != SessionState::stopped) set_state(line, SessionState::stopped, reason);
}

}  // namespace zenwire
