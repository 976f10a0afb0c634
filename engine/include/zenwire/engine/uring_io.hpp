#pragma once

// Io over io_uring and direct system calls. Translates; decides nothing.
//
// The ring is SINGLE_ISSUER | DEFER_TASKRUN | TASKRUN_FLAG: completions run when the owner asks for
// them, without an interrupt, and an idle reap is two loads of shared memory. It is made disabled
// and bound to the thread that reaps first, so that it can be made on one thread and run on
// another.

#include <memory>

#include <zenwire/engine/io.hpp>

namespace zenwire {

struct UringOptions {
  std::uint32_t entries = 1024;  // submission queue; the completion queue has four times as many
};

// Which forms the running kernel gave, for `doctor` and the start line.
struct RingReport {
  std::uint32_t features = 0;  // IORING_FEAT_*
  std::uint32_t operations = 0;
  bool single_issuer = false;
  bool defer_taskrun = false;
  bool taskrun_flag = false;
};

class UringIo final : public Io {
 public:
  // Errors: ring_refused_by_sysctl, ring_refused_by_seccomp, ring_not_supported, ring_failed.
  static Result<std::unique_ptr<UringIo>> create(const UringOptions& options = {});
  ~UringIo() override;

  [[nodiscard]] RingReport report() const noexcept;

  void submit_connect(Completion&, Socket, const Address&) noexcept override;
  void submit_accept(Completion&, Socket listener) noexcept override;
  void submit_poll(Completion&, Socket, PollFor, bool multishot) noexcept override;
  void submit_resolve(Completion&, ResolveRequest&) noexcept override;
  void submit_cancel(Completion& target) noexcept override;
  std::size_t reap(std::span<Reaped> out, Instant_ns wait_until_ns) noexcept override;
  void gather(Instant_ns until_ns) noexcept override;
  void wake() noexcept override;
  std::ptrdiff_t take(Socket, MutableBytes, TakeMode) noexcept override;
  std::ptrdiff_t settle(Socket, std::size_t bytes) noexcept override;
  bool begin_stamps(Socket socket) noexcept override;
  std::ptrdiff_t take_stamped(Socket socket, MutableBytes into, TakeMode mode,
                              std::uint64_t& kernel_ns) noexcept override;
  bool take_transmitted(Socket socket, TransmitStamp& stamp) noexcept override;
  std::ptrdiff_t send(Socket, Bytes) noexcept override;
  Result<Socket> open_socket(const Address& remote, const Address* local,
                             const SocketOptions&) noexcept override;
  Result<Socket> open_listener(const Address&, const SocketOptions&) noexcept override;
  void configure(Socket, const SocketOptions&) noexcept override;
  void shutdown_send(Socket) noexcept override;
  void close(Socket) noexcept override;
  [[nodiscard]] Address local_address(Socket) const noexcept override;
  [[nodiscard]] Address remote_address(Socket) const noexcept override;
  [[nodiscard]] Instant_ns now() noexcept override;
  [[nodiscard]] std::uint64_t wall_ns() noexcept override;
  [[nodiscard]] TickSource ticks() const noexcept override { return {}; }
  void random(MutableBytes) noexcept override;

 private:
  struct Impl;
  explicit UringIo(std::unique_ptr<Impl> impl) noexcept;
  std::unique_ptr<Impl> impl_;
};

}  // namespace zenwire
