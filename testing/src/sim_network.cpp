#include "sim_network.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "sim_io.hpp"

namespace zenwire::testing::detail {
namespace {

using Kind = SimOperation::Kind;

// poll's bits.
constexpr std::int32_t kIn = 0x0001;
constexpr std::int32_t kOut = 0x0004;
constexpr std::int32_t kError = 0x0008;
constexpr std::int32_t kHangUp = 0x0010;
constexpr std::int32_t kReadHangUp = 0x2000;
static_assert(kPollEnded == (kReadHangUp | kHangUp | kError));

// Below, descriptors are taken for the standard streams, and 0 is a mistake.
constexpr Socket kSocket_min = 3;
constexpr Instant_ns kMicrosecond_ns = 1'000;
constexpr Instant_ns kMillisecond_ns = 1'000'000;
constexpr Instant_ns kCall_ns = 50;
constexpr std::size_t kCapacity_bytes_min = 512;
constexpr std::size_t kCapacity_bytes_max = 256 << 10;
constexpr std::size_t kPieces_max = 4;
constexpr Instant_ns kLateConnect_ns_max = 20'000 * kMillisecond_ns;
constexpr Instant_ns kClog_ns_max = 2'000 * kMillisecond_ns;
constexpr Instant_ns kLateOutcome_ns_max = 50 * kMillisecond_ns;
constexpr Instant_ns kHalfOpen_ns_max = 10'000 * kMillisecond_ns;
constexpr std::array kConnectErrors{ECONNREFUSED, EHOSTUNREACH, ENETUNREACH, ETIMEDOUT};

}  // namespace

SimNetwork::SimNetwork(Random random, SimTrace& trace_into, const SimFaults& rates)
    : faults(rates), trace(trace_into), random_(random) {}

// --- Time.

void SimNetwork::at(Instant_ns time_ns, Event event) {
  events_.emplace(std::pair(time_ns, next_serial()), event);
}

Instant_ns SimNetwork::next_event_ns() const noexcept {
  return events_.empty() ? kNever_ns : events_.begin()->first.first;
}

void SimNetwork::run_events() noexcept {
  while (!events_.empty() && events_.begin()->first.first <= now_ns_) {
    const Event event = events_.begin()->second;
    events_.erase(events_.begin());
    run(event);
  }
}

void SimNetwork::run(const Event& event) noexcept {
  if (event.kind == Event::Kind::finish_operation) {
    if (SimOperation* operation = find_operation(event.serial)) finish(*operation);
    return;
  }
  const SimSocket* socket = find(event.socket);
  if (socket == nullptr || socket->serial != event.serial) return;
  switch (event.kind) {
    case Event::Kind::arrive: arrive(event.socket); break;
    case Event::Kind::room: wake(event.socket, kOut); break;
    default: abort(event.socket); break;
  }
}

// --- Sockets.

SimSocket* SimNetwork::find(Socket socket) noexcept {
  const auto index = static_cast<std::size_t>(socket - kSocket_min);
  return socket >= kSocket_min && index < sockets_.size() ? sockets_[index].get() : nullptr;
}

SimSocket& SimNetwork::get(Socket socket) noexcept {
  SimSocket* found = find(socket);
  ZW_ASSERT(found != nullptr);
  return *found;
}

std::size_t SimNetwork::sockets_open() const noexcept {
  return static_cast<std::size_t>(std::count_if(
      sockets_.begin(), sockets_.end(), [](const auto& socket) { return socket != nullptr; }));
}

std::string SimNetwork::unwatched() const {
  std::string text;
  for (std::size_t i = 0; i < sockets_.size(); ++i) {
    const Socket socket = static_cast<Socket>(i) + kSocket_min;
    if (sockets_[i] == nullptr || sockets_[i]->kind != SimSocket::Kind::connected) continue;
    const SimIncoming& in = sockets_[i]->in;
    const bool readable = in.available_bytes() > 0 || in.fin_arrived || sockets_[i]->reset;
    const bool watched = std::any_of(operations.begin(), operations.end(), [&](const auto& at) {
      return at.socket == socket && at.kind == Kind::poll && (at.mask & kIn) != 0;
    });
    if (!readable || watched) continue;
    text += "\n  socket " + std::to_string(socket) + ": " + std::to_string(in.available_bytes()) +
            " bytes or an end unread, and no poll in flight that would tell: a lost re-arm, if it" +
            " is not read in turn";
  }
  return text;
}

// The lowest free one, as the kernel does: a stale descriptor then names somebody else's socket.
Socket SimNetwork::allocate(SimSocket::Kind kind) {
  auto place = std::find(sockets_.begin(), sockets_.end(), nullptr);
  if (place == sockets_.end()) place = sockets_.insert(place, nullptr);
  *place = std::make_unique<SimSocket>();
  (*place)->kind = kind;
  (*place)->serial = next_serial();
  return static_cast<Socket>(place - sockets_.begin()) + kSocket_min;
}

Socket SimNetwork::find_listener(const Address& address) noexcept {
  for (std::size_t i = 0; i < sockets_.size(); ++i) {
    if (sockets_[i] == nullptr || sockets_[i]->kind != SimSocket::Kind::listener) continue;
    if (sockets_[i]->local == address) return static_cast<Socket>(i) + kSocket_min;
  }
  return kNoSocket;
}

Result<Socket> SimNetwork::open_socket(const Address& remote, const Address* local,
                                       const SocketOptions& options) {
  if (fails() || chance(faults.exhaust))
    return fail(Errc::system_error, "socket: Too many open files", EMFILE);
  const Socket socket = allocate(SimSocket::Kind::unconnected);
  SimSocket& made = get(socket);
  made.options = options;
  const bool bound = local != nullptr && !local->empty();
  made.local =
      bound ? *local : *Address::from_literal(remote.is_ipv6() ? "::1" : "127.0.0.1", ++port_last_);
  if (made.local.port() == 0) made.local.set_port(++port_last_);
  note("open", socket, 0);
  return socket;
}

Result<Socket> SimNetwork::open_listener(const Address& address, const SocketOptions& options) {
  if (fails()) return fail(Errc::listen_failed, address.text() + ": Too many open files", EMFILE);
  Address wanted = address;
  if (wanted.port() == 0) wanted.set_port(++port_last_);
  if (find_listener(wanted) != kNoSocket)
    return fail(Errc::address_in_use, wanted.text() + ": Address already in use", EADDRINUSE);
  const Socket socket = allocate(SimSocket::Kind::listener);
  get(socket).local = wanted;
  get(socket).options = options;
  note("listen", socket, wanted.port());
  return socket;
}

void SimNetwork::shutdown_send(Socket socket) noexcept {
  SimSocket* found = find(socket);
  if (found == nullptr) return violation("shutdown of a socket that is not open");
  if (found->kind != SimSocket::Kind::connected || found->fin_sent || found->reset) return;
  note("finish", socket, 0);
  carry(*found, {}, true);
}

void SimNetwork::close(Socket socket) noexcept {
  SimSocket* found = find(socket);
  if (found == nullptr) return violation("close of a socket that is not open");
  note("close", socket, static_cast<std::int64_t>(found->in.available_bytes()));
  for (const SimOperation& operation : operations) {
    if (operation.socket == socket && operation.kind != Kind::cancel)
      violation("close of socket " + std::to_string(socket) + " with an operation in flight");
  }
  if (found->unsettled_bytes != 0)
    violation("close of socket " + std::to_string(socket) + " with bytes unsettled");
  while (!found->backlog.empty()) {
    const Socket waiting = found->backlog.front();
    found->backlog.pop_front();
    close(waiting);
  }
  if (SimSocket* peer = find(found->peer)) {
    if (found->in.available_bytes() > 0) {
      reset_later(found->peer, found->latency_ns);
    } else if (!found->fin_sent && !found->reset) {
      carry(*found, {}, true);
    }
    // What is still on its way to a socket that is gone resets its sender.
    if (found->in.in_flight_bytes > 0) reset_later(found->peer, 2 * found->latency_ns);
    peer->peer = kNoSocket;
  }
  sockets_[static_cast<std::size_t>(socket - kSocket_min)].reset();
}

// --- Bytes.

std::ptrdiff_t SimNetwork::no_bytes(SimSocket& socket) noexcept {
  if (socket.error != 0) return -std::exchange(socket.error, 0);
  if (socket.reset || socket.in.fin_arrived) return 0;
  return -EAGAIN;
}

std::ptrdiff_t SimNetwork::take(Socket socket, MutableBytes into, TakeMode mode) noexcept {
  pass(kCall_ns);
  if (fails()) abort(socket);
  SimSocket* found = find(socket);
  if (found == nullptr) {
    violation("take from a socket that is not open");
    return -EBADF;
  }
  if (found->unsettled_bytes != 0)
    violation("take from socket " + std::to_string(socket) + " while " +
              std::to_string(found->unsettled_bytes) + " bytes that were taken are unsettled");
  std::size_t bytes = std::min(into.size(), found->in.available_bytes());
  if (bytes == 0) {
    const std::ptrdiff_t result = no_bytes(*found);
    if (result != -EAGAIN) note("take nothing", socket, result);
    return result;
  }
  if (bytes > 1 && chance(faults.short_read)) {
    bytes = 1 + random_.skewed(bytes - 2);
    cut(socket, bytes);
  }
  std::memcpy(into.data(), found->in.arrived.data() + found->in.read_bytes, bytes);
  trace.note_bytes(now_ns_, mode == TakeMode::peek ? "peek" : "take",
                   static_cast<std::uint64_t>(socket), into.first(bytes));
  ++activity;
  if (mode == TakeMode::peek) {
    found->unsettled_bytes = bytes;
  } else {
    consume(*found, bytes);
  }
  return static_cast<std::ptrdiff_t>(bytes);
}

// A short read is nothing that the kernel does on its own: the rest had not arrived yet. So it goes
// back on its way, and its arrival wakes whoever polls.
void SimNetwork::cut(Socket socket, std::size_t kept_bytes) noexcept {
  SimIncoming& in = get(socket).in;
  if (in.fin_arrived) {
    in.in_flight.push_front({.fin = true});
    in.fin_arrived = false;
  }
  const auto begin = in.arrived.begin() + static_cast<std::ptrdiff_t>(in.read_bytes + kept_bytes);
  const Instant_ns arrive_ns = now_ns_ + 1 + random_.below(100 * kMicrosecond_ns);
  if (!in.in_flight.empty() && in.in_flight.front().arrive_ns < arrive_ns)
    in.in_flight.front().arrive_ns = arrive_ns;
  in.in_flight.push_front({arrive_ns, {begin, in.arrived.end()}, false});
  in.in_flight_bytes += in.in_flight.front().bytes.size();
  in.arrived.erase(begin, in.arrived.end());
  at(arrive_ns, {Event::Kind::arrive, socket, get(socket).serial});
}

void SimNetwork::consume(SimSocket& socket, std::size_t bytes) noexcept {
  SimIncoming& in = socket.in;
  in.read_bytes += bytes;
  if (in.read_bytes == in.arrived.size()) {
    in.arrived.clear();
    in.read_bytes = 0;
  }
  SimSocket* peer = find(socket.peer);
  if (peer == nullptr || !peer->wants_room || in.room_bytes() == 0) return;
  peer->wants_room = false;
  at(now_ns_ + socket.latency_ns, {Event::Kind::room, socket.peer, peer->serial});
}

std::ptrdiff_t SimNetwork::settle(Socket socket, std::size_t bytes) noexcept {
  pass(kCall_ns);
  SimSocket* found = find(socket);
  if (found == nullptr) {
    violation("settle on a socket that is not open");
    return -EBADF;
  }
  if (found->unsettled_bytes != bytes)
    violation("settle of " + std::to_string(bytes) + " bytes where " +
              std::to_string(found->unsettled_bytes) +
              " had been taken: bytes settled twice or not" + " at all");
  if (fails() || chance(faults.lost_settle)) {
    found->unsettled_bytes = 0;
    abort(socket);
    return -std::exchange(found->error, 0);
  }
  found->unsettled_bytes = 0;
  consume(*found, std::min(bytes, found->in.available_bytes()));
  note("settle", socket, static_cast<std::int64_t>(bytes));
  return static_cast<std::ptrdiff_t>(bytes);
}

std::ptrdiff_t SimNetwork::send(Socket socket, Bytes bytes) noexcept {
  pass(kCall_ns);
  if (fails()) abort(socket);
  SimSocket* found = find(socket);
  if (found == nullptr) {
    violation("send on a socket that is not open");
    return -EBADF;
  }
  if (found->error != 0) return -std::exchange(found->error, 0);
  if (found->reset || found->fin_sent || found->kind != SimSocket::Kind::connected) return -EPIPE;
  SimSocket* peer = find(found->peer);
  std::size_t count = bytes.size();
  if (peer == nullptr) {  // it goes out, and a reset comes back
    reset_later(socket, 2 * found->latency_ns);
  } else {
    count = std::min(count, peer->in.room_bytes());
    if (count == 0) {
      found->wants_room = true;
      return -EAGAIN;
    }
    if (count > 1 && chance(faults.short_write)) count = 1 + random_.skewed(count - 2);
    carry(*found, bytes.first(count), false);
  }
  trace.note_bytes(now_ns_, "send", static_cast<std::uint64_t>(socket), bytes.first(count));
  ++activity;
  return static_cast<std::ptrdiff_t>(count);
}

void SimNetwork::carry(SimSocket& from, Bytes bytes, bool fin) noexcept {
  if (fin) from.fin_sent = true;
  SimSocket* to = find(from.peer);
  if (to == nullptr) return;
  for (std::size_t piece = 1; piece < kPieces_max && bytes.size() > 1 && chance(faults.split);
       ++piece) {
    const std::size_t first = 1 + random_.skewed(bytes.size() - 2);
    carry_piece(from, *to, bytes.first(first), false);
    bytes = bytes.subspan(first);
  }
  carry_piece(from, *to, bytes, fin);
}

void SimNetwork::carry_piece(SimSocket& from, SimSocket& to, Bytes bytes, bool fin) noexcept {
  Instant_ns arrive_ns = now_ns_ + from.latency_ns + random_.below(20 * kMicrosecond_ns);
  if (chance(faults.clog)) arrive_ns += random_.skewed(kClog_ns_max);
  arrive_ns = std::max(arrive_ns, to.in.last_arrive_ns);
  to.in.last_arrive_ns = arrive_ns;
  to.in.in_flight_bytes += bytes.size();
  to.in.in_flight.push_back({arrive_ns, {bytes.begin(), bytes.end()}, fin});
  at(arrive_ns, {Event::Kind::arrive, from.peer, to.serial});
}

void SimNetwork::arrive(Socket socket) noexcept {
  SimIncoming& in = get(socket).in;
  if (!in.in_flight.empty() && chance(faults.reset)) return reset_half(socket);
  bool came = false;
  while (!in.in_flight.empty() && in.in_flight.front().arrive_ns <= now_ns_) {
    SimSegment segment = std::move(in.in_flight.front());
    in.in_flight.pop_front();
    in.in_flight_bytes -= segment.bytes.size();
    in.arrived.insert(in.arrived.end(), segment.bytes.begin(), segment.bytes.end());
    in.fin_arrived |= segment.fin;
    came = true;
  }
  if (came) wake(socket, in.fin_arrived ? kIn | kReadHangUp : kIn);
}

// --- Resets.

void SimNetwork::reset_later(Socket socket, Instant_ns delay_ns) noexcept {
  SimSocket& found = get(socket);
  if (found.reset || found.reset_comes) return;
  found.reset_comes = true;
  Instant_ns time_ns = now_ns_ + delay_ns;
  // Behind what is on its way, or overtaking it.
  if (random_.chance_ppm(700'000)) time_ns = std::max(time_ns, found.in.last_arrive_ns);
  at(time_ns, {Event::Kind::reset, socket, found.serial});
}

// One end hears of it now, the other when it sends, or late.
void SimNetwork::reset_half(Socket socket) noexcept {
  const Socket peer = get(socket).peer;
  const bool here = random_.chance_ppm(500'000);
  if (find(peer) != nullptr) {
    const Instant_ns late_ns = random_.skewed(kHalfOpen_ns_max);
    here ? reset_later(peer, late_ns) : abort(peer);
  }
  if (here) {
    abort(socket);
  } else {
    reset_later(socket, random_.skewed(kHalfOpen_ns_max));
    get(socket).in.in_flight.clear();
    get(socket).in.in_flight_bytes = 0;
  }
}

// What has arrived can still be read.
void SimNetwork::abort(Socket socket) noexcept {
  SimSocket* found = find(socket);
  if (found == nullptr || found->reset || found->kind != SimSocket::Kind::connected) return;
  note("reset", socket, 0);
  found->reset = true;
  found->error = ECONNRESET;
  found->in.in_flight.clear();
  found->in.in_flight_bytes = 0;
  if (SimSocket* peer = find(found->peer)) {
    // It does not know; what it sends from now on is answered with a reset.
    peer->peer = kNoSocket;
    if (!peer->reset) reset_later(found->peer, random_.skewed(kHalfOpen_ns_max));
  }
  found->peer = kNoSocket;
  wake(socket, kIn | kReadHangUp | kHangUp | kError | kOut);
}

// --- Operations.

std::int32_t SimNetwork::ready_mask(const SimSocket& socket) noexcept {
  if (socket.kind == SimSocket::Kind::unconnected) return kOut | kHangUp;
  std::int32_t mask = 0;
  if (socket.in.available_bytes() > 0) mask |= kIn;
  if (socket.in.fin_arrived) mask |= kIn | kReadHangUp;
  if (socket.in.fin_arrived && socket.fin_sent) mask |= kHangUp;
  if (socket.reset) mask |= kIn | kReadHangUp | kHangUp | kOut;
  if (socket.error != 0) mask |= kError;
  const SimSocket* peer = find(socket.peer);
  if (peer == nullptr || peer->in.room_bytes() > 0) mask |= kOut;
  return mask;
}

SimOperation* SimNetwork::find_operation(std::uint64_t serial) noexcept {
  const auto found = std::find_if(operations.begin(), operations.end(),
                                  [&](const auto& at) { return at.serial == serial; });
  return found == operations.end() ? nullptr : &*found;
}

SimOperation* SimNetwork::find_operation(const Completion* completion) noexcept {
  const auto found = std::find_if(operations.begin(), operations.end(),
                                  [&](const auto& at) { return at.completion == completion; });
  return found == operations.end() ? nullptr : &*found;
}

void SimNetwork::remove(std::uint64_t serial) noexcept {
  std::erase_if(operations, [&](const auto& at) { return at.serial == serial; });
}

// Outcomes of a poll that nobody has reaped yet become one, as in the kernel.
void SimNetwork::report(SimOperation& operation, std::int32_t result, bool more) noexcept {
  const SimOperation copy = operation;
  if (more && chance(faults.end_multishot)) more = false;
  if (!more) remove(copy.serial);
  SimOutcome* waiting = copy.kind == Kind::poll ? copy.io->waiting(*copy.completion) : nullptr;
  if (waiting != nullptr && result >= 0) {
    waiting->outcome.result |= result;
    waiting->outcome.more = more;
    return;
  }
  Instant_ns ready_ns = now_ns_;
  if (chance(faults.late_outcome)) ready_ns += random_.skewed(kLateOutcome_ns_max);
  copy.io->push(*copy.completion, {result, more}, ready_ns);
}

void SimNetwork::wake(Socket socket, std::int32_t mask) noexcept {
  std::vector<std::uint64_t> polls;
  for (const SimOperation& operation : operations) {
    const std::int32_t wanted = operation.mask | kHangUp | kError;
    if (operation.kind == Kind::poll && operation.socket == socket && (wanted & mask) != 0)
      polls.push_back(operation.serial);
  }
  for (const std::uint64_t serial : polls) {
    SimOperation* operation = find_operation(serial);
    report(*operation, mask & (operation->mask | kHangUp | kError), operation->multishot);
  }
}

void SimNetwork::report_spuriously() noexcept {
  for (const SimOperation& operation : operations) {
    if (operation.kind != Kind::poll || !operation.multishot || !chance(faults.spurious)) continue;
    return wake(operation.socket, kIn);
  }
}

void SimNetwork::start(SimOperation operation) noexcept {
  if (operation.kind == Kind::cancel) return cancel(operation);
  const std::uint64_t serial = operation.serial;
  operations.push_back(std::move(operation));
  SimOperation& started = operations.back();
  if (started.kind == Kind::resolve) return start_resolve(started);
  SimSocket* socket = find(started.socket);
  if (socket == nullptr) violation("an operation on a socket that is not open");
  if (socket == nullptr || (started.fails && started.kind != Kind::connect))
    return report(started, socket == nullptr ? -EBADF : -ENOMEM, false);
  if (started.kind == Kind::connect) return start_connect(started);
  if (started.kind == Kind::accept) return serve_accepts(started.socket);
  const std::int32_t ready = ready_mask(*socket) & (started.mask | kHangUp | kError);
  if (ready != 0) report(*find_operation(serial), ready, started.multishot);
}

void SimNetwork::start_connect(SimOperation& operation) noexcept {
  Instant_ns delay_ns = kMicrosecond_ns + random_.skewed(5 * kMillisecond_ns);
  if (chance(faults.late_connect)) delay_ns += random_.skewed(kLateConnect_ns_max);
  operation.result = 0;
  if (operation.fails || chance(faults.refuse))
    operation.result = -kConnectErrors[random_.below(kConnectErrors.size())];
  at(now_ns_ + delay_ns, {Event::Kind::finish_operation, kNoSocket, operation.serial});
}

void SimNetwork::start_resolve(SimOperation& operation) noexcept {
  const Instant_ns delay_ns = kMicrosecond_ns + random_.skewed(500 * kMillisecond_ns);
  operation.result = operation.fails || chance(faults.fail_resolve) ? -ENOENT : 0;
  at(now_ns_ + delay_ns, {Event::Kind::finish_operation, kNoSocket, operation.serial});
}

void SimNetwork::finish(SimOperation& operation) noexcept {
  const std::int32_t result =
      operation.kind == Kind::connect ? finish_connect(operation) : finish_resolve(operation);
  // Serving the listener may have moved the operations.
  const std::uint64_t serial = operation.serial;
  const Socket listener =
      operation.kind == Kind::connect && result == 0 ? find_listener(operation.address) : kNoSocket;
  report(*find_operation(serial), result, false);
  if (listener != kNoSocket) serve_accepts(listener);
}

std::int32_t SimNetwork::finish_connect(const SimOperation& operation) noexcept {
  if (operation.result != 0) return operation.result;
  const Socket listener = find_listener(operation.address);
  if (listener == kNoSocket) return -ECONNREFUSED;
  const Socket accepted = allocate(SimSocket::Kind::connected);
  SimSocket& server = get(accepted);
  SimSocket& client = get(operation.socket);
  client.kind = SimSocket::Kind::connected;
  client.peer = accepted;
  client.remote = server.local = operation.address;
  server.peer = operation.socket;
  server.remote = client.local;
  client.latency_ns = server.latency_ns = kMicrosecond_ns + random_.skewed(5 * kMillisecond_ns);
  for (SimSocket* end : {&client, &server}) {
    end->in.capacity_bytes = end->options.receive_buffer_bytes != 0
                                 ? end->options.receive_buffer_bytes
                                 : kCapacity_bytes_min + random_.skewed(kCapacity_bytes_max);
  }
  get(listener).backlog.push_back(accepted);
  return 0;
}

std::int32_t SimNetwork::finish_resolve(const SimOperation& operation) noexcept {
  const auto known = hosts.find(operation.request->host);
  if (operation.result != 0 || known == hosts.end() || known->second.empty()) {
    operation.request->error = "Name or service not known";
    return -ENOENT;
  }
  operation.request->addresses = known->second;
  for (Address& address : operation.request->addresses) address.set_port(operation.request->port);
  return static_cast<std::int32_t>(known->second.size());
}

void SimNetwork::serve_accepts(Socket listener) noexcept {
  SimSocket& found = get(listener);
  while (!found.backlog.empty()) {
    const auto accept = std::find_if(
        operations.begin(), operations.end(),
        [&](const SimOperation& at) { return at.kind == Kind::accept && at.socket == listener; });
    if (accept == operations.end()) return;
    if (chance(faults.exhaust)) {
      report(*accept, -EMFILE, false);
      continue;
    }
    const Socket accepted = found.backlog.front();
    found.backlog.pop_front();
    report(*accept, accepted, true);
  }
}

// One that misses was too late: what the operation would have said anyhow is on its way.
void SimNetwork::cancel(const SimOperation& operation) noexcept {
  SimOperation* target = find_operation(operation.completion);
  if (target == nullptr) return;
  const bool misses = operation.fails || chance(faults.miss_cancel);
  note("cancel", target->socket, misses);
  if (!misses || target->kind == Kind::accept) return report(*target, -ECANCELED, false);
  if (target->kind == Kind::connect || target->kind == Kind::resolve) return finish(*target);
  report(*target, target->mask & (kIn | kOut), false);
}

// The Io dies: its operations end without an outcome.
void SimNetwork::forget(const SimIo& io) noexcept {
  for (const SimOperation& operation : operations) {
    if (operation.io == &io) operation.completion->abandon();
  }
  std::erase_if(operations, [&](const SimOperation& at) { return at.io == &io; });
}

// Said at once: what broke the rule may crash next.
void SimNetwork::violation(std::string text) {
  std::fprintf(stderr, "violation: %s\n", text.c_str());
  note("violation", static_cast<std::int64_t>(violations.size()), 0);
  violations.push_back(std::move(text));
}

}  // namespace zenwire::testing::detail
