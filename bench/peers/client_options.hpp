#pragma once

// The command line that every benchmark client takes, so that one harness can time any of them.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace zenwire::bench {

// `order` and `strategy` are of `zenwire bench` alone; no command line of a client takes them.
enum class Mode : std::uint8_t {
  echo,      // there and back, one after the other
  sink,      // as fast as it is taken
  oneway,    // at a rate, to the callback
  order,     // at a rate, each answered with a message that carries its time
  strategy,  // at a rate, through a queue to another thread
};
const char* name(Mode mode) noexcept;

struct ClientOptions {
  std::string host = "127.0.0.1";
  std::uint16_t port = 0;
  bool tls = false;
  std::string ca_file{};  // empty: any certificate is accepted
  Mode mode = Mode::echo;
  std::size_t message_bytes = 128;
  std::uint64_t count = 0;
  std::uint64_t warmup = 0;
  int cpu = -1;
  std::uint32_t connections = 1;
  std::size_t batch = 64;  // messages in one write of the server
  double rate_per_s = 10'000;
  bool spin = true;

  // Of `zenwire bench`, not on the command line.
  bool open_loop = false;    // echo: sends at the rate, and counts from when a send was due
  int strategy_cpu = -1;     // strategy: where its thread runs
  bool shares_core = false;  // strategy: with the server, which therefore is given way
  // How many the calling thread has made so far; null: not counted.
  std::uint64_t (*allocations)() noexcept = nullptr;

  [[nodiscard]] std::uint64_t total() const noexcept { return count + warmup; }
  // Messages that the server sends on each connection.
  [[nodiscard]] std::uint64_t each() const noexcept {
    return (total() + connections - 1) / connections;
  }
  // Between two messages of one connection, at the rate.
  [[nodiscard]] double interval_ns() const noexcept { return 1e9 * connections / rate_per_s; }
  // Of the upgrade: what is asked of the server.
  [[nodiscard]] std::string path() const;
};

// Ends the program with a usage text when the line makes no sense (2) or asks for help (0).
ClientOptions parse_client_options(int argc, char** argv);

// Pins the calling thread, if the options name a core; ends the program when that is refused.
void pin(int cpu);

// An error that ends the program with exit code 1.
[[noreturn]] void die(std::string_view text);

}  // namespace zenwire::bench
