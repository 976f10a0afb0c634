#include "recording_tail.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include <simdjson.h>
#include <unistd.h>

#include <zenwire/base/assert.hpp>

namespace zenwire::detail {

namespace {

constexpr std::size_t kStep_bytes = 256 * 1024;
// A last line without a newline that is longer than this counts as torn.
constexpr std::uint64_t kLastLine_bytes_max = std::uint64_t{256} << 20;
constexpr std::size_t kFirstLine_bytes = 64 * 1024;
// What every line of ours begins with.
constexpr std::string_view kLineStart = R"({"ts":")";

bool read_all(int file, char* to, std::size_t bytes, std::uint64_t offset) noexcept {
  while (bytes != 0) {
    const ssize_t got = pread(file, to, bytes, static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    to += got;
    bytes -= static_cast<std::size_t>(got);
    offset += static_cast<std::uint64_t>(got);
  }
  return true;
}

tl::unexpected<Error> unreadable() noexcept {
  return fail(Errc::recording_failed, "cannot be read", errno);
}

// The last place in [0, end) whose byte pleases, plus one; 0 if there is none.
template <typename Pleases>
Result<std::uint64_t> find_last(int file, std::uint64_t end, Pleases pleases) {
  std::vector<char> step(kStep_bytes);
  while (end != 0) {
    const std::uint64_t begin = end > kStep_bytes ? end - kStep_bytes : 0;
    const auto bytes = static_cast<std::size_t>(end - begin);
    if (!read_all(file, step.data(), bytes, begin)) return unreadable();
    for (std::size_t at = bytes; at != 0; --at) {
      if (pleases(step[at - 1])) return begin + at;
    }
    end = begin;
  }
  return std::uint64_t{0};
}

Result<std::string> read_text(int file, std::uint64_t begin, std::uint64_t end) {
  ZW_ASSERT(begin <= end);
  std::string text(static_cast<std::size_t>(end - begin), '\0');
  if (!read_all(file, text.data(), text.size(), begin)) return unreadable();
  return text;
}

bool is_json_object(const std::string& text) {
  simdjson::dom::parser parser;
  simdjson::dom::object object;
  return parser.parse(text).get(object) == simdjson::SUCCESS;
}

bool is_blank(std::string_view text) noexcept {
  return text.find_first_not_of(" \t\r\n") == std::string_view::npos;
}

// Whether the file may be a recording, by its first line with something in it.
Result<bool> looks_like_recording(int file, std::uint64_t content_bytes) {
  const auto text = read_text(file, 0, std::min<std::uint64_t>(content_bytes, kFirstLine_bytes));
  if (!text) return tl::unexpected(text.error());
  const std::size_t begin = text->find_first_not_of(" \t\r\n");
  if (begin == std::string::npos) return true;
  const std::size_t newline = text->find('\n', begin);
  if (newline != std::string::npos) return is_json_object(text->substr(begin, newline - begin));
  const std::size_t compared = std::min(kLineStart.size(), text->size() - begin);
  if (text->compare(begin, compared, kLineStart.substr(0, compared)) == 0) return true;
  const bool long_line = text->size() == kFirstLine_bytes && (*text)[begin] == '{';
  return long_line || is_json_object(text->substr(begin));
}

// A quote within a string is escaped, so this finds a key of the line itself and nothing in data.
std::uint64_t sequence_behind(std::string_view line) noexcept {
  constexpr std::string_view kKey = R"(,"seq":)";
  const std::size_t key = line.rfind(kKey);
  if (key == std::string_view::npos) return 0;
  std::uint64_t sequence = 0;
  const char* const digits = line.data() + key + kKey.size();
  const auto [end, error] = std::from_chars(digits, line.data() + line.size(), sequence);
  return error == std::errc() && end != digits ? sequence + 1 : 0;
}

Result<std::uint64_t> next_sequence(int file, std::uint64_t whole_bytes) {
  constexpr std::uint64_t kEnough_bytes = 4096;
  const std::uint64_t begin = whole_bytes > kEnough_bytes ? whole_bytes - kEnough_bytes : 0;
  const auto text = read_text(file, begin, whole_bytes);
  if (!text) return tl::unexpected(text.error());
  std::string_view line(*text);
  while (!line.empty() && line.back() == '\n') line.remove_suffix(1);
  const std::size_t newline = line.rfind('\n');
  if (newline != std::string_view::npos) line.remove_prefix(newline + 1);
  return sequence_behind(line);
}

}  // namespace

Result<std::uint64_t> find_recording_content(int file, std::uint64_t file_bytes) {
  return find_last(file, file_bytes, [](char byte) { return byte != '\0'; });
}

Result<RecordingTail> find_recording_tail(int file, std::uint64_t file_bytes) {
  const auto content = find_recording_content(file, file_bytes);
  if (!content) return tl::unexpected(content.error());
  RecordingTail tail;
  if (*content == 0) return tail;
  const auto recording = looks_like_recording(file, *content);
  if (!recording) return tl::unexpected(recording.error());
  if (!*recording) {
    return fail(Errc::recording_malformed, "the file is not a recording: it is left as it is");
  }
  const auto lines = find_last(file, *content, [](char byte) { return byte == '\n'; });
  if (!lines) return tl::unexpected(lines.error());
  tail.whole_bytes = *lines;
  if (*lines != *content && *content - *lines <= kLastLine_bytes_max) {
    const auto last = read_text(file, *lines, *content);
    if (!last) return tl::unexpected(last.error());
    tail.newline_missing = is_json_object(*last) || is_blank(*last);
  }
  if (tail.newline_missing) {
    tail.whole_bytes = *content;
  } else {
    tail.torn_bytes = *content - *lines;
  }
  const auto sequence = next_sequence(file, tail.whole_bytes);
  if (!sequence) return tl::unexpected(sequence.error());
  tail.next_sequence = *sequence;
  return tail;
}

}  // namespace zenwire::detail
