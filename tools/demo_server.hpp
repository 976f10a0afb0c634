#pragma once

// DemoServer: the venue of the demo, on a reactor and a thread of its own: sends a feed at a steady
// rate to the client that connects, and checks the orders that come back.

#include <cstdint>
#include <memory>
#include <thread>

#include <zenwire/engine/reactor.hpp>

#include "feed.hpp"

namespace zenwire::tools {

// What the server saw; to be read after stop().
struct DemoServed {
  std::uint64_t messages = 0;
  std::uint64_t bytes = 0;
  std::uint64_t orders = 0;
  std::uint64_t orders_out_of_order = 0;
};

class DemoServer {
 public:
  // `rate_per_s` 0: as fast as the client reads. The feed outlives it. Errors: of the certificate,
  // the ring and listening.
  static Result<std::unique_ptr<DemoServer>> start(const Feed& feed, double rate_per_s,
                                                   std::uint64_t message_bytes_max);
  ~DemoServer();
  DemoServer(const DemoServer&) = delete;
  DemoServer& operator=(const DemoServer&) = delete;

  [[nodiscard]] const std::string& url() const noexcept { return url_; }
  [[nodiscard]] const std::string& ca_pem() const noexcept { return ca_pem_; }

  // Ends the thread.
  const DemoServed& stop();

 private:
  DemoServer(const Feed& feed, double rate_per_s)
      : feed_(feed),
        interval_ns_(rate_per_s > 0 ? 1e9 / rate_per_s : 0),
        wake_(Callback<Timer&>::to<&DemoServer::on_wake>(*this)) {}

  Result<void> listen(std::uint64_t message_bytes_max);
  void on_open(Connection& connection) noexcept;
  void on_message(Connection& connection, const Message& message) noexcept;
  void on_written(Connection& connection, std::size_t bytes, std::size_t unsent) noexcept;
  void on_closed(Connection&, const Closed&) noexcept { client_ = {}; }
  void on_wake(Timer&) noexcept { play(); }
  void play() noexcept;
  bool play_one(Connection& connection) noexcept;
  [[nodiscard]] Instant_ns due_ns(std::uint64_t index) const noexcept;

  const Feed& feed_;
  double interval_ns_;
  std::string url_;
  std::string ca_pem_;
  std::unique_ptr<Reactor> reactor_;
  ConnectionId client_;
  Instant_ns begin_ns_ = 0;
  bool playing_ = false;
  DemoServed served_;
  Timer wake_;
  std::thread thread_;
};

}  // namespace zenwire::tools
