#pragma once

// FloorClient: what the kernel, and OpenSSL for TLS, cost a loop that does nothing else. It knows
// the length of every frame beforehand and looks at no more of it than the time of a tick, so
// nothing that speaks WebSocket can be expected to spend less on the same calls.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <sys/epoll.h>

#include "bare_queue.hpp"
#include "client_options.hpp"
#include "client_run.hpp"
#include "message.hpp"
#include "raw_socket.hpp"
#include "strategy_thread.hpp"

namespace zenwire::bench {

// Thread: the one that makes it. Every error ends the program.
class FloorClient {
 public:
  explicit FloorClient(const ClientOptions& options);
  FloorClient(const FloorClient&) = delete;
  FloorClient& operator=(const FloorClient&) = delete;

  // Until all messages came; the connections stay open until the end.
  void measure();
  [[nodiscard]] const ClientRun& run() const noexcept { return run_; }

 private:
  struct Stream {
    std::unique_ptr<RawSocket> socket;
    Schedule schedule;
    std::uint64_t left = 0;         // ticks to come
    std::size_t partial_bytes = 0;  // of a frame that has not ended
    std::string partial{};          // those bytes, where they are looked at: of a sink they are not
  };

  void open();
  void echo();
  void await_due(std::uint64_t due_ns) const noexcept;
  void stream();
  void strategy();
  int wait();
  void turn();
  bool take(Stream& stream);
  std::size_t read(Stream& stream);
  [[nodiscard]] bool wants_more(const Stream& stream) const noexcept;
  void count(Stream& stream, const char* text, std::uint64_t now_ns) noexcept;
  void answer(Stream& stream, const char* text);
  [[nodiscard]] bool take_queued(Stream& counted) noexcept;

  static constexpr int kEvents_max = 256;

  ClientOptions options_;
  ClientRun run_;
  ssl_ctx_st* context_;
  std::size_t header_bytes_;
  std::size_t frame_bytes_;
  std::vector<char> buffer_;
  std::vector<Stream> streams_;
  std::string order_;
  std::string order_frame_;
  std::uint32_t streams_done_ = 0;
  std::optional<BareQueue> queue_;
  std::optional<StrategyThread> strategy_;
  int epoll_ = -1;
  epoll_event events_[kEvents_max];
};

}  // namespace zenwire::bench
