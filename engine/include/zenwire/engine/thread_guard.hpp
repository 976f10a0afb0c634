#pragma once

// ThreadGuard: catches the second thread on a one-thread interface.
//
// The first call binds the thread; a call from another one asserts, in debug builds; in release
// builds check() is nothing. The member is there in both, so that objects built with and without
// NDEBUG have one layout.
// An identity is the address of a thread-local byte: one load, no call. A thread that has ended may
// lend its address to a later one, so the guard can miss a misuse but never reports a false one.

#include <atomic>

#include <zenwire/base/assert.hpp>

namespace zenwire {

class ThreadGuard {
 public:
  void check() noexcept {
#ifndef NDEBUG
    const void* self = identity();
    const void* bound = nullptr;
    if (!bound_.compare_exchange_strong(bound, self, std::memory_order_relaxed)) {
      ZW_ASSERT(bound == self);
    }
#endif
  }

  // The next caller binds anew. For an interface that is handed to another thread, by a hand-over
  // that itself orders memory (a join, a queue).
  void unbind() noexcept {
    bound_.store(nullptr, std::memory_order_relaxed);
  }

 private:
  static const void* identity() noexcept {
    static thread_local const char byte = 0;
    return &byte;
  }

  std::atomic<const void*> bound_{nullptr};
};

}  // namespace zenwire
