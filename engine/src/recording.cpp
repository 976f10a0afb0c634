#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <optional>
#include <system_error>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <simdjson.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <zenwire/base/assert.hpp>
#include <zenwire/codec/base64.hpp>
#include <zenwire/codec/json_string.hpp>
#include <zenwire/engine/recording.hpp>

#include "recording_tail.hpp"
#include "timestamp.hpp"

namespace zenwire {

namespace {

constexpr std::size_t kPage_bytes = 4096;
static_assert(kReadPadding_bytes >= simdjson::SIMDJSON_PADDING);
static_assert(kReadPadding_bytes <= kPage_bytes);

tl::unexpected<Error> unreadable(const std::string& path, int os_error) {
  const Errc code = os_error == ENOENT ? Errc::recording_not_found : Errc::file_unreadable;
  return fail(code, path + ": " + std::generic_category().message(os_error), os_error);
}

// A file that closes itself.
struct File {
  explicit File(const std::string& path) noexcept
      : number(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY)) {}
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  ~File() {
    if (number >= 0) ::close(number);
  }
  int number;
};

}  // namespace

// ---- Recording --------------------------------------------------------------------------------

Result<Recording> Recording::open(const std::string& path) {
  const File file(path);
  struct stat status {};
  if (file.number < 0 || fstat(file.number, &status) != 0) return unreadable(path, errno);
  if (S_ISDIR(status.st_mode)) return unreadable(path, EISDIR);
  if (!S_ISREG(status.st_mode)) return unreadable(path, ESPIPE);
  const auto content =
      detail::find_recording_content(file.number, static_cast<std::uint64_t>(status.st_size));
  if (!content) return unreadable(path, content.error().os_error());
  Recording recording;
  recording.path_ = path;
  recording.bytes_ = static_cast<std::size_t>(*content);
  const std::size_t file_bytes = (recording.bytes_ + kPage_bytes - 1) & ~(kPage_bytes - 1);
  // An anonymous page behind the file's, for readers that look a little too far. Only pages that
  // hold content are mapped: those behind them go away when a recorder closes the file.
  recording.mapped_bytes_ = file_bytes + kPage_bytes;
  void* const at =
      mmap(nullptr, recording.mapped_bytes_, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (at == MAP_FAILED) return fail(Errc::memory_exhausted, "mapping " + path, errno);
  recording.data_ = static_cast<const char*>(at);
  if (file_bytes == 0) return recording;
  if (mmap(at, file_bytes, PROT_READ, MAP_SHARED | MAP_FIXED, file.number, 0) == MAP_FAILED) {
    return unreadable(path, errno);
  }
  madvise(at, file_bytes, MADV_SEQUENTIAL);
  return recording;
}

Recording::Recording(Recording&& other) noexcept {
  swap(other);
}

Recording& Recording::operator=(Recording&& other) noexcept {
  Recording(std::move(other)).swap(*this);
  return *this;
}

Recording::~Recording() {
  if (data_ != nullptr) munmap(const_cast<char*>(data_), mapped_bytes_);
}

void Recording::swap(Recording& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(data_, other.data_);
  std::swap(bytes_, other.bytes_);
  std::swap(mapped_bytes_, other.mapped_bytes_);
}

// ---- RecordingReader --------------------------------------------------------------------------

namespace {

// The values of a line as JSON tokens; empty: not there.
struct Line {
  std::string_view ts, dir, type, data, binary, ns, connection, epoch, session, sequence, redacted,
      event, reason;
};

struct Key {
  std::string_view name;
  std::string_view Line::*token;
};

constexpr Key kKeys[] = {
    {"ts", &Line::ts},           {"dir", &Line::dir},           {"type", &Line::type},
    {"data", &Line::data},       {"binary", &Line::binary},     {"ns", &Line::ns},
    {"conn", &Line::connection}, {"epoch", &Line::epoch},       {"session", &Line::session},
    {"seq", &Line::sequence},    {"redacted", &Line::redacted}, {"event", &Line::event},
    {"reason", &Line::reason},
};

std::string_view trimmed(std::string_view token) noexcept {
  const std::size_t end = token.find_last_not_of(" \t\r\n");
  return token.substr(0, end == std::string_view::npos ? 0 : end + 1);
}

bool is_string(std::string_view token) noexcept {
  return token.size() >= 2 && token.front() == '"' && token.back() == '"';
}

std::string_view inside(std::string_view token) noexcept {
  return token.substr(1, token.size() - 2);
}

// Of numbers that are not ours to refuse: absent if they are none of that type.
template <typename Integer>
std::optional<Integer> integer(std::string_view token) noexcept {
  Integer value = 0;
  const char* const end = token.data() + token.size();
  const auto [at, error] = std::from_chars(token.data(), end, value);
  if (token.empty() || error != std::errc() || at != end) return std::nullopt;
  return value;
}

std::optional<RecordType> type_of(std::string_view token) noexcept {
  if (!is_string(token)) return std::nullopt;
  for (std::size_t type = 0; type < kRecordTypes; ++type) {
    const auto candidate = static_cast<RecordType>(type);
    if (inside(token) == name(candidate)) return candidate;
  }
  return std::nullopt;
}

std::optional<std::uint64_t> time_of(std::string_view token) noexcept {
  return is_string(token) ? detail::parse_timestamp(inside(token)) : detail::parse_unix_time(token);
}

}  // namespace

class RecordingReader::Parser {
 public:
  explicit Parser(const Recording& recording) noexcept : content_(recording.content()) {}

  const RecordedMessage* next();
  const RecordingProblems& problems() const noexcept { return problems_; }
  void rewind() noexcept;

 private:
  // Each null if all is well, otherwise what is wrong.
  const char* parse(std::string_view text);
  const char* find_tokens(std::string_view text, Line& line);
  const char* take_message(const Line& line);
  const char* take_event(const Line& line);
  const char* take_payload(const Line& line);
  const char* take_close(std::string_view text);

  void check_sequence() noexcept;
  char* scratch(std::size_t bytes);
  // Unescaped into the scratch behind `offset`; null view if it is malformed.
  std::optional<std::string_view> unescaped(std::string_view token, std::size_t offset);

  std::string_view content_;
  std::size_t at_ = 0;
  RecordedMessage message_;
  RecordingProblems problems_;
  std::optional<std::uint64_t> expected_sequence_;
  simdjson::ondemand::parser lines_;
  simdjson::dom::parser closes_;
  std::vector<char> scratch_;
};

void RecordingReader::Parser::rewind() noexcept {
  at_ = 0;
  message_ = {};
  problems_ = {};
  expected_sequence_.reset();
}

const RecordedMessage* RecordingReader::Parser::next() {
  while (at_ < content_.size()) {
    const std::size_t newline = content_.find('\n', at_);
    const bool last = newline == std::string_view::npos;
    const std::string_view text =
        content_.substr(at_, last ? std::string_view::npos : newline - at_);
    at_ = last ? content_.size() : newline + 1;
    const std::uint64_t line = message_.line + 1;
    message_ = {};
    message_.line = line;
    message_.json = text;
    if (trimmed(text).empty()) {
      ++problems_.blank_lines;
      continue;
    }
    const char* const wrong = parse(text);
    if (wrong == nullptr) {
      check_sequence();
      return &message_;
    }
    if (last) {
      problems_.torn_bytes = text.size();
      break;
    }
    if (problems_.malformed_lines++ == 0) {
      problems_.first_malformed_line = line;
      problems_.first_malformed_why = wrong;
    }
  }
  return nullptr;
}

const char* RecordingReader::Parser::parse(std::string_view text) {
  Line line;
  if (const char* wrong = find_tokens(text, line)) return wrong;
  const auto type = type_of(line.type);
  if (!type) return "no type, or an unknown one";
  message_.type = *type;
  std::optional<std::uint64_t> ns = integer<std::uint64_t>(line.ns);
  if (!ns) ns = time_of(line.ts);
  if (!ns) return "no time, or neither ISO 8601 nor a number since 1970";
  message_.ns = *ns;
  message_.owner = {integer<std::uint32_t>(line.connection).value_or(0),
                    integer<std::uint32_t>(line.epoch).value_or(0),
                    integer<std::uint32_t>(line.session).value_or(0)};
  const auto sequence = integer<std::uint64_t>(line.sequence);
  message_.sequenced = sequence.has_value();
  message_.sequence = sequence.value_or(0);
  message_.redacted = line.redacted == "true";
  return *type == RecordType::event ? take_event(line) : take_message(line);
}

const char* RecordingReader::Parser::find_tokens(std::string_view text, Line& line) {
  simdjson::ondemand::document document;
  simdjson::ondemand::object object;
  // Behind every line there are readable bytes: the next line, or the padding.
  const std::size_t capacity = text.size() + kReadPadding_bytes;
  if (lines_.iterate(text.data(), text.size(), capacity).get(document) != simdjson::SUCCESS ||
      document.get_object().get(object) != simdjson::SUCCESS) {
    return "not a JSON object";
  }
  for (auto field : object) {
    std::string_view key;
    simdjson::ondemand::value value;
    if (field.unescaped_key().get(key) != simdjson::SUCCESS ||
        field.value().get(value) != simdjson::SUCCESS) {
      return "not a JSON object";
    }
    for (const Key& known : kKeys) {
      if (known.name == key) line.*known.token = trimmed(value.raw_json_token());
    }
  }
  const bool at_end = document.current_location().error() == simdjson::OUT_OF_BOUNDS;
  return at_end ? nullptr : "not a JSON object";
}

const char* RecordingReader::Parser::take_event(const Line& line) {
  if (!is_string(line.event)) return "an event without a name";
  scratch(line.event.size() + line.reason.size());
  const auto event = unescaped(line.event, 0);
  if (!event) return "an event without a name";
  message_.event = *event;
  if (is_string(line.reason)) message_.reason = unescaped(line.reason, event->size()).value_or("");
  return nullptr;
}

const char* RecordingReader::Parser::take_message(const Line& line) {
  if (line.dir == "\"in\"") {
    message_.direction = RecordDirection::in;
  } else if (line.dir == "\"out\"") {
    message_.direction = RecordDirection::out;
  } else {
    return "no direction, or an unknown one";
  }
  if (!is_string(line.data)) return "no data, or not a string";
  return take_payload(line);
}

const char* RecordingReader::Parser::take_payload(const Line& line) {
  if (message_.type == RecordType::binary || line.binary == "true") {
    // Base64 has no character that needs an escape, but "/" may have one.
    std::string_view text = inside(line.data);
    std::size_t offset = 0;
    scratch(2 * text.size());
    if (text.find('\\') != std::string_view::npos) {
      const auto meant = unescaped(line.data, 0);
      if (!meant) return "data is not base64";
      text = *meant;
      offset = text.size();
    }
    const MutableBytes room(reinterpret_cast<std::byte*>(scratch_.data() + offset),
                            base64_decoded_bytes_max(text.size()));
    const auto bytes = base64_decode(room, text);
    if (!bytes) return "data is not base64";
    message_.payload = room.first(*bytes);
    return nullptr;
  }
  scratch(line.data.size());
  const auto text = unescaped(line.data, 0);
  if (!text) return "data is not a JSON string";
  if (message_.type == RecordType::close) return take_close(*text);
  message_.payload = as_bytes(*text);
  return nullptr;
}

const char* RecordingReader::Parser::take_close(std::string_view text) {
  simdjson::dom::element close;
  std::uint64_t code = 0;
  std::string_view reason;
  if (closes_.parse(text.data(), text.size()).get(close) != simdjson::SUCCESS ||
      close["code"].get(code) != simdjson::SUCCESS || code > 0xffff) {
    return "a close without a code";
  }
  if (close["reason"].get(reason) != simdjson::SUCCESS) reason = {};
  if (code == 1005 && reason.empty()) return nullptr;
  // The text in the scratch has been read: the payload takes its place.
  char* const to = scratch(reason.size() + 2);
  store_big_endian(reinterpret_cast<std::byte*>(to), static_cast<std::uint16_t>(code));
  std::copy(reason.begin(), reason.end(), to + 2);
  message_.payload = as_bytes({to, reason.size() + 2});
  return nullptr;
}

void RecordingReader::Parser::check_sequence() noexcept {
  if (!message_.sequenced) return;
  // Smaller than expected: another recording begins here (files may be joined).
  if (expected_sequence_ && message_.sequence > *expected_sequence_) {
    problems_.sequence_gaps += message_.sequence - *expected_sequence_;
  }
  expected_sequence_ = message_.sequence + 1;
}

char* RecordingReader::Parser::scratch(std::size_t bytes) {
  if (scratch_.size() < bytes + kReadPadding_bytes) scratch_.resize(bytes + kReadPadding_bytes);
  return scratch_.data();
}

std::optional<std::string_view> RecordingReader::Parser::unescaped(std::string_view token,
                                                                   std::size_t offset) {
  const std::string_view escaped = inside(token);
  ZW_ASSERT(offset + escaped.size() + kReadPadding_bytes <= scratch_.size());
  char* const to = scratch_.data() + offset;
  const auto bytes = json_unescape(to, escaped);
  if (!bytes) return std::nullopt;
  return std::string_view(to, *bytes);
}

RecordingReader::RecordingReader(const Recording& recording)
    : parser_(std::make_unique<Parser>(recording)) {}
RecordingReader::RecordingReader(RecordingReader&&) noexcept = default;
RecordingReader& RecordingReader::operator=(RecordingReader&&) noexcept = default;
RecordingReader::~RecordingReader() = default;

const RecordedMessage* RecordingReader::next() {
  return parser_->next();
}
const RecordingProblems& RecordingReader::problems() const noexcept {
  return parser_->problems();
}
void RecordingReader::rewind() noexcept {
  parser_->rewind();
}

// ---- Summary ----------------------------------------------------------------------------------

RecordingSummary summarize(const Recording& recording) {
  RecordingSummary summary;
  RecordingReader reader(recording);
  while (const RecordedMessage* message = reader.next()) {
    ++summary.by_type[static_cast<std::size_t>(message->type)];
    if (summary.first_ns == 0) summary.first_ns = message->ns;
    summary.last_ns = message->ns;
    if (message->type == RecordType::event) continue;
    ++summary.messages;
    const std::uint64_t bytes = message->payload.size();
    const bool in = message->direction == RecordDirection::in;
    ++(in ? summary.in : summary.out);
    (in ? summary.bytes_in : summary.bytes_out) += bytes;
    summary.payload_bytes_max = std::max(summary.payload_bytes_max, bytes);
  }
  summary.problems = reader.problems();
  return summary;
}

std::string format_timestamp(std::uint64_t ns) {
  char text[detail::kTimestampSecond_bytes + sizeof ".000000Z"];
  detail::format_second(text, ns / detail::kNanos_per_second);
  std::snprintf(text + detail::kTimestampSecond_bytes, sizeof ".000000Z", ".%06uZ",
                static_cast<unsigned>(ns % detail::kNanos_per_second / 1000));
  return text;
}

}  // namespace zenwire
