#pragma once

// The authority and the server's certificate of every simulation: the same bytes in every run, on
// every day, or the sizes of handshakes and with them the hashes would differ.

#include <chrono>

#include <zenwire/engine/certificate.hpp>
#include <zenwire/engine/tls.hpp>
#include <zenwire/engine/tls_random.hpp>
#include <zenwire/testing/random.hpp>

namespace zenwire::simulation {

inline constexpr const char* kHost = "server.simulated";

struct Certificates {
  std::string authority_pem;
  CertificateAndKey server;

  [[nodiscard]] TlsOptions server_options() const {
    TlsOptions options;
    options.certificate_pem = server.certificate_pem;
    options.key_pem = server.key_pem;
    return options;
  }
  [[nodiscard]] TlsOptions client_options() const {
    TlsOptions options;
    options.ca_pem = authority_pem;
    return options;
  }
};

inline Certificates make_certificates() {
  testing::Random random(20260101);
  const auto fill = [&random](MutableBytes bytes) noexcept { random.fill(bytes); };
  set_tls_random_source(Callback<MutableBytes>::to(fill));
  constexpr std::chrono::seconds k2026{1'767'225'600};
  constexpr std::chrono::hours kForty_years{24 * 365 * 40};
  const auto authority =
      CertificateAuthority::create("simulated authority", {.until = kForty_years, .now = k2026})
          .value();
  CertificateRequest request;
  request.common_name = kHost;
  request.dns_names = {kHost};
  request.valid_until = kForty_years;
  Certificates made{authority.certificate_pem(), authority.issue(request).value()};
  set_tls_random_source({});
  return made;
}

inline const Certificates& certificates() {
  static const Certificates made = make_certificates();
  return made;
}

}  // namespace zenwire::simulation
