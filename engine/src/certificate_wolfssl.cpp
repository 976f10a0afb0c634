// The certificates are written here, byte by byte, and only signed by the library: its generator
// cannot mark an authority's constraints as critical, which strict clients demand (Python's from
// 3.13 on).

#include <algorithm>
#include <array>
#include <cstring>
#include <ctime>
#include <string_view>
#include <utility>

#include <zenwire/base/bytes.hpp>
#include <zenwire/engine/address.hpp>
#include <zenwire/engine/certificate.hpp>

#include "certificate_check.hpp"
#include "wolfssl.hpp"

namespace zenwire {
namespace {

using std::string_view_literals::operator""sv;

constexpr int kScalar_bytes = 32;             // P-256
constexpr std::size_t kPoint_bytes_max = 65;  // 4, x, y
constexpr std::size_t kSignature_bytes_max = 80;
constexpr std::size_t kPkcs8_bytes_max = 256;
constexpr std::size_t kSerial_bytes = 16;
constexpr std::size_t kKeyId_bytes = 20;
constexpr std::size_t kNames_max = 1000;
constexpr std::size_t kCommonName_bytes_max = 64;  // RFC 5280, upper bounds

// --- DER (X.690): tag, length, contents.

enum Tag : char {
  kBoolean = 0x01,
  kInteger = 0x02,
  kBitString = 0x03,
  kOctetString = 0x04,
  kObjectId = 0x06,
  kUtf8String = 0x0c,
  kUtcTime = 0x17,
  kGeneralizedTime = 0x18,
  kSequence = 0x30,
  kSet = 0x31,
};
constexpr char kVersionTag = '\xa0';     // [0] EXPLICIT
constexpr char kExtensionsTag = '\xa3';  // [3] EXPLICIT
constexpr char kKeyIdTag = '\x80';       // [0] IMPLICIT
constexpr char kDnsNameTag = '\x82';     // [2] IMPLICIT
constexpr char kIpAddressTag = '\x87';   // [7] IMPLICIT

// The contents of object identifiers.
constexpr auto kCommonNameId = "\x55\x04\x03"sv;
constexpr auto kEcdsaWithSha256Id = "\x2a\x86\x48\xce\x3d\x04\x03\x02"sv;
constexpr auto kEcPublicKeyId = "\x2a\x86\x48\xce\x3d\x02\x01"sv;
constexpr auto kPrime256v1Id = "\x2a\x86\x48\xce\x3d\x03\x01\x07"sv;
constexpr auto kSubjectKeyId = "\x55\x1d\x0e"sv;
constexpr auto kKeyUsageId = "\x55\x1d\x0f"sv;
constexpr auto kAlternativeNameId = "\x55\x1d\x11"sv;
constexpr auto kBasicConstraintsId = "\x55\x1d\x13"sv;
constexpr auto kAuthorityKeyId = "\x55\x1d\x23"sv;
constexpr auto kExtendedKeyUsageId = "\x55\x1d\x25"sv;
constexpr auto kServerAuthId = "\x2b\x06\x01\x05\x05\x07\x03\x01"sv;
constexpr auto kClientAuthId = "\x2b\x06\x01\x05\x05\x07\x03\x02"sv;

std::string der(char tag, std::string_view contents) {
  std::string out(1, tag);
  const std::size_t length = contents.size();
  if (length < 0x80) {
    out += static_cast<char>(length);
  } else {
    std::array<std::byte, 4> octets{};
    store_big_endian(octets.data(), static_cast<std::uint32_t>(length));
    const auto used =
        static_cast<std::size_t>(4 - __builtin_clz(static_cast<unsigned>(length)) / 8);
    out += static_cast<char>(0x80 | used);
    out += as_text(Bytes(octets).last(used));
  }
  out += contents;
  return out;
}

std::string bit_string(std::string_view bytes, char unused_bits = 0) {
  return der(kBitString, std::string(1, unused_bits) += bytes);
}

std::string algorithm() {
  return der(kSequence, der(kObjectId, kEcdsaWithSha256Id));
}

std::string name_of(std::string_view common_name) {
  return der(kSequence, der(kSet, der(kSequence, der(kObjectId, kCommonNameId) +
                                                     der(kUtf8String, common_name))));
}

// UTCTime to 2049, GeneralizedTime after (RFC 5280, section 4.1.2.5).
std::string time_of(std::chrono::seconds since_1970) {
  constexpr int kYear2050 = 150;  // tm counts from 1900
  constexpr std::size_t kCentury_bytes = 2;
  const std::time_t time = since_1970.count();
  std::tm parts{};
  ::gmtime_r(&time, &parts);
  std::array<char, 32> text{};
  const std::size_t bytes = std::strftime(text.data(), text.size(), "%Y%m%d%H%M%SZ", &parts);
  const std::string_view whole(text.data(), bytes);
  return parts.tm_year < kYear2050 ? der(kUtcTime, whole.substr(kCentury_bytes))
                                   : der(kGeneralizedTime, whole);
}

std::string extension(std::string_view id, std::string_view value, bool critical) {
  return der(kSequence, der(kObjectId, id) + (critical ? der(kBoolean, "\xff") : std::string()) +
                            der(kOctetString, value));
}

// --- What the library does: keys, hashes, signatures, PEM.

tl::unexpected<Error> failed(const char* what, int result) {
  return fail(Errc::tls_configuration, std::string(what) + ": " + wc_GetErrorString(result));
}

const byte* bytes_of(std::string_view text) noexcept {
  return reinterpret_cast<const byte*>(text.data());
}

std::string sha256(std::string_view text) {
  std::string hash(WC_SHA256_DIGEST_SIZE, '\0');
  const int result = wc_Sha256Hash(bytes_of(text), static_cast<word32>(text.size()),
                                   reinterpret_cast<byte*>(hash.data()));
  ZW_ASSERT(result == 0);
  return hash;
}

Result<std::string> to_pem(std::string_view der_text, int type) {
  std::string pem(der_text.size() * 2 + 128, '\0');
  const int bytes =
      wc_DerToPem(bytes_of(der_text), static_cast<word32>(der_text.size()),
                  reinterpret_cast<byte*>(pem.data()), static_cast<word32>(pem.size()), type);
  if (bytes < 0) return failed("PEM", bytes);
  pem.resize(static_cast<std::size_t>(bytes));
  return pem;
}

// An ECDSA key, and the generator that it draws from. It stays where it was made: the library's
// parts point to each other.
class Key {
 public:
  Key() noexcept {
    wc_ecc_init(&key_);
    wc_InitRng(&random_);
  }
  ~Key() {
    wc_ecc_free(&key_);
    wc_FreeRng(&random_);
  }
  Key(const Key&) = delete;
  Key& operator=(const Key&) = delete;

  static Result<std::unique_ptr<Key>> make() {
    detail::wolfssl_start();
    auto key = std::make_unique<Key>();
    const int result = wc_ecc_make_key_ex(&key->random_, kScalar_bytes, &key->key_, ECC_SECP256R1);
    if (result != 0) return failed("key", result);
    key->point_.resize(kPoint_bytes_max);
    word32 bytes = kPoint_bytes_max;
    const int exported =
        wc_ecc_export_x963(&key->key_, reinterpret_cast<byte*>(key->point_.data()), &bytes);
    if (exported != 0) return failed("public key", exported);
    key->point_.resize(bytes);
    return key;
  }

  // SubjectPublicKeyInfo (RFC 5480).
  [[nodiscard]] std::string public_info() const {
    return der(kSequence,
               der(kSequence, der(kObjectId, kEcPublicKeyId) + der(kObjectId, kPrime256v1Id)) +
                   bit_string(point_));
  }

  // RFC 7093, section 2, method 1.
  [[nodiscard]] std::string id() const { return sha256(point_).substr(0, kKeyId_bytes); }

  Result<std::string> sign(std::string_view text) {
    const std::string hash = sha256(text);
    std::string signature(kSignature_bytes_max, '\0');
    word32 bytes = kSignature_bytes_max;
    const int result =
        wc_ecc_sign_hash(bytes_of(hash), static_cast<word32>(hash.size()),
                         reinterpret_cast<byte*>(signature.data()), &bytes, &random_, &key_);
    if (result != 0) return failed("signature", result);
    signature.resize(bytes);
    return signature;
  }

  // A serial number that is positive and of one length (RFC 5280, section 4.1.2.2).
  Result<std::string> serial() {
    std::string bytes(kSerial_bytes, '\0');
    const int result =
        wc_RNG_GenerateBlock(&random_, reinterpret_cast<byte*>(bytes.data()), kSerial_bytes);
    if (result != 0) return failed("serial number", result);
    bytes[0] = static_cast<char>((bytes[0] & 0x3f) | 0x40);
    return bytes;
  }

  Result<std::string> pem() {
    std::array<byte, kPkcs8_bytes_max> info{};
    word32 bytes = kPkcs8_bytes_max;
    const int result = wc_EccKeyToPKCS8(&key_, info.data(), &bytes);
    if (result < 0) return failed("private key", result);
    auto text = to_pem({reinterpret_cast<const char*>(info.data()), bytes}, PKCS8_PRIVATEKEY_TYPE);
    ::explicit_bzero(info.data(), info.size());
    return text;
  }

 private:
  ecc_key key_{};
  WC_RNG random_{};
  std::string point_;
};

// --- Certificates.

struct Issuer {
  std::string_view name;
  Key& key;
};

struct Subject {
  std::string_view name;
  const Key& key;
  std::chrono::seconds valid_from;  // since 1970
  std::chrono::seconds valid_until;
  std::string extensions;  // those of its kind
};

// RFC 5280, section 4.1, as PEM.
Result<std::string> certify(const Subject& subject, const Issuer& issuer) {
  const auto serial = issuer.key.serial();
  if (!serial) return serial;
  const std::string ids =
      extension(kSubjectKeyId, der(kOctetString, subject.key.id()), false) +
      extension(kAuthorityKeyId, der(kSequence, der(kKeyIdTag, issuer.key.id())), false);
  const std::string to_be_signed = der(
      kSequence, der(kVersionTag, der(kInteger, "\x02")) + der(kInteger, *serial) + algorithm() +
                     name_of(issuer.name) +
                     der(kSequence, time_of(subject.valid_from) + time_of(subject.valid_until)) +
                     name_of(subject.name) + subject.key.public_info() +
                     der(kExtensionsTag, der(kSequence, subject.extensions + ids)));
  const auto signature = issuer.key.sign(to_be_signed);
  if (!signature) return signature;
  return to_pem(der(kSequence, to_be_signed + algorithm() + bit_string(*signature)), CERT_TYPE);
}

std::string authority_extensions() {
  constexpr auto kCertificateAndCrlSign = "\x06"sv;
  return extension(kBasicConstraintsId, der(kSequence, der(kBoolean, "\xff")), true) +
         extension(kKeyUsageId, bit_string(kCertificateAndCrlSign, 1), true);
}

// GeneralNames (RFC 5280, section 4.2.1.6).
Result<std::string> alternative_names(const CertificateRequest& request) {
  if (request.dns_names.size() + request.ip_addresses.size() > kNames_max)
    return fail(Errc::invalid_option, "more than 1,000 alternative names");
  std::string names;
  for (const auto& name : request.dns_names) {
    const bool ascii =
        std::all_of(name.begin(), name.end(), [](char c) { return c > ' ' && c < 127; });
    if (name.empty() || !ascii)
      return fail(Errc::invalid_option, "dns_names: \"" + name + "\" is not a DNS name");
    names += der(kDnsNameTag, name);
  }
  for (const auto& text : request.ip_addresses) {
    const auto address = Address::from_literal(text, 0);
    if (!address)
      return fail(Errc::invalid_option, "ip_addresses: \"" + text + "\" is not an IP address");
    names += der(kIpAddressTag, detail::raw_address(*address));
  }
  return names;
}

Result<std::string> leaf_extensions(const CertificateRequest& request) {
  constexpr auto kDigitalSignature = "\x80"sv;
  const auto names = alternative_names(request);
  if (!names) return names;
  std::string extensions =
      extension(kBasicConstraintsId, der(kSequence, {}), true) +
      extension(kKeyUsageId, bit_string(kDigitalSignature, 7), true) +
      extension(kExtendedKeyUsageId,
                der(kSequence, der(kObjectId, kServerAuthId) + der(kObjectId, kClientAuthId)),
                false);
  if (!names->empty()) extensions += extension(kAlternativeNameId, der(kSequence, *names), false);
  return extensions;
}

Result<void> check_common_name(const std::string& name) {
  if (!name.empty() && name.size() <= kCommonName_bytes_max) return {};
  return fail(Errc::invalid_option, "a certificate's common name has 1 to 64 bytes");
}

std::chrono::seconds system_now() {
  return std::chrono::seconds(std::time(nullptr));
}

// `issuer` null: by itself.
Result<CertificateAndKey> issue_leaf(const CertificateRequest& request, const Issuer* issuer,
                                     std::chrono::seconds now) {
  if (auto ok = check_common_name(request.common_name); !ok)
    return tl::unexpected<Error>(ok.error());
  auto extensions = leaf_extensions(request);
  if (!extensions) return tl::unexpected<Error>(extensions.error());
  auto key = Key::make();
  if (!key) return tl::unexpected<Error>(key.error());
  const Subject subject{request.common_name, **key, now + request.valid_from,
                        now + request.valid_until, std::move(*extensions)};
  const Issuer itself{request.common_name, **key};
  auto certificate = certify(subject, issuer != nullptr ? *issuer : itself);
  if (!certificate) return tl::unexpected<Error>(certificate.error());
  auto key_pem = (*key)->pem();
  if (!key_pem) return tl::unexpected<Error>(key_pem.error());
  return CertificateAndKey{std::move(*certificate), std::move(*key_pem)};
}

}  // namespace

struct CertificateAuthority::Impl {
  std::string name;
  AuthorityValidity validity;
  std::unique_ptr<Key> key;
  std::string certificate_pem;
  std::string chain_pem;  // from this one up to the root, without it

  [[nodiscard]] std::chrono::seconds now() const { return validity.now.value_or(system_now()); }

  // `issuer` null: a root.
  static Result<std::unique_ptr<Impl>> make(const std::string& name,
                                            const AuthorityValidity& validity, const Impl* issuer) {
    if (auto ok = check_common_name(name); !ok) return tl::unexpected<Error>(ok.error());
    auto key = Key::make();
    if (!key) return tl::unexpected<Error>(key.error());
    auto impl = std::make_unique<Impl>();
    impl->name = name;
    impl->validity = validity;
    impl->key = std::move(*key);
    const Impl& by = issuer != nullptr ? *issuer : *impl;
    const std::chrono::seconds now = impl->now();
    auto certificate = certify(
        {name, *impl->key, now + validity.from, now + validity.until, authority_extensions()},
        {by.name, *by.key});
    if (!certificate) return tl::unexpected<Error>(certificate.error());
    impl->certificate_pem = std::move(*certificate);
    if (issuer != nullptr) impl->chain_pem = impl->certificate_pem + issuer->chain_pem;
    return impl;
  }
};

CertificateAuthority::CertificateAuthority(std::unique_ptr<Impl> impl) noexcept
    : impl_(std::move(impl)) {}
CertificateAuthority::CertificateAuthority(CertificateAuthority&&) noexcept = default;
CertificateAuthority& CertificateAuthority::operator=(CertificateAuthority&&) noexcept = default;
CertificateAuthority::~CertificateAuthority() = default;

const std::string& CertificateAuthority::certificate_pem() const noexcept {
  return impl_->certificate_pem;
}

Result<CertificateAuthority> CertificateAuthority::create(const std::string& name,
                                                          const AuthorityValidity& validity) {
  auto impl = Impl::make(name, validity, nullptr);
  if (!impl) return tl::unexpected<Error>(impl.error());
  return CertificateAuthority(std::move(*impl));
}

Result<CertificateAuthority> CertificateAuthority::subordinate(const std::string& name) const {
  auto impl = Impl::make(name, impl_->validity, impl_.get());
  if (!impl) return tl::unexpected<Error>(impl.error());
  return CertificateAuthority(std::move(*impl));
}

Result<CertificateAndKey> CertificateAuthority::issue(const CertificateRequest& request) const {
  const Issuer issuer{impl_->name, *impl_->key};
  auto issued = issue_leaf(request, &issuer, impl_->now());
  if (issued) issued->certificate_pem += impl_->chain_pem;
  return issued;
}

Result<CertificateAndKey> CertificateAuthority::self_signed(const CertificateRequest& request) {
  return issue_leaf(request, nullptr, system_now());
}

}  // namespace zenwire
