#include <algorithm>
#include <charconv>
#include <optional>

#include <arpa/inet.h>

#include <zenwire/codec/http_head.hpp>
#include <zenwire/codec/url.hpp>

#include "text_writer.hpp"

namespace zenwire {
namespace {

using detail::Detail;

constexpr std::uint16_t kPortPlain = 80;
constexpr std::uint16_t kPortSecure = 443;
constexpr std::size_t kHostName_bytes_max = 253;  // RFC 1035, section 2.3.4, as text
constexpr std::size_t kLabel_bytes_max = 63;
constexpr std::size_t kPort_digits_max = 5;

constexpr bool is_digit(char c) noexcept {
  return c >= '0' && c <= '9';
}
constexpr bool is_letter(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
constexpr bool is_hex_digit(char c) noexcept {
  return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

// Positions count bytes from 0. No text of the URL goes into a detail, for a part of it that is in
// the wrong place may be a secret; a position tells as much to whoever has the URL.
tl::unexpected<Error> malformed(std::string_view why, std::size_t at) noexcept {
  return (Detail() << why << " at byte " << std::uint64_t{at}).fail(Errc::url_malformed);
}

// A URL taken apart into views, each at its place in `text`.
struct Pieces {
  std::string_view text;
  std::string_view authority;
  std::string_view rest;  // from the first of / ? #

  [[nodiscard]] std::size_t position(std::string_view piece) const noexcept {
    return static_cast<std::size_t>(piece.data() - text.data());
  }
};

Result<bool> read_scheme(std::string_view text, std::string_view scheme) noexcept {
  if (equal_ignoring_case(scheme, "wss")) return true;
  if (equal_ignoring_case(scheme, "ws")) return false;
  const bool is_scheme = !scheme.empty() && is_letter(scheme.front()) &&
                         std::all_of(scheme.begin(), scheme.end(), [](char c) {
                           return is_letter(c) || is_digit(c) || c == '+' || c == '-' || c == '.';
                         });
  if (text.empty()) return malformed("the URL is empty", 0);
  if (!is_scheme) return malformed("no scheme", 0);
  return (Detail() << "the scheme is '")
      .printable(scheme, 16)
      .
      operator<<('\'')
      .fail(Errc::url_scheme_unknown);
}

// ---- the host

bool is_name_character(char c) noexcept {
  return is_letter(c) || is_digit(c) || c == '-' || c == '_';
}

// What is wrong with a host name's character.
std::string_view complaint(char c) noexcept {
  if (c == '%') return "a percent escape in the host";
  if (static_cast<unsigned char>(c) >= 0x80)
    return "a host byte that is not ASCII (write the name in its xn-- form)";
  if (c == ' ') return "a space in the host";
  return "a character that a host cannot hold";
}

Result<void> check_label(std::string_view label, std::size_t at) noexcept {
  if (label.empty()) return malformed("an empty label in the host", at);
  if (label.size() > kLabel_bytes_max)
    return malformed("a label of more than 63 characters in the host", at);
  const auto bad = std::find_if_not(label.begin(), label.end(), is_name_character);
  if (bad != label.end())
    return malformed(complaint(*bad), at + static_cast<std::size_t>(bad - label.begin()));
  if (label.front() == '-' || label.back() == '-')
    return malformed("a label that begins or ends with '-' in the host", at);
  return {};
}

bool is_ipv4(const std::string& host) noexcept {
  in_addr address;
  return inet_pton(AF_INET, host.c_str(), &address) == 1;
}

bool is_ipv6(const std::string& host) noexcept {
  in6_addr address;
  return inet_pton(AF_INET6, host.c_str(), &address) == 1;
}

// Resolvers read "127.1" and "0x7f.1" as addresses too, each in its way: so what ends like a number
// is a dotted quad or nothing.
bool ends_like_an_address(std::string_view last_label) noexcept {
  const bool hex = last_label.size() > 1 && last_label[0] == '0' &&
                   (last_label[1] == 'x' || last_label[1] == 'X');
  if (hex) last_label.remove_prefix(2);
  return std::all_of(last_label.begin(), last_label.end(),
                     [hex](char c) { return hex ? is_hex_digit(c) : is_digit(c); });
}

Result<void> read_host_name(std::string_view host, std::size_t at, Url& url) {
  if (host.empty()) return malformed("no host", at);
  if (host.size() > kHostName_bytes_max) return malformed("a host name that is too long", at);
  // A dot at the end makes a name absolute; it is kept for the resolver.
  const std::string_view labels = host.substr(0, host.size() - (host.back() == '.' ? 1 : 0));
  std::size_t start = 0;
  std::string_view label;
  for (std::size_t dot = 0; dot != std::string_view::npos; start = dot + 1) {
    dot = labels.find('.', start);
    label = labels.substr(start, dot == std::string_view::npos ? dot : dot - start);
    if (auto checked = check_label(label, at + start); !checked) return checked;
  }
  url.host_is_address = is_ipv4(url.host);
  if (!url.host_is_address && ends_like_an_address(label))
    return malformed("a host that ends with a number but is not an IPv4 address", at);
  return {};
}

Result<void> read_ipv6(std::string_view host, std::size_t at, Url& url) {
  if (host.find('%') != std::string_view::npos)
    return malformed("an IPv6 zone, which a URL cannot carry,", at + host.find('%'));
  if (host.find('\0') != std::string_view::npos || !is_ipv6(url.host))
    return malformed("what stands in brackets is not an IPv6 address", at);
  url.host_is_address = true;
  return {};
}

// ---- the port

Result<void> read_port(std::string_view digits, std::size_t at, Url& url) noexcept {
  if (digits.empty()) return malformed("no port after the colon", at);
  const auto bad = std::find_if_not(digits.begin(), digits.end(), is_digit);
  if (bad != digits.end())
    return malformed("a port that is not a number",
                     at + static_cast<std::size_t>(bad - digits.begin()));
  const std::size_t zeros = std::min(digits.find_first_not_of('0'), digits.size());
  std::uint32_t port = 0;
  const std::string_view number = digits.substr(zeros);
  std::from_chars(number.data(), number.data() + std::min(number.size(), kPort_digits_max), port);
  if (port == 0 || number.size() > kPort_digits_max || port > 0xffff)
    return malformed("a port that is not 1 to 65535", at);
  url.port_is_default = port == url.port;
  url.port = static_cast<std::uint16_t>(port);
  return {};
}

// ---- host and port together

void set_host(std::string_view host, Url& url) {
  url.host.assign(host);
  for (char& c : url.host) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}

Result<void> read_authority(const Pieces& pieces, Url& url) {
  const std::string_view authority = pieces.authority;
  const std::size_t at = pieces.position(authority);
  if (authority.find('@') != std::string_view::npos)
    return (Detail() << "a user name or password from byte " << std::uint64_t{at} << " to the '@'")
        .fail(Errc::url_userinfo_refused);
  const bool bracketed = authority.starts_with('[');
  const std::size_t host_end = bracketed ? authority.find(']') : authority.find(':');
  if (bracketed && host_end == std::string_view::npos) return malformed("no ']' for the '['", at);
  const std::string_view host = authority.substr(bracketed ? 1 : 0, host_end - (bracketed ? 1 : 0));
  set_host(host, url);
  const auto read = bracketed ? read_ipv6(host, at + 1, url) : read_host_name(host, at, url);
  if (!read || host_end == std::string_view::npos) return read;
  const std::size_t port_colon = host_end + (bracketed ? 1 : 0);
  if (port_colon == authority.size()) return {};
  if (authority[port_colon] != ':')
    return malformed("something other than a port after the ']'", at + port_colon);
  return read_port(authority.substr(port_colon + 1), at + port_colon + 1, url);
}

// ---- path and query

std::string_view target_complaint(std::string_view rest, std::size_t i) noexcept {
  const char c = rest[i];
  if (c == ' ') return "a space (write %20)";
  if (static_cast<unsigned char>(c) < ' ' || c == 0x7f) return "a control character";
  if (static_cast<unsigned char>(c) >= 0x80) return "a byte that is not ASCII (percent-encode it)";
  if (c == '"' || c == '<' || c == '>' || c == '\\')
    return "a character that must be percent-encoded";
  const bool escape = i + 2 < rest.size() && is_hex_digit(rest[i + 1]) && is_hex_digit(rest[i + 2]);
  if (c == '%' && !escape) return "a '%' without two hex digits";
  return {};
}

Result<void> read_target(const Pieces& pieces, Url& url) {
  const std::string_view rest = pieces.rest;
  const std::size_t at = pieces.text.size() - rest.size();
  for (std::size_t i = 0; i < rest.size(); ++i) {
    if (rest[i] == '#')
      return (Detail() << "the fragment begins at byte " << std::uint64_t{at + i})
          .fail(Errc::url_fragment_refused);
    const std::string_view why = target_complaint(rest, i);
    if (!why.empty()) return malformed(why, at + i);
  }
  if (!rest.starts_with('/')) url.target = '/';
  url.target += rest;
  return {};
}

// "host" or "[host]", and the port unless it is the default.
std::string host_and_port(const Url& url) {
  std::string text = url.host_is_ipv6() ? '[' + url.host + ']' : url.host;
  if (!url.port_is_default) text += ':' + std::to_string(url.port);
  return text;
}

}  // namespace

std::string Url::host_header() const {
  return host_and_port(*this);
}

std::string Url::printable() const {
  std::string text = secure ? "wss://" : "ws://";
  text += host_and_port(*this);
  text += std::string_view(target).substr(0, target.find('?'));
  return text;
}

Result<Url> parse_url(std::string_view text) {
  constexpr std::string_view kAfterScheme = "://";
  if (text.size() > kUrl_bytes_max) return fail(Errc::url_malformed, "longer than 8192 bytes");
  const std::size_t scheme_end = std::min(text.find(kAfterScheme), text.size());
  // Without "://" there is no telling what the text is: it is not taken for a scheme, nor printed.
  const bool has_scheme = scheme_end < text.size();
  const auto secure =
      read_scheme(text, has_scheme ? text.substr(0, scheme_end) : std::string_view{});
  if (!secure) return tl::unexpected(secure.error());

  Url url;
  url.secure = *secure;
  url.port = url.secure ? kPortSecure : kPortPlain;
  const std::string_view after = text.substr(scheme_end + kAfterScheme.size());
  const std::size_t authority_end = std::min(after.find_first_of("/?#"), after.size());
  const Pieces pieces{text, after.substr(0, authority_end), after.substr(authority_end)};
  if (auto read = read_authority(pieces, url); !read) return tl::unexpected(read.error());
  if (auto read = read_target(pieces, url); !read) return tl::unexpected(read.error());
  return url;
}

}  // namespace zenwire
