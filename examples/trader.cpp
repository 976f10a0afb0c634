// A strategy on a thread of its own: messages come through a queue, orders go back through an
// outbox, everything is recorded, the session reconnects, and Ctrl-C or SIGTERM ends it in order.
//
//   trader URL RECORDING [CORE]
//
// It asks for "subscribe prices" on every connection, answers each "price N" below 100 with
// "buy NUMBER at N", and prints what it did and what the venue said. With CORE the reactor has that
// core to itself. Exit code: 0 told to stop, 1 could not go on, 2 wrong arguments.

#include <array>
#include <atomic>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

#include <zenwire/zenwire.hpp>

#include "signal_thread.hpp"

namespace {

using namespace zenwire;
using zenwire::examples::SignalThread;

constexpr std::uint64_t kBuyBelow = 100;
// Of any message: what is above it would be dropped by the queue, so it is refused before.
constexpr std::uint64_t kMessage_bytes_max = std::uint64_t{1} << 20;

void complain(std::string_view what, const Error& error) {
  const Explanation why = explain(error);
  std::string line = "trader: ";
  line.append(what).append(": ").append(why.message);
  if (!why.detail.empty()) line.append(" (").append(why.detail).append(")");
  if (!why.suggestion.empty()) line.append("; ").append(why.suggestion);
  std::fprintf(stderr, "%s\n", line.c_str());
}

// As value() does where there is one.
void must(const Result<void>& done) {
  if (!done) throw tl::bad_expected_access<Error>(done.error());
}

template <typename Number>
std::optional<Number> parse(std::string_view text) noexcept {
  Number number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return number;
}

// Thread: its own. What it shares with the reactor's is the queue, the outbox and the doorbell.
class Strategy {
 public:
  Strategy(MessageQueue& queue, Outbox& outbox, Reactor& reactor)
      : queue_(queue), outbox_(outbox), reactor_(reactor), thread_([this] { run(); }) {}
  // After the reactor's run: until then a connection may wait for room to say that it is closed.
  ~Strategy() {
    over_.store(true, std::memory_order_release);
    thread_.join();
  }
  Strategy(const Strategy&) = delete;
  Strategy& operator=(const Strategy&) = delete;

 private:
  void run() noexcept {
    while (const MessageView view = next()) {
      see(view.header(), as_text(view.payload()));
      queue_.release();  // the view dies here
    }
  }

  // One look more at the end: something may have come between the last one and the word.
  MessageView next() noexcept {
    const auto over = [this]() noexcept { return over_.load(std::memory_order_acquire); };
    const MessageView view = queue_.spin_read(over);
    return view ? view : queue_.try_read();
  }

  void see(const MessageHeader& header, std::string_view text) noexcept {
    if (header.dropped_before != 0) std::printf("%u messages missing\n", header.dropped_before);
    switch (header.kind) {
      case MessageKind::opened: std::printf("opened\n"); return;
      case MessageKind::closed: std::printf("closed: %s\n", name(header.reason).data()); return;
      case MessageKind::text: return on_text(header, text);
      default: return;
    }
  }

  // What is no price is an answer: it comes like any message, and names the order that it is for.
  void on_text(const MessageHeader& header, std::string_view text) noexcept {
    constexpr std::string_view kPrice = "price ";
    if (!text.starts_with(kPrice)) {
      std::printf("answer: %.*s\n", static_cast<int>(text.size()), text.data());
      return;
    }
    const auto price = parse<std::uint64_t>(text.substr(kPrice.size()));
    if (price && *price < kBuyBelow) buy(header, *price);
  }

  // For the connection that the price came on, and not for one that has taken its place since.
  void buy(const MessageHeader& cause, std::uint64_t price) noexcept {
    OutboxHeader header = Outbox::make_header(OutboxKind::text, {cause.connection, cause.epoch});
    header.tag = ++orders_;
    const std::string order = "buy " + std::to_string(orders_) + " at " + std::to_string(price);
    const Errc code = outbox_.try_send(header, as_bytes(order));
    reactor_.doorbell();
    // It would be late by the time there is room: told, and not tried again.
    if (code != Errc::ok) return complain(order, code);
    std::printf("%s\n", order.c_str());
  }

  MessageQueue& queue_;
  Outbox& outbox_;
  Reactor& reactor_;
  std::uint64_t orders_ = 0;
  std::atomic<bool> over_{false};
  std::thread thread_;  // last: it uses the others
};

// What runs on the reactor's thread.

// A signal came: the session is this thread's, so it is stopped here.
void stop(void* session, Reactor&) noexcept {
  static_cast<Session*>(session)->stop();
}

// Every connection anew: queue and handlers are a connection's, and end with it.
void on_connection(void* queue, Session&, Connection& connection) noexcept {
  connection.deliver_to(static_cast<MessageQueue*>(queue));
}

// With a dialect, one session.subscribe() would do: channels are restored.
void on_state(void*, Session& session, const SessionTransition& at) noexcept {
  if (at.to == SessionState::backoff) complain("the connection has ended", at.reason);
  if (at.to == SessionState::open) {
    const Errc code = session.send(Opcode::text, as_bytes("subscribe prices"));
    if (code != Errc::ok) complain("cannot subscribe", code);
  }
  if (session.state() == SessionState::stopped) session.reactor().stop();
}

// The connection has ended since, or is closing.
void on_refused(void*, const OutboxRefusal& refusal) noexcept {
  complain("order " + std::to_string(refusal.tag) + " was not sent", refusal.reason);
}

SessionOptions session_options(const char* url, Recorder& recorder) {
  SessionOptions options;
  options.connect.url = url;
  options.connect.limits.message_bytes_max = kMessage_bytes_max;
  options.recorder = &recorder;
  return options;
}

// In order: the session ends here, if run() failed, and a stop that was posted last runs while the
// session is there to be stopped.
Result<void> run_until_stopped(Reactor& reactor, Session& session) {
  session.start();
  const Result<void> ran = [&] {
    const SignalThread signals([&] { reactor.post({&stop, &session}); });
    return reactor.run();
  }();
  session.stop(std::chrono::nanoseconds(0));
  reactor.stop(std::chrono::nanoseconds(0));
  while (reactor.poll(true)) {
  }
  const Error& why = session.last_error();
  return ran && why.code() != Errc::session_stopped ? tl::unexpected(why) : ran;
}

// What is declared first outlives the rest: a reactor's end still closes connections, which say so
// to queue and recorder; a session's reactor outlives it; the strategy reads until nothing comes.
void trade(const char* url, const char* recording, int core) {
  const auto queue = MessageQueue::make().value();
  const auto outbox = Outbox::make().value();
  Recorder recorder = Recorder::open({.path = recording}).value();
  const auto reactor = Reactor::create({.core = core,
                                        .idle = core < 0 ? Idle::block : Idle::spin,
                                        .message_bytes_max = kMessage_bytes_max})
                           .value();
  must(reactor->attach(*outbox, {&on_refused, nullptr}));
  const auto session = Session::create(*reactor, session_options(url, recorder)).value();
  static_cast<void>(session->on_connection.add({&on_connection, queue.get()}));
  static_cast<void>(session->on_state.add({&on_state, nullptr}));
  const Strategy strategy(*queue, *outbox, *reactor);
  must(run_until_stopped(*reactor, *session));
  must(recorder.close());
}

}  // namespace

int main(int count, char** values) {
  const std::optional<int> core = count == 4 ? parse<int>(values[3]) : -1;
  if (count < 3 || count > 4 || !core) {
    std::fputs("usage: trader URL RECORDING [CORE]\n", stderr);
    return 2;
  }
  SignalThread::hold_back();
  std::setvbuf(stdout, nullptr, _IOLBF, BUFSIZ);  // a line at a time, into a pipe too
  try {
    trade(values[1], values[2], *core);
    return 0;
  } catch (const tl::bad_expected_access<Error>& failed) {
    complain("cannot go on", failed.error());
    return 1;
  }
}
