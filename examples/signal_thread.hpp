#pragma once

// Ctrl-C and SIGTERM for programs whose reactor has a thread to itself: no handler, but a thread
// that waits for them.

#include <csignal>
#include <thread>
#include <utility>

#include <pthread.h>

namespace zenwire::examples {

// Calls `on_signal`, on a thread of its own, at the first signal or when it dies. What that calls
// may be called on any thread: Reactor::stop(), Reactor::post().
class SignalThread {
 public:
  template <typename OnSignal>
  explicit SignalThread(OnSignal on_signal)
      : thread_([on_signal = std::move(on_signal)] {
          int signal = 0;
          sigwait(&signals_, &signal);
          on_signal();
        }) {}
  ~SignalThread() {
    pthread_kill(thread_.native_handle(), SIGTERM);
    thread_.join();
  }
  SignalThread(const SignalThread&) = delete;
  SignalThread& operator=(const SignalThread&) = delete;

  // Before any thread starts: they inherit it.
  static void hold_back() {
    sigemptyset(&signals_);
    sigaddset(&signals_, SIGINT);
    sigaddset(&signals_, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &signals_, nullptr);
  }

 private:
  static inline sigset_t signals_{};
  std::thread thread_;
};

}  // namespace zenwire::examples
