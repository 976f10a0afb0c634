#pragma once

// A certificate authority of one's own, for servers on loopback: `zenwire serve --tls`, tests, the
// test kit. Keys are ECDSA P-256. Not for production: its key lives in this process's memory only.

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include <zenwire/base/error.hpp>

namespace zenwire {

struct CertificateRequest {
  std::string common_name = "localhost";
  std::vector<std::string> dns_names{};     // alternative names
  std::vector<std::string> ip_addresses{};  // alternative names: IPv4 and IPv6 literals
  // Valid from and until now plus these: both in the past make an expired one.
  std::chrono::seconds valid_from = -std::chrono::hours(24);
  std::chrono::seconds valid_until = std::chrono::hours(24 * 30);
};

struct CertificateAndKey {
  std::string certificate_pem{};
  std::string key_pem{};  // PKCS #8, unencrypted
};

// Thread: one at a time. Making keys takes milliseconds.
class CertificateAuthority {
 public:
  // Errors: tls_configuration.
  static Result<CertificateAuthority> create(const std::string& name = "zenwire test authority");

  // What a client is to trust.
  [[nodiscard]] const std::string& certificate_pem() const noexcept;
  // A certificate for a server, signed. Errors: invalid_option (an address that is none, too many
  // names), tls_configuration.
  Result<CertificateAndKey> issue(const CertificateRequest& request);

  CertificateAuthority(CertificateAuthority&&) noexcept;
  CertificateAuthority& operator=(CertificateAuthority&&) noexcept;
  ~CertificateAuthority();

 private:
  struct Impl;
  explicit CertificateAuthority(std::unique_ptr<Impl> impl) noexcept;
  std::unique_ptr<Impl> impl_;
};

}  // namespace zenwire
