#include "allocation_count.hpp"

#include <cerrno>
#include <cstddef>

#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

namespace zenwire::tools {
namespace {

// Initial-exec, so that reading it cannot itself allocate.
[[gnu::tls_model("initial-exec")]] thread_local std::uint64_t allocations = 0;

}  // namespace

std::uint64_t allocations_of_this_thread() noexcept {
  return allocations;
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
bool allocations_are_counted() noexcept {
  return false;
}
}  // namespace zenwire::tools
#else
bool allocations_are_counted() noexcept {
  return true;
}
}  // namespace zenwire::tools

// glibc's own names for what is interposed. operator new comes through malloc; munmap and free are
// no allocations.
extern "C" {
void* __libc_malloc(std::size_t bytes);
void* __libc_calloc(std::size_t count, std::size_t bytes);
void* __libc_realloc(void* memory, std::size_t bytes);
void* __libc_memalign(std::size_t alignment, std::size_t bytes);

void* malloc(std::size_t bytes) {
  ++zenwire::tools::allocations;
  return __libc_malloc(bytes);
}
void* calloc(std::size_t count, std::size_t bytes) {
  ++zenwire::tools::allocations;
  return __libc_calloc(count, bytes);
}
void* realloc(void* memory, std::size_t bytes) {
  ++zenwire::tools::allocations;
  return __libc_realloc(memory, bytes);
}
void* memalign(std::size_t alignment, std::size_t bytes) {
  ++zenwire::tools::allocations;
  return __libc_memalign(alignment, bytes);
}
void* aligned_alloc(std::size_t alignment, std::size_t bytes) {
  ++zenwire::tools::allocations;
  return __libc_memalign(alignment, bytes);
}
int posix_memalign(void** memory, std::size_t alignment, std::size_t bytes) {
  ++zenwire::tools::allocations;
  *memory = __libc_memalign(alignment, bytes);
  return *memory != nullptr ? 0 : ENOMEM;
}
void* mmap(void* address, std::size_t bytes, int protection, int flags, int file, off_t offset) {
  ++zenwire::tools::allocations;
  return reinterpret_cast<void*>(
      ::syscall(SYS_mmap, address, bytes, protection, flags, file, offset));
}
}
#endif
