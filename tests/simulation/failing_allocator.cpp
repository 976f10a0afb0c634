#include "failing_allocator.hpp"

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <new>

#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <zenwire/base/sanitizers.hpp>

#include "side.hpp"

namespace zenwire::simulation {
namespace {

constexpr std::uint64_t kEvery = ~std::uint64_t{0};

// Initial-exec, so that reading them cannot itself allocate.
[[gnu::tls_model("initial-exec")]] thread_local std::uint64_t countdown = 0;
[[gnu::tls_model("initial-exec")]] thread_local FailedAllocation failed = FailedAllocation::none;

// Of all threads: one frees what another made for it.
struct {
  std::atomic<std::int64_t> ours{0};
  std::atomic<std::int64_t> library{0};
} held;

// Whether this one fails.
bool fails(FailedAllocation kind) noexcept {
  if (running_side != Side::engine || countdown == 0) return false;
  if (countdown != kEvery && --countdown != 0) return false;
  failed = kind;
  errno = ENOMEM;
  return true;
}

void count(std::atomic<std::int64_t>& counter, const void* memory, int change) noexcept {
  if (memory != nullptr) counter.fetch_add(change, std::memory_order_relaxed);
}

}  // namespace

void fail_allocation(std::uint64_t nth) noexcept {
  countdown = nth;
  failed = FailedAllocation::none;
}
void fail_every_allocation() noexcept {
  fail_allocation(kEvery);
}
FailedAllocation failed_allocation() noexcept {
  return failed;
}
Held allocations_held() noexcept {
  return {held.ours.load(), held.library.load()};
}

}  // namespace zenwire::simulation

using zenwire::simulation::count;
using zenwire::simulation::FailedAllocation;
using zenwire::simulation::fails;
using zenwire::simulation::held;

#if ZW_ADDRESS_SANITIZER || ZW_THREAD_SANITIZER
namespace {
void* __libc_malloc(std::size_t bytes) {
  return std::malloc(bytes);
}
void* __libc_memalign(std::size_t alignment, std::size_t bytes) {
  void* memory = nullptr;
  return ::posix_memalign(&memory, alignment, bytes) == 0 ? memory : nullptr;
}
void __libc_free(void* memory) {
  std::free(memory);
}
}  // namespace
#else
extern "C" {
void* __libc_malloc(std::size_t bytes);
void* __libc_calloc(std::size_t count, std::size_t bytes);
void* __libc_realloc(void* memory, std::size_t bytes);
void* __libc_memalign(std::size_t alignment, std::size_t bytes);
void __libc_free(void* memory);

void* malloc(std::size_t bytes) {
  void* const memory = fails(FailedAllocation::library) ? nullptr : __libc_malloc(bytes);
  count(held.library, memory, 1);
  return memory;
}
void* calloc(std::size_t number, std::size_t bytes) {
  void* const memory = fails(FailedAllocation::library) ? nullptr : __libc_calloc(number, bytes);
  count(held.library, memory, 1);
  return memory;
}
void* realloc(void* memory, std::size_t bytes) {
  if (fails(FailedAllocation::library)) return nullptr;
  void* const moved = __libc_realloc(memory, bytes);
  if (memory == nullptr) count(held.library, moved, 1);
  if (bytes == 0) count(held.library, memory, -1);
  return moved;
}
void* aligned_alloc(std::size_t alignment, std::size_t bytes) {
  void* const memory =
      fails(FailedAllocation::library) ? nullptr : __libc_memalign(alignment, bytes);
  count(held.library, memory, 1);
  return memory;
}
int posix_memalign(void** memory, std::size_t alignment, std::size_t bytes) {
  *memory = aligned_alloc(alignment, bytes);
  return *memory != nullptr ? 0 : ENOMEM;
}
void free(void* memory) {
  count(held.library, memory, -1);
  __libc_free(memory);
}
void* mmap(void* address, std::size_t bytes, int protection, int flags, int file, off_t offset) {
  if (fails(FailedAllocation::library)) return MAP_FAILED;
  void* const mapped =
      reinterpret_cast<void*>(::syscall(SYS_mmap, address, bytes, protection, flags, file, offset));
  // What lies over a mapping that is there goes with it.
  if (mapped != MAP_FAILED && (flags & MAP_FIXED) == 0) count(held.library, mapped, 1);
  return mapped;
}
int munmap(void* address, std::size_t bytes) {
  count(held.library, address, -1);
  return static_cast<int>(::syscall(SYS_munmap, address, bytes));
}
}
#endif

// The others come to these, but for those with nothrow under a sanitizer.
void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept {
  void* const memory = fails(FailedAllocation::ours) ? nullptr : __libc_malloc(bytes);
  count(held.ours, memory, 1);
  return memory;
}
void* operator new(std::size_t bytes) {
  void* const memory = ::operator new(bytes, std::nothrow);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}
void operator delete(void* memory) noexcept {
  count(held.ours, memory, -1);
  __libc_free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
  ::operator delete(memory);
}

void* operator new(std::size_t bytes, std::align_val_t alignment, const std::nothrow_t&) noexcept {
  void* const memory = fails(FailedAllocation::ours)
                           ? nullptr
                           : __libc_memalign(static_cast<std::size_t>(alignment), bytes);
  count(held.ours, memory, 1);
  return memory;
}
void* operator new(std::size_t bytes, std::align_val_t alignment) {
  void* const memory = ::operator new(bytes, alignment, std::nothrow);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}
void operator delete(void* memory, std::align_val_t) noexcept {
  ::operator delete(memory);
}
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept {
  ::operator delete(memory);
}
