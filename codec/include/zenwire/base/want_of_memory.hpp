#pragma once

// Want of memory as a value: what makes things (create(), make(), open()) and what sets connections
// up allocates with operator new, deep inside of containers and strings; whoever calls it gets
// memory_exhausted, like any other error, and no exception passes. Of no concern to open
// connections: they allocate nothing.

#include <new>
#include <utility>

#include <zenwire/base/error.hpp>

namespace zenwire {

// `make()`, which returns a Result; memory_exhausted if an allocation in it failed. What it had
// made by then is destroyed.
template <typename Make>
auto or_memory_exhausted(Make&& make) noexcept -> decltype(make()) {
  try {
    return std::forward<Make>(make)();
  } catch (const std::bad_alloc&) {
    return fail(Errc::memory_exhausted, "operator new");
  }
}

// `make()`, which returns a pointer; null if an allocation in it failed.
template <typename Make>
auto or_null(Make&& make) noexcept -> decltype(make()) {
  try {
    return std::forward<Make>(make)();
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}

}  // namespace zenwire
