#include <cerrno>
#include <cstdint>
#include <limits>

#include <sys/mman.h>
#include <unistd.h>

#include <zenwire/engine/mapped_memory.hpp>

namespace zenwire {
namespace {

constexpr std::size_t kHugePage_bytes = std::size_t{2} << 20;

std::size_t page_bytes() noexcept {
  static const auto bytes = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  return bytes;
}

constexpr std::size_t round_up(std::size_t bytes, std::size_t multiple) noexcept {
  return (bytes + multiple - 1) / multiple * multiple;
}

void* map(std::size_t bytes, int extra_flags) noexcept {
  return mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | extra_flags, -1,
              0);
}

// Zero is what the page holds already; the write is what brings it in.
void touch(std::byte* data, std::size_t bytes) noexcept {
  for (std::size_t offset = 0; offset < bytes; offset += page_bytes()) {
    *static_cast<volatile std::byte*>(data + offset) = std::byte{0};
  }
}

// 0, or the errno that says there is no memory. EINVAL only says that the kernel predates the call.
int populate(std::byte* data, std::size_t bytes) noexcept {
  int result = 0;
  do {
    result = madvise(data, bytes, MADV_POPULATE_WRITE);
  } while (result != 0 && (errno == EINTR || errno == EAGAIN));
  if (result == 0) return 0;
  if (errno != EINVAL) return errno;
  touch(data, bytes);
  return 0;
}

}  // namespace

Result<MappedMemory> MappedMemory::make(std::size_t bytes, MappedMemoryOptions options) noexcept {
  ZW_ASSERT(bytes > 0);
  if (bytes > std::numeric_limits<std::size_t>::max() / 2) {
    return fail(Errc::memory_exhausted, "a mapping of more than half the address space", ENOMEM);
  }
  MappedMemory memory;
  void* address = MAP_FAILED;
  if (options.huge_pages) {
    memory.mapped_bytes_ = round_up(bytes, kHugePage_bytes);
    address = map(memory.mapped_bytes_, MAP_HUGETLB);
    memory.huge_pages_ = address != MAP_FAILED;
  }
  if (address == MAP_FAILED) {
    memory.mapped_bytes_ = round_up(bytes, page_bytes());
    address = map(memory.mapped_bytes_, 0);
    if (address == MAP_FAILED) return fail(Errc::memory_exhausted, "mmap", errno);
    // A hint: without transparent huge pages the memory is merely made of small ones.
    if (options.huge_pages) (void)madvise(address, memory.mapped_bytes_, MADV_HUGEPAGE);
  }
  memory.data_ = static_cast<std::byte*>(address);
  memory.bytes_ = bytes;
  if (options.prefault) {
    const int os_error = populate(memory.data_, memory.mapped_bytes_);
    if (os_error != 0) return fail(Errc::memory_exhausted, "prefault", os_error);
  }
  return memory;
}

MappedMemory::~MappedMemory() {
  if (data_ != nullptr) ZW_ASSERT(munmap(data_, mapped_bytes_) == 0);
}

}  // namespace zenwire
