#pragma once

// One connection of the benchmark server: the upgrade, and then what its path asks for.
//
// Thread: the server's. Not measured itself, but fast enough not to be the limit: what a sink sends
// is made once, and an echo is one read and one write.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <zenwire/codec/frame_reader.hpp>
#include <zenwire/codec/receive_window.hpp>
#include <zenwire/engine/histogram.hpp>
#include <zenwire/engine/tls.hpp>

#include "client_options.hpp"

namespace zenwire::bench {

// How long after its tick an order came, of order streams: the counted ones.
struct OrderLatencies {
  Histogram latency;
  Histogram corrected;  // from when the tick was due
};

class ServedConnection {
 public:
  // `tls`, if there is one, outlives it.
  // `orders`: where order streams are measured; null: nowhere.
  ServedConnection(int socket, const TlsContext* tls, OrderLatencies* orders = nullptr);
  ~ServedConnection();
  ServedConnection(const ServedConnection&) = delete;
  ServedConnection& operator=(const ServedConnection&) = delete;

  // Reads and answers what has come, and writes what it can. False when it has ended.
  [[nodiscard]] bool serve();
  // Whether it has something to write as soon as the socket takes it.
  [[nodiscard]] bool wants_to_write() const noexcept { return sent_ < output_.size() || sinking(); }
  // When the next message of a oneway stream is due; 0: none is.
  [[nodiscard]] std::uint64_t due_ns() const noexcept { return due_ns_; }
  [[nodiscard]] int socket() const noexcept { return socket_; }

 private:
  [[nodiscard]] bool read();
  [[nodiscard]] bool decrypt();
  [[nodiscard]] bool shake_hands();
  [[nodiscard]] bool upgrade();
  void choose(std::string_view target);
  [[nodiscard]] bool answer();
  void start();
  void take_order(std::string_view order);
  [[nodiscard]] bool write();
  void fill_sink();
  void send_due();
  void append(Bytes plain);
  void append_frame(Opcode opcode, Bytes payload);
  [[nodiscard]] bool sinking() const noexcept {
    return started_ && mode_ == Mode::sink && left_ > 0;
  }

  int socket_;
  OrderLatencies* orders_;
  std::optional<TlsStream> tls_;
  bool secured_ = false;
  bool upgraded_ = false;
  bool started_ = false;
  bool closing_ = false;

  std::vector<std::byte> received_;
  ReceiveWindow window_;
  FrameReader reader_;
  std::vector<std::byte> output_;
  std::size_t sent_ = 0;

  Mode mode_ = Mode::echo;
  std::uint64_t left_ = 0;  // messages to send
  std::size_t message_bytes_ = 0;
  std::size_t batch_ = 1;
  double interval_ns_ = 0;
  std::vector<std::byte> block_;  // a sink's, on the wire
  std::string tick_;
  std::uint64_t began_ns_ = 0;
  std::uint64_t ticks_ = 0;
  std::uint64_t orders_expected_ = 0;
  std::uint64_t orders_taken_ = 0;
  std::uint64_t orders_warmup_ = 0;
  std::uint64_t due_ns_ = 0;
};

}  // namespace zenwire::bench
