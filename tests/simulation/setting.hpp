#pragma once

// Setting: what a seed chooses for a whole run: the faults, the reactors' options, what is in play.

#include <cstdint>
#include <string>

#include <zenwire/engine/message_queue.hpp>
#include <zenwire/engine/reactor.hpp>
#include <zenwire/testing/random.hpp>
#include <zenwire/testing/sim_faults.hpp>

namespace zenwire::simulation {

enum class QueueKind : std::uint8_t { none, stop_reading, drop_newest };

struct Setting {
  testing::SimFaults faults;
  Idle client_idle = Idle::block;
  Idle server_idle = Idle::block;
  std::uint32_t spin_sockets_max = 4;
  std::uint32_t links = 1;        // connections in all
  std::uint32_t connections = 1;  // of the client's reactor at a time
  std::uint32_t large_buffers = 1;
  std::uint32_t message_bytes_max = 0;
  std::uint32_t buffer_bytes = 0;
  std::uint32_t messages_max = 0;  // of a link and direction
  std::uint32_t safety_steps = 0;
  QueueKind queue = QueueKind::none;
  std::uint32_t queue_bytes = 0;
  std::uint32_t queue_reads_ppm = 0;  // of the steps: how slow its reader is
  bool outbox = false;
  bool latest = false;
  bool tls = false;
  bool deflate = false;
  bool patient = false;  // deadlines that only a lost connection reaches
  bool records = false;  // the client's messages, to a file
  bool slow_callbacks = false;
  std::uint64_t gather_ns = 0;

  static Setting choose(testing::Random& random);
  // Nothing of it ends a connection: all must open, deliver everything and close in order.
  [[nodiscard]] bool is_harmless() const noexcept;
  [[nodiscard]] ReactorOptions reactor_options(bool client) const;
  [[nodiscard]] Deadlines deadlines() const;
  [[nodiscard]] std::string text() const;
};

}  // namespace zenwire::simulation
