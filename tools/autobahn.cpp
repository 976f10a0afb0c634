// zenwire autobahn: drives an Autobahn fuzzing server through its cases, as its client.

#include <charconv>
#include <optional>
#include <string>

#include <zenwire/engine/reactor.hpp>

#include "command_line.hpp"
#include "console.hpp"
#include "echo.hpp"
#include "flags.hpp"
#include "interrupts.hpp"
#include "json_line.hpp"
#include "output.hpp"

namespace zenwire::tools {
namespace {

constexpr std::string_view kAutobahnName = "autobahn";

struct AutobahnFlags {
  ClientFlags client;
  ReactorFlags reactor;
  std::string agent = "zenwire";
  std::string cases;
  std::uint32_t first = 1;
  std::uint32_t last = 0;  // 0: all
  bool json = false;

  void add_to(CLI::App& app) {
    client.add_to(app);
    app.add_option("--agent", agent, "our name in the report")->capture_default_str();
    app.add_option("--cases", cases, "only these, as 5 or 10-20")
        ->check(
            CLI::Validator([this](const std::string& text) { return read_cases(text); }, "A-B"));
    app.add_flag("--json", json, "print the outcome as JSON");
    reactor.add_to(app);
  }

  // A fuzzing server does one thing at a time: it answers the request for the report when it has
  // written that of 500 cases. What the user sets comes later and wins.
  void be_patient() {
    client.settings.insert(client.settings.begin(),
                           {"upgrade_timeout_ms=600000", "open_timeout_ms=600000"});
  }

  // What is wrong with it, or nothing.
  std::string read_cases(const std::string& text) {
    const char* end = text.data() + text.size();
    auto [at, error] = std::from_chars(text.data(), end, first);
    last = first;
    if (error == std::errc{} && at != end && *at == '-') {
      std::tie(at, error) = parse(at + 1, end);
    }
    const bool good = error == std::errc{} && at == end && first >= 1 && last >= first;
    return good ? "" : "--cases needs a number, or two as in 10-20";
  }

 private:
  std::pair<const char*, std::errc> parse(const char* from, const char* end) {
    const auto [at, error] = std::from_chars(from, end, last);
    return {at, error};
  }
};

// The agent's name may hold anything.
std::string percent_encoded(std::string_view text) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string encoded;
  for (const char character : text) {
    const auto byte = static_cast<unsigned char>(character);
    if (std::isalnum(byte) != 0 || std::string_view("-._~").find(character) != std::string::npos) {
      encoded += character;
    } else {
      encoded += {'%', kHex[byte >> 4], kHex[byte & 15]};
    }
  }
  return encoded;
}

// Thread: the reactor's. One connection after another: the count, each case, the report.
class AutobahnRun {
 public:
  AutobahnRun(const AutobahnFlags& flags, ConnectOptions options, Reactor& reactor)
      : flags_(flags),
        options_(std::move(options)),
        base_(options_.url.substr(0, options_.url.find_last_not_of('/') + 1)),
        reactor_(reactor),
        echo_(reactor),
        progress_(kAutobahnName) {}

  Result<void> start() { return connect("/getCaseCount"); }
  [[nodiscard]] bool finished() const noexcept { return phase_ == Phase::done; }
  [[nodiscard]] const std::optional<Error>& error() const noexcept { return error_; }
  void report() const;

 private:
  enum class Phase : std::uint8_t { count, cases, report, done };

  Result<void> connect(const std::string& target);
  void on_open(Connection& connection) noexcept;
  void on_message(Connection& connection, const Message& message) noexcept;
  void on_closed(Connection& connection, const Closed& closed) noexcept;
  void on_failed(Connection& connection, const OpenFailure& failure) noexcept;
  void next() noexcept;
  void run_case() noexcept;
  void give_up(const Error& error) noexcept;

  const AutobahnFlags& flags_;
  ConnectOptions options_;
  std::string base_;
  Reactor& reactor_;
  Echo echo_;
  Progress progress_;
  Phase phase_ = Phase::count;
  std::uint32_t count_ = 0;
  std::uint32_t case_ = 0;
  std::uint32_t ran_ = 0;
  std::uint32_t not_opened_ = 0;
  std::optional<Error> error_;
};

Result<void> AutobahnRun::connect(const std::string& target) {
  options_.url = base_ + target;
  const auto id = reactor_.connect(
      options_,
      {.on_open = Callback<Connection&>::to<&AutobahnRun::on_open>(*this),
       .on_message = Callback<Connection&, const Message&>::to<&AutobahnRun::on_message>(*this),
       .on_closed = Callback<Connection&, const Closed&>::to<&AutobahnRun::on_closed>(*this),
       .on_failed = Callback<Connection&, const OpenFailure&>::to<&AutobahnRun::on_failed>(*this)});
  if (!id) return tl::unexpected(id.error());
  return {};
}

void AutobahnRun::on_open(Connection& connection) noexcept {
  if (phase_ == Phase::cases) echo_.add(connection);
}

void AutobahnRun::on_message(Connection&, const Message& message) noexcept {
  if (phase_ != Phase::count) return;
  const std::string_view text = message.text();
  std::from_chars(text.data(), text.data() + text.size(), count_);
}

void AutobahnRun::on_closed(Connection&, const Closed& closed) noexcept {
  if (phase_ == Phase::count && count_ == 0) {
    give_up(Error(closed.error.code(), "the server did not say how many cases it has"));
    return;
  }
  // How a case ends is for the server to judge: many must end with an error.
  if (phase_ == Phase::cases) ++ran_;
  next();
}

void AutobahnRun::on_failed(Connection&, const OpenFailure& failure) noexcept {
  if (phase_ != Phase::cases) {
    give_up(failure.error);
    return;
  }
  progress_.clear();
  print_failure(kAutobahnName, "case " + std::to_string(case_) + " did not open", failure);
  ++not_opened_;
  next();
}

void AutobahnRun::next() noexcept {
  switch (phase_) {
    case Phase::count:
      phase_ = Phase::cases;
      case_ = flags_.first - 1;
      if (flags_.reactor.verbose) print_note(kAutobahnName, grouped(count_) + " cases");
      return run_case();
    case Phase::cases: return run_case();
    case Phase::report:
    case Phase::done: phase_ = Phase::done; reactor_.stop(std::chrono::nanoseconds(0));
  }
}

void AutobahnRun::run_case() noexcept {
  const std::uint32_t last = flags_.last == 0 ? count_ : std::min(flags_.last, count_);
  std::string target = "/updateReports?agent=" + percent_encoded(flags_.agent);
  if (++case_ > last) {
    phase_ = Phase::report;
  } else {
    target = "/runCase?case=" + std::to_string(case_) + "&agent=" + percent_encoded(flags_.agent);
    progress_.show("case " + std::to_string(case_) + " of " + std::to_string(last));
  }
  if (auto started = connect(target); !started) give_up(started.error());
}

void AutobahnRun::give_up(const Error& error) noexcept {
  error_ = error;
  reactor_.stop(std::chrono::nanoseconds(0));
}

void AutobahnRun::report() const {
  if (!flags_.json) {
    print_note(kAutobahnName, grouped(ran_) + " cases run, " + grouped(not_opened_) +
                                  " could not be opened; the server has the report");
    return;
  }
  Output output;
  JsonLine line;
  line.add("cases", count_).add("run", ran_).add("not_opened", not_opened_);
  output.write_line(line.add("echoed", echo_.echoed()).text());
}

ExitCode run(const AutobahnFlags& flags) {
  Interrupts interrupts;
  auto options = flags.client.connect_options(kAutobahnName, flags.reactor);
  if (!options) {
    print_error(kAutobahnName, "cannot use the options", options.error());
    return ExitCode::usage;
  }
  auto reactor = Reactor::create(flags.reactor.reactor_options(2));
  if (!reactor) {
    print_error(kAutobahnName, "cannot start the engine", reactor.error());
    return exit_code_of_start(reactor.error());
  }
  const std::string printable = printable_url(flags.client.url);
  AutobahnRun command(flags, std::move(*options), **reactor);
  if (auto started = command.start(); !started) {
    print_error(kAutobahnName, "cannot connect to " + printable, started.error());
    return exit_code_of_start(started.error());
  }
  const StopOnSignal stop_on_signal(interrupts, **reactor);
  if (auto ran = (*reactor)->run(); !ran) {
    print_error(kAutobahnName, "cannot run the engine", ran.error());
    return ExitCode::failed;
  }
  if (interrupts.caught() != 0) return exit_code_of_signal(interrupts.caught());
  if (command.error()) {
    print_error(kAutobahnName, "cannot go on with " + printable, *command.error());
    return ExitCode::failed;
  }
  command.report();
  return command.finished() ? ExitCode::ok : ExitCode::failed;
}

}  // namespace

ExitCode autobahn_main(Arguments arguments) {
  AutobahnFlags flags;
  CommandLine line(kAutobahnName,
                   "Runs the cases of an Autobahn fuzzing server (wstest -m fuzzingserver) as its "
                   "client, one after another, and has it write its report.",
                   "autobahn ws://127.0.0.1:9001 --agent zenwire --deflate");
  flags.add_to(line.options());
  if (const auto code = line.parse(arguments)) return *code;
  flags.be_patient();
  if (auto read = flags.client.read_config(flags.reactor); !read) {
    print_error(kAutobahnName, "cannot use the options", read.error());
    return ExitCode::usage;
  }
  return run(flags);
}

}  // namespace zenwire::tools
