#pragma once

// Where a recording ends: a process that was killed leaves whole lines, then perhaps a torn one,
// then zeros.

#include <cstdint>

#include <zenwire/base/error.hpp>

namespace zenwire::detail {

struct RecordingTail {
  std::uint64_t whole_bytes = 0;    // the lines that stay
  std::uint64_t torn_bytes = 0;     // of a torn line behind them
  std::uint64_t next_sequence = 0;  // behind the last line's `seq`; 0 if it has none
  bool newline_missing = false;     // the last line is whole but for its newline
};

// Reads from the end of the file as far as its last line. Errors: recording_malformed if its first
// line is nothing that a recording begins with (so that no other file is cut or appended to);
// recording_failed if it cannot be read.
Result<RecordingTail> find_recording_tail(int file, std::uint64_t file_bytes);

// Where the zeros at the end begin.
Result<std::uint64_t> find_recording_content(int file, std::uint64_t file_bytes);

}  // namespace zenwire::detail
