#include "steady_process.hpp"

#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <string_view>

#include <sys/mman.h>
#include <sys/resource.h>

namespace zenwire::bench {
namespace {

void raise_descriptor_limit() noexcept {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

// A sanitizer maps terabytes that are never to be there.
constexpr std::uintptr_t kMapping_bytes_max = std::uintptr_t{64} << 20;

// Best effort: an older kernel knows nothing of it, and then the warm-up must do.
void fault_in(std::uintptr_t from, std::uintptr_t to, std::string_view rights) noexcept {
  if (to - from > kMapping_bytes_max) return;
  void* const at = reinterpret_cast<void*>(from);  // NOLINT: the kernel's own number
  if (rights == "r-xp") ::madvise(at, to - from, MADV_POPULATE_READ);
  if (rights == "rw-p") ::madvise(at, to - from, MADV_POPULATE_WRITE);
}

}  // namespace

void make_steady() noexcept {
  raise_descriptor_limit();
  std::FILE* const maps = std::fopen("/proc/self/maps", "re");
  if (maps == nullptr) return;
  char line[512];
  while (std::fgets(line, sizeof line, maps) != nullptr) {
    std::uintptr_t from = 0;
    std::uintptr_t to = 0;
    char rights[5] = "";
    if (std::sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %4s", &from, &to, rights) == 3)
      fault_in(from, to, rights);
  }
  std::fclose(maps);
}

}  // namespace zenwire::bench
