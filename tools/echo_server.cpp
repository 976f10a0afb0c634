// zenwire echo-server: sends every data message back.

#include <cstdio>

#include <zenwire/engine/reactor.hpp>

#include "command_line.hpp"
#include "console.hpp"
#include "echo.hpp"
#include "flags.hpp"
#include "interrupts.hpp"
#include "output.hpp"

namespace zenwire::tools {
namespace {

constexpr std::string_view kEchoServerName = "echo-server";

struct EchoServerFlags {
  ServerFlags server;
  ReactorFlags reactor;
  std::uint32_t connections_max = 256;

  void add_to(CLI::App& app) {
    server.add_to(app);
    app.add_option("--connections", connections_max, "most connections at a time")
        ->check(CLI::Range(1, 4096))
        ->capture_default_str();
    reactor.add_to(app);
  }
};

struct Greeter {
  Echo& echo;
  bool verbose;

  void on_open(Connection& connection) noexcept {
    if (verbose) print_note(kEchoServerName, "open: " + connection.opened().remote.text());
    echo.add(connection);
  }
};

ExitCode run(const EchoServerFlags& flags) {
  Interrupts interrupts;
  auto options = flags.server.listen_options(flags.reactor);
  if (!options) {
    print_error(kEchoServerName, "cannot prepare TLS", options.error());
    return ExitCode::failed;
  }
  auto reactor = Reactor::create(flags.reactor.reactor_options(flags.connections_max));
  if (!reactor) {
    print_error(kEchoServerName, "cannot start the engine", reactor.error());
    return exit_code_of_start(reactor.error());
  }
  Echo echo(**reactor);
  Greeter greeter{echo, flags.reactor.verbose};
  options->on_open = Callback<Connection&>::to<&Greeter::on_open>(greeter);
  const auto address = (*reactor)->listen(*options);
  if (!address) {
    print_error(kEchoServerName, "cannot listen on " + flags.server.url(flags.server.port),
                address.error());
    return exit_code_of_start(address.error());
  }
  Output output;
  output.write_line(flags.server.url(address->port()));
  output.flush();
  const StopOnSignal stop_on_signal(interrupts, **reactor);
  if (auto ran = (*reactor)->run(); !ran) {
    print_error(kEchoServerName, "cannot run the engine", ran.error());
    return ExitCode::failed;
  }
  if (flags.reactor.verbose)
    print_note(kEchoServerName, grouped(echo.echoed()) + " messages echoed");
  return ExitCode::ok;
}

}  // namespace

ExitCode echo_server_main(Arguments arguments) {
  EchoServerFlags flags;
  CommandLine line(
      kEchoServerName,
      "Echoes every text and binary message on its connection, until Ctrl-C. The first "
      "line on standard output is the URL to connect to.",
      "echo-server --port 9001 --deflate\n"
      "echo-server --tls --ca-out ca.pem");
  flags.add_to(line.options());
  if (const auto code = line.parse(arguments)) return *code;
  return run(flags);
}

}  // namespace zenwire::tools
