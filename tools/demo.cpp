// zenwire demo: the whole way of a market stream: served over TLS on several lines, one of which is
// killed in the middle, verified, arbitrated into one stream, given to a callback and to a strategy
// thread, answered with orders, recorded, compared, measured.

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <sched.h>
#include <unistd.h>

#include <zenwire/engine/message_queue.hpp>
#include <zenwire/engine/reactor.hpp>
#include <zenwire/engine/recorder.hpp>
#include <zenwire/engine/recording.hpp>
#include <zenwire/engine/tick_rate.hpp>
#include <zenwire/pool/arbitration.hpp>
#include <zenwire/pool/lines.hpp>
#include <zenwire/testing/allocation.hpp>

#include "command_line.hpp"
#include "console.hpp"
#include "demo_result.hpp"
#include "demo_server.hpp"
#include "feed.hpp"
#include "flags.hpp"
#include "interrupts.hpp"
#include "market_generator.hpp"
#include "output.hpp"
#include "report.hpp"
#include "strategy.hpp"

namespace zenwire::tools {
namespace {

constexpr std::string_view kDemoName = "demo";
// More than any venue sends, and little enough to have all memory faulted in at start.
constexpr std::uint64_t kMessage_bytes_max = std::uint64_t{4} << 20;
constexpr std::size_t kQueue_bytes = std::size_t{16} << 20;
constexpr std::size_t kHeld_bytes_max = std::size_t{1} << 20;
// Reading stops before the largest message and all that is held would not fit any more.
constexpr std::size_t kReserve_bytes = kMessage_bytes_max + kHeld_bytes_max * 2;
static_assert(kReserve_bytes < kQueue_bytes / 2, "the reserve must fit into the queue");
// Its orders go through this one; another is killed.
constexpr MemberIndex kOrderLine = 0;

struct DemoFlags {
  std::string capture;
  std::string url;
  std::string ca_file;
  std::vector<std::string> headers;
  std::vector<std::string> sends;
  std::uint64_t messages = 100'000;
  std::uint32_t lines = 4;
  double rate_per_s = 25'000;
  std::optional<std::uint64_t> orders_every;
  std::uint64_t warm_up = 1000;
  std::uint64_t seed = 1;
  double duration_s = 10;
  std::string recording = "zenwire-demo.jsonl";
  std::string report = "zenwire-demo.html";
  std::string stats;  // the name of the telemetry page
  int core = -1;
  bool json = false;
  bool appends = false;

  void add_to(CLI::App& app);
  [[nodiscard]] bool local() const noexcept { return url.empty(); }
  // A venue that is not ours gets nothing unless it was asked for.
  [[nodiscard]] std::uint32_t line_count() const noexcept { return local() ? lines : 1; }
  [[nodiscard]] std::uint64_t orders() const noexcept {
    return orders_every.value_or(local() ? 100 : 0);
  }
};

void DemoFlags::add_to(CLI::App& app) {
  auto* file = app.add_option("--capture", capture, "serve this recording instead of made messages")
                   ->type_name("FILE");
  app.add_option("--url", url, "stream from a venue instead: wss://...")->excludes(file);
  app.add_option("--ca", ca_file, "with --url: trust this PEM file")->type_name("FILE");
  one_value_each(app.add_option("-H,--header", headers, "with --url: extra header, 'Name: value'")
                     ->type_name("LINE"));
  one_value_each(
      app.add_option("--send", sends, "with --url: text to send once open, such as a subscription")
          ->type_name("TEXT"));
  app.add_option("-n,--messages", messages, "end after so many messages")
      ->check(CLI::Range(std::uint64_t{1}, std::uint64_t{100'000'000}))
      ->capture_default_str();
  app.add_option("--lines", lines,
                 "connections that carry the stream; of several, one is killed in the middle")
      ->check(CLI::Range(1U, 16U))
      ->capture_default_str();
  app.add_option("--rate", rate_per_s, "messages a second; 0: as fast as they are read")
      ->check(CLI::Range(0.0, 1e8))
      ->capture_default_str();
  app.add_option(
      "--orders-every", orders_every,
      "answer every so many messages with an order (100; with --url none, and when given "
      "a question, public/test, instead of an order); 0: never");
  app.add_option("--warm-up", warm_up, "messages before measuring begins")->capture_default_str();
  app.add_option("--seed", seed, "of the made messages")->capture_default_str();
  app.add_option("--duration", duration_s, "with --url: end after so many seconds")
      ->check(CLI::Range(0.01, 1e6))
      ->capture_default_str();
  app.add_option("--record", recording, "the recording, made anew")
      ->type_name("FILE")
      ->capture_default_str();
  app.add_option("--report", report, "the HTML report; empty: none")
      ->type_name("FILE")
      ->capture_default_str();
  app.add_option("--stats", stats,
                 "publish counters and latency under this name, for zenwire stats")
      ->type_name("NAME");
  app.add_option("--core", core, "run the reactor on this core")->check(CLI::NonNegativeNumber);
  app.add_flag("--json", json, "print the result as one JSON object");
}

// --- Cores: the reactor has one to itself if there are two.

struct CorePlan {
  int reactor = -1;
  bool spare = false;  // there is another core for everyone else
};

// Leaves this thread, and those that it starts, on the cores that are not the reactor's.
CorePlan plan_cores(int wanted) {
  cpu_set_t usable;
  CPU_ZERO(&usable);
  if (sched_getaffinity(0, sizeof usable, &usable) != 0) return {wanted, false};
  CorePlan plan{wanted, CPU_COUNT(&usable) > 1};
  if (!plan.spare) return plan;
  // The last: the first is where interrupts usually go.
  for (int cpu = CPU_SETSIZE - 1; plan.reactor < 0; --cpu) {
    if (CPU_ISSET(static_cast<std::size_t>(cpu), &usable)) plan.reactor = cpu;
  }
  CPU_CLR(static_cast<std::size_t>(plan.reactor), &usable);
  sched_setaffinity(0, sizeof usable, &usable);
  return plan;
}

// --- What runs on the reactor's thread.

class DemoClient {
 public:
  DemoClient(Reactor& reactor, const DemoFlags& flags)
      : reactor_(reactor),
        flags_(flags),
        end_(Callback<Timer&>::to<&DemoClient::on_duration>(*this)) {}
  ~DemoClient() { reactor_.cancel(end_); }

  Result<void> start(const ConnectOptions& options, MessageQueue& queue, Recorder& recorder);

  [[nodiscard]] std::uint64_t messages() const noexcept { return messages_; }
  [[nodiscard]] std::uint64_t bytes() const noexcept { return bytes_; }
  [[nodiscard]] std::uint64_t missing() const noexcept { return missing_; }
  [[nodiscard]] std::uint64_t allocations() const noexcept { return allocations_; }
  [[nodiscard]] std::uint64_t streamed_ns() const noexcept { return last_ns_ - first_ns_; }
  [[nodiscard]] const std::string& transport() const noexcept { return transport_; }
  [[nodiscard]] const LatencyRecorder& latency() const noexcept { return *latency_; }
  [[nodiscard]] bool failed() const noexcept { return failed_; }
  [[nodiscard]] LineView line(MemberIndex line) const noexcept { return arbitration_->view(line); }

 private:
  static void on_connect(void* self, MemberIndex member, Connection& connection) {
    static_cast<DemoClient*>(self)->opened(member, connection);
  }
  static void on_disconnect(void* self, MemberIndex member, Connection&, const Closed& closed) {
    static_cast<DemoClient*>(self)->ended(member, closed);
  }
  static void on_failure(void* self, MemberIndex, const OpenFailure& failure) {
    static_cast<DemoClient*>(self)->cannot_open(failure);
  }
  // Each line counts its messages from 1, and all carry the stream from its start.
  static StreamKey key_of(void*, const Message& message) noexcept {
    return {0, SequenceKey::dense(message.sequence)};
  }
  void opened(MemberIndex member, Connection& connection);
  void all_opened() noexcept;
  void ended(MemberIndex member, const Closed& closed);
  void cannot_open(const OpenFailure& failure);
  void on_message(std::uint32_t stream, const Admitted& admitted) noexcept;
  void on_gap(const FeedGap& gap) noexcept { missing_ += gap.gap.to - gap.gap.from + 1; }
  void on_duration(Timer&) noexcept;
  void record(const Message& message, unsigned line) noexcept;
  void begin_steady_state() noexcept;

  Reactor& reactor_;
  const DemoFlags& flags_;
  LatencyRecorder* latency_ = nullptr;  // in the reactor's telemetry page
  std::unique_ptr<Arbitration> arbitration_;
  std::unique_ptr<Lines> lines_;
  MessageQueue* queue_ = nullptr;
  Recorder* recorder_ = nullptr;
  std::string transport_;
  std::uint64_t messages_ = 0;
  std::uint64_t bytes_ = 0;
  std::uint64_t missing_ = 0;
  std::uint64_t first_ns_ = 0;
  std::uint64_t last_ns_ = 0;
  std::uint64_t allocations_before_ = 0;
  std::uint64_t allocations_ = 0;
  bool steady_ = false;
  bool failed_ = false;
  Timer end_;
};

Result<void> DemoClient::start(const ConnectOptions& options, MessageQueue& queue,
                               Recorder& recorder) {
  const auto latency = reactor_.telemetry().add_latency("since receive");
  if (!latency) return tl::unexpected(latency.error());
  latency_ = *latency;
  reactor_.measure_into(latency_);
  queue_ = &queue;
  recorder_ = &recorder;
  ArbitrationOptions arbitration;
  arbitration.key = {&key_of, nullptr};
  arbitration.gate.first_sequence = 1;
  arbitration.gate.held_bytes_max = kHeld_bytes_max;
  arbitration.queue_reserve_bytes = kReserve_bytes;
  auto made = Arbitration::make(
      reactor_, arbitration,
      {.on_message = Callback<std::uint32_t, const Admitted&>::to<&DemoClient::on_message>(*this),
       .on_gap = Callback<const FeedGap&>::to<&DemoClient::on_gap>(*this)});
  if (!made) return tl::unexpected(made.error());
  arbitration_ = std::move(*made);
  arbitration_->measure_into(latency_);
  LinesOptions line_options;
  line_options.reconnect = false;
  lines_ = std::make_unique<Lines>(reactor_, nullptr, arbitration_.get(), line_options,
                                   LineHooks{.on_connect = {&on_connect, this},
                                             .on_disconnect = {&on_disconnect, this},
                                             .on_failure = {&on_failure, this}});
  for (std::uint32_t line = 0; line < flags_.line_count(); ++line) {
    ConnectOptions one = options;
    if (flags_.local()) one.url += DemoServer::line_query(line);
    if (auto added = lines_->add(one); !added) return tl::unexpected(added.error());
  }
  return {};
}

// Nothing is read before all are open, so that the order line is known to the first message.
void DemoClient::opened(MemberIndex member, Connection& connection) {
  connection.pause();
  if (member == kOrderLine) {
    const Opened& opened = connection.opened();
    transport_ = opened.secure ? opened.tls.version + " " + opened.tls.cipher + ", verified"
                               : std::string("plain");
    transport_ += ", " + opened.remote.text();
    arbitration_->deliver_to(queue_, 0, connection.id());
  }
  if (lines_->open_count() == flags_.line_count()) all_opened();
}

void DemoClient::all_opened() noexcept {
  for (MemberIndex line = 0; line < flags_.line_count(); ++line) lines_->connection(line)->resume();
  if (flags_.local()) return;
  for (const std::string& text : flags_.sends) {
    if (lines_->connection(kOrderLine)->send_text(text) != Errc::ok) failed_ = true;
  }
  reactor_.arm(end_, reactor_.now_ns() + static_cast<Instant_ns>(flags_.duration_s * 1e9));
}

void DemoClient::on_message(std::uint32_t, const Admitted& admitted) noexcept {
  const Message& message = admitted.message;
  last_ns_ = message.received_ns;
  ++messages_;
  bytes_ += message.payload.size();
  record(message, admitted.member);
  if (steady_) [[likely]] {
    allocations_ = testing::allocations_of_this_thread() - allocations_before_;
    return;
  }
  if (messages_ == 1) first_ns_ = last_ns_;
  if (messages_ >= flags_.warm_up) begin_steady_state();
}

void DemoClient::record(const Message& message, unsigned line) noexcept {
  RecordView view;
  view.ns = message.received_ns;
  view.type = message.is_text() ? RecordType::text : RecordType::binary;
  view.utf8 = message.is_text();
  view.owner.connection = line;
  view.payload = message.payload;
  recorder_->append(view);
}

void DemoClient::begin_steady_state() noexcept {
  steady_ = true;
  latency_->clear();
  allocations_before_ = testing::allocations_of_this_thread();
}

// One line of several is killed, which is what the others are for. The end of the order line is the
// end: the strategy closes it when it has seen all.
void DemoClient::ended(MemberIndex member, const Closed& closed) {
  if (member != kOrderLine) return;
  if (closed.error.code() != Errc::closed_normally && closed.error.code() != Errc::closed_by_peer &&
      closed.error.code() != Errc::aborted) {
    print_error(kDemoName, "the connection ended with " + close_text(closed.code, closed.reason),
                closed.error);
    failed_ = true;
  }
  reactor_.stop(std::chrono::nanoseconds(0));
}

void DemoClient::cannot_open(const OpenFailure& failure) {
  if (!failed_) print_failure(kDemoName, "cannot open the connection", failure);
  failed_ = true;
  reactor_.stop(std::chrono::nanoseconds(0));
}

void DemoClient::on_duration(Timer&) noexcept {
  if (Connection* connection = lines_->connection(kOrderLine))
    static_cast<void>(connection->close());
}

// --- The run.

Result<Feed> make_feed(const DemoFlags& flags) {
  Feed feed;
  if (flags.capture.empty()) {
    MarketGenerator generator(flags.seed);
    for (std::uint64_t i = 0; i < flags.messages; ++i) {
      feed.add(Opcode::text, as_bytes(generator.next()));
    }
    return feed;
  }
  const auto recording = Recording::open(flags.capture);
  if (!recording) return tl::unexpected(recording.error());
  feed.add_all(*recording, flags.messages);
  if (feed.size() == 0) {
    return fail(Errc::recording_malformed, flags.capture + " has no inbound message");
  }
  return feed;
}

// What the recording holds against what was sent, or against what the strategy saw.
struct RecordingCheck {
  std::uint64_t messages = 0;
  std::uint64_t different = 0;
};

Result<RecordingCheck> check_recording(const std::string& path, const Feed* feed,
                                       const StrategySaw& saw) {
  const auto recording = Recording::open(path);
  if (!recording) return tl::unexpected(recording.error());
  RecordingReader reader(*recording);
  RecordingCheck check;
  std::uint64_t digest = 0;
  while (const RecordedMessage* message = reader.next()) {
    const bool data = message->type == RecordType::text || message->type == RecordType::binary;
    if (!data || message->direction != RecordDirection::in) continue;
    const Opcode opcode = message->type == RecordType::text ? Opcode::text : Opcode::binary;
    digest = digest_of(digest, message->payload);
    if (feed != nullptr && (check.messages >= feed->size() ||
                            !(feed->at(check.messages) == Feed::Entry{opcode, message->payload}))) {
      ++check.different;
    }
    ++check.messages;
  }
  check.different += reader.problems().malformed_lines;
  if (check.messages == saw.messages && digest != saw.digest && check.different == 0) {
    ++check.different;
  }
  return check;
}

std::uint64_t missing_of(std::uint64_t there, std::uint64_t expected) noexcept {
  return there < expected ? expected - there : 0;
}

// All that the command holds, in the order in which it must end.
struct Demo {
  const DemoFlags& flags;
  Interrupts interrupts;
  CorePlan cores;
  Feed feed;
  std::unique_ptr<DemoServer> server;
  std::unique_ptr<MessageQueue> queue;
  std::unique_ptr<Outbox> outbox;
  std::optional<Recorder> recorder;
  std::unique_ptr<Reactor> reactor;

  explicit Demo(const DemoFlags& parsed) : flags(parsed), cores(plan_cores(parsed.core)) {}

  Result<void> prepare();
  Result<ConnectOptions> connect_options() const;
  ExitCode run();
  void fill(DemoResult& result, const DemoClient& client, const Strategy& strategy,
            double ticks_per_ns);
  ExitCode tell(DemoResult& result, bool failed);
};

Result<void> Demo::prepare() {
  if (flags.local()) {
    auto made = make_feed(flags);
    if (!made) return tl::unexpected(made.error());
    feed = std::move(*made);
    auto started = DemoServer::start(feed, flags.lines, flags.rate_per_s, kMessage_bytes_max);
    if (!started) return tl::unexpected(started.error());
    server = std::move(*started);
  }
  MessageQueueOptions queue_options;
  queue_options.capacity_bytes = kQueue_bytes;
  auto made_queue = MessageQueue::make(queue_options);
  if (!made_queue) return tl::unexpected(made_queue.error());
  queue = std::move(*made_queue);
  auto made_outbox = Outbox::make();
  if (!made_outbox) return tl::unexpected(made_outbox.error());
  outbox = std::move(*made_outbox);
  if (::unlink(flags.recording.c_str()) != 0 && errno != ENOENT) {
    return fail(Errc::recording_unwritable, flags.recording, errno);
  }
  RecorderOptions recorder_options;
  recorder_options.path = flags.recording;
  auto opened = Recorder::open(recorder_options);
  if (!opened) return tl::unexpected(opened.error());
  recorder.emplace(std::move(*opened));
  ReactorOptions options;
  options.core = cores.spare ? cores.reactor : -1;
  options.idle = cores.spare ? Idle::spin : Idle::spin_then_block;
  options.connections_max = flags.line_count();
  options.spin_sockets_max = std::max(options.spin_sockets_max, flags.line_count());
  options.message_bytes_max = kMessage_bytes_max;
  options.telemetry_name = flags.stats;
  options.log = Callback<std::string_view>([](void*, std::string_view line) noexcept {
    std::fprintf(stderr, "zenwire: %.*s\n", static_cast<int>(line.size()), line.data());
  });
  auto created = Reactor::create(options);
  if (!created) return tl::unexpected(created.error());
  reactor = std::move(*created);
  return reactor->attach(*outbox);
}

Result<ConnectOptions> Demo::connect_options() const {
  if (server) {
    ConnectOptions options;
    options.limits.message_bytes_max = options.limits.frame_bytes_max = kMessage_bytes_max;
    options.socket.congestion_control = "reno";
    options.url = server->url();
    options.tls.ca_pem = server->ca_pem();
    return options;
  }
  ClientFlags client;
  client.url = flags.url;
  client.ca_file = flags.ca_file;
  client.headers = flags.headers;
  ReactorFlags limits;
  limits.message_bytes_max = kMessage_bytes_max;
  return client.connect_options(kDemoName, limits);
}

void Demo::fill(DemoResult& result, const DemoClient& client, const Strategy& strategy,
                double ticks_per_ns) {
  const StrategySaw& saw = strategy.saw();
  result.transport = client.transport();
  result.recording = flags.recording;
  result.warm_up = flags.warm_up;
  result.callback_messages = client.messages();
  result.callback_bytes = client.bytes();
  result.strategy_messages = saw.messages;
  result.orders_sent = saw.orders;
  for (MemberIndex line = 0; line < flags.line_count(); ++line)
    result.lines.push_back(client.line(line));
  result.gaps = client.missing() + saw.missing;
  result.different = saw.different;
  result.change_ids = saw.changes.updates();
  result.change_id_gaps = saw.changes.gaps();
  result.streamed_ns = client.streamed_ns();
  result.allocations = client.allocations();
  for (std::size_t i = 0; i < kStages; ++i) {
    const auto stage = static_cast<Stage>(i);
    const LatencyRecorder& from = stage == Stage::strategy ? strategy.latency() : client.latency();
    from.to_nanoseconds(stage, ticks_per_ns, result.stages[i]);
  }
}

ExitCode Demo::run() {
  auto options = connect_options();
  if (!options) {
    print_error(kDemoName, "cannot use the options", options.error());
    return ExitCode::usage;
  }
  StrategyOptions strategy_options;
  strategy_options.feed = server ? &feed : nullptr;
  strategy_options.messages_max = server ? feed.size() : flags.messages;
  strategy_options.warm_up = flags.warm_up;
  strategy_options.orders_every = flags.orders();
  strategy_options.order = server ? kOrderRest : kQuestionRest;
  strategy_options.sleeps = !cores.spare;
  Strategy strategy(*queue, *outbox, *reactor, strategy_options);
  DemoClient client(*reactor, flags);
  if (auto started = client.start(*options, *queue, *recorder); !started) {
    print_error(kDemoName, "cannot connect to " + printable_url(options->url), started.error());
    return exit_code_of_start(started.error());
  }
  if (server) {
    print_note(kDemoName, "streaming " + grouped(feed.size()) + " messages, " +
                              byte_text(feed.payload_bytes()) + ", from " + server->url());
  }
  const TickRate rate;
  strategy.start();
  std::optional<StopOnSignal> stop_on_signal(std::in_place, interrupts, *reactor);
  const auto ran = reactor->run();
  stop_on_signal.reset();
  strategy.stop();
  const auto closed = recorder->close();
  auto result = std::make_unique<DemoResult>();  // its histograms are large
  fill(*result, client, strategy, rate.ticks_per_ns());
  if (server) {
    const DemoServed& served = server->stop();
    result->served = served.messages;
    result->lines_killed = served.lines_killed;
    result->orders_received = served.orders - served.orders_out_of_order;
    result->gaps += missing_of(client.messages(), feed.size()) +
                    missing_of(served.orders - served.orders_out_of_order, result->orders_sent);
  }
  for (const auto& outcome : {ran, closed}) {
    if (outcome) continue;
    print_error(kDemoName, "cannot go on", outcome.error());
    return ExitCode::failed;
  }
  const auto check = check_recording(flags.recording, server ? &feed : nullptr, strategy.saw());
  if (!check) {
    print_error(kDemoName, "cannot read the recording again", check.error());
    return ExitCode::failed;
  }
  result->recorded_messages = check->messages;
  result->different += check->different;
  result->gaps += missing_of(strategy.saw().messages, client.messages()) +
                  missing_of(check->messages, client.messages());
  return tell(*result, client.failed());
}

ExitCode Demo::tell(DemoResult& result, bool failed) {
  result.source = !flags.local()          ? printable_url(flags.url)
                  : flags.capture.empty() ? "made, seed " + std::to_string(flags.seed)
                                          : flags.capture;
  if (!flags.report.empty()) {
    result.report = flags.report;
    if (auto written = write_demo_report(flags.report, result); !written) {
      print_error(kDemoName, "cannot write the report", written.error());
      failed = true;
      result.report.clear();
    }
  }
  Output output;
  output.write(flags.json ? json_of(result) + "\n" : text_of(result));
  output.flush();
  if (interrupts.caught() != 0) return exit_code_of_signal(interrupts.caught());
  if (failed) return ExitCode::failed;
  if (result.is_whole()) return ExitCode::ok;
  print_warning(kDemoName, "messages were lost or differ");
  return ExitCode::data_lost;
}

}  // namespace

ExitCode demo_main(Arguments arguments) {
  DemoFlags flags;
  CommandLine line(
      kDemoName,
      "Serves a market stream over TLS on this machine, over four connections of which "
      "one is killed in the middle, verified and arbitrated into one stream; gives "
      "every message to a callback and to a strategy thread, answers with orders, "
      "records, and shows that nothing was lost and how long each stage took.",
      "demo\n"
      "demo --capture session.jsonl --rate 0\n"
      "demo --url wss://www.deribit.com/ws/api/v2 --send "
      "'{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"public/subscribe\",...}'");
  flags.add_to(line.options());
  if (const auto code = line.parse(arguments)) return *code;
  Demo demo(flags);
  if (auto prepared = demo.prepare(); !prepared) {
    print_error(kDemoName, "cannot prepare", prepared.error());
    return exit_code_of_start(prepared.error());
  }
  return demo.run();
}

}  // namespace zenwire::tools
