#include "mock_transport.hpp"

#include <algorithm>
#include <cerrno>
#include <vector>

#include <sys/socket.h>
#include <unistd.h>

#include <zenwire/base/assert.hpp>
#include <zenwire/base/bytes.hpp>

namespace zenwire::testing::detail {
namespace {

constexpr std::size_t kRead_bytes = std::size_t{64} << 10;

bool try_again() noexcept {
  return errno == EAGAIN || errno == EINTR;
}

}  // namespace

MockTransport::MockTransport(int socket, std::optional<TlsStream> tls,
                             std::optional<Cut> cut) noexcept
    : socket_(socket), tls_(std::move(tls)), cut_(cut), ready_(!tls_) {
  ZW_ASSERT(socket >= 0);
}

MockTransport::~MockTransport() {
  ::close(socket_);
}

bool MockTransport::wants_read(SteadyTime now) const noexcept {
  return !silent_ && !peer_ended_ && !lost_ && read_bytes_max_ != 0 && now >= read_at_;
}

bool MockTransport::wants_write() const noexcept {
  return !silent_ && !lost_ && unsent_bytes() != 0 && room_before_cut() != 0;
}

std::optional<SteadyTime> MockTransport::next_read(SteadyTime now) const noexcept {
  if (silent_ || peer_ended_ || lost_ || read_bytes_max_ == 0 || read_at_ <= now)
    return std::nullopt;
  return read_at_;
}

void MockTransport::set_read_pace(std::size_t bytes, std::chrono::nanoseconds every,
                                  SteadyTime now) {
  read_bytes_max_ = bytes;
  read_every_ = every;
  read_at_ = now;
}

// What was sent before goes as it would have.
void MockTransport::set_write_pieces(std::size_t bytes) {
  flush();
  write_bytes_max_ = bytes;
}

void MockTransport::receive(std::string& to) {
  if (read_every_.count() != 0) read_at_ = std::chrono::steady_clock::now() + read_every_;
  if (tls_) return receive_tls(to);
  const std::size_t old = to.size();
  to.resize(old + std::min(kRead_bytes, read_bytes_max_));
  const ssize_t bytes = ::recv(socket_, to.data() + old, to.size() - old, 0);
  to.resize(old + static_cast<std::size_t>(std::max<ssize_t>(bytes, 0)));
  if (bytes == 0) peer_ended_ = true;
  if (bytes < 0 && !try_again()) fail(Errc::connect_reset);
}

void MockTransport::receive_tls(std::string& to) {
  const MutableBytes space = tls_->ciphertext_space();
  if (!space.empty()) {
    const ssize_t bytes = ::recv(socket_, space.data(), std::min(space.size(), read_bytes_max_), 0);
    if (bytes == 0) peer_ended_ = true;
    if (bytes < 0 && !try_again()) return fail(Errc::connect_reset);
    if (bytes > 0) tls_->ciphertext_commit(static_cast<std::size_t>(bytes));
  }
  if (!ready_) shake_hands();
  if (ready_) decrypt(to);
  take_tls_output();
}

void MockTransport::shake_hands() {
  const auto done = tls_->handshake();
  if (done) {
    ready_ = *done;
    return;
  }
  error_ = done.error().code();  // the alert is still to be sent
  fin_wanted_ = true;
}

void MockTransport::decrypt(std::string& to) {
  std::vector<std::byte> room(TlsStream::kRecord_bytes_max);
  while (tls_->has_complete_record()) {
    const auto bytes = tls_->read(room);
    if (!bytes) {
      peer_ended_ = true;
      if (bytes.error().code() != Errc::tls_closed) error_ = bytes.error().code();
      return;
    }
    to += as_text(Bytes(room).first(*bytes));
  }
}

void MockTransport::take_tls_output() {
  const Bytes pending = tls_->pending_out();
  out_ += as_text(pending);
  tls_->pending_out_consume(pending.size());
}

void MockTransport::send(std::string_view plaintext) {
  if (lost_ || fin_wanted_ || silent_) return;
  if (!tls_) {
    out_ += plaintext;
    return;
  }
  ZW_ASSERT(ready_);
  std::vector<std::byte> records(TlsStream::ciphertext_bound_bytes(plaintext.size()) +
                                 tls_->pending_out().size());
  const auto bytes = tls_->write(as_bytes(plaintext), records);
  if (!bytes) return fail(bytes.error().code());
  out_ += as_text(Bytes(records).first(*bytes));
}

std::uint64_t MockTransport::room_before_cut() const noexcept {
  if (!cut_) return ~std::uint64_t{0};
  return cut_->after_bytes - std::min(cut_->after_bytes, sent_bytes_);
}

void MockTransport::flush() {
  while (wants_write()) {
    const std::uint64_t bytes =
        std::min<std::uint64_t>({unsent_bytes(), write_bytes_max_, room_before_cut()});
    const ssize_t sent = ::send(socket_, out_.data() + out_sent_, bytes, MSG_NOSIGNAL);
    if (sent < 0 && try_again()) return;
    if (sent < 0) return fail(Errc::connect_reset);
    out_sent_ += static_cast<std::size_t>(sent);
    sent_bytes_ += static_cast<std::uint64_t>(sent);
  }
  if (unsent_bytes() == 0) {
    out_.clear();
    out_sent_ = 0;
  }
  if (cut_ && room_before_cut() == 0) make_cut();
  finish_end();
}

void MockTransport::make_cut() {
  if (lost_ || fin_sent_ || cut_->kind == Cut::Kind::stall) return;
  if (cut_->kind == Cut::Kind::reset) return drop();
  fin_wanted_ = true;
  out_.clear();
  out_sent_ = 0;
}

void MockTransport::end(Script::End how) {
  if (lost_) return;
  switch (how) {
    case Script::End::silence:
      flush();
      silent_ = true;
      return;
    case Script::End::reset: flush(); return drop();
    case Script::End::in_order:
      if (tls_ && ready_ && !fin_wanted_) {
        tls_->close_notify();
        take_tls_output();
      }
      [[fallthrough]];
    case Script::End::fin: fin_wanted_ = true; return finish_end();
  }
}

void MockTransport::finish_end() {
  if (fin_wanted_ && !fin_sent_ && !lost_ && !silent_ && unsent_bytes() == 0) send_fin();
}

void MockTransport::send_fin() noexcept {
  ::shutdown(socket_, SHUT_WR);
  fin_sent_ = true;
}

// The socket stays open, disconnected, for the owner to close: so its number cannot become
// another's while events of it may still be told.
void MockTransport::drop() noexcept {
  if (lost_) return;
  const linger now{.l_onoff = 1, .l_linger = 0};
  ::setsockopt(socket_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  lost_ = true;
  reset_by_us_ = true;
}

void MockTransport::fail(Errc error) noexcept {
  lost_ = true;
  error_ = error;
}

}  // namespace zenwire::testing::detail
