#pragma once

// Fixed scenarios without faults, one for each part of the engine, for tests that let one thing at
// a time fail.

#include <ostream>
#include <vector>

#include "simulation.hpp"

namespace zenwire::simulation {

inline constexpr std::uint64_t kScenarioSeed = 11;

struct Scenario {
  const char* name;
  Setting setting;
};

inline void PrintTo(const Scenario& scenario, std::ostream* to) {
  *to << scenario.name;
}

inline Setting plain_setting() {
  Setting setting;
  setting.links = 2;
  setting.connections = 2;
  setting.large_buffers = 2;
  setting.message_bytes_max = 16 << 10;
  setting.buffer_bytes = 4096;
  setting.messages_max = 12;
  setting.safety_steps = 400;
  return setting;
}

inline std::vector<Scenario> scenarios() {
  Setting spinning = plain_setting();
  spinning.client_idle = spinning.server_idle = Idle::spin;
  Setting queues = plain_setting();
  queues.queue = QueueKind::stop_reading;
  queues.queue_bytes = 8192;
  queues.queue_reads_ppm = 100'000;
  queues.outbox = true;
  queues.latest = true;
  Setting deflate = plain_setting();
  deflate.deflate = true;
  Setting tls = plain_setting();
  tls.tls = true;
  return {{"plain", plain_setting()},
          {"spinning", spinning},
          {"queues", queues},
          {"deflate", deflate},
          {"tls", tls}};
}

}  // namespace zenwire::simulation
