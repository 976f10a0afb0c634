// MessageQueue and Outbox: headers, the two policies on full, gaps that stay visible, limits.

#include <algorithm>
#include <deque>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <zenwire/engine/message_queue.hpp>

#include "sanitized.hpp"

namespace zenwire {
namespace {

constexpr std::uint64_t kStressMessages = test::kSanitized ? 50'000 : 300'000;

std::unique_ptr<MessageQueue> make_queue(std::size_t capacity_bytes,
                                         FullPolicy on_full = FullPolicy::stop_reading) {
  auto queue = MessageQueue::make({.capacity_bytes = capacity_bytes, .on_full = on_full});
  EXPECT_TRUE(queue.has_value());
  return std::move(*queue);
}

std::unique_ptr<Outbox> make_outbox(std::size_t capacity_bytes) {
  auto outbox = Outbox::make({.capacity_bytes = capacity_bytes});
  EXPECT_TRUE(outbox.has_value());
  return std::move(*outbox);
}

MessageHeader header_of(std::uint64_t sequence) {
  return {.received_ticks = sequence + 1,
          .received_ns = sequence + 2,
          .queued_ticks = sequence + 3,
          .sequence = sequence,
          .session = 4,
          .connection = 5,
          .epoch = 6,
          .kind = MessageKind::binary,
          .flags = kLastOfBurst};
}

TEST(MessageQueue, RefusesCapacitiesThatItCannotUse) {
  for (const std::size_t bytes : {0U, 100U, 256U, 5000U}) {
    const auto queue = MessageQueue::make({.capacity_bytes = bytes});
    ASSERT_FALSE(queue.has_value()) << bytes;
    EXPECT_EQ(queue.error().code(), Errc::invalid_option);
    EXPECT_FALSE(Outbox::make({.capacity_bytes = bytes}).has_value());
  }
}

TEST(MessageQueue, DeliversHeaderAndPayload) {
  const auto queue = make_queue(4096);
  EXPECT_FALSE(queue->try_read());
  ASSERT_EQ(queue->try_push(header_of(7), as_bytes("payload")), PushOutcome::pushed);
  ASSERT_EQ(queue->try_push(header_of(8), {}), PushOutcome::pushed);
  const MessageView first = queue->try_read();
  ASSERT_TRUE(first);
  EXPECT_EQ(first.header().received_ticks, 8u);
  EXPECT_EQ(first.header().received_ns, 9u);
  EXPECT_EQ(first.header().queued_ticks, 10u);
  EXPECT_EQ(first.header().sequence, 7u);
  EXPECT_EQ(first.header().session, 4u);
  EXPECT_EQ(first.header().connection, 5u);
  EXPECT_EQ(first.header().epoch, 6u);
  EXPECT_EQ(first.header().payload_bytes, 7u);
  EXPECT_EQ(first.header().dropped_before, 0u);
  EXPECT_EQ(first.header().kind, MessageKind::binary);
  EXPECT_EQ(first.header().flags, kLastOfBurst);
  EXPECT_EQ(as_text(first.payload()), "payload");
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(first.payload().data()) % 64, 0u);
  queue->release();
  const MessageView second = queue->try_read();
  ASSERT_TRUE(second);
  EXPECT_TRUE(second.payload().empty());
  EXPECT_NE(second.payload().data(), nullptr);
  queue->release();
  EXPECT_FALSE(queue->try_read());
}

TEST(MessageQueue, WritesAPayloadInPlace) {
  const auto queue = make_queue(4096);
  const MutableBytes room = queue->try_claim(100);
  ASSERT_EQ(room.size(), 100u);
  std::fill(room.begin(), room.end(), std::byte{'x'});
  queue->commit(header_of(1), 40);
  (void)queue->try_claim(10);
  queue->abort();
  EXPECT_EQ(as_text(queue->try_read().payload()), std::string(40, 'x'));
  EXPECT_EQ(queue->try_read().header().payload_bytes, 40u);
  queue->release();
  EXPECT_FALSE(queue->try_read());
}

TEST(MessageQueue, SaysFullAndTakesTheSameMessageLater) {
  const auto queue = make_queue(1024);
  std::uint64_t pushed = 0;
  while (queue->try_push(header_of(pushed), as_bytes("0123456789")) == PushOutcome::pushed) {
    ++pushed;
  }
  EXPECT_FALSE(queue->has_room(10));
  EXPECT_EQ(queue->try_push(header_of(pushed), as_bytes("0123456789")), PushOutcome::full);
  // Two, as the next one may have to skip the end of the ring.
  for (int count = 0; count < 2; ++count) {
    ASSERT_TRUE(queue->try_read());
    queue->release();
  }
  EXPECT_TRUE(queue->has_room(10));
  EXPECT_EQ(queue->try_push(header_of(pushed), as_bytes("0123456789")), PushOutcome::pushed);
  const MessageQueueStatistics statistics = queue->statistics();
  EXPECT_EQ(statistics.pushed, pushed + 1);
  EXPECT_EQ(statistics.pushed_bytes, 10 * (pushed + 1));
  EXPECT_EQ(statistics.full, 2u);
  EXPECT_EQ(statistics.dropped, 0u);
  EXPECT_EQ(statistics.capacity_bytes, 1024u);
  EXPECT_GT(statistics.high_water_bytes, 1024u / 2);
  for (std::uint64_t sequence = 2; sequence <= pushed; ++sequence) {
    const MessageView message = queue->try_read();
    ASSERT_TRUE(message);
    EXPECT_EQ(message.header().sequence, sequence);
    EXPECT_EQ(message.header().dropped_before, 0u);
    queue->release();
  }
}

TEST(MessageQueue, DropsTheNewestAndSaysSoInTheNextHeader) {
  const auto queue = make_queue(1024, FullPolicy::drop_newest);
  std::uint64_t pushed = 0;
  while (queue->try_push(header_of(pushed), as_bytes("x")) == PushOutcome::pushed) ++pushed;
  for (int more = 0; more < 4; ++more) {
    EXPECT_EQ(queue->try_push(header_of(0), as_bytes("x")), PushOutcome::dropped);
  }
  // An event is not a message: it waits.
  MessageHeader closed = header_of(99);
  closed.kind = MessageKind::closed;
  closed.reason = Errc::connection_lost;
  EXPECT_EQ(queue->try_push(closed, {}), PushOutcome::full);
  std::uint64_t read = queue->read_batch([](MessageView message) {
    EXPECT_EQ(message.header().dropped_before, 0u);
    return ReadVerdict::next;
  });
  EXPECT_EQ(read, pushed);
  ASSERT_EQ(queue->try_push(closed, {}), PushOutcome::pushed);
  ASSERT_EQ(queue->try_push(header_of(100), as_bytes("x")), PushOutcome::pushed);
  const MessageView event = queue->try_read();
  EXPECT_EQ(event.header().kind, MessageKind::closed);
  EXPECT_EQ(event.header().reason, Errc::connection_lost);
  EXPECT_EQ(event.header().dropped_before, 5u);
  EXPECT_EQ(event.header().flags, kDroppedBefore | kLastOfBurst);
  queue->release();
  EXPECT_EQ(queue->try_read().header().dropped_before, 0u);
  EXPECT_EQ(queue->try_read().header().flags, kLastOfBurst);
  EXPECT_EQ(queue->statistics().dropped, 5u);
  EXPECT_EQ(queue->statistics().full, 6u);
}

TEST(MessageQueue, CountsWhatCanNeverPass) {
  for (const FullPolicy policy : {FullPolicy::stop_reading, FullPolicy::drop_newest}) {
    const auto queue = make_queue(4096, policy);
    const std::vector<std::byte> payload(queue->payload_bytes_max() + 1);
    EXPECT_EQ(queue->try_push(header_of(1), payload), PushOutcome::too_large);
    EXPECT_EQ(queue->try_claim(payload.size()).data(), nullptr);
    EXPECT_EQ(queue->try_push(header_of(2), Bytes(payload).first(payload.size() - 1)),
              PushOutcome::pushed);
    EXPECT_EQ(queue->try_read().header().dropped_before, 1u);
    EXPECT_EQ(queue->statistics().too_large, 1u);
    EXPECT_EQ(queue->statistics().dropped, 1u);
    EXPECT_EQ(queue->statistics().full, 0u);
  }
}

// Whatever is pushed and read, sequence numbers and dropped_before add up: no gap is silent.
RC_GTEST_PROP(MessageQueueModel, EveryGapIsAnnounced, (const std::vector<std::uint16_t>& steps)) {
  const auto queue = make_queue(2048, FullPolicy::drop_newest);
  std::uint64_t sequence = 0;
  std::uint64_t expected = 0;
  const auto read = [&](MessageView message) {
    expected += message.header().dropped_before;
    RC_ASSERT(message.header().sequence == expected);
    RC_ASSERT(((message.header().flags & kDroppedBefore) != 0) ==
              (message.header().dropped_before != 0));
    ++expected;
    return ReadVerdict::next;
  };
  const std::vector<std::byte> payload(queue->payload_bytes_max() + 20);
  for (const std::uint16_t step : steps) {
    if (step % 3 == 0) {
      queue->read_batch(read, 1 + step / 3 % 4);
    } else {
      const std::size_t bytes = step / 3 % payload.size();
      MessageHeader header = header_of(sequence++);
      header.flags = 0;
      queue->try_push(header, Bytes(payload).first(bytes));
    }
  }
  queue->read_batch(read);
  MessageHeader last = header_of(sequence);
  last.kind = MessageKind::closed;
  last.flags = 0;
  RC_ASSERT(queue->try_push(last, {}) == PushOutcome::pushed);
  RC_ASSERT(queue->read_batch(read) == 1);
  RC_ASSERT(expected == sequence + 1);
}

TEST(Outbox, CarriesEveryKind) {
  const auto outbox = make_outbox(4096);
  const std::byte binary[] = {std::byte{0}, std::byte{255}};
  ASSERT_EQ(outbox->try_send_text(7, "order", {.cause_ticks = 11, .queued_ticks = 12}), Errc::ok);
  ASSERT_EQ(outbox->try_send_binary({8, 3}, binary), Errc::ok);
  ASSERT_EQ(outbox->try_send_ping(9), Errc::ok);
  ASSERT_EQ(outbox->try_send_close(10, 1000, "bye"), Errc::ok);
  ASSERT_EQ(outbox->try_send_close(10, 0), Errc::ok);
  ASSERT_EQ(outbox->try_send_preformatted(11, binary), Errc::ok);

  std::vector<OutboxHeader> headers;
  std::vector<std::string> payloads;
  outbox->read_batch([&](OutboxView view) {
    headers.push_back(view.header());
    payloads.emplace_back(as_text(view.payload()));
    return ReadVerdict::next;
  });
  ASSERT_EQ(headers.size(), 6u);
  EXPECT_EQ(headers[0].kind, OutboxKind::text);
  EXPECT_EQ(headers[0].connection, 7u);
  EXPECT_EQ(headers[0].epoch, OutboxTarget::kAnyEpoch);
  EXPECT_EQ(headers[0].marks.cause_ticks, 11u);
  EXPECT_EQ(headers[0].marks.queued_ticks, 12u);
  EXPECT_EQ(headers[0].payload_bytes, 5u);
  EXPECT_EQ(payloads[0], "order");
  EXPECT_EQ(headers[1].kind, OutboxKind::binary);
  EXPECT_EQ(headers[1].connection, 8u);
  EXPECT_EQ(headers[1].epoch, 3u);
  EXPECT_EQ(payloads[1], std::string("\0\xff", 2));
  EXPECT_EQ(headers[2].kind, OutboxKind::ping);
  EXPECT_EQ(payloads[2], "");
  EXPECT_EQ(headers[3].kind, OutboxKind::close);
  EXPECT_EQ(headers[3].close_code, 1000);
  EXPECT_EQ(payloads[3], "bye");
  EXPECT_EQ(headers[4].close_code, 0);
  EXPECT_EQ(headers[5].kind, OutboxKind::preformatted);
  EXPECT_EQ(outbox->statistics().sent, 6u);
  EXPECT_EQ(outbox->statistics().sent_bytes, 12u);
}

TEST(Outbox, RefusesWhatTheProtocolForbids) {
  const auto outbox = make_outbox(4096);
  const std::string text(outbox->payload_bytes_max() + 1, 'x');
  const std::string_view all = text;
  EXPECT_EQ(outbox->try_send_text(1, all), Errc::message_too_large);
  EXPECT_EQ(outbox->try_send_ping(1, as_bytes(all.substr(0, 126))), Errc::frame_control_too_long);
  EXPECT_EQ(outbox->try_send_close(1, 1000, all.substr(0, 124)), Errc::close_payload_invalid);
  EXPECT_EQ(outbox->try_send_close(1, 0, "why"), Errc::close_payload_invalid);
  EXPECT_FALSE(outbox->try_read());
  EXPECT_EQ(outbox->try_send_ping(1, as_bytes(all.substr(0, 125))), Errc::ok);
  EXPECT_EQ(outbox->try_send_close(1, 1000, all.substr(0, 123)), Errc::ok);
  EXPECT_EQ(outbox->statistics().full, 0u);
}

TEST(Outbox, SaysFullAndTakesMoreLater) {
  const auto outbox = make_outbox(1024);
  std::uint64_t sent = 0;
  while (outbox->try_send_text(1, "order") == Errc::ok) ++sent;
  EXPECT_EQ(outbox->try_send_text(1, "order"), Errc::outbox_full);
  EXPECT_EQ(outbox->statistics().full, 2u);
  EXPECT_EQ(outbox->statistics().sent, sent);
  EXPECT_EQ(outbox->read_batch([](OutboxView) { return ReadVerdict::next; }, 2), 2u);
  EXPECT_EQ(outbox->try_send_text(1, "order"), Errc::ok);
  EXPECT_EQ(outbox->read_batch([](OutboxView) { return ReadVerdict::next; }), sent - 1);
}

TEST(Outbox, WritesAPayloadInPlace) {
  const auto outbox = make_outbox(4096);
  const MutableBytes room = outbox->try_claim(64);
  ASSERT_EQ(room.size(), 64u);
  std::memcpy(room.data(), "abc", 3);
  OutboxHeader header = Outbox::make_header(OutboxKind::text, 3);
  header.tag = 42;
  outbox->commit(header, 3);
  EXPECT_EQ(outbox->try_read().header().tag, 42u);
  EXPECT_EQ(as_text(outbox->try_read().payload()), "abc");
}

// There and back: a strategy answers each message; both rings at once, as in use.
TEST(MessageQueueStress, AnswersEveryMessageInOrder) {
  const auto queue = make_queue(32768);
  const auto outbox = make_outbox(8192);
  std::thread strategy([&] {
    std::uint32_t turns = 0;
    for (std::uint64_t count = 0; count < kStressMessages;) {
      const MessageView message = queue->spin_read([&] {
        if (++turns % 64 == 0) std::this_thread::yield();
        return false;
      });
      const std::uint64_t sequence = message.header().sequence;
      EXPECT_EQ(sequence, count++);
      EXPECT_EQ(message.payload().size(), sequence % 300);
      if (!message.payload().empty()) {
        EXPECT_EQ(message.payload().back(), static_cast<std::byte>(sequence));
      }
      const OutboxMarks marks{.cause_ticks = message.header().received_ticks, .queued_ticks = 0};
      queue->release();
      while (outbox->try_send_text(1, "order", marks) == Errc::outbox_full) {
        std::this_thread::yield();
      }
    }
  });
  std::uint64_t pushed = 0;
  std::uint64_t answered = 0;
  std::byte payload[300];
  while (answered < kStressMessages) {
    if (pushed < kStressMessages) {
      std::fill(std::begin(payload), std::end(payload), static_cast<std::byte>(pushed));
      const MessageHeader header = header_of(pushed);
      if (queue->try_push(header, Bytes(payload).first(pushed % 300)) == PushOutcome::pushed) {
        ++pushed;
      }
    }
    const std::size_t count = outbox->read_batch([&](OutboxView order) {
      EXPECT_EQ(order.header().marks.cause_ticks, answered + 1);
      ++answered;
      return ReadVerdict::next;
    });
    if (count == 0) std::this_thread::yield();
  }
  strategy.join();
  EXPECT_EQ(queue->statistics().pushed, kStressMessages);
  EXPECT_EQ(queue->statistics().dropped, 0u);
}

}  // namespace
}  // namespace zenwire
