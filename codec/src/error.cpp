#include <algorithm>
#include <array>
#include <cstring>
#include <iterator>

#include <zenwire/base/error.hpp>

namespace zenwire {
namespace {

struct Row {
  Errc code;
  Condition condition;
  std::string_view name;
  std::string_view message;
  std::string_view suggestion;
};

using C = Condition;

// One row per code, in the order of the enumeration (checked below).
constexpr Row kRows[] = {
    {Errc::ok, C::none, "ok", "no error", ""},

    {Errc::invalid_option, C::invalid_option, "invalid_option",
     "an option has a value that cannot be used", "mend the option that the detail names"},
    {Errc::contradictory_options, C::invalid_option, "contradictory_options",
     "two options contradict each other", "drop one of the two that the detail names"},
    {Errc::url_malformed, C::invalid_option, "url_malformed", "the URL cannot be read",
     "write it as wss://host[:port]/path"},
    {Errc::url_scheme_unknown, C::invalid_option, "url_scheme_unknown",
     "the URL's scheme is neither ws nor wss", "use wss:// (or ws:// on a trusted network)"},
    {Errc::url_userinfo_refused, C::invalid_option, "url_userinfo_refused",
     "the URL carries a user name or password",
     "send credentials in a header or in the first message"},
    {Errc::url_fragment_refused, C::invalid_option, "url_fragment_refused",
     "the URL has a fragment (#...)", "drop the fragment: RFC 6455 section 3 forbids it"},
    {Errc::header_invalid, C::invalid_option, "header_invalid",
     "an extra HTTP header cannot be sent",
     "use a token as name, no line breaks in the value, and none of the headers that the engine "
     "writes"},
    {Errc::subprotocol_invalid, C::invalid_option, "subprotocol_invalid",
     "a subprotocol is not a token or is given twice", "mend the list of subprotocols"},
    {Errc::file_unreadable, C::invalid_option, "file_unreadable",
     "a file that an option names cannot be read", "check the path and the permissions"},
    {Errc::base64_invalid, C::invalid_option, "base64_invalid", "a text is not canonical base64",
     "see the position in the detail"},

    {Errc::name_not_resolved, C::not_reachable, "name_not_resolved",
     "the host name does not resolve", "check the name and the resolver (getent hosts NAME)"},
    {Errc::connect_refused, C::not_reachable, "connect_refused",
     "nothing listens on that address and port", "check the port, or start the server"},
    {Errc::connect_unreachable, C::not_reachable, "connect_unreachable",
     "there is no route to the address", "check the network, and the local address if one is set"},
    {Errc::connect_failed, C::not_reachable, "connect_failed",
     "the TCP connection could not be made", "see the system error in the detail"},
    {Errc::connect_reset, C::not_reachable, "connect_reset",
     "the peer reset the connection while it was being set up",
     "the server or a proxy before it refused: check its log and limits"},
    {Errc::resolve_timeout, C::timed_out, "resolve_timeout",
     "the host name did not resolve in time", "check the resolver, or raise the resolve deadline"},
    {Errc::connect_timeout, C::timed_out, "connect_timeout",
     "the TCP connection was not made in time",
     "check firewalls on the way, or raise the connect deadline"},
    {Errc::tls_timeout, C::timed_out, "tls_timeout", "the TLS handshake was not finished in time",
     "is it a TLS port? otherwise raise the TLS deadline"},
    {Errc::upgrade_timeout, C::timed_out, "upgrade_timeout",
     "the server did not answer the upgrade request in time",
     "is it a WebSocket endpoint? otherwise raise the upgrade deadline"},
    {Errc::open_timeout, C::timed_out, "open_timeout",
     "the connection was not open within the total deadline",
     "raise the total deadline, or see which stage takes the time"},

    {Errc::tls_handshake_failed, C::not_trusted, "tls_handshake_failed", "the TLS handshake failed",
     "see the detail; check TLS versions and ciphers on both sides"},
    {Errc::tls_unknown_authority, C::not_trusted, "tls_unknown_authority",
     "the server's certificate is not signed by an authority that is trusted here",
     "give the right CA with the ca_file option (--ca FILE)"},
    {Errc::tls_certificate_expired, C::not_trusted, "tls_certificate_expired",
     "the server's certificate has expired", "renew it, or check this machine's clock"},
    {Errc::tls_certificate_not_yet_valid, C::not_trusted, "tls_certificate_not_yet_valid",
     "the server's certificate is not valid yet", "check this machine's clock"},
    {Errc::tls_certificate_invalid, C::not_trusted, "tls_certificate_invalid",
     "the server's certificate, or one in its chain, is not valid", "see the detail"},
    {Errc::tls_host_name_mismatch, C::not_trusted, "tls_host_name_mismatch",
     "the server's certificate is for another host name",
     "connect by a name that the certificate holds, or set server_name"},
    {Errc::tls_address_mismatch, C::not_trusted, "tls_address_mismatch",
     "the server's certificate does not hold the IP address",
     "connect by a name that the certificate holds, or set server_name"},
    {Errc::tls_pin_mismatch, C::not_trusted, "tls_pin_mismatch",
     "the server's public key is not among the pinned ones",
     "if the venue changed its key on purpose, add the new pin"},
    {Errc::tls_client_certificate_refused, C::not_trusted, "tls_client_certificate_refused",
     "the server refused the client certificate", "check which certificate the server wants"},
    {Errc::tls_alert, C::not_trusted, "tls_alert", "the peer ended TLS with an alert",
     "see the alert's name in the detail"},
    {Errc::tls_record_invalid, C::protocol_violation, "tls_record_invalid",
     "a TLS record failed its authentication or is malformed",
     "the bytes were changed or lost on the way: reconnect, and look for a middlebox"},
    {Errc::tls_closed, C::closed, "tls_closed", "the peer ended TLS in order", ""},
    {Errc::tls_truncated, C::closed, "tls_truncated",
     "the transport ended without a TLS close_notify",
     "treat what was in flight as unknown; reconnect"},
    {Errc::tls_configuration, C::invalid_option, "tls_configuration",
     "the TLS options cannot be used", "see the detail: files, keys, versions"},

    {Errc::http_malformed, C::protocol_violation, "http_malformed",
     "the peer's HTTP header block is malformed", "is it an HTTP server at all? check the port"},
    {Errc::http_header_too_large, C::limit_exceeded, "http_header_too_large",
     "the peer's HTTP header block is larger than the limit",
     "raise the limit if the peer is right"},
    {Errc::http_redirect, C::refused, "http_redirect", "the server redirects to another place",
     "connect to the Location in the detail if you trust it: zenwire does not follow redirects"},
    {Errc::http_unauthorized, C::refused, "http_unauthorized", "the server wants credentials (401)",
     "check the signature, the key and its time stamp"},
    {Errc::http_forbidden, C::refused, "http_forbidden", "the server forbids the request (403)",
     "check the key's permissions, the origin, and whether the address is allowed"},
    {Errc::http_too_many_requests, C::refused, "http_too_many_requests",
     "the server has had too many requests (429)", "wait for Retry-After, and connect less often"},
    {Errc::http_service_unavailable, C::refused, "http_service_unavailable",
     "the server is unavailable (503)", "wait for Retry-After"},
    {Errc::http_status, C::refused, "http_status",
     "the server did not upgrade: it answered with another status than 101",
     "check the path of the URL"},
    {Errc::upgrade_missing, C::protocol_violation, "upgrade_missing",
     "there is no `Upgrade: websocket` header", "is it a WebSocket endpoint?"},
    {Errc::upgrade_connection_missing, C::protocol_violation, "upgrade_connection_missing",
     "there is no `Connection: upgrade` header", "a proxy between may have dropped it"},
    {Errc::upgrade_accept_mismatch, C::protocol_violation, "upgrade_accept_mismatch",
     "Sec-WebSocket-Accept is missing or is not the one of our key",
     "a cache or a broken server answered"},
    {Errc::upgrade_extension_unasked, C::protocol_violation, "upgrade_extension_unasked",
     "the server uses an extension that was not offered",
     "the server is broken, or a proxy changed the request"},
    {Errc::upgrade_extension_invalid, C::protocol_violation, "upgrade_extension_invalid",
     "an extension's parameters are not valid", "switch the extension off"},
    {Errc::upgrade_subprotocol_unasked, C::protocol_violation, "upgrade_subprotocol_unasked",
     "the server chose a subprotocol that was not offered", "offer it, or mend the server"},
    {Errc::upgrade_request_invalid, C::protocol_violation, "upgrade_request_invalid",
     "the client's upgrade request is not valid", "see the detail"},
    {Errc::upgrade_version_unsupported, C::protocol_violation, "upgrade_version_unsupported",
     "the client asks for another WebSocket version than 13", "use RFC 6455"},

    {Errc::frame_reserved_bits, C::protocol_violation, "frame_reserved_bits",
     "a frame has reserved bits set", "the peer uses an extension that was not negotiated"},
    {Errc::frame_opcode_unknown, C::protocol_violation, "frame_opcode_unknown",
     "a frame has an unknown opcode", "the peer is broken, or bytes were lost"},
    {Errc::frame_mask_missing, C::protocol_violation, "frame_mask_missing",
     "a client's frame is not masked", "the peer is broken"},
    {Errc::frame_mask_unexpected, C::protocol_violation, "frame_mask_unexpected",
     "a server's frame is masked", "the peer is broken"},
    {Errc::frame_length_not_minimal, C::protocol_violation, "frame_length_not_minimal",
     "a frame's length is not in its shortest form", "the peer is broken"},
    {Errc::frame_length_invalid, C::protocol_violation, "frame_length_invalid",
     "a frame's 64-bit length has its highest bit set", "the peer is broken, or bytes were lost"},
    {Errc::frame_control_too_long, C::protocol_violation, "frame_control_too_long",
     "a control frame is longer than 125 bytes", "the peer is broken"},
    {Errc::frame_control_fragmented, C::protocol_violation, "frame_control_fragmented",
     "a control frame is fragmented", "the peer is broken"},
    {Errc::frame_continuation_unexpected, C::protocol_violation, "frame_continuation_unexpected",
     "a continuation frame came with no message begun", "the peer is broken"},
    {Errc::frame_continuation_expected, C::protocol_violation, "frame_continuation_expected",
     "a new message began before the last one ended", "the peer is broken"},
    {Errc::frame_too_large, C::limit_exceeded, "frame_too_large",
     "a frame is larger than the limit", "raise frame_bytes_max"},
    {Errc::message_too_large, C::limit_exceeded, "message_too_large",
     "a message is larger than the limit", "raise message_bytes_max"},
    {Errc::message_too_many_fragments, C::limit_exceeded, "message_too_many_fragments",
     "a message has more fragments than the limit", "raise fragments_max"},
    {Errc::text_not_utf8, C::protocol_violation, "text_not_utf8",
     "a text message is not valid UTF-8", "the peer is broken, or it should send binary"},
    {Errc::close_payload_invalid, C::protocol_violation, "close_payload_invalid",
     "a close frame's payload is malformed", "the peer is broken"},
    {Errc::close_code_invalid, C::protocol_violation, "close_code_invalid",
     "a close code may not be sent", "use 1000 to 1003, 1007 to 1014, or 3000 to 4999"},
    {Errc::deflate_invalid, C::protocol_violation, "deflate_invalid",
     "a compressed message does not decompress", "the peer is broken, or bytes were lost"},
    {Errc::deflate_too_large, C::limit_exceeded, "deflate_too_large",
     "a compressed message is larger than the limit when decompressed",
     "raise message_bytes_max if the peer is trusted"},

    {Errc::closed_normally, C::closed, "closed_normally", "both ends closed the connection", ""},
    {Errc::closed_by_peer, C::closed, "closed_by_peer", "the peer closed the connection",
     "see code and reason"},
    {Errc::connection_lost, C::closed, "connection_lost",
     "the connection ended without a close frame",
     "treat what was in flight as unknown; reconnect"},
    {Errc::close_timeout, C::timed_out, "close_timeout",
     "the peer did not answer the close frame in time",
     "the connection was dropped; raise close_timeout if the peer is slow"},
    {Errc::connection_closed, C::closed, "connection_closed", "the connection is closed or closing",
     "send on an open connection"},
    {Errc::connection_unknown, C::closed, "connection_unknown", "there is no such connection",
     "it has ended: its id is not used again"},
    {Errc::reactor_stopping, C::closed, "reactor_stopping",
     "the reactor is stopping and takes no new work", ""},
    {Errc::aborted, C::closed, "aborted", "the operation was given up because its owner ended", ""},

    {Errc::session_not_open, C::closed, "session_not_open",
     "the session has no open connection now; nothing was sent",
     "wait for its state to become open, and decide anew whether to send"},
    {Errc::session_stopped, C::closed, "session_stopped", "the session has stopped",
     "see the error with which it stopped; start it again"},
    {Errc::session_busy, C::overloaded, "session_busy",
     "the session is already replacing its connection, or not open",
     "wait until it is open with one connection"},
    {Errc::login_refused, C::refused, "login_refused", "the server refused the login",
     "check the key, its secret and its permissions, and this machine's clock"},
    {Errc::login_timeout, C::timed_out, "login_timeout",
     "the server did not answer the login in time", "raise login_timeout if the server is slow"},
    {Errc::heartbeat_missed, C::timed_out, "heartbeat_missed",
     "the peer left more heartbeats unanswered than the limit",
     "the path or the peer is dead or overloaded; raise missed_max if it is only slow"},
    {Errc::idle_timeout, C::timed_out, "idle_timeout",
     "nothing was received for longer than the idle timeout",
     "the path is dead, or the stream is quieter than that: raise it or use heartbeats"},
    {Errc::reconnects_exhausted, C::not_reachable, "reconnects_exhausted",
     "as many retries were made as there may be", "see the last error; raise retries_max"},
    {Errc::rotated, C::closed, "rotated", "a new connection has taken this one's place", ""},
    {Errc::subscription_rejected, C::refused, "subscription_rejected",
     "the server rejected a subscription; it is not asked for again",
     "check the channel's name and the permissions"},
    {Errc::subscription_timeout, C::timed_out, "subscription_timeout",
     "the server did not acknowledge a subscription in time",
     "raise acknowledge_timeout if the server is slow"},
    {Errc::subscriptions_exhausted, C::overloaded, "subscriptions_exhausted",
     "the session holds as many channels as it may", "raise channels_max"},
    {Errc::channel_invalid, C::invalid_option, "channel_invalid",
     "a channel's name is empty or longer than it may be",
     "mend the name, or raise channel_bytes_max"},
    {Errc::draft_too_long, C::limit_exceeded, "draft_too_long",
     "a message that the session writes does not fit into its room",
     "raise draft_bytes_max, or lower chunk_max"},

    {Errc::send_queue_full, C::overloaded, "send_queue_full",
     "the connection's send queue has no room",
     "the peer reads too slowly: wait for the drained callback, or raise send_bytes_max"},
    {Errc::message_queue_full, C::overloaded, "message_queue_full",
     "the strategy's message queue is full", "read it faster, or make it larger"},
    {Errc::outbox_full, C::overloaded, "outbox_full", "the outbox to the reactor is full",
     "try again, or make it larger"},
    {Errc::large_buffers_exhausted, C::overloaded, "large_buffers_exhausted",
     "no large buffer is free", "raise large_buffers"},
    {Errc::connections_exhausted, C::overloaded, "connections_exhausted",
     "the reactor holds as many connections as it may", "raise connections_max"},
    {Errc::handlers_exhausted, C::overloaded, "handlers_exhausted",
     "the connection holds as many handlers as it may", "remove one first"},

    {Errc::request_id_invalid, C::invalid_option, "request_id_invalid",
     "a request id cannot be told from others", "use an integer, or a text of 1 to 47 bytes"},
    {Errc::request_id_in_use, C::invalid_option, "request_id_in_use",
     "a request of the same id still waits for its answer; nothing was sent",
     "give each request an id of its own"},
    {Errc::requests_exhausted, C::overloaded, "requests_exhausted",
     "as many requests as there may be wait for their answers; nothing was sent",
     "raise requests_max, or wait for answers"},
    {Errc::request_timed_out, C::timed_out, "request_timed_out",
     "the answer to a request did not come before its deadline",
     "the server may still act on it: ask for its state before sending it again"},
    {Errc::request_cancelled, C::closed, "request_cancelled",
     "the caller stopped waiting for the answer to a request",
     "the server may still act on it: ask for its state before sending it again"},
    {Errc::request_not_sent, C::closed, "request_not_sent",
     "the connection ended before any byte of the request left", "send it again"},
    {Errc::request_outcome_unknown, C::closed, "request_outcome_unknown",
     "the connection ended after bytes of the request may have left, before its answer",
     "ask the server for its state before sending it again"},
    {Errc::rate_limited, C::overloaded, "rate_limited",
     "the rate limit has no credits left for the request; nothing was sent",
     "wait as long as time_until() says"},

    {Errc::telemetry_name_in_use, C::invalid_option, "telemetry_name_in_use",
     "a running process publishes its statistics under that name", "choose another name"},
    {Errc::telemetry_full, C::limit_exceeded, "telemetry_full",
     "the telemetry page has no room for another block", "raise telemetry_bytes"},
    {Errc::telemetry_not_found, C::invalid_option, "telemetry_not_found",
     "no process publishes statistics under that name",
     "start it with a telemetry name (zenwire COMMAND --stats NAME)"},
    {Errc::telemetry_malformed, C::protocol_violation, "telemetry_malformed",
     "a file is no telemetry page that this build can read",
     "use the zenwire command of the process's own version"},

    {Errc::pool_no_member, C::overloaded, "pool_no_member",
     "no member of the pool took the request; nothing was sent",
     "look at the members' views: which are closed, barred or ejected"},
    {Errc::pool_members_exhausted, C::limit_exceeded, "pool_members_exhausted",
     "the pool has as many members as it may have", "raise members, or remove one first"},

    {Errc::recording_unwritable, C::invalid_option, "recording_unwritable",
     "the recording cannot be opened for writing",
     "check the path, its directory, the permissions, and whether another process records into it"},
    {Errc::recording_busy, C::overloaded, "recording_busy",
     "another recorder is writing to this recording",
     "record to another file, or end the other recorder first"},
    {Errc::recording_disk_full, C::system, "recording_disk_full",
     "the disk is full: recording has stopped",
     "make room; the recording is whole up to its last line"},
    {Errc::recording_failed, C::system, "recording_failed",
     "the recording cannot be written any more",
     "see the system error; the recording is whole up to its last line"},
    {Errc::recording_malformed, C::invalid_option, "recording_malformed",
     "the recording cannot be read", "see the line in the detail"},
    {Errc::recording_not_found, C::invalid_option, "recording_not_found",
     "there is no recording at that path", "check the path"},
    {Errc::journal_malformed, C::invalid_option, "journal_malformed",
     "the journal cannot be replayed", "see the detail: is it a journal, and of this version?"},
    {Errc::journal_diverged, C::invalid_option, "journal_diverged",
     "the engine did something else than what the journal holds",
     "see the first divergence: the file was changed, or the engine is another than the one that "
     "wrote it"},

    {Errc::ring_refused_by_sysctl, C::system, "ring_refused_by_sysctl",
     "the sysctl kernel.io_uring_disabled forbids io_uring",
     "sysctl -w kernel.io_uring_disabled=0"},
    {Errc::ring_refused_by_seccomp, C::system, "ring_refused_by_seccomp",
     "a seccomp filter forbids io_uring",
     "allow io_uring_setup, io_uring_enter and io_uring_register in the container's seccomp "
     "profile"},
    {Errc::ring_not_supported, C::system, "ring_not_supported",
     "the kernel has no io_uring, or one older than 6.1",
     "run Linux 6.1 or newer with CONFIG_IO_URING"},
    {Errc::ring_failed, C::system, "ring_failed", "io_uring failed",
     "see the system error in the detail"},
    {Errc::affinity_refused, C::system, "affinity_refused",
     "the thread cannot be pinned to that core",
     "choose a core that this process may use (taskset -p PID)"},
    {Errc::memory_exhausted, C::system, "memory_exhausted", "memory could not be reserved",
     "lower connections_max or large_buffers, or give the machine more memory"},
    {Errc::memory_lock_refused, C::system, "memory_lock_refused", "memory could not be locked",
     "raise RLIMIT_MEMLOCK (ulimit -l unlimited)"},
    {Errc::address_in_use, C::system, "address_in_use",
     "another process listens on that address and port",
     "choose another port (0 takes a free one)"},
    {Errc::listen_failed, C::system, "listen_failed", "the listening socket could not be made",
     "see the system error in the detail"},
    {Errc::system_error, C::system, "system_error", "a system call failed",
     "see the system error in the detail"},
};

constexpr bool rows_are_in_order() {
  for (std::size_t i = 0; i < std::size(kRows); ++i) {
    if (static_cast<std::size_t>(kRows[i].code) != i) return false;
  }
  return std::size(kRows) == static_cast<std::size_t>(Errc::count_);
}
static_assert(rows_are_in_order(), "kRows has one row per Errc, in the order of the enumeration");

const Row& row(Errc code) noexcept {
  const auto index = static_cast<std::size_t>(code);
  return kRows[index < std::size(kRows) ? index : static_cast<std::size_t>(Errc::system_error)];
}

constexpr std::array<std::string_view, 10> kConditionNames = {
    "none",    "invalid_option",     "not_reachable",  "timed_out", "not_trusted",
    "refused", "protocol_violation", "limit_exceeded", "closed",    "overloaded",
};

}  // namespace

std::string_view name(Errc code) noexcept {
  return row(code).name;
}
std::string_view message(Errc code) noexcept {
  return row(code).message;
}
std::string_view suggestion(Errc code) noexcept {
  return row(code).suggestion;
}
Condition condition(Errc code) noexcept {
  return row(code).condition;
}

std::string_view name(Condition value) noexcept {
  const auto index = static_cast<std::size_t>(value);
  return index < kConditionNames.size() ? kConditionNames[index] : "system";
}

Error::Error(Errc code, std::string_view detail, int os_error) noexcept
    : code_(code), os_error_(os_error) {
  detail_bytes_ = static_cast<std::uint16_t>(std::min(detail.size(), kDetail_bytes));
  if (detail_bytes_ > 0) std::memcpy(detail_, detail.data(), detail_bytes_);
}

}  // namespace zenwire
