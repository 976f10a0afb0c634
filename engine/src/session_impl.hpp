#pragma once

// What a Session holds, and its parts by file: session.cpp the public face and the clock,
// session_line.cpp connections and states, session_login.cpp login and subscriptions,
// session_inbound.cpp what is received, session_rotation.cpp two lines at a time.

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include <zenwire/base/duration.hpp>
#include <zenwire/engine/session.hpp>

#include "session_telemetry.hpp"

namespace zenwire {

// One connection of the session, and the state that dies with it. Callbacks of the reactor name the
// line, so that what comes for the one is never taken for the other's.
struct Session::Impl {
  struct Line {
    Line(Impl& session, std::size_t line_index, const HeartbeatOptions& heartbeat) noexcept
        : impl(session), index(line_index), beat(heartbeat) {}

    void on_open(Connection& at) noexcept { impl.opened(*this, at); }
    void on_stage(Connection&, OpenStage stage) noexcept { impl.staged(*this, stage); }
    void on_failed(Connection&, const OpenFailure& failure) noexcept {
      impl.failed(*this, failure);
    }
    void on_closed(Connection& at, const Closed& closed) noexcept { impl.ended(*this, at, closed); }
    void on_message(Connection&, const Message& message) noexcept { impl.received(*this, message); }
    void on_control(Connection&, Opcode opcode, Bytes payload) noexcept {
      impl.controlled(*this, opcode, payload);
    }
    void on_login_end(const RequestEnd& end) noexcept { impl.login_ended(*this, end); }
    void on_preparation_end(const RequestEnd& end) noexcept { impl.preparation_ended(*this, end); }
    void on_renewal_end(const RequestEnd& end) noexcept { impl.renewal_ended(*this, end); }
    void on_subscription_end(const RequestEnd& end) noexcept {
      impl.subscription_ended(*this, end);
    }
    [[nodiscard]] ConnectionHandlers handlers() noexcept;

    Impl& impl;
    std::size_t index;
    ConnectionId connection{};
    SessionState state = SessionState::stopped;
    Heartbeat beat;
    bool draining = false;  // the other line has taken its place
    bool close_sent = false;
    std::uint64_t data_messages = 0;
    std::uint64_t pauses_seen = 0;
    Instant_ns opened_ns = 0;  // of the connection
    Instant_ns state_since_ns = 0;
    // What it waits for, each kNever_ns when it does not.
    Instant_ns answer_deadline_ns = kNever_ns;  // of a login, or of subscriptions
    Instant_ns next_chunk_ns = kNever_ns;       // subscriptions are held back until then
    Instant_ns last_chunk_ns = 0;
    Instant_ns renew_ns = kNever_ns;
    std::int64_t ask_id = 0;  // of the answer that is being read
  };

  // A channel whose messages pass through a gate.
  struct Stream {
    explicit Stream(Impl& session) noexcept : impl(session) {}
    void on_admitted(const Admitted& admitted) noexcept {
      if (channel != kNoChannel) impl.deliver(channel, admitted.message);
    }
    void on_gap(const Gap& gap) noexcept { impl.gap_found(*this, gap); }

    Impl& impl;
    ChannelIndex channel = kNoChannel;  // kNoChannel: free
    std::unique_ptr<SequenceGate> gate;
  };
  static constexpr std::uint32_t kNoStream = ~std::uint32_t{0};

  Impl(Session& session, Reactor& its_reactor, const SessionOptions& its_options,
       const Dialect& its_dialect, Endpoint its_endpoint, detail::SessionTelemetry its_telemetry);
  ~Impl();
  Result<void> make_streams();
  Result<void> publish();
  void take_sample(Instant_ns now) noexcept {
    telemetry.take(active().beat, other(active()).beat, now);
  }

  // --- session.cpp
  void on_timer(Timer&) noexcept;
  void advance(Instant_ns now_ns) noexcept;
  void advance(Line& line, Instant_ns now_ns) noexcept;
  void check_beat(Line& line, Instant_ns now_ns) noexcept;
  void send_beat(Line& line, Instant_ns now_ns) noexcept;
  [[nodiscard]] Instant_ns next_deadline_ns() const noexcept;
  void rearm() noexcept;
  void wake_by(Instant_ns deadline_ns) noexcept;
  [[nodiscard]] Instant_ns now_ns() noexcept { return reactor.now_ns(); }
  [[nodiscard]] std::uint64_t ticks() noexcept { return reactor.io().ticks().now(); }
  void begin_stop(Errc why, Instant_ns deadline_ns) noexcept;
  void reactor_stops(Reactor&) noexcept;
  void finish_stop() noexcept;
  void stop_with(const Error& error) noexcept;

  // --- session_line.cpp
  Line& active() noexcept { return lines[active_line]; }
  [[nodiscard]] const Line& active() const noexcept { return lines[active_line]; }
  Line& other(const Line& line) noexcept { return lines[1 - line.index]; }
  [[nodiscard]] Connection* connection_of(const Line& line) noexcept {
    return reactor.find(line.connection);
  }
  void set_state(Line& line, SessionState to, const Error& reason, std::uint32_t retry = 0,
                 std::uint64_t wait_ns = 0) noexcept;
  void walk_to(Line& line, SessionState to) noexcept;
  void dial(Line& line) noexcept;
  void staged(Line& line, OpenStage stage) noexcept;
  void opened(Line& line, Connection& connection) noexcept;
  void failed(Line& line, const OpenFailure& failure) noexcept;
  void ended(Line& line, Connection& connection, const Closed& closed) noexcept;
  void release(Line& line, std::uint64_t bytes_sent) noexcept;
  void follow(Line& line, const RetryVerdict& verdict, const Error& error) noexcept;
  void give_up(Errc refusal, const Error& error) noexcept;
  void drop(Line& line, const Error& error) noexcept;

  // --- session_login.cpp
  using EndFunction = Callback<const RequestEnd&>;
  Errc send_draft(Line& line, Draft& draft, MethodId method, EndFunction on_end,
                  std::chrono::nanoseconds timeout) noexcept;
  Draft new_draft() noexcept { return {draft_room, next_id++}; }
  void log_in(Line& line) noexcept;
  void login_ended(Line& line, const RequestEnd& end) noexcept;
  void logged_in(Line& line, const LoginAnswer& answer) noexcept;
  void preparation_ended(Line& line, const RequestEnd& end) noexcept;
  void renew(Line& line) noexcept;
  void renewal_ended(Line& line, const RequestEnd& end) noexcept;
  void schedule_renewal(Line& line, const LoginAnswer& answer) noexcept;
  void hide_tokens(Line& line, Bytes answer) noexcept;
  LoginAnswer read_login(const RequestEnd& end) noexcept;
  void restore(Line& line) noexcept;
  void ask(Line& line) noexcept;
  bool ask_chunk(Line& line) noexcept;
  void sent_chunk(Line& line, const Draft& draft) noexcept;
  void hold_back(Line& line, MethodId method, Errc code) noexcept;
  void subscription_ended(Line& line, const RequestEnd& end) noexcept;
  void ask_later(Line& line) noexcept;
  void subscription_told(Line& line, std::string_view channel, bool accepted) noexcept;
  void settle(Line& line, ChannelIndex channel, bool accepted) noexcept;
  void settle_all(Line& line, bool accepted) noexcept;
  void check_restored(Line& line) noexcept;

  // --- session_inbound.cpp
  void received(Line& line, const Message& message) noexcept;
  void controlled(Line& line, Opcode opcode, Bytes payload) noexcept;
  void handle(Line& line, const Message& message, const MessageFacts& facts) noexcept;
  bool is_answer(Line& line, const Message& message) noexcept;
  void route(Line& line, const Message& message, const MessageFacts& facts) noexcept;
  void deliver(ChannelIndex channel, const Message& message) noexcept;
  void answer_beat(Line& line) noexcept;
  Stream* stream_of(ChannelIndex channel) noexcept;
  void gap_found(const Stream& stream, const Gap& gap) noexcept;
  void join_streams(const Line& line) noexcept;
  void leave_streams(const Line& line) noexcept;
  void forget_channel(ChannelIndex channel) noexcept;
  void expire_streams(Instant_ns now_ns) noexcept;
  void late(const RequestEnd& end) noexcept;

  // --- session_rotation.cpp
  [[nodiscard]] bool rotating() const noexcept;
  Errc begin_rotation() noexcept;
  void advance_rotation(Instant_ns now_ns) noexcept;
  void second_line_open(Line& line) noexcept;
  [[nodiscard]] bool flows(const Line& line, Instant_ns now_ns) const noexcept;
  void change_over(Line& to) noexcept;
  void drain(Line& line, Instant_ns now_ns) noexcept;
  void second_line_ended(Line& line, const Error& error) noexcept;

  Session& self;
  Reactor& reactor;
  SessionOptions options;
  Dialect dialect;
  Endpoint endpoint;
  ReconnectPolicy policy;
  SubscriptionRegistry registry;
  RequestTable requests;
  std::array<Line, kLines_max> lines;
  std::size_t active_line = 0;
  Timer timer;
  StopNotice stop_notice;

  std::vector<std::byte> draft_room;
  std::vector<ChannelIndex> chunk_room;
  std::vector<std::string_view> chunk_names;
  std::vector<Stream> streams;
  std::vector<std::uint32_t> stream_by_channel;

  std::int64_t next_id = 1;
  std::uint32_t attempts = 0;
  Error last_error;
  Error stop_error;  // why it is stopping
  bool stopping = false;
  Instant_ns retry_at_ns = kNever_ns;
  Instant_ns stop_deadline_ns = kNever_ns;
  Instant_ns rotate_at_ns = kNever_ns;
  Instant_ns flow_deadline_ns = kNever_ns;
  Instant_ns drain_deadline_ns = kNever_ns;
  Instant_ns outage_since_ns = 0;
  detail::SessionTelemetry telemetry;
  SessionCounters& counters;
  SessionLatency& latency;
  TelemetrySample sample;
};

}  // namespace zenwire
