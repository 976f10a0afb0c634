#include "zenwire_client.hpp"

#include <algorithm>
#include <csignal>
#include <cstdio>

#include <unistd.h>

#include <zenwire/engine/uring_io.hpp>

namespace zenwire::bench {
namespace {

// Nothing came for so long: the run has failed. A signal rather than a timer of the reactor's:
// those are what a session uses, and this is none.
constexpr unsigned kSilence_s = 60;
constexpr std::chrono::milliseconds kFarewell{200};
// Of all connections together, but at least 64 KiB each: fewer and larger reads, within the cache.
constexpr std::size_t kReceive_bytes = std::size_t{1} << 18;
// A drain that may sleep is asked for little processor time, and for nothing at once.
constexpr std::chrono::microseconds kGather_for{500};

std::string text_of(const Error& error) {
  return std::string(message(error.code())) + ": " + std::string(error.detail());
}

}  // namespace

ZenwireClient::ZenwireClient(const ClientOptions& options)
    : options_(options),
      run_("zenwire", options),
      schedule_(options.interval_ns()),
      streams_(options.connections) {}

ZenwireClient::~ZenwireClient() {
  if (reactor_ == nullptr) return;
  reactor_->stop(kFarewell);
  while (reactor_->poll(true)) {
  }
}

bool ZenwireClient::measure() {
  pin(options_.cpu);
  make_reactor();
  message_ = make_message(options_.mode == Mode::order ? kOrder_bytes : options_.message_bytes, 0);
  if (options_.mode == Mode::strategy) make_queue();
  for (Stream& stream : streams_) connect(stream);
  watch();
  while (open_ < options_.connections && !done_) {
    reactor_->step_setup(true);
    reactor_->poll(false);
  }
  loop();
  ::alarm(0);
  if (!failure_.empty()) std::fprintf(stderr, "error: %s\n", failure_.c_str());
  return failure_.empty();
}

// The loop that each kind of run has, without a question that another asks.
void ZenwireClient::loop() {
  if (options_.mode == Mode::strategy) {
    strategy_->start([this]() noexcept { return take_queued(); });
    while (!strategy_->complete() && !done_ && reactor_->poll(true)) {
    }
    strategy_->stop();
    return;
  }
  if (options_.mode == Mode::echo && options_.open_loop) {
    while (!done_ && reactor_->poll(false)) send_due();
    return;
  }
  while (!done_ && reactor_->poll(true)) {
  }
}

// One thread does all: nothing else of the process wants the core, and callgrind, which holds its
// lock while one thread waits in the ring, can run it.
void ZenwireClient::make_reactor() {
  auto io = UringIo::create();
  if (!io) die(text_of(io.error()));
  auto setup_io = UringIo::create();
  if (!setup_io) die(text_of(setup_io.error()));
  auto reactor = Reactor::create(reactor_options(), {std::move(*io), std::move(*setup_io), false});
  if (!reactor) die(text_of(reactor.error()));
  reactor_ = std::move(*reactor);
  if (latency_ != nullptr) reactor_->measure_into(latency_);
}

ReactorOptions ZenwireClient::reactor_options() const {
  ReactorOptions options;
  options.idle = options_.spin ? Idle::spin : Idle::block;
  options.connections_max = options_.connections;
  if (options_.mode == Mode::sink && !options_.spin) options.gather_for = kGather_for;
  options.receive_buffer_bytes = kReceive_bytes / std::min(options_.connections, 4u);
  // One to receive and one to send, where a message does not fit into the connection's own.
  const bool large = options_.message_bytes > options.receive_buffer_bytes / 2;
  options.large_buffers = large ? 2 * options_.connections : 1;
  options.message_bytes_max = std::max<std::uint64_t>(options_.message_bytes, 1 << 16);
  options.log = Callback<std::string_view>([](void*, std::string_view) noexcept {});
  return options;
}

Callback<Connection&, const Message&> ZenwireClient::handler() noexcept {
  using OnMessage = Callback<Connection&, const Message&>;
  switch (options_.mode) {
    case Mode::echo:
      return options_.open_loop ? OnMessage::to<&ZenwireClient::on_paced_echo>(*this)
                                : OnMessage::to<&ZenwireClient::on_echo>(*this);
    case Mode::sink: return OnMessage::to<&ZenwireClient::on_sunk>(*this);
    case Mode::oneway: return OnMessage::to<&ZenwireClient::on_tick>(*this);
    case Mode::order: return OnMessage::to<&ZenwireClient::on_order_tick>(*this);
    case Mode::strategy: return {};
  }
  return {};
}

void ZenwireClient::make_queue() {
  auto queue = MessageQueue::make();
  if (!queue) die(text_of(queue.error()));
  queue_ = std::move(*queue);
  strategy_.emplace(options_.strategy_cpu, options_.shares_core);
}

void ZenwireClient::connect(Stream& stream) {
  ConnectOptions options;
  options.url = std::string(options_.tls ? "wss://" : "ws://") + options_.host + ':' +
                std::to_string(options_.port) + options_.path();
  if (options_.tls) {
    options.tls.verify = !options_.ca_file.empty();
    options.tls.ca_file = options_.ca_file;
  }
  options.limits.message_bytes_max = options.limits.frame_bytes_max =
      reactor_->options().message_bytes_max;
  // A thousand connections under callgrind, on a busy machine, take longer than a venue should.
  options.deadlines.connect = options.deadlines.tls = options.deadlines.upgrade =
      options.deadlines.total = std::chrono::minutes(2);
  // The system's may pace what is sent, which would be measured as ours.
  options.socket.congestion_control = "reno";
  stream.expected =
      Expected(options_.message_bytes, options_.mode == Mode::sink ? options_.batch : 0);
  stream.schedule = Schedule(options_.interval_ns());
  const auto id = reactor_->connect(
      options,
      {.on_open = Callback<Connection&>::to<&ZenwireClient::on_open>(*this),
       .on_message = handler(),
       .on_closed = Callback<Connection&, const Closed&>::to<&ZenwireClient::on_closed>(*this),
       .on_failed =
           Callback<Connection&, const OpenFailure&>::to<&ZenwireClient::on_failed>(*this)});
  if (!id) return end(text_of(id.error()));
  stream.id = *id;
  Connection& connection = *reactor_->find(*id);
  connection.context = &stream;
  connection.session = static_cast<std::uint32_t>(&stream - streams_.data());
}

void ZenwireClient::on_open(Connection& connection) noexcept {
  if (queue_ != nullptr) connection.deliver_to(queue_.get());
  if (++open_ != options_.connections) return;
  run_.begin();
  if (options_.mode == Mode::echo && options_.open_loop) {
    schedule_.begin(clock_ns());
    due_ns_ = schedule_.next_ns();
    return;
  }
  if (options_.mode == Mode::echo) return send_echo(connection);
  for (const Stream& stream : streams_) {
    Connection* const to = reactor_->find(stream.id);
    if (to == nullptr || to->send_text("go") != Errc::ok) return end("a connection ended early");
  }
}

void ZenwireClient::send_echo(Connection& connection) noexcept {
  sent_ns_ = clock_ns();
  if (connection.send_text(message_) != Errc::ok) end("a send was refused");
}

void ZenwireClient::on_echo(Connection& connection, const Message& message) noexcept {
  const std::uint64_t took_ns = clock_ns() - sent_ns_;
  if (!run_.received(is_echo(message.text()), took_ns)) return end({});
  increment_digits(message_.data() + kNumber_offset, kNumber_digits);
  send_echo(connection);
}

// Open loop: the next is sent when it is due, or at once if that has passed; a late one counts from
// when it was due.
void ZenwireClient::send_due() noexcept {
  if (under_way_ || due_ns_ == 0 || clock_ns() < due_ns_) return;
  Connection* const connection = reactor_->find(streams_.front().id);
  if (connection == nullptr) return end("a connection ended early");
  under_way_ = true;
  send_echo(*connection);
}

void ZenwireClient::on_paced_echo(Connection&, const Message& message) noexcept {
  const std::uint64_t now_ns = clock_ns();
  if (!run_.received(is_echo(message.text()), now_ns - sent_ns_, now_ns - due_ns_)) return end({});
  increment_digits(message_.data() + kNumber_offset, kNumber_digits);
  due_ns_ = schedule_.next_ns();
  under_way_ = false;
}

bool ZenwireClient::is_echo(std::string_view text) const noexcept {
  return text.size() == message_.size() && same_bytes(text.data(), message_.data(), text.size());
}

void ZenwireClient::on_sunk(Connection& connection, const Message& message) noexcept {
  auto& stream = *static_cast<Stream*>(connection.context);
  if (!run_.received(stream.expected.take(message.text()))) [[unlikely]]
    end({});
}

void ZenwireClient::on_tick(Connection& connection, const Message& message) noexcept {
  if (!take_tick(*static_cast<Stream*>(connection.context), message.text())) end({});
}

// False: it was the last.
inline bool ZenwireClient::take_tick(Stream& stream, std::string_view text) noexcept {
  const std::uint64_t now_ns = clock_ns();
  std::uint64_t sent_ns = 0;
  const bool right = stream.expected.take_timed(text, sent_ns);
  return run_.arrived(right, now_ns, sent_ns, stream.schedule.due_ns(sent_ns));
}

// The order first, and then what is counted of its tick. The server measures.
void ZenwireClient::on_order_tick(Connection& connection, const Message& message) noexcept {
  auto& stream = *static_cast<Stream*>(connection.context);
  if (message.text() == kDone) {
    if (++streams_done_ == options_.connections) end({});
    return;
  }
  if (message.text().size() != options_.message_bytes) return end("a tick of another length");
  answer_tick(message_.data(), message.text());
  if (connection.send_text(message_) != Errc::ok) return end("an order was refused");
  if (latency_ != nullptr) {
    latency_->mark(Stage::sent, message.received_ticks, reactor_->io().ticks().now());
  }
  std::uint64_t sent_ns = 0;
  run_.received(stream.expected.take_timed(message.text(), sent_ns));
}

// On the strategy's thread, which alone counts then.
bool ZenwireClient::take_queued() noexcept {
  const MessageView view = queue_->try_read();
  if (!view) return false;
  const bool last = is_message(view.header().kind) &&
                    !take_tick(streams_[view.header().session], as_text(view.payload()));
  if (last && run_.complete()) strategy_->finish();
  queue_->release();
  return true;
}

void ZenwireClient::on_closed(Connection&, const Closed& closed) noexcept {
  if (!done_) end(text_of(closed.error));
}
void ZenwireClient::on_failed(Connection&, const OpenFailure& failure) noexcept {
  end(text_of(failure.error));
}

void ZenwireClient::watch() {
  watched_ = &run_;
  std::signal(SIGALRM, &on_alarm);
  ::alarm(kSilence_s);
}

void ZenwireClient::on_alarm(int) noexcept {
  static std::uint64_t seen = 0;
  if (watched_->messages() == seen) {
    constexpr std::string_view kText = "error: nothing came for a minute\n";
    [[maybe_unused]] const ssize_t told = ::write(STDERR_FILENO, kText.data(), kText.size());
    ::_exit(1);
  }
  seen = watched_->messages();
  ::alarm(kSilence_s);
}

// With an empty text: all came.
void ZenwireClient::end(std::string failure) {
  if (failure_.empty()) failure_ = std::move(failure);
  done_ = true;
  for (const Stream& stream : streams_) {
    if (Connection* const at = reactor_->find(stream.id); at != nullptr) at->pause();
  }
}

int zenwire_client_main(int argc, char** argv) {
  ZenwireClient client(parse_client_options(argc, argv));
  const bool whole = client.measure();
  const int code = client.run().finish();
  return whole ? code : 1;
}

}  // namespace zenwire::bench
