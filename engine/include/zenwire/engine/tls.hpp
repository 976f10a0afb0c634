#pragma once

// TLS 1.2 and 1.3 as a sans-I/O stream: ciphertext and plaintext go in and out of memory, no socket
// is known.
//
// The certificate chain and the name are verified by default: a name by the certificate's
// alternative names only (a common name counts for nothing), an IP address by its IP alternative
// names.

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <zenwire/base/bytes.hpp>
#include <zenwire/base/error.hpp>

namespace zenwire {

namespace detail {
class Journal;
class JournalInput;
class RecordFrames;
}  // namespace detail

enum class TlsVersion : std::uint8_t { tls1_2, tls1_3 };

// SHA-256 of a certificate's SubjectPublicKeyInfo, as `openssl x509 -pubkey | openssl pkey -pubin
// -outform der | openssl dgst -sha256` gives it.
using KeyPin = std::array<std::byte, 32>;

struct TlsOptions {
  // Whom to trust. None given: the system's store.
  std::string ca_file{};
  std::string ca_directory{};
  std::string ca_pem{};
  // False accepts any certificate. Whoever is on the path can then read and change everything; the
  // engine warns.
  bool verify = true;
  // If there are any, the server's own key must be one of them, besides all else. With `verify` off
  // they are the only check: trust in that one key, whatever its certificate says.
  std::vector<KeyPin> pins{};
  // A server's certificate and key, or a client's for servers that want one: a file or PEM text,
  // not both; its chain follows the certificate; the key is not encrypted. A server that is told
  // whom to trust demands certificates of its clients.
  std::string certificate_file{};
  std::string certificate_pem{};
  std::string key_file{};
  std::string key_pem{};
  TlsVersion version_min = TlsVersion::tls1_2;
  TlsVersion version_max = TlsVersion::tls1_3;

  bool operator==(const TlsOptions&) const = default;
};

// What was agreed. Texts are those of the library: "TLSv1.3", "TLS13-AES128-GCM-SHA256".
struct TlsInfo {
  std::string version{};
  std::string cipher{};
  std::string alpn{};     // "http/1.1", or empty
  std::string subject{};  // the peer's common name, for a person
};

// Which cryptography this build runs on, for the start line and `doctor`.
struct CryptoReport {
  std::string version{};        // of wolfSSL
  bool aes_ni = false;          // built with AES-NI, and the processor has it
  bool vector_code = false;     // built with the vectorised ciphers
  bool static_buffers = false;  // no allocation per record
  bool fast = false;            // all of these
  bool wide_records = false;    // AES-GCM on vectors of 512 bits (VAES), by intel-ipsec-mb: faster
  std::string text{};
};
CryptoReport crypto_report();

// What many connections share: trust, own certificate, versions. Immutable once made, so any number
// of threads may make streams from it; they may outlive it. Making one reads and parses
// certificates: 2 ms for the system's store.
//
// One thing of it changes unseen, under the library's lock: intermediate authorities that a server
// sent, once verified, are kept and help to verify the next server's chain.
class TlsContext {
 public:
  // Errors: file_unreadable, contradictory_options, tls_configuration.
  static Result<TlsContext> client(const TlsOptions& options);
  // Needs a certificate and its key.
  static Result<TlsContext> server(const TlsOptions& options);

  TlsContext(TlsContext&&) noexcept;
  TlsContext& operator=(TlsContext&&) noexcept;
  ~TlsContext();

 private:
  friend class TlsStream;
  struct Impl;
  static Result<TlsContext> make(const TlsOptions& options, bool server);
  explicit TlsContext(std::unique_ptr<Impl> impl) noexcept;
  std::unique_ptr<Impl> impl_;
};

// One connection's TLS, for bytes that others carry. One thread at a time; it may be handed from
// one to another. About 100 KiB: the library's record buffers and ours for ciphertext, so that
// after the handshake no call allocates. Costs of a 256-byte record: 150 ns to write, 150 ns to
// read.
//
// Two things of TLS 1.3 may still cost more than a record in steady state, both rare: a session
// ticket, which is skipped, and a key update, which is answered through pending_out() or in front
// of the next write().
class TlsStream {
 public:
  // `server_name`: for SNI and verification; a name, or an IP address, which is verified and not
  // sent (RFC 6066, section 3).
  static Result<TlsStream> client(const TlsContext& context, std::string_view server_name);
  static Result<TlsStream> server(const TlsContext& context);

  TlsStream(TlsStream&&) noexcept;
  TlsStream& operator=(TlsStream&&) noexcept;
  ~TlsStream();

  // Where received ciphertext goes: never empty unless a whole record waits to be read. Views die
  // with read() and handshake().
  [[nodiscard]] MutableBytes ciphertext_space() noexcept;
  void ciphertext_commit(std::size_t bytes) noexcept;
  [[nodiscard]] std::size_t ciphertext_pending() const noexcept;
  // Whether read() would have something to do. A record is given to the library when it is whole,
  // not before: each call for nothing would cost 20 to 30 ns.
  [[nodiscard]] bool has_complete_record() const noexcept;

  // As far as the bytes allow: true once it is done. What is to be sent is in pending_out(), also
  // after an error (an alert tells the peer why). Errors: tls_unknown_authority, tls_certificate_*,
  // tls_host_name_mismatch, tls_address_mismatch, tls_pin_mismatch, tls_alert,
  // tls_client_certificate_refused, tls_handshake_failed.
  Result<bool> handshake() noexcept;

  // Ciphertext to be sent that did not come from write(): handshake, alerts, key updates. It goes
  // before anything that is written later, or the peer cannot decrypt.
  [[nodiscard]] Bytes pending_out() const noexcept;
  void pending_out_consume(std::size_t bytes) noexcept;

  // Decrypts from one record, at least, into `plaintext` (not empty); 0 means that it needs more
  // ciphertext. One record a call, so that what came first is handled before what came next is
  // decrypted. Errors, after which only close_notify() and pending_out() make sense: tls_closed
  // (the peer's close_notify; writing still works), tls_alert, tls_client_certificate_refused (TLS
  // 1.3 tells the client only now), tls_record_invalid.
  Result<std::size_t> read(MutableBytes plaintext) noexcept;

  // Encrypts all of `plaintext` into `ciphertext`, which holds ciphertext_bound_bytes(), in records
  // of 16 KiB, and returns the length. What pending_out() still holds goes in front, for its order
  // matters; if there is no room for it: send_queue_full, and nothing happened. Other errors end
  // the connection.
  Result<std::size_t> write(Bytes plaintext, MutableBytes ciphertext) noexcept;
  static constexpr std::size_t kRecord_bytes_max = 16'384;  // of plaintext
  // A record costs 22 (TLS 1.3) or 29 bytes (TLS 1.2), one before which the keys change 27 more;
  // the rest lets a pending answer or two go in front.
  static constexpr std::size_t kRecordOverhead_bytes_max = 128;
  static constexpr std::size_t ciphertext_bound_bytes(std::size_t plaintext_bytes) noexcept {
    return plaintext_bytes + (plaintext_bytes / kRecord_bytes_max + 1) * kRecordOverhead_bytes_max;
  }

  // Changes our sending keys and asks the peer to change its own (RFC 8446, section 4.6.3); the
  // message is in pending_out(). The library does so by itself before a key is worn out, so this is
  // for policy and tests. Errors: tls_configuration (TLS 1.2 has none).
  Result<void> update_keys() noexcept;

  // Puts the closing alert into pending_out().
  void close_notify() noexcept;

  // After the handshake. Allocates.
  [[nodiscard]] TlsInfo info() const;

  // For a journal: what read() gives and how much write() makes is noted in it, ciphertext is not.
  // `frames` follows the records of what comes next. On replay the same call on a stream made by
  // stand_in() makes it say what was noted; it has no keys and no library under it.
  void watch(detail::Journal& journal, detail::RecordFrames& frames) noexcept;
  // It learns where what read() gives lies in the journal, and outlives this stream.
  void watch_input(detail::JournalInput& input) noexcept;
  static TlsStream stand_in();

  struct Impl;  // the library's callbacks name it

 private:
  static Result<TlsStream> make(const TlsContext& context, std::string_view server_name);
  explicit TlsStream(std::unique_ptr<Impl> impl) noexcept;
  std::unique_ptr<Impl> impl_;
};

}  // namespace zenwire
