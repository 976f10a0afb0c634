// A hand-over to a strategy thread over a bare one of the same bytes, in pairs: hand_over_ratio
// [ROUNDS]. A message goes there through one queue and back through another of its kind, and the
// other end reads every byte of it; of the round trips of a block the median counts, so that what
// interrupts either thread does not. Two cores are needed: one is the other thread's.

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <memory>
#include <thread>
#include <vector>

#include <sched.h>
#include <x86intrin.h>

#include <zenwire/base/callback.hpp>
#include <zenwire/engine/message_queue.hpp>

#include "paired.hpp"
#include "peers/bare_queue.hpp"

namespace zenwire::bench {
namespace {

constexpr std::size_t kMessage_bytes = 200;
constexpr std::size_t kRounds = 21;
constexpr std::size_t kBlocks = 20;
constexpr std::size_t kRoundTrips = 2'000;  // of a block
constexpr double kGoal = 1.2;

using Text = std::array<char, kMessage_bytes>;

// The bytes and one number behind them.
class BareHop {
 public:
  void push(const Text& text) noexcept { queue_.push(text.data()); }
  bool take(Text& to) noexcept {
    const char* const text = queue_.front();
    if (text == nullptr) return false;
    std::memcpy(to.data(), text, to.size());
    queue_.pop();
    return true;
  }

 private:
  BareQueue queue_{kMessage_bytes};
};

// What a connection and a strategy thread have between them. The times in the header are the
// connection's to fill in; none is read for this hop unless stages are marked.
class MessageHop {
 public:
  void push(const Text& text) noexcept {
    ++header_.sequence;
    if (queue_->try_push(header_, as_bytes(std::string_view(text.data(), text.size()))) !=
        PushOutcome::pushed) {
      std::abort();
    }
  }
  bool take(Text& to) noexcept {
    const MessageView message = queue_->try_read();
    if (!message) return false;
    std::memcpy(to.data(), message.payload().data(), to.size());
    queue_->release();
    return true;
  }

 private:
  std::unique_ptr<MessageQueue> queue_ = std::move(*MessageQueue::make());
  MessageHeader header_;
};

void pin_to(std::size_t cpu) {
  cpu_set_t cores;
  CPU_ZERO(&cores);
  CPU_SET(cpu, &cores);
  if (::sched_setaffinity(0, sizeof cores, &cores) != 0) std::perror("the other core");
}

template <typename Hop>
class RoundTrips {
 public:
  RoundTrips() : other_([this] { answer(); }) {}
  ~RoundTrips() {
    over_.store(true, std::memory_order_relaxed);
    other_.join();
  }
  RoundTrips(const RoundTrips&) = delete;
  RoundTrips& operator=(const RoundTrips&) = delete;

  // Ticks of the median one.
  std::uint64_t run() {
    awake_.store(true, std::memory_order_release);
    for (std::uint64_t& taken : taken_) {
      const std::uint64_t began = __rdtsc();
      there_.push(text_);
      while (!back_.take(text_)) {
      }
      taken = __rdtsc() - began;
    }
    awake_.store(false, std::memory_order_release);
    const auto middle = taken_.begin() + kRoundTrips / 2;
    std::nth_element(taken_.begin(), middle, taken_.end());
    return *middle;
  }

 private:
  // Asleep while the other kind is measured.
  void answer() {
    pin_to(1);
    Text text{};
    while (!over_.load(std::memory_order_relaxed)) {
      if (!awake_.load(std::memory_order_acquire)) {
        ::sched_yield();
      } else if (there_.take(text)) {
        back_.push(text);
      }
    }
  }

  Hop there_;
  Hop back_;
  Text text_{};
  std::vector<std::uint64_t> taken_ = std::vector<std::uint64_t>(kRoundTrips);
  std::atomic<bool> awake_{false};
  std::atomic<bool> over_{false};
  std::thread other_;
};

int run(std::size_t rounds) {
  if (std::thread::hardware_concurrency() < 2) {
    std::puts("one core only: a hand-over between two cannot be timed");
    return 0;
  }
  RoundTrips<BareHop> bare;
  RoundTrips<MessageHop> ours;
  pin_to(0);
  bare.run();
  ours.run();
  const Ratio ratio = compare(
      rounds, kBlocks, [&] { return bare.run(); }, [&] { return ours.run(); });
  print("hand-over of 200 B over a bare one", ratio, rounds, kGoal);
  return 0;
}

}  // namespace
}  // namespace zenwire::bench

int main(int count, char** values) {
  using namespace zenwire::bench;
  return run(rounds_of(count, values, kRounds));
}
