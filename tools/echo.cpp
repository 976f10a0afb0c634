#include "echo.hpp"

namespace zenwire::tools {

namespace {

// No buffer is free when other connections hold them all: nobody tells when that is over.
constexpr Instant_ns kEchoRetry_ns = 1'000'000;

std::uint64_t key_of(ConnectionId id) noexcept {
  return std::uint64_t{id.epoch} << 32 | id.index;
}

}  // namespace

Echo::~Echo() {
  for (auto& [key, debt] : debts_) reactor_.cancel(debt->retry);
}

void Echo::add(Connection& connection) {
  using OnMessage = Callback<Connection&, const Message&>;
  ZW_ASSERT(connection.on_message.add(OnMessage::to<&Echo::on_message>(*this)));
  ZW_ASSERT(connection.on_high_water.add(Callback<Connection&>::to<&Echo::on_high_water>(*this)));
  ZW_ASSERT(connection.on_drained.add(Callback<Connection&>::to<&Echo::on_drained>(*this)));
  ZW_ASSERT(
      connection.on_closed.add(Callback<Connection&, const Closed&>::to<&Echo::on_closed>(*this)));
}

void Echo::on_message(Connection& connection, const Message& message) noexcept {
  if (!debts_.empty() && debts_.contains(key_of(connection.id()))) [[unlikely]] {
    keep(connection, message.opcode, message.payload);  // behind those that wait
    return;
  }
  const Errc sent = connection.send(message.opcode, message.payload);
  if (sent == Errc::ok) [[likely]] {
    ++echoed_;
  } else if (sent == Errc::send_queue_full) {
    keep(connection, message.opcode, message.payload);
  } else if (sent != Errc::connection_closed) {
    static_cast<void>(connection.close(CloseCode::message_too_big, "the echo does not fit"));
  }
}

void Echo::keep(Connection& connection, Opcode opcode, Bytes payload) {
  auto& debt = debts_[key_of(connection.id())];
  if (!debt) debt = std::make_unique<Debt>(*this, connection.id());
  debt->kept.push_back({opcode, {payload.begin(), payload.end()}});
  connection.pause();
  if (!debt->retry.armed()) reactor_.arm(debt->retry, reactor_.now_ns() + kEchoRetry_ns);
}

void Echo::pay(ConnectionId id) noexcept {
  Connection* connection = reactor_.find(id);
  if (connection == nullptr) return forget(id);
  const auto found = debts_.find(key_of(id));
  if (found != debts_.end()) {
    Debt& debt = *found->second;
    while (!debt.kept.empty()) {
      const Kept& next = debt.kept.front();
      const Errc sent = connection->send(next.opcode, next.payload);
      if (sent == Errc::send_queue_full) {
        reactor_.arm(debt.retry, reactor_.now_ns() + kEchoRetry_ns);
        return;
      }
      if (sent != Errc::ok) break;  // closed: nobody waits for it any more
      ++echoed_;
      debt.kept.pop_front();
    }
    forget(id);
  }
  connection->resume();
}

void Echo::on_closed(Connection& connection, const Closed&) noexcept {
  forget(connection.id());
}

void Echo::forget(ConnectionId id) noexcept {
  const auto found = debts_.find(key_of(id));
  if (found == debts_.end()) return;
  reactor_.cancel(found->second->retry);
  debts_.erase(found);
}

}  // namespace zenwire::tools
