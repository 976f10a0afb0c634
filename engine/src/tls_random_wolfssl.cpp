// The library's start, and its one source of random bytes. They share a file so that whatever
// starts the library also links the generator that it calls.

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>

#include <pthread.h>
#include <sys/random.h>

#include <zenwire/base/assert.hpp>
#include <zenwire/engine/tls_random.hpp>

#include "wolfssl.hpp"

namespace zenwire {
namespace {

// Bernstein's fast key erasure: a block of key stream, whose first 32 bytes are the next key and
// whose rest is given out, each byte wiped as it goes.
class Generator {
 public:
  // False: the kernel gave no seed.
  [[nodiscard]] bool fill(MutableBytes to) noexcept {
    while (!to.empty()) {
      if (used_ == block_.size() && !refill()) return false;
      const std::size_t part = std::min(to.size(), block_.size() - used_);
      std::memcpy(to.data(), block_.data() + used_, part);
      std::memset(block_.data() + used_, 0, part);
      used_ += part;
      to = to.subspan(part);
    }
    return true;
  }

  // The next fill asks the kernel for a new key; nothing that is left of the old is given out.
  void forget() noexcept {
    seeded_ = false;
    used_ = block_.size();
  }

  void prepare() noexcept {
    if (used_ == block_.size()) static_cast<void>(refill());
  }

 private:
  static constexpr std::size_t kKey_bytes = 32;
  static constexpr std::size_t kBlock_bytes = 1024;

  [[gnu::noinline, gnu::cold]] bool refill() noexcept {
    if (!seeded_ && !seed()) return false;
    ChaCha cipher;
    const std::array<byte, CHACHA_IV_BYTES> nonce{};  // one block a key, so it never repeats
    auto* const bytes = reinterpret_cast<byte*>(block_.data());
    std::memset(bytes, 0, kBlock_bytes);
    int result = wc_Chacha_SetKey(&cipher, key_.data(), kKey_bytes);
    if (result == 0) result = wc_Chacha_SetIV(&cipher, nonce.data(), 0);
    if (result == 0) result = wc_Chacha_Process(&cipher, bytes, bytes, kBlock_bytes);
    ZW_ASSERT(result == 0);  // only null pointers and key sizes fail
    std::memcpy(key_.data(), bytes, kKey_bytes);
    ::explicit_bzero(bytes, kKey_bytes);
    ::explicit_bzero(&cipher, sizeof cipher);
    used_ = kKey_bytes;
    return true;
  }

  // Up to 256 bytes come in one piece. Only a filter that forbids the call makes it fail.
  bool seed() noexcept {
    ssize_t got = -1;
    do {
      got = ::getrandom(key_.data(), key_.size(), 0);
    } while (got < 0 && errno == EINTR);
    seeded_ = got == static_cast<ssize_t>(key_.size());
    return seeded_;
  }

  alignas(64) std::array<std::byte, kBlock_bytes> block_{};
  std::array<byte, kKey_bytes> key_{};
  std::size_t used_ = kBlock_bytes;
  bool seeded_ = false;
};

thread_local Generator generator;
thread_local Callback<MutableBytes> thread_source;

}  // namespace

void set_tls_random_source(Callback<MutableBytes> source) noexcept {
  thread_source = source;
}

void prepare_tls_random() noexcept {
  detail::wolfssl_start();
  generator.prepare();
}

namespace detail {

void wolfssl_start() noexcept {
  // A function's static rather than a global: made on first use, on whichever thread that is.
  static const int started = [] {
    // A child would go on with its parent's key stream. Of the threads only the forking one
    // survives, so its generator is the only one to forget.
    const int registered = ::pthread_atfork(nullptr, nullptr, [] { generator.forget(); });
    return registered == 0 ? wolfSSL_Init() : registered;
  }();
  ZW_ASSERT(started == WOLFSSL_SUCCESS);
}

void tls_random_reseed() noexcept {
  generator.forget();
}

}  // namespace detail
}  // namespace zenwire

// Called by wolfSSL (CUSTOM_RAND_GENERATE_BLOCK of its build). 0 is success.
extern "C" int zenwire_rand_generate_block(unsigned char* output, unsigned int bytes);
extern "C" int zenwire_rand_generate_block(unsigned char* output, unsigned int bytes) {
  const zenwire::MutableBytes to(reinterpret_cast<std::byte*>(output), bytes);
  if (!zenwire::thread_source) return zenwire::generator.fill(to) ? 0 : -1;
  zenwire::thread_source(to);
  return 0;
}
