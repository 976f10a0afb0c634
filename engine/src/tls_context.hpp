#pragma once

// What TlsContext holds: seen by the *_wolfssl.cpp files only.

#include <memory>
#include <string>
#include <vector>

#include <zenwire/engine/tls.hpp>

#include "wolfssl.hpp"

namespace zenwire {

struct TlsContext::Impl {
  struct Free {
    void operator()(WOLFSSL_CTX* freed) const noexcept { wolfSSL_CTX_free(freed); }
  };
  std::unique_ptr<WOLFSSL_CTX, Free> context;
  bool server = false;
  bool verify = true;
  std::vector<KeyPin> pins;
};

namespace detail {

// The library's callbacks (tls_wolfssl.cpp); their context is the stream.
int tls_receive(WOLFSSL* ssl, char* to, int bytes, void* stream) noexcept;
int tls_send(WOLFSSL* ssl, char* from, int bytes, void* stream) noexcept;
int tls_verify(int chain_ok, WOLFSSL_X509_STORE_CTX* store) noexcept;

// "ASN no signer error to confirm failure (-188)".
std::string library_text(int error);

bool is_want_of_memory(int error) noexcept;
// What a call that configures came to; `what` it was to set.
Result<void> configured(int result, const std::string& what);

}  // namespace detail
}  // namespace zenwire
