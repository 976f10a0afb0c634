#pragma once

// How wolfSSL comes to the ciphers of record_cipher.hpp: seen by the *_wolfssl.cpp files only.

#include "record_cipher.hpp"

namespace zenwire::detail {

// Of one stream. 2.3 KiB.
struct TlsCiphers {
  RecordCipher opening;
  RecordCipher sealing;
};

// While one lives, records that wolfSSL opens and seals on this thread are of the stream whose
// ciphers these are. wolfSSL's callback is one for the process and names no stream, and it makes
// its own cipher anew with every key, so a stream says that it is its turn.
class TlsCiphersInUse {
 public:
  explicit TlsCiphersInUse(TlsCiphers& ciphers) noexcept;
  TlsCiphersInUse(const TlsCiphersInUse&) = delete;
  TlsCiphersInUse& operator=(const TlsCiphersInUse&) = delete;
  ~TlsCiphersInUse();
};

// What a stream's wolfSSL_SetDevId takes: INVALID_DEVID where there is no such cipher, and wolfSSL
// computes all by itself. After wolfssl_start(); the first call registers the callback.
int tls_cipher_device() noexcept;

}  // namespace zenwire::detail
