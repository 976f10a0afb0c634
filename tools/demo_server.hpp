#pragma once

// DemoServer: the venue of the demo, on a reactor and a thread of its own: sends a feed at a steady
// rate over every line of the client, kills the last line in the middle when there are several, and
// checks the orders that come back.

#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <zenwire/engine/reactor.hpp>

#include "feed.hpp"

namespace zenwire::tools {

// What the server saw; to be read after stop().
struct DemoServed {
  std::uint64_t messages = 0;
  std::uint64_t bytes = 0;
  std::uint64_t orders = 0;
  std::uint64_t orders_out_of_order = 0;
  std::uint64_t lines_killed = 0;
};

class DemoServer {
 public:
  // `rate_per_s` 0: as fast as the client reads. It begins when `lines` are open. The feed outlives
  // it. Errors: of the certificate, the ring and listening.
  static Result<std::unique_ptr<DemoServer>> start(const Feed& feed, std::uint32_t lines,
                                                   double rate_per_s,
                                                   std::uint64_t message_bytes_max);
  ~DemoServer();
  DemoServer(const DemoServer&) = delete;
  DemoServer& operator=(const DemoServer&) = delete;

  [[nodiscard]] const std::string& url() const noexcept { return url_; }
  // Behind the URL, for the server to know which line it is: the last is killed.
  static std::string line_query(std::uint32_t line) { return "?line=" + std::to_string(line); }
  [[nodiscard]] const std::string& ca_pem() const noexcept { return ca_pem_; }

  // Ends the thread.
  const DemoServed& stop();

 private:
  DemoServer(const Feed& feed, std::uint32_t lines, double rate_per_s)
      : feed_(feed),
        lines_(lines),
        interval_ns_(rate_per_s > 0 ? 1e9 / rate_per_s : 0),
        wake_(Callback<Timer&>::to<&DemoServer::on_wake>(*this)) {}

  Result<void> listen(std::uint64_t message_bytes_max);
  void on_open(Connection& connection) noexcept;
  void on_message(Connection& connection, const Message& message) noexcept;
  void on_written(Connection& connection, std::size_t bytes, std::size_t unsent) noexcept;
  void on_closed(Connection& connection, const Closed& closed) noexcept;
  void on_wake(Timer&) noexcept { play(); }
  void play() noexcept;
  bool play_one() noexcept;
  [[nodiscard]] bool all_have_room() noexcept;
  bool send_to_all(const Feed::Entry& entry) noexcept;
  void kill_one() noexcept;
  [[nodiscard]] Instant_ns due_ns(std::uint64_t index) const noexcept;

  const Feed& feed_;
  std::uint32_t lines_;
  double interval_ns_;
  std::string url_;
  std::string ca_pem_;
  std::unique_ptr<Reactor> reactor_;
  std::vector<ConnectionId> clients_;  // those that are open
  ConnectionId victim_;
  Instant_ns begin_ns_ = 0;
  bool playing_ = false;
  DemoServed served_;
  Timer wake_;
  std::thread thread_;
};

}  // namespace zenwire::tools
