#include "player.hpp"

#include "console.hpp"

namespace zenwire::tools {

namespace {

// No buffer is free when other clients hold them all: nobody tells when that is over.
constexpr Instant_ns kPlayerRetry_ns = 1'000'000;
// What one client may wait to have written, and how many messages it gets before the others' turn.
constexpr std::size_t kUnsent_bytes_max = std::size_t{128} << 10;
constexpr int kTurn_messages = 256;

std::uint64_t key_of(ConnectionId id) noexcept {
  return std::uint64_t{id.epoch} << 32 | id.index;
}

}  // namespace

Player::~Player() {
  for (auto& [key, seat] : seats_) reactor_.cancel(seat->wake);
}

void Player::add(Connection& connection) {
  using OnWritten = Callback<Connection&, std::size_t, std::size_t>;
  using OnClosed = Callback<Connection&, const Closed&>;
  auto replay = Replay::make(recording_, options_);
  ZW_ASSERT(replay.has_value());  // the options were checked when the command began
  ZW_ASSERT(connection.on_written.add(OnWritten::to<&Player::on_written>(*this)));
  ZW_ASSERT(connection.on_closed.add(OnClosed::to<&Player::on_closed>(*this)));
  auto seat = std::make_unique<Seat>(*this, connection.id(), std::move(*replay));
  Seat& taken = *seat;
  seats_.emplace(key_of(connection.id()), std::move(seat));
  play(taken);
}

void Player::play(Seat& seat) noexcept {
  Connection* connection = reactor_.find(seat.connection);
  if (connection == nullptr || seat.playing || seat.finished) return;
  seat.playing = true;
  int left = kTurn_messages;
  while (left > 0 && play_one(seat, *connection)) --left;
  seat.playing = false;
  if (left == 0) wake_at(seat, reactor_.now_ns());  // after the others
}

// False: not now.
bool Player::play_one(Seat& seat, Connection& connection) noexcept {
  if (connection.state() != ConnectionState::open) return false;
  if (connection.unsent_bytes() > kUnsent_bytes_max) return false;  // on_written goes on
  const Instant_ns now_ns = reactor_.now_ns();
  const auto step = seat.replay.next(now_ns);
  if (!step) {
    finish(seat, connection, CloseCode::normal);
    return false;
  }
  if (options_.speed > 0 && step->due_ns > now_ns) {
    wake_at(seat, step->due_ns);
    return false;
  }
  const RecordedMessage& message = *step->message;
  const Opcode opcode = message.type == RecordType::binary ? Opcode::binary : Opcode::text;
  const Errc sent = connection.send(opcode, message.payload);
  if (sent == Errc::send_queue_full) {
    wake_at(seat, now_ns + kPlayerRetry_ns);
    return false;
  }
  if (sent != Errc::ok) {
    print_error("serve", "cannot send line " + std::to_string(message.line), sent);
    finish(seat, connection, CloseCode::internal_error);
    return false;
  }
  ++messages_sent_;
  bytes_sent_ += message.payload.size();
  seat.replay.advance();
  return true;
}

void Player::finish(Seat& seat, Connection& connection, std::uint16_t code) noexcept {
  problems_ = seat.replay.problems();
  if (loop_ && code == CloseCode::normal) {
    seat.replay.rewind();
    return wake_at(seat, reactor_.now_ns());
  }
  seat.finished = true;
  if (code == CloseCode::normal) ++completed_;
  static_cast<void>(connection.close(code));
}

void Player::wake_at(Seat& seat, Instant_ns deadline_ns) noexcept {
  reactor_.arm(seat.wake, deadline_ns);
}

void Player::on_written(Connection& connection, std::size_t, std::size_t unsent) noexcept {
  if (unsent > kUnsent_bytes_max / 2) return;
  const auto found = seats_.find(key_of(connection.id()));
  if (found == seats_.end() || found->second->playing) return;
  // In a turn of its own: this runs inside the connection's sending. A message that is not due yet
  // keeps its place, for it is asked again.
  if (!found->second->finished) wake_at(*found->second, reactor_.now_ns());
}

void Player::on_closed(Connection& connection, const Closed&) noexcept {
  const auto found = seats_.find(key_of(connection.id()));
  if (found == seats_.end()) return;
  if (!found->second->finished) ++left_early_;
  reactor_.cancel(found->second->wake);
  seats_.erase(found);
}

}  // namespace zenwire::tools
