#pragma once

// SocketEnd: the wire to an end in another process, over loopback. A watchdog turns a hang into
// silence.

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "wire.hpp"

namespace zenwire::test {

// Owns the descriptor.
class SocketEnd final : public Wire {
 public:
  explicit SocketEnd(int socket) : socket_(socket), room_(std::size_t{256} << 10, '\0') {
    constexpr timeval kWatchdog{.tv_sec = 60, .tv_usec = 0};
    constexpr int kOn = 1;
    ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &kWatchdog, sizeof kWatchdog);
    ::setsockopt(socket_, SOL_SOCKET, SO_SNDTIMEO, &kWatchdog, sizeof kWatchdog);
    ::setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &kOn, sizeof kOn);
  }
  ~SocketEnd() override { ::close(socket_); }
  SocketEnd(const SocketEnd&) = delete;
  SocketEnd& operator=(const SocketEnd&) = delete;

  // Connected to loopback; a descriptor that is not is silent.
  static int connect(std::uint16_t port) {
    const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(socket, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
      ADD_FAILURE() << "connect: " << std::strerror(errno);
    return socket;
  }

  void send(std::string_view bytes) override {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
  }

  // A reset is no end of a stream: it is told as silence.
  std::optional<std::string> receive() override {
    const ssize_t taken = ::recv(socket_, room_.data(), room_.size(), 0);
    if (taken < 0) return std::nullopt;
    return room_.substr(0, static_cast<std::size_t>(taken));
  }

  bool is_quiet() override {
    char byte = 0;
    return ::recv(socket_, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0;
  }

  void end() override { ::shutdown(socket_, SHUT_WR); }

 private:
  int socket_;
  std::string room_;
};

}  // namespace zenwire::test
