#include <algorithm>
#include <charconv>
#include <utility>

#include <zenwire/base/assert.hpp>
#include <zenwire/codec/http_head.hpp>

#include "text_writer.hpp"

namespace zenwire {
namespace {

using detail::Detail;
using Place = HttpHeadState::Place;

constexpr std::uint8_t kTokenClass = 1;  // RFC 9110, section 5.6.2
constexpr std::uint8_t kTextClass = 2;   // space, tab, visible characters, and bytes from 0x80

constexpr std::array<std::uint8_t, 256> kClasses = [] {
  std::array<std::uint8_t, 256> classes{};
  for (std::size_t c = 0; c < classes.size(); ++c) {
    const bool text = c == '\t' || (c >= ' ' && c != 0x7f);
    classes[c] = text ? kTextClass : std::uint8_t{0};
    const bool alphanumeric =
        (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
    const bool token =
        alphanumeric ||
        (c > ' ' && c < 0x7f &&
         std::string_view("!#$%&'*+-.^_`|~").find(static_cast<char>(c)) != std::string_view::npos);
    if (token) classes[c] = kTextClass | kTokenClass;
  }
  return classes;
}();

constexpr bool is_token_character(char c) noexcept {
  return (kClasses[static_cast<unsigned char>(c)] & kTokenClass) != 0;
}
constexpr bool is_text_character(char c) noexcept {
  return (kClasses[static_cast<unsigned char>(c)] & kTextClass) != 0;
}
constexpr char lower(char c) noexcept {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}

// What stands where it must not, for the detail of an error.
constexpr std::string_view complaint(Place place, char c) noexcept {
  if (c == '\0') return "a NUL byte";
  if (place == Place::line_feed || place == Place::last_line_feed) return "a CR without LF";
  if (c == '\n') return "an LF without CR";
  if (place == Place::start_of_line && (c == ' ' || c == '\t')) return "a folded header line";
  if (place == Place::field_name && (c == ' ' || c == '\t')) return "a space before the colon";
  if (place == Place::field_name && c == '\r') return "a header line without a colon";
  if (place == Place::start_of_line || place == Place::field_name)
    return "a character that a header name cannot hold";
  if (place == Place::start_of_start_line) return "a start line that is not HTTP";
  return "a control character";
}

[[gnu::noinline, gnu::cold]] tl::unexpected<Error> malformed_at(HttpHeadState& state,
                                                                char c) noexcept {
  const Place place = std::exchange(state.place, Place::failed);
  return (Detail() << complaint(place, c) << " at byte " << std::uint64_t{state.scanned_bytes})
      .fail(Errc::http_malformed);
}

[[gnu::noinline, gnu::cold]] tl::unexpected<Error> too_large(HttpHeadState& state,
                                                             std::uint64_t limit,
                                                             std::string_view unit) noexcept {
  state.place = Place::failed;
  return (Detail() << "the head has no end within " << limit << ' ' << unit)
      .fail(Errc::http_header_too_large);
}

constexpr Place after_text(Place here, char c) noexcept {
  if (is_text_character(c)) return here;
  return c == '\r' ? Place::line_feed : Place::failed;
}

// Where one more character leads; `failed` when it must not stand here.
constexpr Place next_place(Place place, char c) noexcept {
  switch (place) {
    case Place::start_of_start_line:
      return is_token_character(c) ? Place::start_line : Place::failed;
    case Place::start_line:
    case Place::field_value: return after_text(place, c);
    case Place::start_of_line:
      if (c == '\r') return Place::last_line_feed;
      return is_token_character(c) ? Place::field_name : Place::failed;
    case Place::field_name:
      if (c == ':') return Place::field_value;
      return is_token_character(c) ? Place::field_name : Place::failed;
    case Place::line_feed: return c == '\n' ? Place::start_of_line : Place::failed;
    case Place::last_line_feed: return c == '\n' ? Place::done : Place::failed;
    case Place::done:
    case Place::failed: break;
  }
  return Place::failed;
}

// ---- reading a head that is there

// Takes the text up to CRLF off the front of `rest`. Nothing when there is no CRLF.
std::optional<std::string_view> take_line(std::string_view& rest) noexcept {
  const std::size_t end = rest.find("\r\n");
  if (end == std::string_view::npos) return std::nullopt;
  const std::string_view line = rest.substr(0, end);
  rest.remove_prefix(end + 2);
  return line;
}

// 0 or 1 for "HTTP/1.0" and "HTTP/1.1".
std::optional<int> version_minor_of(std::string_view version) noexcept {
  if (version == "HTTP/1.1") return 1;
  if (version == "HTTP/1.0") return 0;
  return std::nullopt;
}

Result<void> read_field(std::string_view line, HttpHeaders& to) noexcept {
  const std::size_t colon = line.find(':');
  const std::string_view name = line.substr(0, colon);
  if (colon == std::string_view::npos || !is_token(name))
    return fail(Errc::http_malformed, "a header line without a name and a colon");
  const std::string_view value = trimmed(line.substr(colon + 1));
  if (!is_field_value(value))
    return (Detail() << "a control character in the value of ")
        .printable(name)
        .fail(Errc::http_malformed);
  if (!to.add({name, value})) return fail(Errc::http_header_too_large, "too many header fields");
  return {};
}

// Reads the fields and the blank line that ends them.
Result<void> read_fields(std::string_view rest, HttpHeaders& to) noexcept {
  for (;;) {
    const auto line = take_line(rest);
    if (!line) return fail(Errc::http_malformed, "the head has no blank line at its end");
    if (line->empty()) break;
    if (auto field = read_field(*line, to); !field) return field;
  }
  if (!rest.empty()) return fail(Errc::http_malformed, "bytes after the head");
  return {};
}

Result<void> read_status_line(std::string_view line, HttpResponseHead& head) noexcept {
  constexpr std::size_t kVersion_bytes = 8;                   // "HTTP/1.1"
  constexpr std::size_t kStatusEnd = kVersion_bytes + 1 + 3;  // " 101"
  const auto version = version_minor_of(line.substr(0, kVersion_bytes));
  if (!version) return fail(Errc::http_malformed, "the answer does not start with HTTP/1.1");
  head.version_minor = *version;
  if (line.size() < kStatusEnd || line[kVersion_bytes] != ' ')
    return fail(Errc::http_malformed, "no status in the status line");
  const char* const end = line.data() + kStatusEnd;
  const auto number = std::from_chars(line.data() + kVersion_bytes + 1, end, head.status);
  if (number.ec != std::errc{} || number.ptr != end || head.status < 100)
    return fail(Errc::http_malformed, "a status that is not three digits");
  // The space belongs there even before an empty phrase, but many servers drop it.
  if (line.size() > kStatusEnd && line[kStatusEnd] != ' ')
    return fail(Errc::http_malformed, "a status that is not three digits");
  head.reason = trimmed(line.substr(kStatusEnd));
  if (!is_field_value(head.reason))
    return fail(Errc::http_malformed, "a control character in the status line");
  return {};
}

bool is_request_target(std::string_view target) noexcept {
  return !target.empty() &&
         std::all_of(target.begin(), target.end(), [](char c) { return c > ' ' && c < 0x7f; });
}

Result<void> read_request_line(std::string_view line, HttpRequestHead& head) noexcept {
  const std::size_t first = line.find(' ');
  const std::size_t last = line.rfind(' ');
  if (first == std::string_view::npos || first == last)
    return fail(Errc::http_malformed, "a request line without method, target and version");
  head.method = line.substr(0, first);
  head.target = line.substr(first + 1, last - first - 1);
  const auto version = version_minor_of(line.substr(last + 1));
  if (!is_token(head.method)) return fail(Errc::http_malformed, "a method that is not a token");
  if (!is_request_target(head.target))
    return fail(Errc::http_malformed, "a space or a byte that is not ASCII in the target");
  if (!version)
    return fail(Errc::http_malformed, "a version that is neither HTTP/1.1 nor HTTP/1.0");
  head.version_minor = *version;
  return {};
}

template <typename Head>
Result<Head> parse_head(Bytes bytes,
                        Result<void> (*read_start)(std::string_view, Head&) noexcept) noexcept {
  std::string_view rest = as_text(bytes);
  const auto start = take_line(rest);
  if (!start) return fail(Errc::http_malformed, "no start line");
  Result<Head> head;
  if (auto read = read_start(*start, *head); !read) return tl::unexpected(read.error());
  if (auto read = read_fields(rest, head->headers); !read) return tl::unexpected(read.error());
  return head;
}

}  // namespace

Result<std::size_t> find_head(Bytes so_far, HttpHeadState& state,
                              const HttpLimits& limits) noexcept {
  ZW_ASSERT(state.scanned_bytes <= so_far.size());
  ZW_ASSERT(state.place != Place::done && state.place != Place::failed);
  const std::string_view text = as_text(so_far);
  const std::size_t end = std::min(text.size(), limits.head_bytes_max);
  const std::uint32_t headers_max = std::min(limits.headers_max, kHttpHeaders_max);
  for (; state.scanned_bytes < end; ++state.scanned_bytes) {
    const char c = text[state.scanned_bytes];
    const Place next = next_place(state.place, c);
    if (next == state.place) continue;
    if (next == Place::failed) return malformed_at(state, c);
    state.place = next;
    if (next == Place::done) return ++state.scanned_bytes;
    if (next == Place::field_name && ++state.headers > headers_max)
      return too_large(state, headers_max, "header fields");
  }
  // A head that is within the limit would have ended by here.
  if (end == limits.head_bytes_max) return too_large(state, limits.head_bytes_max, "bytes");
  return std::size_t{0};
}

std::optional<std::string_view> HttpHeaders::find(std::string_view name) const noexcept {
  for (const Header& header : all()) {
    if (equal_ignoring_case(header.name, name)) return header.value;
  }
  return std::nullopt;
}

std::uint32_t HttpHeaders::count(std::string_view name) const noexcept {
  return static_cast<std::uint32_t>(std::count_if(
      all().begin(), all().end(),
      [name](const Header& header) { return equal_ignoring_case(header.name, name); }));
}

bool HttpHeaders::list_holds(std::string_view name, std::string_view token) const noexcept {
  for (const Header& header : all()) {
    if (!equal_ignoring_case(header.name, name)) continue;
    std::string_view rest = header.value;
    for (;;) {
      const std::size_t comma = rest.find(',');
      if (equal_ignoring_case(trimmed(rest.substr(0, comma)), token)) return true;
      if (comma == std::string_view::npos) break;
      rest.remove_prefix(comma + 1);
    }
  }
  return false;
}

bool HttpHeaders::add(Header header) noexcept {
  if (count_ == items_.size()) return false;
  items_[count_++] = header;
  return true;
}

Result<HttpResponseHead> parse_response_head(Bytes head) noexcept {
  return parse_head<HttpResponseHead>(head, read_status_line);
}

Result<HttpRequestHead> parse_request_head(Bytes head) noexcept {
  return parse_head<HttpRequestHead>(head, read_request_line);
}

std::optional<std::uint64_t> content_length(const HttpHeaders& headers) noexcept {
  const auto value = headers.find("Content-Length");
  if (!value || headers.count("Content-Length") != 1) return std::nullopt;
  std::uint64_t length = 0;
  const char* const end = value->data() + value->size();
  const auto number = std::from_chars(value->data(), end, length);
  if (number.ec != std::errc{} || number.ptr != end) return std::nullopt;
  return length;
}

bool is_token(std::string_view text) noexcept {
  return !text.empty() && std::all_of(text.begin(), text.end(), is_token_character);
}

bool is_field_value(std::string_view text) noexcept {
  return std::all_of(text.begin(), text.end(), is_text_character);
}

bool equal_ignoring_case(std::string_view a, std::string_view b) noexcept {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(),
                                            [](char x, char y) { return lower(x) == lower(y); });
}

std::string_view trimmed(std::string_view text) noexcept {
  const std::size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

}  // namespace zenwire
