#pragma once

// SendQueue: the bytes of one connection that wait for the kernel, contiguous.
//
// It lives in the connection's own buffer; what does not fit goes into a large one, leased from the
// reactor's pool until everything has been written. Thread: the reactor's. Cost:
// two indices; a move of the waiting bytes when the tail has run into the end, at most once per
// buffer's length.

#include <cstddef>
#include <cstring>

#include <zenwire/base/assert.hpp>
#include <zenwire/base/bytes.hpp>
#include <zenwire/engine/buffer_pool.hpp>

namespace zenwire {

class SendQueue {
 public:
  // `own` has `own_bytes` bytes and outlives the queue.
  SendQueue(std::byte* own, std::size_t own_bytes, BufferPool& large) noexcept
      : base_(own), capacity_(own_bytes), own_(own), own_bytes_(own_bytes), large_(large) {}
  ~SendQueue() { clear(); }
  SendQueue(const SendQueue&) = delete;
  SendQueue& operator=(const SendQueue&) = delete;

  // Room for exactly `bytes` behind what waits; empty if there is none, not even in a large buffer.
  [[nodiscard]] MutableBytes reserve(std::size_t bytes) noexcept {
    ZW_DEBUG_ASSERT(bytes > 0);
    if (capacity_ - end_ < bytes && !make_room(bytes)) [[unlikely]]
      return {};
    return {base_ + end_, bytes};
  }
  // The first `bytes` of what was reserved are to be sent.
  void commit(std::size_t bytes) noexcept {
    ZW_ASSERT(bytes <= capacity_ - end_);
    end_ += bytes;
  }

  [[nodiscard]] Bytes front() const noexcept { return {base_ + begin_, end_ - begin_}; }
  [[nodiscard]] std::size_t size() const noexcept { return end_ - begin_; }
  [[nodiscard]] bool empty() const noexcept { return begin_ == end_; }

  // The kernel took `bytes`.
  void consume(std::size_t bytes) noexcept {
    ZW_ASSERT(bytes <= size());
    begin_ += bytes;
    if (begin_ != end_) return;
    begin_ = end_ = 0;
    if (base_ != own_) [[unlikely]]
      give_back();
  }
  void clear() noexcept { consume(size()); }

 private:
  [[gnu::noinline, gnu::cold]] bool make_room(std::size_t bytes) noexcept {
    const std::size_t waiting = size();
    std::byte* to = base_;
    std::size_t capacity = capacity_;
    if (capacity - waiting < bytes) {
      if (base_ != own_ || large_.buffer_bytes() < waiting + bytes) return false;
      to = large_.lease(LeaseFor::sending);
      if (to == nullptr) return false;
      capacity = large_.buffer_bytes();
    }
    std::memmove(to, base_ + begin_, waiting);
    base_ = to;
    capacity_ = capacity;
    begin_ = 0;
    end_ = waiting;
    return true;
  }

  [[gnu::noinline, gnu::cold]] void give_back() noexcept {
    large_.give_back(base_);
    base_ = own_;
    capacity_ = own_bytes_;
  }

  std::byte* base_;
  std::size_t capacity_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  std::byte* own_;
  std::size_t own_bytes_;
  BufferPool& large_;
};

}  // namespace zenwire
