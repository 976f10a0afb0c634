// What reconnects cost a hot connection beside them: the processor time of each turn of the
// reactor, with 100 reconnects and without, in interleaved rounds. Processor time of the thread,
// not wall time, so that what else runs on the machine is not blamed on the engine.
//
//     reconnect_gap [ROUNDS]      9 by default
//
// A line a round, then medians: the longest turn and the 99.9th percentile, in nanoseconds.

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <zenwire/engine/histogram.hpp>
#include <zenwire/engine/session.hpp>

#include "peers/clock.hpp"

namespace {

using namespace zenwire;
using bench::thread_ns;

constexpr std::uint64_t kReconnects = 100;
constexpr std::uint64_t kHotMessages = 20'000;  // of a round, at least
constexpr Instant_ns kEvery_ns = 20'000;

void quiet(void*, std::string_view) noexcept {}

// Sends on every connection all the time, on a thread of its own.
class Server {
 public:
  Server() : reactor_(make()) {
    ListenOptions options;
    options.on_open = Callback<Connection&>::to<&Server::on_open>(*this);
    port_ = reactor_->listen(options).value().port();
    thread_ = std::thread([this] { run(); });
  }
  ~Server() {
    ended_ = true;
    reactor_->doorbell();
    thread_.join();
  }
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  [[nodiscard]] std::string url() const { return "ws://127.0.0.1:" + std::to_string(port_) + "/"; }

 private:
  static std::unique_ptr<Reactor> make() {
    ReactorOptions options;
    options.idle = Idle::block;
    options.log = {&quiet, nullptr};
    return Reactor::create(options).value();
  }
  void run() {
    const std::string text(200, 'x');
    Timer timer(Callback<Timer&>([](void*, Timer&) noexcept {}));
    while (!ended_) {
      reactor_->arm(timer, reactor_->now_ns() + kEvery_ns);
      reactor_->poll(true);
      for (Connection* connection : open_) static_cast<void>(connection->send_text(text));
    }
    reactor_->cancel(timer);
  }
  void on_open(Connection& connection) noexcept {
    open_.push_back(&connection);
    static_cast<void>(connection.on_closed.add(
        Callback<Connection&, const Closed&>::to<&Server::on_closed>(*this)));
  }
  void on_closed(Connection& connection, const Closed&) noexcept { std::erase(open_, &connection); }

  std::unique_ptr<Reactor> reactor_;
  std::vector<Connection*> open_;
  std::uint16_t port_ = 0;
  std::atomic<bool> ended_{false};
  std::thread thread_;
};

struct Counter {
  std::uint64_t messages = 0;
  void on_message(Session&, const Message&) noexcept { ++messages; }
};

struct Round {
  std::uint64_t longest_ns;
  std::uint64_t p999_ns;
};

SessionOptions options_for(const Server& server) {
  SessionOptions options;
  options.connect.url = server.url();
  options.reconnect.stable_after = std::chrono::nanoseconds(0);
  return options;
}

Round run(Reactor& reactor, const Counter& hot, Session& cold, bool reconnects) {
  auto turns = std::make_unique<Histogram>();
  const std::uint64_t until = hot.messages + kHotMessages;
  const std::uint64_t opens = cold.counters().opens + (reconnects ? kReconnects : 0);
  while (hot.messages < until || cold.counters().opens < opens || !cold.is_open()) {
    if (reconnects && cold.is_open() && cold.counters().opens < opens)
      static_cast<void>(cold.reconnect());
    const std::uint64_t before = thread_ns();
    reactor.poll(false);
    turns->record(thread_ns() - before);
  }
  return {turns->max(), turns->percentile(99.9)};
}

std::uint64_t median(std::vector<Round> rounds, std::uint64_t Round::*of) {
  std::sort(rounds.begin(), rounds.end(),
            [of](const Round& left, const Round& right) { return left.*of < right.*of; });
  return rounds[rounds.size() / 2].*of;
}

void print(const char* what, const Round& round) {
  std::printf("%-12s longest turn %8llu ns   p99.9 %6llu ns\n", what,
              static_cast<unsigned long long>(round.longest_ns),
              static_cast<unsigned long long>(round.p999_ns));
}

}  // namespace

int main(int count, char** words) {
  const int rounds = count > 1 ? std::atoi(words[1]) : 9;
  if (rounds < 1) {
    std::fprintf(stderr, "usage: reconnect_gap [ROUNDS]\n");
    return 2;
  }
  Server server;
  ReactorOptions reactor_options;
  reactor_options.idle = Idle::spin;
  reactor_options.log = {&quiet, nullptr};
  auto reactor = Reactor::create(reactor_options).value();
  auto hot = Session::create(*reactor, options_for(server)).value();
  auto cold = Session::create(*reactor, options_for(server)).value();
  Counter counter;
  static_cast<void>(
      hot->on_message.add(Callback<Session&, const Message&>::to<&Counter::on_message>(counter)));
  hot->start();
  cold->start();
  while (!hot->is_open() || !cold->is_open()) reactor->poll(false);
  static_cast<void>(run(*reactor, counter, *cold, true));  // warms up
  std::vector<Round> with;
  std::vector<Round> without;
  for (int i = 0; i < rounds; ++i) {
    without.push_back(run(*reactor, counter, *cold, false));
    print("alone", without.back());
    with.push_back(run(*reactor, counter, *cold, true));
    print("reconnects", with.back());
  }
  print("median alone", {median(without, &Round::longest_ns), median(without, &Round::p999_ns)});
  print("median with", {median(with, &Round::longest_ns), median(with, &Round::p999_ns)});
  for (Session* session : {hot.get(), cold.get()}) session->stop(std::chrono::milliseconds(100));
  while (hot->state() != SessionState::stopped || cold->state() != SessionState::stopped)
    reactor->poll(false);
  return 0;
}
