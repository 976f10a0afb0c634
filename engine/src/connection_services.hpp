#pragma once

// ConnectionServices: what the connections of one reactor share. The reactor owns all of it; a test
// makes its own.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include <zenwire/base/bytes.hpp>
#include <zenwire/base/callback.hpp>
#include <zenwire/engine/buffer_pool.hpp>
#include <zenwire/engine/connection.hpp>
#include <zenwire/engine/io.hpp>
#include <zenwire/engine/latency.hpp>
#include <zenwire/engine/masking_keys.hpp>
#include <zenwire/engine/recorder.hpp>

namespace zenwire::detail {

class JournalUser;

// Received messages of the burst in hand that are still to be recorded. Recording comes after
// settle, so that the disk's page is not touched between the wire and the strategy; the payloads
// stay where they are until the window moves.
class UnrecordedMessages {
 public:
  struct Entry {
    Recorder* recorder;
    RecordView record;
  };
  static constexpr std::size_t kEntries_max = 128;

  void add(Recorder& recorder, const RecordView& record) noexcept {
    if (count_ == kEntries_max) [[unlikely]]
      flush();
    entries_[count_++] = {&recorder, record};
  }
  void flush() noexcept {
    for (std::size_t i = 0; i < count_; ++i) entries_[i].recorder->append(entries_[i].record);
    count_ = 0;
  }
  [[nodiscard]] bool empty() const noexcept { return count_ == 0; }

 private:
  std::size_t count_ = 0;
  std::array<Entry, kEntries_max> entries_{};
};

// What of the message in hand is not to be recorded. With one value too many, the last reaches to
// the new one.
class HiddenValues {
 public:
  static constexpr std::size_t kValues_max = 32;

  void add(SecretRange value) noexcept {
    if (count_ == kValues_max) {
      const SecretRange& last = ranges_[--count_];
      const std::size_t end = std::max(last.offset + last.bytes, value.offset + value.bytes);
      value.offset = std::min(last.offset, value.offset);
      value.bytes = end - value.offset;
    }
    ranges_[count_++] = value;
  }
  void clear() noexcept { count_ = 0; }
  [[nodiscard]] std::span<const SecretRange> ranges() const noexcept {
    return {ranges_.data(), count_};
  }

 private:
  std::size_t count_ = 0;
  std::array<SecretRange, kValues_max> ranges_{};
};

struct ConnectionServices {
  MaskingKeys& keys;
  BufferPool& large;
  TickSource ticks;
  // Where a frame is put together before it is encrypted. One record of TLS holds at most this.
  MutableBytes frame_scratch;
  // Send what waits, now: the connection's output() has grown.
  Callback<Connection&> flush;
  // Look at the connection in this turn: it was resumed, is closing, or has ended.
  Callback<Connection&> attention;
  LatencyRecorder* latency = nullptr;
  // The reactor's journal, or null.
  JournalUser* journal = nullptr;
  // Nanoseconds since 1970 of the turn in hand, for records of what is sent.
  std::uint64_t wall_ns = 0;
  std::uint64_t large_buffer_waits = 0;
  UnrecordedMessages unrecorded = {};
  HiddenValues hidden = {};
};

inline constexpr std::size_t kFrameScratch_bytes = std::size_t{16} << 10;

}  // namespace zenwire::detail
