#pragma once

// ZenwireClient: the benchmark client that is zenwire: callbacks on the reactor's thread, nothing
// between; for Mode::strategy a queue and a thread behind it.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <zenwire/engine/latency.hpp>
#include <zenwire/engine/message_queue.hpp>
#include <zenwire/engine/reactor.hpp>

#include "client_options.hpp"
#include "client_run.hpp"
#include "message.hpp"
#include "strategy_thread.hpp"

namespace zenwire::bench {

// Thread: the one that makes it. Errors of the set-up end the program.
class ZenwireClient {
 public:
  explicit ZenwireClient(const ClientOptions& options);
  // Closes the connections.
  ~ZenwireClient();
  ZenwireClient(const ZenwireClient&) = delete;
  ZenwireClient& operator=(const ZenwireClient&) = delete;

  // The engine's stages, and for Mode::order Stage::sent, are marked into it; before measure().
  void mark_into(LatencyRecorder& latency) noexcept { latency_ = &latency; }

  // Until all messages came. False if something else ended it, which it says on standard error; the
  // connections stay open until the end.
  [[nodiscard]] bool measure();
  [[nodiscard]] const ClientRun& run() const noexcept { return run_; }

 private:
  // One connection's place in the run.
  struct Stream {
    Expected expected;
    Schedule schedule;
    ConnectionId id;
  };

  void make_reactor();
  [[nodiscard]] ReactorOptions reactor_options() const;
  [[nodiscard]] Callback<Connection&, const Message&> handler() noexcept;
  void make_queue();
  void connect(Stream& stream);
  void loop();

  void on_open(Connection& connection) noexcept;
  void send_echo(Connection& connection) noexcept;
  void send_due() noexcept;
  void on_echo(Connection& connection, const Message& message) noexcept;
  void on_paced_echo(Connection& connection, const Message& message) noexcept;
  [[nodiscard]] bool is_echo(std::string_view text) const noexcept;
  void on_sunk(Connection& connection, const Message& message) noexcept;
  void on_tick(Connection& connection, const Message& message) noexcept;
  bool take_tick(Stream& stream, std::string_view text) noexcept;
  void on_order_tick(Connection& connection, const Message& message) noexcept;
  [[nodiscard]] bool take_queued() noexcept;
  void on_closed(Connection& connection, const Closed& closed) noexcept;
  void on_failed(Connection& connection, const OpenFailure& failure) noexcept;

  void watch();
  static void on_alarm(int) noexcept;
  [[gnu::noinline, gnu::cold]] void end(std::string failure);

  ClientOptions options_;
  ClientRun run_;
  std::unique_ptr<Reactor> reactor_;
  LatencyRecorder* latency_ = nullptr;
  std::string message_;  // an echo's, an order's
  std::uint64_t sent_ns_ = 0;
  std::uint64_t due_ns_ = 0;  // of a paced echo: the one under way, or the next
  Schedule schedule_;
  bool under_way_ = false;
  bool done_ = false;
  std::uint32_t open_ = 0;
  std::uint32_t streams_done_ = 0;
  std::string failure_;
  static inline const ClientRun* watched_ = nullptr;
  std::vector<Stream> streams_;
  std::unique_ptr<MessageQueue> queue_;
  std::optional<StrategyThread> strategy_;
};

// The program: see client_options.hpp.
int zenwire_client_main(int argc, char** argv);

}  // namespace zenwire::bench
