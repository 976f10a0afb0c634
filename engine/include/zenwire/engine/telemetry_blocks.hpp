#pragma once

// TelemetryBlocks: blocks of a telemetry page that have one owner and are released together, when
// it goes. Thread: that of the page. Lifetime: the page outlives it. Memory: a number a block.

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include <zenwire/base/error.hpp>
#include <zenwire/engine/telemetry_page.hpp>

namespace zenwire {

class TelemetryBlocks {
 public:
  explicit TelemetryBlocks(TelemetryPage& page) noexcept : page_(&page) {}
  TelemetryBlocks(TelemetryBlocks&& other) noexcept
      : page_(other.page_), entries_(std::exchange(other.entries_, {})) {}
  TelemetryBlocks& operator=(TelemetryBlocks&&) = delete;
  ~TelemetryBlocks() {
    for (const std::uint32_t entry : entries_) page_->release(entry);
  }

  [[nodiscard]] TelemetryPage& page() const noexcept { return *page_; }
  [[nodiscard]] std::span<const std::uint32_t> entries() const noexcept { return entries_; }

  void keep(std::span<const std::uint32_t> entries) {
    entries_.insert(entries_.end(), entries.begin(), entries.end());
  }
  // Errors: those of `block`.
  template <typename Counters>
  Result<void> keep(TelemetryBlock<Counters>& to, const Result<TelemetryBlock<Counters>>& block) {
    if (!block) return tl::unexpected<Error>(block.error());
    to = *block;
    entries_.push_back(to.entry);
    return {};
  }
  // The same, under that label, for one whose number nobody needs.
  template <typename Counters>
  Result<void> keep(Counters*& to, const Result<TelemetryBlock<Counters>>& block,
                    std::string_view label) {
    if (!block) return tl::unexpected<Error>(block.error());
    page_->set_label(block->entry, label);
    to = block->data;
    entries_.push_back(block->entry);
    return {};
  }

 private:
  TelemetryPage* page_;
  std::vector<std::uint32_t> entries_;
};

}  // namespace zenwire
