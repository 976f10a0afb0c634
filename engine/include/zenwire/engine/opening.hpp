#pragma once

// Opening: a connection's TLS handshake and HTTP upgrade, in either role, as a sans-I/O machine:
// bytes go in, bytes come out, until it is open or has failed. It runs on the set-up thread, so
// that it never stalls a hot connection.

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <zenwire/base/bytes.hpp>
#include <zenwire/base/error.hpp>
#include <zenwire/codec/deflate.hpp>
#include <zenwire/codec/frame.hpp>
#include <zenwire/codec/upgrade.hpp>
#include <zenwire/codec/url.hpp>
#include <zenwire/engine/address.hpp>
#include <zenwire/engine/options.hpp>
#include <zenwire/engine/tls.hpp>

namespace zenwire {

// How far an attempt to open a connection has come, as the reactor sees it.
enum class OpenStage : std::uint8_t { waiting, resolving, connecting, tls, upgrading };
std::string_view name(OpenStage stage) noexcept;

// What is known of a connection that opened. Lives as long as the connection.
struct Opened {
  Address remote;
  Address local;
  bool secure = false;
  TlsInfo tls;
  std::string target;       // of the request
  std::string subprotocol;  // empty: none
  std::optional<DeflateParameters> deflate;
  std::string peer_head;  // the server's answer, or the client's request, whole
  // How long each stage took.
  std::uint64_t resolve_ns = 0;
  std::uint64_t connect_ns = 0;
  std::uint64_t tls_ns = 0;
  std::uint64_t upgrade_ns = 0;
};

// Why an attempt to open did not succeed, with the server's answer when there was one.
struct OpenFailure {
  Error error;
  int http_status = 0;     // 0: the server did not answer in HTTP
  std::string head;        // status line and headers
  std::string body_start;  // at most kBodyStart_bytes_max of it
  std::optional<std::chrono::seconds> retry_after;
  Address remote;  // that was tried last
};
inline constexpr std::size_t kBodyStart_bytes_max = 4096;

class Opening {
 public:
  enum class Progress : std::uint8_t {
    more,    // give it bytes, and send what output() holds
    opened,  // send what output() holds, then take the parts
    failed,  // send what output() holds, then look at failure()
  };
  enum class Stage : std::uint8_t { tls, upgrade, body };

  // `tls` is null for plain. The options and the context outlive the opening. `key_bytes`: 16
  // random ones.
  static Result<std::unique_ptr<Opening>> client(const ConnectOptions&, const Url&,
                                                 const HeaderList& headers, const TlsContext* tls,
                                                 std::span<const std::byte, 16> key_bytes);
  static Result<std::unique_ptr<Opening>> server(const ListenOptions&, const TlsContext* tls);
  ~Opening();

  // Where received bytes go (never empty), and how many came.
  [[nodiscard]] MutableBytes space() noexcept;
  void received(std::size_t bytes) noexcept;
  // The peer will send no more.
  void end_of_stream() noexcept;

  // Goes as far as the bytes allow. `wall_seconds`: since 1970, for a Retry-After that is a date.
  Progress advance(std::int64_t wall_seconds) noexcept;
  [[nodiscard]] Stage stage() const noexcept;

  [[nodiscard]] Bytes output() const noexcept;
  void output_consume(std::size_t bytes) noexcept;

  // After failed, or when a deadline passed. `give_up` sets the failure from outside.
  [[nodiscard]] OpenFailure& failure() noexcept;
  void give_up(const Error& error) noexcept;

  // After opened.
  [[nodiscard]] Opened& opened() noexcept;
  std::optional<TlsStream> take_tls() noexcept;
  // What came behind the header block, decrypted: the first frames.
  [[nodiscard]] Bytes leftover() const noexcept;

  Opening(const Opening&) = delete;
  Opening& operator=(const Opening&) = delete;

 private:
  struct Impl;
  explicit Opening(std::unique_ptr<Impl> impl) noexcept;
  std::unique_ptr<Impl> impl_;
};

}  // namespace zenwire
