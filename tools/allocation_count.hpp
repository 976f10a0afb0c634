#pragma once

// Counts each thread's allocations: malloc and its family, and mmap, are interposed in the command,
// so that the demo can show that the reactor's thread makes none once a stream flows. Not under the
// sanitizers, whose allocators are their own.

#include <cstdint>

namespace zenwire::tools {

// False where they are not counted.
bool allocations_are_counted() noexcept;

// Of the calling thread, since it began.
std::uint64_t allocations_of_this_thread() noexcept;

}  // namespace zenwire::tools
