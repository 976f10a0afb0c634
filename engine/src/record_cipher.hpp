#pragma once

// AES-GCM for TLS records on vectors of four blocks (VAES), by a library that does nothing else:
// twice as fast as the TLS library's own. The TLS library keeps the record layer (alerts, key
// updates, sequence numbers) and asks by its callback for ciphers. Where the processor or the
// library is not there, its own code runs as before.

#include <array>
#include <cstddef>

#include <zenwire/base/bytes.hpp>

namespace zenwire::detail {

// A record as AES-GCM sees it (RFC 5116, section 5). All are views of the TLS library's memory.
struct RecordText {
  Bytes key;              // 16 or 32 bytes
  Bytes nonce;            // 12 bytes
  Bytes additional;       // authenticated, not encrypted: 5 bytes in TLS 1.3, 13 in 1.2
  Bytes from;             // not empty
  std::byte* to;          // as long as `from`; `from` itself, or memory apart from it
  std::size_t tag_bytes;  // 16
};

// One direction of a connection. It keeps the expanded key (1 KiB) from one record to the next and
// makes another when the TLS library comes with another key, which takes 0.1 us. Not thread-safe.
// Allocates nothing. Wipes itself at its end.
class RecordCipher {
 public:
  static constexpr std::size_t kTag_bytes = 16;
  static constexpr std::size_t kNonce_bytes = 12;

  RecordCipher() noexcept = default;
  RecordCipher(const RecordCipher&) = delete;
  RecordCipher& operator=(const RecordCipher&) = delete;
  ~RecordCipher() { forget(); }

  // Whether library and processor can, and get a known record right. Decided once in the process.
  [[nodiscard]] static bool available() noexcept;
  // Whether it is a shape that TLS has; only then may it be sealed or opened.
  [[nodiscard]] static bool takes(const RecordText& record) noexcept {
    return (record.key.size() == kKeys_bytes[0] || record.key.size() == kKeys_bytes[1]) &&
           record.nonce.size() == kNonce_bytes && record.tag_bytes == kTag_bytes &&
           !record.additional.empty() && !record.from.empty() && record.to != nullptr;
  }

  // Encrypts, and writes kTag_bytes to `tag`.
  void seal(const RecordText& record, std::byte* tag) noexcept;
  // Decrypts. False: the tag is not that of these bytes, and `to` is wiped.
  [[nodiscard]] bool open(const RecordText& record, const std::byte* tag) noexcept;
  // Wipes the key that it keeps. When it has had its time: what was recorded on the way could be
  // read with it. The next record brings its own.
  void forget() noexcept;

 private:
  static constexpr std::array<std::size_t, 2> kKeys_bytes{16, 32};

  [[nodiscard]] bool has(Bytes key) const noexcept;
  [[gnu::noinline, gnu::cold]] void expand(Bytes key) noexcept;
  template <bool kSeal>
  void run(const RecordText& record, std::byte* tag) noexcept;

  // The library's structures, whose sizes record_cipher_ipsec_mb.cpp holds against these.
  alignas(64) std::array<std::byte, 1024> expanded_{};
  alignas(64) std::array<std::byte, 128> work_{};
  std::array<std::byte, 32> key_{};
  std::size_t key_bytes_ = 0;  // 0: none yet
};

}  // namespace zenwire::detail
