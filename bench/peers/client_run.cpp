#include "client_run.hpp"

#include <cinttypes>
#include <cstdio>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

namespace zenwire::bench {
namespace {

std::uint64_t nanoseconds(const timeval& time) noexcept {
  return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000 +
         static_cast<std::uint64_t>(time.tv_usec) * 1'000;
}

// Time that the process waited for a core although it could have run.
std::uint64_t run_delay_ns() noexcept {
  std::uint64_t running = 0;
  std::uint64_t waited = 0;
  if (std::FILE* file = std::fopen("/proc/self/schedstat", "re"); file != nullptr) {
    if (std::fscanf(file, "%" SCNu64 " %" SCNu64, &running, &waited) != 2) waited = 0;
    std::fclose(file);
  }
  return waited;
}

template <typename IsThere>
std::string list_of(std::size_t end, IsThere&& is_there) {
  std::string text;
  for (std::size_t i = 0; i < end; ++i) {
    if (!is_there(i)) continue;
    if (!text.empty()) text += ',';
    text += std::to_string(i);
  }
  return text;
}

std::string allowed_cores() {
  cpu_set_t cores;
  CPU_ZERO(&cores);
  ::sched_getaffinity(0, sizeof cores, &cores);
  return list_of(CPU_SETSIZE, [&](std::size_t i) { return CPU_ISSET(i, &cores); });
}

struct Sockets {
  int connected = 0;
  int nodelay = 0;
};

Sockets count_sockets() noexcept {
  Sockets sockets;
  const int end = static_cast<int>(::sysconf(_SC_OPEN_MAX));
  for (int fd = 0; fd < end && fd < 70'000; ++fd) {
    int nodelay = 0;
    socklen_t bytes = sizeof nodelay;
    if (::getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &nodelay, &bytes) != 0) continue;
    sockaddr_storage peer{};
    bytes = sizeof peer;
    if (::getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &bytes) != 0) continue;
    ++sockets.connected;
    sockets.nodelay += nodelay != 0 ? 1 : 0;
  }
  return sockets;
}

std::string field(const char* name, std::uint64_t value) {
  return std::string(",\"") + name + "\":" + std::to_string(value);
}

std::string field(const char* name, double value) {
  char text[64];
  std::snprintf(text, sizeof text, ",\"%s\":%.2f", name, value);
  return text;
}

std::string field(const char* name, const std::string& value) {
  return std::string(",\"") + name + "\":\"" + value + '"';
}

}  // namespace

ClientRun::ClientRun(std::string client, const ClientOptions& options)
    : latencies_(std::make_unique<Histogram>()),
      corrected_(std::make_unique<Histogram>()),
      client_(std::move(client)),
      options_(options) {
  latencies_->clear();  // touches every page of it
  corrected_->clear();
}

void ClientRun::begin() noexcept {
  next_mark_ = options_.warmup != 0 ? options_.warmup : options_.total();
  if (options_.warmup != 0) return;
  counting_ = true;
  look(began_);
}

bool ClientRun::mark() noexcept {
  look(counting_ ? ended_ : began_);
  counting_ = !counting_;
  next_mark_ = options_.total();
  return counting_;
}

void ClientRun::look(Marks& marks) noexcept {
  ::getrusage(RUSAGE_SELF, &marks.usage_before);
  marks.allocations_before = allocations();
  const auto core = static_cast<unsigned>(::sched_getcpu());
  if (core < 64) cores_seen_ |= std::uint64_t{1} << core;
  marks.run_delay_ns = run_delay_ns();
  marks.allocations_after = allocations();
  ::getrusage(RUSAGE_SELF, &marks.usage_after);
  marks.wall_ns = clock_ns();
}

std::string ClientRun::percentiles() const {
  const Histogram& all = *latencies_;
  return field("min_ns", all.min()) + field("mean_ns", all.mean()) +
         field("p50_ns", all.percentile(50)) + field("p90_ns", all.percentile(90)) +
         field("p99_ns", all.percentile(99)) + field("p999_ns", all.percentile(99.9)) +
         field("max_ns", all.max());
}

ClientFigures ClientRun::figures() const noexcept {
  const auto faults = [](const rusage& usage) { return usage.ru_minflt + usage.ru_majflt; };
  const auto since = [](long before, long after) {
    return static_cast<std::uint64_t>(after - before);
  };
  const rusage& before = began_.usage_after;
  const rusage& after = ended_.usage_before;
  return {.counted = received_ > options_.warmup ? received_ - options_.warmup : 0,
          .errors = errors_,
          .wall_ns = ended_.wall_ns - began_.wall_ns,
          .user_ns = nanoseconds(after.ru_utime) - nanoseconds(before.ru_utime),
          .system_ns = nanoseconds(after.ru_stime) - nanoseconds(before.ru_stime),
          .page_faults = since(faults(before), faults(after)),
          .allocations = ended_.allocations_before - began_.allocations_after,
          .waits = since(before.ru_nvcsw, after.ru_nvcsw),
          .preempted = since(before.ru_nivcsw, after.ru_nivcsw),
          .run_delay_ns = ended_.run_delay_ns - began_.run_delay_ns,
          .complete = complete()};
}

int ClientRun::finish() const {
  const ClientFigures figures = this->figures();
  const std::uint64_t counted = figures.counted;
  const double messages = counted == 0 ? 1 : static_cast<double>(counted);
  const Sockets sockets = count_sockets();
  const std::uint64_t wall = figures.wall_ns;
  const std::uint64_t user = figures.user_ns;
  const std::uint64_t system = figures.system_ns;
  std::string line =
      "{\"client\":\"" + client_ + '"' + field("mode", std::string(name(options_.mode)));
  line += std::string(",\"tls\":") + (options_.tls ? "true" : "false");
  line += field("wait", std::string(options_.spin ? "spin" : "block"));
  line += field("size", std::uint64_t{options_.message_bytes}) + field("count", options_.count);
  line += field("warmup", options_.warmup) + field("conns", std::uint64_t{options_.connections});
  line += field("received", counted) + field("verified", counted - std::min(counted, errors_));
  line += field("errors", errors_) + field("wall_ns", wall);
  line += field("wall_ns_per_msg", static_cast<double>(wall) / messages);
  line += field("msgs_per_s", wall == 0 ? 0.0 : messages * 1e9 / static_cast<double>(wall));
  line += field("cpu_ns_per_msg", static_cast<double>(user + system) / messages);
  line += field("user_ns_per_msg", static_cast<double>(user) / messages);
  line += field("sys_ns_per_msg", static_cast<double>(system) / messages);
  line += field("nvcsw", figures.waits) + field("nivcsw", figures.preempted);
  line +=
      field("cpus_seen", list_of(64, [&](std::size_t i) { return (cores_seen_ >> i & 1) != 0; }));
  line += field("cpus_allowed", allowed_cores());
  line += field("tcp_sockets", static_cast<std::uint64_t>(sockets.connected));
  line += field("nodelay", static_cast<std::uint64_t>(sockets.nodelay));
  line += field("run_delay_ns", figures.run_delay_ns);
  if (options_.mode != Mode::sink) line += percentiles();
  std::printf("%s}\n", line.c_str());
  return complete() && errors_ == 0 ? 0 : 1;
}

}  // namespace zenwire::bench
