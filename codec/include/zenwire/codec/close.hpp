#pragma once

// Close codes and the payload of a close frame (RFC 6455, sections 5.5.1 and 7.4; the IANA registry
// for 1012 to 1014).

#include <cstddef>
#include <cstdint>
#include <string_view>

#include <zenwire/base/bytes.hpp>
#include <zenwire/base/error.hpp>
#include <zenwire/codec/frame.hpp>

namespace zenwire {

// Codes travel as plain integers, because a peer and an application may use any of 3000 to 4999;
// these are the names.
struct CloseCode {
  static constexpr std::uint16_t normal = 1000;
  static constexpr std::uint16_t going_away = 1001;
  static constexpr std::uint16_t protocol_error = 1002;
  static constexpr std::uint16_t unsupported_data = 1003;
  static constexpr std::uint16_t no_status = 1005;  // never on the wire: the close frame was empty
  static constexpr std::uint16_t abnormal = 1006;   // never on the wire: no close frame came
  static constexpr std::uint16_t invalid_payload = 1007;
  static constexpr std::uint16_t policy_violation = 1008;
  static constexpr std::uint16_t message_too_big = 1009;
  static constexpr std::uint16_t mandatory_extension = 1010;
  static constexpr std::uint16_t internal_error = 1011;
  static constexpr std::uint16_t service_restart = 1012;
  static constexpr std::uint16_t try_again_later = 1013;
  static constexpr std::uint16_t bad_gateway = 1014;
  static constexpr std::uint16_t tls_handshake = 1015;  // never on the wire
};

inline constexpr std::size_t kCloseReason_bytes_max =
    kControlPayload_bytes_max - sizeof(std::uint16_t);

// "normal", "going_away", ...; "private" for 4000 to 4999, "registered" for 3000 to 3999, else
// "unknown".
std::string_view close_code_name(std::uint16_t code) noexcept;

// 1000 to 1003, 1007 to 1014, 3000 to 4999.
bool close_code_may_be_received(std::uint16_t code) noexcept;
// The same, without 1010 from a server (it is for clients whose extension was not granted).
bool close_code_may_be_sent(std::uint16_t code, Role role) noexcept;

// The code that answers a peer which caused this error: 1002, 1007 or 1009; 1000 for Errc::ok, 1011
// for what is not about frames.
std::uint16_t close_code_for(Errc error) noexcept;

struct ClosePayload {
  std::uint16_t code = CloseCode::no_status;
  std::string_view reason;  // a view into the payload
  Errc error =
      Errc::ok;  // close_payload_invalid (one byte), close_code_invalid, text_not_utf8 (the reason)
};

// An empty payload is no_status and no error. At an error, `code` is what the peer sent, if it sent
// one.
ClosePayload parse_close(Bytes payload) noexcept;

// Writes a close payload and returns its end. `to` has room for kControlPayload_bytes_max.
// no_status gives the empty payload. The reason is cut before what does not fit or is not UTF-8,
// between two characters. Asserts that the code may be on the wire.
std::byte* write_close_payload(std::byte* to, std::uint16_t code,
                               std::string_view reason = {}) noexcept;

}  // namespace zenwire
