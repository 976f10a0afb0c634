#include <algorithm>
#include <bit>
#include <limits>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <zenwire/engine/copy_window.hpp>

namespace zenwire {
namespace {

constexpr std::uint8_t kBehind_max = std::numeric_limits<std::uint8_t>::max();

}  // namespace

CopyWindow::CopyWindow(std::uint32_t contents, std::uint64_t age_ns)
    : sets_(contents / kWays), age_ns_(age_ns), entries_(std::make_unique<Set[]>(sets_)) {
  ZW_ASSERT(contents >= kContents_min && std::has_single_bit(contents));
  ZW_ASSERT(age_ns > 0);
}

CopyVerdict CopyWindow::offer(unsigned member, Bytes content, Instant_ns now_ns) noexcept {
  ZW_ASSERT(member < kMembers_max && now_ns > 0);
  const std::uint64_t hash = XXH3_64bits(content.data(), content.size());
  Set& set = entries_[hash & (sets_ - 1)];
  Entry* entry = find(set, hash, content.size());
  if (entry == nullptr || is_old(*entry, now_ns)) entry = &make(set, hash, content.size(), now_ns);
  entry->last_ns = now_ns;
  if (entry->behind[member] > 0) {
    --entry->behind[member];
    return {false, entry->first_ns};
  }
  for (std::uint8_t& behind : entry->behind) behind = behind < kBehind_max ? behind + 1 : behind;
  entry->behind[member] = 0;
  entry->first_ns = now_ns;
  return {true, now_ns};
}

void CopyWindow::join(unsigned member) noexcept {
  ZW_ASSERT(member < kMembers_max);
  for (Set& set : std::span(entries_.get(), sets_)) {
    for (Entry& entry : set) entry.behind[member] = std::min<std::uint8_t>(entry.behind[member], 1);
  }
}

CopyWindow::Entry* CopyWindow::find(Set& set, std::uint64_t hash,
                                    std::uint64_t bytes) const noexcept {
  for (Entry& entry : set) {
    if (entry.hash == hash && entry.bytes == bytes && entry.last_ns != 0) return &entry;
  }
  return nullptr;
}

// In place of the same content grown old, of an empty or old entry, or of the longest unseen one.
CopyWindow::Entry& CopyWindow::make(Set& set, std::uint64_t hash, std::uint64_t bytes,
                                    Instant_ns now_ns) noexcept {
  Entry* victim = find(set, hash, bytes);
  if (victim == nullptr) {
    victim = std::min_element(set.begin(), set.end(), [](const Entry& left, const Entry& right) {
      return left.last_ns < right.last_ns;
    });
    if (!is_old(*victim, now_ns)) ++evicted_;
  }
  *victim = {.hash = hash, .bytes = bytes};
  return *victim;
}

}  // namespace zenwire
