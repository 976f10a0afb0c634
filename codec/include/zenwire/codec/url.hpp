#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <zenwire/base/error.hpp>

namespace zenwire {

// A WebSocket URL (RFC 6455, section 3), taken apart. Set-up only: it allocates.
struct Url {
  bool secure = false;           // wss
  std::string host;              // lower case; an IPv6 address is without its brackets
  bool host_is_address = false;  // an IPv4 or IPv6 address rather than a name
  std::uint16_t port = 0;
  bool port_is_default = true;  // 80 for ws, 443 for wss
  std::string target;           // path and query as they stood; at least "/"

  [[nodiscard]] bool host_is_ipv6() const noexcept {
    return host_is_address && host.find(':') != std::string::npos;
  }
  // For the Host header: the port only when it is not the default, IPv6 in brackets.
  [[nodiscard]] std::string host_header() const;
  // For logs: without the query, which may hold secrets.
  [[nodiscard]] std::string printable() const;
};

inline constexpr std::size_t kUrl_bytes_max = 8192;

// Reads `ws://host[:port][/path][?query]` or wss, scheme and host in any case.
//
// The path and query are sent as they stand, so a space, a control character, a byte that is not
// ASCII, '"', '<', '>', '\' or a '%' without two hex digits in them is refused. A host is an IPv4
// address, an IPv6 address in brackets (without zone), or a name of labels of letters, digits, '-'
// and '_'; a host whose last label is a number must be an IPv4 address.
//
// Errors: url_malformed, url_scheme_unknown, url_userinfo_refused, url_fragment_refused. The detail
// says what and at which byte, and never quotes a user name, a password, a query or a fragment.
Result<Url> parse_url(std::string_view text);

}  // namespace zenwire
