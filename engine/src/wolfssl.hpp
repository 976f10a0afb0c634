#pragma once

// The one way to wolfSSL's headers, for the *_wolfssl.cpp files only: options first, and its
// warnings silenced.

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpedantic"
#pragma GCC diagnostic ignored "-Wold-style-cast"
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wundef"
// clang-format off
#include <wolfssl/options.h>
#include <wolfssl/error-ssl.h>
#include <wolfssl/ssl.h>
#include <wolfssl/wolfcrypt/asn.h>
#include <wolfssl/wolfcrypt/asn_public.h>
#include <wolfssl/wolfcrypt/chacha.h>
#include <wolfssl/wolfcrypt/ecc.h>
#include <wolfssl/wolfcrypt/error-crypt.h>
#include <wolfssl/wolfcrypt/sha256.h>
// clang-format on
#pragma GCC diagnostic pop

namespace zenwire::detail {

// Initialises the library once in the process. Its global state is tables and locks, so reactors
// stay independent.
void wolfssl_start() noexcept;

// The calling thread's generator takes a new key from the kernel before it gives out another byte.
void tls_random_reseed() noexcept;

}  // namespace zenwire::detail
