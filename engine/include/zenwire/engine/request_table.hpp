#pragma once

// RequestTable: the requests of a session that wait for their answers.
//
// A request is entered before its bytes are sent and ends exactly once, in one of six ways. An
// answer is found by its id: the id at the top level of the message (scan_json_rpc), looked up by
// one hash. What carries no id of ours, or a method, is not an answer but data.
//
// The end of a connection. Each request remembers where in its connection's stream of bytes it
// begins. When the connection is lost, those of which no byte was handed to the kernel end as
// `not_sent`: they may be sent again. All others end as `unknown`: the server may have acted on
// them.
//
// After a deadline or a cancel the answer may still come. The id stays known for a while, so that
// the late answer is recognised, counted and delivered as late; until then the same id cannot be
// used again on that connection, or the late answer would be taken for the new request's.
//
// Bytes, time and marks come in; it knows no socket and no clock.

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include <zenwire/base/assert.hpp>
#include <zenwire/base/bytes.hpp>
#include <zenwire/base/callback.hpp>
#include <zenwire/base/error.hpp>
#include <zenwire/codec/json_rpc.hpp>
#include <zenwire/engine/connection.hpp>
#include <zenwire/engine/histogram.hpp>
#include <zenwire/engine/io.hpp>
#include <zenwire/engine/method_table.hpp>
#include <zenwire/engine/rate_limiter.hpp>
#include <zenwire/engine/telemetry_blocks.hpp>
#include <zenwire/engine/timer_queue.hpp>

namespace zenwire {

// An integer, or a text of 1 to 47 bytes. A value: it holds no view.
class RequestId {
 public:
  static constexpr std::size_t kText_bytes_max = 47;

  RequestId() noexcept = default;  // nobody's: refused by RequestTable
  template <std::signed_integral Integer>
  RequestId(Integer integer) noexcept : bytes_(kInteger) {  // NOLINT: implicit, like a number
    const std::int64_t value = integer;
    std::memcpy(text_.data(), &value, sizeof value);
  }
  // Invalid if it is empty or too long.
  template <std::convertible_to<std::string_view> Text>
  RequestId(const Text& from) noexcept {  // NOLINT: implicit, like a text
    const std::string_view text = from;
    if (text.empty() || text.size() > kText_bytes_max) return;
    std::memcpy(text_.data(), text.data(), text.size());
    bytes_ = static_cast<std::uint8_t>(text.size());
  }
  // As the id stands in an answer.
  static RequestId from(const JsonRpcId& id) noexcept;

  [[nodiscard]] bool is_valid() const noexcept { return bytes_ != 0; }
  [[nodiscard]] bool is_integer() const noexcept { return bytes_ == kInteger; }
  [[nodiscard]] std::int64_t integer() const noexcept {
    ZW_ASSERT(is_integer());
    std::int64_t value;
    std::memcpy(&value, text_.data(), sizeof value);
    return value;
  }
  [[nodiscard]] std::string_view text() const noexcept {
    ZW_ASSERT(!is_integer());
    return {text_.data(), bytes_};
  }
  bool operator==(const RequestId& other) const noexcept {
    const std::size_t used = is_integer() ? sizeof(std::int64_t) : bytes_;
    return bytes_ == other.bytes_ && std::memcmp(text_.data(), other.text_.data(), used) == 0;
  }
  [[nodiscard]] std::uint64_t hash() const noexcept;

 private:
  static constexpr std::uint8_t kInteger = 0xFF;

  std::array<char, kText_bytes_max> text_;  // or the bytes of the integer
  std::uint8_t bytes_ = 0;                  // of the text; kInteger for an integer
};
static_assert(sizeof(RequestId) == 48);

enum class RequestOutcome : std::uint8_t {
  answered,   // with a result, or with something that is no JSON-RPC error
  refused,    // answered with an error
  timed_out,  // the deadline passed; the server may have acted on it
  cancelled,  // by the caller; the server may have acted on it
  not_sent,   // the connection was lost and no byte had left
  unknown,    // the connection was lost and bytes may have left
};
inline constexpr std::size_t kRequestOutcomes = 6;
std::string_view name(RequestOutcome outcome) noexcept;

// Names a request until it has ended; a stale one is recognised.
struct RequestHandle {
  std::uint32_t index = 0;
  std::uint32_t generation = 0;  // 0 names none
  explicit operator bool() const noexcept { return generation != 0; }
  bool operator==(const RequestHandle&) const noexcept = default;
};

// How a request ended. `answer` and `head` are views: they die with the callback.
struct RequestEnd {
  RequestHandle handle;
  RequestId id;
  MethodId method = MethodId::other;
  RequestOutcome outcome = RequestOutcome::unknown;
  bool late = false;  // an answer after the request had ended
  ConnectionId connection;
  Errc reason = Errc::ok;              // ok for answered and refused
  Bytes answer;                        // the whole message; empty if there is none
  JsonRpcHead head;                    // of the answer
  std::uint64_t round_trip_ticks = 0;  // 0 without an answer
};

struct Request {
  RequestId id;
  MethodId method = MethodId::other;
  Instant_ns deadline_ns = kNever_ns;  // on the reactor's clock
  // Runs once, when the request has ended; the table knows it no more by then. May begin, cancel
  // and send.
  Callback<const RequestEnd&> on_end{};
};

// Where and when a request is sent.
struct RequestStart {
  ConnectionId connection;
  // Bytes of the connection's stream before the request's first: Connection::wire_end_bytes().
  std::uint64_t stream_bytes = 0;
  std::uint64_t ticks = 0;  // of the counter that stamps received messages
};

struct RequestBegun {
  Errc code = Errc::ok;
  RequestHandle handle;
};

struct RequestTableOptions {
  std::uint32_t requests_max = 1024;  // waiting at a time, those remembered for late answers too
  // How long after its end an id is remembered for a late answer.
  Instant_ns late_for_ns = 60'000'000'000;
  // Methods beyond this many share the histogram of MethodId::other: 36 KiB each.
  std::uint16_t histograms_max = 32;
  std::string_view id_key = "id";
};

struct RequestCounters {
  std::uint64_t begun = 0;
  std::array<std::uint64_t, kRequestOutcomes> ended{};  // by RequestOutcome
  std::uint64_t duplicates_refused = 0;
  std::uint64_t full_refused = 0;
  std::uint64_t late_answers = 0;
  std::uint64_t unmatched_ids = 0;  // messages with an id that is nobody's
};

enum class AnswerMatch : std::uint8_t {
  none,      // data
  answered,  // on_end has run
  late,      // on_late has run
};

// Thread: the reactor's. Memory: 240 bytes a request and the histograms, at construction; nothing
// after it. Cost of a round trip: two lookups, a timer armed and cancelled, a histogram's record.
class RequestTable {
 public:
  explicit RequestTable(const RequestTableOptions& options = {});
  // Asserts that it is empty: end_all() first.
  ~RequestTable();

  // Moves the counters and the round trips of the methods that there are now into a page, under
  // that label. At set-up: asserts that nothing has begun. The page outlives the table. Errors:
  // telemetry_full.
  Result<void> publish(TelemetryPage& page, const MethodTable& methods, std::string_view label);

  // Enters a request that is about to be sent. Codes: ok; request_id_invalid; request_id_in_use:
  // it waits for its answer, or its late answer may still come on that connection;
  // requests_exhausted.
  RequestBegun begin(const Request& request, const RequestStart& start) noexcept;
  // It could not be sent: as if it had never been begun; on_end does not run.
  void withdraw(RequestHandle handle) noexcept;

  // Enters the request, sends the payload on the connection, and takes the request back if that is
  // refused. `limiter` may be null. Codes: those of begin() and of Connection::send();
  // rate_limited.
  RequestBegun send(Connection& connection, const Request& request, Bytes payload,
                    std::uint64_t ticks, RateLimiter* limiter = nullptr,
                    Instant_ns now_ns = 0) noexcept;
  // The same with secrets: see Connection::send_secret().
  RequestBegun send_secret(Connection& connection, const Request& request, Bytes payload,
                           std::span<const Bytes> secrets, std::uint64_t ticks,
                           RateLimiter* limiter = nullptr, Instant_ns now_ns = 0) noexcept;

  // A text message of that connection came. Runs on_end or on_late if it is an answer.
  AnswerMatch receive(ConnectionId connection, Bytes message, std::uint64_t ticks) noexcept;

  // Ends it as cancelled. False if it has ended already.
  bool cancel(RequestHandle handle, Instant_ns now_ns) noexcept;
  // Ends what has a deadline at or before `now_ns`, and forgets ids whose late answers are not
  // expected any more. Returns how many ended or were forgotten.
  std::size_t expire(Instant_ns now_ns) noexcept { return deadlines_.expire(now_ns); }
  // When expire() has something to do; TimerQueue::kNever if never. One timer of the reactor's, at
  // this instant, serves the whole table.
  [[nodiscard]] Instant_ns next_deadline_ns() const noexcept {
    return deadlines_.next_deadline_ns();
  }

  // The connection is gone, `bytes_sent` of its stream were handed to the kernel. Ends its requests
  // in the order in which they were begun.
  void connection_lost(ConnectionId connection, std::uint64_t bytes_sent) noexcept;
  // Every request ends as `cancelled`, with that reason, and every id is forgotten.
  void end_all(Errc reason) noexcept;

  // The request that waits with this id, or none.
  [[nodiscard]] RequestHandle find(const RequestId& id) const noexcept;
  [[nodiscard]] bool is_waiting(RequestHandle handle) const noexcept;
  // Waiting for an answer; of one connection.
  [[nodiscard]] std::uint32_t waiting() const noexcept { return waiting_; }
  [[nodiscard]] std::uint32_t waiting(ConnectionId connection) const noexcept;

  // An answer to a request that had ended. Unset: such a message is AnswerMatch::none.
  Callback<const RequestEnd&> on_late{};

  [[nodiscard]] const RequestCounters& counters() const noexcept { return *counters_; }
  // Round trips of a method in ticks; of all without one of their own for MethodId::other.
  [[nodiscard]] const MethodHistogram& round_trips(MethodId method) const noexcept {
    return *histograms_[histogram_of(method)];
  }
  [[nodiscard]] std::uint16_t histograms_max() const noexcept { return histograms_max_; }

  RequestTable(const RequestTable&) = delete;
  RequestTable& operator=(const RequestTable&) = delete;

 private:
  static constexpr std::uint32_t kNone = ~std::uint32_t{0};

  enum class State : std::uint8_t {
    free,
    waiting,
    ending,  // its connection is lost; on_end is about to run
    ended,   // remembered for a late answer
  };
  struct Slot {
    Slot() noexcept : deadline(Callback<Timer&>(&Slot::on_deadline, this)) {}
    static void on_deadline(void* slot, Timer& timer) noexcept;

    RequestId id;
    Callback<const RequestEnd&> on_end;
    ConnectionId connection;
    std::uint64_t stream_bytes = 0;
    std::uint64_t ticks = 0;
    RequestTable* table = nullptr;
    Timer deadline;
    std::uint32_t generation = 1;
    std::uint32_t index = 0;
    // In `order_` by age, or in the list of free ones.
    std::uint32_t next = kNone;
    std::uint32_t previous = kNone;
    MethodId method = MethodId::other;
    State state = State::free;
  };
  struct List {
    std::uint32_t first = kNone;
    std::uint32_t last = kNone;
  };

  Errc check(const Request& request, ConnectionId connection) noexcept;
  bool make_room() noexcept;
  [[nodiscard]] std::uint32_t place_of(const RequestId& id) const noexcept;
  [[nodiscard]] Slot* slot_of(RequestHandle handle) const noexcept;
  Slot& enter(const Request& request, const RequestStart& start) noexcept;
  void append(List& list, Slot& slot) noexcept;
  void unlink(List& list, Slot& slot) noexcept;
  void forget_id(Slot& slot) noexcept;
  void release(Slot& slot) noexcept;
  void set_free(Slot& slot) noexcept;
  void remember(Slot& slot, Instant_ns now_ns) noexcept;
  RequestEnd end_of(const Slot& slot, RequestOutcome outcome, Errc reason) const noexcept;
  void end_early(Slot& slot, RequestOutcome outcome, Errc reason, Instant_ns now_ns) noexcept;
  void deadline_passed(Slot& slot) noexcept;
  void answered(Slot& slot, Bytes message, const JsonRpcHead& head, std::uint64_t ticks) noexcept;
  AnswerMatch answered_late(Slot& slot, Bytes message, const JsonRpcHead& head,
                            std::uint64_t ticks) noexcept;
  template <typename IsDoomed>
  List take_doomed(IsDoomed is_doomed) noexcept;
  void end_doomed(Slot& slot, RequestOutcome outcome, Errc reason) noexcept;
  template <typename Send>
  RequestBegun send_with(Send send, Connection& connection, const Request& request,
                         std::uint64_t ticks, RateLimiter* limiter, Instant_ns now_ns) noexcept;
  [[nodiscard]] std::size_t histogram_of(MethodId method) const noexcept {
    return index_of(method) < histograms_max_ ? index_of(method) : 0;
  }

  std::uint32_t requests_max_;
  std::uint32_t mask_;
  Instant_ns late_for_ns_;
  std::uint16_t histograms_max_;
  std::uint8_t id_key_bytes_ = 0;
  std::array<char, 32> id_key_{};
  std::unique_ptr<Slot[]> slots_;
  // Open addressing by id, at most half full; kNone is a free place.
  std::unique_ptr<std::uint32_t[]> places_;
  // Where they are: the own ones, or in a page.
  std::unique_ptr<MethodHistogram*[]> histograms_;
  std::unique_ptr<MethodHistogram[]> own_histograms_;
  TimerQueue deadlines_;
  List order_;  // waiting and ended ones
  List free_;
  std::uint32_t waiting_ = 0;
  RequestCounters own_counters_;
  RequestCounters* counters_ = &own_counters_;
  std::optional<TelemetryBlocks> published_;
};

}  // namespace zenwire
