// Certificates that we make, as others see them; and what a name in one stands for.

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <zenwire/engine/certificate.hpp>

#include "certificate_check.hpp"
#include "command_output.hpp"
#include "temporary_directory.hpp"
#include "tls_pair.hpp"

namespace zenwire::test {
namespace {

void expect_holds(const std::string& text, std::string_view words) {
  EXPECT_NE(text.find(words), std::string::npos) << "no \"" << words << "\" in\n" << text;
}

class Openssl : public testing::Test {
 protected:
  void SetUp() override {
    if (!command_exists("openssl")) GTEST_SKIP() << "no openssl here";
  }
  [[nodiscard]] std::string text_of(const std::string& pem) const {
    return command_output("openssl x509 -noout -text -in " + directory_.write("x.pem", pem));
  }
  [[nodiscard]] std::string verify(const CertificateAuthority& root, const std::string& chain,
                                   const std::string& more = {}) const {
    const std::string file = directory_.write("chain.pem", chain);
    return command_output("openssl verify -x509_strict -purpose sslserver -CAfile " +
                          directory_.write("root.pem", root.certificate_pem()) + " -untrusted " +
                          file + " " + more + " " + file);
  }

  TemporaryDirectory directory_;
};

TEST_F(Openssl, FindsNothingWrongWithOurCertificates) {
  const auto middle = authority().subordinate("in between").value();
  const auto lower = middle.subordinate("and below").value();
  for (const CertificateAuthority* issuer : {&authority(), &middle, &lower}) {
    const auto made = issuer->issue(localhost()).value();
    expect_holds(verify(authority(), made.certificate_pem), "chain.pem: OK");
    expect_holds(verify(authority(), made.certificate_pem, "-verify_hostname a.venue.example"),
                 "chain.pem: OK");
    expect_holds(verify(authority(), made.certificate_pem, "-verify_ip 127.0.0.1"),
                 "chain.pem: OK");
    expect_holds(verify(authority(), made.certificate_pem, "-verify_ip ::1"), "chain.pem: OK");
    expect_holds(verify(authority(), made.certificate_pem, "-verify_hostname elsewhere.example"),
                 "hostname mismatch");
  }
  const auto stranger = CertificateAuthority::create("a stranger").value();
  const auto made = stranger.issue(localhost()).value();
  expect_holds(verify(authority(), made.certificate_pem), "verification failed");
}

TEST_F(Openssl, SeesEveryExtensionThatClientsAskFor) {
  const std::string leaf = text_of(authority().issue(localhost()).value().certificate_pem);
  for (const char* words :
       {"Version: 3", "ecdsa-with-SHA256", "Issuer: CN = the test's own", "Subject: CN = localhost",
        "NIST CURVE: P-256", "X509v3 Basic Constraints: critical", "CA:FALSE",
        "X509v3 Key Usage: critical", "Digital Signature", "TLS Web Server Authentication",
        "TLS Web Client Authentication",
        "DNS:localhost, DNS:*.venue.example, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1",
        "X509v3 Subject Key Identifier", "X509v3 Authority Key Identifier"}) {
    expect_holds(leaf, words);
  }
  const std::string root = text_of(authority().certificate_pem());
  for (const char* words : {"X509v3 Basic Constraints: critical", "CA:TRUE",
                            "X509v3 Key Usage: critical", "Certificate Sign, CRL Sign"}) {
    expect_holds(root, words);
  }
}

TEST_F(Openssl, ReadsTheKeyAndItIsTheCertificates) {
  const auto made = authority().issue(localhost()).value();
  expect_holds(made.key_pem, "-----BEGIN PRIVATE KEY-----");
  const std::string from_key =
      command_output("openssl pkey -pubout -in " + directory_.write("key.pem", made.key_pem));
  const std::string from_certificate = command_output(
      "openssl x509 -noout -pubkey -in " + directory_.write("x.pem", made.certificate_pem));
  EXPECT_EQ(from_key, from_certificate);
  expect_holds(from_key, "BEGIN PUBLIC KEY");
}

TEST_F(Openssl, ComputesTheSamePin) {
  const auto made = authority().issue(localhost()).value();
  TlsOptions client = trusting();
  client.pins = {KeyPin{}};
  Pair ends = Pair::make(client, with_identity({}, made));
  EXPECT_FALSE(ends.shake_hands());
  const std::string digest = command_output(
      "openssl x509 -noout -pubkey -in " + directory_.write("x.pem", made.certificate_pem) +
      " | openssl pkey -pubin -outform der | openssl dgst -sha256 -r");
  EXPECT_EQ(std::string(ends.client_error.detail()),
            "the server's key is sha256 " + digest.substr(0, 64));
}

TEST_F(Openssl, ReadsTimesOnBothSidesOf2050) {
  CertificateRequest request = localhost();
  request.valid_until = std::chrono::hours(24 * 365 * 40);
  const auto made = authority().issue(request).value();
  expect_holds(verify(authority(), made.certificate_pem), "chain.pem: OK");
  Pair ends = Pair::make(trusting(), with_identity({}, made));
  EXPECT_TRUE(ends.shake_hands()) << ends.client_error.detail();
  request.valid_until = -std::chrono::hours(1);
  expect_holds(verify(authority(), authority().issue(request).value().certificate_pem),
               "certificate has expired");
}

TEST_F(Openssl, ReadsManyNames) {
  CertificateRequest request;
  for (int i = 0; i < 600; ++i)
    request.dns_names.push_back("host-" + std::to_string(i) + ".venue.example");
  const auto made = authority().issue(request).value();
  expect_holds(verify(authority(), made.certificate_pem, "-verify_hostname host-599.venue.example"),
               "chain.pem: OK");
  Pair ends = Pair::make(trusting(), with_identity({}, made), "host-599.venue.example");
  EXPECT_TRUE(ends.shake_hands()) << ends.client_error.detail();
}

TEST(Certificate, SerialNumbersAndKeysAreNeverTheSame) {
  const auto one = authority().issue(localhost()).value();
  const auto other = authority().issue(localhost()).value();
  EXPECT_NE(one.certificate_pem, other.certificate_pem);
  EXPECT_NE(one.key_pem, other.key_pem);
}

TEST(Certificate, RequestsThatMakeNoSenseAreRefused) {
  CertificateRequest no_address;
  no_address.ip_addresses = {"localhost"};
  CertificateRequest no_name;
  no_name.dns_names = {""};
  CertificateRequest no_ascii;
  no_ascii.dns_names = {"b\xc3\xb6rse.example"};
  CertificateRequest no_common_name;
  no_common_name.common_name = "";
  CertificateRequest long_common_name;
  long_common_name.common_name = std::string(65, 'a');
  CertificateRequest too_many;
  too_many.dns_names = std::vector<std::string>(1001, "a");
  for (const auto* request :
       {&no_address, &no_name, &no_ascii, &no_common_name, &long_common_name, &too_many}) {
    const auto made = authority().issue(*request);
    ASSERT_FALSE(made.has_value());
    EXPECT_EQ(made.error().code(), Errc::invalid_option);
    EXPECT_FALSE(made.error().detail().empty());
  }
  EXPECT_EQ(CertificateAuthority::create("").error().code(), Errc::invalid_option);
}

// --- What a name stands for.

struct NameCase {
  const char* pattern;
  const char* host;
  bool matches;
};

constexpr NameCase kNames[] = {
    {"venue.example", "venue.example", true},
    {"VENUE.example", "venue.EXAMPLE", true},
    {"venue.example.", "venue.example", true},
    {"venue.example", "venue.example.", true},
    {"venue.example", "www.venue.example", false},
    {"venue.example", "venue.example.evil", false},
    {"*.venue.example", "www.venue.example", true},
    {"*.venue.example", "WWW.Venue.Example", true},
    {"*.venue.example", "xn--brse-5qa.venue.example", true},
    {"*.venue.example", "venue.example", false},
    {"*.venue.example", ".venue.example", false},
    {"*.venue.example", "a.b.venue.example", false},
    {"*.venue.example", "www.venue.example.evil", false},
    {"w*.venue.example", "www.venue.example", false},
    {"*w.venue.example", "www.venue.example", false},
    {"www.*.example", "www.venue.example", false},
    {"*.*.example", "www.venue.example", false},
    {"*.example", "venue.example", false},  // it would speak for everybody
    {"*.", "venue", false},
    {"*", "venue", false},
    {"*", "venue.example", false},
    {"*.*", "venue.example", false},
    {"", "", false},
    {"", "venue.example", false},
    {".", ".", false},
    {"venue.example", "", false},
};

TEST(CertificateName, MatchesAsTheTableSays) {
  for (const NameCase& at : kNames) {
    EXPECT_EQ(detail::certificate_name_matches(at.pattern, at.host), at.matches)
        << at.pattern << " for " << at.host;
  }
}

// A zero byte ends a text of C, but not a name: "good\0.evil" is not "good".
TEST(CertificateName, AZeroByteEndsNothing) {
  constexpr std::string_view kSly("venue.example\0.evil", 19);
  EXPECT_FALSE(detail::certificate_name_matches(kSly, "venue.example"));
}

TEST(CertificateCheck, WhatIsNoCertificateIsRefused) {
  for (const std::string& der :
       {std::string(), std::string("\x30"), std::string("\x30\x03\x30\x01", 4),
        std::string(300, '\x30'), std::string(1000, '\xff')}) {
    const Bytes bytes = as_bytes(der);
    const KeyPin pin{};
    EXPECT_EQ(detail::check_certificate_name(bytes, "a").error().code(),
              Errc::tls_certificate_invalid);
    EXPECT_FALSE(detail::check_certificate_pin(bytes, {&pin, 1}).has_value());
    EXPECT_EQ(detail::describe_certificate(bytes), "an unreadable certificate");
  }
}

}  // namespace
}  // namespace zenwire::test
