#include "client_options.hpp"

#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include <getopt.h>
#include <sched.h>

#include "message.hpp"

namespace zenwire::bench {
namespace {

constexpr const char* kUsage =
    "client --host H --port P [--tls] [--ca FILE] --mode echo|sink|oneway --size S --count N\n"
    "       --warmup W --cpu C [--conns K] [--batch B] [--rate R] [--wait spin|block]\n"
    "Times one WebSocket client against a benchmark server and prints one line of JSON.\n";

[[noreturn]] void refuse(const std::string& text) {
  std::fprintf(stderr, "%s\n%s", text.c_str(), kUsage);
  std::exit(2);
}

template <typename Number>
Number number(const char* option, const char* text, Number low, Number high) {
  Number value{};
  const char* const end = text + std::strlen(text);
  const auto [at, error] = std::from_chars(text, end, value);
  if (error != std::errc() || at != end || value < low || value > high) {
    refuse("--" + std::string(option) + ": \"" + text + "\" is not a number that it takes");
  }
  return value;
}

Mode mode_of(std::string_view text) {
  if (text == "echo") return Mode::echo;
  if (text == "sink") return Mode::sink;
  if (text == "oneway") return Mode::oneway;
  refuse("--mode: echo, sink or oneway");
}

bool spins(std::string_view text) {
  if (text != "spin" && text != "block") refuse("--wait: spin or block");
  return text == "spin";
}

void set(ClientOptions& options, const char* option, const char* value) {
  const std::string_view name = option;
  constexpr std::uint64_t kCount_max = 10'000'000'000;
  if (name == "host") options.host = value;
  if (name == "port") options.port = number<std::uint16_t>(option, value, 1, 65'535);
  if (name == "tls") options.tls = true;
  if (name == "ca") options.ca_file = value;
  if (name == "mode") options.mode = mode_of(value);
  if (name == "size") {
    options.message_bytes =
        number<std::size_t>(option, value, kMessage_bytes_min, std::size_t{16} << 20);
  }
  if (name == "count") options.count = number<std::uint64_t>(option, value, 1, kCount_max);
  if (name == "warmup") options.warmup = number<std::uint64_t>(option, value, 0, kCount_max);
  if (name == "cpu") options.cpu = number(option, value, -1, CPU_SETSIZE - 1);
  if (name == "conns") options.connections = number<std::uint32_t>(option, value, 1, 100'000);
  if (name == "batch") options.batch = number<std::size_t>(option, value, 1, 1'000'000);
  if (name == "rate") options.rate_per_s = number(option, value, 1e-3, 1e9);
  if (name == "wait") options.spin = spins(value);
}

}  // namespace

const char* name(Mode mode) noexcept {
  switch (mode) {
    case Mode::echo: return "echo";
    case Mode::sink: return "sink";
    case Mode::oneway: return "oneway";
    case Mode::order: return "order";
    case Mode::strategy: return "strategy";
  }
  return "unknown";
}

std::string ClientOptions::path() const {
  if (mode == Mode::echo) return "/echo";
  const char* const stream = mode == Mode::strategy ? "oneway" : name(mode);
  std::string text = std::string("/") + stream + "?n=" + std::to_string(each()) +
                     "&s=" + std::to_string(message_bytes);
  if (mode == Mode::order) text += "&w=" + std::to_string(warmup / connections);
  if (mode == Mode::sink) return text + "&b=" + std::to_string(batch);
  const double rate = rate_per_s / connections;
  char digits[32];
  const auto end = std::to_chars(digits, digits + sizeof digits, rate).ptr;
  return text + "&r=" + std::string(digits, end);
}

ClientOptions parse_client_options(int argc, char** argv) {
  static constexpr option kOptions[] = {
      {"host", required_argument, nullptr, 0},  {"port", required_argument, nullptr, 0},
      {"tls", no_argument, nullptr, 0},         {"ca", required_argument, nullptr, 0},
      {"mode", required_argument, nullptr, 0},  {"size", required_argument, nullptr, 0},
      {"count", required_argument, nullptr, 0}, {"warmup", required_argument, nullptr, 0},
      {"cpu", required_argument, nullptr, 0},   {"conns", required_argument, nullptr, 0},
      {"batch", required_argument, nullptr, 0}, {"rate", required_argument, nullptr, 0},
      {"wait", required_argument, nullptr, 0},  {"help", no_argument, nullptr, 'h'},
      {nullptr, no_argument, nullptr, 0},
  };
  ClientOptions options;
  int index = 0;
  for (int found = 0; (found = getopt_long(argc, argv, "h", kOptions, &index)) != -1;) {
    if (found == 'h') {
      std::fputs(kUsage, stdout);
      std::exit(0);
    }
    if (found != 0) refuse("");
    set(options, kOptions[index].name, optarg);
  }
  if (optind != argc) refuse(std::string("not an option: ") + argv[optind]);
  if (options.port == 0 || options.count == 0) refuse("--port and --count are needed");
  if (options.mode == Mode::echo && options.connections != 1) refuse("echo has one connection");
  if (options.tls && options.ca_file.empty()) {
    std::fputs("warning: --tls without --ca: any certificate is accepted\n", stderr);
  }
  return options;
}

void pin(int cpu) {
  if (cpu < 0) return;
  cpu_set_t cores;
  CPU_ZERO(&cores);
  CPU_SET(static_cast<std::size_t>(cpu), &cores);
  if (::sched_setaffinity(0, sizeof cores, &cores) != 0) {
    die("core " + std::to_string(cpu) + ": " + std::strerror(errno));
  }
}

void die(std::string_view text) {
  std::fprintf(stderr, "error: %.*s\n", static_cast<int>(text.size()), text.data());
  std::exit(1);
}

}  // namespace zenwire::bench
