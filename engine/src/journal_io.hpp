#pragma once

// JournalIo: the reactor's Io with a journal beside it. Writing, it asks the real one and notes the
// answer; replaying there is no real one, and the answers come from the journal.
//
// Only the reactor's calls pass here: the set-up thread has an Io of its own, and what comes of it
// is one event, the arrival.

#include <cstdint>
#include <memory>
#include <vector>

#include <zenwire/engine/io.hpp>

#include "journal.hpp"
#include "journal_input.hpp"
#include "record_frames.hpp"

namespace zenwire::detail {

// Thread: the reactor's, but wake(). Lifetime: the journal outlives it. Cost: one event a call that
// brought something; a count for one that did not.
class JournalIo final : public Io {
 public:
  // `io` is null on replay.
  JournalIo(Journal& journal, std::unique_ptr<Io> io, std::uint32_t connections_max);

  void submit_connect(Completion&, Socket, const Address&) noexcept override;
  void submit_accept(Completion&, Socket listener) noexcept override;
  void submit_poll(Completion&, Socket, PollFor, bool multishot) noexcept override;
  void submit_resolve(Completion&, ResolveRequest&) noexcept override;
  void submit_cancel(Completion& target) noexcept override;
  std::size_t reap(std::span<Reaped> out, Instant_ns wait_until_ns) noexcept override;
  void gather(Instant_ns until_ns) noexcept override;
  void wake() noexcept override;

  std::ptrdiff_t take(Socket, MutableBytes, TakeMode) noexcept override;
  std::ptrdiff_t settle(Socket, std::size_t bytes) noexcept override;
  std::ptrdiff_t send(Socket, Bytes) noexcept override;

  Result<Socket> open_socket(const Address& remote, const Address* local,
                             const SocketOptions&) noexcept override;
  Result<Socket> open_listener(const Address&, const SocketOptions&) noexcept override;
  void configure(Socket, const SocketOptions&) noexcept override;
  void shutdown_send(Socket) noexcept override;
  void close(Socket) noexcept override;
  [[nodiscard]] Address local_address(Socket) const noexcept override;
  [[nodiscard]] Address remote_address(Socket) const noexcept override;

  [[nodiscard]] Instant_ns now() noexcept override;
  [[nodiscard]] std::uint64_t wall_ns() noexcept override;
  [[nodiscard]] TickSource ticks() const noexcept override;
  void random(MutableBytes) noexcept override;

  // Random bytes that are not noted: masking keys are, one by one, when they are used.
  void random_unnoted(MutableBytes) noexcept;

  // A connection came with this socket.
  struct Stream {
    bool secure = false;             // its bytes are ciphertext
    std::uint64_t sent_bytes = 0;    // that the kernel took
    std::uint64_t secret_bytes = 0;  // of what is sent, up to here, no check is kept
    RecordFrames frames;
    JournalInput input;  // its plaintext
  };
  void opened(Socket socket, std::uint32_t connection, const Stream& stream) noexcept;
  [[nodiscard]] JournalInput& input(std::uint32_t connection) noexcept {
    ZW_ASSERT(connection < streams_.size() - 1);
    return streams_[connection].input;
  }
  // The next `bytes` that connection sends behind the `unsent_bytes` that wait hold secrets.
  void keep_no_check(std::uint32_t connection, std::size_t unsent_bytes,
                     std::size_t bytes) noexcept;

 private:
  [[nodiscard]] Stream& stream_of(Socket socket) noexcept;
  std::uint32_t tag(Completion& completion) noexcept;
  [[nodiscard]] Completion* tagged(std::uint64_t tag) noexcept;
  std::size_t reap_dead(std::span<Reaped> out) noexcept;

  Journal& journal_;
  std::unique_ptr<Io> io_;
  std::vector<Stream> streams_;             // by connection; the last for sockets of none
  std::vector<std::uint32_t> connections_;  // by socket
  std::uint32_t tag_last_ = 0;
  std::uint64_t wall_last_ns_ = 0;
  std::vector<Completion*> completions_;  // replay: by tag
  std::uint64_t ticks_ = 0;               // replay: they stand still
};

}  // namespace zenwire::detail
