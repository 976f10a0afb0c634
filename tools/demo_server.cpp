#include "demo_server.hpp"

#include <zenwire/engine/certificate.hpp>

#include "order.hpp"

namespace zenwire::tools {

namespace {
constexpr std::size_t kUnsent_bytes_max = std::size_t{128} << 10;
constexpr int kTurn_messages = 256;
}  // namespace

Result<std::unique_ptr<DemoServer>> DemoServer::start(const Feed& feed, std::uint32_t lines,
                                                      double rate_per_s,
                                                      std::uint64_t message_bytes_max) {
  std::unique_ptr<DemoServer> server(new DemoServer(feed, lines, rate_per_s));
  if (auto listening = server->listen(message_bytes_max); !listening) {
    return tl::unexpected(listening.error());
  }
  server->thread_ = std::thread([raw = server.get()] { static_cast<void>(raw->reactor_->run()); });
  return server;
}

Result<void> DemoServer::listen(std::uint64_t message_bytes_max) {
  auto authority = CertificateAuthority::create("zenwire demo authority");
  if (!authority) return tl::unexpected(authority.error());
  CertificateRequest request;
  request.dns_names = {"localhost"};
  request.ip_addresses = {"127.0.0.1"};
  auto certificate = authority->issue(request);
  if (!certificate) return tl::unexpected(certificate.error());
  ReactorOptions options;
  options.idle = Idle::block;
  options.connections_max = lines_ + 1;
  options.large_buffers = lines_ + 1;
  options.message_bytes_max = message_bytes_max;
  options.prefault = false;
  options.log = Callback<std::string_view>([](void*, std::string_view) noexcept {});
  auto reactor = Reactor::create(options);
  if (!reactor) return tl::unexpected(reactor.error());
  reactor_ = std::move(*reactor);
  ListenOptions listening;
  listening.secure = true;
  listening.tls.certificate_pem = certificate->certificate_pem;
  listening.tls.key_pem = certificate->key_pem;
  listening.limits.message_bytes_max = listening.limits.frame_bytes_max = message_bytes_max;
  // Pacing by the congestion control would be measured as the engine's.
  listening.socket.congestion_control = "reno";
  listening.on_open = Callback<Connection&>::to<&DemoServer::on_open>(*this);
  const auto address = reactor_->listen(listening);
  if (!address) return tl::unexpected(address.error());
  ca_pem_ = authority->certificate_pem();
  url_ = "wss://localhost:" + std::to_string(address->port()) + "/ws/api/v2";
  return {};
}

DemoServer::~DemoServer() {
  stop();
}

const DemoServed& DemoServer::stop() {
  if (thread_.joinable()) {
    reactor_->stop();
    thread_.join();
    reactor_->cancel(wake_);
  }
  return served_;
}

void DemoServer::on_open(Connection& connection) noexcept {
  using OnMessage = Callback<Connection&, const Message&>;
  using OnWritten = Callback<Connection&, std::size_t, std::size_t>;
  using OnClosed = Callback<Connection&, const Closed&>;
  if (begin_ns_ != 0 || clients_.size() == lines_) return connection.abort();
  clients_.push_back(connection.id());
  if (connection.opened().target.ends_with(line_query(lines_ - 1))) victim_ = connection.id();
  ZW_ASSERT(connection.on_message.add(OnMessage::to<&DemoServer::on_message>(*this)));
  ZW_ASSERT(connection.on_written.add(OnWritten::to<&DemoServer::on_written>(*this)));
  ZW_ASSERT(connection.on_closed.add(OnClosed::to<&DemoServer::on_closed>(*this)));
  if (clients_.size() < lines_) return;
  begin_ns_ = reactor_->now_ns();
  play();
}

void DemoServer::on_closed(Connection& connection, const Closed&) noexcept {
  std::erase(clients_, connection.id());
}

void DemoServer::on_message(Connection&, const Message& message) noexcept {
  if (order_number(message.text()) != served_.orders + 1) ++served_.orders_out_of_order;
  ++served_.orders;
}

Instant_ns DemoServer::due_ns(std::uint64_t index) const noexcept {
  return begin_ns_ + static_cast<Instant_ns>(interval_ns_ * static_cast<double>(index));
}

void DemoServer::play() noexcept {
  if (begin_ns_ == 0 || playing_) return;
  playing_ = true;
  int left = kTurn_messages;
  while (left > 0 && play_one()) --left;
  playing_ = false;
  if (left == 0) reactor_->arm(wake_, reactor_->now_ns());
}

// False: not now. The client closes when it has seen all.
bool DemoServer::play_one() noexcept {
  if (served_.messages == feed_.size() || !all_have_room()) return false;
  const Instant_ns due = due_ns(served_.messages);
  if (due > reactor_->now_ns()) {
    reactor_->arm(wake_, due);
    return false;
  }
  if (lines_ > 1 && served_.lines_killed == 0 && served_.messages == feed_.size() / 2) kill_one();
  const Feed::Entry entry = feed_.at(served_.messages);
  if (!send_to_all(entry)) return false;
  ++served_.messages;
  served_.bytes += entry.payload.size();
  return true;
}

// on_written goes on when one has not. A message fits behind what may wait.
bool DemoServer::all_have_room() noexcept {
  for (const ConnectionId id : clients_) {
    const Connection* const connection = reactor_->find(id);
    if (connection != nullptr && connection->unsent_bytes() > kUnsent_bytes_max) return false;
  }
  return !clients_.empty();
}

// The lines take turns at being first.
bool DemoServer::send_to_all(const Feed::Entry& entry) noexcept {
  for (std::size_t i = 0; i < clients_.size(); ++i) {
    Connection* const connection =
        reactor_->find(clients_[(served_.messages + i) % clients_.size()]);
    if (connection == nullptr || connection->state() != ConnectionState::open) continue;
    const Errc sent = connection->send(entry.opcode, entry.payload);
    if (sent == Errc::ok) continue;
    static_cast<void>(connection->close(CloseCode::internal_error));
    return false;
  }
  return true;
}

void DemoServer::kill_one() noexcept {
  Connection* const connection = reactor_->find(victim_);
  if (connection == nullptr) return;
  ++served_.lines_killed;
  connection->abort();
}

void DemoServer::on_written(Connection&, std::size_t, std::size_t unsent) noexcept {
  if (unsent <= kUnsent_bytes_max / 2 && !playing_) reactor_->arm(wake_, reactor_->now_ns());
}

}  // namespace zenwire::tools
