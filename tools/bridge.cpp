// zenwire bridge: publishes a connection's messages, or those of several lines arbitrated into one
// stream, to NATS. Where one machine is outgrown, the gateway that holds the venue's connections
// shares its feed this way.
//
//   reactor: lines --> arbitration --> queue (drops the newest when full, and counts)
//   its own thread:                    queue --> NATS
//
// The reactor never waits for NATS: a server that is slow or away costs messages, counted, not
// latency.

#include <atomic>
#include <bit>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <zenwire/engine/message_queue.hpp>
#include <zenwire/engine/reactor.hpp>
#include <zenwire/pool/arbitration.hpp>
#include <zenwire/pool/lines.hpp>

#include "command_line.hpp"
#include "console.hpp"
#include "flags.hpp"
#include "interrupts.hpp"
#include "json_line.hpp"
#include "nats_publisher.hpp"
#include "output.hpp"

namespace zenwire::tools {
namespace {

constexpr std::string_view kBridgeName = "bridge";
constexpr std::uint32_t kLines_max = 16;
constexpr std::size_t kBatch_messages = 256;
// Copies are known by their content: a line may be so many messages, and so long, behind another.
constexpr std::uint32_t kContents = 1U << 17;
constexpr std::chrono::seconds kContentAge{60};

struct BridgeFlags {
  ClientFlags client;
  ReactorFlags reactor;
  std::string nats = "nats://127.0.0.1:4222";
  std::string subject = "zenwire";
  std::vector<std::string> sends;
  std::uint32_t lines = 1;
  std::uint64_t queue_bytes = std::uint64_t{64} << 20;
  bool once = false;
  bool json = false;

  void add_to(CLI::App& app);
};

void BridgeFlags::add_to(CLI::App& app) {
  client.add_to(app);
  app.add_option("--nats", nats, "the NATS server")->type_name("URL")->capture_default_str();
  app.add_option("--subject", subject, "publish under this subject")
      ->type_name("NAME")
      ->capture_default_str();
  one_value_each(
      app.add_option("--send", sends, "text to send on each connection, such as a subscription")
          ->type_name("TEXT"));
  app.add_option("--lines", lines,
                 "connections that carry the same stream; the first copy of a message counts")
      ->check(CLI::Range(1U, kLines_max))
      ->capture_default_str();
  app.add_option("--queue", queue_bytes, "room for what NATS has not taken yet, in bytes")
      ->transform(CLI::AsSizeValue(false))
      ->check(CLI::Range(std::uint64_t{1} << 16, std::uint64_t{1} << 34))
      ->capture_default_str();
  app.add_flag("--once", once, "end when all connections have ended, instead of reconnecting");
  app.add_flag("--json", json, "print the counts as one JSON object");
  reactor.add_to(app);
}

// The strategy's side of the queue: a thread that publishes.
class BridgeThread {
 public:
  BridgeThread(MessageQueue& queue, NatsPublisher& publisher)
      : queue_(queue), publisher_(publisher), thread_([this] { run(); }) {}
  ~BridgeThread() { stop(); }
  BridgeThread(const BridgeThread&) = delete;
  BridgeThread& operator=(const BridgeThread&) = delete;

  // Publishes what is in the queue, and ends.
  void stop() {
    stopping_.store(true, std::memory_order_release);
    if (thread_.joinable()) thread_.join();
  }

 private:
  void run() {
    unsigned idle_rounds = 0;
    for (;;) {
      const bool last = stopping_.load(std::memory_order_acquire);
      if (publish_batch() > 0) {
        idle_rounds = 0;
        continue;
      }
      if (last) break;
      idle(idle_rounds++);
    }
    publisher_.confirm();
  }
  std::size_t publish_batch() {
    return queue_.read_batch(
        [this](const MessageView& view) noexcept {
          if (is_message(view.header().kind)) publisher_.publish(view.payload());
          return ReadVerdict::next;
        },
        kBatch_messages);
  }
  void idle(unsigned rounds) {
    constexpr unsigned kRoundsBeforeConfirm = 32;
    if (rounds == kRoundsBeforeConfirm) publisher_.confirm();
    const timespec pause{0, 100'000};
    nanosleep(&pause, nullptr);
  }

  MessageQueue& queue_;
  NatsPublisher& publisher_;
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

// What runs on the reactor's thread.
class Bridge {
 public:
  Bridge(Reactor& reactor, const BridgeFlags& flags) : reactor_(reactor), flags_(flags) {}

  Result<void> start(const ConnectOptions& options, MessageQueue& queue);
  [[nodiscard]] std::uint64_t received() const noexcept { return arbitration_->delivered(); }
  [[nodiscard]] std::uint64_t copies() const noexcept {
    return arbitration_->gate(0).counters().copies;
  }
  [[nodiscard]] std::uint64_t pauses() const noexcept { return arbitration_->pauses(); }
  [[nodiscard]] bool ever_open() const noexcept { return lines_->counters().opened > 0; }
  [[nodiscard]] bool sends_refused() const noexcept { return sends_refused_; }

 private:
  static void on_connect(void* self, MemberIndex, Connection& connection) {
    static_cast<Bridge*>(self)->subscribe(connection);
  }
  static void on_disconnect(void* self, MemberIndex, Connection&, const Closed&) {
    static_cast<Bridge*>(self)->end_if_over();
  }
  static void on_failure(void* self, MemberIndex, const OpenFailure& failure) {
    static_cast<Bridge*>(self)->failed(failure);
  }
  void subscribe(Connection& connection) noexcept;
  void failed(const OpenFailure& failure) noexcept;
  void end_if_over() noexcept;

  Reactor& reactor_;
  const BridgeFlags& flags_;
  bool sends_refused_ = false;
  std::uint64_t failures_ = 0;
  std::unique_ptr<Arbitration> arbitration_;
  std::unique_ptr<Lines> lines_;
};

Result<void> Bridge::start(const ConnectOptions& options, MessageQueue& queue) {
  ArbitrationOptions arbitrated;
  arbitrated.gate.contents = kContents;
  arbitrated.gate.content_age = kContentAge;
  auto arbitration = Arbitration::make(reactor_, arbitrated, {});
  if (!arbitration) return tl::unexpected(arbitration.error());
  arbitration_ = std::move(*arbitration);
  arbitration_->deliver_to(&queue);
  LinesOptions line_options;
  line_options.reconnect = !flags_.once;
  lines_ = std::make_unique<Lines>(reactor_, nullptr, arbitration_.get(), line_options,
                                   LineHooks{.on_connect = {&on_connect, this},
                                             .on_disconnect = {&on_disconnect, this},
                                             .on_failure = {&on_failure, this}});
  for (std::uint32_t line = 0; line < flags_.lines; ++line) {
    if (auto added = lines_->add(options); !added) return tl::unexpected(added.error());
  }
  return {};
}

void Bridge::subscribe(Connection& connection) noexcept {
  for (const std::string& text : flags_.sends)
    sends_refused_ |= connection.send_text(text) != Errc::ok;
}

// One that was never open will not become so by itself; one that was is tried again.
void Bridge::failed(const OpenFailure& failure) noexcept {
  ++failures_;
  print_failure(kBridgeName, "cannot open " + printable_url(flags_.client.url), failure);
  if (!ever_open() && failures_ == flags_.lines) reactor_.stop(std::chrono::nanoseconds(0));
  end_if_over();
}

void Bridge::end_if_over() noexcept {
  const LinesCounters& counters = lines_->counters();
  const bool over = counters.failed + counters.closed == flags_.lines;
  if (flags_.once && over) reactor_.stop(std::chrono::nanoseconds(0));
}

// --- What it says at the end.

struct BridgeCounts {
  std::uint64_t received = 0;
  std::uint64_t copies = 0;
  std::uint64_t queue_dropped = 0;
  std::uint64_t queue_high_water_bytes = 0;
  std::uint64_t pauses = 0;
  NatsCounts nats;

  [[nodiscard]] bool is_whole() const noexcept {
    return nats.confirmed == received && queue_dropped == 0;
  }
};

std::string json_of(const BridgeCounts& counts) {
  JsonLine line;
  line.add("received", counts.received).add("copies", counts.copies);
  line.add("queue_dropped", counts.queue_dropped);
  line.add("queue_high_water_bytes", counts.queue_high_water_bytes);
  line.add("reading_paused", counts.pauses);
  line.add("published", counts.nats.published).add("confirmed", counts.nats.confirmed);
  line.add("unconfirmed", counts.nats.unconfirmed).add("nats_dropped", counts.nats.dropped);
  line.add("nats_disconnects", counts.nats.disconnects);
  return line.text();
}

std::string text_of(const BridgeCounts& counts) {
  return "received     " + grouped(counts.received) + ", and " + grouped(counts.copies) +
         " copies by other lines\npublished    " + grouped(counts.nats.published) + ", " +
         grouped(counts.nats.confirmed) + " confirmed, " + grouped(counts.nats.unconfirmed) +
         " perhaps lost\ndropped      " + grouped(counts.queue_dropped) +
         " because the queue was full, " + grouped(counts.nats.dropped) +
         " because the NATS server was away\n";
}

ExitCode tell(const BridgeFlags& flags, const BridgeCounts& counts) {
  Output output;
  output.write(flags.json ? json_of(counts) + "\n" : text_of(counts));
  output.flush();
  return counts.is_whole() ? ExitCode::ok : ExitCode::data_lost;
}

// --- The run.

Result<std::unique_ptr<MessageQueue>> make_queue(const BridgeFlags& flags) {
  MessageQueueOptions options;
  options.capacity_bytes = std::bit_ceil(flags.queue_bytes);
  options.on_full = FullPolicy::drop_newest;
  return MessageQueue::make(options);
}

ExitCode run(const BridgeFlags& flags) {
  Interrupts interrupts;
  const auto options = flags.client.connect_options(kBridgeName, flags.reactor);
  if (!options) {
    print_error(kBridgeName, "cannot use the options", options.error());
    return ExitCode::usage;
  }
  auto publisher = NatsPublisher::connect(flags.nats, flags.subject);
  auto queue = make_queue(flags);
  auto reactor = Reactor::create(flags.reactor.reactor_options(flags.lines));
  for (const Error* error :
       {publisher ? nullptr : &publisher.error(), queue ? nullptr : &queue.error(),
        reactor ? nullptr : &reactor.error()}) {
    if (error == nullptr) continue;
    print_error(kBridgeName, "cannot prepare", *error);
    return exit_code_of_start(*error);
  }
  Bridge bridge(**reactor, flags);
  if (auto started = bridge.start(*options, **queue); !started) {
    print_error(kBridgeName, "cannot connect to " + printable_url(flags.client.url),
                started.error());
    return exit_code_of_start(started.error());
  }
  std::optional<BridgeThread> thread(std::in_place, **queue, **publisher);
  std::optional<StopOnSignal> stop_on_signal(std::in_place, interrupts, **reactor);
  const auto ran = (*reactor)->run();
  stop_on_signal.reset();
  thread.reset();
  if (!ran) {
    print_error(kBridgeName, "cannot run the engine", ran.error());
    return ExitCode::failed;
  }
  if (!bridge.ever_open() && interrupts.caught() == 0) return ExitCode::failed;
  if (bridge.sends_refused()) print_warning(kBridgeName, "a --send text was not sent");
  const MessageQueueStatistics statistics = (*queue)->statistics();
  return tell(flags, {.received = bridge.received(),
                      .copies = bridge.copies(),
                      .queue_dropped = statistics.dropped,
                      .queue_high_water_bytes = statistics.high_water_bytes,
                      .pauses = bridge.pauses(),
                      .nats = (*publisher)->counts()});
}

}  // namespace

ExitCode bridge_main(Arguments arguments) {
  BridgeFlags flags;
  CommandLine line(kBridgeName,
                   "Publishes a connection's messages to NATS, each as it is, in order. Several "
                   "--lines are arbitrated into one stream. The engine never waits for NATS: what "
                   "it cannot take is dropped and counted.",
                   "bridge wss://www.deribit.com/ws/api/v2 --send '{\"jsonrpc\":\"2.0\",...}'\n"
                   "bridge ws://127.0.0.1:9001/ --nats nats://127.0.0.1:4222 --subject book "
                   "--lines 4");
  flags.add_to(line.options());
  if (const auto code = line.parse(arguments)) return *code;
  return run(flags);
}

}  // namespace zenwire::tools
