#include <cstring>

#include <zenwire/base/assert.hpp>
#include <zenwire/codec/close.hpp>
#include <zenwire/codec/utf8.hpp>

namespace zenwire {

std::string_view close_code_name(std::uint16_t code) noexcept {
  switch (code) {
    case CloseCode::normal: return "normal";
    case CloseCode::going_away: return "going_away";
    case CloseCode::protocol_error: return "protocol_error";
    case CloseCode::unsupported_data: return "unsupported_data";
    case CloseCode::no_status: return "no_status";
    case CloseCode::abnormal: return "abnormal";
    case CloseCode::invalid_payload: return "invalid_payload";
    case CloseCode::policy_violation: return "policy_violation";
    case CloseCode::message_too_big: return "message_too_big";
    case CloseCode::mandatory_extension: return "mandatory_extension";
    case CloseCode::internal_error: return "internal_error";
    case CloseCode::service_restart: return "service_restart";
    case CloseCode::try_again_later: return "try_again_later";
    case CloseCode::bad_gateway: return "bad_gateway";
    case CloseCode::tls_handshake: return "tls_handshake";
    default: break;
  }
  if (code >= 3000 && code <= 3999) return "registered";
  return code >= 4000 && code <= 4999 ? "private" : "unknown";
}

bool close_code_may_be_received(std::uint16_t code) noexcept {
  return (code >= CloseCode::normal && code <= CloseCode::unsupported_data) ||
         (code >= CloseCode::invalid_payload && code <= CloseCode::bad_gateway) ||
         (code >= 3000 && code <= 4999);
}

bool close_code_may_be_sent(std::uint16_t code, Role role) noexcept {
  if (code == CloseCode::mandatory_extension && role == Role::server) return false;
  return close_code_may_be_received(code);
}

std::uint16_t close_code_for(Errc error) noexcept {
  switch (error) {
    case Errc::ok: return CloseCode::normal;
    case Errc::text_not_utf8:
    case Errc::deflate_invalid: return CloseCode::invalid_payload;
    case Errc::frame_too_large:
    case Errc::message_too_large:
    case Errc::message_too_many_fragments:
    case Errc::deflate_too_large: return CloseCode::message_too_big;
    default: break;
  }
  const bool about_frames = error >= Errc::frame_reserved_bits && error <= Errc::deflate_too_large;
  return about_frames ? CloseCode::protocol_error : CloseCode::internal_error;
}

ClosePayload parse_close(Bytes payload) noexcept {
  ClosePayload close;
  if (payload.empty()) return close;
  if (payload.size() < sizeof close.code) {
    close.error = Errc::close_payload_invalid;
    return close;
  }
  close.code = load_big_endian<std::uint16_t>(payload.data());
  const Bytes reason = payload.subspan(sizeof close.code);
  if (!close_code_may_be_received(close.code)) {
    close.error = Errc::close_code_invalid;
  } else if (!is_utf8(reason)) {
    close.error = Errc::text_not_utf8;
  } else {
    close.reason = as_text(reason);
  }
  return close;
}

std::byte* write_close_payload(std::byte* to, std::uint16_t code,
                               std::string_view reason) noexcept {
  if (code == CloseCode::no_status) return to;
  ZW_ASSERT(close_code_may_be_received(code));
  store_big_endian(to, code);
  const Bytes fits = utf8_prefix(as_bytes(reason.substr(0, kCloseReason_bytes_max)));
  if (!fits.empty()) std::memcpy(to + sizeof code, fits.data(), fits.size());
  return to + sizeof code + fits.size();
}

}  // namespace zenwire
