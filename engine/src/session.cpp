#include <algorithm>
#include <string>

#include <zenwire/base/want_of_memory.hpp>
#include <zenwire/codec/url.hpp>

#include "session_impl.hpp"

namespace zenwire {

// --- Options.

Result<void> SessionOptions::validate() const {
  if (auto ok = connect.validate(); !ok) return ok;
  if (auto ok = reconnect.validate(); !ok) return ok;
  if (auto ok = heartbeat.validate(); !ok) return ok;
  if (streams_max > 0) {
    if (auto ok = gate.validate(); !ok) return ok;
  }
  struct Row {
    const char* name;
    bool wrong;
  };
  using std::chrono::nanoseconds;
  const Row rows[] = {
      {"login_timeout", login_timeout <= nanoseconds(0)},
      {"acknowledge_timeout", acknowledge_timeout <= nanoseconds(0)},
      {"chunk_max", chunk_max == 0},
      {"chunk_interval", chunk_interval < nanoseconds(0)},
      {"channels_max", channels_max == 0 || channels_max > (1U << 24)},
      {"channel_bytes_max", channel_bytes_max == 0 || channel_bytes_max > 4096},
      {"draft_bytes_max", draft_bytes_max == 0},
      {"requests_max", requests.requests_max == 0},
      {"streams_max", streams_max > channels_max},
      {"age_max", rotation.age_max < nanoseconds(0)},
      {"flow_timeout", rotation.flow_timeout <= nanoseconds(0)},
      {"drain_timeout", rotation.drain_timeout <= nanoseconds(0)},
  };
  for (const Row& row : rows) {
    if (row.wrong) return fail(Errc::invalid_option, row.name);
  }
  return {};
}

namespace {

// What the options need of the dialect.
Result<void> check_dialect(const SessionOptions& options, const Dialect& dialect) {
  if (options.heartbeat.kind == HeartbeatKind::text && (!dialect.write_beat || !dialect.classify))
    return fail(Errc::invalid_option, "text heartbeats need write_beat and classify");
  if (dialect.write_subscribe && !dialect.write_unsubscribe)
    return fail(Errc::invalid_option, "write_subscribe needs write_unsubscribe");
  if (options.streams_max > 0 && !dialect.classify)
    return fail(Errc::invalid_option, "streams need classify, which finds their keys");
  return {};
}

}  // namespace

// --- Life.

Session::Session() noexcept = default;

Result<std::unique_ptr<Session>> Session::create(Reactor& reactor, const SessionOptions& options,
                                                 const Dialect& dialect) {
  return or_memory_exhausted([&]() -> Result<std::unique_ptr<Session>> {
    if (auto ok = options.validate(); !ok) return tl::unexpected<Error>(ok.error());
    if (auto ok = check_dialect(options, dialect); !ok) return tl::unexpected<Error>(ok.error());
    auto endpoint = Endpoint::make(options.connect);
    if (!endpoint) return tl::unexpected<Error>(endpoint.error());
    auto telemetry = detail::SessionTelemetry::make(reactor.telemetry());
    if (!telemetry) return tl::unexpected<Error>(telemetry.error());
    std::unique_ptr<Session> session(new Session);
    session->impl_ = std::make_unique<Impl>(*session, reactor, options, dialect,
                                            std::move(*endpoint), std::move(*telemetry));
    if (auto ok = session->impl_->publish(); !ok) return tl::unexpected<Error>(ok.error());
    if (auto ok = session->impl_->make_streams(); !ok) return tl::unexpected<Error>(ok.error());
    return session;
  });
}

Session::Impl::Impl(Session& session, Reactor& its_reactor, const SessionOptions& its_options,
                    const Dialect& its_dialect, Endpoint its_endpoint,
                    detail::SessionTelemetry its_telemetry)
    : self(session),
      reactor(its_reactor),
      options(its_options),
      dialect(its_dialect),
      endpoint(std::move(its_endpoint)),
      policy(options.reconnect),
      registry(options.channels_max, options.channel_bytes_max),
      requests(options.requests),
      lines{Line(*this, 0, options.heartbeat), Line(*this, 1, options.heartbeat)},
      timer(Callback<Timer&>::to<&Impl::on_timer>(*this)),
      stop_notice(Callback<Reactor&>::to<&Impl::reactor_stops>(*this)),
      draft_room(options.draft_bytes_max),
      chunk_room(options.chunk_max),
      chunk_names(options.chunk_max),
      stream_by_channel(options.channels_max, kNoStream),
      telemetry(std::move(its_telemetry)),
      counters(telemetry.counters()),
      latency(telemetry.latency()),
      sample(Callback<Instant_ns>::to<&Impl::take_sample>(*this)) {
  requests.on_late = Callback<const RequestEnd&>::to<&Impl::late>(*this);
  reactor.notify_of_stop(stop_notice);
  registry.on_forgotten = Callback<ChannelIndex>::to<&Impl::forget_channel>(*this);
}

// Under the session's number and its URL without the query. Without a page that others can read,
// the requests keep their counters to themselves.
Result<void> Session::Impl::publish() {
  TelemetryPage& page = reactor.telemetry();
  if (!page.is_shared()) return {};
  const auto url = parse_url(options.connect.url);
  const std::string label =
      std::to_string(options.id) + (url ? " " + url->printable() : std::string());
  if (auto ok = telemetry.publish(label, options.limiter); !ok) return ok;
  page.sample_by(sample);
  const MethodTable none(0);
  return requests.publish(page, options.limiter != nullptr ? options.limiter->methods() : none,
                          label);
}

Result<void> Session::Impl::make_streams() {
  streams.reserve(options.streams_max);  // callbacks hold their addresses
  for (std::uint32_t i = 0; i < options.streams_max; ++i) {
    Stream& stream = streams.emplace_back(*this);
    auto gate = SequenceGate::make(
        options.gate, {.on_message = Callback<const Admitted&>::to<&Stream::on_admitted>(stream),
                       .on_gap = Callback<const Gap&>::to<&Stream::on_gap>(stream)});
    if (!gate) return tl::unexpected<Error>(gate.error());
    stream.gate = std::move(*gate);
  }
  return {};
}

Session::~Session() = default;

Session::Impl::~Impl() {
  for (const Line& line : lines) ZW_ASSERT(line.state == SessionState::stopped && !line.connection);
  reactor.cancel(timer);
}

void Session::start() noexcept {
  Impl& impl = *impl_;
  if (state() != SessionState::stopped || impl.lines[1 - impl.active_line].connection) return;
  impl.stopping = false;
  impl.stop_deadline_ns = kNever_ns;
  impl.last_error = Error();
  impl.policy.reset();
  impl.outage_since_ns = impl.now_ns();
  impl.dial(impl.active());
  impl.rearm();
}

void Session::stop(std::chrono::nanoseconds deadline) noexcept {
  Impl& impl = *impl_;
  if (impl.stopping || state() == SessionState::stopped) return;
  const Instant_ns deadline_ns = impl.now_ns() + to_ns(std::max(deadline, decltype(deadline)(0)));
  impl.begin_stop(Errc::session_stopped, deadline_ns);
}

void Session::Impl::begin_stop(Errc why, Instant_ns deadline_ns) noexcept {
  stopping = true;
  stop_error = why;
  stop_deadline_ns = deadline_ns;
  retry_at_ns = kNever_ns;
  for (Line& line : lines) {
    const Connection* const connection = connection_of(line);
    if (connection == nullptr || line.state == SessionState::closing) continue;
    if (line.state == SessionState::open || connection->state() == ConnectionState::closing)
      set_state(line, SessionState::closing, why);
  }
  finish_stop();
  rearm();
}

// The reactor has told the connections to close, and ends them at its own deadline. Without one
// (between two attempts) nothing else would end the session.
void Session::Impl::reactor_stops(Reactor&) noexcept {
  if (stopping || active().state == SessionState::stopped) return;
  begin_stop(Errc::reactor_stopping, kNever_ns);
}

// Open lines wait for their answers, others are given up; without a connection there is nothing to
// wait for.
void Session::Impl::finish_stop() noexcept {
  ZW_ASSERT(stopping);
  const Instant_ns now = now_ns();
  const bool over = now >= stop_deadline_ns;
  for (Line& line : lines) {
    Connection* const connection = connection_of(line);
    if (connection == nullptr) continue;
    if (over || line.state != SessionState::closing) {
      connection->abort(Errc::session_stopped);
    } else if (!line.close_sent && requests.waiting(line.connection) == 0) {
      line.close_sent = true;
      static_cast<void>(connection->close(CloseCode::normal));
    }
  }
  if (lines[0].connection || lines[1].connection) return;
  stop_with(stop_error);
}

void Session::Impl::stop_with(const Error& error) noexcept {
  ZW_ASSERT(!lines[0].connection && !lines[1].connection);
  requests.end_all(error.code());
  stopping = false;
  retry_at_ns = stop_deadline_ns = rotate_at_ns = flow_deadline_ns = drain_deadline_ns = kNever_ns;
  const Error why = error;  // it may be one that the handlers replace
  last_error = why;
  if (active().state != SessionState::stopped) set_state(active(), SessionState::stopped, why);
}

Errc Session::reconnect() noexcept {
  Impl& impl = *impl_;
  if (!is_open() || impl.stopping) return Errc::session_not_open;
  impl.drop(impl.active(), Errc::closed_normally);
  return Errc::ok;
}

Errc Session::rotate() noexcept {
  const Errc code = impl_->begin_rotation();
  impl_->rearm();
  return code;
}

// --- The clock: one timer, armed for the earliest of all that the session waits for.

void Session::Impl::on_timer(Timer&) noexcept {
  advance(now_ns());
  rearm();
}

void Session::Impl::advance(Instant_ns now) noexcept {
  requests.expire(now);
  for (Line& line : lines) advance(line, now);
  expire_streams(now);
  advance_rotation(now);
  if (now >= retry_at_ns) {
    retry_at_ns = kNever_ns;
    dial(active());
  }
  if (stopping) finish_stop();
}

void Session::Impl::advance(Line& line, Instant_ns now) noexcept {
  if (!line.connection) return;
  if (now >= line.answer_deadline_ns) {
    line.answer_deadline_ns = kNever_ns;
    const bool login = line.state == SessionState::authenticating;
    return drop(line, login ? Errc::login_timeout : Errc::subscription_timeout);
  }
  if (line.beat.running() && now >= line.beat.next_tick_ns()) check_beat(line, now);
  if (now >= line.next_chunk_ns) {
    line.next_chunk_ns = kNever_ns;
    ask(line);
  }
  if (now >= line.renew_ns) renew(line);
}

void Session::Impl::check_beat(Line& line, Instant_ns now) noexcept {
  Connection* const connection = connection_of(line);
  if (connection == nullptr) return;
  const ConnectionCounters& counts = connection->counters();
  const bool withheld = connection->paused() || counts.pauses != line.pauses_seen;
  line.pauses_seen = counts.pauses;
  line.beat.progress(counts.bytes_received, withheld, now);
  switch (line.beat.due(now)) {
    case Heartbeat::Due::nothing: return;
    case Heartbeat::Due::send: return send_beat(line, now);
    case Heartbeat::Due::missed_limit:
      ++counters.missed_limits;
      return drop(line, Errc::heartbeat_missed);
    case Heartbeat::Due::idle_limit: ++counters.idle_limits; return drop(line, Errc::idle_timeout);
  }
}

// A beat that finds no room in the send queue counts as missed at the next tick: the peer does not
// read, which is what beats are to find out.
void Session::Impl::send_beat(Line& line, Instant_ns now) noexcept {
  Connection& connection = *connection_of(line);
  line.beat.sent(now);
  if (options.heartbeat.kind == HeartbeatKind::ping) {
    const std::uint64_t token = line.beat.token();
    if (connection.ping(std::as_bytes(std::span(&token, 1))) != Errc::ok) ++counters.drafts_refused;
    return;
  }
  Draft draft = new_draft();
  dialect.write_beat(draft);
  if (send_draft(line, draft, dialect.beat_method, {}, {}) != Errc::ok) ++counters.drafts_refused;
}

Instant_ns Session::Impl::next_deadline_ns() const noexcept {
  Instant_ns earliest = std::min({requests.next_deadline_ns(), retry_at_ns, stop_deadline_ns,
                                  rotate_at_ns, flow_deadline_ns, drain_deadline_ns});
  for (const Line& line : lines) {
    if (!line.connection) continue;
    earliest = std::min({earliest, line.answer_deadline_ns, line.beat.next_tick_ns(),
                         line.next_chunk_ns, line.renew_ns});
  }
  for (const Stream& stream : streams) earliest = std::min(earliest, stream.gate->deadline_ns());
  return earliest;
}

void Session::Impl::rearm() noexcept {
  const Instant_ns deadline = next_deadline_ns();
  if (deadline == kNever_ns) {
    reactor.cancel(timer);
  } else if (!timer.armed() || timer.deadline_ns() != deadline) {
    reactor.arm(timer, deadline);
  }
}

// The hot path's: earlier only; a deadline that has moved away is found out when the timer runs.
void Session::Impl::wake_by(Instant_ns deadline_ns) noexcept {
  if (deadline_ns == kNever_ns) return;
  if (!timer.armed() || deadline_ns < timer.deadline_ns()) reactor.arm(timer, deadline_ns);
}

// --- Sending.

std::int64_t Session::next_id() noexcept {
  return impl_->next_id++;
}

Connection* Session::connection() noexcept {
  Connection* const connection = impl_->connection_of(impl_->active());
  return connection != nullptr && connection->state() == ConnectionState::open ? connection
                                                                               : nullptr;
}

RequestBegun Session::request(const Request& request, Bytes payload,
                              std::span<const Bytes> secrets) noexcept {
  Impl& impl = *impl_;
  if (impl.active().state != SessionState::open) [[unlikely]]
    return {impl.stopping ? Errc::session_stopped : Errc::session_not_open, {}};
  Connection* const at = connection();
  if (at == nullptr) return {Errc::session_not_open, {}};
  RateLimiter* const limiter = impl.options.limiter;
  const Instant_ns now = limiter != nullptr ? impl.now_ns() : 0;
  const RequestBegun begun =
      secrets.empty()
          ? impl.requests.send(*at, request, payload, impl.ticks(), limiter, now)
          : impl.requests.send_secret(*at, request, payload, secrets, impl.ticks(), limiter, now);
  if (begun.code == Errc::ok) impl.wake_by(request.deadline_ns);
  return begun;
}

bool Session::cancel(RequestHandle handle) noexcept {
  const bool was_waiting = impl_->requests.cancel(handle, impl_->now_ns());
  impl_->rearm();
  return was_waiting;
}

Errc Session::send(Opcode opcode, Bytes payload) noexcept {
  Connection* const at = is_open() ? connection() : nullptr;
  return at != nullptr ? at->send(opcode, payload) : Errc::session_not_open;
}

Instant_ns Session::time_until(MethodId method) noexcept {
  RateLimiter* const limiter = impl_->options.limiter;
  return limiter != nullptr ? limiter->time_until(limiter->cost(method), impl_->now_ns()) : 0;
}

void Session::throttled(MethodId method, std::chrono::nanoseconds retry_after) noexcept {
  RateLimiter* const limiter = impl_->options.limiter;
  if (limiter != nullptr)
    limiter->throttled(limiter->cost(method), impl_->now_ns(), to_ns(retry_after));
}

// --- Channels.

Errc Session::subscribe(std::string_view channel, ChannelHandler handler) noexcept {
  Impl& impl = *impl_;
  if (!impl.dialect.write_subscribe) return Errc::invalid_option;
  const Errc code = impl.registry.subscribe(channel, handler);
  for (Impl::Line& line : impl.lines) impl.ask(line);
  impl.rearm();
  return code;
}

bool Session::unsubscribe(std::string_view channel) noexcept {
  Impl& impl = *impl_;
  const bool wanted = impl.registry.unsubscribe(channel);
  for (Impl::Line& line : impl.lines) impl.ask(line);
  impl.rearm();
  return wanted;
}

Errc Session::handle(std::string_view channel, ChannelHandler handler) noexcept {
  return impl_->registry.handle(channel, handler);
}

void Session::received_beat() noexcept {
  impl_->active().beat.received_beat();
}

// --- What there is.

SessionState Session::state() const noexcept {
  return impl_->active().state;
}
bool Session::rotating() const noexcept {
  return impl_->rotating();
}
const Error& Session::last_error() const noexcept {
  return impl_->last_error;
}
std::uint32_t Session::id() const noexcept {
  return impl_->options.id;
}
Instant_ns Session::retry_at_ns() const noexcept {
  return impl_->retry_at_ns;
}
const SubscriptionRegistry& Session::subscriptions() const noexcept {
  return impl_->registry;
}
const RequestTable& Session::requests() const noexcept {
  return impl_->requests;
}
const HeartbeatCounters& Session::heartbeat() const noexcept {
  return impl_->active().beat.counters();
}
const SessionCounters& Session::counters() const noexcept {
  return impl_->counters;
}
const SessionLatency& Session::latency() const noexcept {
  return impl_->latency;
}
Reactor& Session::reactor() noexcept {
  return impl_->reactor;
}

}  // namespace zenwire
