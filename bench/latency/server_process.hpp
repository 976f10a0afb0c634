#pragma once

// ServerProcess: the benchmark server in a process of its own, on its core.

#include <atomic>
#include <cstdint>
#include <string>

#include <zenwire/base/error.hpp>

#include "child.hpp"
#include "served_connection.hpp"
#include "shared_memory.hpp"

namespace zenwire::bench {

struct ServerProcessOptions {
  int cpu = -1;
  bool tls = false;
  bool spin = true;
  bool gives_way = false;
};

class ServerProcess {
 public:
  // Until it listens. Errors: system_error, memory_exhausted, aborted (interrupted; or its own
  // words why it could not).
  static Result<ServerProcess> start(const ServerProcessOptions& options, const WaitFor& wait_for);
  ServerProcess(ServerProcess&& other) noexcept;
  ServerProcess& operator=(ServerProcess&& other) = delete;
  ~ServerProcess();

  [[nodiscard]] std::uint16_t port() const noexcept { return shared_->port; }
  // The authority to trust: a path that this process and its children can read. Empty without TLS.
  [[nodiscard]] std::string ca_file() const;
  // Where order streams are measured. Clear it between runs only.
  [[nodiscard]] OrderLatencies& orders() noexcept { return shared_->orders; }

 private:
  struct Shared {
    std::uint16_t port = 0;
    OrderLatencies orders;
  };
  ServerProcess() noexcept = default;
  [[nodiscard]] int serve(const ServerProcessOptions& options, int ready);

  SharedMemory<Shared> shared_;
  int authority_ = -1;  // memfd
  Child child_;
};

}  // namespace zenwire::bench
