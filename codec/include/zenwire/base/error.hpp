#pragma once

// Operating errors as values: one exact code per cause, one coarse condition for callers, and a
// text for a person.
//
// A log prints the code and the text; a program branches on the condition. Programmer errors assert
// instead.

#include <cstdint>
#include <string_view>

#include <tl/expected.hpp>

namespace zenwire {

// What a caller does about an error.
enum class Condition : std::uint8_t {
  none,
  invalid_option,      // the call was wrong: mend it; retrying gives the same
  not_reachable,       // name, route, port: may pass, retry with back-off
  timed_out,           // a deadline passed: retry with back-off
  not_trusted,         // certificate or host name: do not retry before a person looked
  refused,             // the server understood and said no (HTTP status, ...)
  protocol_violation,  // the peer broke the protocol: the connection is gone
  limit_exceeded,      // a limit of ours was passed: raise it or talk to the peer
  closed,              // the connection is closed or closing
  overloaded,          // no room now: try later
  system,              // the operating system said no
};

// One code per cause, by group. The table in error.cpp says of each what happened and what to do.
enum class Errc : std::uint16_t {
  ok = 0,

  // Options and arguments.
  invalid_option,
  contradictory_options,
  url_malformed,
  url_scheme_unknown,
  url_userinfo_refused,
  url_fragment_refused,
  header_invalid,
  subprotocol_invalid,
  file_unreadable,
  base64_invalid,

  // Resolving and connecting.
  name_not_resolved,
  connect_refused,
  connect_unreachable,
  connect_failed,
  connect_reset,
  resolve_timeout,
  connect_timeout,
  tls_timeout,
  upgrade_timeout,
  open_timeout,  // the total

  // TLS.
  tls_handshake_failed,
  tls_unknown_authority,
  tls_certificate_expired,
  tls_certificate_not_yet_valid,
  tls_certificate_invalid,
  tls_host_name_mismatch,
  tls_address_mismatch,
  tls_pin_mismatch,
  tls_client_certificate_refused,
  tls_alert,
  tls_record_invalid,
  tls_closed,     // the peer ended TLS in order (close_notify)
  tls_truncated,  // the transport ended without close_notify
  tls_configuration,

  // The HTTP upgrade.
  http_malformed,
  http_header_too_large,
  http_redirect,
  http_unauthorized,
  http_forbidden,
  http_too_many_requests,
  http_service_unavailable,
  http_status,  // any other status than 101
  upgrade_missing,
  upgrade_connection_missing,
  upgrade_accept_mismatch,
  upgrade_extension_unasked,
  upgrade_extension_invalid,
  upgrade_subprotocol_unasked,
  upgrade_request_invalid,
  upgrade_version_unsupported,

  // Frames and messages.
  frame_reserved_bits,
  frame_opcode_unknown,
  frame_mask_missing,
  frame_mask_unexpected,
  frame_length_not_minimal,
  frame_length_invalid,
  frame_control_too_long,
  frame_control_fragmented,
  frame_continuation_unexpected,
  frame_continuation_expected,
  frame_too_large,
  message_too_large,
  message_too_many_fragments,
  text_not_utf8,
  close_payload_invalid,
  close_code_invalid,
  deflate_invalid,
  deflate_too_large,

  // The life of a connection.
  closed_normally,
  closed_by_peer,
  connection_lost,    // the transport ended without a close frame
  close_timeout,      // our close frame was not answered
  connection_closed,  // a call on a connection that is closed or closing
  connection_unknown,
  reactor_stopping,
  aborted,

  // The life of a session.
  session_not_open,
  session_stopped,
  session_busy,
  login_refused,
  login_timeout,
  heartbeat_missed,
  idle_timeout,
  reconnects_exhausted,
  rotated,
  subscription_rejected,
  subscription_timeout,
  subscriptions_exhausted,
  channel_invalid,
  draft_too_long,

  // Room.
  send_queue_full,
  message_queue_full,
  outbox_full,
  large_buffers_exhausted,
  connections_exhausted,
  handlers_exhausted,

  // Requests.
  request_id_invalid,
  request_id_in_use,
  requests_exhausted,
  request_timed_out,
  request_cancelled,
  request_not_sent,
  request_outcome_unknown,
  rate_limited,

  // Telemetry pages.
  telemetry_name_in_use,
  telemetry_full,
  telemetry_not_found,
  telemetry_malformed,

  // The pool.
  pool_no_member,
  pool_members_exhausted,

  // Recordings.
  recording_unwritable,
  recording_busy,
  recording_disk_full,
  recording_failed,
  recording_malformed,
  recording_not_found,
  journal_malformed,
  journal_diverged,

  // The machine.
  ring_refused_by_sysctl,
  ring_refused_by_seccomp,
  ring_not_supported,
  ring_failed,
  affinity_refused,
  memory_exhausted,
  memory_lock_refused,
  address_in_use,
  listen_failed,
  system_error,

  count_,
};

// Stable lower-case name of a code ("tls_host_name_mismatch"), as printed in logs and JSON.
std::string_view name(Errc code) noexcept;
std::string_view name(Condition condition) noexcept;

// What happened, in a sentence without a name in it; and what a person can do about it.
std::string_view message(Errc code) noexcept;
std::string_view suggestion(Errc code) noexcept;
Condition condition(Errc code) noexcept;

// An error with its particulars. A value of fixed size, so that making one never allocates.
// `detail` never holds a secret: header values, query strings and payloads stay out of it.
class Error {
 public:
  Error() noexcept = default;
  Error(Errc code, std::string_view detail = {},
        int os_error = 0) noexcept;  // NOLINT: implicit, like a code

  [[nodiscard]] Errc code() const noexcept { return code_; }
  [[nodiscard]] zenwire::Condition condition() const noexcept { return zenwire::condition(code_); }
  // errno of the call that failed, or 0.
  [[nodiscard]] int os_error() const noexcept { return os_error_; }
  // The particulars, cut to kDetail_bytes.
  [[nodiscard]] std::string_view detail() const noexcept { return {detail_, detail_bytes_}; }
  explicit operator bool() const noexcept { return code_ != Errc::ok; }

  static constexpr std::size_t kDetail_bytes = 240;

 private:
  Errc code_ = Errc::ok;
  std::uint16_t detail_bytes_ = 0;
  int os_error_ = 0;
  char detail_[kDetail_bytes] = {};
};

template <typename Value>
using Result = tl::expected<Value, Error>;

// `return fail(Errc::url_malformed, "no host");`
inline tl::unexpected<Error> fail(Errc code, std::string_view detail = {},
                                  int os_error = 0) noexcept {
  return tl::unexpected<Error>(Error(code, detail, os_error));
}

}  // namespace zenwire
