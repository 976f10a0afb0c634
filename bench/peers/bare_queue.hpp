#pragma once

// BareQueue: the floor of a hand-over between two threads: the bytes copied into a slot and one
// number stored behind them, in the slot's own line. Nothing is said of them, and who is full
// waits.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <vector>

namespace zenwire::bench {

// pushed_ is the writer's, taken_ the reader's; a slot's number says which message it holds,
// from 1. Why the orders suffice: the number is stored with release after the bytes are written and
// loaded with acquire before they are read, so the reader sees them whole. popped_ is stored with
// release after they were read and loaded with acquire before the slot is written again, so no byte
// changes under the reader.
class BareQueue {
 public:
  static constexpr std::size_t kSlots = 256;

  explicit BareQueue(std::size_t message_bytes)
      : message_bytes_(message_bytes),
        stride_((sizeof(Number) + message_bytes + kLine_bytes - 1) / kLine_bytes * kLine_bytes),
        memory_(stride_ * kSlots + kLine_bytes) {
    const auto at = reinterpret_cast<std::uintptr_t>(memory_.data());
    base_ = memory_.data() + (kLine_bytes - at % kLine_bytes) % kLine_bytes;
    for (std::size_t i = 0; i < kSlots; ++i) new (base_ + i * stride_) Number(0);
  }

  // The writing thread.
  void push(const char* bytes) noexcept {
    while (pushed_ - popped_.load(std::memory_order_acquire) == kSlots) __builtin_ia32_pause();
    std::byte* const slot = base_ + pushed_ % kSlots * stride_;
    std::memcpy(slot + sizeof(Number), bytes, message_bytes_);
    number_of(slot).store(++pushed_, std::memory_order_release);
  }
  // The reading thread: null if nothing is there; valid until pop().
  [[nodiscard]] const char* front() const noexcept {
    std::byte* const slot = base_ + taken_ % kSlots * stride_;
    if (number_of(slot).load(std::memory_order_acquire) != taken_ + 1) return nullptr;
    return reinterpret_cast<const char*>(slot + sizeof(Number));
  }
  void pop() noexcept { popped_.store(++taken_, std::memory_order_release); }

 private:
  using Number = std::atomic<std::uint64_t>;
  static constexpr std::size_t kLine_bytes = 64;
  static Number& number_of(std::byte* slot) noexcept {
    return *std::launder(reinterpret_cast<Number*>(slot));
  }

  std::size_t message_bytes_;
  std::size_t stride_;
  std::vector<std::byte> memory_;
  std::byte* base_ = nullptr;
  alignas(kLine_bytes) std::uint64_t pushed_ = 0;  // the writer's
  alignas(kLine_bytes) std::uint64_t taken_ = 0;   // the reader's
  alignas(kLine_bytes) Number popped_ = 0;
};

}  // namespace zenwire::bench
