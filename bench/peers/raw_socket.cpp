#include "raw_socket.hpp"

#include <cerrno>
#include <cstring>

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <zenwire/codec/frame_writer.hpp>

#include "raw_tls.hpp"

namespace zenwire::bench {
namespace {

// Any key does for the floor: the server unmasks with what it is told.
constexpr MaskingKey kKey = 0x9e3779b9;

}  // namespace

void write_client_frame(std::string_view text, std::string& frame) {
  frame.resize(frame_bytes(Role::client, text.size()));
  write_frame(reinterpret_cast<std::byte*>(frame.data()), Role::client, Opcode::text,
              as_bytes(text), kKey);
}

std::string client_frame(std::string_view text) {
  std::string frame;
  write_client_frame(text, frame);
  return frame;
}

ssl_ctx_st* make_openssl_context(const ClientOptions& options) {
  return options.tls ? raw_tls::make_context(options) : nullptr;
}

RawSocket::RawSocket(const ClientOptions& options, ssl_ctx_st* context)
    : options_(options), ssl_(context == nullptr ? nullptr : raw_tls::make(context)) {}

RawSocket::~RawSocket() {
  if (ssl_ != nullptr) raw_tls::free(ssl_);
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
  if (ssl_ == nullptr) return;
  while (const short events = raw_tls::handshake(ssl_, socket_)) wait(events);
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
  return raw_tls::receive(ssl_, to, bytes);
}

void RawSocket::send(std::string_view bytes) {
  while (!bytes.empty()) {
    std::size_t sent = 0;
    if (ssl_ != nullptr) {
      sent = raw_tls::send(ssl_, bytes);
      if (sent == 0) wait(POLLOUT);
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
