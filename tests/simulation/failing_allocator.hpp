#pragma once

// Interposes operator new, malloc and its family, mmap, and what gives them back, in the program
// that links failing_allocator.cpp: lets the nth allocation of the engine's (side.hpp) fail once,
// and counts what is held. Under a sanitizer, which has an allocator of its own, operator new
// alone.

#include <cstdint>

namespace zenwire::simulation {

// Of the engine's on this thread, from now on; 0: none.
void fail_allocation(std::uint64_t nth) noexcept;
// All of them, until fail_allocation(0).
void fail_every_allocation() noexcept;
// None yet, or the one that failed was C++'s own, or a library's (malloc, mmap).
enum class FailedAllocation : std::uint8_t { none, ours, library };
[[nodiscard]] FailedAllocation failed_allocation() noexcept;

// What was allocated, by any thread and on any side, and not freed.
struct Held {
  std::int64_t ours = 0;
  std::int64_t library = 0;
};
[[nodiscard]] Held allocations_held() noexcept;

}  // namespace zenwire::simulation
