// RFC 6455, section 4, by its numbered requirements: what the client writes and accepts, what the
// server accepts and writes.

#include <algorithm>
#include <array>
#include <numeric>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <zenwire/codec/base64.hpp>
#include <zenwire/codec/upgrade.hpp>

namespace zenwire {
namespace {

constexpr std::string_view kSampleKey = "dGhlIHNhbXBsZSBub25jZQ==";
constexpr std::string_view kSampleAccept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

UpgradeRequest sample_request() {
  UpgradeRequest request;
  request.host_header = "server.example.com";
  request.target = "/chat";
  request.key = kSampleKey;
  return request;
}

Result<std::string> text_of(const UpgradeRequest& request, std::size_t room = 4096) {
  std::vector<std::byte> to(room);
  const auto written = write_upgrade_request(request, to);
  if (!written) return tl::unexpected(written.error());
  return std::string(as_text(Bytes(to).first(*written)));
}

// As the engine does it: find the head, read it, check it.
Result<HttpResponseHead> read_answer(std::string_view text) {
  HttpHeadState state;
  const auto found = find_head(as_bytes(text), state);
  if (!found) return tl::unexpected(found.error());
  if (*found == 0) return fail(Errc::http_malformed, "no end");
  return parse_response_head(as_bytes(text).first(*found));
}

Result<Upgraded> check_answer(std::string_view text, const UpgradeRequest& request) {
  const auto head = read_answer(text);
  if (!head) return tl::unexpected(head.error());
  return check_upgrade_response(*head, request);
}

Result<HttpRequestHead> read_request(std::string_view text) {
  HttpHeadState state;
  const auto found = find_head(as_bytes(text), state);
  if (!found) return tl::unexpected(found.error());
  if (*found == 0) return fail(Errc::http_malformed, "no end");
  return parse_request_head(as_bytes(text).first(*found));
}

std::string answer_with(std::string_view more = {}) {
  return "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
         "Sec-WebSocket-Accept: " +
         std::string(kSampleAccept) + "\r\n" + std::string(more) + "\r\n";
}

// ---- keys

TEST(AcceptKey, IsThatOfRfc6455Section13) {
  EXPECT_EQ(as_text(accept_key(kSampleKey)), kSampleAccept);
}

TEST(UpgradeKey, IsSixteenBytesInBase64) {
  std::array<std::byte, 16> random;
  std::memcpy(random.data(), "the sample nonce", random.size());
  EXPECT_EQ(as_text(make_key(random)), kSampleKey);
}

// ---- the client's request (section 4.1, the first list)

TEST(UpgradeRequest, IsWrittenWhole) {
  EXPECT_EQ(text_of(sample_request()).value(),
            "GET /chat HTTP/1.1\r\n"
            "Host: server.example.com\r\n"
            "Upgrade: websocket\r\n"
            "Connection: Upgrade\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            "Sec-WebSocket-Version: 13\r\n"
            "\r\n");
}

TEST(UpgradeRequest, CarriesSubprotocolsExtensionAndHeaders) {
  UpgradeRequest request = sample_request();
  const std::string_view subprotocols[] = {"chat", "superchat"};
  const Header headers[] = {{"Origin", "http://example.com"}, {"X-Empty", ""}, {"Auth", "\ta b "}};
  request.subprotocols = subprotocols;
  request.headers = headers;
  request.deflate.emplace();
  EXPECT_TRUE(text_of(request).value().ends_with(
      "Sec-WebSocket-Protocol: chat, superchat\r\n"
      "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"
      "Origin: http://example.com\r\n"
      "X-Empty: \r\n"
      "Auth: a b\r\n"
      "\r\n"));
}

TEST(UpgradeRequest, IsAcceptedByOurServer) {
  const std::string text = text_of(sample_request()).value();
  const auto head = read_request(text).value();
  const auto client = check_upgrade_request(head).value();
  EXPECT_EQ(client.target, "/chat");
  EXPECT_EQ(client.host, "server.example.com");
  EXPECT_EQ(client.key, kSampleKey);
}

TEST(UpgradeRequest, SaysHowMuchRoomItTakes) {
  const UpgradeRequest request = sample_request();
  const std::size_t bytes = text_of(request).value().size();
  EXPECT_TRUE(text_of(request, bytes));
  for (std::size_t room = 0; room < bytes; ++room) {
    const auto text = text_of(request, room);
    ASSERT_FALSE(text) << room;
    ASSERT_EQ(text.error().code(), Errc::http_header_too_large);
    ASSERT_NE(text.error().detail().find(std::to_string(bytes)), std::string_view::npos);
  }
}

TEST(UpgradeRequest, RefusesHeadersThatCannotBeSent) {
  using namespace std::string_view_literals;
  struct Bad {
    Header header;
    std::string_view detail;
  };
  constexpr Bad kBad[] = {
      {{"", "x"}, "the name '' is not a token"},
      {{"A B", "x"}, "the name 'A B' is not a token"},
      {{"A:", "x"}, "the name 'A:' is not a token"},
      {{"A\r\nB", "x"}, "the name 'A??B' is not a token"},
      {{"X-Key", "secret\r\nHost: evil"}, "a control character in the value of X-Key"},
      {{"X-Key", "secret\n"}, "a control character in the value of X-Key"},
      {{"X-Key", "secret\r"}, "a control character in the value of X-Key"},
      {{"X-Key", "secret\0"sv}, "a control character in the value of X-Key"},
      {{"X-Key", "secret\x7f"}, "a control character in the value of X-Key"},
      {{"Host", "secret"}, "the engine writes Host itself"},
      {{"hOST", "secret"}, "the engine writes hOST itself"},
      {{"Upgrade", "h2c"}, "the engine writes Upgrade itself"},
      {{"Connection", "close"}, "the engine writes Connection itself"},
      {{"Content-Length", "5"}, "the engine writes Content-Length itself"},
      {{"Transfer-Encoding", "chunked"}, "the engine writes Transfer-Encoding itself"},
      {{"Sec-WebSocket-Key", "x"}, "the engine writes Sec-WebSocket-Key itself"},
      {{"sec-websocket-anything", "x"}, "the engine writes sec-websocket-anything itself"},
  };
  for (const auto& [header, detail] : kBad) {
    UpgradeRequest request = sample_request();
    request.headers = {&header, 1};
    const auto text = text_of(request);
    ASSERT_FALSE(text) << detail;
    EXPECT_EQ(text.error().code(), Errc::header_invalid);
    EXPECT_EQ(text.error().detail(), detail);
  }
}

TEST(UpgradeRequest, RefusesSubprotocolsThatAreNotTokensOrTwice) {
  const std::vector<std::vector<std::string_view>> kBad = {
      {""}, {"a b"}, {"a,b"}, {"a", "b", "a"}, {"a\r\n"}, {"a/b"}};
  for (const auto& subprotocols : kBad) {
    UpgradeRequest request = sample_request();
    request.subprotocols = subprotocols;
    EXPECT_EQ(text_of(request).error().code(), Errc::subprotocol_invalid) << subprotocols.back();
  }
}

TEST(UpgradeRequest, RefusesHostAndTargetThatBreakTheHead) {
  for (const std::string_view bad : {"", " ", "a b", "a\r\nb", "\xff"}) {
    UpgradeRequest request = sample_request();
    request.host_header = bad;
    EXPECT_EQ(text_of(request).error().code(), Errc::url_malformed) << bad;
    request = sample_request();
    request.target = bad;
    EXPECT_EQ(text_of(request).error().code(), Errc::url_malformed) << bad;
  }
  UpgradeRequest request = sample_request();
  request.target = "chat";
  EXPECT_EQ(text_of(request).error().code(), Errc::url_malformed);
}

TEST(UpgradeRequest, RefusesAnOfferThatContradictsItself) {
  UpgradeRequest request = sample_request();
  request.deflate.emplace().client_max_window_bits = 16;
  EXPECT_EQ(text_of(request).error().code(), Errc::invalid_option);
  request.deflate->client_max_window_bits = 10;
  request.deflate->client_max_window_bits_offered = false;
  EXPECT_EQ(text_of(request).error().code(), Errc::contradictory_options);
}

// ---- the client's check of the answer (section 4.1, the last list)

TEST(UpgradeResponse, IsAccepted) {
  const auto upgraded = check_answer(answer_with(), sample_request());
  ASSERT_TRUE(upgraded) << upgraded.error().detail();
  EXPECT_EQ(upgraded->subprotocol, "");
  EXPECT_FALSE(upgraded->deflate);
}

TEST(UpgradeResponse, MayBeWrittenInAnyCaseAndAmongOtherHeaders) {
  EXPECT_TRUE(check_answer(
      "HTTP/1.1 101\r\nDate: now\r\nuPGRADE:WebSocket\r\nCONNECTION: keep-alive ,  upgrade\r\n"
      "sec-websocket-accept:\ts3pPLMBiTxaQ9kYGzzhZRbK+xOo= \r\nServer: x\r\n\r\n",
      sample_request()));
}

struct BadAnswer {
  std::string_view text;
  Errc code;
  std::string_view detail;
};

constexpr BadAnswer kBadAnswers[] = {
    {"HTTP/1.1 200 OK\r\n\r\n", Errc::http_status, "HTTP 200 OK"},
    {"HTTP/1.1 200\r\n\r\n", Errc::http_status, "HTTP 200 OK"},
    {"HTTP/1.1 299\r\n\r\n", Errc::http_status, "HTTP 299"},
    {"HTTP/1.1 100 Continue\r\n\r\n", Errc::http_status, "HTTP 100 Continue"},
    {"HTTP/1.1 301 Moved\r\nLocation: https://other.example/ws?token=secret\r\n\r\n",
     Errc::http_redirect, "HTTP 301 Moved to https://other.example/ws"},
    {"HTTP/1.1 307 x\r\nLocation: /ws#secret\r\n\r\n", Errc::http_redirect, "HTTP 307 x to /ws"},
    {"HTTP/1.1 308 x\r\nLocation: wss://user:secret@h/\r\n\r\n", Errc::http_redirect,
     "HTTP 308 x to a URL with a user name"},
    {"HTTP/1.1 302 Found\r\n\r\n", Errc::http_redirect, "HTTP 302 Found"},
    {"HTTP/1.1 304 Not Modified\r\n\r\n", Errc::http_status, "HTTP 304 Not Modified"},
    {"HTTP/1.1 400 Bad Request\r\n\r\n", Errc::http_status, "HTTP 400 Bad Request"},
    {"HTTP/1.1 401 Unauthorized\r\n\r\n", Errc::http_unauthorized, "HTTP 401 Unauthorized"},
    {"HTTP/1.0 401 Unauthorized\r\n\r\n", Errc::http_unauthorized, "HTTP 401 Unauthorized"},
    {"HTTP/1.1 403 Forbidden\r\n\r\n", Errc::http_forbidden, "HTTP 403 Forbidden"},
    {"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 30\r\n\r\n", Errc::http_too_many_requests,
     "HTTP 429 Too Many Requests, Retry-After: 30"},
    {"HTTP/1.1 503 Service Unavailable\r\nRetry-After: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n",
     Errc::http_service_unavailable,
     "HTTP 503 Service Unavailable, Retry-After: Sun, 06 Nov 1994 08:49:37 GMT"},
    {"HTTP/1.1 500 \x1b[31m\r\n\r\n", Errc::http_malformed, "a control character at byte 13"},
    {"HTTP/1.1 500 \xff\xfe\r\n\r\n", Errc::http_status, "HTTP 500 ??"},
    {"HTTP/1.0 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
     "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
     Errc::http_malformed, "a 101 in HTTP/1.0"},
    {"HTTP/1.1 101 x\r\nConnection: Upgrade\r\n"
     "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
     Errc::upgrade_missing, "no Upgrade header"},
    {"HTTP/1.1 101 x\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n", Errc::upgrade_missing,
     "Upgrade: h2c"},
    {"HTTP/1.1 101 x\r\nUpgrade: websocket, x\r\nConnection: Upgrade\r\n\r\n",
     Errc::upgrade_missing, "Upgrade: websocket, x"},
    {"HTTP/1.1 101 x\r\nUpgrade: websocket\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
     Errc::upgrade_missing, "Upgrade: websocket"},
    {"HTTP/1.1 101 x\r\nUpgrade: websocket\r\n\r\n", Errc::upgrade_connection_missing,
     "no 'Upgrade' in the Connection header"},
    {"HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: close, x-upgrade\r\n\r\n",
     Errc::upgrade_connection_missing, "no 'Upgrade' in the Connection header"},
    {"HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
     Errc::upgrade_accept_mismatch, "no Sec-WebSocket-Accept header"},
    {"HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
     "Sec-WebSocket-Accept: t3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
     Errc::upgrade_accept_mismatch, "Sec-WebSocket-Accept is for another key"},
    {"HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
     "Sec-WebSocket-Accept: S3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
     Errc::upgrade_accept_mismatch, "Sec-WebSocket-Accept is for another key"},
    {"HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
     "Sec-WebSocket-Accept:\r\n\r\n",
     Errc::upgrade_accept_mismatch, "Sec-WebSocket-Accept is for another key"},
    {"HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
     "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
     "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
     Errc::upgrade_accept_mismatch, "Sec-WebSocket-Accept twice"},
};

TEST(UpgradeResponse, IsRefusedWithTheRealReason) {
  for (const BadAnswer& bad : kBadAnswers) {
    const auto upgraded = check_answer(bad.text, sample_request());
    ASSERT_FALSE(upgraded) << bad.text;
    EXPECT_EQ(name(upgraded.error().code()), name(bad.code)) << bad.text;
    EXPECT_EQ(upgraded.error().detail(), bad.detail) << bad.text;
  }
}

TEST(UpgradeResponse, NamesTheSubprotocolThatWasOffered) {
  UpgradeRequest request = sample_request();
  const std::string_view subprotocols[] = {"chat", "superchat"};
  request.subprotocols = subprotocols;
  const auto chosen = [&](std::string_view fields) {
    return check_answer(answer_with(fields), request);
  };
  EXPECT_EQ(chosen("").value().subprotocol, "");
  EXPECT_EQ(chosen("Sec-WebSocket-Protocol: superchat\r\n").value().subprotocol, "superchat");
  EXPECT_EQ(chosen("sec-websocket-protocol:chat\r\n").value().subprotocol.data(),
            subprotocols[0].data())
      << "the request's own view, which outlives the answer's buffer";
  for (const std::string_view fields :
       {"Sec-WebSocket-Protocol: other\r\n", "Sec-WebSocket-Protocol: Chat\r\n",
        "Sec-WebSocket-Protocol: chat, superchat\r\n", "Sec-WebSocket-Protocol:\r\n",
        "Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Protocol: chat\r\n"})
    EXPECT_EQ(chosen(fields).error().code(), Errc::upgrade_subprotocol_unasked) << fields;
  EXPECT_EQ(check_answer(answer_with("Sec-WebSocket-Protocol: chat\r\n"), sample_request())
                .error()
                .code(),
            Errc::upgrade_subprotocol_unasked);
}

TEST(UpgradeResponse, NamesTheExtensionThatWasOffered) {
  constexpr std::string_view kDeflate = "Sec-WebSocket-Extensions: permessage-deflate\r\n";
  EXPECT_EQ(check_answer(answer_with(kDeflate), sample_request()).error().code(),
            Errc::upgrade_extension_unasked);
  UpgradeRequest request = sample_request();
  request.deflate.emplace();
  EXPECT_TRUE(check_answer(answer_with(kDeflate), request).value().deflate);
  EXPECT_FALSE(check_answer(answer_with(), request).value().deflate);
  EXPECT_EQ(
      check_answer(answer_with("Sec-WebSocket-Extensions: x-other\r\n"), request).error().detail(),
      "the server chose x-other");
}

// A server that stops at each byte: never an answer before the end, and no error either.
TEST(UpgradeResponse, IsWaitedForAtEveryCut) {
  const std::string answer = answer_with("Server: x\r\n");
  for (std::size_t cut = 0; cut < answer.size(); ++cut) {
    HttpHeadState state;
    ASSERT_EQ(find_head(as_bytes(answer).first(cut), state).value(), 0u) << cut;
  }
}

// Any one byte changed: no crash, and never an accept for a key that is not ours.
TEST(UpgradeResponse, IsCheckedWithAnyByteChanged) {
  const std::string answer = answer_with();
  const std::size_t accept_at = answer.find(kSampleAccept);
  for (std::size_t at = 0; at < answer.size(); ++at) {
    for (unsigned value = 0; value < 256; ++value) {
      std::string changed = answer;
      changed[at] = static_cast<char>(value);
      const auto upgraded = check_answer(changed, sample_request());
      const bool in_accept = at >= accept_at && at < accept_at + kSampleAccept.size();
      ASSERT_FALSE(upgraded && in_accept && changed != answer) << at << ' ' << value;
    }
  }
}

// ---- the server (section 4.2)

std::string request_text(std::string_view more = {}) {
  return text_of(sample_request())
      .value()
      .insert(std::string_view("GET /chat HTTP/1.1\r\n").size(), more);
}

Result<ClientUpgrade> check_request(std::string_view text) {
  const auto head = read_request(text);
  if (!head) return tl::unexpected(head.error());
  return check_upgrade_request(*head);
}

std::string with(std::string text, std::string_view what, std::string_view instead) {
  const std::size_t at = text.find(what);
  EXPECT_NE(at, std::string::npos) << what;
  return text.replace(at, what.size(), instead);
}

TEST(ClientUpgrade, IsReadFromARequest) {
  const std::string text = request_text(
      "Origin: http://example.com\r\nSec-WebSocket-Protocol: a, "
      "b\r\nsec-websocket-protocol:,c,\r\n");
  const auto head = read_request(text).value();
  const auto client = check_upgrade_request(head).value();
  EXPECT_EQ(client.origin, "http://example.com");
  EXPECT_EQ(client.subprotocol_count, 3u);
  const std::string_view expected[] = {"a", "b", "c"};
  EXPECT_TRUE(std::equal(client.offered().begin(), client.offered().end(), expected));
  const std::string_view supported[] = {"x", "c", "a"};
  EXPECT_EQ(choose_subprotocol(client, supported), "c");
  EXPECT_EQ(choose_subprotocol(client, {}), "");
}

TEST(ClientUpgrade, LooksAtSoManySubprotocols) {
  std::string list = "Sec-WebSocket-Protocol: a0";
  for (int i = 1; i < 50; ++i) list += ", a" + std::to_string(i);
  const std::string text = request_text(list + "\r\n");
  const auto head = read_request(text).value();
  EXPECT_EQ(check_upgrade_request(head).value().subprotocol_count, kSubprotocols_max);
}

TEST(ClientUpgrade, MayComeFromABrowser) {
  EXPECT_TRUE(check_request(
      "GET /x HTTP/1.1\r\nHost: h\r\nConnection: keep-alive, Upgrade\r\nPragma: no-cache\r\n"
      "Upgrade: WebSocket\r\nOrigin: https://h\r\nSec-WebSocket-Version: 13\r\n"
      "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
      "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n"));
}

struct BadRequest {
  std::string_view what;
  std::string_view instead;
  Errc code;
  std::string_view detail;
};

constexpr BadRequest kBadRequests[] = {
    {"GET", "POST", Errc::upgrade_request_invalid, "the method is not GET"},
    {"GET", "get", Errc::upgrade_request_invalid, "the method is not GET"},
    {"HTTP/1.1", "HTTP/1.0", Errc::upgrade_request_invalid, "the version is below HTTP/1.1"},
    {"Host: server.example.com\r\n", "", Errc::upgrade_request_invalid, "no Host header"},
    {"server.example.com", "", Errc::upgrade_request_invalid, "no Host header"},
    {"Host: ", "Host: a\r\nHost: ", Errc::upgrade_request_invalid, "Host twice"},
    {"Upgrade: websocket\r\n", "", Errc::upgrade_missing, "no 'websocket' in the Upgrade header"},
    {"websocket", "h2c", Errc::upgrade_missing, "no 'websocket' in the Upgrade header"},
    {"Connection: Upgrade", "Connection: close", Errc::upgrade_connection_missing,
     "no 'Upgrade' in the Connection header"},
    {"Sec-WebSocket-Version: 13\r\n", "", Errc::upgrade_version_unsupported,
     "no Sec-WebSocket-Version header"},
    {": 13", ": 8", Errc::upgrade_version_unsupported, "Sec-WebSocket-Version: 8"},
    {": 13", ": 13, 8", Errc::upgrade_version_unsupported, "Sec-WebSocket-Version: 13, 8"},
    {": 13", ": 013", Errc::upgrade_version_unsupported, "Sec-WebSocket-Version: 013"},
    {"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", "", Errc::upgrade_request_invalid,
     "no Sec-WebSocket-Key header"},
    {"Sec-WebSocket-Key", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Key",
     Errc::upgrade_request_invalid, "Sec-WebSocket-Key twice"},
    {kSampleKey, "", Errc::upgrade_request_invalid, "Sec-WebSocket-Key is not 16 bytes in base64"},
    {kSampleKey, "dGhlIHNhbXBsZSBub25jZQ", Errc::upgrade_request_invalid,
     "Sec-WebSocket-Key is not 16 bytes in base64"},
    {kSampleKey, "dGhlIHNhbXBsZSBub25jZTE=", Errc::upgrade_request_invalid,
     "Sec-WebSocket-Key is not 16 bytes in base64"},
    {kSampleKey, "dGhlIHNhbXBsZSBub25jZTE0", Errc::upgrade_request_invalid,
     "Sec-WebSocket-Key is not 16 bytes in base64"},
    {kSampleKey, "dGhlIHNhbXBsZSBub25jZR==", Errc::upgrade_request_invalid,
     "Sec-WebSocket-Key is not 16 bytes in base64"},
    {kSampleKey, "dGhlIHNhbXBsZSBub25*ZQ==", Errc::upgrade_request_invalid,
     "Sec-WebSocket-Key is not 16 bytes in base64"},
    {"Host", "Sec-WebSocket-Protocol: a b\r\nHost", Errc::upgrade_request_invalid,
     "a subprotocol that is not a token"},
};

TEST(ClientUpgrade, IsRefusedWithTheReason) {
  for (const BadRequest& bad : kBadRequests) {
    const auto client = check_request(with(request_text(), bad.what, bad.instead));
    ASSERT_FALSE(client) << bad.detail;
    EXPECT_EQ(name(client.error().code()), name(bad.code)) << bad.detail;
    EXPECT_EQ(client.error().detail(), bad.detail);
  }
}

TEST(ClientUpgrade, IsWaitedForAtEveryCut) {
  const std::string text = request_text("Origin: x\r\n");
  for (std::size_t cut = 0; cut < text.size(); ++cut) {
    HttpHeadState state;
    ASSERT_EQ(find_head(as_bytes(text).first(cut), state).value(), 0u) << cut;
  }
}

std::string text_of(const UpgradeResponse& response) {
  std::array<std::byte, 2048> to;
  return std::string(as_text(Bytes(to).first(write_upgrade_response(response, to).value())));
}

TEST(ServerAnswer, IsThatOfRfc6455Section13) {
  UpgradeResponse response;
  response.key = kSampleKey;
  response.subprotocol = "chat";
  EXPECT_EQ(text_of(response),
            "HTTP/1.1 101 Switching Protocols\r\n"
            "Upgrade: websocket\r\n"
            "Connection: Upgrade\r\n"
            "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
            "Sec-WebSocket-Protocol: chat\r\n"
            "\r\n");
}

TEST(ServerAnswer, RefusesBadHeadersSubprotocolsAndTooLittleRoom) {
  std::array<std::byte, 1024> to;
  UpgradeResponse response;
  response.key = kSampleKey;
  const std::size_t bytes = write_upgrade_response(response, to).value();
  EXPECT_TRUE(write_upgrade_response(response, MutableBytes(to).first(bytes)));
  EXPECT_EQ(write_upgrade_response(response, MutableBytes(to).first(bytes - 1)).error().code(),
            Errc::http_header_too_large);
  response.subprotocol = "a b";
  EXPECT_EQ(write_upgrade_response(response, to).error().code(), Errc::subprotocol_invalid);
  response.subprotocol = {};
  const Header header{"Upgrade", "x"};
  response.headers = {&header, 1};
  EXPECT_EQ(write_upgrade_response(response, to).error().code(), Errc::header_invalid);
}

TEST(ServerRefusal, IsAWholeAnswer) {
  std::array<std::byte, 1024> to;
  const Header header{"Retry-After", "5"};
  const std::size_t bytes = write_refusal(429, "slow down\n", to, {&header, 1}).value();
  EXPECT_EQ(as_text(Bytes(to).first(bytes)),
            "HTTP/1.1 429 Too Many Requests\r\n"
            "Connection: close\r\n"
            "Retry-After: 5\r\n"
            "Content-Type: text/plain; charset=utf-8\r\n"
            "Content-Length: 10\r\n"
            "\r\n"
            "slow down\n");
  EXPECT_TRUE(write_refusal(429, "slow down\n", MutableBytes(to).first(bytes), {&header, 1}));
  EXPECT_FALSE(write_refusal(429, "slow down\n", MutableBytes(to).first(bytes - 1), {&header, 1}));
}

TEST(ServerRefusal, NamesTheVersionToUpgradeTo) {
  std::array<std::byte, 1024> to;
  const std::size_t bytes = write_refusal(426, "", to).value();
  EXPECT_EQ(as_text(Bytes(to).first(bytes)),
            "HTTP/1.1 426 Upgrade Required\r\n"
            "Connection: Upgrade, close\r\n"
            "Upgrade: websocket\r\n"
            "Sec-WebSocket-Version: 13\r\n"
            "Content-Type: text/plain; charset=utf-8\r\n"
            "Content-Length: 0\r\n"
            "\r\n");
}

TEST(ServerRefusal, ChoosesTheStatus) {
  EXPECT_EQ(refusal_status(Errc::upgrade_version_unsupported), 426);
  EXPECT_EQ(refusal_status(Errc::upgrade_missing), 426);
  EXPECT_EQ(refusal_status(Errc::http_header_too_large), 431);
  EXPECT_EQ(refusal_status(Errc::http_malformed), 400);
  EXPECT_EQ(refusal_status(Errc::upgrade_request_invalid), 400);
  EXPECT_EQ(reason_phrase(431), "Request Header Fields Too Large");
  EXPECT_EQ(reason_phrase(599), "");
}

// ---- both roles together

// Offers, answers, subprotocols and headers as they may be: what one side writes the other reads,
// and both hold the same to be agreed.
RC_GTEST_PROP(Upgrade, EndsWithBothSidesAgreed, ()) {
  std::array<std::byte, 16> random;
  for (std::byte& byte : random) byte = static_cast<std::byte>(*rc::gen::inRange(0, 256));
  const UpgradeKey key = make_key(random);
  const auto bits = rc::gen::inRange<int>(8, 16);
  UpgradeRequest request = sample_request();
  request.key = as_text(key);
  DeflateOffer& offer = request.deflate.emplace();
  offer.server_max_window_bits = static_cast<std::uint8_t>(*bits);
  offer.client_max_window_bits = static_cast<std::uint8_t>(*bits);
  offer.client_max_window_bits_offered =
      offer.client_max_window_bits < 15 || *rc::gen::arbitrary<bool>();
  offer.server_no_context_takeover = *rc::gen::arbitrary<bool>();
  offer.client_no_context_takeover = *rc::gen::arbitrary<bool>();
  const std::string_view subprotocols[] = {"one", "two"};
  request.subprotocols = std::span(subprotocols).first(*rc::gen::inRange<std::size_t>(0, 3));
  const std::string text = text_of(request).value();

  const auto head = read_request(text).value();
  const auto client = check_upgrade_request(head).value();
  DeflateOffer willing;
  willing.server_max_window_bits = static_cast<std::uint8_t>(*bits);
  willing.client_max_window_bits = static_cast<std::uint8_t>(*bits);
  willing.server_no_context_takeover = *rc::gen::arbitrary<bool>();
  willing.client_no_context_takeover = *rc::gen::arbitrary<bool>();
  UpgradeResponse response;
  response.key = client.key;
  response.subprotocol = choose_subprotocol(client, std::span(subprotocols).last(1));
  response.deflate = choose_deflate(head.headers, willing).value();

  const auto upgraded = check_answer(text_of(response), request);
  RC_ASSERT(upgraded.has_value());
  RC_ASSERT(upgraded->subprotocol == response.subprotocol);
  RC_ASSERT(upgraded->deflate.has_value() == response.deflate.has_value());
  if (!response.deflate) return;
  RC_ASSERT(upgraded->deflate->server_side() == response.deflate->server_side());
  // The client may stay below what the server allows, because it said so in its offer.
  RC_ASSERT(upgraded->deflate->client_max_window_bits <= response.deflate->client_max_window_bits);
  RC_ASSERT(upgraded->deflate->client_no_context_takeover ==
            response.deflate->client_no_context_takeover);
}

RC_GTEST_PROP(Upgrade, IsSafeOnAnyFields, ()) {
  const auto piece = rc::gen::container<std::string>(rc::gen::element(
      'a', '1', '5', ';', ',', '=', '"', '\\', ' ', '\t', '\xff', '-', '_', '(', '.'));
  const std::string fields = "Sec-WebSocket-Extensions: permessage-deflate" + *piece +
                             "\r\nSec-WebSocket-Protocol: " + *piece +
                             "\r\nRetry-After: " + *piece + "\r\nLocation: " + *piece + "\r\n";
  UpgradeRequest request = sample_request();
  request.deflate.emplace();
  (void)check_answer(answer_with(fields), request);
  (void)check_answer("HTTP/1.1 301 x\r\n" + fields + "\r\n", request);
  (void)check_request(request_text(fields));
  const std::string text = request_text(fields);
  if (const auto head = read_request(text)) {
    (void)choose_deflate(head->headers, {});
    (void)retry_after_s(head->headers, 0);
  }
}

}  // namespace
}  // namespace zenwire
