#include "raw_socket.hpp"

#include <cerrno>
#include <cstring>

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <zenwire/codec/frame_writer.hpp>

namespace zenwire::bench {
namespace {

// Any key does for the floor: the server unmasks with what it is told.
constexpr MaskingKey kKey = 0x9e3779b9;

[[noreturn]] void die_of_openssl(const char* what) {
  char text[256] = "";
  ERR_error_string_n(ERR_get_error(), text, sizeof text);
  die(std::string(what) + ": " + text);
}

}  // namespace

std::string client_frame(std::string_view text) {
  std::string frame(frame_bytes(Role::client, text.size()), '\0');
  write_frame(reinterpret_cast<std::byte*>(frame.data()), Role::client, Opcode::text,
              as_bytes(text), kKey);
  return frame;
}

SSL_CTX* make_openssl_context(const ClientOptions& options) {
  if (!options.tls) return nullptr;
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

RawSocket::RawSocket(const ClientOptions& options, SSL_CTX* context) : options_(options) {
  if (context == nullptr) return;
  ssl_ = SSL_new(context);
  if (ssl_ == nullptr) die_of_openssl("TLS");
}

RawSocket::~RawSocket() {
  SSL_free(ssl_);
  if (socket_ >= 0) ::close(socket_);
}

void RawSocket::wait(short events) const {
  pollfd entry{socket_, events, 0};
  ::poll(&entry, 1, -1);
}

void RawSocket::wait_readable() const {
  wait(POLLIN);
}

void RawSocket::open() {
  open_transport();
  upgrade();
}

void RawSocket::open_transport() {
  connect();
  if (ssl_ != nullptr) {
    SSL_set_fd(ssl_, socket_);
    for (int result = 0; (result = SSL_connect(ssl_)) != 1;) {
      const int why = SSL_get_error(ssl_, result);
      if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE) die_of_openssl("handshake");
      wait(why == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT);
    }
  }
}

void RawSocket::connect() {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const std::string port = std::to_string(options_.port);
  if (const int why = ::getaddrinfo(options_.host.c_str(), port.c_str(), &hints, &found)) {
    die(::gai_strerror(why));
  }
  socket_ = ::socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  ::setsockopt(socket_, IPPROTO_TCP, TCP_CONGESTION, "reno", 4);
  const int on = 1;
  ::setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  const int result = ::connect(socket_, found->ai_addr, found->ai_addrlen);
  if (result != 0) die(std::string("connect: ") + std::strerror(errno));
  ::freeaddrinfo(found);
  // Only what is asked for without waiting does not wait.
  if (ssl_ != nullptr) {
    const int flags = 1;
    ::ioctl(socket_, FIONBIO, &flags);
  }
}

void RawSocket::upgrade() {
  send("GET " + options_.path() + " HTTP/1.1\r\nHost: " + options_.host +
       "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
       "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
  std::string head;
  while (!head.ends_with("\r\n\r\n")) {
    char byte = 0;
    if (receive(&byte, 1) == 1) head.push_back(byte);
  }
  if (!head.starts_with("HTTP/1.1 101")) die("the server refused: " + head.substr(0, 60));
}

std::size_t RawSocket::receive(char* to, std::size_t bytes) {
  if (ssl_ == nullptr) {
    const ssize_t got = ::recv(socket_, to, bytes, MSG_DONTWAIT);
    if (got > 0) return static_cast<std::size_t>(got);
    if (got == 0 || errno != EAGAIN) die("the server ended the connection");
    return 0;
  }
  return receive_tls(to, bytes);
}

// A call gives one record; the others that OpenSSL has read ahead are taken too, because the kernel
// has no more news of them.
std::size_t RawSocket::receive_tls(char* to, std::size_t bytes) {
  std::size_t total = 0;
  do {
    std::size_t got = 0;
    if (SSL_read_ex(ssl_, to + total, bytes - total, &got) != 1) {
      const bool ended = SSL_get_error(ssl_, 0) != SSL_ERROR_WANT_READ;
      if (ended && total == 0) die("the server ended the connection");
      return total;
    }
    total += got;
  } while (total < bytes && SSL_has_pending(ssl_) == 1);
  return total;
}

void RawSocket::send(std::string_view bytes) {
  while (!bytes.empty()) {
    std::size_t sent = 0;
    if (ssl_ != nullptr) {
      if (SSL_write_ex(ssl_, bytes.data(), bytes.size(), &sent) != 1) wait(POLLOUT);
    } else {
      const ssize_t taken =
          ::send(socket_, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
      if (taken < 0 && errno != EAGAIN) die(std::string("send: ") + std::strerror(errno));
      if (taken < 0) wait(POLLOUT);
      sent = taken < 0 ? 0 : static_cast<std::size_t>(taken);
    }
    bytes.remove_prefix(sent);
  }
}

}  // namespace zenwire::bench
