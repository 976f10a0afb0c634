#pragma once

// A connection of the bare loop that the others are measured against: a non-blocking socket, the
// upgrade by hand, and OpenSSL on the socket for TLS.

#include <cstddef>
#include <string>
#include <string_view>

#include "client_options.hpp"

struct ssl_st;
struct ssl_ctx_st;

namespace zenwire::bench {

// What the connections of a run share; null without TLS.
ssl_ctx_st* make_openssl_context(const ClientOptions& options);

// Thread: one. Every error ends the program.
class RawSocket {
 public:
  RawSocket(const ClientOptions& options, ssl_ctx_st* context);
  ~RawSocket();
  RawSocket(const RawSocket&) = delete;
  RawSocket& operator=(const RawSocket&) = delete;

  // Connects, shakes hands, and upgrades; blocks.
  void open();
  // The same without the upgrade.
  void open_transport();
  void wait_readable() const;
  // Bytes that have come, at most `bytes`; 0: none now. When it gives all that was asked for, ask
  // again: what is left with OpenSSL makes no descriptor readable.
  std::size_t receive(char* to, std::size_t bytes);
  // Sends all of it.
  void send(std::string_view bytes);
  [[nodiscard]] int descriptor() const noexcept { return socket_; }

 private:
  void connect();
  void upgrade();
  void wait(short events) const;

  const ClientOptions& options_;
  int socket_ = -1;
  ssl_st* ssl_ = nullptr;
};

// A masked text frame, as a client sends it.
std::string client_frame(std::string_view text);
// The same into what was made before, without an allocation if it is long enough.
void write_client_frame(std::string_view text, std::string& frame);

}  // namespace zenwire::bench
