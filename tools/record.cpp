// zenwire record: records a session into a file.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <zenwire/engine/reactor.hpp>
#include <zenwire/engine/recorder.hpp>

#include "command_line.hpp"
#include "console.hpp"
#include "flags.hpp"
#include "interrupts.hpp"
#include "json_line.hpp"
#include "output.hpp"

namespace zenwire::tools {
namespace {

constexpr std::string_view kRecordName = "record";

struct RecordFlags {
  ClientFlags client;
  ReactorFlags reactor;
  std::string file;
  std::string status_file;
  std::uint64_t count = 0;  // 0: no limit
  double duration_s = 0;    // 0: no limit
  std::vector<std::string> sends;
  std::uint32_t session = 0;
  bool json = false;

  void add_to(CLI::App& app) {
    client.add_to(app);
    app.add_option("-o,--to", file, "the recording; appended to if it exists")
        ->required()
        ->type_name("FILE");
    app.add_option("-n,--count", count, "end after exactly this many messages received")
        ->check(CLI::PositiveNumber);
    app.add_option("--duration", duration_s, "end after this many seconds")
        ->check(CLI::Range(0.001, 1e9))
        ->type_name("S");
    one_value_each(app.add_option("--send", sends,
                                  "text to send once open, such as a subscription; again for more")
                       ->type_name("TEXT"));
    app.add_option("--status", status_file,
                   "keep the count of completed records in this file, a shared page")
        ->type_name("FILE");
    app.add_option("--session", session, "number of the session, written into each line");
    app.add_flag("--json", json, "print the summary as JSON");
    reactor.add_to(app);
  }
  [[nodiscard]] bool limited() const noexcept { return count > 0 || duration_s > 0; }
};

// One run of the command. Thread: the reactor's.
class RecordRun {
 public:
  RecordRun(const RecordFlags& flags, Reactor& reactor, Recorder& recorder,
            const Interrupts& interrupts)
      : flags_(flags),
        reactor_(reactor),
        recorder_(recorder),
        interrupts_(interrupts),
        printable_(printable_url(flags.client.url)),
        progress_(kRecordName),
        end_(Callback<Timer&>::to<&RecordRun::on_duration>(*this)),
        watch_(Callback<Timer&>::to<&RecordRun::on_watch>(*this)) {}
  ~RecordRun() {
    reactor_.cancel(end_);
    reactor_.cancel(watch_);
  }

  Result<void> start(const ConnectOptions& options);
  // After the reactor has ended and the recorder is closed.
  ExitCode finish(const Result<void>& closed);

 private:
  static constexpr Instant_ns kWatch_ns = 100'000'000;

  void on_open(Connection& connection) noexcept;
  void on_message(Connection& connection, const Message& message) noexcept;
  void on_closed(Connection& connection, const Closed& closed) noexcept;
  void on_failed(Connection& connection, const OpenFailure& failure) noexcept;
  void on_duration(Timer&) noexcept;
  void on_watch(Timer&) noexcept;
  void end(Connection& connection) noexcept;
  void leave_out_the_rest(Connection& connection) noexcept;
  [[nodiscard]] ExitCode judge() const;
  void print_summary() const;
  void fail_with(const Error& error, const std::string& what) noexcept;

  const RecordFlags& flags_;
  Reactor& reactor_;
  Recorder& recorder_;
  const Interrupts& interrupts_;
  std::string printable_;
  Progress progress_;
  ConnectionId id_;
  std::uint64_t messages_ = 0;
  std::uint64_t bytes_ = 0;
  std::uint64_t first_ns_ = 0;
  std::uint64_t last_ns_ = 0;
  bool ending_ = false;      // we closed, because all that was asked for is there
  bool leaves_out_ = false;  // messages beyond --count came
  bool duration_over_ = false;
  bool failed_ = false;
  Timer end_;
  Timer watch_;
};

Result<void> RecordRun::start(const ConnectOptions& options) {
  const auto id = reactor_.connect(
      options,
      {.on_open = Callback<Connection&>::to<&RecordRun::on_open>(*this),
       .on_message = Callback<Connection&, const Message&>::to<&RecordRun::on_message>(*this),
       .on_closed = Callback<Connection&, const Closed&>::to<&RecordRun::on_closed>(*this),
       .on_failed = Callback<Connection&, const OpenFailure&>::to<&RecordRun::on_failed>(*this)});
  if (!id) return tl::unexpected(id.error());
  id_ = *id;
  Connection* connection = reactor_.find(id_);
  ZW_ASSERT(connection != nullptr);
  connection->session = flags_.session;
  connection->record_to(&recorder_);
  reactor_.arm(watch_, reactor_.now_ns() + kWatch_ns);
  return {};
}

void RecordRun::on_open(Connection& connection) noexcept {
  if (flags_.reactor.verbose) {
    print_note(kRecordName, "open: " + printable_ + " at " + connection.opened().remote.text());
  }
  for (const std::string& text : flags_.sends) {
    const Errc sent = connection.send_text(text);
    if (sent != Errc::ok) fail_with(sent, "cannot send to " + printable_);
  }
  if (flags_.duration_s > 0) {
    reactor_.arm(end_, reactor_.now_ns() + static_cast<Instant_ns>(flags_.duration_s * 1e9));
  }
}

void RecordRun::on_message(Connection& connection, const Message& message) noexcept {
  if (flags_.count > 0 && messages_ == flags_.count) return leave_out_the_rest(connection);
  ++messages_;
  bytes_ += message.payload.size();
  last_ns_ = message.received_ns;
  if (messages_ == 1) first_ns_ = last_ns_;
  if (messages_ == flags_.count) end(connection);
}

// The recording holds exactly as many messages as were asked for. What came behind them goes
// unrecorded from before its handler has returned; the end is then ours to note.
void RecordRun::leave_out_the_rest(Connection& connection) noexcept {
  if (leaves_out_) return;
  leaves_out_ = true;
  connection.record_to(nullptr);
}

void RecordRun::end(Connection& connection) noexcept {
  if (ending_) return;
  ending_ = true;
  static_cast<void>(connection.close(CloseCode::normal));
}

void RecordRun::on_duration(Timer&) noexcept {
  duration_over_ = true;
  if (Connection* connection = reactor_.find(id_)) end(*connection);
}

// A few times a second: has the disk filled up, and what is there to tell a person?
void RecordRun::on_watch(Timer&) noexcept {
  const auto error = recorder_.error();
  Connection* connection = reactor_.find(id_);
  if (connection == nullptr) return;
  if (error && !ending_) {
    fail_with(*error, "cannot go on recording into " + flags_.file);
    return end(*connection);
  }
  if (progress_.is_due()) {
    progress_.show(grouped(messages_) + " messages, " + byte_text(bytes_));
  }
  reactor_.arm(watch_, reactor_.now_ns() + kWatch_ns);
}

void RecordRun::on_closed(Connection& connection, const Closed& closed) noexcept {
  progress_.clear();
  if (leaves_out_) {
    EventView event;
    event.ns = reactor_.io().wall_ns();
    event.event = "disconnect";
    event.owner = {connection.id().index, connection.id().epoch, connection.session};
    event.reason = "count reached";
    recorder_.event(event);
  }
  const bool good_code = closed.code == CloseCode::normal || closed.code == CloseCode::going_away ||
                         closed.code == CloseCode::no_status;
  const bool ours = (ending_ || interrupts_.caught() != 0) && !is_fault(closed.error);
  if (!ours && !(closed.clean && good_code)) {
    fail_with(closed.error, printable_ + " ended with " + close_text(closed.code, closed.reason));
  }
  reactor_.stop(std::chrono::nanoseconds(0));
}

void RecordRun::on_failed(Connection&, const OpenFailure& failure) noexcept {
  progress_.clear();
  print_failure(kRecordName, "cannot open " + printable_, failure);
  failed_ = true;
  reactor_.stop(std::chrono::nanoseconds(0));
}

void RecordRun::fail_with(const Error& error, const std::string& what) noexcept {
  progress_.clear();
  print_error(kRecordName, what, error);
  failed_ = true;
}

ExitCode RecordRun::finish(const Result<void>& closed) {
  const RecorderStatus status = recorder_.stats().status;
  if (!closed && !failed_) fail_with(closed.error(), "cannot finish recording into " + flags_.file);
  if (status.dropped > 0) {
    print_warning(kRecordName, grouped(status.dropped) + " records were dropped: " + flags_.file +
                                   " says where (event overflow)");
  }
  print_summary();
  return status.dropped > 0 ? ExitCode::data_lost : judge();
}

ExitCode RecordRun::judge() const {
  if (failed_) return ExitCode::failed;
  const bool complete = flags_.count == 0 ? !flags_.limited() || duration_over_ || ending_
                                          : messages_ == flags_.count || duration_over_;
  if (interrupts_.caught() != 0) {
    return complete ? ExitCode::ok : exit_code_of_signal(interrupts_.caught());
  }
  if (flags_.count > 0 && !complete) {
    print_error(kRecordName,
                printable_ + " closed after " + grouped(messages_) + " of " +
                    grouped(flags_.count) + " messages",
                Errc::closed_by_peer);
    return ExitCode::failed;
  }
  return ExitCode::ok;
}

void RecordRun::print_summary() const {
  const RecorderStats stats = recorder_.stats();
  const std::uint64_t lasted_ns = last_ns_ - first_ns_;
  Output output;
  if (flags_.json) {
    JsonLine line;
    line.add("file", flags_.file).add("messages", messages_).add("payload_bytes", bytes_);
    line.add("records", stats.status.records).add("events", stats.status.events);
    line.add("dropped", stats.status.dropped).add("file_bytes", stats.status.bytes);
    line.add("stalls", stats.stalls).add("duration_ns", lasted_ns);
    output.write_line(line.text());
    return;
  }
  // From the first to the last: one alone has taken no time.
  const std::string took = messages_ > 1 ? " in " + duration_text(lasted_ns) : "";
  output.write_line(counted(messages_, "message") + ", " + byte_text(bytes_) + took +
                    ", recorded into " + flags_.file);
}

ExitCode run(const RecordFlags& flags) {
  Interrupts interrupts;
  const auto options = flags.client.connect_options(kRecordName, flags.reactor);
  if (!options) {
    print_error(kRecordName, "cannot use the options", options.error());
    return ExitCode::usage;
  }
  auto reactor = Reactor::create(flags.reactor.reactor_options(1));
  if (!reactor) {
    print_error(kRecordName, "cannot start the engine", reactor.error());
    return exit_code_of_start(reactor.error());
  }
  RecorderOptions recorder_options;
  recorder_options.path = flags.file;
  recorder_options.status_path = flags.status_file;
  auto recorder = Recorder::open(recorder_options);
  if (!recorder) {
    print_error(kRecordName, "cannot record into " + flags.file, recorder.error());
    return ExitCode::failed;
  }
  RecordRun command(flags, **reactor, *recorder, interrupts);
  if (auto started = command.start(*options); !started) {
    print_error(kRecordName, "cannot connect to " + printable_url(flags.client.url),
                started.error());
    return exit_code_of_start(started.error());
  }
  const StopOnSignal stop_on_signal(interrupts, **reactor);
  if (auto ran = (*reactor)->run(); !ran) {
    print_error(kRecordName, "cannot run the engine", ran.error());
    return ExitCode::failed;
  }
  return command.finish(recorder->close());
}

}  // namespace

ExitCode record_main(Arguments arguments) {
  RecordFlags flags;
  CommandLine line(kRecordName,
                   "Records a session, both directions, until the server closes, a limit is "
                   "reached, or Ctrl-C. The file is whole up to its last line whatever ends the "
                   "process.",
                   "record wss://www.deribit.com/ws/api/v2 --to btc.jsonl --duration 60 "
                   "--send '{\"method\":\"public/subscribe\",...}'\n"
                   "record ws://127.0.0.1:9001/ --to session.jsonl --count 1000");
  flags.add_to(line.options());
  if (const auto code = line.parse(arguments)) return *code;
  if (auto read = flags.client.read_config(flags.reactor); !read) {
    print_error(kRecordName, "cannot use the options", read.error());
    return ExitCode::usage;
  }
  return run(flags);
}

}  // namespace zenwire::tools
