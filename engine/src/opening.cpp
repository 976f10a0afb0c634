#include <algorithm>
#include <cstring>

#include <zenwire/base/want_of_memory.hpp>
#include <zenwire/engine/opening.hpp>

#include "established.hpp"

namespace zenwire {
namespace {

// What a server may say ahead of the first frames in one piece; the rest waits in the kernel.
constexpr std::size_t kSpace_bytes_min = 4096;
constexpr std::size_t kRequest_bytes_max = 65'536;

std::span<const Header> no_headers() noexcept {
  return {};
}

DeflateOffer offer_of(const DeflateOptions& options) noexcept {
  DeflateOffer offer;
  offer.client_max_window_bits = options.client_window_bits;
  offer.server_max_window_bits = options.server_window_bits;
  offer.client_no_context_takeover = options.client_no_context_takeover;
  offer.server_no_context_takeover = options.server_no_context_takeover;
  return offer;
}

}  // namespace

std::string_view name(OpenStage stage) noexcept {
  switch (stage) {
    case OpenStage::waiting: return "waiting";
    case OpenStage::resolving: return "resolving";
    case OpenStage::connecting: return "connecting";
    case OpenStage::tls: return "tls";
    case OpenStage::upgrading: return "upgrading";
  }
  return "unknown";
}

struct Opening::Impl {
  Role role = Role::client;
  Stage stage = Stage::upgrade;
  Progress progress = Progress::more;
  HttpLimits limits;
  std::optional<TlsStream> tls;

  // Plain bytes received: the head, then what follows it. Grows to the head's limit and a little
  // more.
  std::vector<std::byte> received;
  std::size_t received_bytes = 0;
  HttpHeadState head_state;
  std::size_t head_bytes = 0;
  std::uint64_t body_bytes_wanted = kBodyStart_bytes_max;
  bool peer_ended = false;

  std::vector<std::byte> output;  // plain: to be sent; TLS: the ciphertext
  std::size_t output_sent = 0;

  // The client's request.
  UpgradeKey key{};
  std::string host_header;
  std::vector<std::string> subprotocols;
  std::optional<DeflateOffer> deflate;
  std::vector<std::byte> request;

  Opened opened;
  OpenFailure failure;

  void make_space();
  Progress fail(const Error& error) noexcept;
  // These allocate; who calls them looks after want of memory.
  Progress advance(std::int64_t wall_seconds);
  Progress advance_tls();
  Progress advance_upgrade(std::int64_t wall_seconds);
  bool pull_plaintext();
  Progress read_answer(std::int64_t wall_seconds);
  Progress refuse_answer(const HttpResponseHead& head, const Error& error,
                         std::int64_t wall_seconds);
  Progress read_body();
  Progress read_request();
  Progress refuse_request(const Error& error);
  Progress accept_request(const HttpRequestHead& head, const ClientUpgrade& client);
  void keep_head();
  Result<void> send_plain(Bytes plain);
  void collect_tls_output();
  MutableBytes plain_space() noexcept;
  [[nodiscard]] Bytes head() const noexcept { return Bytes(received).first(head_bytes); }
  [[nodiscard]] std::vector<std::string_view> subprotocol_views() const;
};

Opening::Opening(std::unique_ptr<Impl> impl) noexcept : impl_(std::move(impl)) {}
Opening::~Opening() = default;

// --- Construction.

Result<std::unique_ptr<Opening>> Opening::client(const ConnectOptions& options, const Url& url,
                                                 const HeaderList& headers, const TlsContext* tls,
                                                 std::span<const std::byte, 16> key_bytes) {
  ZW_ASSERT(url.secure == (tls != nullptr));
  return or_memory_exhausted([&]() -> Result<std::unique_ptr<Opening>> {
    auto impl = std::make_unique<Impl>();
    impl->limits = {options.limits.head_bytes_max, options.limits.headers_max};
    impl->make_space();
    impl->key = make_key(key_bytes);
    impl->host_header = url.host_header();
    impl->subprotocols = options.subprotocols;
    if (options.deflate.enabled) impl->deflate = offer_of(options.deflate);
    impl->opened.target = url.target;
    impl->opened.secure = url.secure;
    std::vector<Header> views;
    views.reserve(headers.size());
    for (const auto& [name, value] : headers) views.push_back({name, value});
    const auto subprotocols = impl->subprotocol_views();
    const UpgradeRequest request{impl->host_header, url.target,   as_text(impl->key), views,
                                 subprotocols,      impl->deflate};
    impl->request.resize(kRequest_bytes_max);
    const auto written = write_upgrade_request(request, impl->request);
    if (!written) return tl::unexpected<Error>(written.error());
    impl->request.resize(*written);
    if (tls == nullptr) {
      impl->output = impl->request;
    } else {
      auto stream =
          TlsStream::client(*tls, options.server_name.empty() ? url.host : options.server_name);
      if (!stream) return tl::unexpected<Error>(stream.error());
      impl->tls.emplace(std::move(*stream));
      impl->stage = Stage::tls;
    }
    return std::unique_ptr<Opening>(new Opening(std::move(impl)));
  });
}

Result<std::unique_ptr<Opening>> Opening::server(const ListenOptions& options,
                                                 const TlsContext* tls) {
  ZW_ASSERT(options.secure == (tls != nullptr));
  return or_memory_exhausted([&]() -> Result<std::unique_ptr<Opening>> {
    auto impl = std::make_unique<Impl>();
    impl->role = Role::server;
    impl->limits = {options.limits.head_bytes_max, options.limits.headers_max};
    impl->make_space();
    impl->subprotocols = options.subprotocols;
    if (options.deflate.enabled) impl->deflate = offer_of(options.deflate);
    impl->opened.secure = options.secure;
    if (tls != nullptr) {
      auto stream = TlsStream::server(*tls);
      if (!stream) return tl::unexpected<Error>(stream.error());
      impl->tls.emplace(std::move(*stream));
      impl->stage = Stage::tls;
    }
    return std::unique_ptr<Opening>(new Opening(std::move(impl)));
  });
}

std::vector<std::string_view> Opening::Impl::subprotocol_views() const {
  return {subprotocols.begin(), subprotocols.end()};
}

// --- Bytes in and out.

// All that may be received before the head is whole or refused, and a body's start: so that
// plain_space() need not allocate.
void Opening::Impl::make_space() {
  received.reserve(limits.head_bytes_max + kBodyStart_bytes_max + 2 * kSpace_bytes_min);
}

MutableBytes Opening::Impl::plain_space() noexcept {
  if (received.size() - received_bytes < kSpace_bytes_min)
    received.resize(received_bytes + 2 * kSpace_bytes_min);
  return MutableBytes(received).subspan(received_bytes);
}

MutableBytes Opening::space() noexcept {
  return impl_->tls ? impl_->tls->ciphertext_space() : impl_->plain_space();
}

void Opening::received(std::size_t bytes) noexcept {
  if (impl_->tls) {
    impl_->tls->ciphertext_commit(bytes);
  } else {
    impl_->received_bytes += bytes;
  }
}

void Opening::end_of_stream() noexcept {
  impl_->peer_ended = true;
}
Opening::Stage Opening::stage() const noexcept {
  return impl_->stage;
}
Bytes Opening::output() const noexcept {
  return Bytes(impl_->output).subspan(impl_->output_sent);
}

void Opening::output_consume(std::size_t bytes) noexcept {
  ZW_ASSERT(bytes <= output().size());
  impl_->output_sent += bytes;
}

void Opening::Impl::collect_tls_output() {
  const Bytes pending = tls->pending_out();
  output.insert(output.end(), pending.begin(), pending.end());
  tls->pending_out_consume(pending.size());
}

Result<void> Opening::Impl::send_plain(Bytes plain) {
  if (!tls) {
    output.insert(output.end(), plain.begin(), plain.end());
    return {};
  }
  const std::size_t before = output.size();
  output.resize(before + TlsStream::ciphertext_bound_bytes(plain.size()));
  const auto written = tls->write(plain, MutableBytes(output).subspan(before));
  output.resize(before + (written ? *written : 0));
  if (!written) return tl::unexpected<Error>(written.error());
  return {};
}

// --- Progress.

Opening::Progress Opening::Impl::fail(const Error& error) noexcept {
  failure.error = error;
  return progress = Progress::failed;
}

void Opening::give_up(const Error& error) noexcept {
  if (impl_->progress != Progress::more) return;
  // An answer whose body is late is still the reason.
  impl_->fail(impl_->stage == Stage::body ? impl_->failure.error : error);
}

Opening::Progress Opening::advance(std::int64_t wall_seconds) noexcept {
  Impl& impl = *impl_;
  if (impl.progress != Progress::more) return impl.progress;
  return unless_out_of_memory(
      [&] { return impl.advance(wall_seconds); },
      [&] { return impl.fail(Error(Errc::memory_exhausted, "the opening handshake")); });
}

Opening::Progress Opening::Impl::advance(std::int64_t wall_seconds) {
  if (stage == Stage::tls && advance_tls() != Progress::opened) return progress;
  return advance_upgrade(wall_seconds);
}

// `opened` here means that the handshake is done.
Opening::Progress Opening::Impl::advance_tls() {
  const auto done = tls->handshake();
  collect_tls_output();
  if (!done) return fail(done.error());
  if (!*done)
    return peer_ended ? fail(Error(Errc::connect_reset,
                                   "the peer ended the connection in the TLS handshake"))
                      : Progress::more;
  opened.tls = tls->info();
  stage = Stage::upgrade;
  if (role == Role::client) {
    if (const auto sent = send_plain(request); !sent) return fail(sent.error());
  }
  return Progress::opened;
}

// Decrypts what is there, as far as a head may reach.
bool Opening::Impl::pull_plaintext() {
  while (tls && received_bytes < limits.head_bytes_max + kBodyStart_bytes_max) {
    const auto plain = tls->read(plain_space());
    collect_tls_output();
    if (!plain) {
      peer_ended = true;
      if (plain.error().code() == Errc::tls_closed) break;
      fail(plain.error());
      return false;
    }
    if (*plain == 0) break;
    received_bytes += *plain;
  }
  return true;
}

Opening::Progress Opening::Impl::advance_upgrade(std::int64_t wall_seconds) {
  if (!pull_plaintext()) return progress;
  if (stage == Stage::body) return read_body();
  const auto found = find_head(Bytes(received).first(received_bytes), head_state, limits);
  if (!found) return role == Role::server ? refuse_request(found.error()) : fail(found.error());
  if (*found == 0) {
    if (!peer_ended) return Progress::more;
    return fail(Error(Errc::connect_reset,
                      received_bytes == 0
                          ? "the peer ended the connection without an answer to the upgrade"
                          : "the peer ended the connection within its HTTP header block"));
  }
  head_bytes = *found;
  return role == Role::server ? read_request() : read_answer(wall_seconds);
}

void Opening::Impl::keep_head() {
  opened.peer_head.assign(as_text(head()));
}

// --- The client's side: the server's answer.

Opening::Progress Opening::Impl::read_answer(std::int64_t wall_seconds) {
  const auto head_read = parse_response_head(head());
  if (!head_read) return fail(head_read.error());
  const auto subprotocols_offered = subprotocol_views();
  const UpgradeRequest asked{host_header,  opened.target,        as_text(key),
                             no_headers(), subprotocols_offered, deflate};
  const auto upgraded = check_upgrade_response(*head_read, asked);
  if (!upgraded) return refuse_answer(*head_read, upgraded.error(), wall_seconds);
  opened.subprotocol = upgraded->subprotocol;
  opened.deflate = upgraded->deflate;
  keep_head();
  return progress = Progress::opened;
}

// What the server said instead is kept: it is the real reason.
Opening::Progress Opening::Impl::refuse_answer(const HttpResponseHead& head_read,
                                               const Error& error, std::int64_t wall_seconds) {
  failure.error = error;
  failure.http_status = head_read.status;
  failure.head.assign(as_text(head()));
  if (const auto seconds = retry_after_s(head_read.headers, wall_seconds)) {
    failure.retry_after = std::chrono::seconds(*seconds);
  }
  if (head_read.status == 101) return progress = Progress::failed;
  body_bytes_wanted = std::min<std::uint64_t>(
      content_length(head_read.headers).value_or(kBodyStart_bytes_max), kBodyStart_bytes_max);
  stage = Stage::body;
  return read_body();
}

Opening::Progress Opening::Impl::read_body() {
  const std::size_t body_bytes = received_bytes - head_bytes;
  failure.body_start.assign(as_text(Bytes(received).subspan(
      head_bytes, std::min<std::size_t>(body_bytes, kBodyStart_bytes_max))));
  if (body_bytes < body_bytes_wanted && !peer_ended) return Progress::more;
  return progress = Progress::failed;
}

// --- The server's side: the client's request.

Opening::Progress Opening::Impl::read_request() {
  const auto head_read = parse_request_head(head());
  if (!head_read) return refuse_request(head_read.error());
  const auto client = check_upgrade_request(*head_read);
  if (!client) return refuse_request(client.error());
  return accept_request(*head_read, *client);
}

Opening::Progress Opening::Impl::refuse_request(const Error& error) {
  std::array<std::byte, 1024> answer;
  const auto written = write_refusal(refusal_status(error.code()), message(error.code()), answer);
  ZW_ASSERT(written.has_value());
  if (const auto sent = send_plain(Bytes(answer).first(*written)); !sent) return fail(sent.error());
  if (tls) {
    tls->close_notify();
    collect_tls_output();
  }
  return fail(error);
}

Opening::Progress Opening::Impl::accept_request(const HttpRequestHead& head_read,
                                                const ClientUpgrade& client) {
  UpgradeResponse response;
  response.key = client.key;
  const auto supported = subprotocol_views();
  response.subprotocol = choose_subprotocol(client, supported);
  if (deflate) {
    const auto chosen = choose_deflate(head_read.headers, *deflate);
    if (!chosen) return refuse_request(chosen.error());
    response.deflate = *chosen;
  }
  std::array<std::byte, 1024> answer;
  const auto written = write_upgrade_response(response, answer);
  if (!written) return refuse_request(written.error());
  opened.target = client.target;
  opened.subprotocol = response.subprotocol;
  opened.deflate = response.deflate;
  keep_head();
  // Last, for it must hold.
  if (const auto sent = send_plain(Bytes(answer).first(*written)); !sent) return fail(sent.error());
  return progress = Progress::opened;
}

// --- Results.

OpenFailure& Opening::failure() noexcept {
  return impl_->failure;
}
Opened& Opening::opened() noexcept {
  return impl_->opened;
}
std::optional<TlsStream> Opening::take_tls() noexcept {
  return std::move(impl_->tls);
}

Bytes Opening::leftover() const noexcept {
  return Bytes(impl_->received).first(impl_->received_bytes).subspan(impl_->head_bytes);
}

}  // namespace zenwire
