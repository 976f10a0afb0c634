#pragma once

// Copy-and-mask (RFC 6455, section 5.3) over blocks of a vector unit's width, for the kernels that
// have one. All of it is static, as kernel_table.hpp demands: each file has a copy for its own set
// of instructions.

#include <cstddef>
#include <cstdint>

namespace zenwire::detail {

// The key as the byte at `phase` meets it.
static inline std::uint32_t turned_key(std::uint32_t key, std::size_t phase) noexcept {
  const unsigned bits = 8u * static_cast<unsigned>(phase & 3);
  return bits == 0 ? key : (key >> bits | key << (32 - bits));
}

// At least a block. Unit: Block, kBlock_bytes, load(), store(), keys() (a word in every place).
//
// Stores are aligned, as half of those at odd addresses would touch two cache lines. The first and
// last blocks may overlap the aligned ones, so they are loaded before any store and stored after
// them all: in place, the overlap would be masked twice otherwise. (Stores under a mask, where
// there are any, took half as long again.)
template <typename Unit>
static inline void mask_copy_blocks(std::byte* to, const std::byte* from, std::size_t bytes,
                                    std::uint32_t key) noexcept {
  using Block = typename Unit::Block;
  constexpr std::size_t kBlock = Unit::kBlock_bytes;
  const std::size_t last = bytes - kBlock;
  const Block first_block = Unit::load(from) ^ Unit::keys(key);
  const Block last_block = Unit::load(from + last) ^ Unit::keys(turned_key(key, last));
  std::size_t at = kBlock - (reinterpret_cast<std::uintptr_t>(to) & (kBlock - 1));
  const Block keys = Unit::keys(turned_key(key, at));
  for (; at + 4 * kBlock <= bytes; at += 4 * kBlock) {
    const Block a = Unit::load(from + at);
    const Block b = Unit::load(from + at + kBlock);
    const Block c = Unit::load(from + at + 2 * kBlock);
    const Block d = Unit::load(from + at + 3 * kBlock);
    Unit::store(to + at, a ^ keys);
    Unit::store(to + at + kBlock, b ^ keys);
    Unit::store(to + at + 2 * kBlock, c ^ keys);
    Unit::store(to + at + 3 * kBlock, d ^ keys);
  }
  for (; at < last; at += kBlock) Unit::store(to + at, Unit::load(from + at) ^ keys);
  Unit::store(to, first_block);
  Unit::store(to + last, last_block);
}

}  // namespace zenwire::detail
