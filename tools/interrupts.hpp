#pragma once

// Interrupts and StopOnSignal: SIGINT, SIGTERM and SIGHUP end a command in good order.
//
// The first signal stops the reactor, which closes its connections; a second one ends the process
// at once. Signals are taken by a thread of their own (signalfd), so nothing has to be
// async-signal-safe.

#include <atomic>
#include <chrono>
#include <thread>

namespace zenwire {
class Reactor;
}

namespace zenwire::tools {

// Holds the signals back from now on. Make it before any other thread starts, because threads
// inherit the mask; what arrives waits for StopOnSignal.
class Interrupts {
 public:
  Interrupts();
  ~Interrupts();
  Interrupts(const Interrupts&) = delete;
  Interrupts& operator=(const Interrupts&) = delete;

  // Any thread: the first signal that came, or 0.
  [[nodiscard]] int caught() const noexcept { return caught_.load(std::memory_order_acquire); }

  // For a command without a reactor: waits for a signal, or until the descriptor is readable if
  // there is one (ask it); true when a signal came before the time was up, or before that.
  bool wait_for_descriptor(int descriptor, std::chrono::duration<double> time) noexcept;
  // The same without a descriptor.
  bool wait_for(std::chrono::duration<double> time) noexcept {
    return wait_for_descriptor(-1, time);
  }

 private:
  friend class StopOnSignal;
  int signals_ = -1;
  std::atomic<int> caught_{0};
};

// For as long as it lives, a signal stops the reactor, which it must not outlive.
class StopOnSignal {
 public:
  // `deadline`: how long the peers have to answer the close.
  StopOnSignal(Interrupts& interrupts, Reactor& reactor,
               std::chrono::nanoseconds deadline = std::chrono::seconds(3));
  ~StopOnSignal();
  StopOnSignal(const StopOnSignal&) = delete;
  StopOnSignal& operator=(const StopOnSignal&) = delete;

 private:
  void wait() noexcept;

  Interrupts& interrupts_;
  Reactor& reactor_;
  std::chrono::nanoseconds deadline_;
  int end_ = -1;  // eventfd: it is over
  std::thread thread_;
};

}  // namespace zenwire::tools
