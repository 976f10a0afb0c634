#pragma once

// Arbitration: several connections carry the same streams; each message is delivered once, from
// whichever connection completed it first. A sequence gate per stream does the choosing (see
// engine/sequence_gate.hpp); this is what joins gates, connections, timers and a strategy's queue.
//
//   line 0 --> on_message --> which stream, which number? --> its gate --> handler, queue
//   line 1 --> on_message --> ...                              |
//                                                 gap timer ---+--> on_gap, on_repair
//
// Back-pressure: when the queue is nearly full the reading of every line stops, because a copy that
// is read must go somewhere; it goes on when there is room again.

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include <zenwire/base/callback.hpp>
#include <zenwire/base/error.hpp>
#include <zenwire/engine/connection.hpp>
#include <zenwire/engine/latency.hpp>
#include <zenwire/engine/message_queue.hpp>
#include <zenwire/engine/reactor.hpp>
#include <zenwire/engine/sequence_gate.hpp>
#include <zenwire/engine/timer_queue.hpp>
#include <zenwire/pool/member.hpp>

namespace zenwire {

namespace detail {
class ArbitrationTelemetry;
}

// Which stream a message belongs to, and where it stands there.
struct StreamKey {
  static constexpr std::uint32_t kNone = ~0U;
  std::uint32_t stream = 0;  // kNone: it is no feed's (a reply, a heartbeat) and not arbitrated
  SequenceKey key{};
};

// Without a function all messages are one stream, known by their content.
struct StreamKeyExtractor {
  using Function = StreamKey (*)(void* context, const Message& message) noexcept;
  Function function = nullptr;
  void* context = nullptr;

  StreamKey operator()(const Message& message) const noexcept {
    return function != nullptr ? function(context, message) : StreamKey{};
  }
};

struct FeedGap {
  std::uint32_t stream;
  Gap gap;
};
struct FeedGapRepair {
  std::uint32_t stream;
  GapRepair& repair;
};

struct ArbitrationOptions {
  std::uint32_t streams = 1;
  SequenceGateOptions gate{};  // of each stream
  StreamKeyExtractor key{};
  // Of the queue: what must be free, or reading stops. At least the largest message and what the
  // gates hold.
  std::size_t queue_reserve_bytes = std::size_t{2} << 20;
};

struct ArbitrationHandlers {
  Callback<std::uint32_t, const Admitted&> on_message{};  // stream
  Callback<const FeedGap&> on_gap{};
  Callback<const FeedGapRepair&> on_repair{};
};

// One line against the others, over all streams; a copy.
struct LineView {
  bool live = false;
  std::uint64_t copies = 0;  // complete messages that it brought
  std::uint64_t wins = 0;    // ... of which it was first
  double win_rate = 0;       // of all delivered, 0 to 1
  // What the others saved against this line alone: how much earlier the first copy was, on average
  // over this line's copies (its own firsts count as 0), and at most.
  double saved_ns_mean = 0;
  std::uint64_t saved_ns_max = 0;
};

// Threads: the reactor's. Lifetime: outlives its lines' connections. Cost per copy: the extractor,
// the gate, and one read of the clock per burst. Memory: streams times that of a gate.
class Arbitration {
 public:
  // Errors: invalid_option; memory_exhausted; telemetry_full.
  static Result<std::unique_ptr<Arbitration>> make(Reactor& reactor,
                                                   const ArbitrationOptions& options,
                                                   const ArbitrationHandlers& handlers);
  ~Arbitration();
  Arbitration(const Arbitration&) = delete;
  Arbitration& operator=(const Arbitration&) = delete;

  // An open connection becomes a line (below SequenceGate::kMembers_max); it leaves by itself when
  // it ends. What it carries from now on is arbitrated.
  void add(unsigned line, Connection& connection) noexcept;
  // It leaves, and its connection goes on without arbitration.
  void remove(unsigned line) noexcept;

  // Delivered messages go there too, as the session `session`; borrowed, null takes it away. Their
  // headers name the connection that answers are to go through: `answer_on`, or the one that won.
  void deliver_to(MessageQueue* queue, std::uint32_t session = 0,
                  ConnectionId answer_on = {}) noexcept;
  // Marks Stage::queued; borrowed, null takes it away.
  void measure_into(LatencyRecorder* latency) noexcept { latency_ = latency; }

  // What a repair found.
  void fill(std::uint32_t stream, const SequenceKey& key, const Message& message) noexcept;
  void repair_failed(std::uint32_t stream) noexcept;

  // Null: none.
  [[nodiscard]] const MessageQueue* queue() const noexcept { return queue_; }
  [[nodiscard]] const SequenceGate& gate(std::uint32_t stream) const noexcept;
  [[nodiscard]] LineView view(unsigned line) const noexcept;
  [[nodiscard]] std::uint64_t delivered() const noexcept { return delivered_; }
  [[nodiscard]] std::uint64_t gaps() const noexcept { return gaps_; }
  // Times that the queue stopped the reading.
  [[nodiscard]] std::uint64_t pauses() const noexcept { return pauses_; }

 private:
  struct Line {
    Arbitration* owner = nullptr;
    unsigned index = 0;
    Connection* connection = nullptr;
    HandlerId message_handler{};
    HandlerId closed_handler{};

    void on_message(Connection& connection, const Message& message) noexcept;
    void on_closed(Connection& connection, const Closed& closed) noexcept;
  };
  struct Stream {
    Arbitration* owner = nullptr;
    std::uint32_t index = 0;
    std::unique_ptr<SequenceGate> gate;

    void on_admitted(const Admitted& admitted) noexcept;
    void on_gap(const Gap& gap) noexcept;
    void on_repair(GapRepair& repair) noexcept;
  };

  Arbitration(Reactor& reactor, const ArbitrationOptions& options,
              const ArbitrationHandlers& handlers);
  void offer(Line& line, const Message& message) noexcept;
  void leave(Line& line) noexcept;
  [[nodiscard]] ConnectionId answer_on(const Admitted& admitted) const noexcept;
  void push(const Admitted& admitted) noexcept;
  void pause() noexcept;
  void on_room_timer(Timer&) noexcept;
  void on_gap_timer(Timer&) noexcept;
  void arm_gap_timer(Instant_ns deadline_ns) noexcept;
  [[nodiscard]] Instant_ns now_of(const Message& message) noexcept;

  Reactor& reactor_;
  ArbitrationOptions options_;
  ArbitrationHandlers handlers_;
  std::vector<Stream> streams_;
  std::array<Line, SequenceGate::kMembers_max> lines_{};
  MessageQueue* queue_ = nullptr;
  std::uint32_t session_ = 0;
  ConnectionId answer_on_;
  LatencyRecorder* latency_ = nullptr;
  bool paused_ = false;
  std::uint64_t sequence_ = 0;  // of what went to the queue
  std::uint64_t delivered_ = 0;
  std::uint64_t gaps_ = 0;
  std::uint64_t pauses_ = 0;
  std::uint64_t burst_ticks_ = 0;
  Instant_ns burst_ns_ = 0;
  Timer gap_timer_;
  Timer room_timer_;
  std::unique_ptr<detail::ArbitrationTelemetry> telemetry_;  // null: the page has no name
};

}  // namespace zenwire
