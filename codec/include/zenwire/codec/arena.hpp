#pragma once

#include <cstddef>
#include <cstdint>

#include <zenwire/base/assert.hpp>
#include <zenwire/base/bytes.hpp>

namespace zenwire {

// A bump allocator over memory that the caller gives: what a connection's compressor and
// decompressor live in, so that they never touch the heap.
//
// Nothing is freed singly; reset() frees everything at once, and whatever was made in the arena
// must be forgotten by then. One thread at a time. The memory is borrowed and must outlive what was
// allocated from it; the Arena itself need not. All calls are a few instructions.
class Arena {
 public:
  Arena() noexcept = default;
  explicit Arena(MutableBytes memory) noexcept : memory_(memory) {}

  // `bytes` bytes, aligned to kAlignment_bytes and not cleared; null when they do not fit.
  [[nodiscard]] void* allocate(std::size_t bytes) noexcept {
    const std::size_t start = aligned_used();
    if (start > memory_.size() || bytes > memory_.size() - start) return nullptr;
    used_ = start + bytes;
    return memory_.data() + start;
  }

  void reset() noexcept { used_ = 0; }

  [[nodiscard]] std::size_t used_bytes() const noexcept { return used_; }
  [[nodiscard]] std::size_t capacity_bytes() const noexcept { return memory_.size(); }

  static constexpr std::size_t kAlignment_bytes = 64;

 private:
  // The offset of the next aligned address: the memory itself may start anywhere.
  [[nodiscard]] std::size_t aligned_used() const noexcept {
    const auto address = reinterpret_cast<std::uintptr_t>(memory_.data()) + used_;
    return used_ + (kAlignment_bytes - address % kAlignment_bytes) % kAlignment_bytes;
  }

  MutableBytes memory_;
  std::size_t used_ = 0;
};

}  // namespace zenwire
