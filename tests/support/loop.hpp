#pragma once

// A reactor driven by the test's own thread, and scripted peers on plain threads. Nothing sleeps: a
// test runs the reactor until what it waits for has happened; a watchdog turns a hang into a
// failure.

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <zenwire/codec/upgrade.hpp>
#include <zenwire/engine/reactor.hpp>

namespace zenwire::test {

inline constexpr std::chrono::seconds kWatchdog{60};

// A test of the whole runs these programs again with this variable set, and replays what they leave
// there: whatever a reactor is tested for, it is done again from its journal.
inline std::string next_journal() {
  static std::atomic<int> count{0};
  const char* const directory = std::getenv("ZENWIRE_TEST_JOURNALS");
  if (directory == nullptr) return {};
  return std::string(directory) + "/" + std::to_string(count++) + ".journal";
}

inline std::unique_ptr<Reactor> make_reactor(ReactorOptions options = {}) {
  options.idle = Idle::block;
  options.prefault = false;
  if (options.journal.empty()) options.journal = next_journal();
  if (!options.log)
    options.log = Callback<std::string_view>([](void*, std::string_view) noexcept {});
  auto reactor = Reactor::create(options);
  if (!reactor) {
    ADD_FAILURE() << name(reactor.error().code()) << ": " << reactor.error().detail();
    std::abort();
  }
  return std::move(*reactor);
}

// Runs the reactor until `done`; false if the watchdog ended it.
template <typename Done>
[[nodiscard]] bool run_until(Reactor& reactor, Done&& done) {
  const auto deadline = std::chrono::steady_clock::now() + kWatchdog;
  Timer wake(Callback<Timer&>([](void*, Timer&) noexcept {}));
  bool alive = true;
  while (!done() && alive && std::chrono::steady_clock::now() < deadline) {
    reactor.arm(
        wake, reactor.now_ns() + 20'000'000);  // the watchdog and other threads' news are looked at
    alive = reactor.poll(true);
  }
  reactor.cancel(wake);
  return done();
}

// A TCP server on loopback whose script runs on a thread for each client; the descriptor is closed
// after it.
class ScriptedServer {
 public:
  using Script = std::function<void(int client)>;

  explicit ScriptedServer(Script script) : script_(std::move(script)) {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t bytes = sizeof address;
    EXPECT_EQ(::bind(listener_, reinterpret_cast<sockaddr*>(&address), bytes), 0);
    EXPECT_EQ(::listen(listener_, 64), 0);
    EXPECT_EQ(::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &bytes), 0);
    port_ = ntohs(address.sin_port);
    acceptor_ = std::thread([this] { accept_all(); });
  }
  ~ScriptedServer() {
    ::shutdown(listener_, SHUT_RDWR);
    acceptor_.join();
    for (auto& client : clients_) client.join();
    ::close(listener_);
  }
  ScriptedServer(const ScriptedServer&) = delete;
  ScriptedServer& operator=(const ScriptedServer&) = delete;

  [[nodiscard]] std::uint16_t port() const { return port_; }
  [[nodiscard]] std::string url(const std::string& path = "/") const {
    return "ws://127.0.0.1:" + std::to_string(port_) + path;
  }

 private:
  void accept_all() {
    for (;;) {
      const int client = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (client < 0) return;
      clients_.emplace_back([this, client] {
        script_(client);
        ::close(client);
      });
    }
  }

  Script script_;
  int listener_ = -1;
  std::uint16_t port_ = 0;
  std::thread acceptor_;
  std::vector<std::thread> clients_;
};

// Blocking helpers for scripts.
inline void write_all(int socket, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
}

// Reads up to and including `end`, or to the end of the stream.
inline std::string read_until(int socket, std::string_view end) {
  std::string text;
  char byte = 0;
  while (text.size() < end.size() ||
         std::string_view(text).substr(text.size() - end.size()) != end) {
    if (::recv(socket, &byte, 1, 0) != 1) break;
    text.push_back(byte);
  }
  return text;
}

inline std::string read_rest(int socket) {
  std::string text;
  char buffer[4096];
  for (ssize_t count = 0; (count = ::recv(socket, buffer, sizeof buffer, 0)) > 0;) {
    text.append(buffer, static_cast<std::size_t>(count));
  }
  return text;
}

// The value of a header in a request.
inline std::string header_of(const std::string& request, const std::string& name) {
  const auto at = request.find("\r\n" + name + ": ");
  if (at == std::string::npos) return {};
  const auto begin = at + name.size() + 4;
  return request.substr(begin, request.find("\r\n", begin) - begin);
}

// What every 101 begins with, and the line that proves that the request was read.
inline const std::string kSwitching =
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n";
inline std::string accept_line(const std::string& request) {
  return "Sec-WebSocket-Accept: " +
         std::string(as_text(accept_key(header_of(request, "Sec-WebSocket-Key")))) + "\r\n";
}
// The 101 that a request asks for; `extra`: more header lines, each with its end.
inline std::string upgrade_answer(const std::string& request, const std::string& extra = {}) {
  return kSwitching + accept_line(request) + extra + "\r\n";
}

}  // namespace zenwire::test
