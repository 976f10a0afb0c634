#include <zenwire/engine/session_state.hpp>

namespace zenwire {

std::string_view name(SessionState state) noexcept {
  switch (state) {
    case SessionState::stopped: return "stopped";
    case SessionState::resolving: return "resolving";
    case SessionState::connecting: return "connecting";
    case SessionState::tls: return "tls";
    case SessionState::upgrading: return "upgrading";
    case SessionState::authenticating: return "authenticating";
    case SessionState::restoring: return "restoring";
    case SessionState::open: return "open";
    case SessionState::closing: return "closing";
    case SessionState::backoff: return "backoff";
  }
  return "unknown";
}

Explanation explain(const Error& error) noexcept {
  return {name(error.code()), message(error.code()), suggestion(error.code()), error.detail()};
}

}  // namespace zenwire
