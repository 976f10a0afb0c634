#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <string_view>
#include <utility>

#include <zenwire/base/want_of_memory.hpp>

#include "tls_context.hpp"

namespace zenwire {
namespace {

// AES-128-GCM first: with AES-NI it is the fastest, and as strong as the rest. Only suites with
// forward secrecy and authenticated encryption.
constexpr char kCiphers[] =
    "TLS13-AES128-GCM-SHA256:TLS13-AES256-GCM-SHA384:TLS13-CHACHA20-POLY1305-SHA256:"
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
    "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";
constexpr char kSystemBundle[] = "/etc/ssl/certs/ca-certificates.crt";
// Debian's bundle has 220 KB; more than this is not a certificate file.
constexpr std::size_t kFile_bytes_max = std::size_t{16} << 20;

// PEM text from an option or its file, wiped when it dies: it may be a key.
class Pem {
 public:
  Pem() = default;
  explicit Pem(std::string text) noexcept : text_(std::move(text)) {}
  Pem(Pem&&) noexcept = default;
  Pem& operator=(Pem&&) = delete;
  ~Pem() { ::explicit_bzero(text_.data(), text_.size()); }

  [[nodiscard]] bool empty() const noexcept { return text_.empty(); }
  [[nodiscard]] const byte* data() const noexcept {
    return reinterpret_cast<const byte*>(text_.data());
  }
  [[nodiscard]] long size() const noexcept { return static_cast<long>(text_.size()); }

 private:
  std::string text_;
};

tl::unexpected<Error> unreadable(std::string_view option, const std::string& path, int os_error) {
  return fail(Errc::file_unreadable,
              std::string(option) + ": " + path + ": " + std::strerror(os_error), os_error);
}

Result<Pem> read_file(std::string_view option, const std::string& path) {
  std::FILE* const file = std::fopen(path.c_str(), "re");
  if (file == nullptr) return unreadable(option, path, errno);
  std::setvbuf(file, nullptr, _IONBF, 0);  // no copy of a key stays in a buffer
  std::string text;
  std::error_code ignored;
  const auto size = std::filesystem::file_size(path, ignored);
  text.resize(ignored || size > kFile_bytes_max ? kFile_bytes_max : size + 1);
  const std::size_t bytes = std::fread(text.data(), 1, text.size(), file);
  const int os_error = std::ferror(file) != 0 ? errno : 0;
  std::fclose(file);
  if (os_error != 0) return unreadable(option, path, os_error);
  text.resize(bytes);
  return Pem(std::move(text));
}

Result<Pem> text_or_file(std::string_view text, std::string_view option, const std::string& path) {
  if (!path.empty()) return read_file(option, path);
  return Pem(std::string(text));
}

// The name of the option to blame: that of the file if it was given.
std::string blame(const char* stem, const std::string& path) {
  return path.empty() ? std::string(stem) + "_pem" : std::string(stem) + "_file: " + path;
}

bool chooses_trust(const TlsOptions& options) noexcept {
  return !options.ca_file.empty() || !options.ca_directory.empty() || !options.ca_pem.empty();
}

// An incomplete store of the system is no error here: a chain that needs what is missing fails
// later, and says so.
void trust_system(WOLFSSL_CTX* context) noexcept {
  const int loaded = wolfSSL_CTX_load_verify_locations_ex(context, kSystemBundle, nullptr,
                                                          WOLFSSL_LOAD_FLAG_IGNORE_ERR);
  if (loaded != WOLFSSL_SUCCESS) wolfSSL_CTX_load_system_CA_certs(context);
}

Result<void> trust_pem(WOLFSSL_CTX* context, const Pem& pem, const std::string& option) {
  const int loaded =
      wolfSSL_CTX_load_verify_buffer(context, pem.data(), pem.size(), WOLFSSL_FILETYPE_PEM);
  return detail::configured(loaded, option + " holds no usable certificate");
}

Result<void> trust_directory(WOLFSSL_CTX* context, const std::string& path) {
  std::error_code error;
  if (!std::filesystem::is_directory(path, error))
    return unreadable("ca_directory", path, error ? error.value() : ENOTDIR);
  const int loaded = wolfSSL_CTX_load_verify_locations_ex(context, nullptr, path.c_str(),
                                                          WOLFSSL_LOAD_FLAG_IGNORE_ERR);
  return detail::configured(loaded, "ca_directory: " + path + " holds no usable certificate");
}

Result<void> load_trust(WOLFSSL_CTX* context, const TlsOptions& options) {
  if (!options.ca_file.empty()) {
    const auto pem = read_file("ca_file", options.ca_file);
    if (!pem) return tl::unexpected<Error>(pem.error());
    if (auto ok = trust_pem(context, *pem, "ca_file: " + options.ca_file); !ok) return ok;
  }
  if (!options.ca_pem.empty()) {
    if (auto ok = trust_pem(context, Pem(options.ca_pem), "ca_pem"); !ok) return ok;
  }
  if (options.ca_directory.empty()) return {};
  return trust_directory(context, options.ca_directory);
}

// The own certificate with its chain, and its key.
Result<void> load_identity(WOLFSSL_CTX* context, const TlsOptions& options) {
  const auto chain =
      text_or_file(options.certificate_pem, "certificate_file", options.certificate_file);
  if (!chain) return tl::unexpected<Error>(chain.error());
  const auto key = text_or_file(options.key_pem, "key_file", options.key_file);
  if (!key) return tl::unexpected<Error>(key.error());
  if (chain->empty() && key->empty()) return {};
  if (chain->empty()) return fail(Errc::tls_configuration, "a key without its certificate");
  if (key->empty()) return fail(Errc::tls_configuration, "a certificate without its key");
  if (auto ok = detail::configured(
          wolfSSL_CTX_use_certificate_chain_buffer(context, chain->data(), chain->size()),
          blame("certificate", options.certificate_file) + " holds no usable certificate");
      !ok)
    return ok;
  if (auto ok =
          detail::configured(wolfSSL_CTX_use_PrivateKey_buffer(context, key->data(), key->size(),
                                                               WOLFSSL_FILETYPE_PEM),
                             blame("key", options.key_file) + " holds no usable, unencrypted key");
      !ok)
    return ok;
  if (wolfSSL_CTX_check_private_key(context) == WOLFSSL_SUCCESS) return {};
  return fail(Errc::tls_configuration, blame("key", options.key_file) +
                                           " is not the key of the certificate in " +
                                           blame("certificate", options.certificate_file));
}

WOLFSSL_METHOD* method_for(const TlsOptions& options, bool server) noexcept {
  if (options.version_min == TlsVersion::tls1_3)
    return server ? wolfTLSv1_3_server_method() : wolfTLSv1_3_client_method();
  if (options.version_max == TlsVersion::tls1_2)
    return server ? wolfTLSv1_2_server_method() : wolfTLSv1_2_client_method();
  return server ? wolfTLS_server_method() : wolfTLS_client_method();
}

// The callback also sees a certificate that nobody verifies, for its pins.
void set_verification(WOLFSSL_CTX* context, const TlsOptions& options, bool server) noexcept {
  int mode = WOLFSSL_VERIFY_NONE;
  if (!server && options.verify) mode = WOLFSSL_VERIFY_PEER;
  if (server && chooses_trust(options)) {
    mode = WOLFSSL_VERIFY_PEER | WOLFSSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    wolfSSL_CTX_mutual_auth(context, 1);  // TLS 1.2 would else end without an alert
  }
  wolfSSL_CTX_set_verify(context, mode, detail::tls_verify);
}

Result<void> check_options(const TlsOptions& options, bool server) {
  if (options.version_min > options.version_max)
    return fail(Errc::contradictory_options, "version_min is above version_max");
  if (!options.certificate_file.empty() && !options.certificate_pem.empty())
    return fail(Errc::contradictory_options, "certificate_file and certificate_pem are both given");
  if (!options.key_file.empty() && !options.key_pem.empty())
    return fail(Errc::contradictory_options, "key_file and key_pem are both given");
  if (server && options.certificate_file.empty() && options.certificate_pem.empty())
    return fail(Errc::tls_configuration, "a server needs a certificate and its key");
  return {};
}

}  // namespace

TlsContext::TlsContext(std::unique_ptr<Impl> impl) noexcept : impl_(std::move(impl)) {}
TlsContext::TlsContext(TlsContext&&) noexcept = default;
TlsContext& TlsContext::operator=(TlsContext&&) noexcept = default;
TlsContext::~TlsContext() = default;

Result<TlsContext> TlsContext::make(const TlsOptions& options, bool server) {
  return or_memory_exhausted([&]() -> Result<TlsContext> {
    if (auto ok = check_options(options, server); !ok) return tl::unexpected<Error>(ok.error());
    detail::wolfssl_start();
    auto impl = std::make_unique<Impl>();
    impl->server = server;
    impl->verify = options.verify || server;
    impl->pins = options.pins;
    impl->context.reset(wolfSSL_CTX_new(method_for(options, server)));
    WOLFSSL_CTX* const context = impl->context.get();
    if (context == nullptr) return fail(Errc::memory_exhausted, "TLS context");
    wolfSSL_CTX_SetIORecv(context, detail::tls_receive);
    wolfSSL_CTX_SetIOSend(context, detail::tls_send);
    // A cache of the process would tie reactors together, and take a lock and memory.
    wolfSSL_CTX_set_session_cache_mode(context, WOLFSSL_SESS_CACHE_OFF);
    const int ciphers = wolfSSL_CTX_set_cipher_list(context, kCiphers);
    if (auto ok = detail::configured(ciphers, "ciphers"); !ok)
      return tl::unexpected<Error>(ok.error());
    if (!server && options.verify && !chooses_trust(options)) trust_system(context);
    if (auto ok = load_trust(context, options); !ok) return tl::unexpected<Error>(ok.error());
    if (auto ok = load_identity(context, options); !ok) return tl::unexpected<Error>(ok.error());
    set_verification(context, options, server);
    return TlsContext(std::move(impl));
  });
}

Result<TlsContext> TlsContext::client(const TlsOptions& options) {
  return make(options, false);
}

Result<TlsContext> TlsContext::server(const TlsOptions& options) {
  return make(options, true);
}

}  // namespace zenwire
