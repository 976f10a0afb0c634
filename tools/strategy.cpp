#include "strategy.hpp"

#include <array>
#include <cstring>
#include <ctime>

#include <sched.h>

namespace zenwire::tools {

std::uint64_t digest_of(std::uint64_t digest, Bytes payload) noexcept {
  constexpr std::uint64_t kMultiplier = 0x9e3779b97f4a7c15;  // 2^64 over the golden ratio
  const auto mix = [&digest](std::uint64_t word) noexcept {
    digest = (digest ^ word) * kMultiplier;
    digest ^= digest >> 29;
  };
  mix(payload.size());
  std::uint64_t word = 0;
  for (; payload.size() >= sizeof word; payload = payload.subspan(sizeof word)) {
    std::memcpy(&word, payload.data(), sizeof word);
    mix(word);
  }
  word = 0;
  if (!payload.empty()) std::memcpy(&word, payload.data(), payload.size());
  mix(word);
  return digest;
}

Strategy::Strategy(MessageQueue& queue, Outbox& outbox, Reactor& reactor,
                   const StrategyOptions& options)
    : queue_(queue),
      outbox_(outbox),
      reactor_(reactor),
      options_(options),
      latency_(std::make_unique<LatencyRecorder>()),
      ticks_(reactor.io().ticks()) {}

void Strategy::start() {
  ZW_ASSERT(!thread_.joinable());
  thread_ = std::thread([this] { run(); });
}

void Strategy::stop() {
  stopping_.store(true, std::memory_order_relaxed);
  if (thread_.joinable()) thread_.join();
}

void Strategy::run() noexcept {
  unsigned idle_rounds = 0;
  for (;;) {
    const MessageView view = queue_.try_read();
    if (!view) {
      if (stopping_.load(std::memory_order_relaxed)) return;
      idle(idle_rounds++);
      continue;
    }
    idle_rounds = 0;
    const MessageHeader& header = view.header();
    if (is_message(header.kind)) on_message(header, view.payload());
    const bool over = header.kind == MessageKind::closed;
    queue_.release();
    if (over) return;
  }
}

// It shares its core with the server of the demo, so it lets that go first; a venue's client would
// spin.
void Strategy::idle(unsigned rounds) const noexcept {
  constexpr unsigned kSpins = 64;
  constexpr unsigned kYields = 256;
  if (rounds < kSpins) return __builtin_ia32_pause();
  if (!options_.sleeps || rounds < kSpins + kYields) {
    sched_yield();
    return;
  }
  const timespec pause{0, 50'000};
  nanosleep(&pause, nullptr);
}

void Strategy::on_message(const MessageHeader& header, Bytes payload) noexcept {
  if (saw_.messages >= options_.warm_up) {
    latency_->mark(Stage::strategy, header.received_ticks, ticks_.now());
  }
  ++saw_.messages;
  if (options_.orders_every != 0 && saw_.messages % options_.orders_every == 0) send_order(header);
  // The answer has gone out: now there is time to look closely.
  compare(header, payload);
  saw_.bytes += payload.size();
  if (saw_.messages == options_.messages_max) send_close(header);
}

void Strategy::compare(const MessageHeader& header, Bytes payload) noexcept {
  const std::uint64_t expected = last_sequence_ + 1;
  if (header.sequence > expected) saw_.missing += header.sequence - expected;
  last_sequence_ = header.sequence;
  saw_.digest = digest_of(saw_.digest, payload);
  if (header.kind == MessageKind::text) saw_.changes.see(as_text(payload));
  if (options_.feed == nullptr) return;
  const std::uint64_t number = header.sequence - 1;
  const Opcode opcode = header.kind == MessageKind::text ? Opcode::text : Opcode::binary;
  if (number < options_.feed->size() && options_.feed->at(number) == Feed::Entry{opcode, payload}) {
    return;
  }
  ++saw_.different;
  if (!saw_.first_different) saw_.first_different = number;
}

void Strategy::send_order(const MessageHeader& header) noexcept {
  std::array<char, kOrder_bytes_max> text;
  const std::string_view order = write_order(text, saw_.orders + 1, options_.order);
  const OutboxMarks marks{header.received_ticks, ticks_.now()};
  while (outbox_.try_send_text({header.connection, header.epoch}, order, marks) != Errc::ok) {
    if (stopping_.load(std::memory_order_relaxed)) return;
    reactor_.doorbell();
    sched_yield();
  }
  reactor_.doorbell();
  ++saw_.orders;
}

void Strategy::send_close(const MessageHeader& header) noexcept {
  while (outbox_.try_send_close({header.connection, header.epoch}, CloseCode::normal) != Errc::ok) {
    if (stopping_.load(std::memory_order_relaxed)) return;
    reactor_.doorbell();
    sched_yield();
  }
  reactor_.doorbell();
}

}  // namespace zenwire::tools
