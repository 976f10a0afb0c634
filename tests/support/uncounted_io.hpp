#pragma once

// UncountedIo: forwards to another Io and keeps the books of the allocations made inside it, so
// that a test can tell those of a simulator from those of the engine above it.

#include <memory>
#include <utility>

#include <zenwire/engine/io.hpp>

#include "allocation_counter.hpp"

namespace zenwire::test {

class UncountedIo final : public Io {
 public:
  // `inside` is counted up by what the Io allocates.
  UncountedIo(std::unique_ptr<Io> io, std::uint64_t& inside)
      : io_(std::move(io)), inside_(inside) {}

  void submit_connect(Completion& completion, Socket socket,
                      const Address& address) noexcept override {
    const Scope scope(inside_);
    io_->submit_connect(completion, socket, address);
  }
  void submit_accept(Completion& completion, Socket listener) noexcept override {
    const Scope scope(inside_);
    io_->submit_accept(completion, listener);
  }
  void submit_poll(Completion& completion, Socket socket, PollFor what,
                   bool multishot) noexcept override {
    const Scope scope(inside_);
    io_->submit_poll(completion, socket, what, multishot);
  }
  void submit_resolve(Completion& completion, ResolveRequest& request) noexcept override {
    const Scope scope(inside_);
    io_->submit_resolve(completion, request);
  }
  void submit_cancel(Completion& target) noexcept override {
    const Scope scope(inside_);
    io_->submit_cancel(target);
  }
  std::size_t reap(std::span<Reaped> out, Instant_ns wait_until_ns) noexcept override {
    const Scope scope(inside_);
    return io_->reap(out, wait_until_ns);
  }
  void wake() noexcept override {
    const Scope scope(inside_);
    io_->wake();
  }
  std::ptrdiff_t take(Socket socket, MutableBytes bytes, TakeMode mode) noexcept override {
    const Scope scope(inside_);
    return io_->take(socket, bytes, mode);
  }
  std::ptrdiff_t settle(Socket socket, std::size_t bytes) noexcept override {
    const Scope scope(inside_);
    return io_->settle(socket, bytes);
  }
  std::ptrdiff_t send(Socket socket, Bytes bytes) noexcept override {
    const Scope scope(inside_);
    return io_->send(socket, bytes);
  }
  Result<Socket> open_socket(const Address& remote, const Address* local,
                             const SocketOptions& options) noexcept override {
    const Scope scope(inside_);
    return io_->open_socket(remote, local, options);
  }
  Result<Socket> open_listener(const Address& address,
                               const SocketOptions& options) noexcept override {
    const Scope scope(inside_);
    return io_->open_listener(address, options);
  }
  void configure(Socket socket, const SocketOptions& options) noexcept override {
    const Scope scope(inside_);
    io_->configure(socket, options);
  }
  void shutdown_send(Socket socket) noexcept override {
    const Scope scope(inside_);
    io_->shutdown_send(socket);
  }
  void close(Socket socket) noexcept override {
    const Scope scope(inside_);
    io_->close(socket);
  }
  [[nodiscard]] Address local_address(Socket socket) const noexcept override {
    return io_->local_address(socket);
  }
  [[nodiscard]] Address remote_address(Socket socket) const noexcept override {
    return io_->remote_address(socket);
  }
  [[nodiscard]] Instant_ns now() noexcept override { return io_->now(); }
  [[nodiscard]] std::uint64_t wall_ns() noexcept override { return io_->wall_ns(); }
  [[nodiscard]] TickSource ticks() const noexcept override { return io_->ticks(); }
  void random(MutableBytes bytes) noexcept override {
    const Scope scope(inside_);
    io_->random(bytes);
  }

 private:
  class Scope {
   public:
    explicit Scope(std::uint64_t& inside) noexcept
        : inside_(inside), before_(allocations_of_this_thread()) {}
    ~Scope() { inside_ += allocations_of_this_thread() - before_; }
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    std::uint64_t& inside_;
    std::uint64_t before_;
  };

  std::unique_ptr<Io> io_;
  std::uint64_t& inside_;
};

}  // namespace zenwire::test
