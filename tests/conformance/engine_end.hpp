#pragma once

// EngineEnd: an echoing end made of the engine's own Opening and Connection, in memory: what the
// reactor runs on sockets, without it.

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <zenwire/engine/connection.hpp>

#include "connection_services.hpp"
#include "established.hpp"
#include "wire.hpp"

namespace zenwire::test {

struct EngineEndOptions {
  Role role = Role::server;
  bool deflate = false;
  Limits limits{};
  std::size_t receive_bytes = std::size_t{64} << 10;  // of the connection's own buffer
};

// The memory of all ends of a test program: made once, as a reactor does.
class EngineMemory {
 public:
  EngineMemory();
  detail::ConnectionServices& services() { return services_; }

 private:
  std::unique_ptr<BufferPool> large_;
  std::string scratch_;
  MaskingKeys keys_;
  detail::ConnectionServices services_;
};

class EngineEnd final : public Wire {
 public:
  EngineEnd(EngineMemory& memory, const EngineEndOptions& options);
  ~EngineEnd() override;

  void send(std::string_view bytes) override;
  std::optional<std::string> receive() override;
  bool is_quiet() override { return out_.empty() && !ended_; }
  void end() override;

  // How the connection ended; nothing while it has not.
  [[nodiscard]] const std::optional<Error>& closed() const { return closed_; }
  [[nodiscard]] const Opened& opened() const { return connection_->opened(); }

 private:
  void open(std::string_view bytes);
  void opened_now();
  void feed(std::string_view bytes);
  void flush(Connection& connection) noexcept;
  void attend(Connection&) noexcept {}
  void echo(Connection& connection, const Message& message) noexcept;
  void on_closed(Connection&, const Closed& closed) noexcept { closed_ = closed.error; }
  void look();

  EngineEndOptions options_;
  detail::ConnectionServices& services_;
  ConnectOptions connect_;
  ListenOptions listen_;
  std::unique_ptr<Opening> opening_;
  detail::Established established_;
  std::string receive_memory_;
  std::string send_memory_;
  std::optional<Connection> connection_;
  std::string out_;
  bool ended_ = false;  // our half of the stream
  std::optional<Error> closed_;
};

}  // namespace zenwire::test
