#include <algorithm>

#include <zenwire/base/want_of_memory.hpp>
#include <zenwire/pool/arbitration.hpp>

#include "pool_telemetry.hpp"

namespace zenwire {
namespace {

// A queue's reader rings no bell, so a stopped reading looks for room this often.
constexpr Instant_ns kRoomPeriod_ns = 50'000;

}  // namespace

// --- Making one.

Result<std::unique_ptr<Arbitration>> Arbitration::make(Reactor& reactor,
                                                       const ArbitrationOptions& options,
                                                       const ArbitrationHandlers& handlers) {
  return or_memory_exhausted([&]() -> Result<std::unique_ptr<Arbitration>> {
    if (options.streams == 0) return fail(Errc::invalid_option, "streams must not be 0");
    std::unique_ptr<Arbitration> made(new Arbitration(reactor, options, handlers));
    for (Stream& stream : made->streams_) {
      GateHandlers gate_handlers{
          .on_message = Callback<const Admitted&>::to<&Stream::on_admitted>(stream),
          .on_gap = Callback<const Gap&>::to<&Stream::on_gap>(stream)};
      if (handlers.on_repair)
        gate_handlers.on_repair = Callback<GapRepair&>::to<&Stream::on_repair>(stream);
      auto gate = SequenceGate::make(options.gate, gate_handlers);
      if (!gate) return tl::unexpected<Error>(gate.error());
      stream.gate = std::move(*gate);
    }
    if (!reactor.telemetry().is_shared()) return made;
    auto telemetry = detail::ArbitrationTelemetry::make(reactor.telemetry(), *made);
    if (!telemetry) return tl::unexpected<Error>(telemetry.error());
    made->telemetry_ = std::move(*telemetry);
    return made;
  });
}

Arbitration::Arbitration(Reactor& reactor, const ArbitrationOptions& options,
                         const ArbitrationHandlers& handlers)
    : reactor_(reactor),
      options_(options),
      handlers_(handlers),
      streams_(options.streams),
      gap_timer_(Callback<Timer&>::to<&Arbitration::on_gap_timer>(*this)),
      room_timer_(Callback<Timer&>::to<&Arbitration::on_room_timer>(*this)) {
  for (std::uint32_t index = 0; index < options.streams; ++index) {
    streams_[index].owner = this;
    streams_[index].index = index;
  }
  for (unsigned index = 0; index < lines_.size(); ++index) {
    lines_[index].owner = this;
    lines_[index].index = index;
  }
}

Arbitration::~Arbitration() {
  reactor_.cancel(gap_timer_);
  reactor_.cancel(room_timer_);
  for (unsigned line = 0; line < lines_.size(); ++line) remove(line);
}

// --- Lines.

void Arbitration::add(unsigned index, Connection& connection) noexcept {
  ZW_ASSERT(index < lines_.size() && lines_[index].connection == nullptr);
  Line& line = lines_[index];
  const auto message_handler =
      connection.on_message.add(Callback<Connection&, const Message&>::to<&Line::on_message>(line));
  const auto closed_handler =
      connection.on_closed.add(Callback<Connection&, const Closed&>::to<&Line::on_closed>(line));
  ZW_ASSERT(message_handler && closed_handler);
  line.connection = &connection;
  line.message_handler = *message_handler;
  line.closed_handler = *closed_handler;
  for (Stream& stream : streams_) stream.gate->join(index);
  if (paused_) connection.pause();
}

void Arbitration::remove(unsigned index) noexcept {
  ZW_ASSERT(index < lines_.size());
  Line& line = lines_[index];
  if (line.connection == nullptr) return;
  line.connection->on_message.remove(line.message_handler);
  line.connection->on_closed.remove(line.closed_handler);
  if (paused_) line.connection->resume();
  leave(line);
}

void Arbitration::leave(Line& line) noexcept {
  line.connection = nullptr;
  const Instant_ns now_ns = reactor_.now_ns();
  for (Stream& stream : streams_) stream.gate->leave(line.index, now_ns);
}

void Arbitration::Line::on_closed(Connection&, const Closed&) noexcept {
  owner->leave(*this);
}

void Arbitration::Line::on_message(Connection&, const Message& message) noexcept {
  owner->offer(*this, message);
}

// --- Messages.

void Arbitration::offer(Line& line, const Message& message) noexcept {
  const StreamKey at = options_.key(message);
  if (at.stream >= options_.streams) return;
  SequenceGate& gate = *streams_[at.stream].gate;
  gate.offer(line.index, at.key, message, now_of(message));
  if (const Instant_ns deadline_ns = gate.deadline_ns(); deadline_ns != kNever_ns) [[unlikely]]
    arm_gap_timer(deadline_ns);
}

// The clock is read once per burst: the messages of one share its ticks.
Instant_ns Arbitration::now_of(const Message& message) noexcept {
  if (message.received_ticks != burst_ticks_ || burst_ns_ == 0) {
    burst_ticks_ = message.received_ticks;
    burst_ns_ = reactor_.now_ns();
  }
  return burst_ns_;
}

void Arbitration::Stream::on_admitted(const Admitted& admitted) noexcept {
  ++owner->delivered_;
  if (owner->handlers_.on_message) owner->handlers_.on_message(index, admitted);
  if (owner->queue_ != nullptr) owner->push(admitted);
}

void Arbitration::Stream::on_gap(const Gap& gap) noexcept {
  ++owner->gaps_;
  if (owner->handlers_.on_gap) owner->handlers_.on_gap({index, gap});
}

void Arbitration::Stream::on_repair(GapRepair& repair) noexcept {
  owner->handlers_.on_repair({index, repair});
}

void Arbitration::fill(std::uint32_t stream, const SequenceKey& key,
                       const Message& message) noexcept {
  ZW_ASSERT(stream < options_.streams);
  streams_[stream].gate->fill(key, message, reactor_.now_ns());
}

void Arbitration::repair_failed(std::uint32_t stream) noexcept {
  ZW_ASSERT(stream < options_.streams);
  streams_[stream].gate->repair_failed(reactor_.now_ns());
}

// --- The gap timer: the earliest deadline of all gates.

void Arbitration::arm_gap_timer(Instant_ns deadline_ns) noexcept {
  if (!gap_timer_.armed() || deadline_ns < gap_timer_.deadline_ns())
    reactor_.arm(gap_timer_, deadline_ns);
}

void Arbitration::on_gap_timer(Timer&) noexcept {
  const Instant_ns now_ns = burst_ns_ = reactor_.now_ns();
  Instant_ns next_ns = kNever_ns;
  for (Stream& stream : streams_) {
    stream.gate->expire(now_ns);
    next_ns = std::min(next_ns, stream.gate->deadline_ns());
  }
  if (next_ns != kNever_ns) arm_gap_timer(next_ns);
}

// --- The strategy's queue.

void Arbitration::deliver_to(MessageQueue* queue, std::uint32_t session,
                             ConnectionId answer_on) noexcept {
  queue_ = queue;
  session_ = session;
  answer_on_ = answer_on;
}

// None for what a repair found, or when the line has died meanwhile.
ConnectionId Arbitration::answer_on(const Admitted& admitted) const noexcept {
  if (answer_on_) return answer_on_;
  if (admitted.member >= lines_.size()) return {};
  const Connection* const connection = lines_[admitted.member].connection;
  return connection != nullptr ? connection->id() : ConnectionId{};
}

// With stop_reading there is room: reading stops while there is still the reserve. A queue that
// drops counts what it drops, and stops nothing.
void Arbitration::push(const Admitted& admitted) noexcept {
  const Message& message = admitted.message;
  const ConnectionId answer = answer_on(admitted);
  MessageHeader header;
  header.received_ticks = message.received_ticks;
  header.received_ns = message.received_ns;
  const TickSource ticks = reactor_.io().ticks();
  header.queued_ticks = latency_ != nullptr ? ticks.now() : 0;
  header.sequence = ++sequence_;
  header.session = session_;
  header.connection = answer.index;
  header.epoch = answer.epoch;
  header.kind = static_cast<MessageKind>(message.opcode);
  header.flags = message.last_of_burst ? kLastOfBurst : 0;
  const PushOutcome outcome = queue_->try_push(header, message.payload);
  ZW_ASSERT(outcome != PushOutcome::full);
  if (latency_ != nullptr) latency_->mark(Stage::queued, message.received_ticks, ticks.now());
  const bool stops = queue_->on_full() == FullPolicy::stop_reading;
  if (stops && !queue_->has_room(options_.queue_reserve_bytes)) [[unlikely]]
    pause();
}

void Arbitration::pause() noexcept {
  if (paused_) return;
  paused_ = true;
  ++pauses_;
  for (const Line& line : lines_)
    if (line.connection != nullptr) line.connection->pause();
  reactor_.arm(room_timer_, reactor_.now_ns() + kRoomPeriod_ns);
}

void Arbitration::on_room_timer(Timer&) noexcept {
  if (queue_ != nullptr && !queue_->has_room(options_.queue_reserve_bytes)) {
    reactor_.arm(room_timer_, reactor_.now_ns() + kRoomPeriod_ns);
    return;
  }
  paused_ = false;
  for (const Line& line : lines_)
    if (line.connection != nullptr) line.connection->resume();
}

// --- Telemetry.

const SequenceGate& Arbitration::gate(std::uint32_t stream) const noexcept {
  ZW_ASSERT(stream < options_.streams);
  return *streams_[stream].gate;
}

LineView Arbitration::view(unsigned index) const noexcept {
  ZW_ASSERT(index < lines_.size());
  LineView view{.live = lines_[index].connection != nullptr};
  std::uint64_t behind_ns = 0;
  for (const Stream& stream : streams_) {
    const GateMemberCounters& counters = stream.gate->counters(index);
    view.copies += counters.copies;
    view.wins += counters.wins;
    view.saved_ns_max = std::max(view.saved_ns_max, counters.behind_ns_max);
    behind_ns += counters.behind_ns;
  }
  const auto ratio = [](std::uint64_t part, std::uint64_t whole) noexcept {
    return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
  };
  view.win_rate = ratio(view.wins, delivered_);
  view.saved_ns_mean = ratio(behind_ns, view.copies);
  return view;
}

}  // namespace zenwire
