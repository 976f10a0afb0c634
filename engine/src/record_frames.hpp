#pragma once

// RecordFrames: where the records of a TLS stream begin and end, over takes that cut them anywhere.
//
// A journal keeps of ciphertext the record headers only (RFC 8446, section 5.1: five bytes, the
// last two of them the length): they say when a record is whole, which the engine asks, and nothing
// of what is in it. On replay the rest is zeros.

#include <algorithm>
#include <array>
#include <cstddef>

#include <zenwire/base/bytes.hpp>

#include "journal.hpp"

namespace zenwire::detail {

class RecordFrames {
 public:
  // The header bytes in `ciphertext`, which goes on where the last one ended, are given.
  void transfer(Journal& journal, MutableBytes ciphertext) noexcept {
    while (!ciphertext.empty() && journal.live()) {
      if (body_left_ != 0) {
        const std::size_t part = std::min(body_left_, ciphertext.size());
        if (journal.replaying()) std::fill_n(ciphertext.begin(), part, std::byte{0});
        body_left_ -= part;
        ciphertext = ciphertext.subspan(part);
      } else {
        journal.given_bytes(ciphertext.first(1));
        header_[header_bytes_++] = ciphertext.front();
        ciphertext = ciphertext.subspan(1);
        if (header_bytes_ == header_.size()) begin_body();
      }
    }
  }

  // The most that transfer() gives of so many bytes: a record has one byte of body, at least, but
  // for what no peer sends.
  static constexpr std::size_t header_bytes_max(std::size_t ciphertext_bytes) noexcept {
    return ciphertext_bytes;
  }

 private:
  void begin_body() noexcept {
    body_left_ = load_big_endian<std::uint16_t>(header_.data() + 3);
    header_bytes_ = 0;
  }

  std::array<std::byte, 5> header_{};
  std::size_t header_bytes_ = 0;
  std::size_t body_left_ = 0;
};

}  // namespace zenwire::detail
