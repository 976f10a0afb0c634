// LatestTable: the newest value of each changed key, each once; a model; two threads.

#include <algorithm>
#include <atomic>
#include <cstring>
#include <deque>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <zenwire/engine/latest.hpp>

#include "sanitized.hpp"

namespace zenwire {
namespace {

constexpr std::uint64_t kStressValues = test::kSanitized ? 100'000 : 1'000'000;

std::unique_ptr<LatestTable> make_table(std::uint32_t cells, std::size_t payload_bytes_max) {
  auto table = LatestTable::make({.cells = cells, .payload_bytes_max = payload_bytes_max});
  EXPECT_TRUE(table.has_value());
  return std::move(*table);
}

MessageHeader numbered(std::uint64_t sequence) {
  return {.sequence = sequence};
}

TEST(LatestTable, RefusesOptionsThatMakeNoTable) {
  const LatestTableOptions bad[] = {
      {.cells = 0, .payload_bytes_max = 1},
      {.cells = 1, .payload_bytes_max = 0},
      {.cells = 1, .payload_bytes_max = std::size_t{1} << 40},
  };
  for (const LatestTableOptions& options : bad) {
    const auto table = LatestTable::make(options);
    ASSERT_FALSE(table.has_value());
    EXPECT_EQ(table.error().code(), Errc::invalid_option);
  }
}

TEST(LatestTable, ShowsOnlyTheNewestAndWhatWasMissed) {
  const auto table = make_table(3, 100);
  EXPECT_FALSE(table->try_read());
  EXPECT_TRUE(table->publish(1, numbered(10), as_bytes("a")));
  EXPECT_TRUE(table->publish(1, numbered(11), as_bytes("bb")));
  EXPECT_TRUE(table->publish(0, numbered(12), {}));
  EXPECT_TRUE(table->publish(1, numbered(13), as_bytes("ccc")));
  const LatestView one = table->try_read();
  ASSERT_TRUE(one);
  EXPECT_EQ(one.cell, 1u);
  EXPECT_EQ(one.header->sequence, 13u);
  EXPECT_EQ(one.header->payload_bytes, 3u);
  EXPECT_EQ(one.header->dropped_before, 2u);
  EXPECT_EQ(one.header->flags, kDroppedBefore);
  EXPECT_EQ(one.conflated, 2u);
  EXPECT_EQ(as_text(one.payload), "ccc");
  const LatestView zero = table->try_read();
  ASSERT_TRUE(zero);
  EXPECT_EQ(zero.cell, 0u);
  EXPECT_EQ(zero.conflated, 0u);
  EXPECT_EQ(zero.header->flags, 0);
  EXPECT_TRUE(zero.payload.empty());
  EXPECT_FALSE(table->try_read());
  EXPECT_EQ(table->published(), 4u);
  EXPECT_EQ(table->conflated(), 2u);
}

TEST(LatestTable, KeepsTheOldValueWhenTheNewOneIsTooLarge) {
  const auto table = make_table(1, 10);
  const std::string text = "0123456789x";
  EXPECT_TRUE(table->publish(0, numbered(1), as_bytes(text).first(10)));
  EXPECT_FALSE(table->publish(0, numbered(2), as_bytes(text)));
  EXPECT_EQ(table->too_large(), 1u);
  EXPECT_EQ(as_text(table->try_read().payload), "0123456789");
  EXPECT_FALSE(table->try_read());
}

TEST(LatestTable, RoundTripsEverySize) {
  const auto table = make_table(2, 200);
  std::string text;
  for (std::size_t bytes = 0; bytes <= 200; ++bytes) {
    ASSERT_TRUE(table->publish(1, numbered(bytes), as_bytes(text)));
    ASSERT_EQ(as_text(table->try_read().payload), text);
    text.push_back(static_cast<char>('a' + bytes % 26));
  }
}

TEST(LatestTableDeath, AssertsOnACellThatIsNotThere) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto table = make_table(2, 8);
  EXPECT_DEATH(table->publish(2, {}, {}), "cells_");
}

RC_GTEST_PROP(LatestTableModel, HoldsTheNewestOfEachKey,
              (const std::vector<std::pair<std::uint8_t, std::uint8_t>>& steps)) {
  const auto cells = *rc::gen::inRange<std::uint32_t>(1, 12);
  const auto table = make_table(cells, 300);
  struct Cell {
    std::uint64_t sequence = 0;
    std::size_t bytes = 0;
    std::uint32_t unseen = 0;
  };
  std::vector<Cell> model(cells);
  std::deque<std::uint32_t> changed;
  std::uint64_t sequence = 0;
  const std::string text(300, 'x');
  const auto read = [&] {
    const LatestView view = table->try_read();
    RC_ASSERT(static_cast<bool>(view) == !changed.empty());
    if (!view) return false;
    Cell& cell = model[changed.front()];
    RC_ASSERT(view.cell == changed.front());
    RC_ASSERT(view.header->sequence == cell.sequence);
    RC_ASSERT(view.payload.size() == cell.bytes);
    RC_ASSERT(view.conflated == cell.unseen - 1);
    cell.unseen = 0;
    changed.pop_front();
    return true;
  };
  for (const auto& [what, bytes] : steps) {
    if (what % 3 == 0) {
      read();
      continue;
    }
    const std::uint32_t cell = what / 3 % cells;
    RC_ASSERT(table->publish(cell, numbered(++sequence), as_bytes(text).first(bytes)));
    if (model[cell].unseen++ == 0) changed.push_back(cell);
    model[cell].sequence = sequence;
    model[cell].bytes = bytes;
  }
  while (read()) {
  }
}

// A payload whose every word is the sequence: a torn one shows at once.
std::size_t stress_bytes(std::uint64_t sequence) {
  return 8 * (sequence * 7 % 25);
}

void stress(std::uint32_t cells) {
  const auto table = make_table(cells, 200);
  std::atomic<bool> done{false};
  std::thread producer([&] {
    std::uint64_t words[25];
    for (std::uint64_t sequence = 1; sequence <= kStressValues; ++sequence) {
      std::fill(std::begin(words), std::end(words), sequence);
      const auto cell = static_cast<std::uint32_t>(sequence * 0x9E3779B97F4A7C15u >> 32) % cells;
      table->publish(cell, numbered(sequence),
                     std::as_bytes(std::span(words)).first(stress_bytes(sequence)));
      if (sequence % 16 == 0) std::this_thread::yield();
    }
    done.store(true, std::memory_order_release);
  });
  std::vector<std::uint64_t> seen(cells);
  std::uint64_t delivered = 0;
  std::uint64_t missed = 0;
  std::uint64_t wrong = 0;
  for (;;) {
    const bool last = done.load(std::memory_order_acquire);
    const LatestView view = table->try_read();
    if (!view) {
      if (last) break;
      std::this_thread::yield();
      continue;
    }
    const std::uint64_t sequence = view.header->sequence;
    wrong += sequence <= seen[view.cell];
    wrong += view.payload.size() != stress_bytes(sequence);
    for (std::size_t offset = 0; offset < view.payload.size(); offset += 8) {
      std::uint64_t word = 0;
      std::memcpy(&word, view.payload.data() + offset, 8);
      wrong += word != sequence;
    }
    seen[view.cell] = sequence;
    ++delivered;
    missed += view.conflated;
  }
  producer.join();
  EXPECT_EQ(wrong, 0u);
  EXPECT_EQ(delivered + missed, kStressValues);
  EXPECT_EQ(table->conflated(), missed);
  // The last value of each cell got through, so the very last one too.
  EXPECT_EQ(*std::max_element(seen.begin(), seen.end()), kStressValues);
}

TEST(LatestTableStress, TearsNothingAndLosesNoLastValueOfOneCell) {
  stress(1);
}
TEST(LatestTableStress, TearsNothingAndLosesNoLastValueOfMany) {
  stress(37);
}

// A few values, then silence, over and over: whatever came last must be found without any later
// one to help. This is what a lost "queued" mark would break.
TEST(LatestTableStress, FindsTheLastValueBeforeEverySilence) {
  constexpr std::uint64_t kRounds = kStressValues / 20;
  constexpr std::uint32_t kCells = 2;
  const auto table = make_table(kCells, 64);
  std::atomic<std::uint64_t> written{0};  // rounds
  std::atomic<std::uint64_t> checked{0};
  std::uint64_t last[kCells] = {};  // the producer's until `written`, then the consumer's
  std::thread producer([&] {
    std::uint64_t sequence = 0;
    for (std::uint64_t round = 1; round <= kRounds; ++round) {
      for (std::uint64_t count = 0; count < 1 + round % 5; ++count) {
        const auto cell = static_cast<std::uint32_t>((round + count) % kCells);
        last[cell] = ++sequence;
        table->publish(cell, numbered(sequence), {});
      }
      written.store(round, std::memory_order_release);
      while (checked.load(std::memory_order_acquire) != round) std::this_thread::yield();
    }
  });
  std::uint64_t seen[kCells] = {};
  std::uint64_t lost = 0;
  for (std::uint64_t round = 1; round <= kRounds; ++round) {
    for (;;) {
      const bool silent = written.load(std::memory_order_acquire) == round;
      const LatestView view = table->try_read();
      if (view) seen[view.cell] = view.header->sequence;
      if (!view && silent) break;
      if (!view) std::this_thread::yield();
    }
    for (std::uint32_t cell = 0; cell < kCells; ++cell) lost += seen[cell] != last[cell];
    checked.store(round, std::memory_order_release);
  }
  producer.join();
  EXPECT_EQ(lost, 0u);
}

}  // namespace
}  // namespace zenwire
