#pragma once

// Want of memory as a value: what makes things (create(), make(), open()) and what sets connections
// up allocates with operator new, deep inside of containers and strings; whoever calls it gets
// memory_exhausted, like any other error, and no exception passes. Of no concern to open
// connections: they allocate nothing.
//
// Here alone exceptions are caught, but for those of std::thread (engine/src/start_thread.hpp).

#include <new>
#include <utility>

#include <zenwire/base/error.hpp>

namespace zenwire {

// `work()`, or `otherwise()` if an allocation in it failed; what it had made by then is destroyed.
template <typename Work, typename Otherwise>
auto unless_out_of_memory(Work&& work, Otherwise&& otherwise) noexcept -> decltype(work()) {
  try {
    return std::forward<Work>(work)();
  } catch (const std::bad_alloc&) {
    return std::forward<Otherwise>(otherwise)();
  }
}

// `make()`, which returns a Result; memory_exhausted if an allocation in it failed.
template <typename Make>
auto or_memory_exhausted(Make&& make) noexcept -> decltype(make()) {
  return unless_out_of_memory(std::forward<Make>(make),
                              [] { return fail(Errc::memory_exhausted, "operator new"); });
}

// `make()`, which returns a pointer; null if an allocation in it failed.
template <typename Make>
auto or_null(Make&& make) noexcept -> decltype(make()) {
  return unless_out_of_memory(std::forward<Make>(make), [] { return nullptr; });
}

}  // namespace zenwire
