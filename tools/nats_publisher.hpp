#pragma once

// NatsPublisher: publishes messages under one subject of a NATS server, from the thread that calls
// it, and accounts for each: what could not be handed over is dropped and counted, and so is what
// was handed over to a connection that broke before the server confirmed it.
//
// Thread: one, never the reactor's: a publish may wait for the network.

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include <zenwire/base/bytes.hpp>
#include <zenwire/base/error.hpp>

namespace zenwire::tools {

struct NatsCounts {
  std::uint64_t published = 0;    // handed to the library while it was connected
  std::uint64_t confirmed = 0;    // ... and the server has said since that it got so far
  std::uint64_t unconfirmed = 0;  // ... and the connection broke first: perhaps lost
  std::uint64_t dropped = 0;      // the server was away, or too large for it
  std::uint64_t disconnects = 0;
};

class NatsPublisher {
 public:
  // `url`: nats://[user:password@]host[:port]. Error: connect_failed, without the URL.
  static Result<std::unique_ptr<NatsPublisher>> connect(const std::string& url,
                                                        const std::string& subject);
  ~NatsPublisher();
  NatsPublisher(const NatsPublisher&) = delete;
  NatsPublisher& operator=(const NatsPublisher&) = delete;

  // Never waits for a server that is away.
  void publish(Bytes payload);
  // Asks the server whether it has all so far; waits for the answer a second at most. To be called
  // when there is nothing else to do, and at the end.
  void confirm();
  [[nodiscard]] const NatsCounts& counts() const noexcept { return counts_; }
  [[nodiscard]] bool confirmed_all() const noexcept {
    return counts_.confirmed + counts_.unconfirmed == counts_.published;
  }

 private:
  struct Library;
  NatsPublisher();
  void settle_disconnects() noexcept;

  std::unique_ptr<Library> library_;
  std::string subject_;
  NatsCounts counts_;
};

}  // namespace zenwire::tools
