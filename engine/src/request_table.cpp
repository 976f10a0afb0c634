#include <algorithm>
#include <bit>

#include <zenwire/codec/json_string.hpp>
#include <zenwire/engine/request_table.hpp>

#include "telemetry_fields.hpp"
#include "text_hash.hpp"

namespace zenwire {
namespace {

// Every byte of a text may be written as \u00xx.
constexpr std::size_t kEscapedText_bytes_max = 6 * RequestId::kText_bytes_max;

RequestId unescaped(std::string_view escaped) noexcept {
  if (escaped.size() > kEscapedText_bytes_max) return {};
  std::array<char, kEscapedText_bytes_max> text;
  const auto bytes = json_unescape(text.data(), escaped);
  return bytes ? RequestId(std::string_view(text.data(), *bytes)) : RequestId();
}

}  // namespace

std::string_view name(RequestOutcome outcome) noexcept {
  constexpr std::string_view kNames[kRequestOutcomes] = {"answered",  "refused",  "timed_out",
                                                         "cancelled", "not_sent", "unknown"};
  return kNames[static_cast<std::size_t>(outcome)];
}

// --- RequestId.

RequestId RequestId::from(const JsonRpcId& id) noexcept {
  switch (id.kind) {
    case JsonRpcId::Kind::integer: return RequestId(id.integer);
    case JsonRpcId::Kind::text: return id.escaped ? unescaped(id.text) : RequestId(id.text);
    case JsonRpcId::Kind::none:
    case JsonRpcId::Kind::other: return {};
  }
  return {};
}

std::uint64_t RequestId::hash() const noexcept {
  if (is_integer()) return detail::mix(static_cast<std::uint64_t>(integer()));
  return detail::hash_text(text());
}

// --- RequestTable.

RequestTable::RequestTable(const RequestTableOptions& options)
    : requests_max_(options.requests_max),
      mask_(std::bit_ceil(2 * options.requests_max) - 1),
      late_for_ns_(options.late_for_ns),
      histograms_max_(std::max<std::uint16_t>(options.histograms_max, 1)),
      slots_(std::make_unique<Slot[]>(options.requests_max)),
      places_(std::make_unique<std::uint32_t[]>(mask_ + 1)),
      histograms_(std::make_unique<MethodHistogram*[]>(histograms_max_)),
      own_histograms_(std::make_unique<MethodHistogram[]>(histograms_max_)),
      deadlines_(options.requests_max) {
  ZW_ASSERT(options.requests_max > 0 && options.requests_max <= (1U << 24));
  ZW_ASSERT(options.id_key.size() <= id_key_.size());
  std::memcpy(id_key_.data(), options.id_key.data(), options.id_key.size());
  id_key_bytes_ = static_cast<std::uint8_t>(options.id_key.size());
  std::fill_n(places_.get(), mask_ + 1, kNone);
  for (std::size_t i = 0; i < histograms_max_; ++i) histograms_[i] = &own_histograms_[i];
  for (std::uint32_t i = 0; i < requests_max_; ++i) {
    slots_[i].table = this;
    slots_[i].index = i;
    append(free_, slots_[i]);
  }
}

RequestTable::~RequestTable() {
  ZW_ASSERT(waiting_ == 0);
  for (std::uint32_t i = 0; i < requests_max_; ++i) deadlines_.cancel(slots_[i].deadline);
}

void RequestTable::append(List& list, Slot& slot) noexcept {
  slot.next = kNone;
  slot.previous = list.last;
  (list.last == kNone ? list.first : slots_[list.last].next) = slot.index;
  list.last = slot.index;
}

void RequestTable::unlink(List& list, Slot& slot) noexcept {
  (slot.previous == kNone ? list.first : slots_[slot.previous].next) = slot.next;
  (slot.next == kNone ? list.last : slots_[slot.next].previous) = slot.previous;
}

// Where the id is, or would be put.
std::uint32_t RequestTable::place_of(const RequestId& id) const noexcept {
  auto place = static_cast<std::uint32_t>(id.hash()) & mask_;
  while (places_[place] != kNone && slots_[places_[place]].id != id) place = (place + 1) & mask_;
  return place;
}

// What was pushed on by the id that leaves moves up, so that no search ends before it.
void RequestTable::forget_id(Slot& slot) noexcept {
  std::uint32_t hole = place_of(slot.id);
  ZW_ASSERT(places_[hole] == slot.index);
  for (std::uint32_t place = (hole + 1) & mask_; places_[place] != kNone;
       place = (place + 1) & mask_) {
    const auto home = static_cast<std::uint32_t>(slots_[places_[place]].id.hash()) & mask_;
    if (((place - home) & mask_) < ((place - hole) & mask_)) continue;
    places_[hole] = places_[place];
    hole = place;
  }
  places_[hole] = kNone;
}

RequestTable::Slot* RequestTable::slot_of(RequestHandle handle) const noexcept {
  if (!handle || handle.index >= requests_max_) return nullptr;
  Slot& slot = slots_[handle.index];
  return slot.state == State::waiting && slot.generation == handle.generation ? &slot : nullptr;
}

RequestHandle RequestTable::find(const RequestId& id) const noexcept {
  const std::uint32_t index = places_[place_of(id)];
  if (index == kNone || slots_[index].state != State::waiting) return {};
  return {index, slots_[index].generation};
}

bool RequestTable::is_waiting(RequestHandle handle) const noexcept {
  return slot_of(handle) != nullptr;
}

std::uint32_t RequestTable::waiting(ConnectionId connection) const noexcept {
  std::uint32_t count = 0;
  for (std::uint32_t i = order_.first; i != kNone; i = slots_[i].next) {
    if (slots_[i].state == State::waiting && slots_[i].connection == connection) ++count;
  }
  return count;
}

Result<void> RequestTable::publish(TelemetryPage& page, const MethodTable& methods,
                                   std::string_view label) {
  ZW_ASSERT(counters_->begun == 0 && !published_);
  TelemetryBlocks& blocks = published_.emplace(page);
  auto counters =
      blocks.keep(counters_, page.add<RequestCounters>("requests", detail::kRequestFields), label);
  if (!counters) return counters;
  const std::size_t count = std::min<std::size_t>(methods.count(), histograms_max_);
  for (std::size_t i = 0; i < count; ++i) {
    const std::string_view method = methods.name(static_cast<MethodId>(i));
    auto histogram = blocks.keep(
        histograms_[i],
        page.add_histogram<MethodHistogram::kPrecision_bits>(
            "round_trip",
            {method.substr(0, telemetry::kFieldName_bytes_max), telemetry::FieldKind::ticks}),
        label);
    if (!histogram) return histogram;
  }
  return {};
}

// --- Beginning.

RequestBegun RequestTable::begin(const Request& request, const RequestStart& start) noexcept {
  if (const Errc refusal = check(request, start.connection); refusal != Errc::ok)
    return {refusal, {}};
  const Slot& slot = enter(request, start);
  return {Errc::ok, {slot.index, slot.generation}};
}

Errc RequestTable::check(const Request& request, ConnectionId connection) noexcept {
  ZW_ASSERT(static_cast<bool>(request.on_end));
  if (!request.id.is_valid()) return Errc::request_id_invalid;
  const std::uint32_t known = places_[place_of(request.id)];
  if (known != kNone) {
    Slot& slot = slots_[known];
    if (slot.state == State::waiting || slot.connection == connection) {
      ++counters_->duplicates_refused;
      return Errc::request_id_in_use;
    }
    release(slot);
  }
  if (make_room()) return Errc::ok;
  ++counters_->full_refused;
  return Errc::requests_exhausted;
}

// A request that waits outranks the memory of one that has ended.
bool RequestTable::make_room() noexcept {
  if (free_.first != kNone) return true;
  if (waiting_ == requests_max_) return false;
  std::uint32_t oldest = order_.first;
  while (oldest != kNone && slots_[oldest].state != State::ended) oldest = slots_[oldest].next;
  if (oldest == kNone) return false;  // the rest is about to end
  release(slots_[oldest]);
  return true;
}

RequestTable::Slot& RequestTable::enter(const Request& request,
                                        const RequestStart& start) noexcept {
  Slot& slot = slots_[free_.first];
  ZW_ASSERT(slot.state == State::free && !slot.deadline.armed());
  unlink(free_, slot);
  append(order_, slot);
  slot.state = State::waiting;
  slot.id = request.id;
  slot.method = request.method;
  slot.on_end = request.on_end;
  slot.connection = start.connection;
  slot.stream_bytes = start.stream_bytes;
  slot.ticks = start.ticks;
  places_[place_of(slot.id)] = slot.index;
  if (request.deadline_ns != kNever_ns) deadlines_.arm(slot.deadline, request.deadline_ns);
  ++waiting_;
  ++counters_->begun;
  return slot;
}

void RequestTable::withdraw(RequestHandle handle) noexcept {
  Slot* const slot = slot_of(handle);
  ZW_ASSERT(slot != nullptr);
  --waiting_;
  --counters_->begun;
  release(*slot);
}

template <typename Send>
RequestBegun RequestTable::send_with(Send send, Connection& connection, const Request& request,
                                     std::uint64_t ticks, RateLimiter* limiter,
                                     Instant_ns now_ns) noexcept {
  if (limiter != nullptr) {
    if (const Errc limited = limiter->try_take(request.method, now_ns); limited != Errc::ok)
      return {limited, {}};
  }
  RequestBegun begun = begin(request, {connection.id(), connection.wire_end_bytes(), ticks});
  if (begun.code == Errc::ok) {
    begun.code = send();
    if (begun.code == Errc::ok) [[likely]]
      return begun;
    withdraw(begun.handle);
  }
  if (limiter != nullptr) limiter->give_back(limiter->cost(request.method));
  return {begun.code, {}};
}

RequestBegun RequestTable::send(Connection& connection, const Request& request, Bytes payload,
                                std::uint64_t ticks, RateLimiter* limiter,
                                Instant_ns now_ns) noexcept {
  return send_with([&] { return connection.send(Opcode::text, payload); }, connection, request,
                   ticks, limiter, now_ns);
}

RequestBegun RequestTable::send_secret(Connection& connection, const Request& request,
                                       Bytes payload, std::span<const Bytes> secrets,
                                       std::uint64_t ticks, RateLimiter* limiter,
                                       Instant_ns now_ns) noexcept {
  return send_with([&] { return connection.send_secret(Opcode::text, payload, secrets); },
                   connection, request, ticks, limiter, now_ns);
}

// --- Ending. A slot is out of the table before its callback runs, which may use the table again.

void RequestTable::release(Slot& slot) noexcept {
  ZW_ASSERT(slot.state == State::waiting || slot.state == State::ended);
  deadlines_.cancel(slot.deadline);
  forget_id(slot);
  unlink(order_, slot);
  set_free(slot);
}

// 0 names none, so no generation is 0.
void RequestTable::set_free(Slot& slot) noexcept {
  slot.state = State::free;
  if (++slot.generation == 0) slot.generation = 1;
  append(free_, slot);
}

// It has ended for its caller; its answer may still come.
void RequestTable::remember(Slot& slot, Instant_ns now_ns) noexcept {
  if (late_for_ns_ == 0) return release(slot);
  slot.state = State::ended;
  deadlines_.arm(slot.deadline, now_ns + std::min(late_for_ns_, kNever_ns - 1 - now_ns));
}

RequestEnd RequestTable::end_of(const Slot& slot, RequestOutcome outcome,
                                Errc reason) const noexcept {
  RequestEnd end;
  end.handle = {slot.index, slot.generation};
  end.id = slot.id;
  end.method = slot.method;
  end.outcome = outcome;
  end.connection = slot.connection;
  end.reason = reason;
  return end;
}

void RequestTable::end_early(Slot& slot, RequestOutcome outcome, Errc reason,
                             Instant_ns now_ns) noexcept {
  ZW_ASSERT(slot.state == State::waiting);
  const Callback<const RequestEnd&> on_end = slot.on_end;
  const RequestEnd end = end_of(slot, outcome, reason);
  --waiting_;
  ++counters_->ended[static_cast<std::size_t>(outcome)];
  remember(slot, now_ns);
  on_end(end);
}

bool RequestTable::cancel(RequestHandle handle, Instant_ns now_ns) noexcept {
  Slot* const slot = slot_of(handle);
  if (slot == nullptr) return false;
  end_early(*slot, RequestOutcome::cancelled, Errc::request_cancelled, now_ns);
  return true;
}

void RequestTable::Slot::on_deadline(void* slot, Timer&) noexcept {
  auto& self = *static_cast<Slot*>(slot);
  self.table->deadline_passed(self);
}

void RequestTable::deadline_passed(Slot& slot) noexcept {
  if (slot.state == State::ended) return release(slot);
  end_early(slot, RequestOutcome::timed_out, Errc::request_timed_out, slot.deadline.deadline_ns());
}

AnswerMatch RequestTable::receive(ConnectionId connection, Bytes message,
                                  std::uint64_t ticks) noexcept {
  const JsonRpcHead head =
      scan_json_rpc(as_text(message), std::string_view(id_key_.data(), id_key_bytes_));
  if (head.has_method) return AnswerMatch::none;
  const RequestId id = RequestId::from(head.id);
  if (!id.is_valid()) return AnswerMatch::none;
  const std::uint32_t index = places_[place_of(id)];
  if (index == kNone || slots_[index].connection != connection) {
    ++counters_->unmatched_ids;
    return AnswerMatch::none;
  }
  if (slots_[index].state == State::ended) [[unlikely]]
    return answered_late(slots_[index], message, head, ticks);
  answered(slots_[index], message, head, ticks);
  return AnswerMatch::answered;
}

void RequestTable::answered(Slot& slot, Bytes message, const JsonRpcHead& head,
                            std::uint64_t ticks) noexcept {
  ZW_ASSERT(slot.state == State::waiting);
  const Callback<const RequestEnd&> on_end = slot.on_end;
  RequestEnd end =
      end_of(slot, head.has_error ? RequestOutcome::refused : RequestOutcome::answered, Errc::ok);
  end.answer = message;
  end.head = head;
  end.round_trip_ticks = ticks > slot.ticks ? ticks - slot.ticks : 0;
  histograms_[histogram_of(slot.method)]->record(end.round_trip_ticks);
  --waiting_;
  ++counters_->ended[static_cast<std::size_t>(end.outcome)];
  release(slot);
  on_end(end);
}

AnswerMatch RequestTable::answered_late(Slot& slot, Bytes message, const JsonRpcHead& head,
                                        std::uint64_t ticks) noexcept {
  RequestEnd end =
      end_of(slot, head.has_error ? RequestOutcome::refused : RequestOutcome::answered, Errc::ok);
  end.late = true;
  end.answer = message;
  end.head = head;
  end.round_trip_ticks = ticks > slot.ticks ? ticks - slot.ticks : 0;
  ++counters_->late_answers;
  release(slot);
  if (!on_late) return AnswerMatch::none;
  on_late(end);
  return AnswerMatch::late;
}

// Out of the table, and out of reach of handles, before the first callback runs: what callbacks
// begin does not end with them.
template <typename IsDoomed>
RequestTable::List RequestTable::take_doomed(IsDoomed is_doomed) noexcept {
  List doomed;
  for (std::uint32_t i = order_.first; i != kNone;) {
    Slot& slot = slots_[i];
    i = slot.next;
    if (!is_doomed(slot)) continue;
    if (slot.state == State::ended) {
      release(slot);
      continue;
    }
    deadlines_.cancel(slot.deadline);
    forget_id(slot);
    unlink(order_, slot);
    slot.state = State::ending;
    append(doomed, slot);
  }
  return doomed;
}

void RequestTable::end_doomed(Slot& slot, RequestOutcome outcome, Errc reason) noexcept {
  ZW_ASSERT(slot.state == State::ending);
  const RequestEnd end = end_of(slot, outcome, reason);
  const Callback<const RequestEnd&> on_end = slot.on_end;
  --waiting_;
  ++counters_->ended[static_cast<std::size_t>(outcome)];
  set_free(slot);
  on_end(end);
}

void RequestTable::connection_lost(ConnectionId connection, std::uint64_t bytes_sent) noexcept {
  List doomed =
      take_doomed([&](const Slot& slot) noexcept { return slot.connection == connection; });
  while (doomed.first != kNone) {
    Slot& slot = slots_[doomed.first];
    unlink(doomed, slot);
    if (bytes_sent > slot.stream_bytes) {
      end_doomed(slot, RequestOutcome::unknown, Errc::request_outcome_unknown);
    } else {
      end_doomed(slot, RequestOutcome::not_sent, Errc::request_not_sent);
    }
  }
}

void RequestTable::end_all(Errc reason) noexcept {
  List doomed = take_doomed([](const Slot&) noexcept { return true; });
  while (doomed.first != kNone) {
    Slot& slot = slots_[doomed.first];
    unlink(doomed, slot);
    end_doomed(slot, RequestOutcome::cancelled, reason);
  }
}

}  // namespace zenwire
