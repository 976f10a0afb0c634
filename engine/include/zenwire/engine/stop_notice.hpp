#pragma once

// StopNotice: how whoever waits on a reactor's time (a session between two connections) hears that
// the reactor is about to stop, and nothing that it waits for will come.

#include <zenwire/base/assert.hpp>
#include <zenwire/base/callback.hpp>

namespace zenwire {

class Reactor;

// A member of its owner; Reactor::notify_of_stop() links it, its destructor takes it out. Called
// once, on the reactor's thread, after the open connections were told to close. Allocates nothing.
class StopNotice {
 public:
  explicit StopNotice(Callback<Reactor&> on_stop) noexcept : on_stop_(on_stop) {
    ZW_ASSERT(static_cast<bool>(on_stop));
  }
  StopNotice(const StopNotice&) = delete;
  StopNotice& operator=(const StopNotice&) = delete;
  ~StopNotice() { unlink(); }

 private:
  friend class StopNotices;

  void unlink() noexcept {
    if (link_ == nullptr) return;
    *link_ = next_;
    if (next_ != nullptr) next_->link_ = link_;
    link_ = nullptr;
  }

  Callback<Reactor&> on_stop_;
  StopNotice* next_ = nullptr;
  StopNotice** link_ = nullptr;  // what points here; null: not linked
};

// The reactor's list of those that were not called yet. One that is taken is no longer in it, so
// handlers may link and unlink any.
class StopNotices {
 public:
  StopNotices() noexcept = default;
  StopNotices(const StopNotices&) = delete;
  StopNotices& operator=(const StopNotices&) = delete;
  ~StopNotices() {
    while (first_ != nullptr) first_->unlink();
  }

  void add(StopNotice& notice) noexcept {
    ZW_ASSERT(notice.link_ == nullptr);
    notice.next_ = first_;
    notice.link_ = &first_;
    if (first_ != nullptr) first_->link_ = &notice.next_;
    first_ = &notice;
  }
  [[nodiscard]] bool empty() const noexcept { return first_ == nullptr; }
  // Takes one out, and returns whom to call.
  [[nodiscard]] Callback<Reactor&> take() noexcept {
    ZW_ASSERT(first_ != nullptr);
    StopNotice& notice = *first_;
    notice.unlink();
    return notice.on_stop_;
  }

 private:
  StopNotice* first_ = nullptr;
};

}  // namespace zenwire
