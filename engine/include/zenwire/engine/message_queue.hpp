#pragma once

// MessageQueue and Outbox: the two directions between the reactor and a strategy thread, each one
// ByteQueue with a header in front of every payload.
//
//   reactor --- MessageQueue: messages and connection events, in order ---> strategy
//   reactor <-- Outbox: what to send, and on which connection ------------- strategy
//
// Nothing is lost in silence. A full MessageQueue either makes the reactor stop reading that
// connection (so that TCP pushes back on the peer: the default), or drops the newest message and
// says so: it is counted, and the next header that gets through carries how many are missing before
// it. Connection events (kinds that are not is_message()) are never dropped: full is full, and the
// reactor tries again.
//
// Time stamps come from the caller; a queue reads no clock.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <new>
#include <string_view>
#include <type_traits>
#include <utility>

#include <zenwire/base/assert.hpp>
#include <zenwire/base/bytes.hpp>
#include <zenwire/base/error.hpp>
#include <zenwire/engine/byte_queue.hpp>
#include <zenwire/engine/message_header.hpp>

namespace zenwire {

namespace detail {

// A count with one writing thread, which any thread may read.
class SharedCount {
 public:
  void add(std::uint64_t count = 1) noexcept { set(get() + count); }
  void set(std::uint64_t value) noexcept { value_.store(value, std::memory_order_relaxed); }
  [[nodiscard]] std::uint64_t get() const noexcept {
    return value_.load(std::memory_order_relaxed);
  }

 private:
  std::atomic<std::uint64_t> value_{0};
};

}  // namespace detail

enum class FullPolicy : std::uint8_t {
  stop_reading,  // try_push says full; the reactor withholds the connection until has_room()
  drop_newest,   // try_push says dropped; the gap shows in the next header
};

enum class PushOutcome : std::uint8_t {
  pushed,
  full,       // nothing happened; ask has_room() and push again
  dropped,    // counted; will show in the next header
  too_large,  // more than payload_bytes_max(): it can never pass; counted, will show as dropped too
};

struct MessageQueueOptions {
  // A power of two, in bytes. A payload may take up to half of it, less payload_overhead_bytes.
  std::size_t capacity_bytes = std::size_t{4} << 20;
  FullPolicy on_full = FullPolicy::stop_reading;
  MappedMemoryOptions memory = {};
};

struct MessageQueueStatistics {
  std::uint64_t pushed = 0;        // records, events too
  std::uint64_t pushed_bytes = 0;  // of payload
  std::uint64_t dropped = 0;       // messages, the too large ones too
  std::uint64_t too_large = 0;
  std::uint64_t full = 0;  // refused or dropped for want of room
  std::uint64_t high_water_bytes = 0;
  std::uint64_t capacity_bytes = 0;
};

// What the consumer sees: a view into the ring until release().
class MessageView {
 public:
  MessageView() noexcept = default;
  explicit MessageView(Bytes record) noexcept : record_(record) {}

  // False: there was nothing to read.
  explicit operator bool() const noexcept { return record_.data() != nullptr; }
  [[nodiscard]] const MessageHeader& header() const noexcept {
    ZW_DEBUG_ASSERT(record_.size() >= sizeof(MessageHeader));
    return *std::launder(reinterpret_cast<const MessageHeader*>(record_.data()));
  }
  // Followed by kReadPadding_bytes that may be read.
  [[nodiscard]] Bytes payload() const noexcept { return record_.subspan(sizeof(MessageHeader)); }

 private:
  Bytes record_;
};

// Threads: the reactor pushes, one strategy thread reads; statistics() from any. Lifetime: views
// die at release(). Cost: that of ByteQueue and one copy of the payload.
class MessageQueue {
 public:
  // Errors: invalid_option for a bad capacity; memory_exhausted.
  static Result<std::unique_ptr<MessageQueue>> make(
      const MessageQueueOptions& options = {}) noexcept;

  // `memory` as for ByteQueue.
  MessageQueue(MappedMemory memory, FullPolicy on_full) noexcept
      : ring_(std::move(memory)), on_full_(on_full) {
    ZW_ASSERT(ring_.record_bytes_max() >= sizeof(MessageHeader));
  }

  [[nodiscard]] FullPolicy on_full() const noexcept { return on_full_; }
  // A message above it can never pass: it is dropped and counted, whatever the policy. Keep the
  // connections' limits.message_bytes_max at or below it.
  [[nodiscard]] std::size_t payload_bytes_max() const noexcept {
    return ring_.record_bytes_max() - sizeof(MessageHeader);
  }

  // Reactor: copies header and payload in. The queue sets payload_bytes, dropped_before and its
  // flag.
  PushOutcome try_push(const MessageHeader& header, Bytes payload) noexcept;
  // Reactor: the same in two steps, for a producer that writes the payload where it will lie (a
  // decompressor). data() is null when there is no room; then, or when the payload turns out to be
  // unwanted, refused() or abort() says what became of it.
  [[nodiscard]] MutableBytes try_claim(std::size_t payload_bytes) noexcept;
  void commit(const MessageHeader& header, std::size_t payload_bytes) noexcept;
  void abort() noexcept { ring_.abort(); }
  // Reactor: accounts for a message that found no room, by the policy.
  [[gnu::noinline, gnu::cold]] PushOutcome refused(MessageKind kind,
                                                   std::size_t payload_bytes) noexcept;
  // Reactor: whether a payload of that size would pass now; for polling while reading is withheld.
  [[nodiscard]] bool has_room(std::size_t payload_bytes) noexcept {
    return ring_.has_room(sizeof(MessageHeader) + payload_bytes);
  }

  // Strategy: the front message, or a false view. The same again until release().
  [[nodiscard]] MessageView try_read() noexcept { return MessageView(ring_.try_read()); }
  void release() noexcept { ring_.release(); }
  // Strategy: up to `count_max` messages to handler(MessageView) -> ReadVerdict; how many were
  // consumed.
  template <typename Handler>
  std::size_t read_batch(Handler&& handler,
                         std::size_t count_max = std::numeric_limits<std::size_t>::max()) noexcept {
    return ring_.read_batch([&](Bytes record) noexcept { return handler(MessageView(record)); },
                            count_max);
  }
  // Strategy: spins until there is a message, or stop() is true (then false).
  template <typename Stop>
  [[nodiscard]] MessageView spin_read(Stop&& stop) noexcept {
    return MessageView(ring_.spin_read(stop));
  }

  // Any thread. Each count is exact; together they are not one instant.
  [[nodiscard]] MessageQueueStatistics statistics() const noexcept;
  // Reactor: what of it is in use now.
  [[nodiscard]] std::size_t used_bytes() const noexcept { return ring_.used_bytes(); }

  void unbind_producer() noexcept { ring_.unbind_producer(); }
  void unbind_consumer() noexcept { ring_.unbind_consumer(); }

 private:
  ByteQueue<> ring_;
  // The reactor's.
  alignas(64) std::byte* claimed_ = nullptr;
  FullPolicy on_full_;
  std::uint32_t dropped_before_ = 0;
  detail::SharedCount pushed_;
  detail::SharedCount pushed_bytes_;
  detail::SharedCount dropped_;
  detail::SharedCount too_large_;
  detail::SharedCount full_;
  detail::SharedCount high_water_bytes_;
};

inline MutableBytes MessageQueue::try_claim(std::size_t payload_bytes) noexcept {
  if (payload_bytes > payload_bytes_max()) [[unlikely]]
    return {};
  const MutableBytes record = ring_.try_claim(sizeof(MessageHeader) + payload_bytes);
  if (record.data() == nullptr) [[unlikely]]
    return {};
  claimed_ = record.data();
  return record.subspan(sizeof(MessageHeader));
}

inline void MessageQueue::commit(const MessageHeader& header, std::size_t payload_bytes) noexcept {
  auto* placed = new (claimed_) MessageHeader(header);
  placed->payload_bytes = static_cast<std::uint32_t>(payload_bytes);
  placed->dropped_before = dropped_before_;
  if (dropped_before_ != 0) [[unlikely]]
    placed->flags |= kDroppedBefore;
  dropped_before_ = 0;
  ring_.commit(sizeof(MessageHeader) + payload_bytes);
  pushed_.add();
  pushed_bytes_.add(payload_bytes);
  high_water_bytes_.set(ring_.high_water_bytes());
}

inline PushOutcome MessageQueue::try_push(const MessageHeader& header, Bytes payload) noexcept {
  const MutableBytes room = try_claim(payload.size());
  if (room.data() == nullptr) [[unlikely]]
    return refused(header.kind, payload.size());
  if (!payload.empty()) std::memcpy(room.data(), payload.data(), payload.size());
  commit(header, payload.size());
  return PushOutcome::pushed;
}

// ---------------------------------------------------------------------------------------------

enum class OutboxKind : std::uint8_t {
  text = 1,
  binary = 2,
  close = 8,
  ping = 9,
  pong = 10,
  preformatted = 16,  // whole frames, masked already: they go out as they are
};

// Where to: a connection, and optionally which of its lives. An order that was meant for a
// connection which has meanwhile been replaced must not slip into its successor.
struct OutboxTarget {
  static constexpr std::uint32_t kAnyEpoch = std::numeric_limits<std::uint32_t>::max();

  OutboxTarget(std::uint32_t connection_id,  // NOLINT: implicit, so that an id will do
               std::uint32_t connection_epoch = kAnyEpoch) noexcept
      : connection(connection_id), epoch(connection_epoch) {}

  std::uint32_t connection;
  std::uint32_t epoch;
};

// Time-stamp counter values for the latency stages; 0 where not measured.
struct OutboxMarks {
  std::uint64_t cause_ticks = 0;   // received_ticks of the message that this answers
  std::uint64_t queued_ticks = 0;  // when it was put here
};

struct OutboxHeader {
  OutboxMarks marks = {};
  std::uint64_t tag = 0;  // the user's own, for logs and completions
  std::uint32_t connection = 0;
  std::uint32_t epoch = OutboxTarget::kAnyEpoch;
  std::uint32_t payload_bytes = 0;  // set by the outbox
  std::uint16_t close_code = 0;     // of a `close`; 0 sends none (RFC 6455, section 5.5.1)
  OutboxKind kind = OutboxKind::text;
  std::uint8_t reserved = 0;
};
static_assert(sizeof(OutboxHeader) == 40 && std::is_trivially_copyable_v<OutboxHeader>);

class OutboxView {
 public:
  OutboxView() noexcept = default;
  explicit OutboxView(Bytes record) noexcept : record_(record) {}

  explicit operator bool() const noexcept { return record_.data() != nullptr; }
  [[nodiscard]] const OutboxHeader& header() const noexcept {
    ZW_DEBUG_ASSERT(record_.size() >= sizeof(OutboxHeader));
    return *std::launder(reinterpret_cast<const OutboxHeader*>(record_.data()));
  }
  [[nodiscard]] Bytes payload() const noexcept { return record_.subspan(sizeof(OutboxHeader)); }

 private:
  Bytes record_;
};

struct OutboxOptions {
  std::size_t capacity_bytes = std::size_t{1} << 20;  // a power of two
  MappedMemoryOptions memory = {};
};

struct OutboxStatistics {
  std::uint64_t sent =
      0;  // accepted here; what became of it on the wire is the connection's to say
  std::uint64_t sent_bytes = 0;
  std::uint64_t full = 0;
  std::uint64_t high_water_bytes = 0;
  std::uint64_t capacity_bytes = 0;
};

// Threads: one strategy thread sends, the reactor takes; statistics() from any.
// Errors of the try_ calls are codes, not Results, which are 256 bytes: outbox_full;
// message_too_large above payload_bytes_max(); close_payload_invalid and frame_control_too_long
// where RFC 6455, section 5.5, sets a limit. Nothing is queued then. Whether the connection exists
// is found out by the reactor.
class Outbox {
 public:
  static constexpr std::size_t kControlPayload_bytes_max = 125;
  static constexpr std::size_t kCloseReason_bytes_max = kControlPayload_bytes_max - 2;

  // Errors: invalid_option for a bad capacity; memory_exhausted.
  static Result<std::unique_ptr<Outbox>> make(const OutboxOptions& options = {}) noexcept;

  explicit Outbox(MappedMemory memory) noexcept : ring_(std::move(memory)) {
    ZW_ASSERT(ring_.record_bytes_max() >= sizeof(OutboxHeader) + kControlPayload_bytes_max);
  }

  [[nodiscard]] std::size_t payload_bytes_max() const noexcept {
    return ring_.record_bytes_max() - sizeof(OutboxHeader);
  }

  Errc try_send_text(OutboxTarget target, Bytes payload, OutboxMarks marks = {}) noexcept {
    return try_send(make_header(OutboxKind::text, target, marks), payload);
  }
  Errc try_send_text(OutboxTarget target, std::string_view payload,
                     OutboxMarks marks = {}) noexcept {
    return try_send_text(target, as_bytes(payload), marks);
  }
  Errc try_send_binary(OutboxTarget target, Bytes payload, OutboxMarks marks = {}) noexcept {
    return try_send(make_header(OutboxKind::binary, target, marks), payload);
  }
  Errc try_send_preformatted(OutboxTarget target, Bytes frames, OutboxMarks marks = {}) noexcept {
    return try_send(make_header(OutboxKind::preformatted, target, marks), frames);
  }
  Errc try_send_ping(OutboxTarget target, Bytes payload = {}) noexcept {
    return try_send(make_header(OutboxKind::ping, target, {}), payload);
  }
  Errc try_send_close(OutboxTarget target, std::uint16_t code,
                      std::string_view reason = {}) noexcept;
  // All of the above, with the header given (for a tag of one's own).
  Errc try_send(const OutboxHeader& header, Bytes payload) noexcept;

  // Zero copy: write up to `payload_bytes` where they will lie. data() is null when there is no
  // room, or never will be (above payload_bytes_max()).
  [[nodiscard]] MutableBytes try_claim(std::size_t payload_bytes) noexcept;
  void commit(const OutboxHeader& header, std::size_t payload_bytes) noexcept;
  void abort() noexcept { ring_.abort(); }

  static OutboxHeader make_header(OutboxKind kind, OutboxTarget target,
                                  OutboxMarks marks = {}) noexcept {
    return {.marks = marks, .connection = target.connection, .epoch = target.epoch, .kind = kind};
  }

  // Reactor.
  [[nodiscard]] OutboxView try_read() noexcept { return OutboxView(ring_.try_read()); }
  void release() noexcept { ring_.release(); }
  template <typename Handler>
  std::size_t read_batch(Handler&& handler,
                         std::size_t count_max = std::numeric_limits<std::size_t>::max()) noexcept {
    return ring_.read_batch([&](Bytes record) noexcept { return handler(OutboxView(record)); },
                            count_max);
  }

  [[nodiscard]] OutboxStatistics statistics() const noexcept;

  void unbind_producer() noexcept { ring_.unbind_producer(); }
  void unbind_consumer() noexcept { ring_.unbind_consumer(); }

 private:
  [[gnu::noinline, gnu::cold]] Errc refused(std::size_t payload_bytes) noexcept;

  ByteQueue<> ring_;
  // The strategy's.
  alignas(64) std::byte* claimed_ = nullptr;
  detail::SharedCount sent_;
  detail::SharedCount sent_bytes_;
  detail::SharedCount full_;
  detail::SharedCount high_water_bytes_;
};

inline Errc Outbox::try_send(const OutboxHeader& header, Bytes payload) noexcept {
  const bool control = header.kind == OutboxKind::ping || header.kind == OutboxKind::pong;
  if (control && payload.size() > kControlPayload_bytes_max) return Errc::frame_control_too_long;
  const MutableBytes room = try_claim(payload.size());
  if (room.data() == nullptr) [[unlikely]]
    return refused(payload.size());
  if (!payload.empty()) std::memcpy(room.data(), payload.data(), payload.size());
  commit(header, payload.size());
  return Errc::ok;
}

inline MutableBytes Outbox::try_claim(std::size_t payload_bytes) noexcept {
  if (payload_bytes > payload_bytes_max()) [[unlikely]]
    return {};
  const MutableBytes record = ring_.try_claim(sizeof(OutboxHeader) + payload_bytes);
  if (record.data() == nullptr) [[unlikely]]
    return {};
  claimed_ = record.data();
  return record.subspan(sizeof(OutboxHeader));
}

inline void Outbox::commit(const OutboxHeader& header, std::size_t payload_bytes) noexcept {
  auto* placed = new (claimed_) OutboxHeader(header);
  placed->payload_bytes = static_cast<std::uint32_t>(payload_bytes);
  ring_.commit(sizeof(OutboxHeader) + payload_bytes);
  sent_.add();
  sent_bytes_.add(payload_bytes);
  high_water_bytes_.set(ring_.high_water_bytes());
}

}  // namespace zenwire
