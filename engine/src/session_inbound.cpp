// What a session receives: answers to their requests, data through its gate to its handlers, beats
// to the heartbeat.

#include <cstring>

#include "session_impl.hpp"

namespace zenwire {

// One look of the dialect, if there is one; an answer is looked for only where it may be one.
void Session::Impl::received(Line& line, const Message& message) noexcept {
  if (!dialect.classify || !message.is_text()) {
    if (!message.is_text() || !is_answer(line, message)) route(line, message, {});
    return;
  }
  MessageFacts facts;
  dialect.classify(message, facts);
  if (facts.role == MessageRole::data) [[likely]]
    return route(line, message, facts);
  handle(line, message, facts);
}

void Session::Impl::handle(Line& line, const Message& message, const MessageFacts& facts) noexcept {
  switch (facts.role) {
    case MessageRole::data: return route(line, message, facts);
    case MessageRole::undecided:
      if (!is_answer(line, message)) route(line, message, facts);
      return;
    case MessageRole::heartbeat:
      line.beat.received_beat();
      if (options.heartbeat.kind == HeartbeatKind::text &&
          line.beat.answered(line.beat.token(), now_ns()))
        latency.round_trip.record(line.beat.counters().round_trip_ns);
      return;
    case MessageRole::heartbeat_request: return answer_beat(line);
    case MessageRole::login_accepted:
      hide_tokens(line, message.payload);
      if (line.state == SessionState::authenticating) logged_in(line, {});
      return rearm();
    case MessageRole::login_refused:
      hide_tokens(line, message.payload);
      return drop(line, Errc::login_refused);
    case MessageRole::subscription_accepted:
    case MessageRole::subscription_rejected:
      subscription_told(line, facts.channel, facts.role == MessageRole::subscription_accepted);
      ask(line);
      check_restored(line);
      return rearm();
  }
}

// Without a request ever made there is nothing to look for.
bool Session::Impl::is_answer(Line& line, const Message& message) noexcept {
  if (requests.counters().begun == 0) return false;
  const AnswerMatch match =
      requests.receive(line.connection, message.payload, message.received_ticks);
  if (match == AnswerMatch::none) return false;
  if (line.draining) drain(line, now_ns());
  if (stopping) finish_stop();
  return true;
}

// A second line's data counts only where a gate can tell copies: the consumer sees one stream.
void Session::Impl::route(Line& line, const Message& message, const MessageFacts& facts) noexcept {
  ++line.data_messages;
  const ChannelIndex channel = facts.channel.empty() ? kNoChannel : registry.find(facts.channel);
  if (facts.key.kind != SequenceKey::Kind::unsequenced) {
    if (Stream* const stream = stream_of(channel); stream != nullptr) {
      stream->gate->offer(static_cast<unsigned>(line.index), facts.key, message, now_ns());
      return wake_by(stream->gate->deadline_ns());
    }
  }
  if (&line != &active()) [[unlikely]] {
    ++counters.copies;
    return;
  }
  deliver(channel, message);
}

void Session::Impl::deliver(ChannelIndex channel, const Message& message) noexcept {
  ++counters.messages;
  if (channel != kNoChannel) {
    const SubscriptionRegistry::Handler handler = registry.handler(channel);
    if (handler) handler(self, message);
  }
  self.on_message(self, message);
}

void Session::Impl::answer_beat(Line& line) noexcept {
  line.beat.received_beat();
  if (!dialect.write_beat_answer) return;
  Draft draft = new_draft();
  dialect.write_beat_answer(draft);
  const Errc sent = send_draft(line, draft, dialect.beat_method, {}, options.login_timeout);
  if (sent == Errc::ok) {
    ++counters.beats_answered;
    return wake_by(requests.next_deadline_ns());
  }
  ++counters.drafts_refused;
}

// Pings are answered by the connection; here they are only counted as the server's beats.
void Session::Impl::controlled(Line& line, Opcode opcode, Bytes payload) noexcept {
  if (opcode == Opcode::ping) return line.beat.received_beat();
  std::uint64_t token = 0;
  if (options.heartbeat.kind != HeartbeatKind::ping || payload.size() != sizeof token) return;
  std::memcpy(&token, payload.data(), sizeof token);
  if (line.beat.answered(token, now_ns()))
    latency.round_trip.record(line.beat.counters().round_trip_ns);
}

void Session::Impl::late(const RequestEnd& end) noexcept {
  if (self.on_late.empty()) ++counters.late_answers_untold;
  self.on_late(self, end);
}

// --- Gates.

// The channel's gate; one is given to it with its first key.
Session::Impl::Stream* Session::Impl::stream_of(ChannelIndex channel) noexcept {
  if (channel == kNoChannel || streams.empty()) return nullptr;
  std::uint32_t& at = stream_by_channel[channel];
  if (at != kNoStream) [[likely]]
    return &streams[at];
  for (std::uint32_t i = 0; i < streams.size(); ++i) {
    if (streams[i].channel != kNoChannel) continue;
    streams[i].gate->restart(now_ns());  // what it holds is of a channel that was left: to nobody
    at = i;
    streams[i].channel = channel;
    for (const Line& line : lines) {
      const auto member = static_cast<unsigned>(line.index);
      if (line.connection && !streams[i].gate->is_member(member)) streams[i].gate->join(member);
    }
    return &streams[i];
  }
  ++counters.ungated;
  return nullptr;
}

void Session::Impl::forget_channel(ChannelIndex channel) noexcept {
  std::uint32_t& at = stream_by_channel[channel];
  if (at == kNoStream) return;
  streams[at].channel = kNoChannel;
  at = kNoStream;
}

void Session::Impl::gap_found(const Stream& stream, const Gap& gap) noexcept {
  if (stream.channel == kNoChannel) return;  // left meanwhile
  self.on_gap(self, {registry.name(stream.channel), gap});
}

void Session::Impl::join_streams(const Line& line) noexcept {
  const auto member = static_cast<unsigned>(line.index);
  for (Stream& stream : streams) {
    const bool anew = !options.sequences_survive && stream.gate->members() == 0;
    if (anew) stream.gate->restart(now_ns());
    if (!stream.gate->is_member(member)) stream.gate->join(member);
  }
}

void Session::Impl::leave_streams(const Line& line) noexcept {
  const auto member = static_cast<unsigned>(line.index);
  for (Stream& stream : streams) {
    if (stream.gate->is_member(member)) stream.gate->leave(member, now_ns());
  }
}

void Session::Impl::expire_streams(Instant_ns now) noexcept {
  for (Stream& stream : streams) {
    if (now >= stream.gate->deadline_ns()) stream.gate->expire(now);
  }
}

}  // namespace zenwire
