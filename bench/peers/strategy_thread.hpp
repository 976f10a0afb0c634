#pragma once

// StrategyThread: the thread behind a queue, of `zenwire bench`: takes what is there until it is
// told that it is over.

#include <atomic>
#include <thread>
#include <utility>

#include <sched.h>

#include "client_options.hpp"

namespace zenwire::bench {

class StrategyThread {
 public:
  // `gives_way`: its core is also the server's, which must run for a message to come.
  StrategyThread(int cpu, bool gives_way) noexcept : cpu_(cpu), gives_way_(gives_way) {}
  ~StrategyThread() { stop(); }
  StrategyThread(const StrategyThread&) = delete;
  StrategyThread& operator=(const StrategyThread&) = delete;

  // take_one() -> bool: whether there was a message.
  template <typename TakeOne>
  void start(TakeOne take_one) {
    thread_ = std::thread([this, take_one = std::move(take_one)]() mutable {
      pin(cpu_);
      while (!over_.load(std::memory_order_relaxed)) {
        if (!take_one()) idle();
      }
    });
  }
  // From its own thread: the last message came.
  void finish() noexcept { complete_.store(true, std::memory_order_release); }
  [[nodiscard]] bool complete() const noexcept { return complete_.load(std::memory_order_acquire); }
  void stop() {
    over_.store(true, std::memory_order_relaxed);
    if (thread_.joinable()) thread_.join();
  }

 private:
  void idle() const noexcept {
    if (gives_way_) {
      ::sched_yield();
    } else {
      __builtin_ia32_pause();
    }
  }

  int cpu_;
  bool gives_way_;
  std::atomic<bool> over_{false};
  std::atomic<bool> complete_{false};
  std::thread thread_;
};

}  // namespace zenwire::bench
