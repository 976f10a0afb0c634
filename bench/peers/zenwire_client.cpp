// The benchmark client that is zenwire: callbacks on the reactor's thread, nothing between.

#include <algorithm>
#include <csignal>
#include <vector>

#include <unistd.h>

#include <zenwire/engine/reactor.hpp>
#include <zenwire/engine/uring_io.hpp>

#include "client_options.hpp"
#include "client_run.hpp"
#include "message.hpp"

namespace zenwire::bench {
namespace {

// Nothing came for so long: the run has failed. A signal rather than a timer of the reactor's:
// those are what a session uses, and this is none.
constexpr unsigned kSilence_s = 60;
constexpr std::chrono::milliseconds kFarewell{200};
// Of all connections together, but at least 64 KiB each: fewer and larger reads, within the cache.
constexpr std::size_t kReceive_bytes = std::size_t{1} << 18;

std::string text_of(const Error& error) {
  return std::string(message(error.code())) + ": " + std::string(error.detail());
}

// One connection's place in the run.
struct Stream {
  Expected expected;
  ConnectionId id;
};

class ZenwireClient {
 public:
  explicit ZenwireClient(const ClientOptions& options)
      : options_(options), run_("zenwire", options), streams_(options.connections) {}

  int run() {
    pin(options_.cpu);
    make_reactor();
    if (options_.mode == Mode::echo) message_ = make_message(options_.message_bytes, 0);
    for (Stream& stream : streams_) connect(stream);
    watch();
    while (open_ < options_.connections && !done_) {
      reactor_->step_setup(true);
      reactor_->poll(false);
    }
    while (!done_ && reactor_->poll(true)) {
    }
    ::alarm(0);
    if (!failure_.empty()) std::fprintf(stderr, "error: %s\n", failure_.c_str());
    const int code = run_.finish();
    reactor_->stop(kFarewell);
    while (reactor_->poll(true)) {
    }
    return failure_.empty() ? code : 1;
  }

 private:
  // One thread does all: nothing else of the process wants the core, and callgrind, which holds its
  // lock while one thread waits in the ring, can run it.
  void make_reactor() {
    auto io = UringIo::create();
    if (!io) die(text_of(io.error()));
    auto setup_io = UringIo::create();
    if (!setup_io) die(text_of(setup_io.error()));
    auto reactor =
        Reactor::create(reactor_options(), {std::move(*io), std::move(*setup_io), false});
    if (!reactor) die(text_of(reactor.error()));
    reactor_ = std::move(*reactor);
  }

  [[nodiscard]] ReactorOptions reactor_options() const {
    ReactorOptions options;
    options.idle = options_.spin ? Idle::spin : Idle::block;
    options.connections_max = options_.connections;
    options.receive_buffer_bytes = kReceive_bytes / std::min(options_.connections, 4u);
    // One to receive and one to send, where a message does not fit into the connection's own.
    const bool large = options_.message_bytes > options.receive_buffer_bytes / 2;
    options.large_buffers = large ? 2 * options_.connections : 1;
    options.message_bytes_max = std::max<std::uint64_t>(options_.message_bytes, 1 << 16);
    options.log = Callback<std::string_view>([](void*, std::string_view) noexcept {});
    return options;
  }

  void connect(Stream& stream) {
    using OnMessage = Callback<Connection&, const Message&>;
    ConnectOptions options;
    options.url = std::string(options_.tls ? "wss://" : "ws://") + options_.host + ':' +
                  std::to_string(options_.port) + options_.path();
    if (options_.tls) {
      options.tls.verify = !options_.ca_file.empty();
      options.tls.ca_file = options_.ca_file;
    }
    options.limits.message_bytes_max = options.limits.frame_bytes_max =
        reactor_->options().message_bytes_max;
    // The system's may pace what is sent, which would be measured as ours.
    options.socket.congestion_control = "reno";
    stream.expected =
        Expected(options_.message_bytes, options_.mode == Mode::sink ? options_.batch : 0);
    const OnMessage on_message =
        options_.mode == Mode::echo   ? OnMessage::to<&ZenwireClient::on_echo>(*this)
        : options_.mode == Mode::sink ? OnMessage::to<&ZenwireClient::on_sunk>(*this)
                                      : OnMessage::to<&ZenwireClient::on_tick>(*this);
    const auto id = reactor_->connect(
        options,
        {.on_open = Callback<Connection&>::to<&ZenwireClient::on_open>(*this),
         .on_message = on_message,
         .on_closed = Callback<Connection&, const Closed&>::to<&ZenwireClient::on_closed>(*this),
         .on_failed =
             Callback<Connection&, const OpenFailure&>::to<&ZenwireClient::on_failed>(*this)});
    if (!id) return end(text_of(id.error()));
    stream.id = *id;
    reactor_->find(*id)->context = &stream;
  }

  void on_open(Connection& connection) noexcept {
    if (++open_ != options_.connections) return;
    run_.begin();
    if (options_.mode == Mode::echo) return send_echo(connection);
    for (const Stream& stream : streams_) {
      Connection* const to = reactor_->find(stream.id);
      if (to == nullptr || to->send_text("go") != Errc::ok) return end("a connection ended early");
    }
  }

  void send_echo(Connection& connection) noexcept {
    sent_ns_ = clock_ns();
    if (connection.send_text(message_) != Errc::ok) end("a send was refused");
  }

  void on_echo(Connection& connection, const Message& message) noexcept {
    const std::uint64_t took_ns = clock_ns() - sent_ns_;
    if (!run_.received(is_echo(message.text()), took_ns)) return end({});
    increment_digits(message_.data() + kNumber_offset, kNumber_digits);
    send_echo(connection);
  }

  [[nodiscard]] bool is_echo(std::string_view text) const noexcept {
    return text.size() == message_.size() && same_bytes(text.data(), message_.data(), text.size());
  }

  void on_sunk(Connection& connection, const Message& message) noexcept {
    auto& stream = *static_cast<Stream*>(connection.context);
    if (!run_.received(stream.expected.take(message.text()))) [[unlikely]]
      end({});
  }

  void on_tick(Connection& connection, const Message& message) noexcept {
    const std::uint64_t now_ns = clock_ns();
    auto& stream = *static_cast<Stream*>(connection.context);
    std::uint64_t sent_ns = 0;
    const bool right = stream.expected.take_timed(message.text(), sent_ns);
    if (!run_.received(right, now_ns - std::min(now_ns, sent_ns))) end({});
  }

  void on_closed(Connection&, const Closed& closed) noexcept {
    if (!done_) end(text_of(closed.error));
  }
  void on_failed(Connection&, const OpenFailure& failure) noexcept { end(text_of(failure.error)); }

  void watch() {
    watched_ = &run_;
    std::signal(SIGALRM, &on_alarm);
    ::alarm(kSilence_s);
  }

  static void on_alarm(int) noexcept {
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
  [[gnu::noinline, gnu::cold]] void end(std::string failure) {
    if (failure_.empty()) failure_ = std::move(failure);
    done_ = true;
    for (const Stream& stream : streams_) {
      if (Connection* const at = reactor_->find(stream.id); at != nullptr) at->pause();
    }
  }

  ClientOptions options_;
  ClientRun run_;
  std::unique_ptr<Reactor> reactor_;
  std::string message_;
  std::uint64_t sent_ns_ = 0;
  bool done_ = false;
  std::uint32_t open_ = 0;
  std::string failure_;
  static inline const ClientRun* watched_ = nullptr;
  std::vector<Stream> streams_;
};

}  // namespace
}  // namespace zenwire::bench

int main(int argc, char** argv) {
  return zenwire::bench::ZenwireClient(zenwire::bench::parse_client_options(argc, argv)).run();
}
