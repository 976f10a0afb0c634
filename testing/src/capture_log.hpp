#pragma once

// What the server's thread saw, for the test's threads to look at and to wait for.

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include <zenwire/testing/capture.hpp>
#include <zenwire/testing/mock_server.hpp>

namespace zenwire::testing::detail {

// A list of the newest `max`; counts what it ever held, so that a reader can go on where it was.
template <typename Item>
class Newest {
 public:
  explicit Newest(std::size_t max) : max_(max) {}
  void add(Item item) {
    if (items_.size() == max_) drop_oldest();
    items_.push_back(std::move(item));
  }
  void forget() {
    while (!items_.empty()) drop_oldest();
  }
  [[nodiscard]] const std::deque<Item>& items() const noexcept { return items_; }
  // The number of the oldest that is still held: so many came before it.
  [[nodiscard]] std::size_t first() const noexcept { return first_; }
  [[nodiscard]] std::size_t end() const noexcept { return first_ + items_.size(); }

 private:
  void drop_oldest() {
    items_.pop_front();
    ++first_;
  }
  std::size_t max_;
  std::size_t first_ = 0;
  std::deque<Item> items_;
};

// Any thread; one lock around everything.
class CaptureLog {
 public:
  explicit CaptureLog(std::size_t captured_max)
      : requests(captured_max), frames(captured_max), messages(captured_max), ends(captured_max) {}

  // Changes something and tells those who wait.
  template <typename Change>
  void change(Change&& change) {
    const std::lock_guard lock(mutex_);
    change(*this);
    changed_.notify_all();
  }
  template <typename Look>
  auto look(Look&& look) const {
    const std::lock_guard lock(mutex_);
    return look(*this);
  }
  // Waits until `met(*this)`; false at the timeout. `met` runs under the lock, once per change.
  template <typename Met>
  bool wait(std::chrono::nanoseconds timeout, Met&& met) const {
    std::unique_lock lock(mutex_);
    return changed_.wait_until(lock, std::chrono::steady_clock::now() + timeout,
                               [&] { return met(*this); });
  }

  std::size_t accepts = 0;
  std::size_t opens = 0;
  std::size_t ended = 0;
  std::set<ClientId> open{};
  Newest<CapturedRequest> requests;
  Newest<CapturedFrame> frames;
  Newest<CapturedMessage> messages;
  Newest<ClientEnd> ends;

 private:
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
};

}  // namespace zenwire::testing::detail
