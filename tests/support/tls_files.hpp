#pragma once

// One authority and one server certificate for the whole test program.

#include <zenwire/engine/certificate.hpp>
#include <zenwire/engine/tls.hpp>

namespace zenwire::test {

inline CertificateAuthority& authority() {
  static CertificateAuthority made = CertificateAuthority::create("the test's own").value();
  return made;
}

inline TlsOptions server_tls(CertificateRequest request = {}) {
  if (request.dns_names.empty() && request.ip_addresses.empty()) {
    request.dns_names = {"localhost"};
    request.ip_addresses = {"127.0.0.1", "::1"};
  }
  const auto made = authority().issue(request).value();
  TlsOptions options;
  options.certificate_pem = made.certificate_pem;
  options.key_pem = made.key_pem;
  return options;
}

inline TlsOptions client_tls() {
  TlsOptions options;
  options.ca_pem = authority().certificate_pem();
  return options;
}

}  // namespace zenwire::test
