#include <algorithm>
#include <cstring>
#include <limits>

#include <zenwire/base/sanitizers.hpp>
#include <zenwire/base/want_of_memory.hpp>
#include <zenwire/engine/buffer_pool.hpp>

#if ZW_ADDRESS_SANITIZER
#include <sanitizer/asan_interface.h>
#endif

namespace zenwire {
namespace {

// Enough to spoil any view of it that outlived its lease, and little enough not to fault in
// megabytes.
constexpr std::size_t kPoison_bytes_max = 4096;
constexpr int kPoison = 0xDB;

void forbid([[maybe_unused]] std::byte* buffer, [[maybe_unused]] std::size_t bytes) noexcept {
#ifndef NDEBUG
  std::memset(buffer, kPoison, std::min(bytes, kPoison_bytes_max));
#endif
#if ZW_ADDRESS_SANITIZER
  __asan_poison_memory_region(buffer, bytes);
#endif
}

void allow([[maybe_unused]] std::byte* buffer, [[maybe_unused]] std::size_t bytes) noexcept {
#if ZW_ADDRESS_SANITIZER
  __asan_unpoison_memory_region(buffer, bytes);
#endif
}

}  // namespace

Result<std::unique_ptr<BufferPool>> BufferPool::make(const BufferPoolOptions& options) noexcept {
  return or_memory_exhausted([&]() -> Result<std::unique_ptr<BufferPool>> {
    if (options.buffer_bytes == 0 || options.buffers == 0) {
      return fail(Errc::invalid_option, "buffer pool: size and number of buffers must not be 0");
    }
    constexpr std::size_t kTotal_bytes_max = std::numeric_limits<std::size_t>::max() / 4;
    if (options.buffer_bytes > kTotal_bytes_max / options.buffers - 2 * kLine_bytes) {
      return fail(Errc::invalid_option, "buffer pool: larger than the address space");
    }
    Result<MappedMemory> memory =
        MappedMemory::make(options.buffers * stride_bytes(options.buffer_bytes), options.memory);
    if (!memory) return tl::unexpected<Error>(memory.error());
    return std::make_unique<BufferPool>(std::move(*memory), options.buffer_bytes, options.buffers);
  });
}

BufferPool::BufferPool(MappedMemory memory, std::size_t buffer_bytes, std::uint32_t buffers)
    : memory_(std::move(memory)),
      buffer_bytes_(buffer_bytes),
      home_(std::make_unique<std::uint32_t[]>(buffers)),
      out_(std::make_unique<bool[]>(buffers)),
      purpose_(std::make_unique<LeaseFor[]>(buffers)) {
  ZW_ASSERT(buffer_bytes > 0 && buffers > 0);
  ZW_ASSERT(memory_.bytes() >= buffers * stride_bytes(buffer_bytes));
  statistics_.buffers = buffers;
  for (std::uint32_t index = 0; index < buffers; ++index) {
    home_[index] = buffers - 1 - index;
#if ZW_ADDRESS_SANITIZER
    __asan_poison_memory_region(at(index), stride_bytes(buffer_bytes_));
#endif
  }
}

BufferPool::~BufferPool() {
  ZW_ASSERT(statistics_.in_use == 0);
  allow(memory_.data(), memory_.bytes());
}

bool BufferPool::may_lease(LeaseFor purpose) noexcept {
  if (exhausted()) return false;
  if (purpose == LeaseFor::delivering || statistics_.buffers == 1) return true;
  const std::uint32_t held = held_for(LeaseFor::receiving) + held_for(LeaseFor::sending);
  if (keeps_one_for_delivering() && held + 2 > statistics_.buffers) return false;
  const std::uint32_t kept = keeps_one_for_delivering() ? 2 : 1;
  return held_for(purpose) + kept < statistics_.buffers;
}

std::byte* BufferPool::lease(LeaseFor purpose) noexcept {
  guard_.check();
  if (!may_lease(purpose)) [[unlikely]] {
    ++statistics_.exhausted;
    return nullptr;
  }
  const std::uint32_t index = home_[free_count() - 1];
  purpose_[index] = purpose;
  ++held_for(purpose);
  ZW_ASSERT(!out_[index]);
  out_[index] = true;
  ++statistics_.leased;
  ++statistics_.in_use;
  statistics_.high_water = std::max(statistics_.high_water, statistics_.in_use);
  allow(at(index), stride_bytes(buffer_bytes_));
  return at(index);
}

void BufferPool::give_back(std::byte* buffer) noexcept {
  guard_.check();
  const std::uint32_t index = index_of(buffer);
  ZW_ASSERT(out_[index]);
  out_[index] = false;
  --held_for(purpose_[index]);
  --statistics_.in_use;
  home_[free_count() - 1] = index;
  forbid(buffer, stride_bytes(buffer_bytes_));
}

std::uint32_t BufferPool::index_of(const std::byte* buffer) const noexcept {
  ZW_ASSERT(buffer >= memory_.data() && buffer < memory_.data() + memory_.bytes());
  const auto offset = static_cast<std::size_t>(buffer - memory_.data());
  ZW_ASSERT(offset % stride_bytes(buffer_bytes_) == 0);
  return static_cast<std::uint32_t>(offset / stride_bytes(buffer_bytes_));
}

}  // namespace zenwire
