#pragma once

// The client's side of the soak: one connection after another, each checked to its end.

#include <array>
#include <cstdint>
#include <string>

#include <zenwire/engine/reactor.hpp>
#include <zenwire/testing/random.hpp>

#include "behaviour.hpp"
#include "venue.hpp"

namespace zenwire::soak {

struct Totals {
  std::array<std::uint64_t, kEndings> endings{};
  std::uint64_t connections = 0;
  std::uint64_t messages_sent = 0;
  std::uint64_t messages_received = 0;
  std::uint64_t bytes_received = 0;
  std::uint64_t failures = 0;
  std::string first_failure{};
};

// Thread: the reactor's. Lifetime: outlives the reactor.
class Link {
 public:
  Link(std::uint64_t number, std::uint64_t seed, const Venue& plain, const Venue& secure,
       Totals& totals);
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;

  // Nothing is connected or connecting.
  [[nodiscard]] bool idle() const noexcept { return !busy_; }
  void connect(Reactor& reactor);

 private:
  void on_open(Connection& connection) noexcept;
  void on_message(Connection& connection, const Message& message) noexcept;
  void on_closed(Connection& connection, const Closed& closed) noexcept;
  void on_failed(Connection& connection, const OpenFailure& failure) noexcept;
  void on_patience_over(Timer&) noexcept;
  void send_more(Connection& connection);
  void make_payload(std::uint64_t number, std::string& to) const;
  [[nodiscard]] Opcode opcode_of(std::uint64_t number) const;
  void check_end(const Closed& closed);
  void fail(const std::string& what);
  void finish();

  std::uint64_t number_;
  testing::Random random_;
  const Venue& plain_;
  const Venue& secure_;
  Totals& totals_;
  Reactor* reactor_ = nullptr;
  Timer patience_;
  ConnectionId id_{};
  bool busy_ = false;
  Behaviour behaviour_;
  std::uint64_t payload_seed_ = 0;
  std::uint64_t window_ = 1;
  std::uint64_t sent_ = 0;
  std::uint64_t received_ = 0;
  std::string payload_;
};

}  // namespace zenwire::soak
