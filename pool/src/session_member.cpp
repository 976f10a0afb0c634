#include <zenwire/pool/session_member.hpp>

namespace zenwire {

SessionMember::SessionMember(Session& session, Pool& pool, MemberIndex member)
    : session_(session), pool_(pool), member_(member) {
  ZW_ASSERT(!session.is_open());
  const auto state = session.on_state.add(
      Callback<Session&, const SessionTransition&>::to<&SessionMember::on_state>(*this));
  const auto connection = session.on_connection.add(
      Callback<Session&, Connection&>::to<&SessionMember::on_connection>(*this));
  ZW_ASSERT(state && connection);
  state_handler_ = *state;
  connection_handler_ = *connection;
}

SessionMember::~SessionMember() {
  session_.on_state.remove(state_handler_);
  session_.on_connection.remove(connection_handler_);
  if (up_) pool_.member_down(member_, session_.reactor().now_ns());
}

void SessionMember::on_state(Session&, const SessionTransition& transition) noexcept {
  if (transition.second_line) return;
  const Instant_ns now_ns = session_.reactor().now_ns();
  if (transition.to == SessionState::open && !up_) {
    up_ = true;
    pool_.member_up(member_, link(), now_ns);
  } else if (transition.to != SessionState::open && up_) {
    up_ = false;
    pool_.member_down(member_, now_ns);
  }
}

void SessionMember::on_connection(Session&, Connection& connection) noexcept {
  const auto added = connection.on_closed.add(
      Callback<Connection&, const Closed&>::to<&SessionMember::on_closed>(*this));
  ZW_ASSERT(added);
}

// The last look at it: whoever asks later is told what was then.
void SessionMember::on_closed(Connection& connection, const Closed&) noexcept {
  if (&connection != current_) return;
  last_ = of(connection);
  current_ = nullptr;
}

Link SessionMember::link() noexcept {
  return {[](void* owner, Opcode opcode, Bytes payload) noexcept {
            return static_cast<SessionMember*>(owner)->session_.send(opcode, payload);
          },
          [](const void* owner) noexcept {
            return static_cast<const SessionMember*>(owner)->progress();
          },
          this};
}

LinkProgress SessionMember::of(const Connection& connection) noexcept {
  return {connection.wire_end_bytes(), connection.counters().bytes_sent};
}

LinkProgress SessionMember::progress() const noexcept {
  const Connection* const now = session_.connection();
  if (now != nullptr && now != current_) {
    base_ += last_.accepted_bytes;
    current_ = now;
  }
  if (current_ != nullptr) last_ = of(*current_);
  return {base_ + last_.accepted_bytes, base_ + last_.written_bytes};
}

}  // namespace zenwire
