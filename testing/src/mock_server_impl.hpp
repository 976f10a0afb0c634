#pragma once

// What a MockServer is made of: a thread with epoll, the connections that it serves, and what tests
// leave for it under a lock.
//
// epoll and not the engine's reactor, so that a fault of the engine's cannot hide in its own test.

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include <sys/epoll.h>
#include <unistd.h>

#include <zenwire/engine/certificate.hpp>
#include <zenwire/engine/tls.hpp>
#include <zenwire/testing/mock_server.hpp>

#include "capture_log.hpp"
#include "mock_connection.hpp"

namespace zenwire::testing {
namespace detail {

// A descriptor that closes itself.
class Descriptor {
 public:
  explicit Descriptor(int number = -1) noexcept : number_(number) {}
  ~Descriptor() { close(); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  void replace(int number) noexcept {
    close();
    number_ = number;
  }
  void close() noexcept {
    if (number_ >= 0) ::close(number_);
    number_ = -1;
  }
  [[nodiscard]] int get() const noexcept { return number_; }

 private:
  int number_;
};

}  // namespace detail

struct MockServer::Impl {
  struct Command {
    ClientId client = kEveryClient;
    bool release = false;
    Script script{};
  };

  explicit Impl(MockServerOptions given)
      : options(std::move(given)),
        log(options.captured_max),
        host{.log = log,
             .options = options,
             .take_commands = [this] { take_commands(); },
             .decide = [this](const CapturedRequest& request) { return decide(request); },
             .reply = [this](const CapturedMessage& message) { return reply(message); }} {}
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  ~Impl() { stop(); }

  // --- The test's threads.
  Result<void> prepare();
  Result<void> listen();
  void stop();
  void submit(Command command);
  void wake() const noexcept;
  template <typename Change>
  void with_lock(Change&& change) {
    const std::lock_guard lock(mutex);
    change();
  }

  // --- The server's thread.
  void serve();
  void take_commands();
  std::optional<ConnectionPlan> decide(const CapturedRequest& request);
  Script reply(const CapturedMessage& message);
  ConnectionPlan next_plan();
  void accept_all();
  void admit(int socket);
  void run(detail::MockConnection& connection, bool readable);
  void run_dirty();
  void run_due();
  void settle(detail::MockConnection& connection);
  void handle(const epoll_event& event);
  void watch(int operation, int socket, std::uint32_t events, std::uint64_t tag) const;
  [[nodiscard]] int wait(std::array<epoll_event, 64>& events) const;
  [[nodiscard]] bool is_stopping();

  const MockServerOptions options;
  std::optional<CertificateAuthority> authority{};
  std::optional<TlsContext> tls{};
  detail::CaptureLog log;
  detail::MockHost host;
  // Bound and never listening: it keeps the port ours while the server is stopped.
  detail::Descriptor holder;
  std::uint16_t port = 0;
  detail::Descriptor listener;
  detail::Descriptor epoll;
  detail::Descriptor waker;
  std::thread thread;

  // Both.
  std::mutex mutex;
  bool stopping = false;
  std::vector<Command> commands;
  MessageHandler message_handler;
  UpgradeHandler upgrade_handler;
  ConnectionPlan every_plan;
  std::deque<ConnectionPlan> next_plans;

  // The server's thread only.
  struct Client {
    std::unique_ptr<detail::MockConnection> connection;
    std::uint32_t events = 0;  // that epoll looks for
    SteadyTime deadline = SteadyTime::max();
  };
  ClientId last_client = 0;
  std::map<ClientId, Client> clients;
  std::set<std::pair<SteadyTime, ClientId>> deadlines;
  std::set<ClientId> dirty;  // were given something to do
};

}  // namespace zenwire::testing
