#pragma once

// MappedMemory: anonymous memory that is asked for once, at start, and faulted in before it is
// used.
//
// Purpose: what the hot path touches must not fault (1.4 us a page, more under pressure). Queues,
// tables and pools take their memory from here and never again from anywhere.
// Threads: made and destroyed on any one thread; the bytes follow their user's own rules.
// Cost: one mmap, and one page fault a page inside make() when `prefault` is set.

#include <cstddef>
#include <utility>

#include <zenwire/base/bytes.hpp>
#include <zenwire/base/error.hpp>

namespace zenwire {

struct MappedMemoryOptions {
  // Fault every page in now (MADV_POPULATE_WRITE; by touching them on kernels before 5.14).
  bool prefault = true;
  // Try reserved 2 MiB pages first, then ask for transparent ones. Never an error: huge_pages()
  // says whether reserved ones were had.
  bool huge_pages = false;
};

class MappedMemory {
 public:
  // At least `bytes` zeroed bytes, aligned to a page. Errors: memory_exhausted, with errno.
  static Result<MappedMemory> make(std::size_t bytes, MappedMemoryOptions options = {}) noexcept;

  MappedMemory() noexcept = default;
  MappedMemory(MappedMemory&& other) noexcept { swap(other); }
  MappedMemory& operator=(MappedMemory&& other) noexcept {
    MappedMemory(std::move(other)).swap(*this);
    return *this;
  }
  ~MappedMemory();

  [[nodiscard]] std::byte* data() const noexcept { return data_; }
  // What was asked for; the mapping itself is rounded up to pages.
  [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }
  [[nodiscard]] bool huge_pages() const noexcept { return huge_pages_; }

 private:
  void swap(MappedMemory& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
    std::swap(mapped_bytes_, other.mapped_bytes_);
    std::swap(huge_pages_, other.huge_pages_);
  }

  std::byte* data_ = nullptr;
  std::size_t bytes_ = 0;
  std::size_t mapped_bytes_ = 0;
  bool huge_pages_ = false;
};

}  // namespace zenwire
