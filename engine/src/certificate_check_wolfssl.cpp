#include <algorithm>
#include <cstddef>
#include <cstring>
#include <optional>
#include <utility>

#include <netinet/in.h>

#include <zenwire/codec/http_head.hpp>
#include <zenwire/engine/address.hpp>

#include "certificate_check.hpp"
#include "wolfssl.hpp"

namespace zenwire::detail {
namespace {

// A certificate taken apart; freed with it.
class Decoded {
 public:
  explicit Decoded(Bytes der) noexcept {
    wc_InitDecodedCert(&certificate_, reinterpret_cast<const byte*>(der.data()),
                       static_cast<word32>(der.size()), nullptr);
    parsed_ = wc_ParseCert(&certificate_, CERT_TYPE, NO_VERIFY, nullptr) == 0;
  }
  ~Decoded() { wc_FreeDecodedCert(&certificate_); }
  Decoded(const Decoded&) = delete;
  Decoded& operator=(const Decoded&) = delete;

  [[nodiscard]] bool parsed() const noexcept { return parsed_; }
  [[nodiscard]] const DecodedCert& operator*() const noexcept { return certificate_; }
  [[nodiscard]] const DNS_entry* names() const noexcept { return certificate_.altNames; }

 private:
  DecodedCert certificate_{};
  bool parsed_ = false;
};

std::string_view text_of(const DNS_entry& entry) noexcept {
  return {entry.name, static_cast<std::size_t>(entry.len)};
}

std::string list_names(const Decoded& certificate) {
  std::string list;
  for (const DNS_entry* entry = certificate.names(); entry != nullptr; entry = entry->next) {
    if (entry->type != ASN_DNS_TYPE && entry->type != ASN_IP_TYPE) continue;
    if (!list.empty()) list += ", ";
    list += entry->type == ASN_DNS_TYPE
                ? std::string(text_of(*entry))
                : (entry->ipString != nullptr ? entry->ipString : "an address");
  }
  return list.empty() ? "no alternative name" : list;
}

bool holds_address(const Decoded& certificate, const Address& address) {
  const std::string raw = raw_address(address);
  for (const DNS_entry* entry = certificate.names(); entry != nullptr; entry = entry->next) {
    if (entry->type == ASN_IP_TYPE && text_of(*entry) == raw) return true;
  }
  return false;
}

bool holds_name(const Decoded& certificate, std::string_view host) {
  for (const DNS_entry* entry = certificate.names(); entry != nullptr; entry = entry->next) {
    if (entry->type == ASN_DNS_TYPE && certificate_name_matches(text_of(*entry), host)) return true;
  }
  return false;
}

// One element of DER at the front of `from`: tag, length, contents (X.690, section 8.1). Definite
// lengths only.
struct Element {
  std::uint8_t tag;
  Bytes whole;
  Bytes contents;
};

std::optional<Element> first_element(Bytes from) noexcept {
  if (from.size() < 2) return std::nullopt;
  std::size_t length = std::to_integer<std::size_t>(from[1]);
  std::size_t before = 2;
  if (length > 0x80) {
    const std::size_t octets = length & 0x7f;
    if (octets > 3 || from.size() < 2 + octets) return std::nullopt;
    length = 0;
    for (std::size_t i = 0; i < octets; ++i)
      length = length << 8 | std::to_integer<std::size_t>(from[2 + i]);
    before += octets;
  }
  if (length > from.size() - before) return std::nullopt;
  return Element{std::to_integer<std::uint8_t>(from[0]), from.first(before + length),
                 from.subspan(before, length)};
}

// Certificate ::= { TBSCertificate { [0] version?, serial, algorithm, issuer, validity, subject,
// SubjectPublicKeyInfo }} (RFC 5280, section 4.1).
std::optional<Bytes> subject_public_key_info(Bytes certificate) noexcept {
  constexpr std::uint8_t kVersionTag = 0xa0;
  constexpr int kFieldsBefore = 5;
  const auto outer = first_element(certificate);
  const auto signed_part = outer ? first_element(outer->contents) : std::nullopt;
  if (!signed_part) return std::nullopt;
  Bytes rest = signed_part->contents;
  int fields = 0;
  while (const auto field = first_element(rest)) {
    rest = rest.subspan(field->whole.size());
    if (field->tag == kVersionTag) continue;
    if (fields++ == kFieldsBefore) return field->whole;
  }
  return std::nullopt;
}

// A time of a certificate: UTCTime "YYMMDDhhmmssZ" (years to 2049) or GeneralizedTime
// "YYYYMMDDhhmmssZ" (RFC 5280, section 4.1.2.5).
std::string time_text(const byte* der, int bytes) {
  constexpr std::uint8_t kUtcTime = 0x17;
  constexpr std::size_t kDigits = 14;
  const auto element = first_element(
      {reinterpret_cast<const std::byte*>(der), static_cast<std::size_t>(std::max(bytes, 0))});
  if (!element) return "an unreadable time";
  std::string digits(as_text(element->contents));
  if (element->tag == kUtcTime) digits.insert(0, digits.substr(0, 1) < "5" ? "20" : "19");
  if (digits.size() < kDigits) return "an unreadable time";
  std::string text = digits.substr(0, 4);
  for (const auto& [separator, at] :
       {std::pair{'-', 4}, {'-', 6}, {' ', 8}, {':', 10}, {':', 12}}) {
    text += separator;
    text += digits.substr(static_cast<std::size_t>(at), 2);
  }
  return text;
}

}  // namespace

std::string raw_address(const Address& address) {
  const auto* const storage = static_cast<const char*>(address.data());
  return address.is_ipv6()
             ? std::string(storage + offsetof(sockaddr_in6, sin6_addr), sizeof(in6_addr))
             : std::string(storage + offsetof(sockaddr_in, sin_addr), sizeof(in_addr));
}

std::string describe_certificate(Bytes certificate) {
  const Decoded decoded(certificate);
  const DecodedCert& parts = *decoded;
  if (parts.beforeDate == nullptr || parts.afterDate == nullptr) return "an unreadable certificate";
  return std::string(parts.subject) + ", issued by " + parts.issuer + ", valid from " +
         time_text(parts.beforeDate, parts.beforeDateLen) + " to " +
         time_text(parts.afterDate, parts.afterDateLen) + " UTC";
}

bool certificate_name_matches(std::string_view pattern, std::string_view host) noexcept {
  if (!pattern.empty() && pattern.back() == '.') pattern.remove_suffix(1);
  if (!host.empty() && host.back() == '.') host.remove_suffix(1);
  if (pattern.empty() || host.empty()) return false;
  if (!pattern.starts_with("*.")) return equal_ignoring_case(pattern, host);
  const auto dot = host.find('.');
  const std::string_view domain = pattern.substr(2);
  // "*.com" would speak for everybody.
  if (dot == 0 || dot == std::string_view::npos || domain.find('.') == std::string_view::npos)
    return false;
  return equal_ignoring_case(domain, host.substr(dot + 1));
}

Result<void> check_certificate_name(Bytes certificate, std::string_view expected) {
  const Decoded decoded(certificate);
  if (!decoded.parsed())
    return fail(Errc::tls_certificate_invalid, "the server's certificate cannot be read");
  const auto address = Address::from_literal(expected, 0);
  if (address ? holds_address(decoded, *address) : holds_name(decoded, expected)) return {};
  return fail(
      address ? Errc::tls_address_mismatch : Errc::tls_host_name_mismatch,
      "expected " + std::string(expected) + "; the certificate is for " + list_names(decoded));
}

Result<void> check_certificate_pin(Bytes certificate, std::span<const KeyPin> pins) {
  const auto key = subject_public_key_info(certificate);
  if (!key) return fail(Errc::tls_certificate_invalid, "the server's certificate cannot be read");
  KeyPin pin;
  const int hashed =
      wc_Sha256Hash(reinterpret_cast<const byte*>(key->data()), static_cast<word32>(key->size()),
                    reinterpret_cast<byte*>(pin.data()));
  if (hashed == 0 && std::find(pins.begin(), pins.end(), pin) != pins.end()) return {};
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const std::byte value : pin) {
    text += kDigits[std::to_integer<unsigned>(value) >> 4];
    text += kDigits[std::to_integer<unsigned>(value) & 15];
  }
  return fail(Errc::tls_pin_mismatch, "the server's key is sha256 " + text);
}

}  // namespace zenwire::detail
