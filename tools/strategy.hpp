#pragma once

// Strategy: the demo's strategy thread. Reads every message from the queue, compares it with what
// the server sent, and answers every so many with an order through the outbox.

#include <atomic>
#include <cstdint>
#include <optional>
#include <string_view>
#include <thread>

#include <zenwire/engine/latency.hpp>
#include <zenwire/engine/message_queue.hpp>
#include <zenwire/engine/reactor.hpp>

#include "change_ids.hpp"
#include "feed.hpp"
#include "order.hpp"

namespace zenwire::tools {

struct StrategyOptions {
  const Feed* feed = nullptr;      // what was sent; null: not known
  std::uint64_t messages_max = 0;  // closes the connection after so many
  std::uint64_t warm_up = 0;       // messages that are not measured
  std::uint64_t orders_every = 0;  // messages; 0: no orders
  std::string_view order = kOrderRest;
  bool sleeps = false;  // when idle, because there is no core to spare
};

// What it saw; to be read after join().
struct StrategySaw {
  std::uint64_t messages = 0;
  std::uint64_t bytes = 0;
  std::uint64_t missing = 0;  // by their sequence numbers
  std::uint64_t different = 0;
  std::optional<std::uint64_t> first_different;  // its number, from 0
  std::uint64_t digest = 0;                      // over all payloads in order
  std::uint64_t orders = 0;
  ChangeIds changes;
};

class Strategy {
 public:
  // All are borrowed.
  Strategy(MessageQueue& queue, Outbox& outbox, Reactor& reactor, const StrategyOptions& options);
  ~Strategy() { stop(); }
  Strategy(const Strategy&) = delete;
  Strategy& operator=(const Strategy&) = delete;

  void start();
  // It ends by itself when the queue says that the connection is closed.
  void stop();
  // After stop().
  [[nodiscard]] const StrategySaw& saw() const noexcept { return saw_; }
  [[nodiscard]] const LatencyRecorder& latency() const noexcept { return *latency_; }

 private:
  void run() noexcept;
  void idle(unsigned rounds) const noexcept;
  void on_message(const MessageHeader& header, Bytes payload) noexcept;
  void compare(const MessageHeader& header, Bytes payload) noexcept;
  void send_order(const MessageHeader& header) noexcept;
  void send_close(const MessageHeader& header) noexcept;

  MessageQueue& queue_;
  Outbox& outbox_;
  Reactor& reactor_;
  StrategyOptions options_;
  StrategySaw saw_;
  std::uint64_t last_sequence_ = 0;
  std::unique_ptr<LatencyRecorder> latency_;
  TickSource ticks_;
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

// Goes on from `digest` with one more payload; its length counts too.
std::uint64_t digest_of(std::uint64_t digest, Bytes payload) noexcept;

}  // namespace zenwire::tools
