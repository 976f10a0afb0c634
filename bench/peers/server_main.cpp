// The benchmark server: one thread that speaks the paths /echo, /sink and /oneway, plain or over
// TLS, for the clients beside it and any other of the same contract. It prints the port it took.

#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include <getopt.h>

#include "client_options.hpp"
#include "server.hpp"

namespace zenwire::bench {
namespace {

constexpr const char* kUsage =
    "server [--port P] [--cpu C] [--wait spin|block] [--tls] [--ca-out FILE]\n"
    "Serves benchmark clients on 127.0.0.1 until it is interrupted, and prints its port first.\n"
    "--tls makes an authority and a certificate for the run; --ca-out writes the authority.\n";

volatile std::sig_atomic_t interrupted = 0;

void on_signal(int) noexcept {
  interrupted = 1;
}

template <typename Number>
Number number(const char* text) {
  Number value{};
  const char* const end = text + std::strlen(text);
  if (const auto parsed = std::from_chars(text, end, value); parsed.ptr != end) {
    die(std::string("not a number: ") + text);
  }
  return value;
}

ServerOptions parse(int argc, char** argv) {
  static constexpr option kOptions[] = {
      {"port", required_argument, nullptr, 'p'},   {"cpu", required_argument, nullptr, 'c'},
      {"wait", required_argument, nullptr, 'w'},   {"tls", no_argument, nullptr, 't'},
      {"ca-out", required_argument, nullptr, 'a'}, {"help", no_argument, nullptr, 'h'},
      {nullptr, no_argument, nullptr, 0},
  };
  ServerOptions options;
  for (int found = 0; (found = getopt_long(argc, argv, "h", kOptions, nullptr)) != -1;) {
    switch (found) {
      case 'p': options.port = number<std::uint16_t>(optarg); break;
      case 'c': options.cpu = number<int>(optarg); break;
      case 'w': options.spin = std::strcmp(optarg, "spin") == 0; break;
      case 't': options.tls = true; break;
      case 'a': options.ca_out = optarg; break;
      default: std::fputs(kUsage, found == 'h' ? stdout : stderr); std::exit(found == 'h' ? 0 : 2);
    }
  }
  return options;
}

}  // namespace
}  // namespace zenwire::bench

int main(int argc, char** argv) {
  using namespace zenwire::bench;
  struct sigaction action {};
  action.sa_handler = &on_signal;  // without SA_RESTART: a wait ends
  ::sigaction(SIGINT, &action, nullptr);
  ::sigaction(SIGTERM, &action, nullptr);
  const ServerOptions options = parse(argc, argv);
  Server server(options);
  std::printf("%u\n", static_cast<unsigned>(server.port()));
  std::fflush(stdout);
  pin(options.cpu);
  server.run(interrupted);
  return 0;
}
