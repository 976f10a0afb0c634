#pragma once

// Child: a part of this program that runs in a process of its own, so that what one measures leaves
// nothing behind for the next: memory, pinning, sockets. What it gives, it leaves in memory that
// both share.

#include <cstdint>
#include <string>
#include <utility>

#include <sys/types.h>

#include <zenwire/base/callback.hpp>
#include <zenwire/base/error.hpp>

namespace zenwire::bench {

// What a wait is for, and how it ended.
struct Wait {
  enum class Outcome : std::uint8_t { ready, interrupted, timed_out };
  int descriptor = -1;
  double seconds = 0;
  Outcome outcome = Outcome::ready;
};
// Waits until the descriptor is readable; whoever measures says how, so that a signal ends it.
using WaitFor = Callback<Wait&>;

struct ChildEnd {
  Wait::Outcome outcome = Wait::Outcome::ready;
  int code = 0;  // its exit code, or 128 and the signal that ended it

  [[nodiscard]] bool good() const noexcept { return outcome == Wait::Outcome::ready && code == 0; }
};

// Thread: one, and the process must have no other when it starts a child. The destructor kills.
class Child {
 public:
  Child() noexcept = default;
  ~Child() { stop(); }
  Child(Child&& other) noexcept { *this = std::move(other); }
  Child& operator=(Child&& other) noexcept;

  // work() -> int: its exit code. Error: system_error.
  template <typename Work>
  static Result<Child> start(Work&& work) {
    Result<Child> child = fork_one();
    if (child && child->pid_ == 0) leave(std::forward<Work>(work)());
    return child;
  }

  // Until it has ended. Interrupted or too late, it is killed.
  ChildEnd wait(const WaitFor& wait_for, double seconds) noexcept;
  void stop() noexcept;
  // What it wrote to standard error.
  [[nodiscard]] std::string errors() const;
  // Readable when it has ended.
  [[nodiscard]] int descriptor() const noexcept { return process_; }

 private:
  static Result<Child> fork_one();
  [[noreturn]] static void leave(int code) noexcept;
  int reap() noexcept;

  pid_t pid_ = -1;
  int process_ = -1;  // pidfd
  int errors_ = -1;   // memfd
};

}  // namespace zenwire::bench
