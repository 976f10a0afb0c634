#pragma once

// ReactorTelemetry: what of a reactor is copied into its telemetry page, because it does not count
// there: the queues that its connections deliver to, and its outboxes.
//
// They are found anew at each sampling, so that none has to say when it comes or goes: what is not
// seen any more loses its block.

#include <cstdint>
#include <string_view>
#include <vector>

#include <zenwire/engine/queue_telemetry.hpp>

namespace zenwire::detail {

// Blocks of one kind. Allocates nothing after it was made.
template <typename Source, typename Counters>
class SampledBlocks {
 public:
  explicit SampledBlocks(std::size_t sources_max) { rows_.reserve(sources_max); }

  void begin() noexcept {
    for (Row& row : rows_) row.seen = false;
  }
  // False: there is no room for it.
  template <typename Add>
  bool see(const Source& source, Add add, TelemetryPage& page, std::string_view label) noexcept {
    Row* row = find(source);
    if (row == nullptr) {
      if (rows_.size() == rows_.capacity()) return false;
      const auto block = add(page);
      if (!block) return false;
      page.set_label(block->entry, label);
      row = &rows_.emplace_back(Row{&source, *block, false});
    }
    if (!row->seen) *row->block.data = counters_of(source);
    row->seen = true;
    return true;
  }
  void end(TelemetryPage& page) noexcept {
    for (std::size_t i = rows_.size(); i-- > 0;) {
      if (rows_[i].seen) continue;
      page.release(rows_[i].block.entry);
      rows_[i] = rows_.back();
      rows_.pop_back();
    }
  }

 private:
  struct Row {
    const Source* source;
    TelemetryBlock<Counters> block;
    bool seen;
  };

  Row* find(const Source& source) noexcept {
    for (Row& row : rows_) {
      if (row.source == &source) return &row;
    }
    return nullptr;
  }

  std::vector<Row> rows_;
};

// Thread: the reactor's. Lifetime: the page outlives it. Cost: at each sampling one look at each
// connection.
class ReactorTelemetry {
 public:
  ReactorTelemetry(TelemetryPage& page, std::size_t queues_max, std::size_t outboxes_max)
      : page_(page), queues_(queues_max), outboxes_(outboxes_max) {}

  void begin() noexcept {
    queues_.begin();
    outboxes_.begin();
  }
  void see(const MessageQueue& queue, std::string_view label) noexcept {
    if (!queues_.see(queue, &add_queue, page_, label)) ++unshown_;
  }
  void see(const Outbox& outbox, std::string_view label) noexcept {
    if (!outboxes_.see(outbox, &add_outbox, page_, label)) ++unshown_;
  }
  // Then the samples of others.
  void end(Instant_ns now_ns) noexcept {
    queues_.end(page_);
    outboxes_.end(page_);
    page_.sample(now_ns);
  }
  // Once: there was no room in the page for a queue or an outbox.
  [[nodiscard]] bool is_full_news() noexcept { return unshown_ != 0 && !told_ && (told_ = true); }

 private:
  TelemetryPage& page_;
  SampledBlocks<MessageQueue, QueueCounters> queues_;
  SampledBlocks<Outbox, OutboxCounters> outboxes_;
  std::uint64_t unshown_ = 0;
  bool told_ = false;
};

}  // namespace zenwire::detail
