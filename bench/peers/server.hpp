#pragma once

// Server: what benchmark clients talk to: one thread that speaks the paths /echo, /sink, /oneway
// and /order, plain or over TLS.

#include <csignal>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>

#include <zenwire/engine/tls.hpp>

#include "served_connection.hpp"

namespace zenwire::bench {

struct ServerOptions {
  std::uint16_t port = 0;
  int cpu = -1;
  bool spin = true;
  bool tls = false;
  std::string ca_out{};    // a file for the authority that was made for the run
  bool gives_way = false;  // lets another thread on its core run after every turn
  OrderLatencies* orders = nullptr;
};

// Thread: one. Every error ends the program.
class Server {
 public:
  // Listens on 127.0.0.1.
  explicit Server(const ServerOptions& options);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  [[nodiscard]] std::uint16_t port() const noexcept { return port_; }
  void run(const volatile std::sig_atomic_t& interrupted);

 private:
  void make_tls();
  void listen();
  void watch(int socket, int operation, std::uint32_t events) const;
  void turn();
  void wait_and_serve(bool direct);
  void serve_all();
  void accept();
  void serve(int socket);

  ServerOptions options_;
  std::optional<TlsContext> tls_;
  int listener_ = -1;
  int epoll_ = -1;
  std::uint16_t port_ = 0;
  std::uint64_t turns_ = 0;
  int timed_ = 0;  // connections with a oneway or an order stream under way
  std::unordered_map<int, std::unique_ptr<ServedConnection>> connections_;
};

}  // namespace zenwire::bench
