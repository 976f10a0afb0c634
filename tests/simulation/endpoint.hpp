#pragma once

// Endpoint: one end of a connection, as its user: what it sends, what it was told, what it did.
//
// The ledger of what one end sent is what the other end's messages are held against: kind, length
// and hash of each, by number, from each source (its callbacks, an outbox). So a lost, repeated,
// torn or reordered message shows at once, at the moment of its delivery.

#include <cstdint>
#include <string>
#include <vector>

#include <zenwire/engine/connection.hpp>
#include <zenwire/engine/reactor.hpp>
#include <zenwire/testing/random.hpp>

namespace zenwire::simulation {

class Simulation;

// A message that was sent.
struct Sent {
  Opcode opcode = Opcode::text;
  std::uint64_t hash = 0;
  std::size_t bytes = 0;
  bool refused = false;  // by the reactor, which said so
};

// The messages of one source, and how many of them the other end has received.
struct Ledger {
  std::vector<Sent> sent;
  std::size_t received = 0;

  void skip_refused() noexcept {
    while (received < sent.size() && sent[received].refused) ++received;
  }
  [[nodiscard]] bool complete() noexcept {
    skip_refused();
    return received == sent.size();
  }
};

// What a queue's reader has seen of a connection.
struct QueueReading {
  std::uint64_t sequence_last = 0;
  int opened = 0;
  int closed = 0;
};

enum class Ending : std::uint8_t {
  client_closes,
  server_closes,
  both_close,
  client_aborts,
  server_aborts,
  network_resets,
  nobody,  // until the reactor stops
};
inline constexpr std::uint64_t kEndings = 7;

class Endpoint {
 public:
  Endpoint(Simulation& owner, std::uint32_t link_number, bool is_client, testing::Random generator);

  // --- Handlers.
  void on_open(Connection& connection) noexcept;
  void on_message(Connection& connection, const Message& message) noexcept;
  void on_control(Connection& connection, Opcode opcode, Bytes payload) noexcept;
  void on_closed(Connection& connection, const Closed& event) noexcept;
  void on_failed(Connection& connection, const OpenFailure& event) noexcept;
  void on_extra(Connection& connection, const Message& message) noexcept;
  ConnectionHandlers handlers() noexcept;

  // Something that a user may do now, from outside of any callback.
  void act(Connection& connection) noexcept;
  [[nodiscard]] bool ended() const noexcept { return closes + fails > 0; }
  [[nodiscard]] bool sent_all() const noexcept { return direct.sent.size() >= budget; }

  Simulation& simulation;
  const std::uint32_t link;
  const bool client;
  Endpoint* peer = nullptr;
  Reactor* reactor = nullptr;
  ConnectionId id{};

  // The plan.
  std::uint32_t budget = 0;     // messages to send
  std::uint32_t bytes_max = 0;  // of each
  bool closes_it = false;
  bool aborts_it = false;

  // What was sent.
  Ledger direct;
  Ledger boxed;

  // What was told.
  int opens = 0;
  int closes = 0;
  int fails = 0;
  bool clean = false;
  bool aborted = false;  // by this end
  bool close_sent = false;
  Errc error = Errc::ok;
  std::vector<std::uint64_t> received_hashes;  // by sequence
  QueueReading queue;
  std::uint64_t latest_last = 0;

 private:
  void send_some(Connection& connection) noexcept;
  bool send_one(Connection& connection) noexcept;
  void misuse(Connection& connection) noexcept;
  void pause_or_resume(Connection& connection) noexcept;
  void finish_if_done(Connection& connection) noexcept;
  void check_message(const Message& message) noexcept;
  void in_callback(Connection& connection) noexcept;

  testing::Random random_;
  HandlerId extra_{};
  std::uint64_t extra_calls_ = 0;
};

}  // namespace zenwire::simulation
