#pragma once

// The server's side of the soak: echoes, in the way and for as long as each client asked for.

#include <atomic>
#include <cstdint>
#include <map>
#include <string>

#include <zenwire/testing/mock_server.hpp>

#include "behaviour.hpp"

namespace zenwire::soak {

// Handlers run on the mock server's thread; broken() and server() are for any. It must stay where
// it is.
class Venue {
 public:
  explicit Venue(bool tls);
  Venue(const Venue&) = delete;
  Venue& operator=(const Venue&) = delete;

  [[nodiscard]] const testing::MockServer& server() const noexcept { return server_; }
  // Messages that came out of order, and clients that broke a rule.
  [[nodiscard]] std::uint64_t broken() const;

 private:
  struct Client {
    Behaviour behaviour;
    std::uint64_t received = 0;
  };

  std::optional<testing::ConnectionPlan> treat(const testing::CapturedRequest& request);
  testing::Script answer(const testing::CapturedMessage& message);
  static testing::Script ending(Ending how);

  std::map<testing::ClientId, Client> clients_;
  std::atomic<std::uint64_t> out_of_order_{0};
  testing::MockServer server_;  // last: its thread ends first
};

}  // namespace zenwire::soak
