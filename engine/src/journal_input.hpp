#pragma once

// JournalInput: where in the journal's file lies what a connection has received, so that a secret
// can be taken out of it afterwards.
//
// The file holds the plaintext as it came: in pieces that cut frames anywhere, the frames with
// their headers, a client's masked. From the end of the message before, the frames are walked once
// more in the file itself, and the bytes of the payload that are meant are written over. So nothing
// is kept of a message but the places of its pieces, and a connection that hides nothing pays for
// those alone.

#include <array>
#include <cstddef>
#include <cstdint>

#include <zenwire/base/assert.hpp>
#include <zenwire/base/bytes.hpp>
#include <zenwire/engine/record.hpp>

#include "journal.hpp"

namespace zenwire::detail {

// Thread: the reactor's. Lifetime: the connection's. Cost: a few stores a piece and a message;
// hide() is rare.
class JournalInput {
 public:
  // Of what came at once.
  struct Piece {
    std::uint64_t event = 0;   // where the event that holds it begins in the file
    std::uint32_t before = 0;  // bytes of the event before it
    std::uint32_t bytes = 0;
  };
  // What came before the last so many pieces is not found any more.
  static constexpr std::size_t kPieces_max = 256;
  static constexpr std::uint64_t kNowhere = ~std::uint64_t{0};

  void add(const Piece& piece) noexcept;
  // How much has come.
  [[nodiscard]] std::uint64_t bytes() const noexcept { return bytes_; }

  // A message has been delivered that ends there in the stream: the next one begins behind it.
  void end_message(std::uint64_t end) noexcept;
  // The event that holds the first byte behind it; kNowhere: none yet.
  [[nodiscard]] std::uint64_t message_event() const noexcept { return message_event_; }

  // Writes over a part of the payload, as it is on the wire, of the message that ends at `end`.
  // False: a piece of it is not found any more, or the file refuses.
  [[nodiscard]] bool hide(Journal& journal, std::uint64_t end, SecretRange range) const noexcept;

 private:
  struct Frame {
    std::uint64_t payload;  // where it begins in the stream
    std::uint64_t payload_bytes;
    bool control;
    std::array<std::byte, 4> key;  // zeros if it is not masked
  };
  struct Found {
    std::uint64_t place;
    std::size_t bytes;  // that lie there together; 0: nothing is known of it
  };

  [[nodiscard]] const Piece& piece(std::uint64_t number) const noexcept {
    return pieces_[number % kPieces_max];
  }
  [[nodiscard]] Found find(std::uint64_t at) const noexcept;
  bool read(Journal& journal, std::uint64_t at, MutableBytes to) const noexcept;
  bool read_frame(Journal& journal, std::uint64_t at, Frame& frame) const noexcept;
  bool hide(Journal& journal, const Frame& frame, std::uint64_t from,
            std::uint64_t to) const noexcept;

  std::uint64_t bytes_ = 0;
  std::uint64_t count_ = 0;  // of pieces
  std::uint64_t message_ = 0;
  std::uint64_t message_event_ = kNowhere;
  std::array<Piece, kPieces_max> pieces_{};
};

}  // namespace zenwire::detail
