#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <zenwire/base/assert.hpp>

#include "mock_server_impl.hpp"

namespace zenwire::testing {
namespace {

constexpr int kBacklog = 1024;
// Of epoll: the two that are no client.
constexpr std::uint64_t kWakeTag = 0;
constexpr std::uint64_t kListenerTag = std::uint64_t{1} << 32;

int bound_socket(std::uint16_t port) {
  const int made = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  const int on = 1;
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  ::setsockopt(made, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (::bind(made, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return made;
  const int error = errno;
  ::close(made);
  errno = error;
  return -1;
}

std::uint16_t port_of(int socket) {
  sockaddr_in address{};
  socklen_t bytes = sizeof address;
  ::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &bytes);
  return ntohs(address.sin_port);
}

}  // namespace

// --- Starting and stopping.

Result<void> MockServer::Impl::prepare() {
  holder.replace(bound_socket(0));
  if (holder.get() < 0) return fail(Errc::listen_failed, "127.0.0.1", errno);
  port = port_of(holder.get());
  if (!options.tls) return {};
  TlsOptions secure = options.tls_options;
  if (secure.certificate_pem.empty() && secure.certificate_file.empty()) {
    auto made = CertificateAuthority::create("zenwire mock server");
    if (!made) return tl::unexpected(made.error());
    authority.emplace(std::move(*made));
    const auto identity = authority->issue(options.certificate);
    if (!identity) return tl::unexpected(identity.error());
    secure.certificate_pem = identity->certificate_pem;
    secure.key_pem = identity->key_pem;
  }
  auto context = TlsContext::server(secure);
  if (!context) return tl::unexpected(context.error());
  tls.emplace(std::move(*context));
  return {};
}

Result<void> MockServer::Impl::listen() {
  ZW_ASSERT(!thread.joinable());
  listener.replace(bound_socket(port));
  if (listener.get() < 0 || ::listen(listener.get(), kBacklog) != 0)
    return fail(Errc::listen_failed, "127.0.0.1:" + std::to_string(port), errno);
  epoll.replace(::epoll_create1(EPOLL_CLOEXEC));
  waker.replace(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (epoll.get() < 0 || waker.get() < 0) return fail(Errc::system_error, "epoll", errno);
  stopping = false;
  watch(EPOLL_CTL_ADD, waker.get(), EPOLLIN, kWakeTag);
  watch(EPOLL_CTL_ADD, listener.get(), EPOLLIN, kListenerTag);
  thread = std::thread([this] { serve(); });
  return {};
}

void MockServer::Impl::stop() {
  if (!thread.joinable()) return;
  with_lock([&] { stopping = true; });
  wake();
  thread.join();
  listener.close();
}

void MockServer::Impl::wake() const noexcept {
  const std::uint64_t one = 1;
  const ssize_t written = ::write(waker.get(), &one, sizeof one);
  ZW_ASSERT(written == sizeof one);
}

void MockServer::Impl::submit(Command command) {
  with_lock([&] { commands.push_back(std::move(command)); });
  if (thread.joinable()) wake();
}

// --- The server's thread.

void MockServer::Impl::serve() {
  std::array<epoll_event, 64> events{};
  while (!is_stopping()) {
    const int count = wait(events);
    take_commands();
    for (int i = 0; i < count; ++i) handle(events[static_cast<std::size_t>(i)]);
    run_due();
    run_dirty();
  }
  for (auto& [id, client] : clients) {
    client.connection->reset();
    client.connection->log_end();
  }
  clients.clear();
  deadlines.clear();
  dirty.clear();
}

bool MockServer::Impl::is_stopping() {
  const std::lock_guard lock(mutex);
  return stopping;
}

// Until something happens or the first deadline passes.
int MockServer::Impl::wait(std::array<epoll_event, 64>& events) const {
  timespec left{};
  if (!deadlines.empty()) {
    const auto time = std::max(deadlines.begin()->first - std::chrono::steady_clock::now(),
                               std::chrono::steady_clock::duration::zero());
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(time);
    left = {.tv_sec = seconds.count(), .tv_nsec = (time - seconds).count()};
  }
  return ::epoll_pwait2(epoll.get(), events.data(), static_cast<int>(events.size()),
                        deadlines.empty() ? nullptr : &left, nullptr);
}

void MockServer::Impl::watch(int operation, int socket, std::uint32_t events,
                             std::uint64_t tag) const {
  epoll_event event{.events = events, .data = {.u64 = tag}};
  const int done = ::epoll_ctl(epoll.get(), operation, socket, &event);
  ZW_ASSERT(done == 0);
}

void MockServer::Impl::handle(const epoll_event& event) {
  if (event.data.u64 == kWakeTag) return;  // taken back with the commands
  if (event.data.u64 == kListenerTag) return accept_all();
  const auto at = clients.find(static_cast<ClientId>(event.data.u64));
  if (at == clients.end()) return;  // gone, by an event before this one
  detail::MockConnection& connection = *at->second.connection;
  const bool broken = (event.events & (EPOLLERR | EPOLLHUP)) != 0;
  if (broken && !connection.wants_read(std::chrono::steady_clock::now())) connection.lost();
  run(connection, broken || (event.events & EPOLLIN) != 0);
}

void MockServer::Impl::accept_all() {
  for (;;) {
    const int socket = ::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (socket < 0) return;
    admit(socket);
  }
}

void MockServer::Impl::admit(int socket) {
  const int on = 1;
  ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (options.receive_buffer_bytes != 0) {
    const int bytes = static_cast<int>(options.receive_buffer_bytes);
    ::setsockopt(socket, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
  }
  std::optional<TlsStream> stream;
  if (tls) stream.emplace(TlsStream::server(*tls).value());
  const ClientId id = ++last_client;
  log.change([](detail::CaptureLog& seen) { ++seen.accepts; });
  Client& client = clients[id];
  client.connection =
      std::make_unique<detail::MockConnection>(host, id, socket, std::move(stream), next_plan());
  watch(EPOLL_CTL_ADD, socket, 0, id);
  run(*client.connection, false);
}

void MockServer::Impl::run(detail::MockConnection& connection, bool readable) {
  connection.run(readable, std::chrono::steady_clock::now());
  dirty.erase(connection.id());
  settle(connection);
}

// Lets a connection go that has finished, or tells epoll and the timers what it waits for.
void MockServer::Impl::settle(detail::MockConnection& connection) {
  const ClientId id = connection.id();
  Client& client = clients.at(id);
  deadlines.erase({client.deadline, id});
  if (connection.finished()) {
    connection.log_end();
    clients.erase(id);
    return;
  }
  const auto now = std::chrono::steady_clock::now();
  client.deadline = connection.deadline(now);
  if (client.deadline != SteadyTime::max()) deadlines.insert({client.deadline, id});
  const bool reads = connection.wants_read(now);
  const std::uint32_t events = (reads ? std::uint32_t{EPOLLIN} : 0u) |
                               (connection.wants_write() ? std::uint32_t{EPOLLOUT} : 0u);
  if (events != client.events) watch(EPOLL_CTL_MOD, connection.socket(), events, id);
  client.events = events;
}

void MockServer::Impl::run_due() {
  const auto now = std::chrono::steady_clock::now();
  for (auto at = deadlines.begin(); at != deadlines.end() && at->first <= now; ++at)
    dirty.insert(at->second);
}

void MockServer::Impl::run_dirty() {
  for (const ClientId id : std::exchange(dirty, {})) {
    const auto at = clients.find(id);
    if (at != clients.end()) run(*at->second.connection, false);
  }
}

// Called before the bytes of any client are acted upon: what a test asked for first holds for them.
// The wake-up is taken back first: after the commands it would go with that of one yet to come.
void MockServer::Impl::take_commands() {
  std::uint64_t wakes = 0;
  static_cast<void>(::read(waker.get(), &wakes, sizeof wakes));  // or none: it does not block
  std::vector<Command> taken;
  with_lock([&] { taken.swap(commands); });
  for (const Command& command : taken) {
    for (auto& [id, client] : clients) {
      if (command.client != kEveryClient && command.client != id) continue;
      if (command.release) client.connection->release();
      client.connection->play(command.script);
      dirty.insert(id);
    }
  }
}

std::optional<ConnectionPlan> MockServer::Impl::decide(const CapturedRequest& request) {
  UpgradeHandler handler;
  with_lock([&] { handler = upgrade_handler; });
  return handler ? handler(request) : std::nullopt;
}

Script MockServer::Impl::reply(const CapturedMessage& message) {
  MessageHandler handler;
  with_lock([&] { handler = message_handler; });
  return handler ? handler(message) : Script();
}

ConnectionPlan MockServer::Impl::next_plan() {
  const std::lock_guard lock(mutex);
  if (next_plans.empty()) return every_plan;
  ConnectionPlan plan = std::move(next_plans.front());
  next_plans.pop_front();
  return plan;
}

// --- The public face.

MockServer::MockServer(std::unique_ptr<Impl> impl) noexcept : impl_(std::move(impl)) {}
MockServer::MockServer(MockServer&&) noexcept = default;
MockServer& MockServer::operator=(MockServer&&) noexcept = default;
MockServer::~MockServer() = default;

Result<MockServer> MockServer::start(MockServerOptions options) {
  auto impl = std::make_unique<Impl>(std::move(options));
  if (auto prepared = impl->prepare(); !prepared) return tl::unexpected(prepared.error());
  if (auto listening = impl->listen(); !listening) return tl::unexpected(listening.error());
  return MockServer(std::move(impl));
}

void MockServer::stop() {
  impl_->stop();
}

Result<void> MockServer::restart() {
  stop();
  return impl_->listen();
}

std::uint16_t MockServer::port() const noexcept {
  return impl_->port;
}

std::string MockServer::url(std::string_view path) const {
  return (impl_->options.tls ? "wss://127.0.0.1:" : "ws://127.0.0.1:") +
         std::to_string(impl_->port) + std::string(path);
}

std::string MockServer::ca_pem() const {
  return impl_->authority ? impl_->authority->certificate_pem() : std::string();
}

std::size_t MockServer::inject(const Script& script, ClientId client) {
  std::size_t reached = 0;
  for (const ClientId open : clients()) {
    if (client != kEveryClient && open != client) continue;
    impl_->submit({.client = open, .script = script});
    ++reached;
  }
  return reached;
}

std::size_t MockServer::inject_text(std::string_view text, ClientId client) {
  return inject(Script().text(text), client);
}

std::size_t MockServer::inject_binary(std::string_view bytes, ClientId client) {
  return inject(Script().binary(bytes), client);
}

std::size_t MockServer::simulate_disconnect(const Script& how, ClientId client) {
  return inject(how, client);
}

void MockServer::release(ClientId client) {
  impl_->submit({.client = client, .release = true});
}

void MockServer::on_message(MessageHandler handler) {
  impl_->with_lock([&] { impl_->message_handler = std::move(handler); });
}

void MockServer::on_upgrade(UpgradeHandler handler) {
  impl_->with_lock([&] { impl_->upgrade_handler = std::move(handler); });
}

void MockServer::plan(ConnectionPlan plan) {
  impl_->with_lock([&] { impl_->every_plan = std::move(plan); });
}

void MockServer::plan_next(ConnectionPlan plan, std::size_t times) {
  impl_->with_lock([&] { impl_->next_plans.insert(impl_->next_plans.end(), times, plan); });
}

MockServer::MessageHandler MockServer::echo() {
  return [](const CapturedMessage& message) {
    return message.opcode == Opcode::text ? Script().text(message.payload)
                                          : Script().binary(message.payload);
  };
}

}  // namespace zenwire::testing
