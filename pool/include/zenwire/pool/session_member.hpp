#pragma once

// SessionMember: a session as a member of a pool. It is up while the session is open (logged in and
// restored) and down otherwise, and knows which bytes of the session's connections the kernel took.
//
// A rotation changes the connection under it without a down: a request that the old connection
// carried is answered there while it drains, and is otherwise told as timed out.

#include <cstdint>

#include <zenwire/engine/session.hpp>
#include <zenwire/pool/pool.hpp>

namespace zenwire {

// Thread: the reactor's. Lifetime: shorter than the session's and the pool's; the session must not
// be open when it is made.
class SessionMember {
 public:
  // Asserts that the session has room for two more handlers.
  SessionMember(Session& session, Pool& pool, MemberIndex member);
  ~SessionMember();
  SessionMember(const SessionMember&) = delete;
  SessionMember& operator=(const SessionMember&) = delete;

  [[nodiscard]] MemberIndex member() const noexcept { return member_; }

 private:
  void on_state(Session& session, const SessionTransition& transition) noexcept;
  void on_connection(Session& session, Connection& connection) noexcept;
  void on_closed(Connection& connection, const Closed& closed) noexcept;
  [[nodiscard]] Link link() noexcept;
  [[nodiscard]] LinkProgress progress() const noexcept;
  [[nodiscard]] static LinkProgress of(const Connection& connection) noexcept;

  Session& session_;
  Pool& pool_;
  MemberIndex member_;
  HandlerId state_handler_{};
  HandlerId connection_handler_{};
  bool up_ = false;
  // Sums go on over connections: `base_` is what all earlier ones accepted, at least.
  mutable const Connection* current_ = nullptr;
  mutable std::uint64_t base_ = 0;
  mutable LinkProgress last_{};  // of the current one, or of the last one at its end
};

}  // namespace zenwire
