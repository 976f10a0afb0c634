#include <algorithm>
#include <cstdio>
#include <cstring>
#include <ctime>

#include <zenwire/base/bytes.hpp>
#include <zenwire/engine/address.hpp>
#include <zenwire/engine/certificate.hpp>

#include "wolfssl.hpp"

namespace zenwire {
namespace {

constexpr int kDer_bytes_max = 4096;
constexpr int kPem_bytes_max = 8192;
constexpr int kKey_bytes = 32;  // P-256

using Der = std::vector<byte>;

// An ECDSA key; freed with it.
class Key {
 public:
  Key() noexcept { wc_ecc_init(&key_); }
  ~Key() { wc_ecc_free(&key_); }
  Key(const Key&) = delete;
  Key& operator=(const Key&) = delete;

  ecc_key* get() noexcept { return &key_; }

 private:
  ecc_key key_{};
};

class Generator {
 public:
  Generator() noexcept { wc_InitRng(&rng_); }
  ~Generator() { wc_FreeRng(&rng_); }
  Generator(const Generator&) = delete;
  Generator& operator=(const Generator&) = delete;

  WC_RNG* get() noexcept { return &rng_; }

 private:
  WC_RNG rng_{};
};

tl::unexpected<Error> failed(const char* what, int result) {
  return fail(Errc::tls_configuration, std::string(what) + ": " + wc_GetErrorString(result));
}

// The DER of a time: UTCTime to 2049, GeneralizedTime after (RFC 5280, section 4.1.2.5).
void put_time(byte* to, int& bytes, std::chrono::seconds from_now) noexcept {
  constexpr byte kUtcTime = 0x17;
  constexpr byte kGeneralizedTime = 0x18;
  const std::time_t time = std::time(nullptr) + from_now.count();
  std::tm parts{};
  ::gmtime_r(&time, &parts);
  char text[32];
  const bool utc = parts.tm_year < 150;
  const std::size_t century = utc ? 2 : 0;
  const std::size_t length = std::strftime(text, sizeof text, "%Y%m%d%H%M%SZ", &parts) - century;
  to[0] = utc ? kUtcTime : kGeneralizedTime;
  to[1] = static_cast<byte>(length);
  std::memcpy(to + 2, text + century, length);
  bytes = static_cast<int>(length + 2);
}

void put_length(std::string& to, std::size_t length) {
  if (length < 128) {
    to += static_cast<char>(length);
  } else if (length < 256) {
    to += {'\x81', static_cast<char>(length)};
  } else {
    to += {'\x82', static_cast<char>(length >> 8), static_cast<char>(length & 0xff)};
  }
}

void put_name(std::string& to, char tag, std::string_view value) {
  to += tag;
  put_length(to, value.size());
  to += value;
}

// GeneralNames (RFC 5280, section 4.2.1.6): [2] is a DNS name, [7] an address.
Result<std::string> alternative_names(const CertificateRequest& request) {
  std::string names;
  for (const auto& name : request.dns_names) put_name(names, '\x82', name);
  for (const auto& text : request.ip_addresses) {
    const auto address = Address::from_literal(text, 0);
    if (!address)
      return fail(Errc::invalid_option, "ip_addresses: \"" + text + "\" is not an IP address");
    const auto* bytes = static_cast<const char*>(address->data());
    put_name(names, '\x87',
             address->is_ipv6() ? std::string_view(bytes + 8, 16) : std::string_view(bytes + 4, 4));
  }
  if (names.empty()) return names;
  std::string sequence = "\x30";
  put_length(sequence, names.size());
  sequence += names;
  if (sequence.size() > CTC_MAX_ALT_SIZE)
    return fail(Errc::invalid_option, "too many alternative names");
  return sequence;
}

void set_text(char (&to)[CTC_NAME_SIZE], std::string_view text) noexcept {
  const std::size_t bytes = std::min(text.size(), sizeof to - 1);
  std::memcpy(to, text.data(), bytes);
  to[bytes] = 0;
}

Result<std::string> to_pem(const Der& der, int type) {
  std::string pem(kPem_bytes_max, '\0');
  const int bytes =
      wc_DerToPem(der.data(), static_cast<word32>(der.size()), reinterpret_cast<byte*>(pem.data()),
                  static_cast<word32>(pem.size()), type);
  if (bytes < 0) return failed("PEM", bytes);
  pem.resize(static_cast<std::size_t>(bytes));
  return pem;
}

Result<std::string> key_to_pem(Key& key) {
  Der der(kDer_bytes_max);
  word32 bytes = kDer_bytes_max;
  const int written = wc_EccKeyToPKCS8(key.get(), der.data(), &bytes);
  if (written < 0) return failed("key", written);
  der.resize(bytes);
  return to_pem(der, PKCS8_PRIVATEKEY_TYPE);
}

}  // namespace

struct CertificateAuthority::Impl {
  Generator generator;
  Key key;
  Der certificate;
  std::string certificate_pem;

  Result<Der> sign(Cert& certificate_made, Key& subject_key);
};

CertificateAuthority::CertificateAuthority(std::unique_ptr<Impl> impl) noexcept
    : impl_(std::move(impl)) {}
CertificateAuthority::CertificateAuthority(CertificateAuthority&&) noexcept = default;
CertificateAuthority& CertificateAuthority::operator=(CertificateAuthority&&) noexcept = default;
CertificateAuthority::~CertificateAuthority() = default;
const std::string& CertificateAuthority::certificate_pem() const noexcept {
  return impl_->certificate_pem;
}

// Makes the certificate for `subject_key` and signs it with ours.
Result<Der> CertificateAuthority::Impl::sign(Cert& certificate_made, Key& subject_key) {
  Der der(kDer_bytes_max);
  int result = wc_SetSubjectKeyIdFromPublicKey_ex(&certificate_made, ECC_TYPE, subject_key.get());
  if (result < 0) return failed("subject key id", result);
  result = wc_MakeCert_ex(&certificate_made, der.data(), kDer_bytes_max, ECC_TYPE,
                          subject_key.get(), generator.get());
  if (result < 0) return failed("certificate", result);
  result = wc_SignCert_ex(certificate_made.bodySz, certificate_made.sigType, der.data(),
                          kDer_bytes_max, ECC_TYPE, key.get(), generator.get());
  if (result < 0) return failed("signature", result);
  der.resize(static_cast<std::size_t>(result));
  return der;
}

Result<CertificateAuthority> CertificateAuthority::create(const std::string& name) {
  detail::wolfssl_start();
  auto impl = std::make_unique<Impl>();
  int result =
      wc_ecc_make_key_ex(impl->generator.get(), kKey_bytes, impl->key.get(), ECC_SECP256R1);
  if (result != 0) return failed("key", result);
  auto cert = std::make_unique<Cert>();
  wc_InitCert(cert.get());
  cert->isCA = 1;
  cert->selfSigned = 1;
  cert->sigType = CTC_SHA256wECDSA;
  cert->keyUsage = KEYUSE_KEY_CERT_SIGN | KEYUSE_CRL_SIGN;
  set_text(cert->subject.commonName, name);
  put_time(cert->beforeDate, cert->beforeDateSz, -std::chrono::hours(48));
  put_time(cert->afterDate, cert->afterDateSz, std::chrono::hours(24 * 365));
  auto der = impl->sign(*cert, impl->key);
  if (!der) return tl::unexpected<Error>(der.error());
  impl->certificate = std::move(*der);
  auto pem = to_pem(impl->certificate, CERT_TYPE);
  if (!pem) return tl::unexpected<Error>(pem.error());
  impl->certificate_pem = std::move(*pem);
  return CertificateAuthority(std::move(impl));
}

Result<CertificateAndKey> CertificateAuthority::issue(const CertificateRequest& request) {
  const auto names = alternative_names(request);
  if (!names) return tl::unexpected<Error>(names.error());
  Key key;
  int result = wc_ecc_make_key_ex(impl_->generator.get(), kKey_bytes, key.get(), ECC_SECP256R1);
  if (result != 0) return failed("key", result);
  auto cert = std::make_unique<Cert>();
  wc_InitCert(cert.get());
  const auto ca_bytes = static_cast<int>(impl_->certificate.size());
  cert->sigType = CTC_SHA256wECDSA;
  cert->keyUsage = KEYUSE_DIGITAL_SIG;
  set_text(cert->subject.commonName, request.common_name);
  std::memcpy(cert->altNames, names->data(), names->size());
  cert->altNamesSz = static_cast<int>(names->size());
  put_time(cert->beforeDate, cert->beforeDateSz, request.valid_from);
  put_time(cert->afterDate, cert->afterDateSz, request.valid_until);
  if (result = wc_SetIssuerBuffer(cert.get(), impl_->certificate.data(), ca_bytes); result < 0)
    return failed("issuer", result);
  if (result = wc_SetAuthKeyIdFromCert(cert.get(), impl_->certificate.data(), ca_bytes);
      result < 0) {
    return failed("authority key id", result);
  }
  if (result = wc_SetExtKeyUsage(cert.get(), "serverAuth,clientAuth"); result < 0)
    return failed("key usage", result);
  auto der = impl_->sign(*cert, key);
  if (!der) return tl::unexpected<Error>(der.error());
  auto certificate_pem = to_pem(*der, CERT_TYPE);
  if (!certificate_pem) return tl::unexpected<Error>(certificate_pem.error());
  auto key_pem = key_to_pem(key);
  if (!key_pem) return tl::unexpected<Error>(key_pem.error());
  return CertificateAndKey{std::move(*certificate_pem), std::move(*key_pem)};
}

}  // namespace zenwire
