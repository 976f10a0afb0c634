#pragma once

// SimPeer: the other end of a connection in a simulated world, as a script of raw bytes: whatever a
// server or client may say, well-formed or not, in whatever pieces.
//
// Nothing waits: accept() and read() give what has come by now; step the world in between.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include <zenwire/engine/io.hpp>
#include <zenwire/testing/sim_world.hpp>

namespace zenwire::testing {

// Thread: the world's. Lifetime: the world outlives it; it resets what is open when it dies.
class SimPeer {
 public:
  explicit SimPeer(SimWorld& world);
  ~SimPeer();
  SimPeer(const SimPeer&) = delete;
  SimPeer& operator=(const SimPeer&) = delete;

  // A server's: listens on loopback, at a port of its own or the given one.
  Address listen(std::uint16_t port = 0);
  // Takes the next connection, in place of the one before; false if none has come.
  bool accept();
  // A client's. connected() tells when it is through.
  void connect(const Address& address);

  [[nodiscard]] bool connected() const noexcept { return connection_ != kNoSocket && !connecting_; }
  // Everything that has been received since the connection began, and whether its end was.
  [[nodiscard]] const std::string& read();
  [[nodiscard]] bool ended() noexcept;
  // Queued; sent as the network takes it, at this and the later calls of any function here.
  void write(std::string_view bytes);
  void finish();  // FIN, once all that was written has been sent
  void reset();
  void close();
  // The 101 answer to the upgrade request that has been read; false while it is not whole.
  bool answer_upgrade();

 private:
  void on_accepted(Outcome outcome) noexcept;
  void on_connected(Outcome outcome) noexcept;
  void reap() noexcept;
  void pump();
  void take_all();

  SimWorld& world_;
  std::unique_ptr<Io> io_;
  Completion accepted_;
  Completion connected_;
  Socket listener_ = kNoSocket;
  Socket connection_ = kNoSocket;
  std::vector<Socket> waiting_;
  std::string received_;
  std::string unsent_;
  bool connecting_ = false;
  bool finishing_ = false;
  bool ended_ = false;
};

}  // namespace zenwire::testing
