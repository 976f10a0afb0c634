#include <array>
#include <cerrno>

#include <zenwire/codec/upgrade.hpp>
#include <zenwire/testing/sim_peer.hpp>

namespace zenwire::testing {

SimPeer::SimPeer(SimWorld& world)
    : world_(world),
      io_(world.make_io()),
      accepted_([](void* self,
                   Outcome outcome) noexcept { static_cast<SimPeer*>(self)->on_accepted(outcome); },
                this),
      connected_(
          [](void* self, Outcome outcome) noexcept {
            static_cast<SimPeer*>(self)->on_connected(outcome);
          },
          this) {}

// The Io goes first: it lets go of the operations without an outcome.
SimPeer::~SimPeer() {
  std::unique_ptr<Io> closer = world_.make_io();
  io_.reset();
  for (const Socket socket : waiting_) closer->close(socket);
  if (connection_ != kNoSocket) {
    world_.reset(connection_);
    closer->close(connection_);
  }
  if (listener_ != kNoSocket) closer->close(listener_);
}

Address SimPeer::listen(std::uint16_t port) {
  const auto listener = io_->open_listener(*Address::from_literal("127.0.0.1", port), {});
  ZW_ASSERT(listener.has_value() && listener_ == kNoSocket);
  listener_ = *listener;
  io_->submit_accept(accepted_, listener_);
  reap();
  return io_->local_address(listener_);
}

void SimPeer::on_accepted(Outcome outcome) noexcept {
  if (outcome.result >= 0) waiting_.push_back(outcome.result);
  if (!outcome.more) io_->submit_accept(accepted_, listener_);
}

bool SimPeer::accept() {
  reap();
  if (waiting_.empty()) return false;
  if (connection_ != kNoSocket) io_->close(connection_);
  connection_ = waiting_.front();
  waiting_.erase(waiting_.begin());
  received_.clear();
  unsent_.clear();
  finishing_ = ended_ = false;
  return true;
}

void SimPeer::connect(const Address& address) {
  ZW_ASSERT(connection_ == kNoSocket);
  auto socket = io_->open_socket(address, nullptr, {});
  while (!socket) socket = io_->open_socket(address, nullptr, {});
  connection_ = *socket;
  connecting_ = true;
  io_->submit_connect(connected_, connection_, address);
  reap();
}

void SimPeer::on_connected(Outcome outcome) noexcept {
  connecting_ = false;
  ended_ = outcome.result < 0;
}

void SimPeer::reap() noexcept {
  std::array<Reaped, 16> reaped;
  const std::size_t count = io_->reap(reaped, 0);
  for (std::size_t i = 0; i < count; ++i) reaped[i].completion->complete(reaped[i].outcome);
}

void SimPeer::pump() {
  reap();
  if (!connected() || ended_) return;
  while (!unsent_.empty()) {
    const auto sent = io_->send(connection_, as_bytes(unsent_));
    if (sent <= 0) break;
    unsent_.erase(0, static_cast<std::size_t>(sent));
  }
  if (!unsent_.empty() || !finishing_) return;
  finishing_ = false;
  io_->shutdown_send(connection_);
}

void SimPeer::take_all() {
  std::array<std::byte, 4096> buffer;
  while (connected() && !ended_) {
    const auto taken = io_->take(connection_, buffer, TakeMode::consume);
    if (taken == -EAGAIN) return;
    ended_ = taken <= 0;
    if (taken > 0) received_ += as_text(Bytes(buffer).first(static_cast<std::size_t>(taken)));
  }
}

const std::string& SimPeer::read() {
  pump();
  take_all();
  return received_;
}

bool SimPeer::ended() noexcept {
  static_cast<void>(read());
  return ended_;
}

void SimPeer::write(std::string_view bytes) {
  unsent_ += bytes;
  pump();
}

void SimPeer::finish() {
  finishing_ = true;
  pump();
}

void SimPeer::reset() {
  if (connection_ != kNoSocket) world_.reset(connection_);
}

void SimPeer::close() {
  if (connection_ == kNoSocket) return;
  ZW_ASSERT(!connecting_);
  io_->close(connection_);
  connection_ = kNoSocket;
}

bool SimPeer::answer_upgrade() {
  const std::string& request = read();
  if (request.find("\r\n\r\n") == std::string::npos) return false;
  const auto at = request.find("Sec-WebSocket-Key: ");
  if (at == std::string::npos) return false;
  const auto begin = at + std::string_view("Sec-WebSocket-Key: ").size();
  UpgradeResponse response;
  response.key = std::string_view(request).substr(begin, request.find("\r\n", begin) - begin);
  std::array<std::byte, 1024> answer;
  const auto written = write_upgrade_response(response, answer);
  ZW_ASSERT(written.has_value());
  write(as_text(Bytes(answer).first(*written)));
  return true;
}

}  // namespace zenwire::testing
