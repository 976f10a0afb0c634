#pragma once

// What a user may choose: plain aggregates with defaults, checked before they are used.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <zenwire/base/callback.hpp>
#include <zenwire/base/error.hpp>
#include <zenwire/codec/frame_reader.hpp>
#include <zenwire/engine/io.hpp>
#include <zenwire/engine/tls.hpp>

namespace zenwire {

class Connection;
class Recorder;

using HeaderList = std::vector<std::pair<std::string, std::string>>;

// Each stage has its own deadline, and the whole has one; whichever passes first ends the attempt
// with its own code.
struct Deadlines {
  std::chrono::nanoseconds resolve = std::chrono::seconds(5);
  std::chrono::nanoseconds connect = std::chrono::seconds(5);
  std::chrono::nanoseconds tls = std::chrono::seconds(5);
  std::chrono::nanoseconds upgrade = std::chrono::seconds(5);
  std::chrono::nanoseconds total = std::chrono::seconds(15);
  // From our close frame to the end of the connection.
  std::chrono::nanoseconds close = std::chrono::seconds(3);
};

// Every limit has a default; passing one closes the connection with the right code, or refuses the
// call.
struct Limits {
  std::uint64_t frame_bytes_max = std::uint64_t{16} << 20;
  // Of a received message, decompressed. The reactor's large buffers must hold it: see
  // ReactorOptions.
  std::uint64_t message_bytes_max = std::uint64_t{16} << 20;
  std::uint32_t fragments_max = 65'536;
  // Of the server's answer to the upgrade, or the client's request.
  std::size_t head_bytes_max = 16'384;
  std::uint32_t headers_max = 100;
  // When more than this waits to be written, on_high_water runs; when it has been written,
  // on_drained.
  std::size_t send_high_water_bytes = std::size_t{256} << 10;
  bool validate_utf8 = true;
};

// permessage-deflate (RFC 7692). Off by default: it costs microseconds a message.
struct DeflateOptions {
  bool enabled = false;
  std::uint8_t client_window_bits = 15;  // 9 to 15
  std::uint8_t server_window_bits = 15;  // 9 to 15
  bool client_no_context_takeover = false;
  bool server_no_context_takeover = false;
  int level = 1;  // 1 (fast) to 9
};

struct ConnectOptions {
  std::string url{};  // ws://host[:port]/path or wss://...
  HeaderList headers{};
  // Called on the set-up thread before each attempt, to add headers that must be fresh (time
  // stamps, signatures).
  Callback<HeaderList&> fresh_headers{};
  std::vector<std::string> subprotocols{};

  // Where to dial, when it is not where the URL says: "address", "address:port", "[v6]:port",
  // "name:port". Host header and server name still come from the URL.
  std::string dial{};
  // The name for SNI and verification, when it is not the URL's host.
  std::string server_name{};
  std::string local_address{};  // bind here before connecting

  TlsOptions tls{};
  SocketOptions socket{};
  Deadlines deadlines{};
  Limits limits{};
  DeflateOptions deflate{};

  // Sets one option by its name, as a configuration file or a command line gives it
  // ("connect_timeout_ms", "250"). Errors: invalid_option, which names the option, the value and,
  // for an unknown name, the nearest known one.
  Result<void> set(std::string_view option, std::string_view value);
  // The names that set() knows.
  static std::vector<std::string_view> names();

  // Whether these options can be used together. Errors: invalid_option, contradictory_options,
  // url_*, header_invalid, subprotocol_invalid; the detail names the option and says why.
  [[nodiscard]] Result<void> validate() const;
};

struct ListenOptions {
  std::string address = "127.0.0.1";
  std::uint16_t port = 0;  // 0 takes a free one
  bool secure = false;     // TLS with the certificate and key of `tls`
  TlsOptions tls{};
  SocketOptions socket{};
  Deadlines deadlines{};
  Limits limits{};
  DeflateOptions deflate{};
  std::vector<std::string> subprotocols{};  // in the order of preference

  // Runs on the reactor for each connection that opened; add handlers here.
  Callback<Connection&> on_open{};

  [[nodiscard]] Result<void> validate() const;
};

enum class Idle : std::uint8_t {
  spin,             // never sleeps: lowest latency, a whole core
  spin_then_block,  // sleeps after `spin_for` without work
  block,            // sleeps when there is nothing to do: for commands and tests
};

struct ReactorOptions {
  int core = -1;  // pin the running thread to this core; -1 leaves it
  Idle idle = Idle::spin;
  std::chrono::nanoseconds spin_for = std::chrono::microseconds(50);
  // With Idle::block: after a turn that took 16 KiB or more it sleeps so long before it looks
  // again, so that a stream at full speed is taken in few large pieces. Less processor time a
  // message, for a delay of at most so much, also of what other threads send. 0: never; at most 10
  // ms.
  std::chrono::nanoseconds gather_for = std::chrono::nanoseconds(0);

  // Memory, all of it reserved at start. The sum: connections_max * (receive + send bytes) +
  // large_buffers * (the largest message and what may surround it).
  std::uint32_t connections_max = 64;
  std::size_t receive_buffer_bytes = std::size_t{64} << 10;  // of each connection
  std::size_t send_buffer_bytes = std::size_t{64} << 10;     // of each connection
  std::uint32_t large_buffers = 4;  // for messages that do not fit into those
  std::uint64_t message_bytes_max = std::uint64_t{16} << 20;
  bool prefault = true;  // touch all of it at start, so that the hot path never faults a page
  bool huge_pages = false;
  bool lock_memory = false;  // mlockall: needs RLIMIT_MEMLOCK

  // Up to this many open connections are read directly in turn, which is the fastest form; more are
  // polled by the ring.
  std::uint32_t spin_sockets_max = 4;
  // A callback that takes longer switches its connection to plain receive: a peeked burst holds the
  // acknowledgement.
  std::chrono::nanoseconds slow_callback = std::chrono::microseconds(200);

  // A file into which everything that comes in is written, so that the run can be replayed: see
  // journal.hpp. Empty: none, and it costs nothing. An older journal there is replaced.
  std::string journal{};

  // Publishes the counters under this name: `zenwire stats NAME` reads them. Empty: keeps them to
  // itself. `telemetry_bytes`: room for blocks beside the reactor's and the connections' own; a
  // session takes some 300 KiB, and 35 KiB for each method of its requests.
  std::string telemetry_name{};
  std::size_t telemetry_bytes = std::size_t{16} << 20;

  // One line about what the engine runs on (ring, crypto, core), and warnings; null is standard
  // error. Cold.
  Callback<std::string_view> log{};

  [[nodiscard]] Result<void> validate() const;
};

}  // namespace zenwire
