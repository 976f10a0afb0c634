#include <algorithm>
#include <cstring>

#include <cpuid.h>
#include <intel-ipsec-mb.h>

#include <zenwire/base/assert.hpp>

#include "record_cipher.hpp"

// The library has a function for each kind of processor, of which its header shows all kinds but
// this one; their signatures are those of their siblings. tools/lib/ipsec_mb.sh builds these files
// alone, and puts the prefix before their names.
extern "C" {
decltype(aes_keyexp_128_enc_avx512) zenwire_aes_keyexp_128_enc_avx512;
decltype(aes_keyexp_256_enc_avx512) zenwire_aes_keyexp_256_enc_avx512;
decltype(aes_gcm_precomp_128_avx_gen4) zenwire_aes_gcm_precomp_128_vaes_avx512;
decltype(aes_gcm_precomp_256_avx_gen4) zenwire_aes_gcm_precomp_256_vaes_avx512;
decltype(aes_gcm_enc_128_avx_gen4) zenwire_aes_gcm_enc_128_vaes_avx512;
decltype(aes_gcm_enc_256_avx_gen4) zenwire_aes_gcm_enc_256_vaes_avx512;
decltype(aes_gcm_dec_128_avx_gen4) zenwire_aes_gcm_dec_128_vaes_avx512;
decltype(aes_gcm_dec_256_avx_gen4) zenwire_aes_gcm_dec_256_vaes_avx512;
}

namespace zenwire::detail {
namespace {

// The compiler's check asks the operating system, too, whether it keeps the wide registers. It does
// not know VAES by name everywhere.
bool processor_can() noexcept {
  constexpr unsigned kFeatures = 7;
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  if (__get_cpuid_count(kFeatures, 0, &eax, &ebx, &ecx, &edx) == 0) return false;
  __builtin_cpu_init();
  return (ecx & bit_VAES) != 0 && (ecx & bit_VPCLMULQDQ) != 0 && __builtin_cpu_supports("bmi2") &&
         __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq");
}

template <std::size_t kCount>
constexpr std::array<std::byte, kCount> count_up() noexcept {
  std::array<std::byte, kCount> bytes{};
  for (std::size_t i = 0; i < kCount; ++i) bytes[i] = static_cast<std::byte>(i);
  return bytes;
}

constexpr std::size_t kKnown_bytes = 1040;  // longer than the longest loop of the library
using Tag = std::array<std::uint8_t, RecordCipher::kTag_bytes>;

// Another library's tags (OpenSSL's): of 1,040 bytes, with a key of 16 and of 32, a nonce of 12,
// and 5 that are authenticated beside, each counting up from 0.
constexpr Tag kKnown_128{0x95, 0x08, 0x5d, 0x04, 0x4c, 0x43, 0x52, 0xcd,
                         0x8b, 0x9d, 0x15, 0xdb, 0x84, 0xe4, 0xbe, 0x5d};
constexpr Tag kKnown_256{0x35, 0xe1, 0xba, 0x01, 0xc0, 0x22, 0xeb, 0x31,
                         0x97, 0x6a, 0x1e, 0xb0, 0x9c, 0x9f, 0x20, 0x64};

// Whether these very functions compute what others do: before any record depends on it.
bool gives_known_answer(Bytes key, const Tag& known) noexcept {
  constexpr auto kText = count_up<kKnown_bytes>();
  constexpr auto kNonce = count_up<RecordCipher::kNonce_bytes>();
  constexpr auto kAdditional = count_up<5>();
  RecordCipher cipher;
  auto text = kText;
  Tag tag{};
  const RecordText record{key, kNonce, kAdditional, text, text.data(), tag.size()};
  cipher.seal(record, reinterpret_cast<std::byte*>(tag.data()));
  return tag == known && cipher.open(record, reinterpret_cast<const std::byte*>(tag.data())) &&
         text == kText;
}

bool can() noexcept {
  constexpr auto kKey = count_up<32>();
  return processor_can() && gives_known_answer(Bytes(kKey).first(16), kKnown_128) &&
         gives_known_answer(kKey, kKnown_256);
}

const std::uint8_t* raw(const std::byte* bytes) noexcept {
  return reinterpret_cast<const std::uint8_t*>(bytes);
}
std::uint8_t* raw(std::byte* bytes) noexcept {
  return reinterpret_cast<std::uint8_t*>(bytes);
}

// The same time for any two: where they differ must not show.
bool same_tag(const std::byte* one, const std::byte* other) noexcept {
  std::uint64_t a[2], b[2];
  static_assert(sizeof(a) == RecordCipher::kTag_bytes);
  std::memcpy(a, one, sizeof(a));
  std::memcpy(b, other, sizeof(b));
  return ((a[0] ^ b[0]) | (a[1] ^ b[1])) == 0;
}

}  // namespace

bool RecordCipher::available() noexcept {
  static const bool available = can();
  return available;
}

void RecordCipher::forget() noexcept {
  ::explicit_bzero(expanded_.data(), expanded_.size());
  ::explicit_bzero(work_.data(), work_.size());
  ::explicit_bzero(key_.data(), key_.size());
  key_bytes_ = 0;
}

bool RecordCipher::has(Bytes key) const noexcept {
  return key.size() == key_bytes_ && std::memcmp(key.data(), key_.data(), key.size()) == 0;
}

void RecordCipher::expand(Bytes key) noexcept {
  static_assert(sizeof(gcm_key_data) <= sizeof(expanded_) && alignof(gcm_key_data) <= 64);
  forget();
  auto* const expanded = reinterpret_cast<gcm_key_data*>(expanded_.data());
  if (key.size() == kKeys_bytes[0]) {
    zenwire_aes_keyexp_128_enc_avx512(key.data(), expanded->expanded_keys);
    zenwire_aes_gcm_precomp_128_vaes_avx512(expanded);
  } else {
    zenwire_aes_keyexp_256_enc_avx512(key.data(), expanded->expanded_keys);
    zenwire_aes_gcm_precomp_256_vaes_avx512(expanded);
  }
  std::copy(key.begin(), key.end(), key_.begin());
  key_bytes_ = key.size();
}

template <bool kSeal>
void RecordCipher::run(const RecordText& record, std::byte* tag) noexcept {
  static_assert(sizeof(gcm_context_data) <= sizeof(work_) && alignof(gcm_context_data) <= 64);
  ZW_ASSERT(takes(record));
  if (!has(record.key)) [[unlikely]]
    expand(record.key);
  constexpr auto kWith128 =
      kSeal ? zenwire_aes_gcm_enc_128_vaes_avx512 : zenwire_aes_gcm_dec_128_vaes_avx512;
  constexpr auto kWith256 =
      kSeal ? zenwire_aes_gcm_enc_256_vaes_avx512 : zenwire_aes_gcm_dec_256_vaes_avx512;
  (key_bytes_ == kKeys_bytes[0] ? kWith128 : kWith256)(
      reinterpret_cast<const gcm_key_data*>(expanded_.data()),
      reinterpret_cast<gcm_context_data*>(work_.data()), raw(record.to), raw(record.from.data()),
      record.from.size(), raw(record.nonce.data()), raw(record.additional.data()),
      record.additional.size(), raw(tag), kTag_bytes);
}

void RecordCipher::seal(const RecordText& record, std::byte* tag) noexcept {
  run<true>(record, tag);
}

bool RecordCipher::open(const RecordText& record, const std::byte* tag) noexcept {
  std::array<std::byte, kTag_bytes> computed;
  run<false>(record, computed.data());
  if (same_tag(computed.data(), tag)) [[likely]]
    return true;
  ::explicit_bzero(record.to, record.from.size());
  return false;
}

}  // namespace zenwire::detail
