#include <zenwire/engine/masking_keys.hpp>

namespace zenwire {

MaskingKeys::MaskingKeys(RandomFill fill, RandomFill fill_inline, std::size_t block_bytes)
    : keys_per_block_(block_bytes / sizeof(std::uint32_t)), fill_(fill), fill_inline_(fill_inline) {
  ZW_ASSERT(block_bytes > 0 && block_bytes % sizeof(std::uint32_t) == 0);
  ZW_ASSERT(static_cast<bool>(fill) && static_cast<bool>(fill_inline));
  for (Block& block : blocks_) {
    block.keys = std::make_unique<std::uint32_t[]>(keys_per_block_);
    fill_(bytes_of(block));
  }
  use(0);
}

bool MaskingKeys::refill() noexcept {
  helper_guard_.check();
  bool filled = false;
  for (Block& block : blocks_) {
    if (block.state.load(std::memory_order_acquire) != State::spent) continue;
    fill_(bytes_of(block));
    block.state.store(State::full, std::memory_order_release);
    filled = true;
  }
  return filled;
}

// The keys of a block are handed out one at a time, so that each comes by here.
bool MaskingKeys::next_watched() noexcept {
  if (!tap_ || next_ == block_end_) return false;
  tap_(*next_);
  end_ = next_ + 1;
  return true;
}

void MaskingKeys::change_block() noexcept {
  ZW_ASSERT(next_ == end_);
  if (next_watched()) return;
  Block& mine = blocks_[current_];
  const std::size_t other = 1 - current_;
  ZW_ASSERT(mine.state.load(std::memory_order_relaxed) == State::full);
  if (blocks_[other].state.load(std::memory_order_acquire) == State::full) {
    mine.state.store(State::spent, std::memory_order_release);
    use(other);
    return;
  }
  fill_inline_(bytes_of(mine));
  inline_refills_.store(inline_refills() + 1, std::memory_order_relaxed);
  use(current_);
}

void MaskingKeys::use(std::size_t block) noexcept {
  current_ = block;
  next_ = blocks_[block].keys.get();
  end_ = block_end_ = next_ + keys_per_block_;
  next_watched();
}

}  // namespace zenwire
