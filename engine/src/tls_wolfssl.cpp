#include <algorithm>
#include <array>
#include <cstring>
#include <filesystem>
#include <mutex>

#include <zenwire/engine/address.hpp>
#include <zenwire/engine/tls.hpp>

#include "certificate_check.hpp"
#include "wolfssl.hpp"

namespace zenwire {

namespace {

constexpr std::size_t kRecordHeader_bytes = 5;
// RFC 8446, section 5.2: at most 2^14 + 256; TLS 1.2 allows 2^14 + 2048.
constexpr std::size_t kRecordCiphertext_bytes_max = TlsStream::kRecord_bytes_max + 2048;
// Room for a whole record behind one that is being read.
constexpr std::size_t kCiphertextBuffer_bytes = 64 * 1024;
static_assert(kCiphertextBuffer_bytes >= 2 * (kRecordHeader_bytes + kRecordCiphertext_bytes_max));
constexpr std::size_t kPendingReserve_bytes = 4096;
constexpr char kAlpn[] = "http/1.1";
// AES-128-GCM first: on processors with AES-NI it is the fastest, and as strong as the rest.
constexpr char kCiphers[] =
    "TLS13-AES128-GCM-SHA256:TLS13-AES256-GCM-SHA384:TLS13-CHACHA20-POLY1305-SHA256:"
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
    "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";
constexpr char kSystemBundle[] = "/etc/ssl/certs/ca-certificates.crt";

std::string library_text(int error) {
  char text[WOLFSSL_MAX_ERROR_SZ] = {};
  wolfSSL_ERR_error_string_n(static_cast<unsigned long>(error), text, sizeof text);
  return std::string(text) + " (" + std::to_string(error) + ")";
}

// RFC 8446, section 6.
std::string_view alert_name(int code) noexcept {
  switch (code) {
    case 0: return "close_notify";
    case 10: return "unexpected_message";
    case 20: return "bad_record_mac";
    case 22: return "record_overflow";
    case 40: return "handshake_failure";
    case 42: return "bad_certificate";
    case 43: return "unsupported_certificate";
    case 44: return "certificate_revoked";
    case 45: return "certificate_expired";
    case 46: return "certificate_unknown";
    case 47: return "illegal_parameter";
    case 48: return "unknown_ca";
    case 49: return "access_denied";
    case 50: return "decode_error";
    case 51: return "decrypt_error";
    case 70: return "protocol_version";
    case 71: return "insufficient_security";
    case 80: return "internal_error";
    case 90: return "user_canceled";
    case 109: return "missing_extension";
    case 112: return "unrecognized_name";
    case 116: return "certificate_required";
    case 120: return "no_application_protocol";
    default: return "unknown";
  }
}

Errc chain_error_code(int error) noexcept {
  switch (error) {
    case ASN_AFTER_DATE_E: return Errc::tls_certificate_expired;
    case ASN_BEFORE_DATE_E: return Errc::tls_certificate_not_yet_valid;
    case ASN_NO_SIGNER_E:
    case ASN_SELF_SIGNED_E: return Errc::tls_unknown_authority;
    default: return Errc::tls_certificate_invalid;
  }
}

struct FreeContext {
  void operator()(WOLFSSL_CTX* context) const noexcept { wolfSSL_CTX_free(context); }
};
struct FreeStream {
  void operator()(WOLFSSL* stream) const noexcept { wolfSSL_free(stream); }
};

}  // namespace

struct TlsContext::Impl {
  std::unique_ptr<WOLFSSL_CTX, FreeContext> context;
  TlsOptions options;
  bool server = false;

  Result<void> load_trust() noexcept;
  Result<void> load_own() noexcept;
};

struct TlsStream::Impl {
  std::unique_ptr<WOLFSSL, FreeStream> ssl;
  const TlsOptions* options = nullptr;
  bool server = false;
  bool started = false;
  bool done = false;
  bool plaintext_left = false;  // the library holds more of the last record
  std::string server_name;
  Error verify_error;

  std::vector<std::byte> in;
  std::size_t in_begin = 0;
  std::size_t in_end = 0;
  std::size_t record_left = 0;  // of the record that the library is reading

  MutableBytes out_target;  // where write() sends records; otherwise they are pending
  std::size_t out_written = 0;
  std::vector<std::byte> pending;
  std::size_t pending_begin = 0;

  [[nodiscard]] std::size_t front_record_bytes() const noexcept;
  int receive(std::byte* to, std::size_t bytes) noexcept;
  int send(const std::byte* from, std::size_t bytes) noexcept;
  int verify(int chain_ok, WOLFSSL_X509_STORE_CTX& store) noexcept;
  [[gnu::cold]] Error error_of(int error) const;
  [[gnu::cold]] Error alert_error() const;
};

// --- Context.

TlsContext::TlsContext(std::unique_ptr<Impl> impl) noexcept : impl_(std::move(impl)) {}
TlsContext::TlsContext(TlsContext&&) noexcept = default;
TlsContext& TlsContext::operator=(TlsContext&&) noexcept = default;
TlsContext::~TlsContext() = default;

namespace {

WOLFSSL_METHOD* method_for(const TlsOptions& options, bool server) noexcept {
  if (options.version_min == TlsVersion::tls1_3)
    return server ? wolfTLSv1_3_server_method() : wolfTLSv1_3_client_method();
  if (options.version_max == TlsVersion::tls1_2)
    return server ? wolfTLSv1_2_server_method() : wolfTLSv1_2_client_method();
  return server ? wolfTLS_server_method() : wolfTLS_client_method();
}

Result<void> check_readable(const std::string& path, const char* option) {
  std::error_code error;
  if (std::filesystem::exists(path, error)) return {};
  return fail(Errc::file_unreadable, std::string(option) + ": " + path + ": no such file");
}

Result<void> configuration(int result, const std::string& what) {
  if (result == WOLFSSL_SUCCESS) return {};
  return fail(Errc::tls_configuration, what + ": " + library_text(result));
}

int receive_callback(WOLFSSL*, char* to, int bytes, void* stream);
int send_callback(WOLFSSL*, char* from, int bytes, void* stream);
int verify_callback(int chain_ok, WOLFSSL_X509_STORE_CTX* store);

}  // namespace

Result<void> TlsContext::Impl::load_trust() noexcept {
  WOLFSSL_CTX* const ctx = context.get();
  const bool own_choice =
      !options.ca_file.empty() || !options.ca_directory.empty() || !options.ca_pem.empty();
  if (server && !own_choice) return {};
  if (!own_choice) {
    // An incomplete system store is no error here: a chain that needs what is missing fails later,
    // and says so.
    if (wolfSSL_CTX_load_verify_locations_ex(ctx, kSystemBundle, nullptr,
                                             WOLFSSL_LOAD_FLAG_IGNORE_ERR) != WOLFSSL_SUCCESS) {
      wolfSSL_CTX_load_system_CA_certs(ctx);
    }
    return {};
  }
  if (!options.ca_file.empty()) {
    if (auto readable = check_readable(options.ca_file, "ca_file"); !readable) return readable;
    const int loaded = wolfSSL_CTX_load_verify_locations(ctx, options.ca_file.c_str(), nullptr);
    if (auto ok =
            configuration(loaded, "ca_file: " + options.ca_file + " holds no usable certificate");
        !ok)
      return ok;
  }
  if (!options.ca_directory.empty()) {
    if (auto readable = check_readable(options.ca_directory, "ca_directory"); !readable)
      return readable;
    const int loaded = wolfSSL_CTX_load_verify_locations_ex(
        ctx, nullptr, options.ca_directory.c_str(), WOLFSSL_LOAD_FLAG_IGNORE_ERR);
    if (auto ok = configuration(loaded, "ca_directory: " + options.ca_directory); !ok) return ok;
  }
  if (options.ca_pem.empty()) return {};
  const auto* pem = reinterpret_cast<const unsigned char*>(options.ca_pem.data());
  return configuration(
      wolfSSL_CTX_load_verify_buffer(ctx, pem, static_cast<long>(options.ca_pem.size()),
                                     WOLFSSL_FILETYPE_PEM),
      "ca_pem holds no usable certificate");
}

Result<void> TlsContext::Impl::load_own() noexcept {
  WOLFSSL_CTX* const ctx = context.get();
  if (!options.certificate_file.empty()) {
    if (auto readable = check_readable(options.certificate_file, "certificate_file"); !readable)
      return readable;
    const int used = wolfSSL_CTX_use_certificate_chain_file(ctx, options.certificate_file.c_str());
    if (auto ok = configuration(used, "certificate_file: " + options.certificate_file); !ok)
      return ok;
  } else if (!options.certificate_pem.empty()) {
    const auto* pem = reinterpret_cast<const unsigned char*>(options.certificate_pem.data());
    const int used = wolfSSL_CTX_use_certificate_chain_buffer(
        ctx, pem, static_cast<long>(options.certificate_pem.size()));
    if (auto ok = configuration(used, "certificate_pem"); !ok) return ok;
  } else {
    return server ? fail(Errc::tls_configuration, "a server needs a certificate and its key")
                  : Result<void>{};
  }
  if (!options.key_file.empty()) {
    if (auto readable = check_readable(options.key_file, "key_file"); !readable) return readable;
    return configuration(
        wolfSSL_CTX_use_PrivateKey_file(ctx, options.key_file.c_str(), WOLFSSL_FILETYPE_PEM),
        "key_file: " + options.key_file);
  }
  const auto* pem = reinterpret_cast<const unsigned char*>(options.key_pem.data());
  return configuration(
      wolfSSL_CTX_use_PrivateKey_buffer(ctx, pem, static_cast<long>(options.key_pem.size()),
                                        WOLFSSL_FILETYPE_PEM),
      "key_pem");
}

Result<TlsContext> TlsContext::make(const TlsOptions& options, bool server) {
  detail::wolfssl_start();
  auto impl = std::make_unique<Impl>();
  impl->options = options;
  impl->server = server;
  impl->context.reset(wolfSSL_CTX_new(method_for(options, server)));
  WOLFSSL_CTX* const ctx = impl->context.get();
  if (ctx == nullptr) return fail(Errc::memory_exhausted, "TLS context");
  wolfSSL_CTX_SetIORecv(ctx, receive_callback);
  wolfSSL_CTX_SetIOSend(ctx, send_callback);
  // A cache would take a lock and memory when a ticket comes.
  wolfSSL_CTX_set_session_cache_mode(ctx, WOLFSSL_SESS_CACHE_OFF);
  if (auto ok = configuration(wolfSSL_CTX_set_cipher_list(ctx, kCiphers), "ciphers"); !ok) {
    return tl::unexpected<Error>(ok.error());
  }
  for (auto step : {&Impl::load_trust, &Impl::load_own}) {
    if (auto loaded = (*impl.*step)(); !loaded) return tl::unexpected<Error>(loaded.error());
  }
  const bool wants_client_certificates =
      server &&
      (!options.ca_file.empty() || !options.ca_directory.empty() || !options.ca_pem.empty());
  int mode = WOLFSSL_VERIFY_NONE;
  if (!server && options.verify) mode = WOLFSSL_VERIFY_PEER;
  if (wants_client_certificates) mode = WOLFSSL_VERIFY_PEER | WOLFSSL_VERIFY_FAIL_IF_NO_PEER_CERT;
  wolfSSL_CTX_set_verify(ctx, mode, mode == WOLFSSL_VERIFY_NONE ? nullptr : verify_callback);
  return TlsContext(std::move(impl));
}

Result<TlsContext> TlsContext::client(const TlsOptions& options) {
  return make(options, false);
}
Result<TlsContext> TlsContext::server(const TlsOptions& options) {
  return make(options, true);
}

// --- Stream: construction.

TlsStream::TlsStream(std::unique_ptr<Impl> impl) noexcept : impl_(std::move(impl)) {}
TlsStream::TlsStream(TlsStream&&) noexcept = default;
TlsStream& TlsStream::operator=(TlsStream&&) noexcept = default;
TlsStream::~TlsStream() = default;

Result<TlsStream> TlsStream::make(const TlsContext& context, std::string_view server_name) {
  auto impl = std::make_unique<Impl>();
  impl->ssl.reset(wolfSSL_new(context.impl_->context.get()));
  if (impl->ssl == nullptr) return fail(Errc::memory_exhausted, "TLS stream");
  impl->options = &context.impl_->options;
  impl->server = context.impl_->server;
  impl->server_name = server_name;
  impl->in.resize(kCiphertextBuffer_bytes);
  impl->pending.reserve(kPendingReserve_bytes);
  WOLFSSL* const ssl = impl->ssl.get();
  wolfSSL_SetIOReadCtx(ssl, impl.get());
  wolfSSL_SetIOWriteCtx(ssl, impl.get());
  wolfSSL_SetCertCbCtx(ssl, impl.get());
  char alpn[] = "http/1.1";
  const auto mismatch = static_cast<unsigned char>(WOLFSSL_ALPN_CONTINUE_ON_MISMATCH);
  if (auto ok = configuration(wolfSSL_UseALPN(ssl, alpn, sizeof kAlpn - 1, mismatch), "ALPN");
      !ok) {
    return tl::unexpected<Error>(ok.error());
  }
  const bool is_name = !server_name.empty() && !Address::from_literal(server_name, 0);
  if (is_name) {
    const int set = wolfSSL_UseSNI(ssl, WOLFSSL_SNI_HOST_NAME, server_name.data(),
                                   static_cast<unsigned short>(server_name.size()));
    if (auto ok = configuration(set, "server name"); !ok) return tl::unexpected<Error>(ok.error());
  }
  return TlsStream(std::move(impl));
}

Result<TlsStream> TlsStream::client(const TlsContext& context, std::string_view server_name) {
  ZW_ASSERT(!context.impl_->server && !server_name.empty());
  return make(context, server_name);
}

Result<TlsStream> TlsStream::server(const TlsContext& context) {
  ZW_ASSERT(context.impl_->server);
  return make(context, {});
}

// --- Stream: ciphertext.

MutableBytes TlsStream::ciphertext_space() noexcept {
  Impl& impl = *impl_;
  if (impl.in_begin == impl.in_end) impl.in_begin = impl.in_end = 0;
  const std::size_t record_room = kRecordHeader_bytes + kRecordCiphertext_bytes_max;
  if (impl.in.size() - impl.in_begin < record_room || impl.in_end == impl.in.size()) {
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

// The size of the record in front if it is whole, else 0. One that is longer than any may be counts
// as whole, for the library to refuse.
std::size_t TlsStream::Impl::front_record_bytes() const noexcept {
  const std::size_t available = in_end - in_begin;
  if (available < kRecordHeader_bytes) return 0;
  const std::size_t bytes =
      kRecordHeader_bytes + load_big_endian<std::uint16_t>(in.data() + in_begin + 3);
  if (bytes > kRecordHeader_bytes + kRecordCiphertext_bytes_max) return available;
  return available >= bytes ? bytes : 0;
}

bool TlsStream::has_complete_record() const noexcept {
  return impl_->plaintext_left || impl_->record_left != 0 || impl_->front_record_bytes() != 0;
}

// The library asks for the header, then for the rest: it gets no byte of a record that is not
// whole.
int TlsStream::Impl::receive(std::byte* to, std::size_t bytes) noexcept {
  if (record_left == 0) record_left = front_record_bytes();
  if (record_left == 0) return WOLFSSL_CBIO_ERR_WANT_READ;
  const std::size_t part = std::min(bytes, record_left);
  std::memcpy(to, in.data() + in_begin, part);
  in_begin += part;
  record_left -= part;
  return static_cast<int>(part);
}

int TlsStream::Impl::send(const std::byte* from, std::size_t bytes) noexcept {
  if (out_target.data() == nullptr) {
    pending.insert(pending.end(), from, from + bytes);
    return static_cast<int>(bytes);
  }
  ZW_ASSERT(bytes <= out_target.size() - out_written);
  std::memcpy(out_target.data() + out_written, from, bytes);
  out_written += bytes;
  return static_cast<int>(bytes);
}

// Called for each certificate of the chain, from its root to the server's own (depth 0).
int TlsStream::Impl::verify(int chain_ok, WOLFSSL_X509_STORE_CTX& store) noexcept {
  if (chain_ok == 0) {
    if (!verify_error)
      verify_error =
          Error(chain_error_code(store.error), server_name + ": " + library_text(store.error));
    return 0;
  }
  if (store.error_depth != 0 || server || store.certs == nullptr) return 1;
  const Bytes leaf(reinterpret_cast<const std::byte*>(store.certs[0].buffer),
                   store.certs[0].length);
  auto checked = detail::check_certificate_name(leaf, server_name);
  if (checked && !options->pins.empty())
    checked = detail::check_certificate_pin(leaf, options->pins);
  if (!checked) verify_error = checked.error();
  return checked ? 1 : 0;
}

namespace {

template <typename Stream>
Stream& stream_of(void* context) noexcept {
  return *static_cast<Stream*>(context);
}

}  // namespace

// --- Stream: work.

Error TlsStream::Impl::alert_error() const {
  WOLFSSL_ALERT_HISTORY history{};
  wolfSSL_get_alert_history(ssl.get(), &history);
  const int code = history.last_rx.code;
  constexpr int kCertificateRequired = 116;
  const bool about_ours =
      !server && (code == kCertificateRequired || (code >= 42 && code <= 48 && done));
  return {about_ours ? Errc::tls_client_certificate_refused : Errc::tls_alert,
          (server_name.empty() ? "the client" : server_name) + " sent the alert " +
              std::string(alert_name(code))};
}

Error TlsStream::Impl::error_of(int error) const {
  if (verify_error) return verify_error;
  if (error == FATAL_ERROR || error == WOLFSSL_ERROR_SYSCALL) return alert_error();
  if (error == NO_PEER_CERT) return {Errc::tls_certificate_invalid, "the peer sent no certificate"};
  return {done ? Errc::tls_record_invalid : Errc::tls_handshake_failed, library_text(error)};
}

Result<bool> TlsStream::handshake() noexcept {
  Impl& impl = *impl_;
  while (!impl.done && (!impl.started || has_complete_record())) {
    impl.started = true;
    const int result =
        impl.server ? wolfSSL_accept(impl.ssl.get()) : wolfSSL_connect(impl.ssl.get());
    if (result == WOLFSSL_SUCCESS) {
      impl.done = true;
      break;
    }
    const int error = wolfSSL_get_error(impl.ssl.get(), result);
    if (error != WOLFSSL_ERROR_WANT_READ) return tl::unexpected<Error>(impl.error_of(error));
  }
  return impl.done;
}

Result<std::size_t> TlsStream::read(MutableBytes plaintext) noexcept {
  ZW_ASSERT(!plaintext.empty());
  Impl& impl = *impl_;
  while (has_complete_record()) {
    const int room = static_cast<int>(std::min<std::size_t>(plaintext.size(), kRecord_bytes_max));
    const int result = wolfSSL_read(impl.ssl.get(), plaintext.data(), room);
    if (result > 0) [[likely]] {
      impl.plaintext_left = result == room && wolfSSL_pending(impl.ssl.get()) > 0;
      return static_cast<std::size_t>(result);
    }
    impl.plaintext_left = false;
    const int error = wolfSSL_get_error(impl.ssl.get(), result);
    if (error == WOLFSSL_ERROR_ZERO_RETURN) return fail(Errc::tls_closed);
    if (error != WOLFSSL_ERROR_WANT_READ) return tl::unexpected<Error>(impl.error_of(error));
  }
  return 0;
}

Result<std::size_t> TlsStream::write(Bytes plaintext, MutableBytes ciphertext) noexcept {
  Impl& impl = *impl_;
  ZW_ASSERT(impl.done && ciphertext.size() >= ciphertext_bound_bytes(plaintext.size()));
  impl.out_target = ciphertext;
  impl.out_written = 0;
  std::size_t written = 0;
  int result = 1;
  while (written < plaintext.size() && result > 0) {
    const int part =
        static_cast<int>(std::min<std::size_t>(plaintext.size() - written, kRecord_bytes_max));
    result = wolfSSL_write(impl.ssl.get(), plaintext.data() + written, part);
    if (result > 0) written += static_cast<std::size_t>(result);
  }
  impl.out_target = {};
  if (written == plaintext.size()) [[likely]]
    return impl.out_written;
  return tl::unexpected<Error>(impl.error_of(wolfSSL_get_error(impl.ssl.get(), result)));
}

// The library answers with "shut down in one direction only", which is what was wanted.
void TlsStream::close_notify() noexcept {
  wolfSSL_shutdown(impl_->ssl.get());
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
  info.resumed = wolfSSL_session_reused(ssl) == 1;
  if (WOLFSSL_X509* peer = wolfSSL_get_peer_certificate(ssl); peer != nullptr) {
    if (const char* name = wolfSSL_X509_get_subjectCN(peer); name != nullptr) info.subject = name;
    wolfSSL_FreeX509(peer);
  }
  return info;
}

namespace {

int receive_callback(WOLFSSL*, char* to, int bytes, void* stream) {
  return stream_of<TlsStream::Impl>(stream).receive(reinterpret_cast<std::byte*>(to),
                                                    static_cast<std::size_t>(bytes));
}

int send_callback(WOLFSSL*, char* from, int bytes, void* stream) {
  return stream_of<TlsStream::Impl>(stream).send(reinterpret_cast<const std::byte*>(from),
                                                 static_cast<std::size_t>(bytes));
}

int verify_callback(int chain_ok, WOLFSSL_X509_STORE_CTX* store) {
  return stream_of<TlsStream::Impl>(store->userCtx).verify(chain_ok, *store);
}

}  // namespace

// --- Report.

CryptoReport crypto_report() {
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
  report.fast = report.aes_ni && report.vector_code && report.static_buffers;
  report.text =
      "wolfSSL " + report.version + (report.aes_ni ? " with AES-NI" : " WITHOUT AES-NI") +
      (report.static_buffers ? ", no allocation per record" : ", ALLOCATES on every record");
  return report;
}

}  // namespace zenwire
