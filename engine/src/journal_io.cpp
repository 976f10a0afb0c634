#include "journal_io.hpp"

#include <algorithm>
#include <cerrno>

namespace zenwire::detail {
namespace {

constexpr std::size_t kSockets_expected = 1024;
constexpr std::uint64_t kReapOfNothing = 1;

std::uint64_t as_number(Socket socket) noexcept {
  return static_cast<std::uint64_t>(static_cast<std::int64_t>(socket) + 1);
}

std::uint64_t take_of_nothing(Socket socket, std::size_t bytes, TakeMode mode) noexcept {
  return (as_number(socket) << 40) ^ (bytes << 8) ^ (3 + static_cast<std::uint64_t>(mode));
}

}  // namespace

JournalIo::JournalIo(Journal& journal, std::unique_ptr<Io> io, std::uint32_t connections_max)
    : journal_(journal),
      io_(std::move(io)),
      streams_(std::size_t{connections_max} + 1),
      connections_(kSockets_expected + connections_max, connections_max) {
  ZW_ASSERT(journal.replaying() == (io_ == nullptr));
}

// --- Streams.

JournalIo::Stream& JournalIo::stream_of(Socket socket) noexcept {
  const auto at = static_cast<std::size_t>(socket);
  return streams_[at < connections_.size() ? connections_[at] : streams_.size() - 1];
}

void JournalIo::opened(Socket socket, std::uint32_t connection, const Stream& stream) noexcept {
  ZW_ASSERT(socket >= 0 && connection < streams_.size() - 1);
  const auto at = static_cast<std::size_t>(socket);
  if (at >= connections_.size())
    connections_.resize(2 * at, static_cast<std::uint32_t>(streams_.size() - 1));
  connections_[at] = connection;
  streams_[connection] = stream;
}

void JournalIo::keep_no_check(std::uint32_t connection, std::size_t unsent_bytes,
                              std::size_t bytes) noexcept {
  Stream& stream = streams_[connection];
  stream.secret_bytes = stream.sent_bytes + unsent_bytes + bytes;
}

// --- The ring.

std::uint32_t JournalIo::tag(Completion& completion) noexcept {
  completion.set_tag(++tag_last_);
  if (journal_.replaying()) {
    completions_.resize(std::size_t{tag_last_} + 1);
    completions_[tag_last_] = &completion;
    completion.mark_submitted();
  }
  return tag_last_;
}

Completion* JournalIo::tagged(std::uint64_t tag) noexcept {
  Completion* completion = tag < completions_.size() ? completions_[tag] : nullptr;
  const bool in_flight = completion != nullptr && completion->tag() == tag;
  return in_flight && completion->submitted() ? completion : nullptr;
}

void JournalIo::submit_poll(Completion& completion, Socket socket, PollFor what,
                            bool multishot) noexcept {
  const std::uint32_t number = tag(completion);
  if (io_ != nullptr) io_->submit_poll(completion, socket, what, multishot);
  if (!journal_.begin(JournalEvent::submit_poll)) return;
  journal_.same("operation", number);
  journal_.same("socket", as_number(socket));
  journal_.same("writable", what == PollFor::writable ? 1 : 0);
  journal_.same("multishot", multishot ? 1 : 0);
  journal_.commit();
}

void JournalIo::submit_cancel(Completion& target) noexcept {
  const bool in_flight = target.submitted();
  if (io_ != nullptr) io_->submit_cancel(target);
  if (!journal_.begin(JournalEvent::submit_cancel)) return;
  journal_.same("operation", in_flight ? target.tag() : 0);
  journal_.commit();
}

// The reactor dials, accepts and resolves nothing itself: these are the set-up thread's alone.
void JournalIo::submit_connect(Completion&, Socket, const Address&) noexcept {
  ZW_ASSERT(false);
}
void JournalIo::submit_accept(Completion&, Socket) noexcept {
  ZW_ASSERT(false);
}
void JournalIo::submit_resolve(Completion&, ResolveRequest&) noexcept {
  ZW_ASSERT(false);
}

std::size_t JournalIo::reap(std::span<Reaped> out, Instant_ns wait_until_ns) noexcept {
  std::size_t count = io_ != nullptr ? io_->reap(out, wait_until_ns) : 0;
  if (journal_.quiet(count == 0, kReapOfNothing)) return journal_.live() ? 0 : reap_dead(out);
  if (!journal_.begin(JournalEvent::reap, 24 * count)) return io_ != nullptr ? count : 0;
  count = journal_.given(count);
  if (count > out.size()) {
    journal_.refuse("number of outcomes");
    return 0;
  }
  for (Reaped& reaped : out.first(count)) {
    const std::uint64_t number = journal_.given(io_ != nullptr ? reaped.completion->tag() : 0);
    const auto result = static_cast<std::int32_t>(journal_.given_signed(reaped.outcome.result));
    const bool more = journal_.given(reaped.outcome.more ? 1 : 0) != 0;
    if (io_ != nullptr) continue;
    reaped = {tagged(number), {result, more}};
    if (reaped.completion == nullptr) {
      journal_.refuse("operation of an outcome");
      return 0;
    }
  }
  journal_.commit();
  return count;
}

// A replay does not wait.
void JournalIo::gather(Instant_ns until_ns) noexcept {
  if (io_ != nullptr) io_->gather(until_ns);
}

// The journal has ended: whatever is in flight is cancelled, so that the reactor can end.
std::size_t JournalIo::reap_dead(std::span<Reaped> out) noexcept {
  if (io_ != nullptr) return 0;
  std::size_t count = 0;
  for (std::size_t number = 1; number < completions_.size() && count < out.size(); ++number) {
    Completion* completion = tagged(number);
    completions_[number] = nullptr;
    if (completion != nullptr) out[count++] = {completion, {-ECANCELED, false}};
  }
  return count;
}

void JournalIo::wake() noexcept {
  if (io_ != nullptr) io_->wake();
}

// --- Direct calls.

std::ptrdiff_t JournalIo::take(Socket socket, MutableBytes space, TakeMode mode) noexcept {
  std::ptrdiff_t result = io_ != nullptr ? io_->take(socket, space, mode) : -EAGAIN;
  if (journal_.quiet(result == -EAGAIN, take_of_nothing(socket, space.size(), mode)))
    return -EAGAIN;
  const std::size_t bytes = result > 0 ? static_cast<std::size_t>(result) : 0;
  if (!journal_.begin(JournalEvent::take, RecordFrames::header_bytes_max(bytes))) return result;
  journal_.same("socket", as_number(socket));
  journal_.same("room", space.size());
  journal_.same("mode", static_cast<std::uint64_t>(mode));
  result = journal_.given_signed(result);
  if (result > static_cast<std::ptrdiff_t>(space.size())) {
    journal_.refuse("number of bytes");
    return -EAGAIN;
  }
  if (result > 0) {
    const MutableBytes taken = space.first(static_cast<std::size_t>(result));
    Stream& stream = stream_of(socket);
    if (stream.secure) {
      stream.frames.transfer(journal_, taken);
    } else {
      journal_.given_bytes(taken, &stream.input);
    }
  }
  journal_.commit();
  return journal_.live() || io_ != nullptr ? result : -EAGAIN;
}

std::ptrdiff_t JournalIo::settle(Socket socket, std::size_t bytes) noexcept {
  std::ptrdiff_t result =
      io_ != nullptr ? io_->settle(socket, bytes) : static_cast<std::ptrdiff_t>(bytes);
  if (!journal_.begin(JournalEvent::settle)) return result;
  journal_.same("socket", as_number(socket));
  journal_.same("bytes", bytes);
  result = journal_.given_signed(result);
  journal_.commit();
  return result;
}

std::ptrdiff_t JournalIo::send(Socket socket, Bytes bytes) noexcept {
  std::ptrdiff_t result = io_ != nullptr ? io_->send(socket, bytes) : -EPIPE;
  Stream& stream = stream_of(socket);
  const bool checked = !stream.secure && stream.sent_bytes >= stream.secret_bytes;
  if (journal_.begin(JournalEvent::send)) {
    journal_.same("socket", as_number(socket));
    journal_.same("bytes", bytes.size());
    journal_.same("check", checked ? Journal::check_of(bytes) : 0);
    result = journal_.given_signed(result);
    if (result > static_cast<std::ptrdiff_t>(bytes.size())) {
      journal_.refuse("number of bytes");
      result = -EPIPE;
    }
    journal_.commit();
  }
  if (result > 0) stream.sent_bytes += static_cast<std::size_t>(result);
  return result;
}

// --- Sockets.

Result<Socket> JournalIo::open_socket(const Address&, const Address*,
                                      const SocketOptions&) noexcept {
  return fail(Errc::connect_failed, "a reactor's Io opens no socket");
}

// What it listens on is the set-up thread's; on replay nobody comes that way.
Result<Socket> JournalIo::open_listener(const Address& address,
                                        const SocketOptions& options) noexcept {
  if (io_ != nullptr) return io_->open_listener(address, options);
  return kNoSocket;
}

void JournalIo::configure(Socket socket, const SocketOptions& options) noexcept {
  if (io_ != nullptr) io_->configure(socket, options);
}

void JournalIo::shutdown_send(Socket socket) noexcept {
  if (io_ != nullptr) io_->shutdown_send(socket);
  if (!journal_.begin(JournalEvent::shutdown_send)) return;
  journal_.same("socket", as_number(socket));
  journal_.commit();
}

void JournalIo::close(Socket socket) noexcept {
  if (io_ != nullptr) io_->close(socket);
  const auto at = static_cast<std::size_t>(socket);
  if (at < connections_.size()) connections_[at] = static_cast<std::uint32_t>(streams_.size() - 1);
  if (!journal_.begin(JournalEvent::close_socket)) return;
  journal_.same("socket", as_number(socket));
  journal_.commit();
}

Address JournalIo::local_address(Socket socket) const noexcept {
  return io_ != nullptr ? io_->local_address(socket) : Address{};
}
Address JournalIo::remote_address(Socket socket) const noexcept {
  return io_ != nullptr ? io_->remote_address(socket) : Address{};
}

// --- Time and chance.

Instant_ns JournalIo::now() noexcept {
  const Instant_ns live = io_ != nullptr ? io_->now() : 0;
  if (!journal_.in_user_code()) return journal_.now(live);
  if (!journal_.begin(JournalEvent::user_now)) return io_ != nullptr ? live : journal_.now(0);
  const Instant_ns given = journal_.given_now(live);
  journal_.commit();
  return given;
}

std::uint64_t JournalIo::wall_ns() noexcept {
  const std::uint64_t live = io_ != nullptr ? io_->wall_ns() : wall_last_ns_;
  const JournalEvent event = journal_.in_user_code() ? JournalEvent::user_wall : JournalEvent::wall;
  if (!journal_.begin(event)) return live;
  wall_last_ns_ += static_cast<std::uint64_t>(
      journal_.given_signed(static_cast<std::int64_t>(live - wall_last_ns_)));
  journal_.commit();
  return wall_last_ns_;
}

TickSource JournalIo::ticks() const noexcept {
  return io_ != nullptr ? io_->ticks() : TickSource(&ticks_);
}

void JournalIo::random(MutableBytes bytes) noexcept {
  random_unnoted(bytes);
  if (!journal_.begin(JournalEvent::user_random, bytes.size())) return;
  journal_.same("bytes", bytes.size());
  journal_.given_bytes(bytes);
  journal_.commit();
}

void JournalIo::random_unnoted(MutableBytes bytes) noexcept {
  if (io_ != nullptr) return io_->random(bytes);
  std::fill(bytes.begin(), bytes.end(), std::byte{0});
}

}  // namespace zenwire::detail
