#include "journal.hpp"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <system_error>

#include <fcntl.h>
#include <nmmintrin.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <zenwire/base/assert.hpp>

#include "journal_input.hpp"
#include "recording_file.hpp"

namespace zenwire::detail {
namespace {

constexpr std::string_view kMagic = "zwjrnl1\n";
// The fields of an event without its blocks, at most, and the run of quiet calls before it.
constexpr std::size_t kFields_bytes_max = 512;
constexpr std::size_t kNumber_bytes_max = 10;  // 64 bits, 7 a byte
constexpr std::size_t kSegment_bytes = std::size_t{4} << 20;
constexpr std::uint64_t kStall_ns_max = 250'000'000;
// What a clock does once the journal has ended, so that every deadline passes.
constexpr Instant_ns kAfterEnd_ns = 1'000'000'000;

constexpr std::string_view kNames[] = {
    "end",         "head",        "quiet",         "reap",          "take",        "settle",
    "send",        "submit_poll", "submit_cancel", "shutdown_send", "close",       "wall_clock",
    "masking_key", "deadline",    "arrival",       "stage",         "outbox",      "stop",
    "push",        "tls_read",    "tls_write",     "tls_close",     "callback",    "returned",
    "call",        "outcome",     "user_clock",    "user_wall",     "user_random", "inflated",
    "notice"};
static_assert(std::size(kNames) == static_cast<std::size_t>(JournalEvent::count_));

Error file_error(Errc code, const std::string& path, int os_error) {
  return {code, path + ": " + std::generic_category().message(os_error), os_error};
}

// A journal holds one run. An older one at the same path is replaced, any other file left alone.
Result<void> make_way(const std::string& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
  if (file < 0) {
    if (errno == ENOENT) return {};
    return tl::unexpected<Error>(file_error(Errc::recording_unwritable, path, errno));
  }
  std::array<char, kMagic.size()> magic{};
  const ssize_t got = ::read(file, magic.data(), magic.size());
  ::close(file);
  const std::string_view text(magic.data(), got > 0 ? static_cast<std::size_t>(got) : 0);
  if (got == 0) return {};
  if (text != kMagic)
    return fail(Errc::recording_unwritable, path + ": there is a file that is not a journal");
  if (::unlink(path.c_str()) != 0)
    return tl::unexpected<Error>(file_error(Errc::recording_unwritable, path, errno));
  return {};
}

bool is_within(std::span<const SecretRange> ranges, std::size_t at) noexcept {
  return std::any_of(ranges.begin(), ranges.end(), [at](const SecretRange& range) {
    return at >= range.offset && at - range.offset < range.bytes;
  });
}

std::uint64_t zigzag(std::int64_t value) noexcept {
  return (static_cast<std::uint64_t>(value) << 1) ^ static_cast<std::uint64_t>(value >> 63);
}
std::int64_t unzigzag(std::uint64_t value) noexcept {
  return static_cast<std::int64_t>(value >> 1) ^ -static_cast<std::int64_t>(value & 1);
}

}  // namespace

std::string_view name(JournalEvent event) noexcept {
  const auto index = static_cast<std::size_t>(event);
  return index < std::size(kNames) ? kNames[index] : "unknown";
}

std::uint32_t Journal::check_of(Bytes bytes) noexcept {
  std::uint64_t check = 0xffffffff;
  std::size_t at = 0;
  for (; at + 8 <= bytes.size(); at += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes.data() + at, 8);
    check = _mm_crc32_u64(check, word);
  }
  auto check32 = static_cast<std::uint32_t>(check);
  for (; at < bytes.size(); ++at)
    check32 = _mm_crc32_u8(check32, std::to_integer<unsigned char>(bytes[at]));
  return ~check32;
}

std::uint32_t Journal::check_of(Bytes bytes, std::span<const SecretRange> hidden) noexcept {
  std::uint32_t check = 0xffffffff;
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    const std::byte byte = is_within(hidden, at) ? kHiddenByte : bytes[at];
    check = _mm_crc32_u8(check, std::to_integer<unsigned char>(byte));
  }
  return ~check;
}

// --- Opening and closing.

Journal::Journal() noexcept = default;

Journal::~Journal() {
  (void)close();
}

Result<std::unique_ptr<Journal>> Journal::create(const std::string& path) {
  if (auto way = make_way(path); !way) return tl::unexpected<Error>(way.error());
  RecorderOptions options;
  options.path = path;
  options.segment_bytes = kSegment_bytes;
  options.stall_ns_max = kStall_ns_max;
  auto file = RecordingFile::open(options);
  if (!file) return tl::unexpected<Error>(file.error());
  std::unique_ptr<Journal> journal(new Journal);
  journal->file_ = std::move(*file);
  journal->cursor_ = journal->limit_ = journal->file_->begin();
  if (!journal->make_room(kMagic.size())) return tl::unexpected<Error>(*journal->error_);
  journal->put_bytes(as_bytes(kMagic));
  journal->file_->publish(journal->cursor_);
  return journal;
}

void Journal::Unmap::operator()(const std::byte* at) const noexcept {
  ::munmap(const_cast<std::byte*>(at), bytes);
}

Result<void> Journal::map(const std::string& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
  if (file < 0) {
    const Errc code = errno == ENOENT ? Errc::recording_not_found : Errc::recording_unwritable;
    return tl::unexpected<Error>(file_error(code, path, errno));
  }
  struct stat status {};
  const bool known = ::fstat(file, &status) == 0 && S_ISREG(status.st_mode);
  const auto bytes = known ? static_cast<std::size_t>(status.st_size) : 0;
  void* const at =
      bytes >= kMagic.size() ? ::mmap(nullptr, bytes, PROT_READ, MAP_PRIVATE, file, 0) : MAP_FAILED;
  ::close(file);
  if (at == MAP_FAILED) return fail(Errc::journal_malformed, path + ": too short");
  mapped_ = {static_cast<const std::byte*>(at), Unmap{bytes}};
  data_ = {mapped_.get(), bytes};
  if (as_text(data_.first(kMagic.size())) != kMagic)
    return fail(Errc::journal_malformed, path + ": it does not begin as a journal does");
  at_ = kMagic.size();
  return {};
}

Result<std::unique_ptr<Journal>> Journal::open(const std::string& path) {
  std::unique_ptr<Journal> journal(new Journal);
  if (auto mapped = journal->map(path); !mapped) return tl::unexpected<Error>(mapped.error());
  return journal;
}

std::optional<Error> Journal::error() const noexcept {
  if (error_ || file_ == nullptr) return error_;
  return file_->error();
}

Result<void> Journal::close() noexcept {
  if (file_ == nullptr || closed_) return {};
  closed_ = true;
  if (live_ && run_.calls != 0 && make_room(0)) write_run();
  live_ = false;
  auto closed = file_->close();
  if (error_) return tl::unexpected<Error>(*error_);
  return closed;
}

// --- Events.

bool Journal::begin(JournalEvent event, std::size_t block_bytes) noexcept {
  if (!live_) [[unlikely]]
    return false;
  return replaying() ? begin_reading(event) : begin_writing(event, block_bytes);
}

bool Journal::begin_writing(JournalEvent event, std::size_t bytes) noexcept {
  ZW_ASSERT(event_ == JournalEvent::none);
  bytes += kFields_bytes_max;
  if (limit_ - cursor_ < static_cast<std::ptrdiff_t>(bytes) && !make_room(bytes)) [[unlikely]]
    return false;
  if (run_.calls != 0) write_run();
  begun_ = cursor_++;
  event_ = event;
  return true;
}

// Last of all stores of the event, also for the compiler: with its kind it is complete.
void Journal::commit() noexcept {
  if (!live_) return;
  ++events_;
  if (event_ == JournalEvent::send) ++sends_;
  if (replaying()) return;
  ZW_ASSERT(event_ != JournalEvent::none);
  std::atomic_ref<char>(*begun_).store(static_cast<char>(event_), std::memory_order_release);
  event_ = JournalEvent::none;
  file_->publish(cursor_);
}

void Journal::take_back(const Mark& mark) noexcept {
  if (replaying() || !live_) return;
  ZW_ASSERT(event_ == JournalEvent::none && cursor_ >= mark.cursor);
  // From the front: a process that is killed in between leaves fewer events, and whole ones.
  std::memset(mark.cursor, 0, static_cast<std::size_t>(cursor_ - mark.cursor));
  cursor_ = mark.cursor;
  run_ = mark.run;
  now_ns_ = mark.now_ns;
  events_ = mark.events;
  file_->publish(cursor_);
}

bool Journal::make_room(std::size_t bytes) noexcept {
  bytes += kFields_bytes_max;
  if (!file_->in_window(cursor_, bytes)) {
    char* const moved = file_->move_window(bytes);
    if (moved == nullptr) {
      stop_writing(file_->error().value_or(Error(Errc::recording_failed)));
      return false;
    }
    cursor_ = moved;
  }
  const auto there = [&] {
    return file_->ready_end() - cursor_ >= static_cast<std::ptrdiff_t>(bytes);
  };
  if (!there() && !file_->wait_for_room(cursor_, bytes, kStall_ns_max) && !there()) {
    stop_writing(file_->error().value_or(
        Error(Errc::recording_failed, "the disk is too slow for the journal")));
    return false;
  }
  limit_ = file_->ready_end();
  return true;
}

// What is missing cannot be replayed across, so the journal ends here; the engine goes on.
void Journal::stop_writing(const Error& error) noexcept {
  error_ = error;
  live_ = false;
}

bool Journal::begin_reading(JournalEvent event) noexcept {
  const JournalEvent there = next();
  event_at_ = at_;
  if (there == JournalEvent::none) {
    end();
    return false;
  }
  if (there != event) {
    disagree(std::string(name(there)), std::string(name(event)));
    return false;
  }
  ++at_;
  event_ = event;
  return true;
}

JournalEvent Journal::next() noexcept {
  if (!live_) return JournalEvent::none;
  if (run_.calls != 0 || load_run()) return JournalEvent::quiet;
  if (!live_ || at_ >= data_.size()) return JournalEvent::none;
  return static_cast<JournalEvent>(data_[at_]);
}

void Journal::go_back(const Place& place) noexcept {
  ZW_ASSERT(replaying() && place.at <= at_ && run_.calls == 0);
  at_ = place.at;
  events_ = place.events;
}

void Journal::disagree(const std::string& expected, const std::string& got) noexcept {
  if (!live_) return;
  live_ = false;
  divergence_ = JournalDivergence{events_, event_at_, expected, got};
}

void Journal::refuse(const char* field) noexcept {
  disagree(std::string(name(event_)) + ": " + field + " within its bounds", "one that is not");
}

// --- Fields.

void Journal::put(std::uint64_t value) noexcept {
  while (value >= 0x80) {
    *cursor_++ = static_cast<char>(value | 0x80);
    value >>= 7;
  }
  *cursor_++ = static_cast<char>(value);
}

void Journal::put_bytes(Bytes bytes) noexcept {
  if (bytes.empty()) return;
  std::memcpy(cursor_, bytes.data(), bytes.size());
  cursor_ += bytes.size();
}

std::uint64_t Journal::get() noexcept {
  std::uint64_t value = 0;
  for (unsigned shift = 0; shift < 7 * kNumber_bytes_max && at_ < data_.size(); shift += 7) {
    const auto byte = std::to_integer<std::uint64_t>(data_[at_++]);
    value |= (byte & 0x7f) << shift;
    if ((byte & 0x80) == 0) return value;
  }
  end_torn();
  return 0;
}

Bytes Journal::get_bytes(std::size_t bytes) noexcept {
  if (bytes > data_.size() - at_) {
    end_torn();
    return {};
  }
  const Bytes there = data_.subspan(at_, bytes);
  at_ += bytes;
  return there;
}

void Journal::same(const char* field, std::uint64_t value) noexcept {
  if (!replaying()) return put(value);
  compare(field, get(), value);
}

void Journal::same_check(const char* field, std::uint32_t check) noexcept {
  std::uint32_t recorded = check;
  given_bytes(std::as_writable_bytes(std::span(&recorded, 1)));
  if (replaying()) compare(field, recorded, check);
}

void Journal::compare(const char* field, std::uint64_t recorded, std::uint64_t value) noexcept {
  if (recorded == value || !live_) [[likely]]
    return;
  const std::string of = std::string(name(event_)) + ": " + field + " ";
  disagree(of + std::to_string(recorded), of + std::to_string(value));
}

void Journal::same_redacted(const char* field, Bytes bytes,
                            std::span<const SecretRange> secrets) noexcept {
  const std::size_t recorded_bytes = given(bytes.size());
  if (!replaying()) {
    if (secrets.empty()) return put_bytes(bytes);
    for (std::size_t i = 0; i < bytes.size(); ++i)
      *cursor_++ = std::to_integer<char>(is_within(secrets, i) ? kHiddenByte : bytes[i]);
    return;
  }
  const Bytes recorded = get_bytes(recorded_bytes);
  bool equal = recorded.size() == bytes.size();
  for (std::size_t i = 0; equal && i < bytes.size(); ++i)
    equal = recorded[i] == bytes[i] || is_within(secrets, i);
  if (equal || !live_) return;
  const auto what = [&](Bytes of) {
    return std::string(name(event_)) + ": " + field + " of " + std::to_string(of.size()) +
           " bytes, check " + std::to_string(check_of(of));
  };
  disagree(what(recorded), what(bytes));
}

std::uint64_t Journal::given(std::uint64_t live) noexcept {
  if (replaying()) return get();
  put(live);
  return live;
}

std::int64_t Journal::given_signed(std::int64_t live) noexcept {
  return unzigzag(given(zigzag(live)));
}

void Journal::given_bytes(MutableBytes bytes, JournalInput* input) noexcept {
  if (!replaying()) {
    if (input != nullptr) note_input(bytes.size(), *input);
    return put_bytes(bytes);
  }
  const Bytes recorded = get_bytes(bytes.size());
  if (!recorded.empty()) std::memcpy(bytes.data(), recorded.data(), recorded.size());
}

// Of what comes next.
void Journal::note_input(std::size_t bytes, JournalInput& input) const noexcept {
  const std::uint64_t event = place_of_event();
  input.add({event, static_cast<std::uint32_t>(place_of_next() - event),
             static_cast<std::uint32_t>(bytes)});
}

Bytes Journal::given_block(Bytes live, JournalInput* input) noexcept {
  const std::uint64_t bytes = given(live.size());
  if (replaying()) return get_bytes(bytes);
  if (input != nullptr) note_input(live.size(), *input);
  put_bytes(live);
  return live;
}

void Journal::given_text(std::string& text) noexcept {
  const Bytes given = given_block(as_bytes(text));
  if (replaying()) text.assign(as_text(given));
}

// --- What was written, changed afterwards.

std::uint64_t Journal::place_of_next() const noexcept {
  ZW_ASSERT(!replaying());
  return file_->offset_of(cursor_);
}

std::uint64_t Journal::place_of_event() const noexcept {
  ZW_ASSERT(!replaying() && event_ != JournalEvent::none);
  return file_->offset_of(begun_);
}

bool Journal::read_back(std::uint64_t place, MutableBytes to) noexcept {
  ZW_ASSERT(!replaying() && !closed_);
  return file_->read_back(place, to);
}

bool Journal::overwrite(std::uint64_t place, Bytes from) noexcept {
  ZW_ASSERT(!replaying() && !closed_);
  return file_->overwrite(place, from);
}

bool Journal::hide(std::uint64_t place, std::size_t bytes) noexcept {
  std::array<std::byte, 256> hidden;
  hidden.fill(kHiddenByte);
  while (bytes > 0) {
    const std::size_t part = std::min(bytes, hidden.size());
    if (!overwrite(place, Bytes(hidden).first(part))) return false;
    place += part;
    bytes -= part;
  }
  return true;
}

void Journal::cut(std::uint64_t place) noexcept {
  ZW_ASSERT(!replaying() && event_ == JournalEvent::none);
  file_->cut(place);
  const Error why(
      Errc::recording_failed,
      "a secret in what was received could not be taken out: the journal ends before it");
  stop_writing(error_.value_or(why));
}

// --- Quiet calls.

bool Journal::quiet(bool nothing, std::uint64_t call) noexcept {
  if (!live_) return nothing;
  if (replaying()) {
    if (next() != JournalEvent::quiet) return false;
    nothing = true;
    --run_.calls;
  } else if (nothing) {
    ++run_.calls;
  }
  if (!nothing) return false;
  mix(call);
  if (replaying() && run_.calls == 0 && (run_.hash & 0xffffffff) != run_hash_)
    disagree("the recorded reaps, takes and looks at the clock without news", "others");
  return true;
}

// In a run only the last time is kept: none before it made a timer fire, or there would have been
// an event, so an earlier time does as well.
Instant_ns Journal::now(Instant_ns live) noexcept {
  constexpr std::uint64_t kClock = 2;
  if (!replaying()) {
    if (!live_) return live;
    ++run_.clock_reads;
    run_.last_ns = live;
    quiet(true, kClock);
    return live;
  }
  if (!live_) return now_ns_ += kAfterEnd_ns;
  const JournalEvent there = next();
  if (there != JournalEvent::quiet || run_.clock_reads == 0) {
    event_at_ = at_;
    if (there == JournalEvent::none) {
      end();
    } else if (live_) {
      disagree(std::string(name(there)), "a look at the clock");
    }
    return now_ns_ += kAfterEnd_ns;
  }
  if (--run_.clock_reads == 0) now_ns_ = run_.last_ns;
  quiet(true, kClock);
  return now_ns_;
}

Instant_ns Journal::given_now(Instant_ns live) noexcept {
  now_ns_ += static_cast<Instant_ns>(given_signed(static_cast<std::int64_t>(live - now_ns_)));
  return now_ns_;
}

void Journal::write_run() noexcept {
  char* const begun = cursor_++;
  put(run_.calls);
  put(run_.clock_reads);
  if (run_.clock_reads != 0) {
    put(zigzag(static_cast<std::int64_t>(run_.last_ns - now_ns_)));
    now_ns_ = run_.last_ns;
  }
  put(run_.hash & 0xffffffff);
  run_ = {};
  std::atomic_ref<char>(*begun).store(static_cast<char>(JournalEvent::quiet),
                                      std::memory_order_release);
  ++events_;
}

bool Journal::load_run() noexcept {
  if (at_ >= data_.size() || static_cast<JournalEvent>(data_[at_]) != JournalEvent::quiet)
    return false;
  event_ = JournalEvent::quiet;
  event_at_ = at_++;
  run_ = {};
  run_.calls = get();
  run_.clock_reads = get();
  run_.last_ns = now_ns_;
  if (run_.clock_reads != 0) run_.last_ns += static_cast<Instant_ns>(unzigzag(get()));
  run_hash_ = get();
  ++events_;
  if (run_.calls == 0 || run_.clock_reads > run_.calls) refuse("number of calls");
  return live_;
}

}  // namespace zenwire::detail
