#pragma once

// Journal: what came into a reactor from outside, in the order in which it came, so that the same
// engine code can be run over it again and does the same.
//
// One description serves both directions. Whoever crosses the border of the engine says of each
// value what it is: `given` is the world's (recorded; read back on replay), `same` is the engine's
// (recorded; compared on replay). So writing and replaying cannot drift apart: they are one code.
//
//     begin(take); same("socket", socket); result = given(result); given_bytes(...); commit();
//
// An event is its kind, a byte, and then fields of variable length. The kind is stored last, so a
// process that is killed leaves whole events, then zeros. What happens millions of times a second
// without news (a reap of nothing, a take of nothing, a look at the clock that fires no timer) is
// counted, not written: the count, a hash of the calls and the last time make one event.
//
// Threads: the reactor's. Lifetime: it outlives the reactor that writes or reads it. Cost when
// writing: some 20 to 60 ns an event, no allocation, no lock and no system call as long as the
// helper threads of the file keep ahead.

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <zenwire/base/bytes.hpp>
#include <zenwire/base/error.hpp>
#include <zenwire/engine/io.hpp>
#include <zenwire/engine/journal.hpp>
#include <zenwire/engine/record.hpp>

namespace zenwire::detail {

class JournalInput;
class RecordingFile;

// The kinds of events; their numbers are the file format.
enum class JournalEvent : std::uint8_t {
  none = 0,  // zeros: the end
  head,
  quiet,  // so many calls that gave nothing
  reap,
  take,
  settle,
  send,
  submit_poll,
  submit_cancel,
  shutdown_send,
  close_socket,
  wall,
  key,        // a masking key
  deadline,   // one of the engine's own that was armed
  arrival,    // an attempt that the set-up thread handed over
  stage,      // how far one has come
  outbox,     // a record of an outbox
  stop,       // asked of the reactor
  push,       // into a message queue, and what became of it
  tls_read,   // plaintext out of TLS
  tls_write,  // into it
  tls_close,
  callback,     // user code begins
  returned,     // and ends
  call,         // user code calls the engine
  outcome,      // and what it was told
  user_now,     // user code looks at a clock or rolls dice
  user_wall,    //
  user_random,  //
  inflated,     // what a compressed message came to
  notice,       // of the stop; its callback follows, which is no post
  count_
};
std::string_view name(JournalEvent event) noexcept;

class Journal {
 public:
  // For writing. Errors: those of the file (recording_*).
  static Result<std::unique_ptr<Journal>> create(const std::string& path);
  // For replaying. Errors: recording_not_found, recording_unwritable, journal_malformed.
  static Result<std::unique_ptr<Journal>> open(const std::string& path);
  ~Journal();
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;

  [[nodiscard]] bool replaying() const noexcept { return file_ == nullptr; }
  // It is written, or what is replayed still agrees and has not ended.
  [[nodiscard]] bool live() const noexcept { return live_; }
  // Of a replay.
  [[nodiscard]] bool torn() const noexcept { return torn_; }  // its last event is cut short
  [[nodiscard]] const std::optional<JournalDivergence>& divergence() const noexcept {
    return divergence_;
  }
  [[nodiscard]] std::uint64_t events() const noexcept { return events_; }
  [[nodiscard]] std::uint64_t sends() const noexcept { return sends_; }
  // Why it is not written any more.
  [[nodiscard]] std::optional<Error> error() const noexcept;
  // Cuts the file behind its last event. A second close does nothing.
  Result<void> close() noexcept;

  // --- An event: begin, its fields, commit. False: not live, and the caller goes on without it.
  // `block_bytes`: of the blocks and texts in it, together.
  bool begin(JournalEvent event, std::size_t block_bytes = 0) noexcept;
  void commit() noexcept;

  // The engine's own: equal on replay, or that is the first divergence.
  void same(const char* field, std::uint64_t value) noexcept;
  // A check, of fixed length, so that it can be written over.
  void same_check(const char* field, std::uint32_t check) noexcept;
  // But for the secrets, which are overwritten at equal length and not compared.
  void same_redacted(const char* field, Bytes bytes, std::span<const SecretRange> secrets) noexcept;
  // The world's.
  std::uint64_t given(std::uint64_t live) noexcept;
  std::int64_t given_signed(std::int64_t live) noexcept;
  // As many as both sides know of. Of a connection's plaintext, `input` learns where it lies.
  void given_bytes(MutableBytes bytes, JournalInput* input = nullptr) noexcept;
  // With their number; on replay a view into the file.
  Bytes given_block(Bytes live, JournalInput* input = nullptr) noexcept;
  void given_text(std::string& text) noexcept;
  // A divergence that is none of a field.
  void disagree(const std::string& expected, const std::string& got) noexcept;
  // What was read cannot be: the file was changed.
  void refuse(const char* field) noexcept;

  // --- Calls without news. True: it is one (on replay: it was), and nothing else is to be done.
  bool quiet(bool nothing, std::uint64_t call) noexcept;
  // Whoever keeps the time, rather than comparing it, writes an event after it, so that it is
  // exact.
  Instant_ns now(Instant_ns live) noexcept;
  // A time that is an event of its own.
  Instant_ns given_now(Instant_ns live) noexcept;

  // Replay: the kind of the next event; `none` at the end, `quiet` in a run of quiet calls.
  [[nodiscard]] JournalEvent next() noexcept;
  // Replay: to look at the next event without taking it.
  struct Place {
    std::size_t at;
    std::uint64_t events;
  };
  [[nodiscard]] Place place() const noexcept { return {at_, events_}; }
  void go_back(const Place& place) noexcept;

  // Writing: takes the last event back, if nothing was written since `mark`.
  struct Run {
    std::uint64_t calls = 0;
    std::uint64_t clock_reads = 0;
    Instant_ns last_ns = 0;
    std::uint64_t hash = kHash_seed;
  };
  struct Mark {
    char* cursor;
    Run run;
    Instant_ns now_ns;
    std::uint64_t events;
  };
  [[nodiscard]] Mark mark() const noexcept { return {cursor_, run_, now_ns_, events_}; }
  void take_back(const Mark& mark) noexcept;

  // --- Writing: what was written is changed afterwards. Of the file's bytes, by their place in it.
  // False: the file refuses.
  [[nodiscard]] std::uint64_t place_of_next() const noexcept;
  [[nodiscard]] std::uint64_t place_of_event() const noexcept;  // of the one in progress
  bool read_back(std::uint64_t place, MutableBytes to) noexcept;
  bool overwrite(std::uint64_t place, Bytes from) noexcept;
  bool hide(std::uint64_t place, std::size_t bytes) noexcept;  // with kHiddenByte
  // Ends it before the event at `place`, for a secret behind it cannot be taken out.
  void cut(std::uint64_t place) noexcept;

  // --- Whether user code runs: its calls are events, those of the engine to itself are not.
  [[nodiscard]] bool in_user_code() const noexcept { return user_; }
  void enter_user(bool user) noexcept { user_ = user; }

  // The reactor samples a telemetry page, for which it has a timer.
  [[nodiscard]] bool samples() const noexcept { return samples_; }
  void set_samples(bool samples) noexcept { samples_ = samples; }

  // While a secret is being sent, no check of what goes out is kept: it would tell of it.
  void keep_check(bool keep) noexcept { keeps_check_ = keep; }
  [[nodiscard]] bool keeps_check() const noexcept { return keeps_check_; }

  // A check of bytes: CRC-32C.
  [[nodiscard]] static std::uint32_t check_of(Bytes bytes) noexcept;
  // With kHiddenByte in the ranges.
  [[nodiscard]] static std::uint32_t check_of(Bytes bytes,
                                              std::span<const SecretRange> hidden) noexcept;
  static constexpr std::byte kHiddenByte{'*'};

  static constexpr std::uint64_t kHash_seed = 0xcbf29ce484222325;

 private:
  Journal() noexcept;

  Result<void> map(const std::string& path);
  bool begin_writing(JournalEvent event, std::size_t bytes) noexcept;
  bool begin_reading(JournalEvent event) noexcept;
  [[gnu::noinline, gnu::cold]] bool make_room(std::size_t bytes) noexcept;
  [[gnu::noinline, gnu::cold]] void stop_writing(const Error& error) noexcept;
  void note_input(std::size_t bytes, JournalInput& input) const noexcept;
  void write_run() noexcept;
  void compare(const char* field, std::uint64_t recorded, std::uint64_t value) noexcept;
  bool load_run() noexcept;
  void put(std::uint64_t value) noexcept;
  void put_bytes(Bytes bytes) noexcept;
  std::uint64_t get() noexcept;
  Bytes get_bytes(std::size_t bytes) noexcept;
  void end() noexcept { live_ = false; }
  void end_torn() noexcept {
    torn_ = live_;
    live_ = false;
  }
  void mix(std::uint64_t call) noexcept { run_.hash = (run_.hash ^ call) * 0x100000001b3; }

  bool live_ = true;
  bool user_ = true;
  bool keeps_check_ = true;
  bool samples_ = false;
  JournalEvent event_ = JournalEvent::none;
  std::uint64_t events_ = 0;
  std::uint64_t sends_ = 0;
  Run run_;  // writing: so far; replaying: what is left, and the hash so far
  Instant_ns now_ns_ = 0;

  // Writing.
  std::unique_ptr<RecordingFile> file_;
  char* cursor_ = nullptr;
  char* begun_ = nullptr;  // of the event in progress
  char* limit_ = nullptr;
  std::optional<Error> error_;
  bool closed_ = false;

  // Replaying.
  struct Unmap {
    std::size_t bytes;
    void operator()(const std::byte* at) const noexcept;
  };
  std::unique_ptr<const std::byte, Unmap> mapped_;
  Bytes data_;
  std::size_t at_ = 0;
  std::size_t event_at_ = 0;
  std::uint64_t run_hash_ = 0;  // that the run must come to
  bool torn_ = false;
  std::optional<JournalDivergence> divergence_;
};

}  // namespace zenwire::detail
