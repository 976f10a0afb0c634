// Many connections under faults for a given time: see tools/soak.

#include <chrono>
#include <csignal>
#include <cstdio>
#include <deque>
#include <memory>
#include <string>

#include <CLI/CLI.hpp>

#include "link.hpp"
#include "process_usage.hpp"
#include "sanitized.hpp"
#include "venue.hpp"

namespace {

using namespace zenwire;
using namespace zenwire::soak;
using Clock = std::chrono::steady_clock;

struct Arguments {
  std::uint64_t seconds = 60;
  std::uint32_t connections = 64;
  std::uint64_t seed = 1;
  bool json = false;
  bool progress = false;
};

struct SoakResult {
  Totals totals{};
  double seconds = 0;
  std::uint64_t broken_at_venue = 0;
  std::uint64_t resident_bytes = 0;
  std::uint64_t growth_bytes = 0;
  std::size_t descriptors_before = 0;
  std::size_t descriptors_after = 0;
  bool interrupted = false;

  [[nodiscard]] bool memory_flat() const { return growth_bytes <= kGrowth_bytes_max; }
  [[nodiscard]] bool passed() const {
    return totals.failures == 0 && broken_at_venue == 0 && memory_flat() &&
           descriptors_after == descriptors_before && totals.messages_received != 0;
  }
  // Of a process of some hundred megabytes, whose heap is cut up by random sizes. Under a sanitizer
  // its shadow and its quarantine grow too, with every address that is new.
  static constexpr std::uint64_t kGrowth_bytes_max = std::uint64_t{test::kSanitized ? 128 : 8}
                                                     << 20;
};

volatile std::sig_atomic_t interrupted = 0;

void print_progress(const Totals& totals, const ProcessUsage& usage, double seconds) {
  std::fprintf(stderr, "%6.0f s: %llu connections, %llu messages, %llu failures, %llu MiB\n",
               seconds, static_cast<unsigned long long>(totals.connections),
               static_cast<unsigned long long>(totals.messages_received),
               static_cast<unsigned long long>(totals.failures),
               static_cast<unsigned long long>(usage.resident_now() >> 20));
}

// Turns until the links are idle after the end; each link that is idle before connects again.
void turn(Reactor& reactor, std::deque<Link>& links, const Arguments& given, SoakResult& outcome) {
  const auto begin = Clock::now();
  const auto end = begin + std::chrono::seconds(given.seconds);
  const auto every = std::chrono::milliseconds(std::max<std::uint64_t>(given.seconds * 10, 100));
  ProcessUsage usage;
  auto sample_at = begin + every;
  auto print_at = begin + std::chrono::seconds(1);
  Timer look(Callback<Timer&>([](void*, Timer&) noexcept {}));
  for (bool ending = false, busy = true; !ending || busy;) {
    const auto now = Clock::now();
    ending = now >= end || interrupted != 0;
    busy = false;
    for (Link& link : links) {
      if (link.idle() && !ending) link.connect(reactor);
      busy = busy || !link.idle();
    }
    if (now >= sample_at && !ending) {
      usage.sample();
      sample_at = now + every;
      if (given.progress && now >= print_at) {
        print_at = now + std::max<Clock::duration>(std::chrono::seconds(1), every);
        print_progress(outcome.totals, usage, std::chrono::duration<double>(now - begin).count());
      }
    }
    reactor.arm(look, reactor.now_ns() + 20'000'000);
    reactor.poll(true);
  }
  reactor.cancel(look);
  usage.sample();
  outcome.seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  outcome.growth_bytes = usage.growth_bytes();
  outcome.resident_bytes = usage.resident_now();
}

std::unique_ptr<Reactor> make_reactor(const Arguments& given) {
  ReactorOptions options;
  options.idle = Idle::block;
  options.connections_max = 2 * given.connections;
  options.log = Callback<std::string_view>([](void*, std::string_view) noexcept {});
  auto reactor = Reactor::create(options);
  if (reactor) return std::move(*reactor);
  std::fprintf(stderr, "soak: error: %s: %s\n", name(reactor.error().code()).data(),
               std::string(reactor.error().detail()).c_str());
  return nullptr;
}

bool run(const Arguments& given, SoakResult& outcome) {
  outcome.descriptors_before = descriptors();
  const auto plain = std::make_unique<Venue>(false);
  const auto secure = std::make_unique<Venue>(true);
  std::deque<Link> links;
  for (std::uint64_t i = 0; i < given.connections; ++i)
    links.emplace_back(i, given.seed, *plain, *secure, outcome.totals);
  const auto reactor = make_reactor(given);
  if (!reactor) return false;
  turn(*reactor, links, given, outcome);
  outcome.broken_at_venue = plain->broken() + secure->broken();
  outcome.interrupted = interrupted != 0;
  return true;
}

void print_json(const SoakResult& at, const Arguments& given) {
  std::string endings;
  for (std::size_t i = 0; i < kEndings; ++i)
    endings += (i == 0 ? "\"" : ",\"") + std::string(name(static_cast<Ending>(i))) +
               "\":" + std::to_string(at.totals.endings[i]);
  std::printf(
      "{\"passed\":%s,\"seed\":%llu,\"seconds\":%.1f,\"connections\":%llu,\"messages_sent\":%llu,"
      "\"messages_received\":%llu,\"bytes_received\":%llu,\"failures\":%llu,"
      "\"broken_at_venue\":%llu,\"endings\":{%s},\"resident_bytes\":%llu,\"growth_bytes\":%llu,"
      "\"descriptors_before\":%zu,\"descriptors_after\":%zu,\"interrupted\":%s}\n",
      at.passed() ? "true" : "false", static_cast<unsigned long long>(given.seed), at.seconds,
      static_cast<unsigned long long>(at.totals.connections),
      static_cast<unsigned long long>(at.totals.messages_sent),
      static_cast<unsigned long long>(at.totals.messages_received),
      static_cast<unsigned long long>(at.totals.bytes_received),
      static_cast<unsigned long long>(at.totals.failures),
      static_cast<unsigned long long>(at.broken_at_venue), endings.c_str(),
      static_cast<unsigned long long>(at.resident_bytes),
      static_cast<unsigned long long>(at.growth_bytes), at.descriptors_before, at.descriptors_after,
      at.interrupted ? "true" : "false");
}

void print_text(const SoakResult& at, const Arguments& given) {
  std::printf("soak with seed %llu, %.1f s%s\n", static_cast<unsigned long long>(given.seed),
              at.seconds, at.interrupted ? " (interrupted)" : "");
  std::printf("connections  %llu:", static_cast<unsigned long long>(at.totals.connections));
  for (std::size_t i = 0; i < kEndings; ++i)
    std::printf(" %s %llu", name(static_cast<Ending>(i)).data(),
                static_cast<unsigned long long>(at.totals.endings[i]));
  std::printf("\nmessages     %llu sent, %llu came back, %llu MiB\n",
              static_cast<unsigned long long>(at.totals.messages_sent),
              static_cast<unsigned long long>(at.totals.messages_received),
              static_cast<unsigned long long>(at.totals.bytes_received >> 20));
  std::printf("lost         %llu failures, %llu at the venue\n",
              static_cast<unsigned long long>(at.totals.failures),
              static_cast<unsigned long long>(at.broken_at_venue));
  std::printf("memory       %llu MiB, grew by %llu KiB (at most %llu)\n",
              static_cast<unsigned long long>(at.resident_bytes >> 20),
              static_cast<unsigned long long>(at.growth_bytes >> 10),
              static_cast<unsigned long long>(SoakResult::kGrowth_bytes_max >> 10));
  std::printf("descriptors  %zu before, %zu after\n%s\n", at.descriptors_before,
              at.descriptors_after, at.passed() ? "passed" : "FAILED");
  if (at.totals.failures != 0) std::printf("first: %s\n", at.totals.first_failure.c_str());
}

}  // namespace

int main(int argc, char** argv) {
  Arguments given;
  CLI::App app{
      "Connections under drops, half-open peers, slow reads, fragments, deflate and TLS: "
      "checks that nothing is lost, and that memory and descriptors stay flat.\n"
      "Exit code: 0 passed, 1 failed, 2 could not run."};
  app.add_option("--seconds", given.seconds, "How long")->capture_default_str();
  app.add_option("--connections", given.connections, "How many at once")
      ->check(CLI::Range(1u, 10'000u))
      ->capture_default_str();
  app.add_option("--seed", given.seed, "Of all that is random")->capture_default_str();
  app.add_flag("--json", given.json, "The result as JSON");
  app.add_flag("--progress", given.progress, "A line now and then, on standard error");
  CLI11_PARSE(app, argc, argv);
  std::signal(SIGINT, [](int) { interrupted = 1; });
  SoakResult outcome;
  if (!run(given, outcome)) return 2;
  outcome.descriptors_after = descriptors();
  given.json ? print_json(outcome, given) : print_text(outcome, given);
  return outcome.passed() ? 0 : 1;
}
