// zenwire connect: prints what comes, sends what is typed.

#include <cstdio>
#include <optional>
#include <vector>

#include <unistd.h>

#include <zenwire/codec/base64.hpp>
#include <zenwire/codec/utf8.hpp>
#include <zenwire/engine/reactor.hpp>

#include "command_line.hpp"
#include "console.hpp"
#include "flags.hpp"
#include "input_lines.hpp"
#include "interrupts.hpp"
#include "json_line.hpp"
#include "output.hpp"

namespace zenwire::tools {
namespace {

constexpr std::string_view kConnectName = "connect";

struct ConnectFlags {
  ClientFlags client;
  ReactorFlags reactor;
  bool one = false;
  bool stay = false;
  bool close_on_eof = false;
  bool raw = false;
  bool binary = false;
  bool no_input = false;
  bool json = false;
  double ping_interval_s = 0;

  void add_to(CLI::App& app) {
    client.add_to(app);
    app.add_flag("-1,--one", one, "end after the first message");
    auto* staying = app.add_flag("--stay", stay, "go on receiving after the end of input");
    app.add_flag("--close-on-eof", close_on_eof,
                 "close at the end of input even if there was none, as with </dev/null")
        ->excludes(staying);
    app.add_flag("-n,--no-input", no_input, "leave standard input alone");
    app.add_flag("-b,--binary", binary, "send lines as binary messages");
    auto* verbatim = app.add_flag("--raw", raw,
                                  "print binary messages as they are, without base64 or line feed");
    app.add_flag("--json", json, "print every event as a JSON object on a line")
        ->excludes(verbatim);
    app.add_option("--ping-interval", ping_interval_s, "send a ping every so many seconds")
        ->check(CLI::Range(0.001, 86'400.0))
        ->type_name("S");
    reactor.add_to(app);
  }
};

// One run of the command, with its reactor: what is posted to that, or ends with it, comes here.
// Thread: the reactor's.
class ConnectRun {
 public:
  ConnectRun(const ConnectFlags& flags, std::unique_ptr<Reactor> reactor,
             const Interrupts& interrupts)
      : flags_(flags),
        reactor_(*reactor),
        interrupts_(interrupts),
        printable_(printable_url(flags.client.url)),
        input_(reactor_, {&take_line, &end_of_input, this}, flags.reactor.message_bytes_max),
        ping_(Callback<Timer&>::to<&ConnectRun::on_ping_due>(*this)),
        owned_reactor_(std::move(reactor)) {}
  ~ConnectRun() {
    reactor_.cancel(ping_);
    input_.stop();
  }

  Result<void> start(const ConnectOptions& options) {
    const auto id = reactor_.connect(
        options,
        {.on_open = Callback<Connection&>::to<&ConnectRun::on_open>(*this),
         .on_message = Callback<Connection&, const Message&>::to<&ConnectRun::on_message>(*this),
         .on_control = Callback<Connection&, Opcode, Bytes>::to<&ConnectRun::on_control>(*this),
         .on_closed = Callback<Connection&, const Closed&>::to<&ConnectRun::on_closed>(*this),
         .on_failed =
             Callback<Connection&, const OpenFailure&>::to<&ConnectRun::on_failed>(*this)});
    if (!id) return tl::unexpected(id.error());
    id_ = *id;
    return {};
  }

  [[nodiscard]] ExitCode exit_code() const noexcept {
    const int signal = interrupts_.caught();
    if (signal != 0 && flags_.one && received_ == 0) return exit_code_of_signal(signal);
    if (output_.gone()) return ExitCode::already_gone;
    return exit_code_;
  }

 private:
  void on_open(Connection& connection) noexcept;
  void on_message(Connection& connection, const Message& message) noexcept;
  void on_control(Connection& connection, Opcode opcode, Bytes payload) noexcept;
  void on_closed(Connection& connection, const Closed& closed) noexcept;
  void on_failed(Connection& connection, const OpenFailure& failure) noexcept;
  void on_drained(Connection&) noexcept { input_.retry(); }
  void on_transmitted(Connection&, const Transmitted& news) noexcept;
  void on_ping_due(Timer&) noexcept;

  static bool take_line(void* self, std::string_view line) noexcept {
    return static_cast<ConnectRun*>(self)->send_line(line);
  }
  static void end_of_input(void* self) noexcept { static_cast<ConnectRun*>(self)->on_eof(); }
  bool send_line(std::string_view line) noexcept;
  void on_eof() noexcept;

  void arm_ping() noexcept;
  void close() noexcept;
  void print(const Message& message) noexcept;
  void print_json(const Connection& connection, const Message& message) noexcept;
  void print_opened(const Opened& opened) noexcept;
  void check_output() noexcept;
  std::string_view base64(Bytes payload);

  const ConnectFlags& flags_;
  Reactor& reactor_;
  const Interrupts& interrupts_;
  std::string printable_;
  Output output_;
  ConnectionId id_;
  std::uint64_t received_ = 0;
  std::uint64_t lines_ = 0;
  bool closing_ = false;
  ExitCode exit_code_ = ExitCode::ok;
  std::string encoded_;
  InputLines input_;
  Timer ping_;
  std::unique_ptr<Reactor> owned_reactor_;  // the last: it ends first
};

void ConnectRun::on_open(Connection& connection) noexcept {
  const Opened& opened = connection.opened();
  if (flags_.reactor.verbose || flags_.json) print_opened(opened);
  ZW_ASSERT(connection.on_drained.add(Callback<Connection&>::to<&ConnectRun::on_drained>(*this)));
  if (flags_.json) {
    ZW_ASSERT(connection.on_transmitted.add(
        Callback<Connection&, const Transmitted&>::to<&ConnectRun::on_transmitted>(*this)));
  }
  if (flags_.ping_interval_s > 0) arm_ping();
  if (!flags_.no_input) input_.start();
}

void ConnectRun::print_opened(const Opened& opened) noexcept {
  if (flags_.json) {
    JsonLine line;
    line.add("event", "open").add("url", printable_).add("remote", opened.remote.text());
    if (opened.secure) line.add("tls", opened.tls.version).add("cipher", opened.tls.cipher);
    line.add("subprotocol", opened.subprotocol).add("deflate", opened.deflate.has_value());
    line.add("resolve_ns", opened.resolve_ns).add("connect_ns", opened.connect_ns);
    line.add("tls_ns", opened.tls_ns).add("upgrade_ns", opened.upgrade_ns);
    output_.write_line(line.text());
    output_.flush();
  }
  if (!flags_.reactor.verbose) return;
  std::string text = "open: " + printable_ + " at " + opened.remote.text();
  if (opened.secure) text += ", " + opened.tls.version + " " + opened.tls.cipher;
  if (!opened.subprotocol.empty()) text += ", subprotocol " + opened.subprotocol;
  if (opened.deflate) text += ", permessage-deflate";
  print_note(kConnectName, text);
  print_note(kConnectName, "took: resolve " + duration_text(opened.resolve_ns) + ", connect " +
                               duration_text(opened.connect_ns) + ", TLS " +
                               duration_text(opened.tls_ns) + ", upgrade " +
                               duration_text(opened.upgrade_ns));
}

std::string_view ConnectRun::base64(Bytes payload) {
  encoded_.resize(base64_encoded_bytes(payload.size()));
  base64_encode(encoded_.data(), payload);
  return encoded_;
}

void ConnectRun::on_message(Connection& connection, const Message& message) noexcept {
  if (flags_.one && received_ > 0) return;
  ++received_;
  if (flags_.json) {
    print_json(connection, message);
  } else {
    print(message);
  }
  if (message.last_of_burst || flags_.one) output_.flush();
  check_output();
  if (flags_.one) close();
}

void ConnectRun::print(const Message& message) noexcept {
  if (message.is_text()) {
    output_.write_line(message.text());
  } else if (flags_.raw) {
    output_.write(as_text(message.payload));
  } else {
    output_.write_line(base64(message.payload));
  }
}

void ConnectRun::print_json(const Connection& connection, const Message& message) noexcept {
  JsonLine line;
  line.add("event", "message").add("sequence", message.sequence);
  line.add("received_ns", message.received_ns).add("type", name(message.opcode));
  const std::uint64_t kernel_ns = connection.passport().kernel_ns;
  if (kernel_ns != 0) line.add("kernel_ns", kernel_ns);
  line.add("data", message.is_text() ? message.text() : base64(message.payload));
  if (!message.is_text()) line.add("binary", true);
  output_.write_line(line.text());
}

void ConnectRun::check_output() noexcept {
  if (!output_.failed() || closing_) return;
  if (!output_.gone()) {
    print_error(kConnectName, "cannot write standard output",
                Error(Errc::system_error, {}, output_.error()));
    exit_code_ = ExitCode::failed;
  }
  // A peer that only sends would not answer a close soon, and nobody waits for what it says.
  closing_ = true;
  reactor_.stop(std::chrono::milliseconds(100));
}

void ConnectRun::on_control(Connection&, Opcode opcode, Bytes payload) noexcept {
  if (flags_.json) {
    output_.write_line(JsonLine().add("event", name(opcode)).add("data", as_text(payload)).text());
    output_.flush();
  }
  if (flags_.reactor.verbose) print_note(kConnectName, std::string(name(opcode)) + " received");
}

// Only with the option kernel_stamps.
void ConnectRun::on_transmitted(Connection&, const Transmitted& news) noexcept {
  JsonLine line;
  line.add("event", "transmitted").add("wire_bytes", news.bytes);
  output_.write_line(line.add("sent_ns", news.sent_ns).add("kernel_ns", news.kernel_ns).text());
  output_.flush();
}

void ConnectRun::on_closed(Connection&, const Closed& closed) noexcept {
  if (flags_.json) {
    JsonLine line;
    line.add("event", "closed").add("code", closed.code).add("reason", closed.reason);
    line.add("clean", closed.clean).add("by_peer", closed.by_peer);
    output_.write_line(line.add("error", name(closed.error.code())).text());
  }
  output_.flush();
  const bool good_code = closed.code == CloseCode::normal || closed.code == CloseCode::going_away ||
                         closed.code == CloseCode::no_status;
  // After our own close the peer may just hang up: that ended what there was to end.
  const bool ours = (closing_ || interrupts_.caught() != 0) && !is_fault(closed.error);
  const bool good = ours || (closed.clean && good_code);
  if (!good) {
    print_error(kConnectName, printable_ + " ended with " + close_text(closed.code, closed.reason),
                closed.error);
    exit_code_ = ExitCode::failed;
  } else if (flags_.reactor.verbose) {
    print_note(kConnectName, "closed: " + close_text(closed.code, closed.reason));
  }
  reactor_.stop(std::chrono::nanoseconds(0));
}

void ConnectRun::on_failed(Connection&, const OpenFailure& failure) noexcept {
  print_failure(kConnectName, "cannot open " + printable_, failure);
  if (flags_.json) {
    JsonLine line;
    line.add("event", "failed").add("url", printable_).add_error(failure.error);
    if (failure.http_status != 0) line.add("http_status", failure.http_status);
    if (failure.retry_after) line.add("retry_after_s", failure.retry_after->count());
    output_.write_line(line.text());
  }
  exit_code_ = ExitCode::failed;
  reactor_.stop(std::chrono::nanoseconds(0));
}

bool ConnectRun::send_line(std::string_view line) noexcept {
  Connection* connection = reactor_.find(id_);
  if (connection == nullptr || closing_) return true;  // nobody is left to hear it
  ++lines_;
  if (!flags_.binary && !is_utf8(as_bytes(line))) {
    print_error(kConnectName, "line " + std::to_string(lines_) + " of standard input was not sent",
                Error(Errc::text_not_utf8, "--binary sends bytes as they are"));
    exit_code_ = ExitCode::failed;
    return true;
  }
  const Errc sent = connection->send(flags_.binary ? Opcode::binary : Opcode::text, as_bytes(line));
  if (sent == Errc::send_queue_full) {
    --lines_;
    return false;
  }
  if (sent != Errc::ok) {
    print_error(kConnectName, "line " + std::to_string(lines_) + " of standard input was not sent",
                sent);
    exit_code_ = ExitCode::failed;
  }
  return true;
}

void ConnectRun::on_eof() noexcept {
  if (input_.too_long()) {
    print_error(kConnectName, "standard input is not read any more",
                Error(Errc::message_too_large, "a line is longer than --max-message"));
    exit_code_ = ExitCode::failed;
  }
  // Nothing at all is how a script without input looks (</dev/null): it wants to listen.
  const bool from_person = isatty(STDIN_FILENO) == 1;
  if (flags_.stay || flags_.one) return;
  if (lines_ > 0 || from_person || flags_.close_on_eof) close();
}

void ConnectRun::close() noexcept {
  Connection* connection = reactor_.find(id_);
  if (connection == nullptr || closing_) return;
  closing_ = true;
  static_cast<void>(connection->close(CloseCode::normal));
}

void ConnectRun::arm_ping() noexcept {
  reactor_.arm(ping_, reactor_.now_ns() + static_cast<Instant_ns>(flags_.ping_interval_s * 1e9));
}

void ConnectRun::on_ping_due(Timer&) noexcept {
  Connection* connection = reactor_.find(id_);
  if (connection == nullptr || connection->ping() == Errc::connection_closed) return;
  arm_ping();
}

ExitCode run(const ConnectFlags& flags) {
  Interrupts interrupts;
  const auto options = flags.client.connect_options(kConnectName, flags.reactor);
  if (!options) {
    print_error(kConnectName, "cannot use the options", options.error());
    return ExitCode::usage;
  }
  auto reactor = Reactor::create(flags.reactor.reactor_options(1));
  if (!reactor) {
    print_error(kConnectName, "cannot start the engine", reactor.error());
    return exit_code_of_start(reactor.error());
  }
  Reactor& engine = **reactor;
  ConnectRun command(flags, std::move(*reactor), interrupts);
  if (auto started = command.start(*options); !started) {
    print_error(kConnectName, "cannot connect to " + printable_url(flags.client.url),
                started.error());
    return exit_code_of_start(started.error());
  }
  const StopOnSignal stop_on_signal(interrupts, engine);
  if (auto ran = engine.run(); !ran) {
    print_error(kConnectName, "cannot run the engine", ran.error());
    return ExitCode::failed;
  }
  return command.exit_code();
}

}  // namespace

ExitCode connect_main(Arguments arguments) {
  ConnectFlags flags;
  CommandLine line(
      kConnectName,
      "Prints a connection's messages on standard output, text as lines, and sends the "
      "lines of standard input. Ends when the server closes, at Ctrl-C, or when input "
      "that had lines ends (see --stay).",
      "connect wss://www.deribit.com/ws/api/v2\n"
      "connect ws://127.0.0.1:9001/\n"
      "connect -v --one --ca ca.pem wss://localhost:8443/ </dev/null");
  flags.add_to(line.options());
  if (const auto code = line.parse(arguments)) return *code;
  if (auto read = flags.client.read_config(flags.reactor); !read) {
    print_error(kConnectName, "cannot use the options", read.error());
    return ExitCode::usage;
  }
  return run(flags);
}

}  // namespace zenwire::tools
