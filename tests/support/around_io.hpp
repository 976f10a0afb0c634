#pragma once

// AroundIo: forwards to another Io with something around each call (a guard object that `Around`
// makes), so that a test can tell what happens inside an Io from what the engine above it does.

#include <memory>
#include <utility>

#include <zenwire/engine/io.hpp>

namespace zenwire::test {

template <typename Around>
class AroundIo : public Io {
 public:
  AroundIo(std::unique_ptr<Io> io, Around around) : io_(std::move(io)), around_(around) {}

  void submit_connect(Completion& completion, Socket socket,
                      const Address& address) noexcept override {
    const auto scope = around_();
    io_->submit_connect(completion, socket, address);
  }
  void submit_accept(Completion& completion, Socket listener) noexcept override {
    const auto scope = around_();
    io_->submit_accept(completion, listener);
  }
  void submit_poll(Completion& completion, Socket socket, PollFor what,
                   bool multishot) noexcept override {
    const auto scope = around_();
    io_->submit_poll(completion, socket, what, multishot);
  }
  void submit_resolve(Completion& completion, ResolveRequest& request) noexcept override {
    const auto scope = around_();
    io_->submit_resolve(completion, request);
  }
  void submit_cancel(Completion& target) noexcept override {
    const auto scope = around_();
    io_->submit_cancel(target);
  }
  std::size_t reap(std::span<Reaped> out, Instant_ns wait_until_ns) noexcept override {
    const auto scope = around_();
    return io_->reap(out, wait_until_ns);
  }
  void gather(Instant_ns until_ns) noexcept override {
    const auto scope = around_();
    io_->gather(until_ns);
  }
  void wake() noexcept override {
    const auto scope = around_();
    io_->wake();
  }
  std::ptrdiff_t take(Socket socket, MutableBytes bytes, TakeMode mode) noexcept override {
    const auto scope = around_();
    return io_->take(socket, bytes, mode);
  }
  std::ptrdiff_t settle(Socket socket, std::size_t bytes) noexcept override {
    const auto scope = around_();
    return io_->settle(socket, bytes);
  }
  std::ptrdiff_t send(Socket socket, Bytes bytes) noexcept override {
    const auto scope = around_();
    return io_->send(socket, bytes);
  }
  Result<Socket> open_socket(const Address& remote, const Address* local,
                             const SocketOptions& options) noexcept override {
    const auto scope = around_();
    return io_->open_socket(remote, local, options);
  }
  Result<Socket> open_listener(const Address& address,
                               const SocketOptions& options) noexcept override {
    const auto scope = around_();
    return io_->open_listener(address, options);
  }
  void configure(Socket socket, const SocketOptions& options) noexcept override {
    const auto scope = around_();
    io_->configure(socket, options);
  }
  void shutdown_send(Socket socket) noexcept override {
    const auto scope = around_();
    io_->shutdown_send(socket);
  }
  void close(Socket socket) noexcept override {
    const auto scope = around_();
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
    const auto scope = around_();
    io_->random(bytes);
  }

 private:
  std::unique_ptr<Io> io_;
  Around around_;
};

}  // namespace zenwire::test
