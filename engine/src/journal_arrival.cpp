#include "journal_arrival.hpp"

#include <algorithm>
#include <array>
#include <string>

#include <zenwire/codec/deflate.hpp>

#include "setup.hpp"

namespace zenwire::detail {
namespace {

// Numbers, addresses and lengths.
constexpr std::size_t kFixed_bytes = 512;
constexpr std::size_t kPort_bytes = 8;
// More descriptors than a process has, fewer than a changed journal could name.
constexpr Socket kSockets_max = 1 << 24;

// Headers whose values tell nothing that a person would hide. All others may hold a credential.
constexpr std::string_view kPlainHeaders[] = {"upgrade",
                                              "connection",
                                              "host",
                                              "sec-websocket-version",
                                              "server",
                                              "date",
                                              "content-type",
                                              "content-length",
                                              "retry-after",
                                              "accept-encoding",
                                              "cache-control",
                                              "sec-websocket-protocol",
                                              "sec-websocket-extensions"};

bool is_plain(std::string_view name) noexcept {
  const auto same = [name](std::string_view plain) {
    return std::equal(name.begin(), name.end(), plain.begin(), plain.end(),
                      [](char a, char b) { return (a >= 'A' && a <= 'Z' ? a + 32 : a) == b; });
  };
  return std::any_of(std::begin(kPlainHeaders), std::end(kPlainHeaders), same);
}

// From `begin` to the end of its line.
void overwrite_line(std::string& text, std::size_t begin, std::size_t end) {
  for (std::size_t at = begin; at < end; ++at) {
    if (text[at] != '\r') text[at] = '*';
  }
}

// "GET /path?query HTTP/1.1": the query, up to the space behind it.
void overwrite_query(std::string& text, std::size_t line_end) {
  const std::size_t query = text.find('?');
  if (query >= line_end) return;
  overwrite_line(text, query + 1, std::min(text.find(' ', query), line_end));
}

void transfer(Journal& journal, Address& address) {
  std::string text = address.empty() ? std::string() : address.host();
  journal.given_text(text);
  const auto port = static_cast<std::uint16_t>(journal.given(address.empty() ? 0 : address.port()));
  if (journal.replaying()) address = Address::from_literal(text, port).value_or(Address{});
}

template <typename Integer>
void transfer(Journal& journal, Integer& value) {
  value = static_cast<Integer>(journal.given(static_cast<std::uint64_t>(value)));
}

void transfer(Journal& journal, bool& value) {
  value = journal.given(value ? 1 : 0) != 0;
}

// Of the journal's copy only: what the program sees is whole.
void transfer_redacted(Journal& journal, std::string& text, std::string redacted) {
  journal.given_text(redacted);
  if (journal.replaying()) text = std::move(redacted);
}

std::string without_query(const std::string& target) {
  return target.substr(0, target.find('?'));
}

void transfer(Journal& journal, Limits& limits) {
  transfer(journal, limits.frame_bytes_max);
  transfer(journal, limits.message_bytes_max);
  transfer(journal, limits.fragments_max);
  transfer(journal, limits.send_high_water_bytes);
  transfer(journal, limits.validate_utf8);
}

void transfer(Journal& journal, std::optional<DeflateParameters>& deflate) {
  bool agreed = deflate.has_value();
  transfer(journal, agreed);
  if (!agreed) return;
  if (!deflate) deflate.emplace();
  transfer(journal, deflate->client_max_window_bits);
  transfer(journal, deflate->server_max_window_bits);
  transfer(journal, deflate->client_no_context_takeover);
  transfer(journal, deflate->server_no_context_takeover);
}

void transfer(Journal& journal, Opened& opened) {
  transfer(journal, opened.remote);
  transfer(journal, opened.local);
  transfer(journal, opened.secure);
  for (std::string* text : {&opened.tls.version, &opened.tls.cipher, &opened.tls.alpn,
                            &opened.tls.subject, &opened.subprotocol})
    journal.given_text(*text);
  transfer_redacted(journal, opened.target, without_query(opened.target));
  transfer_redacted(journal, opened.peer_head, redacted_head(opened.peer_head));
  transfer(journal, opened.deflate);
  for (std::uint64_t* stage :
       {&opened.resolve_ns, &opened.connect_ns, &opened.tls_ns, &opened.upgrade_ns})
    transfer(journal, *stage);
}

void transfer_failure(Journal& journal, OpenFailure& failure) {
  const auto code =
      static_cast<Errc>(journal.given(static_cast<std::uint64_t>(failure.error.code())));
  const auto os_error = static_cast<int>(journal.given_signed(failure.error.os_error()));
  std::string detail(failure.error.detail());
  journal.given_text(detail);
  if (journal.replaying()) failure.error = Error(code, detail, os_error);
  failure.http_status = static_cast<int>(journal.given_signed(failure.http_status));
  transfer_redacted(journal, failure.head, redacted_head(failure.head));
  const std::int64_t retry_s =
      journal.given_signed(failure.retry_after ? failure.retry_after->count() : -1);
  if (journal.replaying() && retry_s >= 0) failure.retry_after = std::chrono::seconds(retry_s);
  transfer(journal, failure.remote);
}

bool are_possible(const std::optional<DeflateParameters>& deflate, int level) noexcept {
  const auto in_range = [](std::uint8_t bits) { return bits >= 9 && bits <= kWindowBits_max; };
  if (level < 0 || level > 9) return false;
  return !deflate ||
         (in_range(deflate->client_max_window_bits) && in_range(deflate->server_max_window_bits));
}

}  // namespace

std::string redacted_head(std::string_view head) {
  std::string text(head);
  const std::size_t first_end = std::min(text.find('\n'), text.size());
  overwrite_query(text, first_end);
  bool hide = false;
  for (std::size_t at = first_end + 1; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    const std::size_t colon = text.find(':', at);
    const bool continues = text[at] == ' ' || text[at] == '\t';
    if (!continues) hide = colon < end && !is_plain(std::string_view(text).substr(at, colon - at));
    if (hide) overwrite_line(text, continues ? at : std::min(colon + 2, end), end);
    at = end + 1;
  }
  return text;
}

std::size_t arrival_bytes(const Attempt& attempt) noexcept {
  const Opened& opened = attempt.established.opened;
  const TlsInfo& tls = opened.tls;
  const auto& secure = attempt.established.tls;
  return kFixed_bytes + tls.version.size() + tls.cipher.size() + tls.alpn.size() +
         tls.subject.size() + opened.subprotocol.size() + opened.target.size() +
         opened.peer_head.size() + attempt.established.leftover.size() +
         (secure ? secure->ciphertext_pending() : 0) + attempt.failure.head.size() +
         Error::kDetail_bytes + kPort_bytes;
}

bool transfer_arrival(Journal& journal, Attempt& attempt, JournalIo::Stream& stream,
                      std::uint64_t message_bytes_max) {
  transfer(journal, attempt.succeeded);
  if (!attempt.succeeded) {
    transfer_failure(journal, attempt.failure);
    return journal.live();
  }
  Established& established = attempt.established;
  established.socket = static_cast<Socket>(journal.given_signed(established.socket));
  transfer(journal, established.limits);
  transfer(journal, established.close_timeout_ns);
  transfer(journal, established.deflate_level);
  transfer(journal, established.opened);
  const Bytes leftover = journal.given_block(established.leftover, &stream.input);
  if (journal.replaying()) established.leftover.assign(leftover.begin(), leftover.end());
  stream.secure = established.opened.secure;
  if (stream.secure) {
    if (journal.replaying()) established.tls = TlsStream::stand_in();
    established.tls->watch(journal, stream.frames);
  }
  if (!journal.replaying()) return true;
  const bool possible = established.socket >= 0 && established.socket < kSockets_max &&
                        established.limits.message_bytes_max <= message_bytes_max &&
                        are_possible(established.opened.deflate, established.deflate_level);
  if (!possible) journal.refuse("attempt");
  return journal.live() && open_deflate(established, attempt.role).has_value();
}

}  // namespace zenwire::detail
