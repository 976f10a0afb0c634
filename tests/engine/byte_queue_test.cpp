// ByteQueue against a model, at every boundary, over index overflow, and between two threads.

#include <algorithm>
#include <deque>
#include <random>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <zenwire/engine/byte_queue.hpp>

#include "sanitized.hpp"

namespace zenwire {
namespace {

constexpr std::uint64_t kStressRecords = test::kSanitized ? 100'000 : 1'000'000;

template <typename Index = std::uint64_t>
std::unique_ptr<ByteQueue<Index>> make_queue(std::size_t capacity_bytes) {
  auto queue = ByteQueue<Index>::make(capacity_bytes);
  EXPECT_TRUE(queue.has_value());
  return std::move(*queue);
}

// Content that depends on every byte's place, so that a shifted or stale byte shows.
std::byte byte_at(std::uint64_t record, std::size_t offset) {
  const std::uint64_t mixed = (record + 1) * 0x9E3779B97F4A7C15u + offset * 0xBF58476D1CE4E5B9u;
  return static_cast<std::byte>(mixed >> 56);
}

void fill(MutableBytes room, std::uint64_t record) {
  for (std::size_t offset = 0; offset < room.size(); ++offset) {
    room[offset] = byte_at(record, offset);
  }
}

bool holds(Bytes payload, std::uint64_t record) {
  for (std::size_t offset = 0; offset < payload.size(); ++offset) {
    if (payload[offset] != byte_at(record, offset)) return false;
  }
  return true;
}

template <typename Queue>
bool push(Queue& queue, std::size_t bytes, std::uint64_t record) {
  const MutableBytes room = queue.try_claim(bytes);
  if (room.data() == nullptr) return false;
  EXPECT_EQ(room.size(), bytes);
  fill(room, record);
  queue.commit();
  return true;
}

template <typename Queue>
void expect_front(Queue& queue, std::size_t bytes, std::uint64_t record) {
  const Bytes front = queue.try_read();
  ASSERT_NE(front.data(), nullptr);
  ASSERT_EQ(front.size(), bytes);
  EXPECT_TRUE(holds(front, record));
  queue.release();
}

TEST(ByteQueue, RefusesCapacitiesThatItCannotUse) {
  for (const std::size_t bytes : {0U, 1U, 64U, 128U, 255U, 257U, 384U, 4095U}) {
    const auto queue = ByteQueue<>::make(bytes);
    ASSERT_FALSE(queue.has_value()) << bytes;
    EXPECT_EQ(queue.error().code(), Errc::invalid_option) << bytes;
  }
  // 128 lines are what a uint8_t can tell apart.
  EXPECT_TRUE(ByteQueue<std::uint8_t>::make(128 * 64).has_value());
  EXPECT_FALSE(ByteQueue<std::uint8_t>::make(256 * 64).has_value());
  EXPECT_FALSE(ByteQueue<>::make_memory(256, 128, {}).has_value());
  EXPECT_EQ(ByteQueue<>::make(std::size_t{1} << 62).error().code(), Errc::memory_exhausted);
}

TEST(ByteQueue, IsEmptyAtFirst) {
  const auto queue = make_queue(4096);
  EXPECT_EQ(queue->try_read().data(), nullptr);
  EXPECT_TRUE(queue->has_room(queue->record_bytes_max()));
  EXPECT_EQ(queue->spin_read([] { return true; }).data(), nullptr);
  EXPECT_EQ(queue->read_batch([](Bytes) { return ReadVerdict::next; }, 10), 0u);
}

TEST(ByteQueue, CarriesARecordOfNoBytes) {
  const auto queue = make_queue(256);
  for (int lap = 0; lap < 100; ++lap) {
    const MutableBytes room = queue->try_claim(0);
    ASSERT_NE(room.data(), nullptr);
    EXPECT_EQ(room.size(), 0u);
    EXPECT_EQ(queue->try_read().data(), nullptr);
    queue->commit();
    const Bytes front = queue->try_read();
    ASSERT_NE(front.data(), nullptr);
    EXPECT_EQ(front.size(), 0u);
    queue->release();
    EXPECT_EQ(queue->try_read().data(), nullptr);
  }
}

// Wherever the tail stands, and behind a record that is there: a reader that looks at any moment
// sees what was committed, and nothing of what is being written.
TEST(ByteQueue, ShowsARecordOnlyWhenItIsCommitted) {
  const auto queue = make_queue(2048);
  for (std::uint64_t record = 0; record < 1000; ++record) {
    const std::size_t bytes = record % (queue->record_bytes_max() / 2);
    const MutableBytes room = queue->try_claim(bytes);
    ASSERT_NE(room.data(), nullptr);
    ASSERT_EQ(queue->try_read().data(), nullptr) << "claimed, record " << record;
    fill(room, record);
    ASSERT_EQ(queue->try_read().data(), nullptr) << "written, record " << record;
    queue->commit();
    expect_front(*queue, bytes, record);
    ASSERT_EQ(queue->try_read().data(), nullptr) << "released, record " << record;
  }
}

TEST(ByteQueue, ShowsTheFrontUntilItIsReleased) {
  const auto queue = make_queue(4096);
  ASSERT_TRUE(push(*queue, 10, 1));
  ASSERT_TRUE(push(*queue, 20, 2));
  EXPECT_EQ(queue->try_read().data(), queue->try_read().data());
  expect_front(*queue, 10, 1);
  expect_front(*queue, 20, 2);
}

TEST(ByteQueue, ForgetsAnAbortedClaim) {
  const auto queue = make_queue(1024);
  for (std::uint64_t lap = 0; lap < 200; ++lap) {
    const MutableBytes room = queue->try_claim(300);
    ASSERT_NE(room.data(), nullptr);
    fill(room, 99);
    queue->abort();
    EXPECT_EQ(queue->try_read().data(), nullptr);
    ASSERT_TRUE(push(*queue, lap % 300, lap));
    expect_front(*queue, lap % 300, lap);
  }
}

TEST(ByteQueue, PublishesTheFirstBytesOfAClaim) {
  const auto queue = make_queue(2048);
  for (std::size_t bytes = 0; bytes <= 500; ++bytes) {
    const MutableBytes room = queue->try_claim(500);
    ASSERT_NE(room.data(), nullptr);
    fill(room, bytes);
    queue->commit(bytes);
    ASSERT_TRUE(push(*queue, 5, bytes + 1));
    expect_front(*queue, bytes, bytes);
    expect_front(*queue, 5, bytes + 1);
  }
}

// Every size at every place of the ring: whatever is promised to fit, fits when it is empty.
TEST(ByteQueue, TakesEveryRecordUpToTheLargestWhereverTheTailStands) {
  const auto queue = make_queue<std::uint8_t>(2048);
  for (std::size_t line = 0; line < 2048 / 64; ++line) {
    for (std::size_t bytes = 0; bytes <= queue->record_bytes_max(); ++bytes) {
      EXPECT_TRUE(queue->has_room(bytes));
      ASSERT_TRUE(push(*queue, bytes, bytes)) << "line " << line << " bytes " << bytes;
      expect_front(*queue, bytes, bytes);
    }
    ASSERT_TRUE(push(*queue, 0, 0));  // two lines
    expect_front(*queue, 0, 0);
  }
}

TEST(ByteQueue, FillsUpAndTakesAgainAfterARelease) {
  const auto queue = make_queue(4096);
  for (int lap = 0; lap < 50; ++lap) {
    std::uint64_t pushed = 0;
    while (push(*queue, 100, pushed)) ++pushed;
    // Three lines a record, and a line for the next word.
    EXPECT_GE(pushed, (4096 / 64 - 3) / 3);
    EXPECT_FALSE(queue->has_room(100));
    expect_front(*queue, 100, 0);
    for (std::uint64_t record = 1; record < pushed; ++record) expect_front(*queue, 100, record);
    EXPECT_EQ(queue->try_read().data(), nullptr);
  }
  EXPECT_GT(queue->high_water_bytes(), 4096u - 4 * 64);
  EXPECT_LE(queue->high_water_bytes(), queue->capacity_bytes());
}

// Old payload must never pass for a word: fill the ring with patterns that would be one.
TEST(ByteQueue, IsNotFooledByPayloadThatLooksLikeAWord) {
  for (const std::uint64_t pattern : {~std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{2},
                                      std::uint64_t{57}, std::uint64_t{1} << 40}) {
    const auto queue = make_queue<std::uint8_t>(1024);
    std::mt19937_64 random(pattern);
    for (int round = 0; round < 5000; ++round) {
      const std::size_t bytes = random() % (queue->record_bytes_max() + 1);
      const MutableBytes room = queue->try_claim(bytes);
      ASSERT_NE(room.data(), nullptr);
      for (std::size_t offset = 0; offset + 8 <= bytes; offset += 8) {
        std::memcpy(room.data() + offset, &pattern, 8);
      }
      if (random() % 4 == 0) {
        queue->abort();
      } else {
        queue->commit();
        const Bytes front = queue->try_read();
        ASSERT_EQ(front.size(), bytes);
        ASSERT_NE(front.data(), nullptr);
        queue->release();
      }
      ASSERT_EQ(queue->try_read().data(), nullptr) << "round " << round;
    }
  }
}

// The bytes that may be read behind a payload are inside the ring, and no later record writes them.
TEST(ByteQueue, KeepsTheReadPaddingOutOfOtherRecords) {
  MappedMemory memory = std::move(*MappedMemory::make(4096));
  const std::byte* const ring = memory.data();
  ByteQueue<std::uint16_t> queue(std::move(memory));
  std::mt19937_64 random(7);
  std::byte padding[kReadPadding_bytes];
  for (std::uint64_t round = 0; round < 5000; ++round) {
    ASSERT_TRUE(push(queue, random() % 700, round));
    const Bytes front = queue.try_read();
    const std::byte* const end = front.data() + front.size();
    ASSERT_LE(end + kReadPadding_bytes, ring + 4096);
    std::memcpy(padding, end, sizeof padding);
    while (push(queue, random() % 700, round)) {
    }
    ASSERT_EQ(std::memcmp(padding, end, sizeof padding), 0);
    while (queue.try_read().data() != nullptr) queue.release();
  }
}

TEST(ByteQueue, ReadsInBatchesAsTheVerdictSays) {
  const auto queue = make_queue(4096);
  for (std::uint64_t record = 0; record < 10; ++record) ASSERT_TRUE(push(*queue, 30, record));
  std::uint64_t expected = 0;
  const auto next = [&](Bytes payload) {
    EXPECT_TRUE(holds(payload, expected++));
    return ReadVerdict::next;
  };
  EXPECT_EQ(queue->read_batch(next, 3), 3u);
  EXPECT_EQ(queue->read_batch([](Bytes) { return ReadVerdict::keep; }, 5), 0u);
  EXPECT_EQ(queue->read_batch(
                [&](Bytes payload) {
                  EXPECT_TRUE(holds(payload, expected++));
                  return ReadVerdict::last;
                },
                5),
            1u);
  EXPECT_EQ(queue->read_batch(next, 100), 6u);
  EXPECT_EQ(expected, 10u);
}

TEST(ByteQueue, GivesRoomBackInTheMiddleOfALongBatch) {
  const auto queue = make_queue(4096);
  std::uint64_t pushed = 0;
  while (push(*queue, 30, pushed)) ++pushed;
  std::size_t room_at = 0;
  std::size_t read = 0;
  queue->read_batch(
      [&](Bytes) {
        ++read;
        if (room_at == 0 && queue->has_room(30)) room_at = read;
        return ReadVerdict::next;
      },
      pushed);
  EXPECT_GT(room_at, 0u);
  EXPECT_LT(room_at, pushed / 2);
}

template <typename Index>
void follows_its_model(std::size_t lines,
                       const std::vector<std::pair<std::uint32_t, std::uint8_t>>& steps) {
  const auto queue = make_queue<Index>(lines * 64);
  std::deque<std::pair<std::size_t, std::uint64_t>> model;
  std::uint64_t record = 0;
  for (const auto& [size, how] : steps) {
    if (how % 2 == 0) {
      const std::size_t bytes = size % (queue->record_bytes_max() + 1);
      const bool room = queue->has_room(bytes);
      const MutableBytes claim = queue->try_claim(bytes);
      RC_ASSERT((claim.data() != nullptr) == room);
      RC_ASSERT(room || !model.empty());
      if (!room) continue;
      fill(claim, record);
      const std::size_t used = how % 8 == 2 ? bytes / 2 : bytes;
      if (how % 8 == 4) {
        queue->abort();
        continue;
      }
      queue->commit(used);
      model.emplace_back(used, record++);
    } else if (how % 8 == 1) {
      const std::size_t count_max = how / 16;
      const std::size_t before = model.size();
      const std::size_t count = queue->read_batch(
          [&](Bytes payload) {
            RC_ASSERT(payload.size() == model.front().first);
            RC_ASSERT(holds(payload, model.front().second));
            model.pop_front();
            return ReadVerdict::next;
          },
          count_max);
      RC_ASSERT(count == std::min(before, count_max));
    } else {
      const Bytes front = queue->try_read();
      RC_ASSERT((front.data() == nullptr) == model.empty());
      if (model.empty()) continue;
      RC_ASSERT(front.size() == model.front().first);
      RC_ASSERT(holds(front, model.front().second));
      queue->release();
      model.pop_front();
    }
  }
}

using Steps = std::vector<std::pair<std::uint32_t, std::uint8_t>>;

rc::Gen<Steps> steps(std::uint32_t size_max) {
  return rc::gen::container<Steps>(400, rc::gen::pair(rc::gen::inRange<std::uint32_t>(0, size_max),
                                                      rc::gen::arbitrary<std::uint8_t>()));
}

RC_GTEST_PROP(ByteQueueModel, HoldsWithAnIndexThatOverflowsOften, ()) {
  const std::size_t lines = std::size_t{1} << *rc::gen::inRange(2, 8);
  follows_its_model<std::uint8_t>(lines, *steps(static_cast<std::uint32_t>(lines * 16)));
}

RC_GTEST_PROP(ByteQueueModel, HoldsWithSixteenBits, ()) {
  const std::size_t lines = std::size_t{1} << *rc::gen::inRange(2, 10);
  follows_its_model<std::uint16_t>(lines, *steps(static_cast<std::uint32_t>(lines * 32)));
}

RC_GTEST_PROP(ByteQueueModel, HoldsWithTheDefaultIndex, ()) {
  const std::size_t lines = std::size_t{1} << *rc::gen::inRange(2, 10);
  follows_its_model<std::uint64_t>(lines, *steps(static_cast<std::uint32_t>(lines * 32)));
}

// Sizes: mostly small, some large, some none.
std::size_t stress_size(std::mt19937_64& random, std::size_t bytes_max) {
  const std::uint64_t value = random();
  switch (value % 16) {
    case 0: return 0;
    case 1: return (value >> 8) % (bytes_max + 1);
    default: return (value >> 8) % std::min<std::size_t>(bytes_max + 1, 160);
  }
}

// The first and last bytes of each record and its size: enough to catch any mix-up, and quick
// enough for the threads to meet often.
void stamp(MutableBytes room, std::uint64_t record) {
  const std::size_t edge = std::min<std::size_t>(room.size(), 24);
  fill(room.first(edge), record);
  fill(room.last(edge), record);
}

bool stamped(Bytes payload, std::uint64_t record) {
  const std::size_t edge = std::min<std::size_t>(payload.size(), 24);
  // Where the two overlap, the later one stands.
  return holds(payload.last(edge), record) &&
         (payload.size() < 2 * edge || holds(payload.first(edge), record));
}

// Waits for the other thread: a while on the core, then by giving the core away, as there may be
// one only.
void wait_a_turn(std::uint32_t& turns) {
  detail::spin_pause();
  if (++turns % 64 == 0) std::this_thread::yield();
}

template <typename Index>
void stress(std::size_t capacity_bytes, std::uint64_t records, bool batches) {
  constexpr std::uint64_t kSeed = 20'261'124;
  SCOPED_TRACE(testing::Message() << "seed " << kSeed << " capacity " << capacity_bytes);
  const auto queue = make_queue<Index>(capacity_bytes);
  std::thread producer([&] {
    std::mt19937_64 random(kSeed);
    std::uint32_t turns = 0;
    for (std::uint64_t record = 0; record < records; ++record) {
      const std::size_t bytes = stress_size(random, queue->record_bytes_max());
      MutableBytes room;
      while ((room = queue->try_claim(bytes)).data() == nullptr) wait_a_turn(turns);
      stamp(room, record);
      queue->commit();
    }
  });
  std::mt19937_64 random(kSeed);
  std::uint64_t record = 0;
  std::uint64_t wrong = 0;
  std::uint32_t turns = 0;
  const auto check = [&](Bytes payload) {
    const std::size_t bytes = stress_size(random, queue->record_bytes_max());
    wrong += payload.size() != bytes || !stamped(payload, record);
    ++record;
    return ReadVerdict::next;
  };
  while (record < records) {
    if (batches) {
      if (queue->read_batch(check, 64) == 0) wait_a_turn(turns);
      continue;
    }
    const Bytes payload = queue->try_read();
    if (payload.data() == nullptr) {
      wait_a_turn(turns);
      continue;
    }
    check(payload);
    queue->release();
  }
  producer.join();
  EXPECT_EQ(wrong, 0u);
  EXPECT_EQ(queue->try_read().data(), nullptr);
}

TEST(ByteQueueStress, LosesNothingBetweenTwoThreads) {
  stress<std::uint64_t>(16384, kStressRecords, false);
}
TEST(ByteQueueStress, LosesNothingOverIndexOverflow) {
  stress<std::uint8_t>(2048, kStressRecords, false);
}
// Room for a record or two: each side waits for the other all the time.
TEST(ByteQueueStress, LosesNothingInTheSmallestRing) {
  stress<std::uint8_t>(256, kStressRecords / 10, false);
}
TEST(ByteQueueStress, LosesNothingInBatches) {
  stress<std::uint16_t>(8192, kStressRecords, true);
}

class ByteQueueDeath : public testing::Test {
 protected:
  // Run anew, not forked out of a process with threads.
  void SetUp() override { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
};

TEST_F(ByteQueueDeath, AssertsOnARecordThatCanNeverFit) {
  const auto queue = make_queue(1024);
  EXPECT_DEATH((void)queue->try_claim(queue->record_bytes_max() + 1), "record_bytes_max");
  EXPECT_DEATH(queue->release(), "front_lines_");
}

#ifndef NDEBUG
TEST_F(ByteQueueDeath, CatchesASecondProducerAndASecondClaim) {
  const auto queue = make_queue(1024);
  ASSERT_TRUE(push(*queue, 1, 1));
  EXPECT_DEATH(std::thread([&] { (void)queue->try_claim(1); }).join(), "bound == self");
  EXPECT_DEATH(
      {
        (void)queue->try_claim(1);
        (void)queue->try_claim(1);
      },
      "claimed_");
  queue->unbind_producer();
  std::thread([&] { EXPECT_TRUE(push(*queue, 1, 2)); }).join();
}
#endif

}  // namespace
}  // namespace zenwire
