// BufferPool: counts, limits, what comes home, and what may not be touched.

#include <algorithm>
#include <cstring>
#include <set>
#include <vector>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <zenwire/base/sanitizers.hpp>
#include <zenwire/engine/buffer_pool.hpp>

namespace zenwire {
namespace {

std::unique_ptr<BufferPool> make_pool(std::size_t buffer_bytes, std::uint32_t buffers) {
  auto pool = BufferPool::make({.buffer_bytes = buffer_bytes, .buffers = buffers});
  EXPECT_TRUE(pool.has_value());
  return std::move(*pool);
}

TEST(BufferPool, RefusesOptionsThatMakeNoPool) {
  constexpr std::size_t kHuge = ~std::size_t{0};
  const BufferPoolOptions bad[] = {{.buffer_bytes = 0, .buffers = 1},
                                   {.buffer_bytes = 1, .buffers = 0},
                                   {.buffer_bytes = kHuge, .buffers = 1},
                                   {.buffer_bytes = kHuge / 4, .buffers = 8},
                                   {.buffer_bytes = 0, .buffers = 0}};
  for (const BufferPoolOptions& options : bad) {
    const auto pool = BufferPool::make(options);
    ASSERT_FALSE(pool.has_value());
    EXPECT_EQ(pool.error().code(), Errc::invalid_option);
  }
  const auto pool = BufferPool::make({.buffer_bytes = std::size_t{1} << 58, .buffers = 1});
  ASSERT_FALSE(pool.has_value());
  EXPECT_EQ(pool.error().code(), Errc::memory_exhausted);
  EXPECT_NE(pool.error().os_error(), 0);
}

TEST(BufferPool, LeasesDistinctAlignedBuffersUntilThereAreNone) {
  const auto pool = make_pool(1000, 5);
  std::set<std::byte*> out;
  for (int count = 0; count < 5; ++count) {
    std::byte* buffer = pool->lease();
    ASSERT_NE(buffer, nullptr);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(buffer) % 64, 0u);
    std::memset(buffer, count, 1000 + kReadPadding_bytes);
    out.insert(buffer);
  }
  EXPECT_EQ(out.size(), 5u);
  EXPECT_EQ(pool->lease(), nullptr);
  EXPECT_EQ(pool->lease(), nullptr);
  EXPECT_EQ(pool->statistics().exhausted, 2u);
  EXPECT_EQ(pool->statistics().in_use, 5u);
  EXPECT_EQ(pool->statistics().high_water, 5u);
  // Each has its own bytes, padding and all.
  std::set<int> contents;
  for (const std::byte* buffer : out) {
    const auto content = static_cast<int>(buffer[0]);
    contents.insert(content);
    for (std::size_t at = 0; at < 1000 + kReadPadding_bytes; ++at) {
      ASSERT_EQ(static_cast<int>(buffer[at]), content);
    }
  }
  EXPECT_EQ(contents.size(), 5u);
  for (std::byte* buffer : out) pool->give_back(buffer);
  EXPECT_EQ(pool->statistics().in_use, 0u);
  EXPECT_EQ(pool->statistics().high_water, 5u);
  EXPECT_EQ(pool->statistics().leased, 5u);
}

TEST(BufferPool, LeasesTheWarmestFirst) {
  const auto pool = make_pool(4096, 4);
  std::byte* first = pool->lease();
  std::byte* second = pool->lease();
  pool->give_back(second);
  pool->give_back(first);
  EXPECT_EQ(pool->lease(), first);
  EXPECT_EQ(pool->lease(), second);
  pool->give_back(first);
  pool->give_back(second);
}

TEST(BufferPool, SumsUpItsMemory) {
  EXPECT_EQ(make_pool(1000, 5)->total_bytes(), 5u * 1088);
  EXPECT_EQ(BufferPool::stride_bytes(64), 128u);
  EXPECT_EQ(BufferPool::stride_bytes(65), 192u);
}

TEST(BufferPoolDeath, AssertsOnWhatItDidNotLease) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto pool = make_pool(100, 2);
  std::byte* buffer = pool->lease();
  std::byte other[1] = {};
  EXPECT_DEATH(pool->give_back(other), "memory_");
  EXPECT_DEATH(pool->give_back(buffer + 1), "stride_bytes");
  EXPECT_DEATH(
      {
        pool->give_back(buffer);
        pool->give_back(buffer);
      },
      "out_");
  EXPECT_DEATH(
      {
        const auto leaky = make_pool(100, 1);
        (void)leaky->lease();
      },
      "in_use == 0");
  pool->give_back(buffer);
}

#if ZW_ADDRESS_SANITIZER
TEST(BufferPoolDeath, ForbidsTouchingABufferThatIsHome) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto pool = make_pool(100, 2);
  std::byte* buffer = pool->lease();
  buffer[0] = std::byte{1};
  pool->give_back(buffer);
  EXPECT_DEATH(*static_cast<volatile std::byte*>(buffer) = std::byte{2}, "use-after-poison");
}
#endif

// How many of a pool each purpose can hold at most, when nothing else is out.
std::vector<std::byte*> take_all(BufferPool& pool, LeaseFor purpose) {
  std::vector<std::byte*> out;
  while (std::byte* buffer = pool.lease(purpose)) out.push_back(buffer);
  return out;
}
void give_all_back(BufferPool& pool, const std::vector<std::byte*>& out) {
  for (std::byte* buffer : out) pool.give_back(buffer);
}

struct Shares {
  std::uint32_t buffers;
  bool inflating;
  std::size_t receiving_max;
  std::size_t sending_left;  // once receiving holds all that it may
};

TEST(BufferPool, leaves_one_for_each_other_purpose) {
  constexpr Shares kRows[] = {{1, false, 1, 0}, {2, false, 1, 1}, {4, false, 3, 1},
                              {1, true, 1, 0},  {2, true, 1, 1},  {3, true, 1, 1},
                              {4, true, 2, 1},  {32, true, 30, 1}};
  for (const Shares& row : kRows) {
    const auto pool = make_pool(128, row.buffers);
    if (row.inflating) pool->expect_inflating();
    const auto receiving = take_all(*pool, LeaseFor::receiving);
    const auto sending = take_all(*pool, LeaseFor::sending);
    const auto delivering = take_all(*pool, LeaseFor::delivering);
    EXPECT_EQ(receiving.size(), row.receiving_max) << row.buffers;
    EXPECT_EQ(sending.size(), row.sending_left) << row.buffers;
    EXPECT_EQ(receiving.size() + sending.size() + delivering.size(), row.buffers);
    EXPECT_EQ(pool->keeps_one_for_delivering(), !delivering.empty()) << row.buffers;
    give_all_back(*pool, receiving);
    give_all_back(*pool, sending);
    give_all_back(*pool, delivering);
    // The other way round it is the same.
    const auto first = take_all(*pool, LeaseFor::sending);
    EXPECT_EQ(first.size(), row.receiving_max) << row.buffers;
    give_all_back(*pool, first);
  }
}

RC_GTEST_PROP(BufferPoolModel, LeasesEachBufferToOneAtATime,
              (const std::vector<std::uint8_t>& steps)) {
  const std::uint32_t buffers = *rc::gen::inRange<std::uint32_t>(1, 9);
  const auto pool = make_pool(128, buffers);
  std::vector<std::byte*> out;
  std::uint64_t exhausted = 0;
  for (const std::uint8_t step : steps) {
    if (step % 2 == 0) {
      std::byte* buffer = pool->lease();
      RC_ASSERT((buffer == nullptr) == (out.size() == buffers));
      if (buffer == nullptr) {
        ++exhausted;
        continue;
      }
      RC_ASSERT(std::find(out.begin(), out.end(), buffer) == out.end());
      std::memset(buffer, step, 128);
      out.push_back(buffer);
    } else if (!out.empty()) {
      const auto which = out.begin() + step / 2 % static_cast<std::ptrdiff_t>(out.size());
      pool->give_back(*which);
      out.erase(which);
    }
    RC_ASSERT(pool->statistics().in_use == out.size());
    RC_ASSERT(pool->statistics().exhausted == exhausted);
  }
  for (std::byte* buffer : out) pool->give_back(buffer);
}

}  // namespace
}  // namespace zenwire
