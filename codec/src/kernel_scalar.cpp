// What any processor can do, eight bytes at a time; and what the other kernels are tested against.

#include <cstring>

#include "kernel_table.hpp"

namespace zenwire::detail {

static void mask_copy_scalar(std::byte* to, const std::byte* from, std::size_t bytes,
                             std::uint32_t key) noexcept {
  const std::uint64_t keys = key | (std::uint64_t{key} << 32);
  std::size_t at = 0;
  for (; at + sizeof keys <= bytes; at += sizeof keys) {
    std::uint64_t word;
    std::memcpy(&word, from + at, sizeof word);
    word ^= keys;
    std::memcpy(to + at, &word, sizeof word);
  }
  for (; at < bytes; ++at) to[at] = from[at] ^ static_cast<std::byte>(key >> (8 * (at % 4)) & 0xff);
}

static bool is_ascii_scalar(const std::byte* bytes, std::size_t count) noexcept {
  std::uint64_t seen = 0;
  std::size_t at = 0;
  for (; at + sizeof seen <= count; at += sizeof seen) {
    std::uint64_t word;
    std::memcpy(&word, bytes + at, sizeof word);
    seen |= word;
  }
  for (; at < count; ++at) seen |= std::to_integer<std::uint64_t>(bytes[at]);
  return (seen & 0x8080808080808080u) == 0;
}

constinit const KernelTable kScalarKernels{Kernel::scalar, mask_copy_scalar, is_ascii_scalar};

}  // namespace zenwire::detail
