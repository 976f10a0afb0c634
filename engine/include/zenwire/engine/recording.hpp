#pragma once

// Recording: a recording opened for reading; RecordingReader goes through it record by record.
//
// It reads what Recorder writes and what zen_websocket writes (any order of keys, ours missing).
// Tolerant: a line that is no record is counted and skipped, a torn last line is reported; zeros at
// the end, which a process that was killed leaves, are no part of it. A recording may be read while
// it is being written: what is there at open() is what is read.
//
// Threads: a Recording may be shared for reading; each reader is one thread's. A Recording outlives
// its readers. Cost: about 1 GB/s.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include <zenwire/base/bytes.hpp>
#include <zenwire/base/error.hpp>
#include <zenwire/engine/record.hpp>

namespace zenwire {

class Recording {
 public:
  // Errors: recording_not_found, file_unreadable (with errno), memory_exhausted.
  static Result<Recording> open(const std::string& path);

  Recording(Recording&& other) noexcept;
  Recording& operator=(Recording&& other) noexcept;
  ~Recording();

  // All lines, with kReadPadding_bytes readable behind them.
  [[nodiscard]] std::string_view content() const noexcept { return {data_, bytes_}; }
  [[nodiscard]] const std::string& path() const noexcept { return path_; }

 private:
  Recording() noexcept = default;
  void swap(Recording& other) noexcept;

  std::string path_;
  const char* data_ = nullptr;
  std::size_t bytes_ = 0;
  std::size_t mapped_bytes_ = 0;
};

// A record as read: a message, or an event (type event).
struct RecordedMessage {
  std::uint64_t ns = 0;  // since 1970: of `ns` if there is one, otherwise of `ts`
  RecordDirection direction = RecordDirection::in;
  RecordType type = RecordType::text;
  bool redacted = false;
  bool sequenced = false;  // has a `seq`
  RecordOwner owner;       // zeros where the recording does not say
  std::uint64_t sequence = 0;
  std::uint64_t line = 0;  // of the file, from 1
  // The payload as it was on the wire, of a close frame its code and reason; kReadPadding_bytes are
  // readable behind it. Empty for events.
  Bytes payload;
  std::string_view event;   // of an event: its name
  std::string_view reason;  // of an event
  std::string_view json;    // the whole line, for numbers that an event may have
};

struct RecordingProblems {
  std::uint64_t blank_lines = 0;
  std::uint64_t malformed_lines = 0;
  std::uint64_t first_malformed_line = 0;  // from 1; 0: none
  std::string_view first_malformed_why;    // of static storage
  std::uint64_t torn_bytes = 0;            // of a last line that is not finished
  std::uint64_t sequence_gaps = 0;         // lines missing by their `seq`
};

class RecordingReader {
 public:
  explicit RecordingReader(const Recording& recording);
  RecordingReader(RecordingReader&&) noexcept;
  RecordingReader& operator=(RecordingReader&&) noexcept;
  ~RecordingReader();

  // The next record, or null at the end. It and its views are valid until the next call.
  const RecordedMessage* next();

  // What next() has met so far.
  [[nodiscard]] const RecordingProblems& problems() const noexcept;

  // Back to the first record.
  void rewind() noexcept;

 private:
  class Parser;
  std::unique_ptr<Parser> parser_;
};

struct RecordingSummary {
  std::uint64_t messages = 0;  // records that are not events
  std::uint64_t in = 0;
  std::uint64_t out = 0;
  std::uint64_t by_type[kRecordTypes] = {};
  std::uint64_t bytes_in = 0;  // of payloads
  std::uint64_t bytes_out = 0;
  std::uint64_t payload_bytes_max = 0;
  std::uint64_t first_ns = 0;  // of the first and the last message or event; 0 if there is none
  std::uint64_t last_ns = 0;
  RecordingProblems problems;

  [[nodiscard]] std::uint64_t events() const noexcept {
    return by_type[static_cast<std::size_t>(RecordType::event)];
  }
  [[nodiscard]] std::uint64_t duration_ns() const noexcept {
    return last_ns > first_ns ? last_ns - first_ns : 0;
  }
};

// Reads it all.
RecordingSummary summarize(const Recording& recording);

// Time as the command prints it: "2026-01-20T15:30:45.123456Z".
std::string format_timestamp(std::uint64_t ns);

}  // namespace zenwire
