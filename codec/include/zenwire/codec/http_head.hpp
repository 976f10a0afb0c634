#pragma once

// The head of an HTTP/1 message (RFC 9112): its start line and header fields, found in a growing
// buffer and then read into views. Strict, because what is read here decides who is talked to:
// no bare CR or LF, no folded lines, no control characters, no space before a colon.

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include <zenwire/base/bytes.hpp>
#include <zenwire/base/error.hpp>

namespace zenwire {

// One header field. Views: the bytes are someone else's.
struct Header {
  std::string_view name;
  std::string_view value;
};

// The most header fields that a head can be read into, whatever the limits say.
inline constexpr std::uint32_t kHttpHeaders_max = 128;

struct HttpLimits {
  // Length of the head with its blank line. A longer one is http_header_too_large.
  std::size_t head_bytes_max = 16384;
  // Number of header fields; capped at kHttpHeaders_max.
  std::uint32_t headers_max = 100;
};

// How far find_head() has come. Start with a fresh one for every head.
struct HttpHeadState {
  enum class Place : std::uint8_t {
    start_of_start_line,
    start_line,
    start_of_line,
    field_name,
    field_value,
    line_feed,       // after CR in or at the end of a line: LF must follow
    last_line_feed,  // after CR at the start of a line: the LF that ends the head must follow
    done,
    failed,
  };
  std::size_t scanned_bytes = 0;
  std::uint32_t headers = 0;
  Place place = Place::start_of_start_line;
};

// Looks for the end of a head in `so_far`, which holds everything received since its first byte and
// grows from call to call. Returns 0 when more bytes are needed, else the length of the head with
// its blank line; what follows belongs to the body or to the next protocol. Each byte is looked at
// once over all calls.
//
// Errors, at the first byte that shows it: http_malformed; http_header_too_large when the head is
// longer than a limit, known as soon as head_bytes_max bytes hold no end. After an error, or the
// end, `state` is used up.
Result<std::size_t> find_head(Bytes so_far, HttpHeadState& state,
                              const HttpLimits& limits = {}) noexcept;

// The header fields of a head, in order, names as they came.
class HttpHeaders {
 public:
  [[nodiscard]] std::span<const Header> all() const noexcept { return {items_.data(), count_}; }
  [[nodiscard]] std::uint32_t count() const noexcept { return count_; }

  // The value of the first field with this name (ASCII case ignored), if there is one.
  [[nodiscard]] std::optional<std::string_view> find(std::string_view name) const noexcept;
  // How many fields have this name.
  [[nodiscard]] std::uint32_t count(std::string_view name) const noexcept;
  // Whether a field with this name, read as a comma-separated list over all its occurrences, holds
  // this token (ASCII case ignored).
  [[nodiscard]] bool list_holds(std::string_view name, std::string_view token) const noexcept;

  // False when full.
  bool add(Header header) noexcept;

 private:
  std::array<Header, kHttpHeaders_max> items_;
  std::uint32_t count_ = 0;
};

// The views point into the bytes that were read and die with them.
struct HttpResponseHead {
  int status = 0;         // 100 to 999
  int version_minor = 1;  // of HTTP/1.x: 0 or 1
  std::string_view reason;
  HttpHeaders headers;

  [[nodiscard]] std::optional<std::string_view> find(std::string_view name) const noexcept {
    return headers.find(name);
  }
};

struct HttpRequestHead {
  std::string_view method;
  std::string_view target;
  int version_minor = 1;
  HttpHeaders headers;

  [[nodiscard]] std::optional<std::string_view> find(std::string_view name) const noexcept {
    return headers.find(name);
  }
};

// Reads a head that find_head() delimited: `head` is exactly that many bytes. Safe on any bytes.
// Errors: http_malformed; http_header_too_large for more than kHttpHeaders_max fields.
Result<HttpResponseHead> parse_response_head(Bytes head) noexcept;
Result<HttpRequestHead> parse_request_head(Bytes head) noexcept;

// Content-Length, when there is exactly one value and it is a number.
std::optional<std::uint64_t> content_length(const HttpHeaders& headers) noexcept;

// Text helpers of HTTP, for whoever reads or writes header fields.

// RFC 9110, section 5.6.2: letters, digits and !#$%&'*+-.^_`|~, at least one.
bool is_token(std::string_view text) noexcept;
// RFC 9110, section 5.5: no control characters but the tab.
bool is_field_value(std::string_view text) noexcept;
bool equal_ignoring_case(std::string_view a, std::string_view b) noexcept;
// Without spaces and tabs at both ends.
std::string_view trimmed(std::string_view text) noexcept;

}  // namespace zenwire
