#pragma once

// Simulation: a client's and a server's reactor in one simulated world, a random workload over
// them, and what must hold whatever happens.
//
// Safety, while faults come: what an endpoint is given is what the other sent, byte for byte, in
// order, once; a connection that ended in order lost nothing; each ends exactly once, with a
// reason; what a queue dropped, it says. Liveness, once the faults have ended: everything finishes.
// At the end: every descriptor, operation, buffer and slot has come home.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <zenwire/engine/latest.hpp>
#include <zenwire/engine/message_queue.hpp>
#include <zenwire/engine/reactor.hpp>
#include <zenwire/engine/recorder.hpp>
#include <zenwire/testing/sim_program.hpp>
#include <zenwire/testing/sim_world.hpp>

#include "certificates.hpp"
#include "endpoint.hpp"
#include "setting.hpp"

namespace zenwire::simulation {

class Simulation {
 public:
  explicit Simulation(std::uint64_t seed, bool trace = false);
  // With a setting of one's own.
  Simulation(std::uint64_t seed, const Setting& setting, bool trace = false);
  ~Simulation();
  Simulation(const Simulation&) = delete;
  Simulation& operator=(const Simulation&) = delete;

  // For tests that let one operation fail.
  [[nodiscard]] testing::SimWorld& world() noexcept { return world_; }
  [[nodiscard]] const Setting& setting() const noexcept { return setting_; }
  testing::SimResult run();
  // Before run(): both reactors write journals, at these paths.
  void keep_journals(std::string client_path, std::string server_path);

  // --- For endpoints.
  // Only the first counts: what comes after it is its consequence.
  void fail(std::string what);
  void check(bool held, const char* what, const Endpoint& at);
  // A payload of the given source and number; a view until the next call.
  Bytes make_payload(char source, std::size_t number, Opcode opcode, std::size_t bytes,
                     testing::Random& random);
  void publish(const Endpoint& at, const Message& message) noexcept;
  void opened(Endpoint& endpoint) noexcept;

 private:
  struct Link {
    std::unique_ptr<Endpoint> client;
    std::unique_ptr<Endpoint> server;
    Ending ending = Ending::client_closes;
    bool started = false;
  };

  template <typename Value, typename Into>
  bool made(Result<Value> result, Into& into);
  bool set_up();
  bool make_queues();
  bool make_reactors();
  bool make_reactor(const ReactorOptions& options, std::unique_ptr<Reactor>& into);
  static void step(Reactor& reactor) noexcept;
  void step_client() noexcept { step(*client_); }
  void step_server() noexcept { step(*server_); }
  bool listen();
  void plan_links();
  bool start_link(Link& link);
  void on_accepted(Connection& connection) noexcept;
  void on_refused(const OutboxRefusal& refusal) noexcept;
  void turn() noexcept;
  void act(Endpoint& endpoint) noexcept;
  void write_outbox() noexcept;
  void read_queue() noexcept;
  void read_message(const MessageView& view) noexcept;
  void count_gap(const Endpoint& at, std::uint64_t missing) noexcept;
  void read_latest() noexcept;
  void finish_quiet_links() noexcept;
  void safety();
  void liveness();
  [[nodiscard]] bool all_ended() const noexcept;
  [[nodiscard]] std::string unfinished() const;
  void stop();
  void check_slots();
  void check_link(Link& link);
  void check_end(Endpoint& endpoint);
  void check_queue(const Endpoint& endpoint);
  void check_counters();
  void check_recording();
  void tear_down();
  [[nodiscard]] bool failed() const noexcept { return !failure_.empty(); }

  const Certificates& certificates_;  // made before the world, which takes over where TLS has its
                                      // random bytes from
  testing::Random random_;
  Setting setting_;
  testing::SimWorld world_;
  std::string recording_path_;
  std::string client_journal_;
  std::string server_journal_;
  std::optional<Recorder> recorder_;
  std::unique_ptr<MessageQueue> queue_;
  std::uint64_t queue_dropped_ = 0;  // by its own account
  std::uint64_t queue_missing_ = 0;  // by the messages' sequences
  std::unique_ptr<Outbox> outbox_;
  std::unique_ptr<LatestTable> latest_;
  std::vector<Link> links_;
  std::unique_ptr<Reactor> client_;
  std::unique_ptr<Reactor> server_;
  std::string url_;
  std::vector<std::byte> payload_;
  std::vector<std::byte> random_bytes_;
  bool healing_ = false;
  bool resets_ = false;  // the network reset somebody, without the engine's doing
  std::string failure_;
};

}  // namespace zenwire::simulation
