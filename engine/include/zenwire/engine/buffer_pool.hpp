#pragma once

// BufferPool: a counted number of equal large buffers, for the few connections that have an
// oversize message under way at a time.
//
// Every connection owns a small buffer; one that needs more leases one of these and gives it back
// when the message is done. None free is a counted state, not an error: that connection's reading
// stops until one comes home. The last one returned is the first to go out again, while it is in
// the cache.

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

#include <zenwire/base/assert.hpp>
#include <zenwire/base/bytes.hpp>
#include <zenwire/base/error.hpp>
#include <zenwire/base/prefetch.hpp>
#include <zenwire/engine/mapped_memory.hpp>
#include <zenwire/engine/thread_guard.hpp>

namespace zenwire {

struct BufferPoolOptions {
  std::size_t buffer_bytes = 0;  // usable; kReadPadding_bytes more may be read
  std::uint32_t buffers = 0;
  // Without prefault a buffer's pages fault in as they are first used (1.4 us each), and stay.
  MappedMemoryOptions memory = {};
};

// What a buffer is leased for. Received messages hold theirs until the peer has sent all of them,
// sent ones until the peer has read them. If either could take every buffer, two peers that both
// send more than the other has room for would wait for each other for ever, and so would
// connections that each hold half a message and owe an answer. So each leaves one to the other; and
// where messages are inflated, both leave one for that, which is out only while a message is
// delivered. (A pool of fewer buffers than that keeps what it can.)
enum class LeaseFor : std::uint8_t { delivering, receiving, sending };

struct BufferPoolStatistics {
  std::uint32_t buffers = 0;
  std::uint32_t in_use = 0;
  std::uint32_t high_water = 0;
  std::uint64_t leased = 0;     // times
  std::uint64_t exhausted = 0;  // times that lease() had none
};

// Threads: the reactor's only. Lifetime: every buffer is home when it dies, or it asserts. Cost:
// lease and give_back are a few nanoseconds, O(1). Debug builds overwrite the start of a returned
// buffer; with AddressSanitizer a buffer that is not out cannot be touched.
class BufferPool {
 public:
  // Errors: invalid_option when either number is 0 or the sum is absurd; memory_exhausted.
  static Result<std::unique_ptr<BufferPool>> make(const BufferPoolOptions& options) noexcept;

  // `memory` holds `buffers` times stride_bytes(buffer_bytes).
  BufferPool(MappedMemory memory, std::size_t buffer_bytes, std::uint32_t buffers);
  BufferPool(const BufferPool&) = delete;
  BufferPool& operator=(const BufferPool&) = delete;
  ~BufferPool();

  // A buffer of buffer_bytes(), aligned to a cache line, or null when all are out but those that
  // are kept for others. Its content is unspecified.
  [[nodiscard]] std::byte* lease(LeaseFor purpose = LeaseFor::delivering) noexcept;
  // From now on messages are inflated.
  void expect_inflating() noexcept { inflating_ = true; }
  // Whether there is always one for delivering once that of another message is home.
  [[nodiscard]] bool keeps_one_for_delivering() const noexcept {
    return inflating_ && statistics_.buffers > 2;
  }
  [[nodiscard]] bool exhausted() const noexcept { return free_count() == 0; }
  // Takes back what lease() gave; anything else asserts.
  void give_back(std::byte* buffer) noexcept;

  [[nodiscard]] std::size_t buffer_bytes() const noexcept { return buffer_bytes_; }
  // Bytes mapped in all: what this line of the memory budget holds.
  [[nodiscard]] std::size_t total_bytes() const noexcept { return memory_.bytes(); }
  [[nodiscard]] const BufferPoolStatistics& statistics() const noexcept { return statistics_; }

  // Distance of two buffers: the padding included, and whole cache lines.
  static constexpr std::size_t stride_bytes(std::size_t buffer_bytes) noexcept {
    return (buffer_bytes + kReadPadding_bytes + kLine_bytes - 1) / kLine_bytes * kLine_bytes;
  }

 private:
  static constexpr std::size_t kLine_bytes = detail::kCacheLine_bytes;

  [[nodiscard]] std::uint32_t free_count() const noexcept {
    return statistics_.buffers - statistics_.in_use;
  }
  [[nodiscard]] std::byte* at(std::uint32_t index) const noexcept {
    return memory_.data() + index * stride_bytes(buffer_bytes_);
  }
  [[nodiscard]] std::uint32_t index_of(const std::byte* buffer) const noexcept;
  [[nodiscard]] std::uint32_t& held_for(LeaseFor purpose) noexcept {
    return held_[static_cast<std::size_t>(purpose)];
  }
  [[nodiscard]] bool may_lease(LeaseFor purpose) noexcept;

  MappedMemory memory_;
  std::size_t buffer_bytes_;
  // [0, free_count()) are the indices of the buffers that are home.
  std::unique_ptr<std::uint32_t[]> home_;
  std::unique_ptr<bool[]> out_;
  std::unique_ptr<LeaseFor[]> purpose_;  // of those that are out
  std::array<std::uint32_t, 3> held_{};  // by purpose
  bool inflating_ = false;
  BufferPoolStatistics statistics_;
  ThreadGuard guard_;
};

}  // namespace zenwire
