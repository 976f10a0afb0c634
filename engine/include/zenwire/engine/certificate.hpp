#pragma once

// A certificate authority of one's own, for servers on loopback: `zenwire serve --tls`, tests, the
// test kit. Keys are ECDSA P-256. Not for production: its key lives in this process's memory only.

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <zenwire/base/error.hpp>

namespace zenwire {

struct CertificateRequest {
  std::string common_name = "localhost";
  std::vector<std::string> dns_names;     // alternative names
  std::vector<std::string> ip_addresses;  // alternative names: IPv4 and IPv6 literals
  // Valid from and until now plus these: both in the past make an expired one.
  std::chrono::seconds valid_from = -std::chrono::hours(24);
  std::chrono::seconds valid_until = std::chrono::hours(24 * 30);
};

// How long an authority is valid, from and until now plus these.
struct AuthorityValidity {
  std::chrono::seconds from = -std::chrono::hours(24 * 30);
  std::chrono::seconds until = std::chrono::hours(24 * 365);
  // Since 1970, instead of the system's clock, for what it issues too: then the same random source
  // makes the same certificates, as a simulation needs.
  std::optional<std::chrono::seconds> now = {};
};

struct CertificateAndKey {
  std::string certificate_pem;  // then those of the authorities between it and the root
  std::string key_pem;          // PKCS #8, unencrypted
};

// Thread: one at a time. Making a key and a signature takes less than a millisecond. Random bytes
// come from the thread's TLS source (tls_random.hpp), times from the system's clock.
class CertificateAuthority {
 public:
  // A root. Errors: invalid_option (a name that is empty or longer than 64 bytes),
  // tls_configuration.
  static Result<CertificateAuthority> create(const std::string& name = "zenwire test authority",
                                             const AuthorityValidity& validity = {});
  // An authority that this one vouches for; clients trust the root. Errors: as create().
  Result<CertificateAuthority> subordinate(const std::string& name) const;

  // What a client is to trust.
  [[nodiscard]] const std::string& certificate_pem() const noexcept;
  // A certificate for a server or a client, signed. Errors: invalid_option (an address that is
  // none, a name that is no text of ASCII, a common name longer than 64 bytes, too many names),
  // tls_configuration.
  Result<CertificateAndKey> issue(const CertificateRequest& request) const;
  // A certificate that nobody vouches for but itself. Errors: as issue().
  static Result<CertificateAndKey> self_signed(const CertificateRequest& request);

  CertificateAuthority(CertificateAuthority&&) noexcept;
  CertificateAuthority& operator=(CertificateAuthority&&) noexcept;
  ~CertificateAuthority();

 private:
  struct Impl;
  explicit CertificateAuthority(std::unique_ptr<Impl> impl) noexcept;
  std::unique_ptr<Impl> impl_;
};

}  // namespace zenwire
