#include <utility>

#include <zenwire/base/assert.hpp>

#include "tls_cipher.hpp"
#include "wolfssl.hpp"

#ifdef WOLF_CRYPTO_CB
#include <wolfssl/wolfcrypt/cryptocb.h>
#endif

namespace zenwire::detail {
namespace {

constinit thread_local TlsCiphers* ciphers_in_use = nullptr;

#ifdef WOLF_CRYPTO_CB

// "zw". With a wolfSSL that others use too (the system's), a number that they hardly took: who
// registers it again replaces the first.
constexpr int kDevice = 0x7a77;
static_assert(kDevice != INVALID_DEVID);

Bytes view(const byte* data, word32 bytes) noexcept {
  return {reinterpret_cast<const std::byte*>(data), bytes};
}

// Opening and sealing have the same members, in structures of different names.
template <typename Gcm>
RecordText text_of(const Gcm& gcm) noexcept {
  return {.key = view(reinterpret_cast<const byte*>(gcm.aes->devKey),
                      static_cast<word32>(gcm.aes->keylen)),
          .nonce = view(gcm.iv, gcm.ivSz),
          .additional = view(gcm.authIn, gcm.authInSz),
          .from = view(gcm.in, gcm.sz),
          .to = reinterpret_cast<std::byte*>(gcm.out),
          .tag_bytes = gcm.authTagSz};
}

int seal(RecordCipher& cipher, const wc_CryptoInfo& info) noexcept {
  const auto& gcm = info.cipher.aesgcm_enc;
  const RecordText record = text_of(gcm);
  if (!RecordCipher::takes(record)) return CRYPTOCB_UNAVAILABLE;
  cipher.seal(record, reinterpret_cast<std::byte*>(gcm.authTag));
  return 0;
}

int open(RecordCipher& cipher, const wc_CryptoInfo& info) noexcept {
  const auto& gcm = info.cipher.aesgcm_dec;
  const RecordText record = text_of(gcm);
  if (!RecordCipher::takes(record)) return CRYPTOCB_UNAVAILABLE;
  return cipher.open(record, reinterpret_cast<const std::byte*>(gcm.authTag)) ? 0 : AES_GCM_AUTH_E;
}

// wolfSSL asks for whatever it is about to compute, and does it itself when told that we cannot:
// all of the handshake, other ciphers, and close_notify.
int compute(int, wc_CryptoInfo* info, void*) noexcept {
  if (ciphers_in_use == nullptr || info->algo_type != WC_ALGO_TYPE_CIPHER ||
      info->cipher.type != WC_CIPHER_AES_GCM)
    return CRYPTOCB_UNAVAILABLE;
  return info->cipher.enc != 0 ? seal(ciphers_in_use->sealing, *info)
                               : open(ciphers_in_use->opening, *info);
}

int register_device() noexcept {
  if (!RecordCipher::available()) return INVALID_DEVID;
  return wc_CryptoCb_RegisterDevice(kDevice, compute, nullptr) == 0 ? kDevice : INVALID_DEVID;
}

#else

int register_device() noexcept {
  return INVALID_DEVID;
}

#endif

}  // namespace

TlsCiphersInUse::TlsCiphersInUse(TlsCiphers& ciphers) noexcept {
  ZW_ASSERT(ciphers_in_use == nullptr);
  ciphers_in_use = &ciphers;
}

TlsCiphersInUse::~TlsCiphersInUse() {
  ciphers_in_use = nullptr;
}

int tls_cipher_device() noexcept {
  static const int device = register_device();
  return device;
}

}  // namespace zenwire::detail
