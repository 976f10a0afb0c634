#pragma once

// Compressing and decompressing the payloads of messages (RFC 7692, section 7.2) with zlib, in
// memory that the caller gives.

#include <cstddef>
#include <cstdint>
#include <optional>

#include <zenwire/base/bytes.hpp>
#include <zenwire/base/error.hpp>
#include <zenwire/codec/arena.hpp>
#include <zenwire/codec/deflate_offer.hpp>

struct z_stream_s;

namespace zenwire {

// What the sender may choose without asking the peer.
struct DeflateTuning {
  int level = 1;         // 0 (store) to 9 (smallest); 1 is fastest and what a trading process wants
  int memory_level = 8;  // 1 to 9: the hash table takes 2^(memory_level+8) bytes

  bool operator==(const DeflateTuning&) const = default;
};

// Bytes of arena that a Deflater and an Inflater take.
std::size_t deflate_arena_bytes(DeflateSide side, DeflateTuning tuning = {}) noexcept;
std::size_t inflate_arena_bytes(DeflateSide side) noexcept;

// The most bytes that a message of `bytes` bytes compresses to, whatever the tuning: what data that
// cannot be compressed grows to.
constexpr std::size_t deflate_bound_bytes(std::size_t bytes) noexcept {
  return bytes + (bytes >> 3) + (bytes >> 6) + 32;
}

// Compresses one direction of a connection.
//
// Everything it uses lies in the arena, from open() on: no call allocates, the reset between
// messages neither. A value of a pointer and two flags, movable; whoever holds it owns the stream,
// so do not use a copy beside the original. One thread at a time. The arena's memory must outlive
// it. Once a message is compressed it must be sent, in order, for the peer's window follows ours
// (unless the side has no_context_takeover).
class Deflater {
 public:
  Deflater() noexcept = default;

  // Errors: memory_exhausted when the arena has less than deflate_arena_bytes() left. Asserts that
  // window bits and tuning are in range.
  static Result<Deflater> open(DeflateSide side, Arena& arena, DeflateTuning tuning = {}) noexcept;

  // Writes the payload of a compressed message to `out`, without the 00 00 ff ff that RFC 7692
  // drops, and returns its length. `out` holds at least deflate_bound_bytes(in.size()) and does not
  // overlap `in`. An empty message is one byte (section 7.2.3.6).
  std::size_t deflate_message(Bytes in, MutableBytes out) noexcept;

  // The same with any room: nothing when the payload does not fit with kTail_bytes to spare, and
  // then the message is to be sent uncompressed (RSV1 clear), which is allowed at any time. The
  // stream goes on behind it with an empty window. With `in.size()` bytes of room it tells what is
  // worth compressing.
  std::optional<std::size_t> try_deflate_message(Bytes in, MutableBytes out) noexcept;

  // Room that zlib needs beyond the payload: the four bytes that are dropped, and one to show that
  // it was done.
  static constexpr std::size_t kTail_bytes = 5;

  [[nodiscard]] bool is_open() const noexcept { return stream_ != nullptr; }

 private:
  void forget() noexcept;

  z_stream_s* stream_ = nullptr;
  bool no_context_takeover_ = false;
  bool used_ = false;  // since the last reset
};

// Decompresses one direction of a connection. As to memory, copies and threads: as Deflater.
class Inflater {
 public:
  Inflater() noexcept = default;

  // Errors: memory_exhausted when the arena has less than inflate_arena_bytes() left. Asserts that
  // window bits are in range.
  static Result<Inflater> open(DeflateSide side, Arena& arena) noexcept;

  // Decompresses the payload of one whole message (its fragments joined) into `out` and returns the
  // length. Errors: deflate_too_large as soon as the message would pass out.size(), which is
  // therefore also the limit (a message of exactly out.size() bytes is fine, and nothing is ever
  // written beyond it); deflate_invalid for data that is not deflate, reaches back further than
  // there is data, or ends inside a block. After an error the stream is spent: fail the connection.
  //
  // Blocks that say they are final (section 7.2.3.4) are accepted anywhere, and so is an empty
  // payload, which stands for an empty message.
  Result<std::size_t> inflate_message(Bytes in, MutableBytes out) noexcept;

  [[nodiscard]] bool is_open() const noexcept { return stream_ != nullptr; }

 private:
  z_stream_s* stream_ = nullptr;
  bool no_context_takeover_ = false;
};

}  // namespace zenwire
