#pragma once

// The opening handshake of RFC 6455, section 4: an HTTP/1.1 upgrade, for both roles. Bytes in,
// bytes out; the key's randomness and the time come from the caller.

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include <zenwire/base/bytes.hpp>
#include <zenwire/base/error.hpp>
#include <zenwire/codec/deflate_offer.hpp>
#include <zenwire/codec/http_date.hpp>
#include <zenwire/codec/http_head.hpp>

namespace zenwire {

inline constexpr std::size_t kUpgradeKeyRandom_bytes = 16;
// In base64.
inline constexpr std::size_t kUpgradeKey_bytes = 24;
inline constexpr std::size_t kAcceptKey_bytes = 28;
// More subprotocols than this in a client's request are not looked at.
inline constexpr std::size_t kSubprotocols_max = 32;

using UpgradeKey = std::array<char, kUpgradeKey_bytes>;
using AcceptKey = std::array<char, kAcceptKey_bytes>;

inline std::string_view as_text(const UpgradeKey& key) noexcept {
  return {key.data(), key.size()};
}
inline std::string_view as_text(const AcceptKey& key) noexcept {
  return {key.data(), key.size()};
}

// The client's nonce, from 16 bytes of a cryptographic generator.
UpgradeKey make_key(std::span<const std::byte, kUpgradeKeyRandom_bytes> random) noexcept;

// What the server must answer to a key (section 4.2.2, step 5.4).
AcceptKey accept_key(std::string_view key) noexcept;

// ---- client

// Everything is borrowed for the calls below.
struct UpgradeRequest {
  std::string_view host_header;  // "host" or "host:port", as Url::host_header() gives it
  std::string_view target = "/";
  std::string_view key;  // kUpgradeKey_bytes characters, from make_key()
  std::span<const Header> headers;
  std::span<const std::string_view> subprotocols;  // in order of preference
  std::optional<DeflateOffer> deflate;
};

// Errors of what a user gives: header_invalid (not a token, a control character in the value, a
// header that the engine writes itself or that would give the request a body; the detail names the
// header, never its value), subprotocol_invalid (not a token, or twice), invalid_option or
// contradictory_options (deflate), url_malformed (host or target). For options to be checked before
// anything is connected; write_upgrade_request() checks again.
Result<void> check_request_options(const UpgradeRequest& request) noexcept;

// Writes the request and returns its length. Errors: as check_request_options(), and
// http_header_too_large when it does not fit into `to` (the detail says how many bytes it takes).
Result<std::size_t> write_upgrade_request(const UpgradeRequest& request, MutableBytes to) noexcept;

struct Upgraded {
  std::string_view subprotocol;  // one of the request's own views; empty when none was chosen
  std::optional<DeflateParameters> deflate;
};

// Holds the server's answer against the request (section 4.1, the numbered list at its end).
//
// Errors. For a status other than 101: http_redirect (3xx, with the Location without its query),
// http_unauthorized, http_forbidden, http_too_many_requests, http_service_unavailable (the last two
// with Retry-After), http_status. For a 101 that is wrong: http_malformed (HTTP/1.0),
// upgrade_missing, upgrade_connection_missing, upgrade_accept_mismatch, upgrade_extension_unasked,
// upgrade_extension_invalid, upgrade_subprotocol_unasked.
Result<Upgraded> check_upgrade_response(const HttpResponseHead& answer,
                                        const UpgradeRequest& request) noexcept;

// ---- server

// A client's request that is fit to be answered with 101. Views into the request's head.
struct ClientUpgrade {
  std::string_view target;
  std::string_view host;
  std::string_view key;
  std::string_view origin;                                         // empty when there is none
  std::array<std::string_view, kSubprotocols_max> subprotocols{};  // in the client's order
  std::uint32_t subprotocol_count = 0;

  [[nodiscard]] std::span<const std::string_view> offered() const noexcept {
    return {subprotocols.data(), subprotocol_count};
  }
};

// Section 4.2.1. Errors: upgrade_request_invalid (method, version of HTTP, Host, key,
// subprotocols), upgrade_missing, upgrade_connection_missing, upgrade_version_unsupported. The
// extensions are read by choose_deflate().
Result<ClientUpgrade> check_upgrade_request(const HttpRequestHead& request) noexcept;

// The first of `supported` that the client offers; empty when there is none.
std::string_view choose_subprotocol(const ClientUpgrade& client,
                                    std::span<const std::string_view> supported) noexcept;

struct UpgradeResponse {
  std::string_view key;          // the client's
  std::string_view subprotocol;  // empty: none
  std::optional<DeflateParameters> deflate;
  std::span<const Header> headers;
};

// Writes the 101 answer and returns its length. Errors: header_invalid, subprotocol_invalid,
// http_header_too_large.
Result<std::size_t> write_upgrade_response(const UpgradeResponse& response,
                                           MutableBytes to) noexcept;

// The status to refuse with for an error of find_head(), parse_request_head(),
// check_upgrade_request() or choose_deflate(): 426, 431 or 400.
int refusal_status(Errc code) noexcept;

// Writes a refusal with a short text as its body, closing the connection, and returns its length.
// 426 names the version and protocol to upgrade to (section 4.4). `status` is 100 to 999. Errors:
// header_invalid, http_header_too_large.
Result<std::size_t> write_refusal(int status, std::string_view body, MutableBytes to,
                                  std::span<const Header> headers = {}) noexcept;

// "Too Many Requests"; empty for a status that has no registered phrase.
std::string_view reason_phrase(int status) noexcept;

}  // namespace zenwire
