#pragma once

// SharedMemory: an object that this process and its children see alike.

#include <cstddef>
#include <memory>
#include <new>
#include <type_traits>

#include <sys/mman.h>

#include <zenwire/base/error.hpp>

namespace zenwire::bench {

namespace detail {

template <typename Object>
struct Unmap {
  void operator()(Object* object) const noexcept { ::munmap(object, sizeof(Object)); }
};

}  // namespace detail

template <typename Object>
using SharedMemory = std::unique_ptr<Object, detail::Unmap<Object>>;

// Nothing is destroyed at the end: an object that needs no destructor. Error: memory_exhausted.
template <typename Object>
Result<SharedMemory<Object>> make_shared_memory() {
  static_assert(std::is_trivially_destructible_v<Object>);
  void* const at = ::mmap(nullptr, sizeof(Object), PROT_READ | PROT_WRITE,
                          MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  if (at == MAP_FAILED) return fail(Errc::memory_exhausted, "shared memory");
  return SharedMemory<Object>(new (at) Object());
}

}  // namespace zenwire::bench
