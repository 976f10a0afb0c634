#include "server.hpp"

#include <cerrno>
#include <cstring>
#include <fstream>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <zenwire/engine/certificate.hpp>

#include "client_options.hpp"
#include "client_run.hpp"

namespace zenwire::bench {
namespace {

// Up to so many connections are looked at in turn, without a call to ask which is ready.
constexpr std::size_t kDirect_max = 4;
constexpr int kBacklog = 4096;

}  // namespace

Server::Server(const ServerOptions& options) : options_(options) {
  if (options.tls) make_tls();
  listen();
  epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
  watch(listener_, EPOLL_CTL_ADD, EPOLLIN);
}

Server::~Server() {
  ::close(listener_);
  ::close(epoll_);
}

void Server::run(const volatile std::sig_atomic_t& interrupted) {
  while (interrupted == 0) turn();
}

void Server::make_tls() {
  auto authority = CertificateAuthority::create("benchmark authority");
  if (!authority) die(authority.error().detail());
  CertificateRequest request;
  request.dns_names = {"localhost"};
  request.ip_addresses = {"127.0.0.1"};
  const auto made = authority->issue(request);
  if (!made) die(made.error().detail());
  TlsOptions tls;
  tls.certificate_pem = made->certificate_pem;
  tls.key_pem = made->key_pem;
  auto context = TlsContext::server(tls);
  if (!context) die(context.error().detail());
  tls_.emplace(std::move(*context));
  if (options_.ca_out.empty()) return;
  std::ofstream file(options_.ca_out);
  file << authority->certificate_pem();
  if (!file.flush()) die("cannot write " + options_.ca_out);
}

void Server::listen() {
  listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  const int on = 1;
  ::setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  // Pacing by the congestion control would be measured as the client's.
  ::setsockopt(listener_, IPPROTO_TCP, TCP_CONGESTION, "reno", 4);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(options_.port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t bytes = sizeof address;
  auto* const raw = reinterpret_cast<sockaddr*>(&address);
  if (::bind(listener_, raw, bytes) != 0 || ::listen(listener_, kBacklog) != 0) {
    die(std::string("listen: ") + std::strerror(errno));
  }
  ::getsockname(listener_, raw, &bytes);
  port_ = ntohs(address.sin_port);
}

void Server::watch(int socket, int operation, std::uint32_t events) const {
  epoll_event event{};
  event.events = events;
  event.data.fd = socket;
  if (::epoll_ctl(epoll_, operation, socket, &event) != 0) {
    die(std::string("epoll_ctl: ") + std::strerror(errno));
  }
}

void Server::turn() {
  const bool direct = options_.spin && connections_.size() <= kDirect_max;
  // New connections may wait while those that there are are looked at in turn.
  constexpr std::uint64_t kTurnsPerAccept = 256;
  if (!direct || connections_.empty() || ++turns_ % kTurnsPerAccept == 0) wait_and_serve(direct);
  if (direct || timed_ > 0) serve_all();
  if (options_.gives_way) ::sched_yield();
}

void Server::wait_and_serve(bool direct) {
  constexpr int kEvents_max = 256;
  epoll_event events[kEvents_max];
  const bool sleeps = !options_.spin && timed_ == 0;
  const int count = ::epoll_wait(epoll_, events, kEvents_max, sleeps ? -1 : 0);
  for (int i = 0; i < count; ++i) {
    if (events[i].data.fd == listener_) {
      accept();
    } else if (!direct) {
      serve(events[i].data.fd);
    }
  }
}

void Server::serve_all() {
  const std::uint64_t now_ns = timed_ > 0 ? clock_ns() : 0;
  for (auto at = connections_.begin(); at != connections_.end();) {
    const int socket = at->first;
    const bool due = timed_ == 0 || connections_.size() <= kDirect_max ||
                     (at->second->due_ns() != 0 && at->second->due_ns() <= now_ns);
    ++at;
    if (due) serve(socket);
  }
}

void Server::accept() {
  for (;;) {
    const int socket = ::accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (socket < 0) return;
    const int on = 1;
    ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    connections_[socket] =
        std::make_unique<ServedConnection>(socket, tls_ ? &*tls_ : nullptr, options_.orders);
    watch(socket, EPOLL_CTL_ADD, EPOLLIN);
  }
}

void Server::serve(int socket) {
  const auto found = connections_.find(socket);
  if (found == connections_.end()) return;
  ServedConnection& connection = *found->second;
  const bool wanted_to_write = connection.wants_to_write();
  const bool was_timed = connection.due_ns() != 0;
  const bool alive = connection.serve();
  const bool is_timed = alive && connection.due_ns() != 0;
  timed_ += (is_timed ? 1 : 0) - (was_timed ? 1 : 0);
  if (!alive) {
    connections_.erase(found);
  } else if (connection.wants_to_write() != wanted_to_write) {
    watch(socket, EPOLL_CTL_MOD, EPOLLIN | (wanted_to_write ? 0u : EPOLLOUT));
  }
}

}  // namespace zenwire::bench
