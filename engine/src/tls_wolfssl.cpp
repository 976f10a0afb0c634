#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <utility>

#include <zenwire/base/want_of_memory.hpp>
#include <zenwire/engine/address.hpp>

#include "certificate_check.hpp"
#include "journal.hpp"
#include "record_frames.hpp"
#include "tls_cipher.hpp"
#include "tls_context.hpp"

namespace zenwire {
namespace {

constexpr std::size_t kRecordHeader_bytes = 5;
// RFC 5246, section 6.2.3: 2^14 + 2048; RFC 8446, section 5.2, allows 2^14 + 256.
constexpr std::size_t kRecordCiphertext_bytes_max = TlsStream::kRecord_bytes_max + 2048;
constexpr std::size_t kRecordWhole_bytes_max = kRecordHeader_bytes + kRecordCiphertext_bytes_max;
constexpr std::size_t kCiphertextBuffer_bytes = std::size_t{64} << 10;
static_assert(kCiphertextBuffer_bytes >= 2 * kRecordWhole_bytes_max,
              "a whole record finds room behind one that waits to be read");
// Longer copies make libc move single bytes in microcode (rep movsb), which takes longer to start
// and counts a byte an instruction; up to here it uses vectors.
constexpr std::size_t kCopy_bytes_max = 4096;
// Not inlined, or the compiler, which sees the bound, makes a longer loop of its own.
[[gnu::noinline]] void copy_piece(std::byte* to, const std::byte* from,
                                  std::size_t bytes) noexcept {
  std::memcpy(to, from, bytes);
}

// What the library may say of itself once the handshake is over and nobody fetches it.
constexpr std::size_t kPendingReserve_bytes = 4096;
// See kRecordOverhead_bytes_max: header, explicit IV, tag, content type, and a key update before
// it.
constexpr std::size_t kRecordOwn_bytes_max = 56;
static_assert(kRecordOwn_bytes_max < TlsStream::kRecordOverhead_bytes_max);
constexpr std::string_view kAlpn = "http/1.1";

// RFC 8446, section 6.
struct Alert {
  int code;
  std::string_view name;
};
constexpr Alert kAlerts[] = {
    {0, "close_notify"},
    {10, "unexpected_message"},
    {20, "bad_record_mac"},
    {22, "record_overflow"},
    {40, "handshake_failure"},
    {42, "bad_certificate"},
    {43, "unsupported_certificate"},
    {44, "certificate_revoked"},
    {45, "certificate_expired"},
    {46, "certificate_unknown"},
    {47, "illegal_parameter"},
    {48, "unknown_ca"},
    {49, "access_denied"},
    {50, "decode_error"},
    {51, "decrypt_error"},
    {70, "protocol_version"},
    {71, "insufficient_security"},
    {80, "internal_error"},
    {86, "inappropriate_fallback"},
    {90, "user_canceled"},
    {100, "no_renegotiation"},
    {109, "missing_extension"},
    {110, "unsupported_extension"},
    {112, "unrecognized_name"},
    {113, "bad_certificate_status_response"},
    {115, "unknown_psk_identity"},
    {116, "certificate_required"},
    {120, "no_application_protocol"},
};

std::string alert_name(int code) {
  for (const Alert& alert : kAlerts) {
    if (alert.code == code) return std::string(alert.name);
  }
  return "number " + std::to_string(code);
}

// The alerts by which a server refuses its client's certificate, or the want of one.
bool is_about_certificate(int code) noexcept {
  constexpr int kBadCertificate = 42;
  constexpr int kAccessDenied = 49;
  constexpr int kCertificateRequired = 116;
  constexpr int kIllegalParameter = 47;
  return code == kCertificateRequired ||
         (code >= kBadCertificate && code <= kAccessDenied && code != kIllegalParameter);
}

// The first byte of a record says what it holds (RFC 8446, section 5.1).
bool is_record_type(std::byte type) noexcept {
  constexpr unsigned kChangeCipherSpec = 20;
  constexpr unsigned kApplicationData = 23;
  const auto value = std::to_integer<unsigned>(type);
  return value >= kChangeCipherSpec && value <= kApplicationData;
}

Errc chain_error_code(int error) noexcept {
  switch (error) {
    case ASN_AFTER_DATE_E: return Errc::tls_certificate_expired;
    case ASN_BEFORE_DATE_E: return Errc::tls_certificate_not_yet_valid;
    case ASN_NO_SIGNER_E:
    case ASN_SELF_SIGNED_E: return Errc::tls_unknown_authority;
#ifdef OPENSSL_EXTRA  // the system's library speaks OpenSSL's codes
    case X509_V_ERR_CERT_HAS_EXPIRED: return Errc::tls_certificate_expired;
    case X509_V_ERR_CERT_NOT_YET_VALID: return Errc::tls_certificate_not_yet_valid;
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY: return Errc::tls_unknown_authority;
#endif
    default: return Errc::tls_certificate_invalid;
  }
}

struct FreeCertificate {
  void operator()(WOLFSSL_X509* certificate) const noexcept { wolfSSL_FreeX509(certificate); }
};
using Certificate = std::unique_ptr<WOLFSSL_X509, FreeCertificate>;

}  // namespace

// The members of the steady state come first.
struct TlsStream::Impl {
  struct Free {
    void operator()(WOLFSSL* stream) const noexcept { wolfSSL_free(stream); }
  };
  std::unique_ptr<WOLFSSL, Free> ssl;

  std::vector<std::byte> in;
  std::size_t in_begin = 0;
  std::size_t in_end = 0;
  std::size_t record_left = 0;  // of the record that the library is reading

  MutableBytes out_target;  // where write() sends records; otherwise they are pending
  std::size_t out_written = 0;
  std::vector<std::byte> pending;
  std::size_t pending_begin = 0;

  bool plaintext_left = false;  // the library holds more of the last record
  bool steady = false;          // the handshake is done, and no journal looks on
  bool done = false;            // the handshake
  bool started = false;
  bool close_sent = false;
  bool server = false;
  bool verify = true;
  bool leaf_checked = false;
  std::vector<KeyPin> pins;
  std::string server_name;
  int plain_alert = -1;  // the code of one that came unencrypted during the handshake
  detail::Journal* journal = nullptr;
  detail::JournalInput* input = nullptr;
  detail::TlsCiphers ciphers;  // of the steady state, but in lines of their own
  Error chain_error;           // of an authority in the chain, which the server's own may not need
  Error refusal;               // the reason that the handshake fails for

  [[nodiscard]] std::size_t front_record_bytes() const noexcept;
  void note_plain_alert() noexcept;
  int receive(std::byte* to, std::size_t bytes) noexcept;
  int send(const std::byte* from, std::size_t bytes) noexcept;
  [[gnu::noinline, gnu::cold]] int send_later(const std::byte* from, std::size_t bytes) noexcept;
  int read_piece(MutableBytes plaintext) noexcept;
  std::size_t read_rest(MutableBytes plaintext, std::size_t bytes) noexcept;

  Result<bool> shake_hands();
  bool accept_certificate(bool chain_ok, const WOLFSSL_X509_STORE_CTX& store);
  bool refuse_chain(const WOLFSSL_X509_STORE_CTX& store);
  Result<void> check_leaf(Bytes leaf);
  Result<void> check_leaf_now();

  [[nodiscard]] std::string peer() const {
    return server_name.empty() ? "the client" : server_name;
  }
  Result<std::size_t> decrypt(MutableBytes plaintext) noexcept;
  Result<std::size_t> encrypt(Bytes plaintext, MutableBytes ciphertext) noexcept;
  [[gnu::noinline, gnu::cold]] Result<std::size_t> decrypt_watched(MutableBytes plaintext) noexcept;
  [[gnu::noinline, gnu::cold]] Result<std::size_t> encrypt_watched(
      Bytes plaintext, MutableBytes ciphertext) noexcept;
  [[nodiscard]] bool has_complete_record() const noexcept {
    return plaintext_left || record_left != 0 || front_record_bytes() != 0;
  }
  void note_pending(std::size_t before) noexcept;
  [[gnu::noinline, gnu::cold]] void forget_keys() noexcept;
  [[gnu::noinline, gnu::cold]] Error error_of(int result) const noexcept;
  [[nodiscard]] Error describe(int result) const;
  [[nodiscard]] Error alert_error(int code) const;
  [[nodiscard]] Error not_tls() const;
  [[gnu::noinline, gnu::cold]] bool put_pending_first(std::size_t plaintext_bytes) noexcept;
};

// --- Construction.

TlsStream::TlsStream(std::unique_ptr<Impl> impl) noexcept : impl_(std::move(impl)) {}
TlsStream::TlsStream(TlsStream&&) noexcept = default;
TlsStream& TlsStream::operator=(TlsStream&&) noexcept = default;
TlsStream::~TlsStream() = default;

namespace {

// A server that answers with another protocol is refused; one that answers with none is older than
// the extension (RFC 7301).
Result<void> offer_alpn(WOLFSSL* ssl) {
  std::string name(kAlpn);  // the library's parameter is not const
  return detail::configured(wolfSSL_UseALPN(ssl, name.data(), static_cast<unsigned>(name.size()),
                                            WOLFSSL_ALPN_FAILED_ON_MISMATCH),
                            "ALPN");
}

// RFC 6066, section 3: a name without its final dot; an address is not sent.
Result<void> offer_name(WOLFSSL* ssl, std::string_view name) {
  if (name.empty() || Address::from_literal(name, 0)) return {};
  if (name.ends_with('.')) name.remove_suffix(1);
  constexpr std::size_t kName_bytes_max = 255;
  if (name.empty() || name.size() > kName_bytes_max)
    return fail(Errc::invalid_option, "the server's name is empty or too long");
  return detail::configured(wolfSSL_UseSNI(ssl, WOLFSSL_SNI_HOST_NAME, name.data(),
                                           static_cast<unsigned short>(name.size())),
                            "server name");
}

}  // namespace

Result<TlsStream> TlsStream::make(const TlsContext& context, std::string_view server_name) {
  return or_memory_exhausted([&]() -> Result<TlsStream> {
    const TlsContext::Impl& shared = *context.impl_;
    detail::tls_random_reseed();
    auto impl = std::make_unique<Impl>();
    impl->ssl.reset(wolfSSL_new(shared.context.get()));
    if (impl->ssl == nullptr) return fail(Errc::memory_exhausted, "TLS stream");
    impl->server = shared.server;
    impl->verify = shared.verify;
    impl->pins = shared.pins;
    impl->server_name = server_name;
    impl->in.resize(kCiphertextBuffer_bytes);
    impl->pending.reserve(kPendingReserve_bytes);
    WOLFSSL* const ssl = impl->ssl.get();
    wolfSSL_SetIOReadCtx(ssl, impl.get());
    wolfSSL_SetIOWriteCtx(ssl, impl.get());
    wolfSSL_SetCertCbCtx(ssl, impl.get());
    if (auto ok = detail::configured(wolfSSL_SetDevId(ssl, detail::tls_cipher_device()), "cipher");
        !ok)
      return tl::unexpected<Error>(ok.error());
    if (auto ok = offer_alpn(ssl); !ok) return tl::unexpected<Error>(ok.error());
    if (auto ok = offer_name(ssl, server_name); !ok) return tl::unexpected<Error>(ok.error());
    return TlsStream(std::move(impl));
  });
}

Result<TlsStream> TlsStream::client(const TlsContext& context, std::string_view server_name) {
  ZW_ASSERT(!context.impl_->server);
  ZW_ASSERT(!server_name.empty());
  return make(context, server_name);
}

Result<TlsStream> TlsStream::server(const TlsContext& context) {
  ZW_ASSERT(context.impl_->server);
  return make(context, {});
}

// --- Ciphertext.

MutableBytes TlsStream::ciphertext_space() noexcept {
  Impl& impl = *impl_;
  ZW_ASSERT(impl.record_left == 0 || impl.in_begin < impl.in_end);
  if (impl.in_begin == impl.in_end) impl.in_begin = impl.in_end = 0;
  if (impl.in.size() - impl.in_begin < kRecordWhole_bytes_max || impl.in_end == impl.in.size()) {
    std::memmove(impl.in.data(), impl.in.data() + impl.in_begin, impl.in_end - impl.in_begin);
    impl.in_end -= impl.in_begin;
    impl.in_begin = 0;
  }
  return MutableBytes(impl.in).subspan(impl.in_end);
}

void TlsStream::ciphertext_commit(std::size_t bytes) noexcept {
  ZW_ASSERT(bytes <= impl_->in.size() - impl_->in_end);
  impl_->in_end += bytes;
}

std::size_t TlsStream::ciphertext_pending() const noexcept {
  return impl_->in_end - impl_->in_begin;
}

Bytes TlsStream::pending_out() const noexcept {
  return Bytes(impl_->pending).subspan(impl_->pending_begin);
}

void TlsStream::pending_out_consume(std::size_t bytes) noexcept {
  ZW_ASSERT(bytes <= pending_out().size());
  impl_->pending_begin += bytes;
  if (impl_->pending_begin != impl_->pending.size()) return;
  impl_->pending.clear();
  impl_->pending_begin = 0;
}

// The size of the record in front if it is whole, else 0. What cannot be a record, by its type or
// its length, counts as whole, for the library to refuse: it would wait for ever otherwise.
std::size_t TlsStream::Impl::front_record_bytes() const noexcept {
  const std::size_t available = in_end - in_begin;
  if (available < kRecordHeader_bytes) return 0;
  const std::byte* const front = in.data() + in_begin;
  const std::size_t bytes = kRecordHeader_bytes + load_big_endian<std::uint16_t>(front + 3);
  if (bytes > kRecordWhole_bytes_max || !is_record_type(*front)) [[unlikely]]
    return available;
  return available >= bytes ? bytes : 0;
}

bool TlsStream::has_complete_record() const noexcept {
  return impl_->has_complete_record();
}

// In TLS 1.3, OpenSSL's client refuses our certificate with an alert that is not encrypted yet when
// we expect encryption. The library can make nothing of it; the reason is worth keeping.
void TlsStream::Impl::note_plain_alert() noexcept {
  constexpr std::byte kAlertType{21};
  constexpr std::size_t kAlert_bytes = 2;
  const std::byte* const front = in.data() + in_begin;
  if (front_record_bytes() != kRecordHeader_bytes + kAlert_bytes || *front != kAlertType) return;
  plain_alert = std::to_integer<int>(front[kRecordHeader_bytes + 1]);
}

// The library asks for the header, then for the rest: it gets no byte of a record that is not
// whole.
int TlsStream::Impl::receive(std::byte* to, std::size_t bytes) noexcept {
  if (record_left == 0) record_left = front_record_bytes();
  if (record_left == 0) return WOLFSSL_CBIO_ERR_WANT_READ;
  const std::size_t part = std::min(bytes, record_left);
  const std::byte* const from = in.data() + in_begin;
  for (std::size_t at = 0; at < part; at += kCopy_bytes_max) {
    copy_piece(to + at, from + at, std::min(part - at, kCopy_bytes_max));
  }
  in_begin += part;
  record_left -= part;
  return static_cast<int>(part);
}

int TlsStream::Impl::send(const std::byte* from, std::size_t bytes) noexcept {
  if (out_target.data() == nullptr) [[unlikely]]
    return send_later(from, bytes);
  ZW_ASSERT(bytes <= out_target.size() - out_written);
  std::memcpy(out_target.data() + out_written, from, bytes);
  out_written += bytes;
  return static_cast<int>(bytes);
}

// Only the handshake may take memory. After it, whoever makes us answer without fetching the
// answers (key updates without end) loses the connection.
int TlsStream::Impl::send_later(const std::byte* from, std::size_t bytes) noexcept {
  if (done && bytes > pending.capacity() - pending.size()) return WOLFSSL_CBIO_ERR_GENERAL;
  const auto keep = [&] {
    pending.insert(pending.end(), from, from + bytes);
    return static_cast<int>(bytes);
  };
  return unless_out_of_memory(keep, [&] {
    refusal = Error(Errc::memory_exhausted, "TLS handshake");
    return static_cast<int>(WOLFSSL_CBIO_ERR_GENERAL);
  });
}

// --- Trust.

// Called for authorities of the chain that fail, farthest first, and always for the peer's own
// certificate (depth 0). Its name and its pins are checked here, by us: the library's own check
// would take a common name where there are no alternative names, and text for an address.
bool TlsStream::Impl::accept_certificate(bool chain_ok, const WOLFSSL_X509_STORE_CTX& store) {
  if (!chain_ok && (verify || server)) return refuse_chain(store);
  if (store.error_depth != 0 || store.certs == nullptr) return true;
  const auto checked = check_leaf(
      Bytes(reinterpret_cast<const std::byte*>(store.certs[0].buffer), store.certs[0].length));
  if (!checked) refusal = checked.error();
  return checked.has_value();
}

Result<void> TlsStream::Impl::check_leaf(Bytes leaf) {
  leaf_checked = true;
  if (server) return {};
  if (verify) {
    if (auto named = detail::check_certificate_name(leaf, server_name); !named) return named;
  }
  return pins.empty() ? Result<void>{} : detail::check_certificate_pin(leaf, pins);
}

// A library that was built to call us back for bad certificates only (the system's) would let a
// good one pass for any name.
Result<void> TlsStream::Impl::check_leaf_now() {
  if (server || (!verify && pins.empty())) return {};
  const Certificate shown(wolfSSL_get_peer_certificate(ssl.get()));
  int bytes = 0;
  const unsigned char* const der =
      shown != nullptr ? wolfSSL_X509_get_der(shown.get(), &bytes) : nullptr;
  if (der == nullptr) return fail(Errc::tls_certificate_invalid, peer() + " showed no certificate");
  return check_leaf(
      {reinterpret_cast<const std::byte*>(der), static_cast<std::size_t>(std::max(bytes, 0))});
}

// Servers send authorities that are of no use to us (cross-signed by a root that has gone, or has
// expired). Those are only left out: the peer's own certificate must lead to an authority that is
// trusted, or that was itself verified. The library leaves them out by itself when it was built to
// look for such other chains; without that, "true" would make it trust them, so they are refused.
bool TlsStream::Impl::refuse_chain(const WOLFSSL_X509_STORE_CTX& store) {
  const auto depth = static_cast<std::size_t>(std::max(store.error_depth, 0));
  const WOLFSSL_BUFFER_INFO& bad = store.certs[depth];
  const Error error(chain_error_code(store.error),
                    peer() + ": " + detail::library_text(store.error) + ": " +
                        detail::describe_certificate(
                            {reinterpret_cast<const std::byte*>(bad.buffer), bad.length}));
  if (depth > 0) {
    if (!chain_error) chain_error = error;
#ifdef WOLFSSL_ALT_CERT_CHAINS
    return true;
#else
    refusal = chain_error;
    return false;
#endif
  }
  const bool authority_failed = chain_error && error.code() == Errc::tls_unknown_authority;
  if (!refusal) refusal = authority_failed ? chain_error : error;
  return false;
}

// --- Errors.

namespace detail {

std::string library_text(int error) {
  std::array<char, WOLFSSL_MAX_ERROR_SZ> text{};
  wolfSSL_ERR_error_string_n(static_cast<unsigned long>(error), text.data(), text.size());
  return std::string(text.data()) + " (" + std::to_string(error) + ")";
}

bool is_want_of_memory(int error) noexcept {
  return error == MEMORY_E || error == MEMORY_ERROR;
}

Result<void> configured(int result, const std::string& what) {
  if (result == WOLFSSL_SUCCESS) return {};
  if (is_want_of_memory(result)) return fail(Errc::memory_exhausted, what);
  return fail(Errc::tls_configuration, what + ": " + library_text(result));
}

}  // namespace detail

Error TlsStream::Impl::alert_error(int code) const {
  const bool about_ours = !server && is_about_certificate(code);
  return {about_ours ? Errc::tls_client_certificate_refused : Errc::tls_alert,
          peer() + " sent the alert " + alert_name(code)};
}

// Another protocol's answer is worth showing: it is usually an HTTP server saying so.
Error TlsStream::Impl::not_tls() const {
  constexpr std::size_t kShown_bytes = 32;
  std::string shown(
      as_text(Bytes(in).subspan(in_begin, std::min(in_end - in_begin, kShown_bytes))));
  std::replace_if(
      shown.begin(), shown.end(), [](char c) { return c < ' ' || c > '~'; }, '.');
  return {Errc::tls_handshake_failed, peer() + " does not speak TLS here; it sent: " + shown};
}

// Its particulars are worth an allocation; without one it says what it can.
Error TlsStream::Impl::error_of(int result) const noexcept {
  return unless_out_of_memory(
      [&] { return describe(result); },
      [&] { return done ? Errc::tls_record_invalid : Errc::memory_exhausted; });
}

Error TlsStream::Impl::describe(int result) const {
  if (refusal) return refusal;
  WOLFSSL_ALERT_HISTORY alerts{};
  wolfSSL_get_alert_history(ssl.get(), &alerts);
  constexpr int kFatal = 2;
  if (alerts.last_rx.level == kFatal) return alert_error(alerts.last_rx.code);
  if (!done && plain_alert >= 0) return alert_error(plain_alert);
  const int error = wolfSSL_get_error(ssl.get(), result);
  if (done) return {Errc::tls_record_invalid, peer() + ": " + detail::library_text(error)};
  if (detail::is_want_of_memory(error)) return {Errc::memory_exhausted, "TLS handshake"};
  if (error == NO_PEER_CERT)
    return {Errc::tls_certificate_invalid, peer() + " sent no certificate"};
  if (error == UNKNOWN_ALPN_PROTOCOL_NAME_E)
    return {Errc::tls_handshake_failed, peer() + " does not agree to http/1.1 (ALPN)"};
  if (error == VERSION_ERROR)
    return {Errc::tls_handshake_failed, peer() + " and we have no TLS version in common"};
  if (error == WOLFSSL_ERROR_ZERO_RETURN)
    return {Errc::tls_handshake_failed, peer() + " closed TLS during the handshake"};
  return {Errc::tls_handshake_failed, peer() + ": " + detail::library_text(error)};
}

// --- Work.

Result<bool> TlsStream::handshake() noexcept {
  return or_memory_exhausted([this] { return impl_->shake_hands(); });
}

Result<bool> TlsStream::Impl::shake_hands() {
  while (!done && (!started || has_complete_record())) {
    if (in_begin < in_end && !is_record_type(in[in_begin])) return tl::unexpected<Error>(not_tls());
    note_plain_alert();
    started = true;
    const int result = server ? wolfSSL_accept(ssl.get()) : wolfSSL_connect(ssl.get());
    if (result == WOLFSSL_SUCCESS) {
      if (!leaf_checked) {
        if (auto ok = check_leaf_now(); !ok) return tl::unexpected<Error>(ok.error());
      }
      done = steady = true;
      break;
    }
    if (wolfSSL_get_error(ssl.get(), result) != WOLFSSL_ERROR_WANT_READ)
      return tl::unexpected<Error>(error_of(result));
  }
  return done;
}

// Opens the next record, if none is open, and copies a piece of it.
int TlsStream::Impl::read_piece(MutableBytes plaintext) noexcept {
  const int room = static_cast<int>(std::min(plaintext.size(), kCopy_bytes_max));
  const int result = wolfSSL_read(ssl.get(), plaintext.data(), room);
  plaintext_left = result == room && wolfSSL_pending(ssl.get()) > 0;
  return result;
}

// The pieces of the open record behind the first `bytes`; returns how many there are with those.
std::size_t TlsStream::Impl::read_rest(MutableBytes plaintext, std::size_t bytes) noexcept {
  while (plaintext_left && bytes < plaintext.size()) {
    const int result = read_piece(plaintext.subspan(bytes));
    ZW_ASSERT(result > 0);  // it was pending
    bytes += static_cast<std::size_t>(result);
  }
  return bytes;
}

// A record without data may have been a key update: the old keys have had their time.
void TlsStream::Impl::forget_keys() noexcept {
  ciphers.opening.forget();
  ciphers.sealing.forget();
}

Result<std::size_t> TlsStream::read(MutableBytes plaintext) noexcept {
  ZW_ASSERT(!plaintext.empty());
  if (!impl_->steady) [[unlikely]]
    return impl_->decrypt_watched(plaintext);
  return impl_->decrypt(plaintext);
}

inline Result<std::size_t> TlsStream::Impl::decrypt(MutableBytes plaintext) noexcept {
  const detail::TlsCiphersInUse in_use(ciphers);
  // More than once only for records without data: tickets, key updates, empty ones.
  while (has_complete_record()) {
    const int result = read_piece(plaintext);
    if (result > 0) [[likely]]
      return read_rest(plaintext, static_cast<std::size_t>(result));
    plaintext_left = false;
    forget_keys();
    const int error = wolfSSL_get_error(ssl.get(), result);
    if (error == WOLFSSL_ERROR_ZERO_RETURN) return fail(Errc::tls_closed);
    if (error != WOLFSSL_ERROR_WANT_READ) return tl::unexpected<Error>(error_of(result));
  }
  return 0;
}

// Moves what is pending to the front of the ciphertext. False: there is no room for both.
bool TlsStream::Impl::put_pending_first(std::size_t plaintext_bytes) noexcept {
  const Bytes first = Bytes(pending).subspan(pending_begin);
  const std::size_t records = plaintext_bytes / kRecord_bytes_max + 1;
  if (first.size() + plaintext_bytes + records * kRecordOwn_bytes_max > out_target.size())
    return false;
  send(first.data(), first.size());
  pending.clear();
  pending_begin = 0;
  return true;
}

Result<std::size_t> TlsStream::write(Bytes plaintext, MutableBytes ciphertext) noexcept {
  ZW_ASSERT(ciphertext.size() >= ciphertext_bound_bytes(plaintext.size()));
  if (!impl_->steady) [[unlikely]]
    return impl_->encrypt_watched(plaintext, ciphertext);
  return impl_->encrypt(plaintext, ciphertext);
}

inline Result<std::size_t> TlsStream::Impl::encrypt(Bytes plaintext,
                                                    MutableBytes ciphertext) noexcept {
  const detail::TlsCiphersInUse in_use(ciphers);
  out_target = ciphertext;
  out_written = 0;
  if (!pending.empty()) [[unlikely]] {
    if (!put_pending_first(plaintext.size())) {
      out_target = {};
      return fail(Errc::send_queue_full, "TLS has messages of its own to send first");
    }
  }
  std::size_t written = 0;
  int result = 1;
  while (written < plaintext.size() && result > 0) {
    const int part = static_cast<int>(std::min(plaintext.size() - written, kRecord_bytes_max));
    result = wolfSSL_write(ssl.get(), plaintext.data() + written, part);
    if (result > 0) written += static_cast<std::size_t>(result);
  }
  out_target = {};
  if (written == plaintext.size()) [[likely]]
    return out_written;
  return tl::unexpected<Error>(error_of(result));
}

Result<void> TlsStream::update_keys() noexcept {
  ZW_ASSERT(impl_->done);
  const int result = wolfSSL_update_keys(impl_->ssl.get());
  impl_->forget_keys();
  if (result == WOLFSSL_SUCCESS) return {};
  return fail(Errc::tls_configuration, "key update: " + detail::library_text(result));
}

// The library answers "shut down in one direction only", which is what was wanted. A second call
// would make it read, so there is none.
void TlsStream::close_notify() noexcept {
  if (std::exchange(impl_->close_sent, true)) return;
  const std::size_t before = impl_->pending.size();
  if (impl_->ssl != nullptr) wolfSSL_shutdown(impl_->ssl.get());
  if (impl_->journal == nullptr || !impl_->journal->begin(detail::JournalEvent::tls_close)) return;
  impl_->note_pending(before);
  impl_->journal->commit();
}

// --- With a journal.

TlsStream TlsStream::stand_in() {
  auto impl = std::make_unique<Impl>();
  impl->in.resize(kCiphertextBuffer_bytes);
  impl->pending.reserve(kPendingReserve_bytes);
  impl->done = true;
  return TlsStream(std::move(impl));
}

// What is in the buffers already: ciphertext behind the handshake, and an answer not yet fetched.
void TlsStream::watch(detail::Journal& journal, detail::RecordFrames& frames) noexcept {
  Impl& impl = *impl_;
  ZW_ASSERT(impl.done && impl.record_left == 0);
  impl.journal = &journal;
  impl.steady = false;
  // At the front, where a replay puts it: the room behind it is to be the same.
  std::memmove(impl.in.data(), impl.in.data() + impl.in_begin, ciphertext_pending());
  impl.in_end -= std::exchange(impl.in_begin, 0);
  const std::size_t waiting = journal.given(ciphertext_pending());
  impl.plaintext_left = journal.given(impl.plaintext_left ? 1 : 0) != 0;
  if (waiting > impl.in.size()) return journal.refuse("ciphertext");
  if (journal.replaying()) impl.in_end = waiting;
  frames.transfer(journal, MutableBytes(impl.in).subspan(impl.in_begin, waiting));
  impl.note_pending(0);
}

void TlsStream::watch_input(detail::JournalInput& input) noexcept {
  impl_->input = &input;
}

// How much the library has come to say of itself.
void TlsStream::Impl::note_pending(std::size_t before) noexcept {
  const std::size_t more = journal->given(pending.size() - before);
  if (!journal->replaying()) return;
  if (more > pending.capacity() - pending.size()) return journal->refuse("answer");
  pending.resize(pending.size() + more);
}

Result<std::size_t> TlsStream::Impl::decrypt_watched(MutableBytes plaintext) noexcept {
  ZW_ASSERT(done && journal != nullptr && input != nullptr);
  const std::size_t waiting = in_end - in_begin;
  const std::size_t pending_before = pending.size();
  const auto live = ssl != nullptr ? decrypt(plaintext) : Result<std::size_t>(0);
  if (!journal->begin(detail::JournalEvent::tls_read, live ? *live : 0)) return live;
  journal->same("room", plaintext.size());
  const std::size_t used = journal->given(waiting - (in_end - in_begin));
  const auto code = static_cast<Errc>(
      journal->given(static_cast<std::uint64_t>(live ? Errc::ok : live.error().code())));
  plaintext_left = journal->given(plaintext_left ? 1 : 0) != 0;
  note_pending(pending_before);
  const std::size_t bytes = journal->given(live ? *live : 0);
  if (used > waiting || bytes > plaintext.size()) {
    journal->refuse("number of bytes");
    return std::size_t{0};
  }
  journal->given_bytes(plaintext.first(bytes), input);
  journal->commit();
  if (ssl != nullptr) return live;
  in_begin += used;
  if (code != Errc::ok) return fail(code);
  return journal->live() ? bytes : 0;
}

Result<std::size_t> TlsStream::Impl::encrypt_watched(Bytes plaintext,
                                                     MutableBytes ciphertext) noexcept {
  ZW_ASSERT(done && journal != nullptr);
  const auto live =
      ssl != nullptr ? encrypt(plaintext, ciphertext) : Result<std::size_t>(fail(Errc::aborted));
  if (!journal->begin(detail::JournalEvent::tls_write)) return live;
  journal->same("bytes", plaintext.size());
  journal->same("check", journal->keeps_check() ? detail::Journal::check_of(plaintext) : 0);
  const auto code = static_cast<Errc>(
      journal->given(static_cast<std::uint64_t>(live ? Errc::ok : live.error().code())));
  const std::size_t bytes = journal->given(live ? *live : 0);
  const bool fetched = journal->given(pending.empty() ? 1 : 0) != 0;
  if (bytes > ciphertext.size()) journal->refuse("number of bytes");
  journal->commit();
  if (ssl != nullptr) return live;
  if (fetched) {
    pending.clear();
    pending_begin = 0;
  }
  if (code != Errc::ok || !journal->live()) return fail(code != Errc::ok ? code : Errc::aborted);
  std::fill_n(ciphertext.begin(), bytes, std::byte{0});
  return bytes;
}

TlsInfo TlsStream::info() const {
  WOLFSSL* const ssl = impl_->ssl.get();
  TlsInfo info;
  info.version = wolfSSL_get_version(ssl);
  if (const char* cipher = wolfSSL_get_cipher_name(ssl); cipher != nullptr) info.cipher = cipher;
  char* alpn = nullptr;
  unsigned short alpn_bytes = 0;
  if (wolfSSL_ALPN_GetProtocol(ssl, &alpn, &alpn_bytes) == WOLFSSL_SUCCESS)
    info.alpn.assign(alpn, alpn_bytes);
  if (const Certificate peer(wolfSSL_get_peer_certificate(ssl)); peer != nullptr) {
    if (const char* name = wolfSSL_X509_get_subjectCN(peer.get()); name != nullptr)
      info.subject = name;
  }
  return info;
}

// --- The library's callbacks.

namespace detail {

int tls_receive(WOLFSSL*, char* to, int bytes, void* stream) noexcept {
  return static_cast<TlsStream::Impl*>(stream)->receive(reinterpret_cast<std::byte*>(to),
                                                        static_cast<std::size_t>(bytes));
}

int tls_send(WOLFSSL*, char* from, int bytes, void* stream) noexcept {
  return static_cast<TlsStream::Impl*>(stream)->send(reinterpret_cast<const std::byte*>(from),
                                                     static_cast<std::size_t>(bytes));
}

int tls_verify(int chain_ok, WOLFSSL_X509_STORE_CTX* store) noexcept {
  auto& stream = *static_cast<TlsStream::Impl*>(store->userCtx);
  // No exception may pass through the library's frames.
  const auto accept = [&] { return stream.accept_certificate(chain_ok != 0, *store) ? 1 : 0; };
  return unless_out_of_memory(accept, [&] {
    stream.refusal = Error(Errc::memory_exhausted, "certificate check");
    return 0;
  });
}

}  // namespace detail

// --- Report.

CryptoReport crypto_report() {
  detail::wolfssl_start();
  CryptoReport report;
  report.version = wolfSSL_lib_version();
#ifdef WOLFSSL_AESNI
  report.aes_ni = __builtin_cpu_supports("aes") != 0;
#endif
#ifdef USE_INTEL_SPEEDUP
  report.vector_code = true;
#endif
#ifdef LARGE_STATIC_BUFFERS
  report.static_buffers = true;
#endif
  report.wide_records = detail::tls_cipher_device() != INVALID_DEVID;
  report.fast = report.aes_ni && report.vector_code && report.static_buffers;
  report.text =
      "wolfSSL " + report.version + (report.aes_ni ? " with AES-NI" : " WITHOUT AES-NI") +
      (report.vector_code ? "" : ", WITHOUT vector code") +
      (report.static_buffers ? ", no allocation per record" : ", ALLOCATES on every record") +
      (report.wide_records ? ", records by VAES (intel-ipsec-mb)" : "");
  return report;
}

}  // namespace zenwire
