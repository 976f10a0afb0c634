#pragma once

// InputLines: the lines of standard input, read on a thread of their own and handed to the reactor.
// The thread reads on only when the lines before have been taken, so a slow connection pushes back
// to whoever writes to standard input.

#include <cstdint>
#include <semaphore>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <zenwire/base/callback.hpp>
#include <zenwire/engine/reactor.hpp>

namespace zenwire::tools {

// Threads: all calls on the reactor's; the callbacks run there too. Lifetime: longer than the
// reactor's, to which its thread posts; stopped before that ends.
class InputLines {
 public:
  struct Receiver {
    // False: no room now. It is offered again after retry() or a millisecond.
    bool (*take)(void* context, std::string_view line) noexcept;
    void (*end)(void* context) noexcept;  // of input
    void* context;
  };

  InputLines(Reactor& reactor, Receiver receiver, std::size_t line_bytes_max);
  ~InputLines();
  InputLines(const InputLines&) = delete;
  InputLines& operator=(const InputLines&) = delete;

  void start();
  // Ends the thread. What it has posted by then is still to run.
  void stop() noexcept;
  // There is room again.
  void retry() noexcept { offer(); }
  // A line was longer than the limit: input has ended there.
  [[nodiscard]] bool too_long() const noexcept { return too_long_; }

 private:
  void read_all() noexcept;
  bool wait_readable() noexcept;
  void split(std::string_view bytes);
  bool hand_over() noexcept;
  void offer() noexcept;
  void on_batch(Reactor&) noexcept;
  void on_retry(Timer&) noexcept { offer(); }

  Reactor& reactor_;
  Receiver receiver_;
  std::size_t line_bytes_max_;
  int end_ = -1;  // eventfd: the command is over

  // The reader's, and the reactor's from hand_over() until `taken_`.
  std::string partial_;
  std::vector<std::string> lines_;
  bool last_ = false;
  bool too_long_ = false;
  std::binary_semaphore taken_{0};

  // The reactor's.
  std::size_t next_ = 0;
  bool offering_ = false;
  Timer retry_{Callback<Timer&>::to<&InputLines::on_retry>(*this)};
  std::thread thread_;
};

}  // namespace zenwire::tools
