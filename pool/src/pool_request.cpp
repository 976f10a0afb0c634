#include <zenwire/pool/pool_request.hpp>

namespace zenwire {

std::string_view name(RequestNews::Kind kind) noexcept {
  switch (kind) {
    case RequestNews::Kind::moved: return "moved";
    case RequestNews::Kind::resent: return "resent";
    case RequestNews::Kind::hedged: return "hedged";
    case RequestNews::Kind::not_sent: return "not_sent";
    case RequestNews::Kind::outcome_unknown: return "outcome_unknown";
    case RequestNews::Kind::timed_out: return "timed_out";
  }
  return "unknown";
}

}  // namespace zenwire
