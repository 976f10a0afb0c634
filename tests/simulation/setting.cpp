#include "setting.hpp"

namespace zenwire::simulation {
namespace {

constexpr std::uint32_t kMessage_bytes_least = 16 << 10;
constexpr std::uint32_t kMessage_bytes_most = 128 << 10;
constexpr std::uint32_t kBuffer_bytes_most = 32 << 10;
constexpr std::uint32_t kBuffer_bytes_least = 4096;
constexpr std::uint64_t kGather_ns_most = 2'000'000;

Idle choose_idle(testing::Random& random) {
  constexpr Idle kAll[] = {Idle::spin, Idle::spin_then_block, Idle::block};
  return kAll[random.below(3)];
}

}  // namespace

Setting Setting::choose(testing::Random& random) {
  Setting setting;
  // One seed in eight sees no fault: there everything must simply work.
  if (!random.chance_ppm(125'000)) setting.faults = testing::SimFaults::choose(random);
  setting.client_idle = choose_idle(random);
  setting.server_idle = choose_idle(random);
  setting.spin_sockets_max = static_cast<std::uint32_t>(random.below(5));
  setting.links = 1 + static_cast<std::uint32_t>(random.below(8));
  setting.connections = 1 + static_cast<std::uint32_t>(random.below(6));
  setting.large_buffers = 2 + static_cast<std::uint32_t>(random.below(4));
  setting.message_bytes_max =
      kMessage_bytes_least + static_cast<std::uint32_t>(random.skewed(kMessage_bytes_most));
  setting.buffer_bytes =
      kBuffer_bytes_least + static_cast<std::uint32_t>(random.skewed(kBuffer_bytes_most));
  setting.messages_max = 1 + static_cast<std::uint32_t>(random.skewed(200));
  setting.safety_steps = static_cast<std::uint32_t>(random.below(3000));
  setting.queue = static_cast<QueueKind>(random.below(3));
  setting.queue_bytes = std::uint32_t{1} << (10 + random.below(9));
  setting.queue_reads_ppm = static_cast<std::uint32_t>(random.skewed(500'000));
  setting.outbox = random.chance_ppm(500'000);
  setting.latest = random.chance_ppm(250'000);
  setting.tls = random.chance_ppm(200'000);
  setting.deflate = random.chance_ppm(250'000);
  setting.patient = random.chance_ppm(600'000);
  setting.records = random.chance_ppm(10'000);
  setting.slow_callbacks = random.chance_ppm(250'000);
  if (random.chance_ppm(250'000)) setting.gather_ns = 1 + random.below(kGather_ns_most);
  return setting;
}

bool Setting::is_harmless() const noexcept {
  return patient && faults.reset == 0 && faults.lost_settle == 0 && faults.refuse == 0 &&
         faults.late_connect == 0 && faults.exhaust == 0 && faults.fail_resolve == 0 &&
         faults.clock_jump == 0;
}

ReactorOptions Setting::reactor_options(bool client) const {
  ReactorOptions options;
  options.idle = client ? client_idle : server_idle;
  options.gather_for = std::chrono::nanoseconds(gather_ns);
  options.connections_max = client ? connections : connections + links;
  options.receive_buffer_bytes = options.send_buffer_bytes = buffer_bytes;
  options.large_buffers = large_buffers;
  options.message_bytes_max = message_bytes_max;
  options.prefault = false;
  options.spin_sockets_max = spin_sockets_max;
  options.log = Callback<std::string_view>([](void*, std::string_view) noexcept {});
  return options;
}

Deadlines Setting::deadlines() const {
  if (!patient) return {};
  constexpr std::chrono::hours kLong{1};
  return {kLong, kLong, kLong, kLong, kLong * 4, kLong};
}

std::string Setting::text() const {
  const auto number = [](const char* name, std::uint64_t value) {
    return std::string(" ") + name + "=" + std::to_string(value);
  };
  return "faults: " + faults.text() +
         "; setting:" + number("client_idle", static_cast<std::uint64_t>(client_idle)) +
         number("server_idle", static_cast<std::uint64_t>(server_idle)) +
         number("spin_sockets_max", spin_sockets_max) + number("links", links) +
         number("connections", connections) + number("large_buffers", large_buffers) +
         number("message_bytes_max", message_bytes_max) + number("buffer_bytes", buffer_bytes) +
         number("messages_max", messages_max) + number("safety_steps", safety_steps) +
         number("queue", static_cast<std::uint64_t>(queue)) + number("queue_bytes", queue_bytes) +
         number("queue_reads_ppm", queue_reads_ppm) + number("outbox", outbox) +
         number("latest", latest) + number("tls", tls) + number("deflate", deflate) +
         number("patient", patient) + number("records", records) +
         number("slow_callbacks", slow_callbacks) + number("gather_ns", gather_ns);
}

}  // namespace zenwire::simulation
