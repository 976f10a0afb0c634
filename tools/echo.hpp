#pragma once

// Echo: sends every data message back on its own connection, in either role. Nothing is lost to a
// peer that reads slowly: what cannot be sent is kept, and reading stops until it has gone.

#include <cstddef>
#include <deque>
#include <memory>
#include <unordered_map>
#include <vector>

#include <zenwire/engine/reactor.hpp>

namespace zenwire::tools {

// Thread: the reactor's. Outlives the connections that were added.
class Echo {
 public:
  explicit Echo(Reactor& reactor) noexcept : reactor_(reactor) {}
  ~Echo();
  Echo(const Echo&) = delete;
  Echo& operator=(const Echo&) = delete;

  // In on_open, or before the connection opens.
  void add(Connection& connection);
  [[nodiscard]] std::uint64_t echoed() const noexcept { return echoed_; }

 private:
  struct Kept {
    Opcode opcode;
    std::vector<std::byte> payload;
  };
  // What one connection owes its peer.
  struct Debt {
    Debt(Echo& echo, ConnectionId id)
        : owner(echo), connection(id), retry(Callback<Timer&>::to<&Debt::on_retry>(*this)) {}
    void on_retry(Timer&) noexcept { owner.pay(connection); }

    Echo& owner;
    ConnectionId connection;
    std::deque<Kept> kept;
    Timer retry;
  };

  void on_message(Connection& connection, const Message& message) noexcept;
  void on_high_water(Connection& connection) noexcept { connection.pause(); }
  void on_drained(Connection& connection) noexcept { pay(connection.id()); }
  void on_closed(Connection& connection, const Closed&) noexcept;
  void keep(Connection& connection, Opcode opcode, Bytes payload);
  void pay(ConnectionId id) noexcept;
  void forget(ConnectionId id) noexcept;

  Reactor& reactor_;
  std::uint64_t echoed_ = 0;
  std::unordered_map<std::uint64_t, std::unique_ptr<Debt>> debts_;
};

}  // namespace zenwire::tools
