#pragma once

// SimNetwork: the kernel's side of a simulated world. Descriptors, TCP between them, operations in
// flight, outcomes that wait to be reaped, events to come.
//
// TCP as the engine can see it: bytes in order, a bounded number in flight or unread, FIN behind
// them, resets that overtake what is in flight. A reset is reported once as an error, then as the
// end of the stream. Closing with unread bytes resets the peer.

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <zenwire/engine/io.hpp>
#include <zenwire/testing/random.hpp>
#include <zenwire/testing/sim_faults.hpp>
#include <zenwire/testing/sim_trace.hpp>

namespace zenwire::testing::detail {

class SimIo;

// Of one send, on its way or cut off by a short read.
struct SimSegment {
  Instant_ns arrive_ns = 0;
  std::vector<std::byte> bytes{};
  bool fin = false;
};

// What comes to one socket.
struct SimIncoming {
  std::vector<std::byte> arrived{};
  std::size_t read_bytes = 0;  // of `arrived`
  std::deque<SimSegment> in_flight{};
  std::size_t in_flight_bytes = 0;
  std::size_t capacity_bytes = 0;
  Instant_ns last_arrive_ns = 0;
  bool fin_arrived = false;

  [[nodiscard]] std::size_t available_bytes() const noexcept { return arrived.size() - read_bytes; }
  [[nodiscard]] std::size_t room_bytes() const noexcept {
    const std::size_t held = available_bytes() + in_flight_bytes;
    return held < capacity_bytes ? capacity_bytes - held : 0;
  }
};

struct SimSocket {
  enum class Kind : std::uint8_t { unconnected, connected, listener };

  Kind kind = Kind::unconnected;
  std::uint64_t serial = 0;  // of all sockets ever: an event for an earlier one is stale
  Socket peer = kNoSocket;
  SimIncoming in{};
  bool fin_sent = false;
  bool reset = false;
  bool reset_comes = false;
  bool wants_room = false;  // a send found none
  int error = 0;            // reported once
  std::size_t unsettled_bytes = 0;
  Instant_ns latency_ns = 0;
  Address local{};
  Address remote{};
  SocketOptions options{};
  std::deque<Socket> backlog{};  // of a listener: connections that wait to be accepted
};

struct SimOperation {
  enum class Kind : std::uint8_t { connect, accept, poll, resolve, cancel };

  Kind kind = Kind::poll;
  std::uint64_t serial = 0;
  SimIo* io = nullptr;
  Completion* completion = nullptr;
  Socket socket = kNoSocket;
  std::int32_t mask = 0;
  bool multishot = false;
  bool fails = false;
  std::int32_t result = 0;  // of a connect or resolve, decided when it starts
  Address address{};
  ResolveRequest* request = nullptr;
};

struct SimOutcome {
  Completion* completion;
  Outcome outcome;
  Instant_ns ready_ns;
};

class SimNetwork {
 public:
  SimNetwork(Random random, SimTrace& trace, const SimFaults& faults);

  // Time.
  [[nodiscard]] const Instant_ns& now_ns() const noexcept { return now_ns_; }
  void pass(Instant_ns duration_ns) noexcept { now_ns_ += duration_ns; }
  void run_events() noexcept;
  [[nodiscard]] Instant_ns next_event_ns() const noexcept;

  // Direct calls.
  std::ptrdiff_t take(Socket socket, MutableBytes into, TakeMode mode) noexcept;
  std::ptrdiff_t settle(Socket socket, std::size_t bytes) noexcept;
  std::ptrdiff_t send(Socket socket, Bytes bytes) noexcept;
  Result<Socket> open_socket(const Address& remote, const Address* local,
                             const SocketOptions& options);
  Result<Socket> open_listener(const Address& address, const SocketOptions& options);
  void shutdown_send(Socket socket) noexcept;
  void close(Socket socket) noexcept;
  [[nodiscard]] SimSocket* find(Socket socket) noexcept;

  // The ring.
  void start(SimOperation operation) noexcept;
  void forget(const SimIo& io) noexcept;
  void report_spuriously() noexcept;

  void abort(Socket socket) noexcept;
  [[nodiscard]] bool fails() noexcept { return ++operations_ == fail_at_; }
  [[nodiscard]] bool chance(std::uint32_t rate_ppm) noexcept {
    return rate_ppm != 0 && random_.chance_ppm(rate_ppm);
  }
  void violation(std::string text);
  [[nodiscard]] std::uint64_t next_serial() noexcept { return ++serial_last_; }

  SimFaults faults;
  SimTrace& trace;
  std::map<std::string, std::vector<Address>> hosts;
  std::vector<SimIo*> ios;
  std::vector<std::string> violations;
  std::vector<SimOperation> operations;
  std::uint64_t activity = 0;  // bytes and outcomes that moved
  bool stepping = false;       // a wait is noted, not waited

  [[nodiscard]] std::size_t sockets_open() const noexcept;
  [[nodiscard]] std::string unwatched() const;
  [[nodiscard]] Random& random() noexcept { return random_; }
  void fail_operation(std::uint64_t nth) noexcept { fail_at_ = nth == 0 ? 0 : operations_ + nth; }
  [[nodiscard]] std::uint64_t operations_done() const noexcept { return operations_; }
  void note(const char* what, std::int64_t first, std::int64_t second) noexcept {
    trace.note(now_ns_, what, static_cast<std::uint64_t>(first),
               static_cast<std::uint64_t>(second));
  }

 private:
  struct Event {
    enum class Kind : std::uint8_t { arrive, room, reset, finish_operation };
    Kind kind;
    Socket socket;
    std::uint64_t serial;  // of the socket or the operation
  };

  void at(Instant_ns time_ns, Event event);
  void run(const Event& event) noexcept;
  void arrive(Socket socket) noexcept;
  void carry(SimSocket& from, Bytes bytes, bool fin) noexcept;
  void carry_piece(SimSocket& from, SimSocket& to, Bytes bytes, bool fin) noexcept;
  void cut(Socket socket, std::size_t kept_bytes) noexcept;
  void consume(SimSocket& socket, std::size_t bytes) noexcept;
  void reset_later(Socket socket, Instant_ns delay_ns) noexcept;
  void reset_half(Socket socket) noexcept;
  std::ptrdiff_t no_bytes(SimSocket& socket) noexcept;

  Socket allocate(SimSocket::Kind kind);
  [[nodiscard]] Socket find_listener(const Address& address) noexcept;
  [[nodiscard]] SimSocket& get(Socket socket) noexcept;

  [[nodiscard]] std::int32_t ready_mask(const SimSocket& socket) noexcept;
  void wake(Socket socket, std::int32_t mask) noexcept;
  void report(SimOperation& operation, std::int32_t result, bool more) noexcept;
  void serve_accepts(Socket listener) noexcept;
  void start_connect(SimOperation& operation) noexcept;
  void start_resolve(SimOperation& operation) noexcept;
  void cancel(const SimOperation& operation) noexcept;
  void finish(SimOperation& operation) noexcept;
  std::int32_t finish_connect(const SimOperation& operation) noexcept;
  std::int32_t finish_resolve(const SimOperation& operation) noexcept;
  void remove(std::uint64_t serial) noexcept;
  [[nodiscard]] SimOperation* find_operation(std::uint64_t serial) noexcept;
  [[nodiscard]] SimOperation* find_operation(const Completion* completion) noexcept;

  Random random_;
  Instant_ns now_ns_ = 1'000'000'000;
  std::map<std::pair<Instant_ns, std::uint64_t>, Event> events_;
  std::vector<std::unique_ptr<SimSocket>> sockets_;
  std::uint64_t serial_last_ = 0;
  std::uint16_t port_last_ = 20'000;
  std::uint64_t operations_ = 0;
  std::uint64_t fail_at_ = 0;
};

}  // namespace zenwire::testing::detail
