#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <system_error>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <zenwire/base/assert.hpp>
#include <zenwire/base/prefetch.hpp>
#include <zenwire/base/want_of_memory.hpp>
#include <zenwire/codec/base64.hpp>
#include <zenwire/codec/json_string.hpp>
#include <zenwire/codec/utf8.hpp>
#include <zenwire/engine/recorder.hpp>

#include "recording_file.hpp"
#include "timestamp.hpp"

namespace zenwire {

namespace {

using detail::kNanos_per_second;

// A fixed piece of a line. It is copied whole and the line goes on behind its `size`: a copy of
// constant length is two or three instructions. What is copied too much is zeros, which is what the
// file holds there anyway.
template <std::size_t kCapacity>
struct Piece {
  std::array<char, kCapacity> text{};
  std::size_t size = 0;

  constexpr Piece() = default;
  constexpr Piece(std::initializer_list<std::string_view> parts) noexcept {
    for (const std::string_view part : parts) append(part);
  }
  constexpr void append(std::string_view part) noexcept {
    for (const char byte : part) text[size++] = byte;
  }
  void append_number(std::uint64_t number) noexcept {
    const auto result = std::to_chars(text.data() + size, text.data() + kCapacity, number);
    ZW_ASSERT(result.ec == std::errc());
    size = static_cast<std::size_t>(result.ptr - text.data());
  }
  char* copy_to(char* to) const noexcept {
    std::memcpy(to, text.data(), kCapacity);
    return to + size;
  }
};

using Middle = Piece<48>;

constexpr Middle middle(RecordDirection direction, RecordType type) {
  return {R"(Z","dir":")", name(direction), R"(","type":")", name(type), R"(","data":")"};
}

// Between the time and the payload.
constexpr Middle kMiddles[2][5] = {
    {middle(RecordDirection::in, RecordType::text), middle(RecordDirection::in, RecordType::binary),
     middle(RecordDirection::in, RecordType::close), middle(RecordDirection::in, RecordType::ping),
     middle(RecordDirection::in, RecordType::pong)},
    {middle(RecordDirection::out, RecordType::text),
     middle(RecordDirection::out, RecordType::binary),
     middle(RecordDirection::out, RecordType::close),
     middle(RecordDirection::out, RecordType::ping),
     middle(RecordDirection::out, RecordType::pong)}};

constexpr std::string_view kBinaryKey = R"(","binary":true)";
constexpr std::string_view kRedactedKey = R"(,"redacted":true)";

// All of a line but its payload, at most; and the shortest that can follow a payload, which must
// cover what the copies before it have left behind.
constexpr std::size_t kFrame_bytes = 384;
constexpr std::string_view kTailShortest = R"(","ns":0,"conn":0,"epoch":0,"session":0,"seq":0})"
                                           "\n";
static_assert(kTailShortest.size() >= kJsonEscapeSlack_bytes);
static_assert(kTailShortest.size() >= sizeof(Middle::text) - kMiddles[0][0].size);

// The last event of a recording that found the disk full has its room kept free.
constexpr std::size_t kLastEvent_bytes = 512;

constexpr std::size_t kEventName_bytes_max = 64;
constexpr std::size_t kReason_bytes_max = 1024;
constexpr std::size_t kEventNumbers_max = 16;
constexpr std::size_t kEvent_bytes_max =
    kFrame_bytes + json_escaped_max(kEventName_bytes_max) + json_escaped_max(kReason_bytes_max) +
    kEventNumbers_max * (json_escaped_max(kEventName_bytes_max) + 32);

// Large payloads go in chunks, so that no more room is asked for than they need. A multiple of 3,
// for base64.
constexpr std::size_t kChunk_bytes = 3 * 4096;
static_assert(base64_encoded_bytes(kChunk_bytes) <= json_escaped_max(kChunk_bytes));

// So much of the file is asked for before it is written to: some six lines of market data.
constexpr std::size_t kAhead_bytes = 2048;

constexpr char kSecretByte = '*';

// RFC 6455, section 5.5.
constexpr std::size_t kControl_bytes_max = 125;

// Eight decimal digits as they stand in memory: halves, then quarters, then single digits side by
// side in one word. Divisions by multiplication: exact for the numbers that each step has.
constexpr std::uint64_t eight_digits(std::uint32_t value) noexcept {
  constexpr std::uint64_t kZeros = 0x3030303030303030;
  const std::uint64_t fours = value / 10'000 | std::uint64_t{value % 10'000} << 32;
  const std::uint64_t hundreds = (fours * 10'486 >> 20) & 0x7f'0000'007f;
  const std::uint64_t twos = (fours - hundreds * 100) << 16 | hundreds;
  const std::uint64_t tens = (twos * 103 >> 10) & 0x000f'000f'000f'000f;
  return ((twos - tens * 10) << 8 | tens) + kZeros;
}
static_assert(eight_digits(12'345'678) == 0x3837363534333231);
static_assert(eight_digits(99'999'999) == 0x3939393939393939 &&
              eight_digits(9) == 0x3930303030303030);

// A time whose second is the current one: what of it changes from line to line, as text.
struct Moment {
  std::uint64_t ns;
  std::uint64_t eight;  // of the nine digits behind the second
  char ninth;
};

// A number that only ever grows by one, kept as text.
class TextCounter {
 public:
  explicit TextCounter(std::uint64_t value) noexcept { text_.append_number(value); }

  char* copy_to(char* to) const noexcept { return text_.copy_to(to); }

  void increment() noexcept {
    char& last = text_.text[text_.size - 1];
    if (last != '9') [[likely]] {
      ++last;
      return;
    }
    carry();
  }

 private:
  void carry() noexcept {
    std::size_t at = text_.size;
    while (at != 0 && text_.text[at - 1] == '9') text_.text[--at] = '0';
    if (at != 0) {
      ++text_.text[at - 1];
      return;
    }
    ZW_ASSERT(text_.size + 1 < text_.text.size());
    text_.text[text_.size++] = '0';
    text_.text[0] = '1';
  }

  Piece<24> text_;
};

std::uint64_t now_ns(clockid_t clock) noexcept {
  timespec now{};
  clock_gettime(clock, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * kNanos_per_second +
         static_cast<std::uint64_t>(now.tv_nsec);
}

std::string_view cut(std::string_view text, std::size_t bytes_max) noexcept {
  return text.substr(0, bytes_max);
}

// A close frame's payload, if it is one: {code, reason}; without a code 1005, as RFC 6455, section
// 7.1.5 has it.
struct RecordedClose {
  unsigned code = 1005;
  Bytes reason;
};

std::optional<RecordedClose> recorded_close(Bytes payload) noexcept {
  if (payload.empty()) return RecordedClose{};
  if (payload.size() < 2 || payload.size() > kControl_bytes_max) return {};
  const unsigned code = load_big_endian<std::uint16_t>(payload.data());
  const Bytes reason = payload.subspan(2);
  // 1005 on the wire is forbidden; written as it is, it would read back as "no code".
  if (code == 1005 || !is_utf8(reason)) return {};
  return RecordedClose{code, reason};
}

// The status file, or nothing.
Result<RecorderStatus*> map_status(const std::string& path) {
  const auto refused = [&] {
    const std::string text = path + ": " + std::generic_category().message(errno);
    return fail(Errc::recording_unwritable, text, errno);
  };
  const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOCTTY, 0644);
  if (file < 0) return refused();
  void* mapped = MAP_FAILED;
  if (posix_fallocate(file, 0, sizeof(RecorderStatus)) == 0) {
    mapped = mmap(nullptr, sizeof(RecorderStatus), PROT_READ | PROT_WRITE,
                  MAP_SHARED | MAP_POPULATE, file, 0);
  }
  const auto result = mapped == MAP_FAILED
                          ? Result<RecorderStatus*>(refused())
                          : Result<RecorderStatus*>(static_cast<RecorderStatus*>(mapped));
  ::close(file);
  return result;
}

// Counters have one writer: a plain store of the sum, which others may read at any time.
inline void add(std::uint64_t& counter, std::uint64_t more) noexcept {
  const std::atomic_ref<std::uint64_t> shared(counter);
  shared.store(shared.load(std::memory_order_relaxed) + more, std::memory_order_release);
}
inline std::uint64_t read(const std::uint64_t& counter) noexcept {
  return std::atomic_ref<std::uint64_t>(const_cast<std::uint64_t&>(counter))
      .load(std::memory_order_acquire);
}

}  // namespace

// The formatting half of a recorder, the writer's own but for the counters.
class Recorder::Writer {
 public:
  Writer(std::unique_ptr<detail::RecordingFile> file, const RecorderOptions& options) noexcept;
  ~Writer();

  Result<void> publish_status_in(const std::string& path);
  void begin_file() noexcept;

  void append(const RecordView& record) noexcept {
    ZW_ASSERT(record.type < RecordType::event);
    const bool plain = record.type <= RecordType::binary && record.secrets.empty();
    const std::size_t worst = json_escaped_max(record.payload.size()) + kFrame_bytes;
    if (!plain || limit_ - cursor_ < static_cast<std::ptrdiff_t>(worst)) [[unlikely]] {
      return append_carefully(record);
    }
    append_at_once(record);
  }
  void event(const EventView& event) noexcept;
  RecorderStats stats() const noexcept;
  std::optional<Error> error() const noexcept { return file_->error(); }
  Result<void> close() noexcept;

 private:
  // The hot way: room is there, nothing is unusual.
  void append_at_once(const RecordView& record) noexcept;
  void ask_ahead() noexcept;
  // The second of `ns` becomes the current one.
  Moment moment_of(std::uint64_t ns) noexcept;
  char* put_head(char* to, const RecordView& record, const Moment& moment) noexcept;
  char* put_tail(char* to, const RecordView& record, const Moment& moment, bool binary) noexcept;
  char* put_time(char* to, const Moment& moment) noexcept;
  char* put_ns(char* to, const Moment& moment) noexcept;
  char* put_owner_and_sequence(char* to, const RecordOwner& owner) noexcept;
  void finish_line(char* to) noexcept;
  [[gnu::noinline, gnu::cold]] void append_not_utf8(const RecordView& record, char* data,
                                                    const char* written) noexcept;
  [[gnu::noinline, gnu::cold]] void set_second(std::uint64_t second) noexcept;
  [[gnu::noinline]] void set_owner(const RecordOwner& owner) noexcept;

  // The careful way: any size, any type, waiting for room.
  [[gnu::noinline, gnu::cold]] void append_carefully(const RecordView& record) noexcept;
  bool begin_line(std::size_t bytes) noexcept;
  bool make_room(char* to, std::size_t bytes) noexcept;
  bool wait(const char* to, std::size_t bytes) noexcept;
  void refresh_limit() noexcept;
  void roll_back(const char* to) noexcept;
  void drop(std::size_t payload_bytes, std::uint64_t ns) noexcept;
  void report_drops() noexcept;
  void end_recording() noexcept;
  char* put_line(const RecordView& record) noexcept;
  char* put_payload(char* to, const RecordView& record, bool base64) noexcept;
  char* put_close(char* to, const RecordedClose& close) noexcept;
  static bool is_text(const RecordView& record, bool redacted) noexcept;
  char* put_event(char* to, const EventView& event) noexcept;

  std::unique_ptr<detail::RecordingFile> file_;
  char* cursor_ = nullptr;  // where the next line begins
  char* limit_ = nullptr;   // room for lines ends here
  char* asked_ = nullptr;   // up to here memory has been asked for
  RecorderStatus* status_ = &own_status_;
  TextCounter sequence_;

  std::uint64_t second_ = ~std::uint64_t{0};
  Piece<32> second_head_;  // {"ts":"2026-01-20T15:30:45.
  Piece<32> second_ns_;    // ,"ns":1768923045
  RecordOwner owner_;
  Piece<96> owner_text_;  // ,"conn":3,"epoch":1,"session":2,"seq":

  // Drops not yet told of in the file, and how long no append waits any more.
  std::uint64_t drops_untold_ = 0;
  std::uint64_t drops_untold_bytes_ = 0;
  std::uint64_t dropping_since_ns_ = 0;
  bool stalled_out_ = false;
  bool ended_ = false;
  std::uint64_t stall_ns_max_;

  RecorderStatus own_status_;
  std::uint64_t stalls_ = 0;
  std::uint64_t stalled_ns_ = 0;
  std::uint64_t stalled_ns_max_ = 0;
};

Recorder::Writer::Writer(std::unique_ptr<detail::RecordingFile> file,
                         const RecorderOptions& options) noexcept
    : file_(std::move(file)),
      cursor_(file_->begin()),
      limit_(cursor_),
      asked_(cursor_),
      sequence_(file_->tail().next_sequence),
      stall_ns_max_(options.stall_ns_max) {
  set_owner({});
}

Recorder::Writer::~Writer() {
  (void)close();
  if (status_ != &own_status_) munmap(status_, sizeof *status_);
}

Result<void> Recorder::Writer::publish_status_in(const std::string& path) {
  if (path.empty()) return {};
  const auto mapped = map_status(path);
  if (!mapped) return tl::unexpected(mapped.error());
  status_ = *mapped;
  *status_ = RecorderStatus{};
  return {};
}

// What must stand before the first record of this recorder.
void Recorder::Writer::begin_file() noexcept {
  const detail::RecordingTail& tail = file_->tail();
  if (tail.newline_missing && make_room(cursor_, 1)) {
    *cursor_++ = '\n';
    file_->publish(cursor_);
  }
  add(status_->bytes, tail.whole_bytes + (tail.newline_missing ? 1 : 0));
  if (tail.torn_bytes == 0) return;
  const EventNumber torn[] = {{"torn_bytes", tail.torn_bytes}};
  event({.ns = now_ns(CLOCK_REALTIME),
         .event = "recovered",
         .owner = {},
         .reason = "the last line was not finished: it was cut off",
         .numbers = torn});
}

// ---- The hot way ------------------------------------------------------------------------------

Moment Recorder::Writer::moment_of(std::uint64_t ns) noexcept {
  const std::uint64_t second = ns / kNanos_per_second;
  if (second != second_) [[unlikely]]
    set_second(second);
  const auto nanos = static_cast<std::uint32_t>(ns - second * kNanos_per_second);
  return {ns, eight_digits(nanos / 10), static_cast<char>('0' + nanos % 10)};
}

char* Recorder::Writer::put_time(char* to, const Moment& moment) noexcept {
  to = second_head_.copy_to(to);
  std::memcpy(to, &moment.eight, sizeof moment.eight);
  return to + 6;  // microseconds; the rest is overwritten
}

char* Recorder::Writer::put_ns(char* to, const Moment& moment) noexcept {
  to = second_ns_.copy_to(to);
  if (second_ == 0) [[unlikely]]  // no digits before the nanoseconds: no zeros before them either
    return std::to_chars(to, to + 10, moment.ns).ptr;
  std::memcpy(to, &moment.eight, sizeof moment.eight);
  to[8] = moment.ninth;
  return to + 9;
}

char* Recorder::Writer::put_head(char* to, const RecordView& record,
                                 const Moment& moment) noexcept {
  to = put_time(to, moment);
  const auto direction = static_cast<std::size_t>(record.direction);
  return kMiddles[direction][static_cast<std::size_t>(record.type)].copy_to(to);
}

char* Recorder::Writer::put_owner_and_sequence(char* to, const RecordOwner& owner) noexcept {
  if (owner != owner_) set_owner(owner);
  to = owner_text_.copy_to(to);
  return sequence_.copy_to(to);
}

char* Recorder::Writer::put_tail(char* to, const RecordView& record, const Moment& moment,
                                 bool binary) noexcept {
  if (binary) {
    std::memcpy(to, kBinaryKey.data(), kBinaryKey.size());
    to += kBinaryKey.size();
  } else {
    *to++ = '"';
  }
  to = put_ns(to, moment);
  to = put_owner_and_sequence(to, record.owner);
  if (!record.secrets.empty()) [[unlikely]] {
    std::memcpy(to, kRedactedKey.data(), kRedactedKey.size());
    to += kRedactedKey.size();
  }
  *to++ = '}';
  return to;
}

void Recorder::Writer::finish_line(char* to) noexcept {
  // Last of all stores of the line, also for the compiler: with it the line is complete.
  std::atomic_ref<char>(*to).store('\n', std::memory_order_release);
  cursor_ = to + 1;
  sequence_.increment();
  const std::uint64_t offset = file_->publish(cursor_);
  std::atomic_ref<std::uint64_t>(status_->bytes).store(offset, std::memory_order_release);
}

void Recorder::Writer::append_at_once(const RecordView& record) noexcept {
  const Moment moment = moment_of(record.ns);
  char* const data = put_head(cursor_, record, moment);
  char* to = data;
  const bool binary = record.type == RecordType::binary;
  if (binary) {
    to += base64_encode(data, record.payload);
  } else {
    const JsonEscaped escaped = json_escape(data, record.payload);
    to += escaped.bytes;
    if (!escaped.ascii && !record.utf8 && !detail::is_utf8_beyond_ascii(record.payload))
        [[unlikely]] {
      return append_not_utf8(record, data, to);
    }
  }
  finish_line(put_tail(to, record, moment, binary));
  add(status_->records, 1);
  ask_ahead();
}

// The memory of the next lines is in no cache of this core: another thread made it. Asked for now,
// it is there when it is written to.
inline void Recorder::Writer::ask_ahead() noexcept {
  char* const end = cursor_ + kAhead_bytes;
  for (asked_ = std::max(asked_, cursor_); asked_ < end; asked_ += detail::kCacheLine_bytes) {
    detail::prefetch_for_write(asked_);
  }
}

void Recorder::Writer::append_not_utf8(const RecordView& record, char* data,
                                       const char* written) noexcept {
  char* const end =
      put_tail(data + base64_encode(data, record.payload), record, moment_of(record.ns), true);
  // Base64 may be shorter than what was tried first.
  const char* const dirty = written + kJsonEscapeSlack_bytes;
  if (end < dirty) std::memset(end, 0, static_cast<std::size_t>(dirty - end));
  finish_line(end);
  add(status_->records, 1);
}

void Recorder::Writer::set_second(std::uint64_t second) noexcept {
  second_ = second;
  second_head_ = {R"({"ts":")"};
  detail::format_second(second_head_.text.data() + second_head_.size, second);
  second_head_.size += detail::kTimestampSecond_bytes;
  second_head_.append(".");
  second_ns_ = {R"(,"ns":)"};
  if (second != 0) second_ns_.append_number(second);
}

void Recorder::Writer::set_owner(const RecordOwner& owner) noexcept {
  owner_ = owner;
  owner_text_ = {R"(,"conn":)"};
  owner_text_.append_number(owner.connection);
  owner_text_.append(R"(,"epoch":)");
  owner_text_.append_number(owner.epoch);
  owner_text_.append(R"(,"session":)");
  owner_text_.append_number(owner.session);
  owner_text_.append(R"(,"seq":)");
}

// ---- The careful way --------------------------------------------------------------------------

void Recorder::Writer::refresh_limit() noexcept {
  char* const ready = file_->ready_end();
  limit_ = ready - cursor_ > static_cast<std::ptrdiff_t>(kLastEvent_bytes)
               ? ready - kLastEvent_bytes
               : cursor_;
}

// Waits for `bytes` from `to`, or not, as the options say.
bool Recorder::Writer::wait(const char* to, std::size_t bytes) noexcept {
  if (stall_ns_max_ == 0 || stalled_out_ || file_->exhausted()) return false;
  const std::uint64_t begin = now_ns(CLOCK_MONOTONIC);
  const bool there = file_->wait_for_room(to, bytes, stall_ns_max_);
  const std::uint64_t waited = now_ns(CLOCK_MONOTONIC) - begin;
  add(stalls_, 1);
  add(stalled_ns_, waited);
  if (waited > stalled_ns_max_) add(stalled_ns_max_, waited - stalled_ns_max_);
  stalled_out_ = !there;
  return there;
}

// Whether `bytes` may be written from `to` on, with the last event's room behind them.
bool Recorder::Writer::make_room(char* to, std::size_t bytes) noexcept {
  bytes += kLastEvent_bytes;
  const auto there = [&] { return file_->ready_end() - to >= static_cast<std::ptrdiff_t>(bytes); };
  const bool room = there() || wait(to, bytes);
  if (room) stalled_out_ = false;
  refresh_limit();
  return room;
}

// Before a line that needs at least `bytes`. The window is changed only here, between lines.
bool Recorder::Writer::begin_line(std::size_t bytes) noexcept {
  if (ended_) return false;
  if (!file_->in_window(cursor_, bytes + kLastEvent_bytes + kEvent_bytes_max)) {
    char* const moved = file_->move_window(bytes + kLastEvent_bytes + kEvent_bytes_max);
    if (moved != nullptr) cursor_ = asked_ = moved;
    refresh_limit();
    if (moved == nullptr) return false;
  }
  if (drops_untold_ != 0) {
    if (!make_room(cursor_, kEvent_bytes_max)) return false;
    report_drops();
  }
  return true;
}

void Recorder::Writer::append_carefully(const RecordView& record) noexcept {
  const std::size_t worst = json_escaped_max(record.payload.size()) + kFrame_bytes;
  char* end = nullptr;
  if (begin_line(worst)) end = put_line(record);
  if (end == nullptr) return drop(record.payload.size(), record.ns);
  finish_line(end);
  add(status_->records, 1);
  refresh_limit();
}

// The line but for its newline; null, and nothing of it left in the file, if there was no room.
char* Recorder::Writer::put_line(const RecordView& record) noexcept {
  if (!make_room(cursor_, kFrame_bytes)) return nullptr;
  const auto close = record.type == RecordType::close && record.secrets.empty()
                         ? recorded_close(record.payload)
                         : std::nullopt;
  const bool base64 = !close && !is_text(record, !record.secrets.empty());
  const Moment moment = moment_of(record.ns);
  char* const data = put_head(cursor_, record, moment);
  char* const end = close ? put_close(data, *close) : put_payload(data, record, base64);
  return end == nullptr ? nullptr : put_tail(end, record, moment, base64);
}

// Whether the payload, as it is going to be recorded, goes as text.
bool Recorder::Writer::is_text(const RecordView& record, bool redacted) noexcept {
  if (record.type == RecordType::binary || record.type == RecordType::close) return false;
  if (!redacted) return record.utf8 || is_utf8(record.payload);
  // Each part between secrets must be UTF-8 by itself.
  std::size_t at = 0;
  for (const SecretRange& secret : record.secrets) {
    const std::size_t begin = std::min(secret.offset, record.payload.size());
    if (begin > at && !is_utf8(record.payload.subspan(at, begin - at))) return false;
    at = std::max(at, begin + std::min(secret.bytes, record.payload.size() - begin));
  }
  return is_utf8(record.payload.subspan(at));
}

// Chunk by chunk, each with the secrets in it overwritten.
char* Recorder::Writer::put_payload(char* to, const RecordView& record, bool base64) noexcept {
  std::array<std::byte, kChunk_bytes> redacted;
  for (std::size_t at = 0; at < record.payload.size(); at += kChunk_bytes) {
    Bytes chunk = record.payload.subspan(at, std::min(kChunk_bytes, record.payload.size() - at));
    if (!make_room(to, json_escaped_max(chunk.size()) + kFrame_bytes)) {
      roll_back(to);
      return nullptr;
    }
    if (!record.secrets.empty()) {
      std::copy(chunk.begin(), chunk.end(), redacted.begin());
      for (const SecretRange& secret : record.secrets) {
        const std::size_t begin = std::clamp(secret.offset, at, at + chunk.size());
        const std::size_t most = at + chunk.size() - begin;
        const std::size_t before = begin - std::min(secret.offset, begin);
        const std::size_t bytes =
            secret.bytes > before ? std::min(secret.bytes - before, most) : std::size_t{0};
        std::memset(redacted.data() + (begin - at), kSecretByte, bytes);
      }
      chunk = Bytes(redacted).first(chunk.size());
    }
    to += base64 ? base64_encode(to, chunk) : json_escape(to, chunk).bytes;
  }
  return to;
}

// {"code":1000,"reason":"..."} within the string: what is escaped in it is escaped twice.
char* Recorder::Writer::put_close(char* to, const RecordedClose& close) noexcept {
  constexpr std::size_t kOnce_bytes_max = json_escaped_max(kControl_bytes_max);
  if (!make_room(to, json_escaped_max(kOnce_bytes_max) + kFrame_bytes)) {
    roll_back(to);
    return nullptr;
  }
  constexpr std::string_view kCode = R"({\"code\":)";
  constexpr std::string_view kReason = R"(,\"reason\":\")";
  constexpr std::string_view kEnd = R"(\"})";
  to = std::copy(kCode.begin(), kCode.end(), to);
  to = std::to_chars(to, to + 8, close.code).ptr;
  to = std::copy(kReason.begin(), kReason.end(), to);
  std::array<char, kOnce_bytes_max> once;
  const std::size_t bytes = json_escape(once.data(), close.reason).bytes;
  to += json_escape(to, as_bytes({once.data(), bytes})).bytes;
  return std::copy(kEnd.begin(), kEnd.end(), to);
}

// Takes back a line begun: zeros again up to where it got.
void Recorder::Writer::roll_back(const char* to) noexcept {
  const auto dirty = static_cast<std::size_t>(to - cursor_) + sizeof(Middle::text);
  const auto ready = static_cast<std::size_t>(file_->ready_end() - cursor_);
  std::memset(cursor_, 0, std::min(dirty, ready));
}

void Recorder::Writer::drop(std::size_t payload_bytes, std::uint64_t ns) noexcept {
  if (drops_untold_ == 0) dropping_since_ns_ = ns;
  ++drops_untold_;
  drops_untold_bytes_ += payload_bytes;
  add(status_->dropped, 1);
  add(status_->dropped_bytes, payload_bytes);
  if (file_->exhausted() && !ended_) end_recording();
  limit_ = cursor_;  // so that the next one comes this way, too
}

void Recorder::Writer::report_drops() noexcept {
  const EventNumber numbers[] = {{"dropped", drops_untold_},
                                 {"dropped_bytes", drops_untold_bytes_}};
  drops_untold_ = drops_untold_bytes_ = 0;
  const EventView event{.ns = dropping_since_ns_,
                        .event = "overflow",
                        .owner = {},
                        .reason = "the disk was too slow: messages are missing here",
                        .numbers = numbers};
  finish_line(put_event(cursor_, event));
  add(status_->events, 1);
}

// The last line of a recording that cannot go on, in the room kept for it.
void Recorder::Writer::end_recording() noexcept {
  ended_ = true;
  if (file_->ready_end() - cursor_ < static_cast<std::ptrdiff_t>(kLastEvent_bytes)) return;
  const auto error = file_->error();
  const EventView event{.ns = dropping_since_ns_,
                        .event = "overflow",
                        .owner = {},
                        .reason = error ? name(error->code()) : std::string_view(),
                        .numbers = {}};
  finish_line(put_event(cursor_, event));
  add(status_->events, 1);
}

char* Recorder::Writer::put_event(char* to, const EventView& event) noexcept {
  const auto put = [&](std::string_view text) { to = std::copy(text.begin(), text.end(), to); };
  const auto put_escaped = [&](std::string_view text, std::size_t bytes_max) {
    to += json_escape(to, utf8_prefix(as_bytes(cut(text, bytes_max)))).bytes;
  };
  const Moment moment = moment_of(event.ns);
  to = put_time(to, moment);
  put(R"(Z","type":"event","event":")");
  put_escaped(event.event, kEventName_bytes_max);
  put("\"");
  to = put_ns(to, moment);
  const auto numbers = event.numbers.first(std::min(event.numbers.size(), kEventNumbers_max));
  for (const EventNumber& number : numbers) {
    put(",\"");
    put_escaped(number.name, kEventName_bytes_max);
    put("\":");
    to = std::to_chars(to, to + 20, number.value).ptr;
  }
  if (!event.reason.empty()) {
    put(R"(,"reason":")");
    put_escaped(event.reason, kReason_bytes_max);
    put("\"");
  }
  to = put_owner_and_sequence(to, event.owner);
  *to++ = '}';
  return to;
}

void Recorder::Writer::event(const EventView& event) noexcept {
  if (!begin_line(kEvent_bytes_max) || !make_room(cursor_, kEvent_bytes_max)) {
    return drop(0, event.ns);
  }
  finish_line(put_event(cursor_, event));
  add(status_->events, 1);
  refresh_limit();
}

RecorderStats Recorder::Writer::stats() const noexcept {
  RecorderStats stats;
  stats.status.records = read(status_->records);
  stats.status.events = read(status_->events);
  stats.status.bytes = read(status_->bytes);
  stats.status.dropped = read(status_->dropped);
  stats.status.dropped_bytes = read(status_->dropped_bytes);
  stats.stalls = read(stalls_);
  stats.stalled_ns = read(stalled_ns_);
  stats.stalled_ns_max = read(stalled_ns_max_);
  const detail::RecordingFileStats file = file_->stats();
  stats.segments = file.segments;
  stats.segments_synced = file.segments_synced;
  stats.torn_bytes = file.torn_bytes;
  return stats;
}

Result<void> Recorder::Writer::close() noexcept {
  if (!ended_ && drops_untold_ != 0) begin_line(kFrame_bytes);  // which tells of them
  ended_ = true;
  limit_ = cursor_;
  return file_->close();
}

// ---- Recorder ---------------------------------------------------------------------------------

Recorder::Recorder(std::unique_ptr<Writer> writer) noexcept : writer_(std::move(writer)) {}
Recorder::Recorder(Recorder&&) noexcept = default;
Recorder& Recorder::operator=(Recorder&&) noexcept = default;
Recorder::~Recorder() = default;

Result<Recorder> Recorder::open(const RecorderOptions& options) {
  return or_memory_exhausted([&]() -> Result<Recorder> {
    // The validator chooses its kernel when it is first called, and allocates for that: now, rather
    // than in an append.
    (void)detail::is_utf8_beyond_ascii(as_bytes("\xc3\xa9"));
    auto file = detail::RecordingFile::open(options);
    if (!file) return tl::unexpected(file.error());
    auto writer = std::make_unique<Writer>(std::move(*file), options);
    if (auto published = writer->publish_status_in(options.status_path); !published) {
      return tl::unexpected(published.error());
    }
    writer->begin_file();
    return Recorder(std::move(writer));
  });
}

void Recorder::append(const RecordView& record) noexcept {
  writer_->append(record);
}
void Recorder::event(const EventView& event) noexcept {
  writer_->event(event);
}
RecorderStats Recorder::stats() const noexcept {
  return writer_->stats();
}
std::optional<Error> Recorder::error() const noexcept {
  return writer_->error();
}
Result<void> Recorder::close() noexcept {
  return writer_->close();
}

}  // namespace zenwire
