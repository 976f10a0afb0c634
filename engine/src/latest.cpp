#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <new>

#include <zenwire/base/want_of_memory.hpp>
#include <zenwire/engine/latest.hpp>

namespace zenwire {

constexpr std::size_t LatestTable::stride_bytes(std::size_t payload_bytes_max) noexcept {
  const std::size_t bytes =
      sizeof(Cell) + sizeof(MessageHeader) + words_of(payload_bytes_max) * sizeof(Word);
  return (bytes + kLine_bytes - 1) / kLine_bytes * kLine_bytes;
}

constexpr std::size_t LatestTable::ring_slots(std::uint32_t cells) noexcept {
  return std::bit_ceil(std::size_t{cells});
}

std::size_t LatestTable::memory_bytes(std::uint32_t cells, std::size_t payload_bytes_max) noexcept {
  return cells * stride_bytes(payload_bytes_max) + ring_slots(cells) * sizeof(std::uint32_t);
}

Result<std::unique_ptr<LatestTable>> LatestTable::make(const LatestTableOptions& options) noexcept {
  return or_memory_exhausted([&]() -> Result<std::unique_ptr<LatestTable>> {
    if (options.cells == 0 || options.payload_bytes_max == 0) {
      return fail(Errc::invalid_option, "latest table: cells and payload_bytes_max must not be 0");
    }
    constexpr std::size_t kTotal_bytes_max = std::numeric_limits<std::size_t>::max() / 8;
    if (options.payload_bytes_max > std::numeric_limits<std::uint32_t>::max() ||
        options.cells > kTotal_bytes_max / stride_bytes(options.payload_bytes_max)) {
      return fail(Errc::invalid_option, "latest table: larger than the address space");
    }
    Result<MappedMemory> memory =
        MappedMemory::make(memory_bytes(options.cells, options.payload_bytes_max), options.memory);
    if (!memory) return tl::unexpected<Error>(memory.error());
    return std::make_unique<LatestTable>(std::move(*memory), options.cells,
                                         options.payload_bytes_max);
  });
}

LatestTable::LatestTable(MappedMemory memory, std::uint32_t cells, std::size_t payload_bytes_max)
    : memory_(std::move(memory)),
      cells_(cells),
      payload_bytes_max_(payload_bytes_max),
      stride_bytes_(stride_bytes(payload_bytes_max)),
      cells_base_(memory_.data()),
      ring_base_(memory_.data() + cells * stride_bytes_),
      ring_mask_(ring_slots(cells) - 1),
      seen_(std::make_unique<Word[]>(cells)),
      copy_(std::make_unique<std::byte[]>(words_of(payload_bytes_max) * sizeof(Word) +
                                          kReadPadding_bytes)) {
  ZW_ASSERT(cells > 0 && payload_bytes_max > 0);
  ZW_ASSERT(memory_.bytes() >= memory_bytes(cells, payload_bytes_max));
  for (std::uint32_t cell = 0; cell < cells; ++cell) {
    new (cells_base_ + cell * stride_bytes_) Cell{};
  }
}

LatestTable::Cell& LatestTable::cell_at(std::uint32_t cell) const noexcept {
  return *std::launder(reinterpret_cast<Cell*>(cells_base_ + cell * stride_bytes_));
}

// The header's words, then the payload's.
LatestTable::Word* LatestTable::words_behind(Cell& cell) noexcept {
  return reinterpret_cast<Word*>(reinterpret_cast<std::byte*>(&cell) + sizeof(Cell));
}

std::atomic_ref<std::uint32_t> LatestTable::slot_at(std::uint64_t position) const noexcept {
  std::byte* at = ring_base_ + (position & ring_mask_) * sizeof(std::uint32_t);
  return std::atomic_ref<std::uint32_t>(*reinterpret_cast<std::uint32_t*>(at));
}

// The last word is filled up with zeros.
void LatestTable::store_words(Word* to, Bytes bytes) noexcept {
  const std::byte* from = bytes.data();
  std::size_t left = bytes.size();
  for (; left >= sizeof(Word); left -= sizeof(Word), from += sizeof(Word)) {
    Word value = 0;
    std::memcpy(&value, from, sizeof value);
    std::atomic_ref<Word>(*to++).store(value, std::memory_order_release);
  }
  if (left == 0) return;
  Word value = 0;
  std::memcpy(&value, from, left);
  std::atomic_ref<Word>(*to).store(value, std::memory_order_release);
}

bool LatestTable::publish(std::uint32_t cell, const MessageHeader& header, Bytes payload) noexcept {
  producer_guard_.check();
  ZW_ASSERT(cell < cells_);
  if (payload.size() > payload_bytes_max_) [[unlikely]] {
    too_large_.store(too_large() + 1, std::memory_order_relaxed);
    return false;
  }
  MessageHeader placed = header;
  placed.payload_bytes = static_cast<std::uint32_t>(payload.size());
  Cell& target = cell_at(cell);
  const Word sequence = target.sequence.load(std::memory_order_relaxed);
  target.sequence.store(sequence + 1, std::memory_order_relaxed);
  Word* const words = words_behind(target);
  store_words(words, std::as_bytes(std::span(&placed, 1)));
  store_words(words + kHeader_words, payload);
  target.sequence.store(sequence + 2, std::memory_order_release);
  if (target.queued.exchange(1, std::memory_order_acq_rel) == 0) push(cell);
  published_.store(published() + 1, std::memory_order_relaxed);
  return true;
}

void LatestTable::push(std::uint32_t cell) noexcept {
  const auto slot = slot_at(tail_++);
  ZW_ASSERT(slot.load(std::memory_order_relaxed) == 0);
  slot.store(cell + 1, std::memory_order_release);
}

bool LatestTable::pop(std::uint32_t& cell) noexcept {
  const auto slot = slot_at(head_);
  const std::uint32_t value = slot.load(std::memory_order_acquire);
  if (value == 0) return false;
  slot.store(0, std::memory_order_relaxed);
  ++head_;
  cell = value - 1;
  cell_at(cell).queued.exchange(0, std::memory_order_acq_rel);
  return true;
}

void LatestTable::load_words(Word* from, std::size_t words, std::byte* to) noexcept {
  for (std::size_t word = 0; word < words; ++word, to += sizeof(Word)) {
    const Word value = std::atomic_ref<Word>(from[word]).load(std::memory_order_acquire);
    std::memcpy(to, &value, sizeof value);
  }
}

// One value of the cell into header_ and copy_, and its sequence; false when the producer was there
// each time.
bool LatestTable::copy_out(std::uint32_t cell, Word& sequence) noexcept {
  Cell& source = cell_at(cell);
  Word* const words = words_behind(source);
  for (int tries = 0; tries < kTries_max; ++tries) {
    sequence = source.sequence.load(std::memory_order_acquire);
    if (sequence % 2 != 0) continue;
    load_words(words, kHeader_words, reinterpret_cast<std::byte*>(&header_));
    // A torn size is not believed before the second look, but must not lead out of the cell.
    const std::size_t bytes = std::min<std::size_t>(header_.payload_bytes, payload_bytes_max_);
    load_words(words + kHeader_words, words_of(bytes), copy_.get());
    if (source.sequence.load(std::memory_order_relaxed) == sequence) return true;
  }
  return false;
}

LatestView LatestTable::try_read() noexcept {
  consumer_guard_.check();
  std::uint32_t cell = 0;
  // Each turn takes one index out; those that are no news are rare and each is skipped once.
  while (pop(cell)) {
    Word sequence = 0;
    if (!copy_out(cell, sequence)) continue;
    if (sequence == seen_[cell]) continue;
    return view_of(cell, sequence);
  }
  return {};
}

LatestView LatestTable::view_of(std::uint32_t cell, Word sequence) noexcept {
  // A write is two steps of the sequence.
  const std::uint64_t missed = (sequence - seen_[cell]) / 2 - 1;
  seen_[cell] = sequence;
  conflated_.store(conflated() + missed, std::memory_order_relaxed);
  constexpr std::uint64_t kMissed_max = std::numeric_limits<std::uint32_t>::max();
  header_.dropped_before = static_cast<std::uint32_t>(std::min(missed, kMissed_max));
  if (missed != 0) header_.flags |= kDroppedBefore;
  ZW_ASSERT(header_.payload_bytes <= payload_bytes_max_);
  return {.cell = cell,
          .conflated = header_.dropped_before,
          .header = &header_,
          .payload = {copy_.get(), header_.payload_bytes}};
}

}  // namespace zenwire
