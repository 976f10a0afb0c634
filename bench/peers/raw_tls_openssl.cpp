#include <string>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>

#include "raw_tls.hpp"

namespace zenwire::bench::raw_tls {
namespace {

[[noreturn]] void die_of_openssl(const char* what) {
  char text[256] = "";
  ERR_error_string_n(ERR_get_error(), text, sizeof text);
  die(std::string(what) + ": " + text);
}

}  // namespace

bool is_there() noexcept {
  return true;
}

SSL_CTX* make_context(const ClientOptions& options) {
  SSL_CTX* const context = SSL_CTX_new(TLS_client_method());
  if (context == nullptr) die_of_openssl("TLS");
  SSL_CTX_set_ciphersuites(context, "TLS_AES_128_GCM_SHA256");
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_read_ahead(context, 1);
  constexpr std::size_t kReadAhead_bytes = std::size_t{64} << 10;
  SSL_CTX_set_default_read_buffer_len(context, kReadAhead_bytes);
  if (options.ca_file.empty()) return context;
  if (SSL_CTX_load_verify_locations(context, options.ca_file.c_str(), nullptr) != 1) {
    die_of_openssl("the authority");
  }
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  return context;
}

SSL* make(SSL_CTX* context) {
  SSL* const ssl = SSL_new(context);
  if (ssl == nullptr) die_of_openssl("TLS");
  return ssl;
}

void free(SSL* ssl) noexcept {
  SSL_free(ssl);
}

short handshake(SSL* ssl, int socket) {
  if (SSL_get_fd(ssl) != socket) SSL_set_fd(ssl, socket);
  const int result = SSL_connect(ssl);
  if (result == 1) return 0;
  const int why = SSL_get_error(ssl, result);
  if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE) die_of_openssl("handshake");
  return why == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT;
}

// A call gives one record; the others that OpenSSL has read ahead are taken too, because the kernel
// has no more news of them.
std::size_t receive(SSL* ssl, char* to, std::size_t bytes) {
  std::size_t total = 0;
  do {
    std::size_t got = 0;
    if (SSL_read_ex(ssl, to + total, bytes - total, &got) != 1) {
      const bool ended = SSL_get_error(ssl, 0) != SSL_ERROR_WANT_READ;
      if (ended && total == 0) die("the server ended the connection");
      return total;
    }
    total += got;
  } while (total < bytes && SSL_has_pending(ssl) == 1);
  return total;
}

std::size_t send(SSL* ssl, std::string_view bytes) {
  std::size_t sent = 0;
  return SSL_write_ex(ssl, bytes.data(), bytes.size(), &sent) == 1 ? sent : 0;
}

}  // namespace zenwire::bench::raw_tls
