#pragma once

// A connection that is open over nothing: what it sends is counted, and taken by a kernel that the
// test plays.

#include <array>
#include <cstddef>
#include <memory>
#include <vector>

#include <connection_services.hpp>
#include <established.hpp>

#include <zenwire/engine/connection.hpp>

namespace zenwire::test {

class OpenConnection {
 public:
  explicit OpenConnection(ConnectionId id = {0, 1}) : connection_(make(id)) {
    connection_->open(established_);
  }

  Connection& operator*() noexcept { return *connection_; }
  Connection* operator->() noexcept { return connection_.get(); }

  // How many bytes the kernel takes from now on; the rest waits.
  void kernel_takes(std::size_t bytes) noexcept {
    room_bytes_ = bytes;
    flush(*connection_);
  }

 private:
  static constexpr std::size_t kBuffer_bytes = 4096;

  std::unique_ptr<Connection> make(ConnectionId id) {
    return std::make_unique<Connection>(services_, id, Role::client,
                                        MutableBytes(receive_).first(kBuffer_bytes),
                                        MutableBytes(send_).first(kBuffer_bytes));
  }
  void flush(Connection& connection) noexcept {
    const std::size_t bytes = std::min(connection.output().size(), room_bytes_);
    if (bytes == 0) return;
    room_bytes_ -= bytes;
    connection.output_consume(bytes);
  }
  void look(Connection&) noexcept {}
  void fill(MutableBytes bytes) noexcept {
    for (std::byte& each : bytes) each = std::byte{0x5A};
  }

  std::size_t room_bytes_ = ~std::size_t{0};
  std::vector<std::byte> receive_ = std::vector<std::byte>(kBuffer_bytes + kReadPadding_bytes);
  std::vector<std::byte> send_ = std::vector<std::byte>(kBuffer_bytes);
  std::vector<std::byte> scratch_ = std::vector<std::byte>(detail::kFrameScratch_bytes);
  std::unique_ptr<BufferPool> large_ =
      *BufferPool::make({.buffer_bytes = 2 * kBuffer_bytes, .buffers = 1});
  MaskingKeys keys_{RandomFill::to<&OpenConnection::fill>(*this),
                    RandomFill::to<&OpenConnection::fill>(*this), kBuffer_bytes};
  detail::ConnectionServices services_{
      .keys = keys_,
      .large = *large_,
      .ticks = {},
      .frame_scratch = scratch_,
      .flush = Callback<Connection&>::to<&OpenConnection::flush>(*this),
      .attention = Callback<Connection&>::to<&OpenConnection::look>(*this)};
  detail::Established established_;
  std::unique_ptr<Connection> connection_;
};

}  // namespace zenwire::test
