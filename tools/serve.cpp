// zenwire serve: plays a recording to every client.

#include <string>

#include <zenwire/engine/reactor.hpp>

#include "command_line.hpp"
#include "console.hpp"
#include "flags.hpp"
#include "interrupts.hpp"
#include "output.hpp"
#include "player.hpp"
#include "recording_problems.hpp"

namespace zenwire::tools {
namespace {

constexpr std::string_view kServeName = "serve";

struct ServeFlags {
  ServerFlags server;
  ReactorFlags reactor;
  std::string file;
  double speed = 0;
  std::string direction = "in";
  std::uint32_t connections_max = 256;
  std::uint64_t clients = 0;  // 0: no limit
  bool loop = false;

  void add_to(CLI::App& app) {
    app.add_option("--replay", file, "the recording to play")->required()->type_name("FILE");
    server.add_to(app);
    app.add_option("--speed", speed,
                   "0: as fast as the client reads; 1: original timing; 10: ten times as fast")
        ->check(CLI::Range(0.0, 1e9))
        ->capture_default_str();
    app.add_option("--dir", direction, "play what was received (in) or sent (out)")
        ->check(CLI::IsMember({"in", "out"}))
        ->capture_default_str();
    app.add_flag("--loop", loop, "start over at the end instead of closing");
    app.add_option("--clients", clients, "end after so many clients have gone")
        ->check(CLI::PositiveNumber);
    app.add_option("--connections", connections_max, "most connections at a time")
        ->check(CLI::Range(1, 4096))
        ->capture_default_str();
    reactor.add_to(app);
  }
};

struct Usher {
  Reactor& reactor;
  Player& player;
  const ServeFlags& flags;
  std::uint64_t gone = 0;

  void on_open(Connection& connection) noexcept {
    if (flags.reactor.verbose) print_note(kServeName, "open: " + connection.opened().remote.text());
    ZW_ASSERT(connection.on_closed.add(
        Callback<Connection&, const Closed&>::to<&Usher::on_closed>(*this)));
    player.add(connection);
  }
  void on_closed(Connection&, const Closed& closed) noexcept {
    if (flags.reactor.verbose)
      print_note(kServeName, "closed: " + close_text(closed.code, closed.reason));
    if (++gone == flags.clients) reactor.stop();
  }
};

ExitCode report(const ServeFlags& flags, const Player& player) {
  if (flags.reactor.verbose) {
    print_note(kServeName, grouped(player.messages_sent()) + " messages (" +
                               byte_text(player.bytes_sent()) + ") sent; " +
                               grouped(player.completed()) + " clients got all, " +
                               grouped(player.left_early()) + " left before");
  }
  return report_problems(kServeName, flags.file, player.problems());
}

// A file that holds no record but something else is no recording: every client would get nothing.
// An empty one is a recording of nothing.
ExitCode check_content(const std::string& file, const Recording& recording) {
  RecordingReader reader(recording);
  if (reader.next() != nullptr) return ExitCode::ok;
  const ExitCode code = report_problems(kServeName, file, reader.problems());
  if (code != ExitCode::ok) {
    print_error(kServeName, "cannot serve " + file,
                Error(Errc::recording_malformed, "it holds no record"));
  }
  return code;
}

ExitCode run(const ServeFlags& flags) {
  Interrupts interrupts;
  const auto recording = Recording::open(flags.file);
  if (!recording) {
    print_error(kServeName, "cannot read " + flags.file, recording.error());
    return ExitCode::failed;
  }
  if (const ExitCode code = check_content(flags.file, *recording); code != ExitCode::ok)
    return code;
  ReplayOptions replay_options;
  replay_options.speed = flags.speed;
  replay_options.direction = flags.direction == "in" ? RecordDirection::in : RecordDirection::out;
  if (auto checked = Replay::make(*recording, replay_options); !checked) {
    print_error(kServeName, "cannot use the options", checked.error());
    return ExitCode::usage;
  }
  auto options = flags.server.listen_options(flags.reactor);
  if (!options) {
    print_error(kServeName, "cannot prepare TLS", options.error());
    return ExitCode::failed;
  }
  auto reactor = Reactor::create(flags.reactor.reactor_options(flags.connections_max));
  if (!reactor) {
    print_error(kServeName, "cannot start the engine", reactor.error());
    return exit_code_of_start(reactor.error());
  }
  Player player(**reactor, *recording, replay_options, flags.loop);
  Usher usher{**reactor, player, flags};
  options->on_open = Callback<Connection&>::to<&Usher::on_open>(usher);
  const auto address = (*reactor)->listen(*options);
  if (!address) {
    print_error(kServeName, "cannot listen on " + flags.server.url(flags.server.port),
                address.error());
    return exit_code_of_start(address.error());
  }
  Output output;
  output.write_line(flags.server.url(address->port()));
  output.flush();
  const StopOnSignal stop_on_signal(interrupts, **reactor);
  if (auto ran = (*reactor)->run(); !ran) {
    print_error(kServeName, "cannot run the engine", ran.error());
    return ExitCode::failed;
  }
  return report(flags, player);
}

}  // namespace

ExitCode serve_main(Arguments arguments) {
  ServeFlags flags;
  CommandLine line(
      kServeName,
      "Plays the messages that a recording received to every client that connects, each "
      "from the beginning, whole and in order, then closes with 1000. The first line on "
      "standard output is the URL to connect to. Ends at Ctrl-C.",
      "serve --replay session.jsonl\n"
      "serve --replay session.jsonl --tls --ca-out ca.pem --speed 100");
  flags.add_to(line.options());
  if (const auto code = line.parse(arguments)) return *code;
  return run(flags);
}

}  // namespace zenwire::tools
