// TLS between a client and a server in memory: what is verified, what is refused and with which
// words, and that records survive every cut.

#include <cstdlib>
#include <new>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <zenwire/engine/certificate.hpp>
#include <zenwire/engine/tls.hpp>

#include "allocation_counter.hpp"

namespace zenwire {
namespace {

CertificateAuthority& authority() {
  static CertificateAuthority made = CertificateAuthority::create("the test's own").value();
  return made;
}

CertificateRequest localhost() {
  CertificateRequest request;
  request.dns_names = {"localhost", "*.venue.example"};
  request.ip_addresses = {"127.0.0.1", "::1"};
  return request;
}

TlsOptions server_options(const CertificateRequest& request,
                          CertificateAuthority& issuer = authority()) {
  const auto made = issuer.issue(request).value();
  TlsOptions options;
  options.certificate_pem = made.certificate_pem;
  options.key_pem = made.key_pem;
  return options;
}

TlsOptions trusting(const CertificateAuthority& issuer = authority()) {
  TlsOptions options;
  options.ca_pem = issuer.certificate_pem();
  return options;
}

// Both ends and the two directions between them; `piece` bytes at most are carried at a time.
struct Pair {
  TlsStream client;
  TlsStream server;
  Error client_error;
  Error server_error;

  static Pair make(const TlsOptions& client_options, const TlsOptions& server_options,
                   std::string_view name) {
    static std::vector<std::unique_ptr<TlsContext>> contexts;
    contexts.push_back(std::make_unique<TlsContext>(TlsContext::client(client_options).value()));
    contexts.push_back(std::make_unique<TlsContext>(TlsContext::server(server_options).value()));
    const auto& ours = *contexts[contexts.size() - 2];
    const auto& theirs = *contexts.back();
    return {TlsStream::client(ours, name).value(), TlsStream::server(theirs).value(), {}, {}};
  }

  static bool carry(TlsStream& from, TlsStream& to, std::size_t piece) {
    const Bytes out = from.pending_out();
    if (out.empty()) return false;
    const MutableBytes space = to.ciphertext_space();
    const std::size_t bytes = std::min({piece, out.size(), space.size()});
    std::memcpy(space.data(), out.data(), bytes);
    to.ciphertext_commit(bytes);
    from.pending_out_consume(bytes);
    return bytes > 0;
  }

  bool shake_hands(std::size_t piece = 100'000) {
    bool client_done = false;
    bool server_done = false;
    for (bool moved = true; moved;) {
      const auto client_step = client.handshake();
      const auto server_step = server.handshake();
      client_error = client_step ? Error{} : client_step.error();
      server_error = server_step ? Error{} : server_step.error();
      if (client_error) return false;
      client_done = *client_step;
      server_done = server_step.value_or(false);
      moved = carry(client, server, piece);
      moved |= carry(server, client, piece);
    }
    return client_done && server_done;
  }
};

void deliver(TlsStream& to, Bytes bytes) {
  const MutableBytes space = to.ciphertext_space();
  ASSERT_LE(bytes.size(), space.size());
  std::memcpy(space.data(), bytes.data(), bytes.size());
  to.ciphertext_commit(bytes.size());
}

struct Versions {
  const char* name;
  TlsVersion min;
  TlsVersion max;
  const char* text;
};

class TlsVersions : public testing::TestWithParam<Versions> {
 protected:
  static TlsOptions limited(TlsOptions options) {
    options.version_min = GetParam().min;
    options.version_max = GetParam().max;
    return options;
  }
};

TEST_P(TlsVersions, ShakesHandsAndSaysWhatWasAgreed) {
  Pair pair = Pair::make(limited(trusting()), server_options(localhost()), "localhost");
  ASSERT_TRUE(pair.shake_hands()) << pair.client_error.detail();
  EXPECT_EQ(pair.client.info().version, GetParam().text);
  EXPECT_EQ(pair.client.info().alpn, "http/1.1");
  EXPECT_EQ(pair.client.info().subject, "localhost");
  EXPECT_NE(pair.client.info().cipher.find("AES128-GCM"), std::string::npos)
      << pair.client.info().cipher;
}

TEST_P(TlsVersions, ShakesHandsWhereverTheBytesAreCut) {
  for (const std::size_t piece : {1u, 2u, 3u, 5u, 7u, 64u, 1000u}) {
    Pair pair = Pair::make(limited(trusting()), server_options(localhost()), "localhost");
    EXPECT_TRUE(pair.shake_hands(piece)) << piece;
  }
}

TEST_P(TlsVersions, RecordsCutAtEveryByteCarryTheSame) {
  Pair pair = Pair::make(limited(trusting()), server_options(localhost()), "localhost");
  ASSERT_TRUE(pair.shake_hands());
  const std::string text = "an order, a tick, and what goes between";
  std::vector<std::byte> record(TlsStream::ciphertext_bound_bytes(text.size()));
  std::vector<std::byte> plain(1000);
  for (std::size_t cut = 0;; ++cut) {
    const auto bytes = pair.client.write(as_bytes(text), record).value();
    if (cut > bytes) break;
    deliver(pair.server, Bytes(record).first(cut));
    if (cut < bytes) {
      EXPECT_FALSE(pair.server.has_complete_record());
      EXPECT_EQ(pair.server.read(plain).value(), 0u);
    }
    deliver(pair.server, Bytes(record).subspan(cut, bytes - cut));
    ASSERT_TRUE(pair.server.has_complete_record());
    const auto read = pair.server.read(plain);
    ASSERT_TRUE(read.has_value());
    EXPECT_EQ(as_text(Bytes(plain).first(*read)), text);
  }
}

TEST_P(TlsVersions, LongWritesAreSplitIntoRecordsAndReadIntoSmallRoom) {
  Pair pair = Pair::make(limited(trusting()), server_options(localhost()), "localhost");
  ASSERT_TRUE(pair.shake_hands());
  std::string text(100'000, ' ');
  for (std::size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>('a' + i % 26);
  std::vector<std::byte> records(TlsStream::ciphertext_bound_bytes(text.size()));
  const auto bytes = pair.server.write(as_bytes(text), records).value();
  std::string got;
  std::vector<std::byte> room(777);
  for (Bytes left = Bytes(records).first(bytes); !left.empty();) {
    const MutableBytes space = pair.client.ciphertext_space();
    const std::size_t part = std::min(left.size(), space.size());
    ASSERT_GT(part, 0u);
    std::memcpy(space.data(), left.data(), part);
    pair.client.ciphertext_commit(part);
    left = left.subspan(part);
    while (pair.client.has_complete_record()) {
      const auto read = pair.client.read(room);
      ASSERT_TRUE(read.has_value());
      got += as_text(Bytes(room).first(*read));
    }
  }
  EXPECT_EQ(got, text);
}

TEST_P(TlsVersions, ARecordThatWasChangedIsRefused) {
  Pair pair = Pair::make(limited(trusting()), server_options(localhost()), "localhost");
  ASSERT_TRUE(pair.shake_hands());
  std::vector<std::byte> record(TlsStream::ciphertext_bound_bytes(10));
  const auto bytes = pair.client.write(as_bytes("0123456789"), record).value();
  record[bytes - 1] ^= std::byte{1};
  deliver(pair.server, Bytes(record).first(bytes));
  std::vector<std::byte> plain(100);
  const auto read = pair.server.read(plain);
  ASSERT_FALSE(read.has_value());
  EXPECT_EQ(read.error().code(), Errc::tls_record_invalid);
  EXPECT_FALSE(pair.server.pending_out().empty());  // an alert tells the peer
}

TEST_P(TlsVersions, CloseNotifyIsTheEndAndNotAnError) {
  Pair pair = Pair::make(limited(trusting()), server_options(localhost()), "localhost");
  ASSERT_TRUE(pair.shake_hands());
  pair.server.close_notify();
  while (Pair::carry(pair.server, pair.client, 1000)) {
  }
  std::vector<std::byte> plain(100);
  Result<std::size_t> read = pair.client.read(plain);
  ASSERT_FALSE(read.has_value());
  EXPECT_EQ(read.error().code(), Errc::tls_closed);
}

TEST_P(TlsVersions, ARecordAllocatesNothing) {
  Pair pair = Pair::make(limited(trusting()), server_options(localhost()), "localhost");
  ASSERT_TRUE(pair.shake_hands());
  std::vector<std::byte> record(TlsStream::ciphertext_bound_bytes(256));
  const std::vector<std::byte> message(256, std::byte{'x'});
  std::vector<std::byte> plain(300);
  const auto exchange = [&](TlsStream& from, TlsStream& to) {
    const auto bytes = from.write(message, record);
    const MutableBytes space = to.ciphertext_space();
    std::memcpy(space.data(), record.data(), *bytes);
    to.ciphertext_commit(*bytes);
    return to.read(plain).value_or(0) == message.size();
  };
  ASSERT_TRUE(exchange(pair.client, pair.server) && exchange(pair.server, pair.client));
  const test::AllocationScope allocations;
  bool all = true;
  for (int i = 0; i < 10'000; ++i)
    all = exchange(pair.client, pair.server) && exchange(pair.server, pair.client) && all;
  EXPECT_EQ(allocations.count(), 0u);
  EXPECT_TRUE(all);
}

INSTANTIATE_TEST_SUITE_P(
    All, TlsVersions,
    testing::Values(Versions{"Tls12", TlsVersion::tls1_2, TlsVersion::tls1_2, "TLSv1.2"},
                    Versions{"Tls13", TlsVersion::tls1_3, TlsVersion::tls1_3, "TLSv1.3"},
                    Versions{"Either", TlsVersion::tls1_2, TlsVersion::tls1_3, "TLSv1.3"}),
    [](const auto& instance) { return instance.param.name; });

// --- Whom it trusts.

struct NameCase {
  const char* expected;
  Errc outcome;
};

class TlsNames : public testing::TestWithParam<NameCase> {};

TEST_P(TlsNames, AreVerifiedByTheAlternativeNamesOnly) {
  CertificateRequest request = localhost();
  request.common_name = "right.example";  // a common name counts for nothing
  Pair pair = Pair::make(trusting(), server_options(request), GetParam().expected);
  EXPECT_EQ(pair.shake_hands(), GetParam().outcome == Errc::ok);
  EXPECT_EQ(pair.client_error.code(), GetParam().outcome) << pair.client_error.detail();
  if (GetParam().outcome != Errc::ok) {
    EXPECT_NE(pair.client_error.detail().find(GetParam().expected), std::string_view::npos)
        << pair.client_error.detail();
    EXPECT_NE(pair.client_error.detail().find("127.0.0.1"), std::string_view::npos)
        << pair.client_error.detail();
  }
}

INSTANTIATE_TEST_SUITE_P(
    Table, TlsNames,
    testing::Values(NameCase{"localhost", Errc::ok}, NameCase{"LocalHost", Errc::ok},
                    NameCase{"127.0.0.1", Errc::ok}, NameCase{"::1", Errc::ok},
                    NameCase{"a.venue.example", Errc::ok},
                    NameCase{"venue.example", Errc::tls_host_name_mismatch},
                    NameCase{"a.b.venue.example", Errc::tls_host_name_mismatch},
                    NameCase{"right.example", Errc::tls_host_name_mismatch},
                    NameCase{"localhost.evil.example", Errc::tls_host_name_mismatch},
                    NameCase{"127.0.0.2", Errc::tls_address_mismatch},
                    NameCase{"::2", Errc::tls_address_mismatch}));

TEST(TlsTrust, ACommonNameWithoutAlternativeNamesIsNotEnough) {
  CertificateRequest request;
  request.common_name = "localhost";
  Pair pair = Pair::make(trusting(), server_options(request), "localhost");
  EXPECT_FALSE(pair.shake_hands());
  EXPECT_EQ(pair.client_error.code(), Errc::tls_host_name_mismatch);
}

TEST(TlsTrust, AnAddressInADnsNameIsNoAddress) {
  CertificateRequest request;
  request.dns_names = {"127.0.0.1"};
  Pair pair = Pair::make(trusting(), server_options(request), "127.0.0.1");
  EXPECT_FALSE(pair.shake_hands());
  EXPECT_EQ(pair.client_error.code(), Errc::tls_address_mismatch);
}

TEST(TlsTrust, AnUnknownAuthorityIsRefused) {
  CertificateAuthority stranger = CertificateAuthority::create("a stranger").value();
  Pair pair = Pair::make(trusting(), server_options(localhost(), stranger), "localhost");
  EXPECT_FALSE(pair.shake_hands());
  EXPECT_EQ(pair.client_error.code(), Errc::tls_unknown_authority) << pair.client_error.detail();
}

TEST(TlsTrust, TheSystemsStoreDoesNotKnowUs) {
  Pair pair = Pair::make({}, server_options(localhost()), "localhost");
  EXPECT_FALSE(pair.shake_hands());
  EXPECT_EQ(pair.client_error.code(), Errc::tls_unknown_authority);
}

TEST(TlsTrust, ExpiredAndNotYetValidAreToldApart) {
  CertificateRequest expired = localhost();
  expired.valid_from = -std::chrono::hours(47);
  expired.valid_until = -std::chrono::hours(1);
  Pair late = Pair::make(trusting(), server_options(expired), "localhost");
  EXPECT_FALSE(late.shake_hands());
  EXPECT_EQ(late.client_error.code(), Errc::tls_certificate_expired) << late.client_error.detail();
  CertificateRequest future = localhost();
  future.valid_from = std::chrono::hours(24);
  future.valid_until = std::chrono::hours(48);
  Pair early = Pair::make(trusting(), server_options(future), "localhost");
  EXPECT_FALSE(early.shake_hands());
  EXPECT_EQ(early.client_error.code(), Errc::tls_certificate_not_yet_valid)
      << early.client_error.detail();
}

TEST(TlsTrust, WithoutVerificationAnythingGoes) {
  TlsOptions careless;
  careless.verify = false;
  CertificateAuthority stranger = CertificateAuthority::create("a stranger").value();
  Pair pair = Pair::make(careless, server_options(localhost(), stranger), "elsewhere.example");
  EXPECT_TRUE(pair.shake_hands()) << pair.client_error.detail();
}

TEST(TlsTrust, APinMustMatch) {
  TlsOptions options = trusting();
  options.pins.push_back({});
  Pair wrong = Pair::make(options, server_options(localhost()), "localhost");
  EXPECT_FALSE(wrong.shake_hands());
  EXPECT_EQ(wrong.client_error.code(), Errc::tls_pin_mismatch);
  // The error names the key that was seen; pinned, it is accepted.
  const std::string detail(wrong.client_error.detail());
  const std::string digits = detail.substr(detail.find("sha256 ") + 7);
  KeyPin pin;
  for (std::size_t i = 0; i < pin.size(); ++i) {
    pin[i] = static_cast<std::byte>(std::strtoul(digits.substr(2 * i, 2).c_str(), nullptr, 16));
  }
  options.pins = {KeyPin{}, pin};
  const TlsOptions server = server_options(localhost());
  Pair other_key = Pair::make(options, server, "localhost");
  EXPECT_FALSE(other_key.shake_hands());
}

TEST(TlsTrust, AServerMayWantAClientCertificate) {
  TlsOptions server = server_options(localhost());
  server.ca_pem = authority().certificate_pem();
  TlsOptions with = trusting();
  CertificateRequest trader;
  trader.common_name = "trader";
  const auto own = authority().issue(trader).value();
  with.certificate_pem = own.certificate_pem;
  with.key_pem = own.key_pem;
  Pair good = Pair::make(with, server, "localhost");
  EXPECT_TRUE(good.shake_hands()) << good.client_error.detail() << good.server_error.detail();
  Pair bad = Pair::make(trusting(), server, "localhost");
  bad.shake_hands();
  EXPECT_TRUE(static_cast<bool>(bad.server_error));
}

TEST(TlsTrust, OptionsThatCannotBeUsedAreRefusedWithTheirName) {
  struct Case {
    TlsOptions options;
    bool server;
    Errc outcome;
    const char* names;
  };
  TlsOptions no_file;
  no_file.ca_file = "/nowhere/ca.pem";
  TlsOptions bad_pem;
  bad_pem.ca_pem = "not a certificate";
  TlsOptions bad_key = server_options(localhost());
  bad_key.key_pem = "not a key";
  const Case cases[] = {{no_file, false, Errc::file_unreadable, "ca_file"},
                        {bad_pem, false, Errc::tls_configuration, "ca_pem"},
                        {bad_key, true, Errc::tls_configuration, "key_pem"},
                        {{}, true, Errc::tls_configuration, "certificate"}};
  for (const auto& at : cases) {
    const auto made = at.server ? TlsContext::server(at.options) : TlsContext::client(at.options);
    ASSERT_FALSE(made.has_value()) << at.names;
    EXPECT_EQ(made.error().code(), at.outcome);
    EXPECT_NE(made.error().detail().find(at.names), std::string_view::npos)
        << made.error().detail();
  }
}

TEST(TlsStream, GarbageIsAnErrorAndNeverMore) {
  std::uint32_t seed = 20261124;
  for (int round = 0; round < 300; ++round) {
    Pair pair = Pair::make(trusting(), server_options(localhost()), "localhost");
    static_cast<void>(pair.client.handshake());
    std::string garbage(1 + seed % 700, ' ');
    for (char& byte : garbage) {
      seed = seed * 1664525 + 1013904223;
      byte = static_cast<char>(seed >> 24);
    }
    if (round % 2 == 0)
      garbage.replace(
          0, std::min<std::size_t>(5, garbage.size()),
          std::string("\x16\x03\x03\x00\x20", std::min<std::size_t>(5, garbage.size())));
    deliver(pair.client, as_bytes(garbage));
    const auto step = pair.client.handshake();
    EXPECT_TRUE(!step.has_value() || !*step) << "seed " << seed;
  }
}

TEST(CryptoReport, ThisBuildIsFast) {
  const CryptoReport report = crypto_report();
  EXPECT_TRUE(report.static_buffers && report.vector_code) << report.text;
  EXPECT_NE(report.text.find(report.version), std::string::npos);
}

}  // namespace
}  // namespace zenwire
