#pragma once

// One client's socket, with TLS or without: bytes in and out, paced, cut and stalled as asked.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <zenwire/base/error.hpp>
#include <zenwire/engine/tls.hpp>
#include <zenwire/testing/mock_server.hpp>

namespace zenwire::testing::detail {

// Thread: the server's. Owns the socket, which is non-blocking.
class MockTransport {
 public:
  MockTransport(int socket, std::optional<TlsStream> tls, std::optional<Cut> cut) noexcept;
  ~MockTransport();
  MockTransport(const MockTransport&) = delete;
  MockTransport& operator=(const MockTransport&) = delete;

  // One read of the socket; plaintext is put behind `to`. After it, ended() and error() may have
  // changed.
  void receive(std::string& to);
  // Queued; flush() writes.
  void send(std::string_view plaintext);
  // As far as the socket and the cut allow.
  void flush();

  void set_read_pace(std::size_t bytes, std::chrono::nanoseconds every, SteadyTime now);
  void set_write_pieces(std::size_t bytes);
  void end(Script::End how);
  // The cut is over.
  void release() noexcept { cut_.reset(); }

  [[nodiscard]] int socket() const noexcept { return socket_; }
  [[nodiscard]] bool wants_read(SteadyTime now) const noexcept;
  [[nodiscard]] bool wants_write() const noexcept;
  // When reading is wanted again, if it is not wanted now.
  [[nodiscard]] std::optional<SteadyTime> next_read(SteadyTime now) const noexcept;

  // TLS is shaken, or there is none.
  [[nodiscard]] bool ready() const noexcept { return ready_; }
  // The peer has ended its half.
  [[nodiscard]] bool peer_ended() const noexcept { return peer_ended_; }
  // Nothing will happen on it any more.
  [[nodiscard]] bool finished() const noexcept { return lost_ || (peer_ended_ && fin_sent_); }
  [[nodiscard]] bool reset_by_us() const noexcept { return reset_by_us_; }
  [[nodiscard]] Errc error() const noexcept { return error_; }

 private:
  void receive_tls(std::string& to);
  void shake_hands();
  void decrypt(std::string& to);
  void take_tls_output();
  [[nodiscard]] std::size_t unsent_bytes() const noexcept { return out_.size() - out_sent_; }
  [[nodiscard]] std::uint64_t room_before_cut() const noexcept;
  void make_cut();
  void finish_end();
  void send_fin() noexcept;
  void drop() noexcept;
  void fail(Errc error) noexcept;

  int socket_;
  std::optional<TlsStream> tls_;
  std::optional<Cut> cut_;
  bool ready_;
  bool peer_ended_ = false;
  bool fin_sent_ = false;
  bool fin_wanted_ = false;
  bool lost_ = false;
  bool silent_ = false;
  bool reset_by_us_ = false;
  Errc error_ = Errc::ok;
  std::uint64_t sent_bytes_ = 0;
  std::size_t write_bytes_max_ = ~std::size_t{0};
  std::size_t read_bytes_max_ = ~std::size_t{0};
  std::chrono::nanoseconds read_every_{};
  SteadyTime read_at_{};
  std::string out_;
  std::size_t out_sent_ = 0;
};

}  // namespace zenwire::testing::detail
