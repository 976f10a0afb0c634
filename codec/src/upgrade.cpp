#include <algorithm>
#include <cstring>

#include <zenwire/base/assert.hpp>
#include <zenwire/codec/base64.hpp>
#include <zenwire/codec/sha1.hpp>
#include <zenwire/codec/upgrade.hpp>

#include "text_writer.hpp"

namespace zenwire {
namespace {

using detail::Detail;
using detail::TextWriter;

// RFC 6455, section 1.3.
constexpr std::string_view kGuid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
constexpr std::string_view kVersion = "13";
constexpr std::string_view kLineEnd = "\r\n";

static_assert(base64_encoded_bytes(kUpgradeKeyRandom_bytes) == kUpgradeKey_bytes);
static_assert(base64_encoded_bytes(std::tuple_size_v<Sha1Digest>) == kAcceptKey_bytes);

// ---- what both roles write

// Written by us, or they would give the message a body that no one sends.
bool is_ours(std::string_view name) noexcept {
  constexpr std::string_view kOurs[] = {
      "Host",    "Upgrade", "Connection", "Content-Length", "Transfer-Encoding",
      "Trailer", "TE",      "Expect"};
  constexpr std::string_view kOurPrefix = "Sec-WebSocket-";
  return equal_ignoring_case(name.substr(0, kOurPrefix.size()), kOurPrefix) ||
         std::any_of(std::begin(kOurs), std::end(kOurs),
                     [name](std::string_view ours) { return equal_ignoring_case(name, ours); });
}

Result<void> check_header(const Header& header) noexcept {
  if (!is_token(header.name))
    return (Detail() << "the name '")
        .printable(header.name)
        .
        operator<<("' is not a token")
        .fail(Errc::header_invalid);
  if (!is_field_value(header.value))
    return (Detail() << "a control character in the value of ")
        .printable(header.name)
        .fail(Errc::header_invalid);
  if (is_ours(header.name))
    return (Detail() << "the engine writes ")
        .printable(header.name)
        .
        operator<<(" itself")
        .fail(Errc::header_invalid);
  return {};
}

Result<void> check_headers(std::span<const Header> headers) noexcept {
  for (const Header& header : headers) {
    if (auto checked = check_header(header); !checked) return checked;
  }
  return {};
}

Result<void> check_subprotocols(std::span<const std::string_view> subprotocols) noexcept {
  for (std::size_t i = 0; i < subprotocols.size(); ++i) {
    const auto before = subprotocols.first(i);
    const bool twice = std::find(before.begin(), before.end(), subprotocols[i]) != before.end();
    if (is_token(subprotocols[i]) && !twice) continue;
    return (Detail() << "the subprotocol '")
        .printable(subprotocols[i])
        .
        operator<<(twice ? "' is there twice" : "' is not a token")
        .fail(Errc::subprotocol_invalid);
  }
  return {};
}

void write_line(TextWriter& writer, std::string_view name, std::string_view value) noexcept {
  writer << name << ": " << value << kLineEnd;
}

void write_headers(TextWriter& writer, std::span<const Header> headers) noexcept {
  for (const Header& header : headers) write_line(writer, header.name, trimmed(header.value));
}

Result<std::size_t> written(const TextWriter& writer, MutableBytes to) noexcept {
  if (!writer.overflowed()) return writer.size();
  return (Detail() << "it takes " << std::uint64_t{writer.size()}
                   << " bytes, and there is room for " << std::uint64_t{to.size()})
      .fail(Errc::http_header_too_large);
}

// ---- the client's request

bool is_visible_ascii(std::string_view text) noexcept {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7f; });
}

void write_subprotocols(TextWriter& writer, std::span<const std::string_view> names) noexcept {
  if (names.empty()) return;
  writer << "Sec-WebSocket-Protocol: " << names.front();
  for (const std::string_view name : names.subspan(1)) writer << ", " << name;
  writer << kLineEnd;
}

using DeflateText = std::array<std::byte, kDeflateText_bytes_max>;

void write_extensions(TextWriter& writer, Bytes text) noexcept {
  write_line(writer, "Sec-WebSocket-Extensions", as_text(text));
}

// ---- the client's check of the answer

Errc code_of_status(int status) noexcept {
  constexpr int kNotModified = 304;
  if (status / 100 == 3 && status != kNotModified) return Errc::http_redirect;
  switch (status) {
    case 401: return Errc::http_unauthorized;
    case 403: return Errc::http_forbidden;
    case 429: return Errc::http_too_many_requests;
    case 503: return Errc::http_service_unavailable;
    default: return Errc::http_status;
  }
}

// The location without what may be secret in it.
std::string_view printable_location(std::string_view location) noexcept {
  location = location.substr(0, location.find_first_of("?#"));
  return location.find('@') == std::string_view::npos ? location : "a URL with a user name";
}

// `Detail() << "HTTP 429 Too Many Requests"`
[[gnu::noinline, gnu::cold]] tl::unexpected<Error> refused(
    const HttpResponseHead& answer) noexcept {
  const Errc code = code_of_status(answer.status);
  Detail detail;
  detail << "HTTP " << static_cast<std::uint64_t>(answer.status);
  const std::string_view reason =
      answer.reason.empty() ? reason_phrase(answer.status) : answer.reason;
  if (!reason.empty()) (detail << ' ').printable(reason, 60);
  const auto location = answer.find("Location");
  if (code == Errc::http_redirect && location)
    (detail << " to ").printable(printable_location(*location), 140);
  const auto retry_after = answer.find("Retry-After");
  if (retry_after) (detail << ", Retry-After: ").printable(*retry_after, 40);
  return detail.fail(code);
}

Result<void> check_upgrade_headers(const HttpResponseHead& answer) noexcept {
  const auto upgrade = answer.find("Upgrade");
  if (!upgrade) return fail(Errc::upgrade_missing, "no Upgrade header");
  if (answer.headers.count("Upgrade") != 1 || !equal_ignoring_case(*upgrade, "websocket"))
    return (Detail() << "Upgrade: ").printable(*upgrade, 40).fail(Errc::upgrade_missing);
  if (!answer.headers.list_holds("Connection", "Upgrade"))
    return fail(Errc::upgrade_connection_missing, "no 'Upgrade' in the Connection header");
  return {};
}

Result<void> check_accept(const HttpResponseHead& answer, std::string_view key) noexcept {
  const auto accept = answer.find("Sec-WebSocket-Accept");
  if (!accept) return fail(Errc::upgrade_accept_mismatch, "no Sec-WebSocket-Accept header");
  if (answer.headers.count("Sec-WebSocket-Accept") != 1)
    return fail(Errc::upgrade_accept_mismatch, "Sec-WebSocket-Accept twice");
  if (*accept != as_text(accept_key(key)))
    return fail(Errc::upgrade_accept_mismatch, "Sec-WebSocket-Accept is for another key");
  return {};
}

Result<std::string_view> check_subprotocol(const HttpResponseHead& answer,
                                           const UpgradeRequest& request) noexcept {
  const auto chosen = answer.find("Sec-WebSocket-Protocol");
  if (!chosen) return std::string_view{};
  if (answer.headers.count("Sec-WebSocket-Protocol") != 1)
    return fail(Errc::upgrade_subprotocol_unasked, "Sec-WebSocket-Protocol twice");
  for (const std::string_view offered : request.subprotocols) {
    if (offered == *chosen) return offered;
  }
  return (Detail() << "the server chose '")
      .printable(*chosen)
      .
      operator<<('\'')
      .fail(Errc::upgrade_subprotocol_unasked);
}

// ---- the server's check of the request

tl::unexpected<Error> invalid_request(std::string_view why) noexcept {
  return fail(Errc::upgrade_request_invalid, why);
}

Result<void> check_request_line(const HttpRequestHead& request) noexcept {
  if (request.method != "GET") return invalid_request("the method is not GET");
  if (request.version_minor < 1) return invalid_request("the version is below HTTP/1.1");
  const auto host = request.find("Host");
  if (!host || host->empty()) return invalid_request("no Host header");
  if (request.headers.count("Host") != 1) return invalid_request("Host twice");
  return {};
}

Result<void> check_version(const HttpRequestHead& request) noexcept {
  const auto version = request.find("Sec-WebSocket-Version");
  if (!version) return fail(Errc::upgrade_version_unsupported, "no Sec-WebSocket-Version header");
  if (request.headers.count("Sec-WebSocket-Version") != 1 || *version != kVersion)
    return (Detail() << "Sec-WebSocket-Version: ")
        .printable(*version, 20)
        .fail(Errc::upgrade_version_unsupported);
  return {};
}

Result<std::string_view> check_key(const HttpRequestHead& request) noexcept {
  const auto key = request.find("Sec-WebSocket-Key");
  if (!key) return invalid_request("no Sec-WebSocket-Key header");
  if (request.headers.count("Sec-WebSocket-Key") != 1)
    return invalid_request("Sec-WebSocket-Key twice");
  std::array<std::byte, base64_decoded_bytes_max(kUpgradeKey_bytes)> nonce;
  if (key->size() != kUpgradeKey_bytes ||
      base64_decode(nonce, *key).value_or(0) != kUpgradeKeyRandom_bytes)
    return invalid_request("Sec-WebSocket-Key is not 16 bytes in base64");
  return *key;
}

// One Sec-WebSocket-Protocol field.
Result<void> read_subprotocols(std::string_view list, ClientUpgrade& to) noexcept {
  for (std::size_t comma = 0; comma != std::string_view::npos;) {
    comma = list.find(',');
    const std::string_view name = trimmed(list.substr(0, comma));
    if (comma != std::string_view::npos) list.remove_prefix(comma + 1);
    if (name.empty()) continue;
    if (!is_token(name)) return invalid_request("a subprotocol that is not a token");
    if (to.subprotocol_count < to.subprotocols.size())
      to.subprotocols[to.subprotocol_count++] = name;
  }
  return {};
}

Result<void> read_subprotocols(const HttpRequestHead& request, ClientUpgrade& to) noexcept {
  for (const Header& header : request.headers.all()) {
    if (!equal_ignoring_case(header.name, "Sec-WebSocket-Protocol")) continue;
    if (auto read = read_subprotocols(header.value, to); !read) return read;
  }
  return {};
}

}  // namespace

UpgradeKey make_key(std::span<const std::byte, kUpgradeKeyRandom_bytes> random) noexcept {
  UpgradeKey key;
  const std::size_t characters = base64_encode(key.data(), random);
  ZW_ASSERT(characters == key.size());
  return key;
}

AcceptKey accept_key(std::string_view key) noexcept {
  ZW_ASSERT(key.size() == kUpgradeKey_bytes);
  std::array<std::byte, kUpgradeKey_bytes + kGuid.size()> text;
  std::memcpy(text.data(), key.data(), key.size());
  std::memcpy(text.data() + key.size(), kGuid.data(), kGuid.size());
  const Sha1Digest digest = sha1(text);
  AcceptKey accept;
  const std::size_t characters = base64_encode(accept.data(), digest);
  ZW_ASSERT(characters == accept.size());
  return accept;
}

Result<void> check_request_options(const UpgradeRequest& request) noexcept {
  if (request.host_header.empty() || !is_visible_ascii(request.host_header))
    return fail(Errc::url_malformed, "the Host header would be empty or not visible ASCII");
  if (!request.target.starts_with('/') || !is_visible_ascii(request.target))
    return fail(Errc::url_malformed, "the target does not begin with '/' or is not visible ASCII");
  if (auto checked = check_headers(request.headers); !checked) return checked;
  if (auto checked = check_subprotocols(request.subprotocols); !checked) return checked;
  return request.deflate ? check_offer(*request.deflate) : Result<void>{};
}

Result<std::size_t> write_upgrade_request(const UpgradeRequest& request, MutableBytes to) noexcept {
  ZW_ASSERT(request.key.size() == kUpgradeKey_bytes);
  if (auto checked = check_request_options(request); !checked)
    return tl::unexpected(checked.error());
  TextWriter writer(to);
  writer << "GET " << request.target << " HTTP/1.1" << kLineEnd;
  write_line(writer, "Host", request.host_header);
  write_line(writer, "Upgrade", "websocket");
  write_line(writer, "Connection", "Upgrade");
  write_line(writer, "Sec-WebSocket-Key", request.key);
  write_line(writer, "Sec-WebSocket-Version", kVersion);
  write_subprotocols(writer, request.subprotocols);
  if (request.deflate) {
    DeflateText text;
    write_extensions(writer, MutableBytes(text).first(write_offer(*request.deflate, text)));
  }
  write_headers(writer, request.headers);
  writer << kLineEnd;
  return written(writer, to);
}

Result<Upgraded> check_upgrade_response(const HttpResponseHead& answer,
                                        const UpgradeRequest& request) noexcept {
  constexpr int kSwitchingProtocols = 101;
  if (answer.status != kSwitchingProtocols) return refused(answer);
  if (answer.version_minor < 1) return fail(Errc::http_malformed, "a 101 in HTTP/1.0");
  if (auto checked = check_upgrade_headers(answer); !checked)
    return tl::unexpected(checked.error());
  if (auto checked = check_accept(answer, request.key); !checked)
    return tl::unexpected(checked.error());
  const auto deflate =
      accept_deflate(answer.headers, request.deflate ? &*request.deflate : nullptr);
  if (!deflate) return tl::unexpected(deflate.error());
  const auto subprotocol = check_subprotocol(answer, request);
  if (!subprotocol) return tl::unexpected(subprotocol.error());
  return Upgraded{*subprotocol, *deflate};
}

Result<ClientUpgrade> check_upgrade_request(const HttpRequestHead& request) noexcept {
  if (auto checked = check_request_line(request); !checked) return tl::unexpected(checked.error());
  if (!request.headers.list_holds("Upgrade", "websocket"))
    return fail(Errc::upgrade_missing, "no 'websocket' in the Upgrade header");
  if (!request.headers.list_holds("Connection", "Upgrade"))
    return fail(Errc::upgrade_connection_missing, "no 'Upgrade' in the Connection header");
  if (auto checked = check_version(request); !checked) return tl::unexpected(checked.error());
  const auto key = check_key(request);
  if (!key) return tl::unexpected(key.error());
  ClientUpgrade client;
  client.target = request.target;
  client.host = *request.find("Host");
  client.key = *key;
  client.origin = request.find("Origin").value_or(std::string_view{});
  if (auto read = read_subprotocols(request, client); !read) return tl::unexpected(read.error());
  return client;
}

std::string_view choose_subprotocol(const ClientUpgrade& client,
                                    std::span<const std::string_view> supported) noexcept {
  const auto offered = client.offered();
  for (const std::string_view name : supported) {
    if (std::find(offered.begin(), offered.end(), name) != offered.end()) return name;
  }
  return {};
}

Result<std::size_t> write_upgrade_response(const UpgradeResponse& response,
                                           MutableBytes to) noexcept {
  if (auto checked = check_headers(response.headers); !checked)
    return tl::unexpected(checked.error());
  if (!response.subprotocol.empty() && !is_token(response.subprotocol))
    return fail(Errc::subprotocol_invalid, "the subprotocol is not a token");
  TextWriter writer(to);
  writer << "HTTP/1.1 101 " << reason_phrase(101) << kLineEnd;
  write_line(writer, "Upgrade", "websocket");
  write_line(writer, "Connection", "Upgrade");
  write_line(writer, "Sec-WebSocket-Accept", as_text(accept_key(response.key)));
  if (!response.subprotocol.empty())
    write_line(writer, "Sec-WebSocket-Protocol", response.subprotocol);
  if (response.deflate) {
    DeflateText text;
    write_extensions(writer, MutableBytes(text).first(write_answer(*response.deflate, text)));
  }
  write_headers(writer, response.headers);
  writer << kLineEnd;
  return written(writer, to);
}

int refusal_status(Errc code) noexcept {
  switch (code) {
    case Errc::upgrade_missing:
    case Errc::upgrade_version_unsupported: return 426;
    case Errc::http_header_too_large: return 431;
    default: return 400;
  }
}

Result<std::size_t> write_refusal(int status, std::string_view body, MutableBytes to,
                                  std::span<const Header> headers) noexcept {
  ZW_ASSERT(status >= 100 && status <= 999);
  if (auto checked = check_headers(headers); !checked) return tl::unexpected(checked.error());
  TextWriter writer(to);
  writer << "HTTP/1.1 " << static_cast<std::uint64_t>(status) << ' ' << reason_phrase(status)
         << kLineEnd;
  if (status == 426) {
    write_line(writer, "Connection", "Upgrade, close");
    write_line(writer, "Upgrade", "websocket");
    write_line(writer, "Sec-WebSocket-Version", kVersion);
  } else {
    write_line(writer, "Connection", "close");
  }
  write_headers(writer, headers);
  write_line(writer, "Content-Type", "text/plain; charset=utf-8");
  writer << "Content-Length: " << std::uint64_t{body.size()} << kLineEnd << kLineEnd << body;
  return written(writer, to);
}

std::string_view reason_phrase(int status) noexcept {
  struct Phrase {
    int status;
    std::string_view text;
  };
  constexpr Phrase kPhrases[] = {
      {101, "Switching Protocols"},
      {200, "OK"},
      {204, "No Content"},
      {301, "Moved Permanently"},
      {302, "Found"},
      {303, "See Other"},
      {304, "Not Modified"},
      {307, "Temporary Redirect"},
      {308, "Permanent Redirect"},
      {400, "Bad Request"},
      {401, "Unauthorized"},
      {403, "Forbidden"},
      {404, "Not Found"},
      {405, "Method Not Allowed"},
      {408, "Request Timeout"},
      {410, "Gone"},
      {413, "Content Too Large"},
      {418, "I'm a teapot"},
      {421, "Misdirected Request"},
      {426, "Upgrade Required"},
      {429, "Too Many Requests"},
      {431, "Request Header Fields Too Large"},
      {451, "Unavailable For Legal Reasons"},
      {500, "Internal Server Error"},
      {501, "Not Implemented"},
      {502, "Bad Gateway"},
      {503, "Service Unavailable"},
      {504, "Gateway Timeout"},
      {505, "HTTP Version Not Supported"},
  };
  const auto found =
      std::find_if(std::begin(kPhrases), std::end(kPhrases),
                   [status](const Phrase& phrase) { return phrase.status == status; });
  return found == std::end(kPhrases) ? std::string_view{} : found->text;
}

}  // namespace zenwire
