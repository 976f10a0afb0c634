#include <zenwire/pool/circuit.hpp>

namespace zenwire {

std::string_view name(CircuitState state) noexcept {
  switch (state) {
    case CircuitState::closed: return "closed";
    case CircuitState::open: return "open";
    case CircuitState::half_open: return "half_open";
  }
  return "unknown";
}

}  // namespace zenwire
