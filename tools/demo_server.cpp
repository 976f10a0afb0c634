#include "demo_server.hpp"

#include <zenwire/engine/certificate.hpp>

#include "order.hpp"

namespace zenwire::tools {

namespace {
constexpr std::size_t kUnsent_bytes_max = std::size_t{128} << 10;
constexpr int kTurn_messages = 256;
constexpr Instant_ns kRetry_ns = 1'000'000;
}  // namespace

Result<std::unique_ptr<DemoServer>> DemoServer::start(const Feed& feed, double rate_per_s,
                                                      std::uint64_t message_bytes_max) {
  std::unique_ptr<DemoServer> server(new DemoServer(feed, rate_per_s));
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
  options.connections_max = 2;
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
  if (client_) return connection.abort();
  client_ = connection.id();
  ZW_ASSERT(connection.on_message.add(OnMessage::to<&DemoServer::on_message>(*this)));
  ZW_ASSERT(connection.on_written.add(OnWritten::to<&DemoServer::on_written>(*this)));
  ZW_ASSERT(connection.on_closed.add(OnClosed::to<&DemoServer::on_closed>(*this)));
  begin_ns_ = reactor_->now_ns();
  play();
}

void DemoServer::on_message(Connection&, const Message& message) noexcept {
  if (order_number(message.text()) != served_.orders + 1) ++served_.orders_out_of_order;
  ++served_.orders;
}

Instant_ns DemoServer::due_ns(std::uint64_t index) const noexcept {
  return begin_ns_ + static_cast<Instant_ns>(interval_ns_ * static_cast<double>(index));
}

void DemoServer::play() noexcept {
  Connection* connection = reactor_->find(client_);
  if (connection == nullptr || playing_) return;
  playing_ = true;
  int left = kTurn_messages;
  while (left > 0 && play_one(*connection)) --left;
  playing_ = false;
  if (left == 0) reactor_->arm(wake_, reactor_->now_ns());
}

// False: not now. The client closes when it has seen all.
bool DemoServer::play_one(Connection& connection) noexcept {
  if (served_.messages == feed_.size()) return false;
  if (connection.state() != ConnectionState::open) return false;
  if (connection.unsent_bytes() > kUnsent_bytes_max) return false;  // on_written goes on
  const Instant_ns due = due_ns(served_.messages);
  if (due > reactor_->now_ns()) {
    reactor_->arm(wake_, due);
    return false;
  }
  const Feed::Entry entry = feed_.at(served_.messages);
  const Errc sent = connection.send(entry.opcode, entry.payload);
  if (sent == Errc::send_queue_full) {
    reactor_->arm(wake_, reactor_->now_ns() + kRetry_ns);
    return false;
  }
  if (sent != Errc::ok) {
    static_cast<void>(connection.close(CloseCode::internal_error));
    return false;
  }
  ++served_.messages;
  served_.bytes += entry.payload.size();
  return true;
}

void DemoServer::on_written(Connection&, std::size_t, std::size_t unsent) noexcept {
  if (unsent <= kUnsent_bytes_max / 2 && !playing_) reactor_->arm(wake_, reactor_->now_ns());
}

}  // namespace zenwire::tools
