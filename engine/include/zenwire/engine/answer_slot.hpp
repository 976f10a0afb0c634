#pragma once

// AnswerSlot: lets a strategy thread wait for the answer to a request that the reactor sends for
// it.
//
// Who owns what. From arm() until wait() has returned the slot belongs to the reactor: it alone
// writes the end and the answer's bytes, once, and then the word. The waiting thread reads nothing
// but the word before that.
// Orders. deliver() writes the end with plain stores and then stores the word with release; wait()
// loads it with acquire. The one load that sees `done` therefore sees the end as well: nothing else
// has to be atomic. The word is a futex (std::atomic::wait): the waiter sleeps in the kernel only
// while the word still says `waiting`, so a store between its look and its sleep is never missed.
// notify_one() may still be on its way when the waiter has gone on: the slot must outlive the
// reactor's last use of it, which it does when its thread keeps it for the next request.
//
// A slot waits for one request at a time. The reactor must run until wait() has returned; what
// bounds the wait is the request's deadline, which the reactor keeps.

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include <zenwire/base/assert.hpp>
#include <zenwire/base/bytes.hpp>
#include <zenwire/base/callback.hpp>
#include <zenwire/engine/request_table.hpp>

namespace zenwire {

class AnswerSlot {
 public:
  // What wait() returns. `answer` lies in the slot's room, until the next arm().
  struct End {
    // ok; why the request was refused before it was sent; or RequestEnd::reason.
    Errc code = Errc::ok;
    RequestOutcome outcome = RequestOutcome::not_sent;
    Bytes answer{};
    std::size_t answer_bytes =
        0;  // of the whole; more than answer.size() if the room was too small
    std::uint64_t round_trip_ticks = 0;
  };

  // `room` is for the answer, and outlives the slot.
  explicit AnswerSlot(MutableBytes room) noexcept : room_(room) {}

  // The waiting thread, before it hands the request over.
  void arm() noexcept {
    end_ = End();
    word_.store(kWaiting, std::memory_order_relaxed);
  }
  // The waiting thread: sleeps until the request has ended.
  const End& wait() noexcept {
    while (word_.load(std::memory_order_acquire) == kWaiting) {
      word_.wait(kWaiting, std::memory_order_acquire);
    }
    return end_;
  }

  // The reactor's thread: the request's on_end, or a refusal when it could not be sent at all.
  [[nodiscard]] Callback<const RequestEnd&> on_end() noexcept {
    return Callback<const RequestEnd&>::to<&AnswerSlot::deliver>(*this);
  }
  void refuse(Errc code) noexcept {
    ZW_ASSERT(code != Errc::ok);
    end_.code = code;
    finish();
  }

  AnswerSlot(const AnswerSlot&) = delete;
  AnswerSlot& operator=(const AnswerSlot&) = delete;

 private:
  static constexpr std::int32_t kDone = 0;
  static constexpr std::int32_t kWaiting = 1;

  void deliver(const RequestEnd& end) noexcept {
    const std::size_t bytes = std::min(end.answer.size(), room_.size());
    if (bytes > 0) std::memcpy(room_.data(), end.answer.data(), bytes);
    end_ = {end.reason, end.outcome, room_.first(bytes), end.answer.size(), end.round_trip_ticks};
    finish();
  }
  void finish() noexcept {
    ZW_ASSERT(word_.load(std::memory_order_relaxed) == kWaiting);
    word_.store(kDone, std::memory_order_release);
    word_.notify_one();
  }

  MutableBytes room_;
  End end_;
  std::atomic<std::int32_t> word_{kDone};
};

}  // namespace zenwire
