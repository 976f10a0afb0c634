// MaskingKeys: no key twice, whoever refills; a late helper is counted; two threads.

#include <atomic>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <zenwire/engine/masking_keys.hpp>

#include "sanitized.hpp"

namespace zenwire {
namespace {

constexpr std::uint32_t kStressKeys = test::kSanitized ? 1'000'000 : 8'000'000;

// "Random" bytes that number the keys, so that each key says when it was made.
struct Numberer {
  void fill(MutableBytes bytes) noexcept {
    ++fills;
    for (std::size_t offset = 0; offset < bytes.size(); offset += sizeof next) {
      std::memcpy(bytes.data() + offset, &next, sizeof next);
      ++next;
    }
  }
  [[nodiscard]] RandomFill callback() noexcept { return RandomFill::to<&Numberer::fill>(*this); }

  std::uint32_t next = 0;
  std::uint32_t fills = 0;
};

TEST(MaskingKeys, HandsOutEachKeyOnceInOrderWhenTheHelperIsInTime) {
  Numberer numberer;
  MaskingKeys keys(numberer.callback(), numberer.callback(), 64);
  EXPECT_FALSE(keys.refill());
  for (std::uint32_t expected = 0; expected < 1000; ++expected) {
    ASSERT_EQ(keys.next(), expected);
    keys.refill();
  }
  EXPECT_EQ(keys.inline_refills(), 0u);
}

TEST(MaskingKeys, RefillsInlineWhenTheHelperNeverComes) {
  Numberer helper;
  Numberer inline_numberer{.next = 1'000'000};
  MaskingKeys keys(helper.callback(), inline_numberer.callback(), 64);
  EXPECT_EQ(helper.fills, 2u);
  for (std::uint32_t expected = 0; expected < 32; ++expected) ASSERT_EQ(keys.next(), expected);
  EXPECT_EQ(keys.inline_refills(), 0u);
  for (std::uint32_t expected = 0; expected < 160; ++expected) {
    ASSERT_EQ(keys.next(), 1'000'000 + expected);
  }
  EXPECT_EQ(keys.inline_refills(), 10u);
  EXPECT_EQ(helper.fills, 2u);
  // The helper comes after all: its block is next, once the one in use is spent.
  EXPECT_TRUE(keys.refill());
  EXPECT_FALSE(keys.refill());
  EXPECT_EQ(keys.next(), 32u);
}

TEST(MaskingKeysDeath, AssertsOnBlocksThatAreNotWholeKeys) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  Numberer numberer;
  EXPECT_DEATH(MaskingKeys(numberer.callback(), numberer.callback(), 0), "block_bytes");
  EXPECT_DEATH(MaskingKeys(numberer.callback(), numberer.callback(), 6), "block_bytes");
  EXPECT_DEATH(MaskingKeys({}, {}, 8), "fill");
}

// Any interleaving of the two sides, stepped by hand: each key at most once.
RC_GTEST_PROP(MaskingKeysModel, NeverRepeatsAKey, (const std::vector<std::uint8_t>& steps)) {
  Numberer numberer;
  MaskingKeys keys(numberer.callback(), numberer.callback(), 32);
  std::vector<bool> seen;
  for (const std::uint8_t step : steps) {
    if (step % 5 == 0) {
      keys.refill();
      continue;
    }
    for (int count = 0; count < step % 16; ++count) {
      const std::uint32_t key = keys.next();
      RC_ASSERT(key < numberer.next);
      seen.resize(numberer.next);
      RC_ASSERT(!seen[key]);
      seen[key] = true;
    }
  }
}

TEST(MaskingKeysStress, NeverRepeatsAKeyBetweenTwoThreads) {
  Numberer helper;
  Numberer inline_numberer{.next = 0x80000000u};
  MaskingKeys keys(helper.callback(), inline_numberer.callback(), 1024);
  std::atomic<bool> stop{false};
  std::thread thread([&] {
    while (!stop.load(std::memory_order_relaxed)) {
      if (!keys.refill()) std::this_thread::yield();
    }
  });
  // Each side numbers its own, so each sequence must come out without a gap.
  std::uint32_t expected = 0;
  std::uint32_t expected_inline = 0x80000000u;
  std::uint64_t wrong = 0;
  for (std::uint32_t count = 0; count < kStressKeys; ++count) {
    const std::uint32_t key = keys.next();
    std::uint32_t& expect = key < 0x80000000u ? expected : expected_inline;
    wrong += key != expect;
    expect = key + 1;
  }
  stop.store(true, std::memory_order_relaxed);
  thread.join();
  EXPECT_EQ(wrong, 0u);
  EXPECT_EQ(keys.inline_refills(), (expected_inline - 0x80000000u + 255) / 256);
  EXPECT_EQ(expected + (expected_inline - 0x80000000u), kStressKeys);
}

}  // namespace
}  // namespace zenwire
