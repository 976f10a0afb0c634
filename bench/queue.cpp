// What a hop between the reactor and a strategy thread costs: cost of each side alone, and round
// trips between two threads. Two threads need two free cores; read round trips as ratios of one
// run, as the placement of virtual cores alone makes them differ by four.

#include <algorithm>
#include <atomic>
#include <cstring>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include <benchmark/benchmark.h>

#include <zenwire/engine/byte_queue.hpp>
#include <zenwire/engine/latest.hpp>
#include <zenwire/engine/masking_keys.hpp>
#include <zenwire/engine/message_queue.hpp>
#include <zenwire/engine/timer_queue.hpp>

namespace {

using namespace zenwire;

constexpr std::size_t kCapacity_bytes = std::size_t{1} << 20;
constexpr std::uint64_t kStop = ~std::uint64_t{0};

// One thread, everything in its cache: what claim, commit, read and release execute.
void byte_queue_push_and_pop(benchmark::State& state) {
  const auto queue = std::move(*ByteQueue<>::make(kCapacity_bytes));
  const auto bytes = static_cast<std::size_t>(state.range(0));
  for (auto _ : state) {
    const MutableBytes room = queue->try_claim(bytes);
    benchmark::DoNotOptimize(room.data());
    queue->commit();
    benchmark::DoNotOptimize(queue->try_read().data());
    queue->release();
  }
}
BENCHMARK(byte_queue_push_and_pop)->Arg(0)->Arg(48)->Arg(256)->Arg(1024);

void byte_queue_read_empty(benchmark::State& state) {
  const auto queue = std::move(*ByteQueue<>::make(kCapacity_bytes));
  for (auto _ : state) benchmark::DoNotOptimize(queue->try_read().data());
}
BENCHMARK(byte_queue_read_empty);

void message_queue_push_and_pop(benchmark::State& state) {
  const auto queue = std::move(*MessageQueue::make({.capacity_bytes = kCapacity_bytes}));
  const std::vector<std::byte> payload(static_cast<std::size_t>(state.range(0)));
  MessageHeader header;
  for (auto _ : state) {
    ++header.sequence;
    benchmark::DoNotOptimize(queue->try_push(header, payload));
    benchmark::DoNotOptimize(queue->try_read().payload().data());
    queue->release();
  }
}
BENCHMARK(message_queue_push_and_pop)->Arg(64)->Arg(256)->Arg(1024);

// There and back through two rings; half of it is a hop.
void byte_queue_round_trip(benchmark::State& state) {
  const auto there = std::move(*ByteQueue<>::make(kCapacity_bytes));
  const auto back = std::move(*ByteQueue<>::make(kCapacity_bytes));
  const auto bytes = static_cast<std::size_t>(state.range(0));
  const auto send = [bytes](ByteQueue<>& queue, std::uint64_t value) {
    const MutableBytes room = queue.try_claim(bytes);
    std::memset(room.data() + sizeof value, 1, bytes - sizeof value);
    std::memcpy(room.data(), &value, sizeof value);
    queue.commit();
  };
  const auto receive = [](ByteQueue<>& queue) {
    Bytes record;
    while ((record = queue.try_read()).data() == nullptr) detail::spin_pause();
    std::uint64_t value = 0;
    std::memcpy(&value, record.data(), sizeof value);
    queue.release();
    return value;
  };
  std::thread echo([&] {
    for (std::uint64_t value = 0; value != kStop;) {
      value = receive(*there);
      send(*back, value);
    }
  });
  std::uint64_t value = 0;
  for (auto _ : state) {
    send(*there, value++);
    benchmark::DoNotOptimize(receive(*back));
  }
  send(*there, kStop);
  echo.join();
}
BENCHMARK(byte_queue_round_trip)->Arg(8)->Arg(48)->Arg(256)->Arg(1024)->UseRealTime();

// The rival that the design refuses: an index of its own in a line of its own, payload in another.
class IndexRing {
 public:
  explicit IndexRing(std::size_t slot_bytes)
      : slot_bytes_(slot_bytes), slots_(kSlots * slot_bytes) {}

  void send(std::uint64_t value) {
    const std::uint64_t tail = tail_.load(std::memory_order_relaxed);
    while (tail - cached_head_ == kSlots) cached_head_ = head_.load(std::memory_order_acquire);
    std::byte* slot = slots_.data() + tail % kSlots * slot_bytes_;
    std::memset(slot + sizeof value, 1, slot_bytes_ - sizeof value);
    std::memcpy(slot, &value, sizeof value);
    tail_.store(tail + 1, std::memory_order_release);
  }
  std::uint64_t receive() {
    const std::uint64_t head = head_.load(std::memory_order_relaxed);
    while (cached_tail_ == head) {
      cached_tail_ = tail_.load(std::memory_order_acquire);
      if (cached_tail_ == head) detail::spin_pause();
    }
    std::uint64_t value = 0;
    std::memcpy(&value, slots_.data() + head % kSlots * slot_bytes_, sizeof value);
    head_.store(head + 1, std::memory_order_release);
    return value;
  }

 private:
  static constexpr std::size_t kSlots = 4096;
  std::size_t slot_bytes_;
  std::vector<std::byte> slots_;
  alignas(64) std::atomic<std::uint64_t> tail_{0};
  std::uint64_t cached_head_ = 0;
  alignas(64) std::atomic<std::uint64_t> head_{0};
  std::uint64_t cached_tail_ = 0;
};

void index_ring_round_trip(benchmark::State& state) {
  IndexRing there(static_cast<std::size_t>(state.range(0)));
  IndexRing back(static_cast<std::size_t>(state.range(0)));
  std::thread echo([&] {
    for (std::uint64_t value = 0; value != kStop;) {
      value = there.receive();
      back.send(value);
    }
  });
  std::uint64_t value = 0;
  for (auto _ : state) {
    there.send(value++);
    benchmark::DoNotOptimize(back.receive());
  }
  there.send(kStop);
  echo.join();
}
BENCHMARK(index_ring_round_trip)->Arg(8)->Arg(48)->Arg(256)->Arg(1024)->UseRealTime();

// A stream of messages to a thread that takes them as fast as it can.
void message_queue_stream(benchmark::State& state) {
  const auto queue = std::move(*MessageQueue::make({.capacity_bytes = kCapacity_bytes}));
  const std::vector<std::byte> payload(static_cast<std::size_t>(state.range(0)));
  std::atomic<bool> stop{false};
  std::thread strategy([&] {
    const auto stopped = [&] { return stop.load(std::memory_order_relaxed); };
    while (queue->spin_read(stopped)) queue->release();
  });
  const MessageHeader header;
  for (auto _ : state) {
    while (queue->try_push(header, payload) != PushOutcome::pushed) detail::spin_pause();
  }
  stop.store(true, std::memory_order_relaxed);
  strategy.join();
  state.SetItemsProcessed(state.iterations());
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(message_queue_stream)->Arg(64)->Arg(256)->Arg(1024)->UseRealTime();

void latest_publish(benchmark::State& state) {
  const auto table = std::move(*LatestTable::make({.cells = 64, .payload_bytes_max = 1024}));
  const std::vector<std::byte> payload(static_cast<std::size_t>(state.range(0)));
  const MessageHeader header;
  std::uint32_t cell = 0;
  for (auto _ : state) table->publish(cell++ % 64, header, payload);
}
BENCHMARK(latest_publish)->Arg(64)->Arg(256)->Arg(1024);

void latest_publish_and_read(benchmark::State& state) {
  const auto table = std::move(*LatestTable::make({.cells = 64, .payload_bytes_max = 1024}));
  const std::vector<std::byte> payload(static_cast<std::size_t>(state.range(0)));
  const MessageHeader header;
  std::uint32_t cell = 0;
  for (auto _ : state) {
    table->publish(cell++ % 64, header, payload);
    benchmark::DoNotOptimize(table->try_read().payload.data());
  }
}
BENCHMARK(latest_publish_and_read)->Arg(64)->Arg(256)->Arg(1024);

// Keys of a counter, refilled on the spot: the fill itself is not what is measured.
void masking_key_next(benchmark::State& state) {
  const RandomFill fill([](void*, MutableBytes bytes) noexcept {
    std::fill(bytes.begin(), bytes.end(), std::byte{1});
  });
  MaskingKeys keys(fill, fill);
  for (auto _ : state) benchmark::DoNotOptimize(keys.next());
}
BENCHMARK(masking_key_next);

// An idle timer is pushed out on every message: the commonest thing that a timer suffers.
void timer_rearm(benchmark::State& state) {
  const auto count = static_cast<std::size_t>(state.range(0));
  TimerQueue queue(static_cast<std::uint32_t>(count));
  std::vector<std::unique_ptr<Timer>> timers;
  const Callback<Timer&> nothing([](void*, Timer&) noexcept {});
  std::uint64_t now_ns = 1;
  for (std::size_t index = 0; index < count; ++index) {
    timers.push_back(std::make_unique<Timer>(nothing));
    queue.arm(*timers.back(), now_ns++);
  }
  std::size_t index = 0;
  for (auto _ : state) {
    queue.arm(*timers[index], now_ns++);
    index = index * 5 + 1;  // full period modulo a power of two
    index %= count;
  }
  for (const auto& timer : timers) queue.cancel(*timer);
}
BENCHMARK(timer_rearm)->Arg(4)->Arg(64)->Arg(4096);

}  // namespace
