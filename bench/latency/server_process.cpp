#include "server_process.hpp"

#include <cerrno>
#include <csignal>
#include <utility>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "server.hpp"
#include "steady_process.hpp"

namespace zenwire::bench {
namespace {

constexpr double kStart_s = 30;

// A pipe whose reading end becomes readable when the server listens, or has died.
struct ReadyPipe {
  int ends[2] = {-1, -1};
  ~ReadyPipe() {
    for (const int end : ends) {
      if (end >= 0) ::close(end);
    }
  }
  void close_writing() noexcept { ::close(std::exchange(ends[1], -1)); }
};

}  // namespace

ServerProcess::ServerProcess(ServerProcess&& other) noexcept
    : shared_(std::move(other.shared_)),
      authority_(std::exchange(other.authority_, -1)),
      child_(std::move(other.child_)) {}

ServerProcess::~ServerProcess() {
  child_.stop();
  if (authority_ >= 0) ::close(authority_);
}

std::string ServerProcess::ca_file() const {
  return authority_ < 0 ? std::string() : "/proc/self/fd/" + std::to_string(authority_);
}

Result<ServerProcess> ServerProcess::start(const ServerProcessOptions& options,
                                           const WaitFor& wait_for) {
  ServerProcess server;
  auto shared = make_shared_memory<Shared>();
  if (!shared) return tl::unexpected<Error>(shared.error());
  server.shared_ = std::move(*shared);
  // It outlives exec, so that a client under callgrind reads it too.
  if (options.tls) server.authority_ = ::memfd_create("authority", 0);
  ReadyPipe ready;
  if ((options.tls && server.authority_ < 0) || ::pipe2(ready.ends, O_CLOEXEC) != 0) {
    return fail(Errc::system_error, "pipe or memfd", errno);
  }
  auto child = Child::start([&] { return server.serve(options, ready.ends[1]); });
  if (!child) return tl::unexpected<Error>(child.error());
  server.child_ = std::move(*child);
  ready.close_writing();
  Wait wait{ready.ends[0], kStart_s};
  wait_for(wait);
  if (wait.outcome != Wait::Outcome::ready) return fail(Errc::aborted, "the server did not start");
  char byte = 0;
  if (::read(ready.ends[0], &byte, 1) != 1) {
    return fail(Errc::aborted, "the server: " + server.child_.errors());
  }
  return server;
}

int ServerProcess::serve(const ServerProcessOptions& options, int ready) {
  ServerOptions own;
  own.spin = options.spin;
  own.tls = options.tls;
  own.ca_out = ca_file();
  own.gives_way = options.gives_way;
  own.orders = &shared_->orders;
  Server server(own);
  shared_->port = server.port();
  make_steady();
  pin(options.cpu);
  const char byte = 1;
  if (::write(ready, &byte, 1) != 1) return 1;
  static const volatile std::sig_atomic_t kNever = 0;  // it is killed
  server.run(kNever);
  return 0;
}

}  // namespace zenwire::bench
