#pragma once

// The seam between the engine and the world: submit, reap, take, settle, send, now, random bytes,
// resolve.
//
// Everything that touches the kernel, a clock or chance comes through Io; all above it is
// deterministic. UringIo translates these calls into io_uring and system calls and decides nothing;
// a simulator implements the same contract under virtual time. What is decided (re-arming, retries,
// leases of buffers, what to do when a cancel loses its race) is decided above the seam, and so
// runs unchanged over both.
//
// The contract:
// - One thread owns an Io: the one that calls reap(). Only wake() may be called from others.
// - A Completion lives in its owner, at one address, from submit until its last outcome.
// `submitted` is true exactly in
//   that time. An owner that wants to end cancels first and waits for the last outcome.
// - Nothing runs inside a submitting call: outcomes come from reap() only.
// - A cancel may lose its race: the outcome is then the operation's own. It never comes twice.
// - Results are as the kernel gives them: >= 0, or -errno.
// - Calls are per reap or per burst, never per message; so they are virtual.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <zenwire/base/assert.hpp>
#include <zenwire/base/bytes.hpp>
#include <zenwire/base/error.hpp>
#include <zenwire/engine/address.hpp>

#if defined(__x86_64__)
#include <x86intrin.h>
#endif

namespace zenwire {

// A descriptor: of the kernel, or of a simulated world.
using Socket = int;
inline constexpr Socket kNoSocket = -1;

// Nanoseconds of a clock that never goes back. 0 is "never set".
using Instant_ns = std::uint64_t;
inline constexpr Instant_ns kNever_ns = ~Instant_ns{0};

struct Outcome {
  std::int32_t result = 0;  // >= 0, or -errno
  bool more = false;  // a multishot operation goes on: more outcomes follow for the same completion
};

// An operation in flight. Owned by whoever submits it; pinned, because the kernel holds its
// address.
class Completion {
 public:
  using Function = void (*)(void* owner, Outcome outcome) noexcept;
  Completion(Function function, void* owner) noexcept : function_(function), owner_(owner) {}
  ~Completion() { ZW_ASSERT(!submitted_); }
  Completion(const Completion&) = delete;
  Completion& operator=(const Completion&) = delete;

  // True exactly from submit until the last outcome has been handed to complete().
  [[nodiscard]] bool submitted() const noexcept { return submitted_; }

  // For Io implementations.
  void mark_submitted() noexcept {
    ZW_ASSERT(!submitted_);
    submitted_ = true;
  }
  // For the reaping loop: runs the owner's function.
  void complete(Outcome outcome) noexcept {
    ZW_ASSERT(submitted_);
    submitted_ = outcome.more;
    function_(owner_, outcome);
  }
  // For an Io that ends with operations in flight: no outcome will come any more.
  void abandon() noexcept { submitted_ = false; }
  // For an Io that numbers its operations.
  void set_tag(std::uint32_t tag) noexcept { tag_ = tag; }
  [[nodiscard]] std::uint32_t tag() const noexcept { return tag_; }

 private:
  Function function_;
  void* owner_;
  bool submitted_ = false;
  std::uint32_t tag_ = 0;
};

struct Reaped {
  Completion* completion;
  Outcome outcome;
};

enum class PollFor : std::uint8_t { readable, writable };
// In the outcome of a poll: the peer has ended its half, or the connection is broken (POLLRDHUP,
// POLLHUP, POLLERR).
inline constexpr std::int32_t kPollEnded = 0x2018;
// Of these POLLERR, which stands for stamps to be taken as well.
inline constexpr std::int32_t kPollError = 0x0008;
enum class TakeMode : std::uint8_t {
  consume,  // the bytes leave the kernel at once; settle is empty
  peek,  // they stay until settle: recv(MSG_PEEK), so that the acknowledgement is not sent before
         // the bytes are ours
};

struct SocketOptions {
  bool nodelay = true;                     // TCP_NODELAY
  bool quickack = false;                   // TCP_QUICKACK
  std::uint32_t receive_buffer_bytes = 0;  // SO_RCVBUF; 0 leaves the kernel's choice
  std::uint32_t send_buffer_bytes = 0;     // SO_SNDBUF; 0 leaves the kernel's choice
  std::uint32_t busy_poll_us = 0;          // SO_BUSY_POLL; 0 leaves it off
  std::string congestion_control{};        // TCP_CONGESTION; empty leaves the system's
  // SO_TIMESTAMPING: Connection::passport() and on_transmitted (passport.hpp says what it costs).
  bool kernel_stamps = false;
};

// The marks of latency stages. Never used for a decision. In a simulation they come from virtual
// time.
class TickSource {
 public:
  TickSource() noexcept = default;
  explicit TickSource(const std::uint64_t* virtual_ticks) noexcept
      : virtual_ticks_(virtual_ticks) {}
  [[nodiscard]] std::uint64_t now() const noexcept {
    if (virtual_ticks_ != nullptr) [[unlikely]]
      return *virtual_ticks_;
    return __rdtsc();
  }

 private:
  const std::uint64_t* virtual_ticks_ = nullptr;
};

// What a name resolves to. The request lives in its owner until its completion's outcome: result >=
// 0 is the number of addresses, otherwise `error` says why in words, or -ENOMEM that there was no
// memory for it.
struct ResolveRequest {
  std::string host{};
  std::uint16_t port = 0;
  std::vector<Address> addresses{};
  std::string error{};
  // The Io's, while it is submitted.
  ResolveRequest* next = nullptr;
  Completion* completion = nullptr;
};

// The byte of this number, and all before it, have gone to the network device.
struct TransmitStamp {
  std::uint32_t last_byte = 0;
  std::uint64_t kernel_ns = 0;  // since 1970
};

class Io {
 public:
  Io() = default;
  Io(const Io&) = delete;
  Io& operator=(const Io&) = delete;
  virtual ~Io() = default;

  // --- The ring: queued now, in the kernel at the next reap at the latest.
  // Outcome of connect: 0 or -errno. The address is the owner's to keep until then.
  virtual void submit_connect(Completion&, Socket, const Address&) noexcept = 0;
  // Multishot. Outcomes: new sockets (non-blocking) or -errno.
  virtual void submit_accept(Completion&, Socket listener) noexcept = 0;
  // Outcomes: the poll mask. `multishot` reports each wake-up: read until there is nothing left
  // before waiting again.
  virtual void submit_poll(Completion&, Socket, PollFor, bool multishot) noexcept = 0;
  virtual void submit_resolve(Completion&, ResolveRequest&) noexcept = 0;
  // The target's last outcome still comes: -ECANCELED, or its own if the cancel lost the race. Has
  // none of its own.
  virtual void submit_cancel(Completion& target) noexcept = 0;

  // Enters submissions and copies outcomes out; waits until `wait_until_ns` if there is none (0:
  // does not wait, kNever_ns: waits for an outcome or wake()). Returns how many of `out` are
  // filled. Costs two loads when idle.
  virtual std::size_t reap(std::span<Reaped> out, Instant_ns wait_until_ns) noexcept = 0;
  // Enters submissions and sleeps until then, whatever comes: outcomes gather for the next reap().
  virtual void gather(Instant_ns until_ns) noexcept = 0;
  // Ends a waiting reap, from any thread.
  virtual void wake() noexcept = 0;

  // --- Direct calls. Results: bytes, 0 for end of stream (take), or -errno (-EAGAIN: nothing now).
  virtual std::ptrdiff_t take(Socket, MutableBytes, TakeMode) noexcept = 0;
  // Consumes exactly the bytes that a peek gave; anything else is an error of the connection.
  virtual std::ptrdiff_t settle(Socket, std::size_t bytes) noexcept = 0;
  virtual std::ptrdiff_t send(Socket, Bytes) noexcept = 0;

  // --- The kernel's time stamps, for sockets that have begun them. An Io without any has none.
  // From now on; bytes sent are numbered from here. False: there are none.
  virtual bool begin_stamps(Socket) noexcept { return false; }
  // take(), and the stamp of the last segment that it read; 0 if it has none.
  virtual std::ptrdiff_t take_stamped(Socket socket, MutableBytes into, TakeMode mode,
                                      std::uint64_t& kernel_ns) noexcept {
    kernel_ns = 0;
    return take(socket, into, mode);
  }
  // The next stamp of bytes that have left; false if there is none now.
  virtual bool take_transmitted(Socket, TransmitStamp&) noexcept { return false; }

  // --- Sockets. Non-blocking always.
  virtual Result<Socket> open_socket(const Address& remote, const Address* local,
                                     const SocketOptions&) noexcept = 0;
  virtual Result<Socket> open_listener(const Address&, const SocketOptions&) noexcept = 0;
  virtual void configure(Socket, const SocketOptions&) noexcept = 0;  // an accepted socket
  virtual void shutdown_send(Socket) noexcept = 0;                    // FIN
  virtual void close(Socket) noexcept = 0;  // every completion on it must have had its last outcome
  [[nodiscard]] virtual Address local_address(Socket) const noexcept = 0;
  [[nodiscard]] virtual Address remote_address(Socket) const noexcept = 0;

  // --- Time and chance.
  [[nodiscard]] virtual Instant_ns now() noexcept = 0;
  // Nanoseconds since 1970, for recordings and time stamps; never for a decision.
  [[nodiscard]] virtual std::uint64_t wall_ns() noexcept = 0;
  [[nodiscard]] virtual TickSource ticks() const noexcept = 0;
  virtual void random(MutableBytes) noexcept = 0;
};

}  // namespace zenwire
