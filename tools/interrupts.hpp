#pragma once

// Interrupts: SIGINT, SIGTERM and SIGHUP end a command in good order.
//
// The first signal stops the reactor, which closes its connections; a second one ends the process
// at once. Signals are taken by a thread of their own (signalfd), so nothing has to be
// async-signal-safe.
//
// Make it before any other thread starts, because threads inherit the mask. What arrives before
// stop_on_signal() waits for it. It must end before the reactor does.

#include <atomic>
#include <chrono>
#include <thread>

#include "command.hpp"

namespace zenwire {
class Reactor;
}

namespace zenwire::tools {

class Interrupts {
 public:
  Interrupts();
  ~Interrupts();
  Interrupts(const Interrupts&) = delete;
  Interrupts& operator=(const Interrupts&) = delete;

  // `deadline`: how long the peers have to answer the close.
  void stop_on_signal(Reactor& reactor,
                      std::chrono::nanoseconds deadline = std::chrono::seconds(3));

  // Any thread: the first signal that came, or 0.
  [[nodiscard]] int caught() const noexcept { return caught_.load(std::memory_order_acquire); }

 private:
  void wait() noexcept;

  int signals_ = -1;
  int end_ = -1;  // eventfd: the command is over
  Reactor* reactor_ = nullptr;
  std::chrono::nanoseconds deadline_{};
  std::atomic<int> caught_{0};
  std::thread thread_;
};

}  // namespace zenwire::tools
