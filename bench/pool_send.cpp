// What the pool adds to a send: send_balanced over four healthy connections against sends on the
// same four in turn, on loopback, in pairs of blocks: pool_send [BLOCKS]. Printed is the median of
// the rounds' ratios with its 95 per cent interval.
//
// The time is the sending thread's own processor time, which others on the machine do not add to.

#include <array>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <thread>

#include <sched.h>

#include <zenwire/pool/lines.hpp>
#include <zenwire/pool/pool.hpp>

#include "paired.hpp"

namespace {

using namespace zenwire;
using bench::thread_ns;

constexpr std::uint32_t kConnections = 4;
constexpr std::size_t kRounds = 41;
constexpr int kBlock = 64;

std::unique_ptr<Reactor> make_reactor() {
  ReactorOptions options;
  options.idle = Idle::block;
  options.log = Callback<std::string_view>([](void*, std::string_view) noexcept {});
  return Reactor::create(options).value();
}

// Takes everything, and counts it.
class Sink {
 public:
  Sink() : reactor_(make_reactor()) {
    ListenOptions options;
    options.on_open = Callback<Connection&>::to<&Sink::on_open>(*this);
    port_ = reactor_->listen(options).value().port();
    thread_ = std::thread([this] { static_cast<void>(reactor_->run()); });
  }
  ~Sink() {
    reactor_->stop(std::chrono::nanoseconds(0));
    thread_.join();
  }
  Sink(const Sink&) = delete;
  Sink& operator=(const Sink&) = delete;
  [[nodiscard]] std::string url() const { return "ws://127.0.0.1:" + std::to_string(port_) + "/"; }
  void await(std::uint64_t messages) const noexcept {
    while (messages_.load(std::memory_order_acquire) < messages) sched_yield();
  }

 private:
  void on_open(Connection& connection) noexcept {
    static_cast<void>(connection.on_message.add(
        Callback<Connection&, const Message&>::to<&Sink::on_message>(*this)));
  }
  void on_message(Connection&, const Message&) noexcept {
    messages_.fetch_add(1, std::memory_order_release);
  }
  std::unique_ptr<Reactor> reactor_;
  std::atomic<std::uint64_t> messages_{0};
  std::uint16_t port_ = 0;
  std::thread thread_;
};

// Measured alike, the four take turns in either way of sending; a ping would prefer one of them.
LinesOptions without_pings() {
  LinesOptions options;
  options.ping_every = std::chrono::nanoseconds(0);
  return options;
}

class Comparison {
 public:
  explicit Comparison(Sink& sink) : sink_(sink), reactor_(make_reactor()) {
    pool_ = Pool::make({.members = kConnections}).value();
    lines_ = std::make_unique<Lines>(*reactor_, pool_.get(), nullptr, without_pings());
    for (std::uint32_t i = 0; i < kConnections; ++i)
      static_cast<void>(lines_->add({.url = sink.url()}).value());
    while (lines_->open_count() < kConnections) reactor_->poll(true);
  }
  ~Comparison() {
    reactor_->stop(std::chrono::nanoseconds(0));
    while (reactor_->poll(true)) {
    }
  }
  Comparison(const Comparison&) = delete;
  Comparison& operator=(const Comparison&) = delete;

  // Balanced over direct. `tracked`: with an id, and a reply that is completed.
  bench::Ratio compare(std::size_t rounds, std::size_t blocks, bool tracked) {
    return bench::compare(
        rounds, blocks, [&] { return arrived(send_direct()); },
        [&] { return arrived(send_balanced(tracked)); });
  }

 private:
  std::uint64_t arrived(std::uint64_t took_ns) {
    sent_ += kBlock;
    sink_.await(sent_);
    reactor_->poll(false);
    return took_ns;
  }
  std::uint64_t send_direct() {
    std::array<Connection*, kConnections> connections{};
    for (MemberIndex i = 0; i < kConnections; ++i) connections[i] = lines_->connection(i);
    const std::uint64_t began_ns = thread_ns();
    for (int i = 0; i < kBlock; ++i)
      refused_ +=
          connections[static_cast<std::uint32_t>(i) % kConnections]->send_text(text_) != Errc::ok;
    return thread_ns() - began_ns;
  }
  std::uint64_t send_balanced(bool tracked) {
    const Instant_ns now_ns = reactor_->now_ns();
    const std::uint64_t first = id_ + 1;
    const std::uint64_t began_ns = thread_ns();
    for (int i = 0; i < kBlock; ++i) {
      const PoolRequest request{.id = tracked ? ++id_ : 0, .payload = as_bytes(text_)};
      refused_ += pool_->send_balanced(request, now_ns) != Errc::ok;
    }
    const std::uint64_t took_ns = thread_ns() - began_ns;
    for (std::uint64_t id = first; id <= id_; ++id)
      for (MemberIndex member = 0; member < kConnections; ++member)
        if (pool_->complete(member, id, true, now_ns + 10'000)) break;
    return took_ns;
  }

  Sink& sink_;
  std::unique_ptr<Reactor> reactor_;
  std::unique_ptr<Pool> pool_;
  std::unique_ptr<Lines> lines_;
  std::string text_ = std::string(120, 'x');
  std::uint64_t sent_ = 0;
  std::uint64_t id_ = 0;
  std::uint64_t refused_ = 0;
};

void compare(Comparison& comparison, const char* name, std::size_t blocks, bool tracked) {
  static_cast<void>(comparison.compare(1, blocks, tracked));  // warm
  bench::print(name, comparison.compare(kRounds, blocks, tracked), kRounds);
}

}  // namespace

int main(int count, char** values) {
  const std::size_t blocks = bench::rounds_of(count, values, 500);
  Sink sink;
  Comparison comparison(sink);
  compare(comparison, "send_balanced over a direct send, no reply awaited", blocks, false);
  compare(comparison, "send_balanced over a direct send, reply awaited", blocks, true);
  return 0;
}
