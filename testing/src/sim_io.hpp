#pragma once

// SimIo: the seam over a simulated world. Translates, as UringIo does; what goes wrong is decided
// in the network and when its outcomes are reaped.

#include <atomic>
#include <cstddef>
#include <vector>

#include <zenwire/engine/io.hpp>

#include "sim_network.hpp"

namespace zenwire::testing::detail {

// Thread: the world's; wake() from any. Lifetime: the world outlives it.
class SimIo final : public Io {
 public:
  explicit SimIo(SimNetwork& network);
  ~SimIo() override;

  void submit_connect(Completion&, Socket, const Address&) noexcept override;
  void submit_accept(Completion&, Socket listener) noexcept override;
  void submit_poll(Completion&, Socket, PollFor, bool multishot) noexcept override;
  void submit_resolve(Completion&, ResolveRequest&) noexcept override;
  void submit_cancel(Completion& target) noexcept override;
  std::size_t reap(std::span<Reaped> out, Instant_ns wait_until_ns) noexcept override;
  void gather(Instant_ns until_ns) noexcept override;
  void wake() noexcept override { awake_.store(true, std::memory_order_release); }
  std::ptrdiff_t take(Socket, MutableBytes, TakeMode) noexcept override;
  std::ptrdiff_t settle(Socket, std::size_t bytes) noexcept override;
  std::ptrdiff_t send(Socket, Bytes) noexcept override;
  Result<Socket> open_socket(const Address& remote, const Address* local,
                             const SocketOptions&) noexcept override;
  Result<Socket> open_listener(const Address&, const SocketOptions&) noexcept override;
  void configure(Socket, const SocketOptions&) noexcept override;
  void shutdown_send(Socket) noexcept override;
  void close(Socket) noexcept override;
  [[nodiscard]] Address local_address(Socket) const noexcept override;
  [[nodiscard]] Address remote_address(Socket) const noexcept override;
  [[nodiscard]] Instant_ns now() noexcept override { return network_.now_ns(); }
  [[nodiscard]] std::uint64_t wall_ns() noexcept override;
  [[nodiscard]] TickSource ticks() const noexcept override {
    return TickSource(&network_.now_ns());
  }
  void random(MutableBytes) noexcept override;

  // For the network.
  void push(Completion& completion, Outcome outcome, Instant_ns ready_ns);
  // The outcome that waits for this completion and says that more follow, or null.
  [[nodiscard]] SimOutcome* waiting(const Completion& completion) noexcept;
  // For the world: when it has something to do. 0 is now.
  [[nodiscard]] Instant_ns wants_ns() const noexcept;
  void begin_round() noexcept { wait_until_ns_ = kNever_ns; }

 private:
  void submit(SimOperation operation) noexcept;
  void enter() noexcept;
  void wait(Instant_ns wait_until_ns) noexcept;
  [[nodiscard]] Instant_ns next_outcome_ns() const noexcept;
  [[nodiscard]] bool is_first(std::size_t index) const noexcept;
  [[nodiscard]] std::size_t choose() noexcept;
  void overflow() noexcept;

  SimNetwork& network_;
  Random random_;
  std::vector<SimOperation> submitted_;
  std::vector<SimOutcome> outcomes_;
  std::atomic<bool> awake_{false};
  Instant_ns wait_until_ns_ = kNever_ns;
  std::uint32_t idle_waits_ = 0;
};

}  // namespace zenwire::testing::detail
