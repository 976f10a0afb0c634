#pragma once

// What is checked of a server's own certificate besides its chain: whose it is, and which key it
// holds.

#include <span>
#include <string>
#include <string_view>

#include <zenwire/base/bytes.hpp>
#include <zenwire/base/error.hpp>
#include <zenwire/engine/address.hpp>
#include <zenwire/engine/tls.hpp>

namespace zenwire::detail {

// Whether `certificate` (DER) is for `expected`, a name or an IP address, by its alternative names
// (RFC 6125, section 6.4; RFC 9525, section 6.3: the common name counts for nothing). Errors:
// tls_host_name_mismatch, tls_address_mismatch, tls_certificate_invalid; the detail lists the names
// that it holds.
Result<void> check_certificate_name(Bytes certificate, std::string_view expected);

// Errors: tls_pin_mismatch, tls_certificate_invalid.
Result<void> check_certificate_pin(Bytes certificate, std::span<const KeyPin> pins);

// Who a certificate is of, by whom, and for how long, for a person: "/CN=a/O=b, issued by /CN=c,
// valid from 2026-01-31 12:00:00 to 2027-01-31 12:00:00 UTC".
std::string describe_certificate(Bytes certificate);

// The 4 or 16 bytes of an address, as an alternative name holds them (RFC 5280, section 4.2.1.6).
std::string raw_address(const Address& address);

// Whether a name of a certificate, perhaps "*.example.com", is `host`. The wildcard stands for one
// whole left-most label.
bool certificate_name_matches(std::string_view pattern, std::string_view host) noexcept;

}  // namespace zenwire::detail
