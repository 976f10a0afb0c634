// Where intel-ipsec-mb is not there (it is a library for x86-64): the TLS library's own ciphers do.
#include <zenwire/base/assert.hpp>

#include "record_cipher.hpp"

namespace zenwire::detail {

bool RecordCipher::available() noexcept {
  return false;
}

void RecordCipher::forget() noexcept {}

void RecordCipher::seal(const RecordText&, std::byte*) noexcept {
  ZW_ASSERT(available());
}

bool RecordCipher::open(const RecordText&, const std::byte*) noexcept {
  ZW_ASSERT(available());
  return false;
}

}  // namespace zenwire::detail
