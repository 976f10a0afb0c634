// TLS between a client and a server in memory: what is verified, what is refused and with which
// words, and that records survive every cut.

#include <cstdlib>
#include <filesystem>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <record_cipher.hpp>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <zenwire/engine/tls_random.hpp>

#include "allocation_counter.hpp"
#include "seed.hpp"
#include "temporary_directory.hpp"
#include "tls_pair.hpp"

namespace zenwire::test {
namespace {

thread_local std::uint64_t kernel_draws = 0;

}  // namespace
}  // namespace zenwire::test

// The program's own comes before the C library's: it counts.
extern "C" ssize_t getrandom(void* to, std::size_t bytes, unsigned flags) {
  ++zenwire::test::kernel_draws;
  return ::syscall(SYS_getrandom, to, bytes, flags);
}

namespace zenwire::test {
namespace {

std::string letters(std::size_t bytes, std::size_t salt = 0) {
  std::string text(bytes, ' ');
  for (std::size_t i = 0; i < bytes; ++i) text[i] = static_cast<char>('a' + (i * 7 + salt) % 26);
  return text;
}

void expect_says(const Error& error, std::string_view words) {
  EXPECT_NE(error.detail().find(words), std::string_view::npos) << error.detail();
}

struct Versions {
  const char* name;
  TlsVersion min;
  TlsVersion max;
  const char* text;
};

class TlsVersions : public ::testing::TestWithParam<Versions> {
 protected:
  static TlsOptions limited(TlsOptions options) {
    options.version_min = GetParam().min;
    options.version_max = GetParam().max;
    return options;
  }
  static Pair pair(std::string_view name = "localhost") {
    return Pair::make(limited(trusting()), server_options(), name);
  }
};

TEST_P(TlsVersions, ShakesHandsAndSaysWhatWasAgreed) {
  Pair ends = pair();
  ASSERT_TRUE(ends.shake_hands()) << ends.client_error.detail();
  for (const TlsStream* end : {&ends.client, &ends.server}) {
    EXPECT_EQ(end->info().version, GetParam().text);
    EXPECT_EQ(end->info().alpn, "http/1.1");
    EXPECT_NE(end->info().cipher.find("AES128-GCM"), std::string::npos) << end->info().cipher;
  }
  EXPECT_EQ(ends.client.info().subject, "localhost");
  EXPECT_EQ(ends.server.info().subject, "");
}

TEST_P(TlsVersions, ShakesHandsWhereverTheBytesAreCut) {
  for (const std::size_t piece : {1u, 2u, 3u, 5u, 7u, 64u, 1000u}) {
    Pair ends = pair();
    EXPECT_TRUE(ends.shake_hands(piece)) << piece;
    EXPECT_EQ(Pair::say(ends.client, ends.server, "still").value(), "still");
  }
}

TEST_P(TlsVersions, RecordsCutAtEveryByteCarryTheSame) {
  Pair ends = pair();
  ASSERT_TRUE(ends.shake_hands());
  const std::string text = "an order, a tick, and what goes between";
  std::vector<std::byte> record(TlsStream::ciphertext_bound_bytes(text.size()));
  std::vector<std::byte> plain(1000);
  for (std::size_t cut = 0;; ++cut) {
    const auto bytes = ends.client.write(as_bytes(text), record).value();
    if (cut > bytes) break;
    deliver(ends.server, Bytes(record).first(cut));
    if (cut < bytes) {
      EXPECT_FALSE(ends.server.has_complete_record());
      EXPECT_EQ(ends.server.read(plain).value(), 0u);
      EXPECT_EQ(ends.server.ciphertext_pending(), cut);
    }
    deliver(ends.server, Bytes(record).subspan(cut, bytes - cut));
    ASSERT_TRUE(ends.server.has_complete_record());
    const auto read = ends.server.read(plain);
    ASSERT_TRUE(read.has_value());
    EXPECT_EQ(as_text(Bytes(plain).first(*read)), text);
    EXPECT_EQ(ends.server.ciphertext_pending(), 0u);
  }
}

TEST_P(TlsVersions, LongWritesAreSplitIntoRecordsAndReadIntoSmallRoom) {
  Pair ends = pair();
  ASSERT_TRUE(ends.shake_hands());
  const std::string text = letters(100'000);
  std::vector<std::byte> records(TlsStream::ciphertext_bound_bytes(text.size()));
  const auto bytes = ends.server.write(as_bytes(text), records).value();
  std::string got;
  std::vector<std::byte> room(777);
  for (Bytes left = Bytes(records).first(bytes); !left.empty();) {
    const std::size_t part = std::min(left.size(), ends.client.ciphertext_space().size());
    ASSERT_GT(part, 0u);
    deliver(ends.client, left.first(part));
    left = left.subspan(part);
    while (ends.client.has_complete_record()) {
      const auto read = ends.client.read(room);
      ASSERT_TRUE(read.has_value());
      got += as_text(Bytes(room).first(*read));
    }
  }
  EXPECT_EQ(got, text);
}

// Both directions at once, messages and pieces of any size, reads into any room.
TEST_P(TlsVersions, WhateverTheSizesWhatWentInComesOut) {
  const std::uint32_t seed = test::seed();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  const auto below = [&random](std::size_t bound) { return random() % bound; };
  struct Direction {
    TlsStream& from;
    TlsStream& to;
    std::string sent = {};
    std::string wire = {};
    std::string got = {};
  };
  Pair ends = pair();
  ASSERT_TRUE(ends.shake_hands());
  Direction directions[] = {{ends.client, ends.server}, {ends.server, ends.client}};
  std::vector<std::byte> room(20'000);
  for (std::size_t round = 0; round < 400; ++round) {
    Direction& at = directions[below(2)];
    const std::string text = letters(below(4) == 0 ? below(40'000) : below(300), round);
    std::vector<std::byte> records(TlsStream::ciphertext_bound_bytes(text.size()));
    const auto bytes = at.from.write(as_bytes(text), records);
    ASSERT_TRUE(bytes.has_value());
    at.sent += text;
    at.wire += as_text(Bytes(records).first(*bytes));
    for (std::size_t step = below(8); step > 0 || at.wire.size() > 100'000; step -= step > 0) {
      const std::size_t piece =
          std::min({below(30'000), at.wire.size(), at.to.ciphertext_space().size()});
      deliver(at.to, as_bytes(at.wire).first(piece));
      at.wire.erase(0, piece);
      const auto read = at.to.read(MutableBytes(room).first(1 + below(room.size())));
      ASSERT_TRUE(read.has_value()) << name(read.error().code()) << read.error().detail();
      at.got += as_text(Bytes(room).first(*read));
    }
  }
  for (Direction& at : directions) {
    while (!at.wire.empty() || at.to.has_complete_record()) {
      const std::size_t piece = std::min(at.wire.size(), at.to.ciphertext_space().size());
      deliver(at.to, as_bytes(at.wire).first(piece));
      at.wire.erase(0, piece);
      at.got += as_text(Bytes(room).first(at.to.read(room).value()));
    }
    EXPECT_EQ(at.got.size(), at.sent.size());
    EXPECT_TRUE(at.got == at.sent);
  }
}

TEST_P(TlsVersions, ARecordThatWasChangedAnywhereIsRefused) {
  std::vector<std::byte> record(TlsStream::ciphertext_bound_bytes(10));
  std::vector<std::byte> plain(100);
  // Not the length: a longer record waits for its rest, a shorter one fails like the others.
  for (std::size_t at = 5; at < 30; at += 4) {
    Pair ends = pair();
    ASSERT_TRUE(ends.shake_hands());
    const auto bytes = ends.client.write(as_bytes("0123456789"), record).value();
    record[at] ^= std::byte{1};
    deliver(ends.server, Bytes(record).first(bytes));
    const auto read = ends.server.read(plain);
    ASSERT_FALSE(read.has_value());
    EXPECT_EQ(read.error().code(), Errc::tls_record_invalid);
    // An alert tells the peer.
    while (carry(ends.server, ends.client)) {
    }
    const auto told = ends.client.read(plain);
    ASSERT_FALSE(told.has_value());
    EXPECT_EQ(told.error().code(), Errc::tls_alert);
    expect_says(told.error(), "bad_record_mac");
  }
}

TEST_P(TlsVersions, ARecordOfAnotherTypeOrWithoutEndIsRefusedAtItsHeader) {
  for (const auto& header : {std::string("\x17\x03\x03\xff\xff", 5), std::string("GET /", 5)}) {
    Pair ends = pair();
    ASSERT_TRUE(ends.shake_hands());
    deliver(ends.server, as_bytes(header));
    std::vector<std::byte> plain(100);
    const auto read = ends.server.read(plain);
    ASSERT_FALSE(read.has_value());
    EXPECT_EQ(read.error().code(), Errc::tls_record_invalid) << read.error().detail();
  }
}

TEST_P(TlsVersions, CloseNotifyIsTheEndAndLeavesTheOtherDirectionOpen) {
  Pair ends = pair();
  ASSERT_TRUE(ends.shake_hands());
  std::vector<std::byte> record(TlsStream::ciphertext_bound_bytes(4));
  std::vector<std::byte> plain(100);
  const auto bytes = ends.server.write(as_bytes("last"), record).value();
  deliver(ends.client, Bytes(record).first(bytes));
  ends.server.close_notify();
  ends.server.close_notify();  // once is enough
  while (carry(ends.server, ends.client)) {
  }
  EXPECT_EQ(ends.client.read(plain).value(), 4u);
  for (int again = 0; again < 2; ++again) {
    const auto read = ends.client.read(plain);
    if (again == 1 && read.has_value()) {
      EXPECT_EQ(*read, 0u);
      break;
    }
    ASSERT_FALSE(read.has_value());
    EXPECT_EQ(read.error().code(), Errc::tls_closed);
  }
  EXPECT_EQ(Pair::say(ends.client, ends.server, "goodbye").value(), "goodbye");
}

// --- Steady state.

bool exchange(TlsStream& from, TlsStream& to, Bytes message, MutableBytes record,
              MutableBytes plain) {
  const auto bytes = from.write(message, record);
  if (!bytes) return false;
  const MutableBytes space = to.ciphertext_space();
  std::memcpy(space.data(), record.data(), *bytes);
  to.ciphertext_commit(*bytes);
  return to.read(plain).value_or(0) == message.size();
}

TEST_P(TlsVersions, ARecordAllocatesNothingAndAsksTheKernelNothing) {
  Pair ends = pair();
  ASSERT_TRUE(ends.shake_hands());
  std::vector<std::byte> record(TlsStream::ciphertext_bound_bytes(16'384));
  std::vector<std::byte> plain(16'384);
  const std::vector<std::byte> message(16'384, std::byte{'x'});
  const auto both = [&](std::size_t bytes) {
    const Bytes part = Bytes(message).first(bytes);
    return exchange(ends.client, ends.server, part, record, plain) &&
           exchange(ends.server, ends.client, part, record, plain);
  };
  prepare_tls_random();
  const AllocationScope allocations;
  const std::uint64_t draws = kernel_draws;
  bool all = true;
  for (int i = 0; i < 10'000; ++i) all = both(256) && all;
  for (int i = 0; i < 100; ++i) all = both(16'384) && all;
  EXPECT_EQ(allocations.count(), 0u);
  EXPECT_EQ(kernel_draws, draws);
  EXPECT_TRUE(all);
}

INSTANTIATE_TEST_SUITE_P(
    All, TlsVersions,
    ::testing::Values(Versions{"Tls12", TlsVersion::tls1_2, TlsVersion::tls1_2, "TLSv1.2"},
                      Versions{"Tls13", TlsVersion::tls1_3, TlsVersion::tls1_3, "TLSv1.3"},
                      Versions{"Either", TlsVersion::tls1_2, TlsVersion::tls1_3, "TLSv1.3"}),
    [](const auto& instance) { return instance.param.name; });

// --- Key updates.

TEST(TlsKeyUpdate, IsAnsweredInTheRightOrder) {
  Pair ends = Pair::make();
  ASSERT_TRUE(ends.shake_hands());
  std::vector<std::byte> plain(100);
  for (int round = 0; round < 5; ++round) {
    ASSERT_TRUE(ends.client.update_keys().has_value());
    while (carry(ends.client, ends.server)) {
    }
    EXPECT_EQ(ends.server.read(plain).value(), 0u);
    ASSERT_FALSE(ends.server.pending_out().empty());
    // The answer was encrypted before "new" will be: it has to go first, and does.
    EXPECT_EQ(Pair::say(ends.server, ends.client, "new").value(), "new");
    EXPECT_TRUE(ends.server.pending_out().empty());
    EXPECT_EQ(Pair::say(ends.client, ends.server, "keys").value(), "keys");
  }
}

TEST(TlsKeyUpdate, AnswersThatNobodyFetchesMakeWritingWaitAndThenEndTheConnection) {
  Pair ends = Pair::make();
  ASSERT_TRUE(ends.shake_hands());
  std::vector<std::byte> plain(100);
  std::vector<std::byte> record(TlsStream::ciphertext_bound_bytes(1));
  std::size_t heard = 0;  // of the server's answers, which stay pending there
  bool waited = false;
  std::uint64_t allocated = 0;
  const AllocationScope allocations;
  for (int round = 0; round < 1000; ++round) {
    ASSERT_TRUE(ends.client.update_keys().has_value());
    while (carry(ends.client, ends.server)) {
    }
    const auto read = ends.server.read(plain);
    if (!read) {
      EXPECT_TRUE(waited);
      EXPECT_EQ(read.error().code(), Errc::tls_record_invalid);
      EXPECT_EQ(allocated, 0u);
      return;
    }
    allocated = allocations.count();
    const Bytes answers = ends.server.pending_out();
    deliver(ends.client, answers.subspan(heard));
    heard = answers.size();
    EXPECT_EQ(ends.client.read(plain).value(), 0u);
    if (heard < TlsStream::kRecordOverhead_bytes_max) continue;
    const auto written = ends.server.write(as_bytes("x"), record);
    ASSERT_FALSE(written.has_value());
    EXPECT_EQ(written.error().code(), Errc::send_queue_full);
    waited = true;
  }
  FAIL() << "a peer may fill our memory with key updates";
}

TEST(TlsKeyUpdate, OlderVersionsHaveNone) {
  TlsOptions options = trusting();
  options.version_max = TlsVersion::tls1_2;
  Pair ends = Pair::make(options);
  ASSERT_TRUE(ends.shake_hands());
  EXPECT_EQ(ends.client.update_keys().error().code(), Errc::tls_configuration);
}

// --- Whom it trusts.

struct NameCase {
  const char* expected;
  Errc outcome;
};

class TlsNames : public ::testing::TestWithParam<NameCase> {};

TEST_P(TlsNames, AreVerifiedByTheAlternativeNamesOnly) {
  CertificateRequest request = localhost();
  request.common_name = "right.example";  // a common name counts for nothing
  Pair ends = Pair::make(trusting(), server_options(request), GetParam().expected);
  EXPECT_EQ(ends.shake_hands(), GetParam().outcome == Errc::ok);
  EXPECT_EQ(ends.client_error.code(), GetParam().outcome) << ends.client_error.detail();
  if (GetParam().outcome == Errc::ok) return;
  for (const char* words : {GetParam().expected, "localhost", "*.venue.example", "127.0.0.1"})
    expect_says(ends.client_error, words);
  expect_says(ends.server_error, "bad_certificate");
}

INSTANTIATE_TEST_SUITE_P(
    Table, TlsNames,
    ::testing::Values(NameCase{"localhost", Errc::ok}, NameCase{"LocalHost", Errc::ok},
                      NameCase{"localhost.", Errc::ok}, NameCase{"127.0.0.1", Errc::ok},
                      NameCase{"::1", Errc::ok}, NameCase{"0:0:0:0:0:0:0:1", Errc::ok},
                      NameCase{"a.venue.example", Errc::ok}, NameCase{"A.VENUE.example", Errc::ok},
                      NameCase{"venue.example", Errc::tls_host_name_mismatch},
                      NameCase{"a.b.venue.example", Errc::tls_host_name_mismatch},
                      NameCase{"right.example", Errc::tls_host_name_mismatch},
                      NameCase{"localhost.evil.example", Errc::tls_host_name_mismatch},
                      NameCase{"127.0.0.2", Errc::tls_address_mismatch},
                      NameCase{"::2", Errc::tls_address_mismatch},
                      NameCase{"::ffff:127.0.0.1", Errc::tls_address_mismatch}));

TEST(TlsTrust, ACommonNameWithoutAlternativeNamesIsNotEnough) {
  CertificateRequest request;
  request.common_name = "localhost";
  Pair ends = Pair::make(trusting(), server_options(request));
  EXPECT_FALSE(ends.shake_hands());
  EXPECT_EQ(ends.client_error.code(), Errc::tls_host_name_mismatch);
  expect_says(ends.client_error, "no alternative name");
}

TEST(TlsTrust, AnAddressInADnsNameIsNoAddress) {
  CertificateRequest request;
  request.dns_names = {"127.0.0.1"};
  Pair ends = Pair::make(trusting(), server_options(request), "127.0.0.1");
  EXPECT_FALSE(ends.shake_hands());
  EXPECT_EQ(ends.client_error.code(), Errc::tls_address_mismatch);
}

TEST(TlsTrust, AnUnknownAuthorityIsRefusedAndNamed) {
  const auto stranger = CertificateAuthority::create("a stranger").value();
  Pair ends = Pair::make(trusting(), server_options(localhost(), stranger));
  EXPECT_FALSE(ends.shake_hands());
  EXPECT_EQ(ends.client_error.code(), Errc::tls_unknown_authority) << ends.client_error.detail();
  expect_says(ends.client_error, "a stranger");
  EXPECT_EQ(ends.server_error.code(), Errc::tls_alert);
  expect_says(ends.server_error, "unknown_ca");
}

TEST(TlsTrust, AnAuthorityOfTheSameNameIsStillAnother) {
  const auto impostor = CertificateAuthority::create("the test's own").value();
  Pair ends = Pair::make(trusting(), server_options(localhost(), impostor));
  EXPECT_FALSE(ends.shake_hands());
  EXPECT_EQ(ends.client_error.condition(), Condition::not_trusted) << ends.client_error.detail();
}

TEST(TlsTrust, TheSystemsStoreDoesNotKnowUs) {
  Pair ends = Pair::make({}, server_options());
  EXPECT_FALSE(ends.shake_hands());
  EXPECT_EQ(ends.client_error.code(), Errc::tls_unknown_authority);
}

TEST(TlsTrust, ASelfSignedCertificateIsRefused) {
  const auto itself = CertificateAuthority::self_signed(localhost()).value();
  Pair ends = Pair::make(trusting(), with_identity({}, itself));
  EXPECT_FALSE(ends.shake_hands());
  EXPECT_EQ(ends.client_error.code(), Errc::tls_unknown_authority) << ends.client_error.detail();
}

TEST(TlsTrust, ExpiredAndNotYetValidAreToldApart) {
  CertificateRequest expired = localhost();
  expired.valid_from = -std::chrono::hours(47);
  expired.valid_until = -std::chrono::hours(1);
  Pair late = Pair::make(trusting(), server_options(expired));
  EXPECT_FALSE(late.shake_hands());
  EXPECT_EQ(late.client_error.code(), Errc::tls_certificate_expired) << late.client_error.detail();
  expect_says(late.client_error, "valid from 20");
  expect_says(late.server_error, "certificate_expired");
  CertificateRequest future = localhost();
  future.valid_from = std::chrono::hours(24);
  future.valid_until = std::chrono::hours(48);
  Pair early = Pair::make(trusting(), server_options(future));
  EXPECT_FALSE(early.shake_hands());
  EXPECT_EQ(early.client_error.code(), Errc::tls_certificate_not_yet_valid)
      << early.client_error.detail();
}

TEST(TlsTrust, AChainIsFollowedToTheRoot) {
  const auto middle = authority().subordinate("middle").value();
  const auto lower = middle.subordinate("lower").value();
  Pair ends = Pair::make(trusting(), server_options(localhost(), lower));
  EXPECT_TRUE(ends.shake_hands()) << ends.client_error.detail();
  // Without what is between, nobody vouches.
  auto identity = lower.issue(localhost()).value();
  constexpr std::string_view kEnd = "-----END CERTIFICATE-----\n";
  identity.certificate_pem.resize(identity.certificate_pem.find(kEnd) + kEnd.size());
  Pair missing = Pair::make(trusting(), with_identity({}, identity));
  EXPECT_FALSE(missing.shake_hands());
  EXPECT_EQ(missing.client_error.code(), Errc::tls_unknown_authority);
}

// As when a server sends a root that was cross-signed by one that clients have given up.
TEST(TlsTrust, AuthoritiesThatAreNotNeededDoNotMatter) {
  const auto gone = CertificateAuthority::create("a root that has gone").value();
  const auto cross_signed = gone.subordinate("cross-signed").value();
  Pair trusted_itself =
      Pair::make(trusting(cross_signed), server_options(localhost(), cross_signed));
  EXPECT_TRUE(trusted_itself.shake_hands()) << trusted_itself.client_error.detail();

  auto identity = authority().issue(localhost()).value();
  identity.certificate_pem += cross_signed.certificate_pem() + gone.certificate_pem();
  Pair litter = Pair::make(trusting(), with_identity({}, identity));
  EXPECT_TRUE(litter.shake_hands()) << litter.client_error.detail();

  // And what was left out is not trusted from then on, by the same context either.
  const auto context = TlsContext::client(trusting()).value();
  for (const auto& server :
       {with_identity({}, identity), server_options(localhost(), cross_signed)}) {
    const bool good = server.certificate_pem == identity.certificate_pem;
    const auto theirs = TlsContext::server(server).value();
    Pair ends{TlsStream::client(context, "localhost").value(), TlsStream::server(theirs).value()};
    EXPECT_EQ(ends.shake_hands(), good) << ends.client_error.detail();
  }
}

TEST(TlsTrust, ASelfSignedCertificateCanBeTrustedItself) {
  const auto itself = CertificateAuthority::self_signed(localhost()).value();
  TlsOptions options;
  options.ca_pem = itself.certificate_pem;
  Pair ends = Pair::make(options, with_identity({}, itself));
  EXPECT_TRUE(ends.shake_hands()) << ends.client_error.detail();
  Pair other = Pair::make(options, server_options());
  EXPECT_FALSE(other.shake_hands());
}

TEST(TlsTrust, WithoutVerificationAnythingGoes) {
  TlsOptions careless;
  careless.verify = false;
  const auto stranger = CertificateAuthority::create("a stranger").value();
  CertificateRequest expired = localhost();
  expired.valid_until = -std::chrono::hours(1);
  Pair ends = Pair::make(careless, server_options(expired, stranger), "elsewhere.example");
  EXPECT_TRUE(ends.shake_hands()) << ends.client_error.detail();
}

KeyPin pin_from(const Error& error) {
  const std::string detail(error.detail());
  const std::string digits = detail.substr(detail.find("sha256 ") + 7);
  KeyPin pin;
  for (std::size_t i = 0; i < pin.size(); ++i)
    pin[i] = static_cast<std::byte>(std::strtoul(digits.substr(2 * i, 2).c_str(), nullptr, 16));
  return pin;
}

TEST(TlsTrust, APinMustMatchBesidesTheChainOrInsteadOfIt) {
  const auto itself = CertificateAuthority::self_signed(localhost()).value();
  for (const bool verify : {true, false}) {
    TlsOptions options = trusting();
    options.verify = verify;
    options.pins = {KeyPin{}, KeyPin{std::byte{1}}};
    const TlsOptions server = verify ? server_options() : with_identity({}, itself);
    Pair wrong = Pair::make(options, server);
    EXPECT_FALSE(wrong.shake_hands());
    ASSERT_EQ(wrong.client_error.code(), Errc::tls_pin_mismatch) << verify;
    // The error names the key that was seen; pinned, that one is accepted and no other.
    options.pins.push_back(pin_from(wrong.client_error));
    Pair right = Pair::make(options, server);
    EXPECT_TRUE(right.shake_hands()) << right.client_error.detail();
    Pair other_key = Pair::make(options, server_options());
    EXPECT_FALSE(other_key.shake_hands());
    EXPECT_EQ(other_key.client_error.code(), Errc::tls_pin_mismatch);
  }
}

TEST(TlsTrust, VersionsWithoutOverlapAreRefusedByBoth) {
  TlsOptions older = server_options();
  older.version_max = TlsVersion::tls1_2;
  TlsOptions newer = trusting();
  newer.version_min = TlsVersion::tls1_3;
  Pair ends = Pair::make(newer, older);
  EXPECT_FALSE(ends.shake_hands());
  for (const Error& error : {ends.client_error, ends.server_error}) {
    EXPECT_TRUE(error.code() == Errc::tls_handshake_failed || error.code() == Errc::tls_alert);
    expect_says(error, "version");
  }
}

// --- Certificates of clients.

class TlsClientCertificate : public ::testing::TestWithParam<TlsVersion> {
 protected:
  // What the client learns: in TLS 1.3 it has finished before the server looks at its certificate.
  static Error outcome(TlsOptions client) {
    client.version_max = GetParam();
    TlsOptions server = server_options();
    server.ca_pem = authority().certificate_pem();
    Pair ends = Pair::make(client, server);
    const bool done = ends.shake_hands();
    if (done || ends.client_error) return ends.client_error;
    std::vector<std::byte> plain(100);
    const auto read = ends.client.read(plain);
    return read ? Error{} : read.error();
  }
};

TEST_P(TlsClientCertificate, IsGivenToWhoeverWantsIt) {
  CertificateRequest trader;
  trader.common_name = "trader";
  EXPECT_FALSE(outcome(with_identity(trusting(), authority().issue(trader).value())));
}

TEST_P(TlsClientCertificate, OfAStrangerIsRefused) {
  const auto stranger = CertificateAuthority::create("a stranger").value();
  const Error error = outcome(with_identity(trusting(), stranger.issue({}).value()));
  EXPECT_EQ(error.code(), Errc::tls_client_certificate_refused) << error.detail();
  expect_says(error, "unknown_ca");
}

TEST_P(TlsClientCertificate, IsMissed) {
  const Error error = outcome(trusting());
  const bool newer = GetParam() == TlsVersion::tls1_3;
  EXPECT_EQ(error.code(), newer ? Errc::tls_client_certificate_refused : Errc::tls_alert)
      << error.detail();
  expect_says(error, newer ? "certificate_required" : "handshake_failure");
}

INSTANTIATE_TEST_SUITE_P(Versions, TlsClientCertificate,
                         ::testing::Values(TlsVersion::tls1_2, TlsVersion::tls1_3));

// --- Options.

TEST(TlsOptionsTest, ThatCannotBeUsedAreRefusedWithTheirName) {
  struct Case {
    TlsOptions options;
    bool server;
    Errc outcome;
    const char* names;
  };
  const auto changed = [](TlsOptions options, auto change) {
    change(options);
    return options;
  };
  const std::string other_key = authority().issue(localhost()).value().key_pem;
  const Case cases[] = {
      {changed({}, [](auto& o) { o.ca_file = "/nowhere/ca.pem"; }), false, Errc::file_unreadable,
       "ca_file"},
      {changed({}, [](auto& o) { o.ca_file = "/"; }), false, Errc::file_unreadable, "ca_file"},
      {changed({}, [](auto& o) { o.ca_file = "/dev/null"; }), false, Errc::tls_configuration,
       "ca_file"},
      {changed({}, [](auto& o) { o.ca_directory = "/nowhere"; }), false, Errc::file_unreadable,
       "ca_directory"},
      {changed({}, [](auto& o) { o.ca_directory = "/dev/null"; }), false, Errc::file_unreadable,
       "ca_directory"},
      {changed({}, [](auto& o) { o.ca_pem = "not a certificate"; }), false, Errc::tls_configuration,
       "ca_pem"},
      {changed(server_options(), [](auto& o) { o.key_pem = "not a key"; }), true,
       Errc::tls_configuration, "key_pem"},
      {changed(server_options(), [](auto& o) { o.key_pem.clear(); }), true, Errc::tls_configuration,
       "without its key"},
      {changed(server_options(), [](auto& o) { o.certificate_pem.clear(); }), false,
       Errc::tls_configuration, "without its certificate"},
      {changed(server_options(), [&](auto& o) { o.key_pem = other_key; }), true,
       Errc::tls_configuration, "not the key of"},
      {changed(server_options(), [](auto& o) { o.certificate_pem = "no"; }), true,
       Errc::tls_configuration, "certificate_pem"},
      {changed(server_options(), [](auto& o) { o.key_file = "k"; }), true,
       Errc::contradictory_options, "key_file"},
      {changed(server_options(), [](auto& o) { o.certificate_file = "c"; }), true,
       Errc::contradictory_options, "certificate_file"},
      {changed({},
               [](auto& o) {
                 o.version_min = TlsVersion::tls1_3;
                 o.version_max = TlsVersion::tls1_2;
               }),
       false, Errc::contradictory_options, "version_min"},
      {{}, true, Errc::tls_configuration, "certificate"}};
  for (const auto& at : cases) {
    SCOPED_TRACE(at.names);
    const auto made = at.server ? TlsContext::server(at.options) : TlsContext::client(at.options);
    ASSERT_FALSE(made.has_value());
    EXPECT_EQ(made.error().code(), at.outcome) << made.error().detail();
    expect_says(made.error(), at.names);
    EXPECT_EQ(made.error().detail().find("PRIVATE"), std::string_view::npos);
  }
}

TEST(TlsOptionsTest, FilesServeLikeText) {
  const TemporaryDirectory directory;
  const auto identity = authority().issue(localhost()).value();
  TlsOptions server;
  server.certificate_file = directory.write("certificate.pem", identity.certificate_pem);
  server.key_file = directory.write("key.pem", identity.key_pem);
  TlsOptions by_file;
  by_file.ca_file = directory.write("ca.pem", authority().certificate_pem());
  TlsOptions by_directory;
  std::filesystem::create_directory(directory.path() + "/ca");
  std::filesystem::copy(by_file.ca_file, directory.path() + "/ca/ca.pem");
  by_directory.ca_directory = directory.path() + "/ca";
  for (const auto& client : {by_file, by_directory}) {
    Pair ends = Pair::make(client, server);
    EXPECT_TRUE(ends.shake_hands()) << ends.client_error.detail();
  }
  // Several authorities in one file, with text between them, as bundles have it.
  const auto other = CertificateAuthority::create("another").value();
  by_file.ca_file = directory.write("bundle.pem", "# another\n" + other.certificate_pem() +
                                                      "\n# ours\n" + authority().certificate_pem());
  Pair ends = Pair::make(by_file, server);
  EXPECT_TRUE(ends.shake_hands()) << ends.client_error.detail();
}

TEST(TlsOptionsTest, AServersNameHasAnEnd) {
  const auto context = TlsContext::client(trusting()).value();
  const auto made = TlsStream::client(context, std::string(300, 'a'));
  ASSERT_FALSE(made.has_value());
  EXPECT_EQ(made.error().code(), Errc::invalid_option);
}

// --- Bad input.

TEST(TlsGarbage, AnotherProtocolIsNamed) {
  for (const std::string_view answer :
       {"HTTP/1.1 400 Bad Request\r\n\r\n", "SSH-2.0-OpenSSH_9.2\r\n", "<?xml version"}) {
    Pair ends = Pair::make();
    static_cast<void>(ends.client.handshake());
    deliver(ends.client, as_bytes(answer));
    const auto step = ends.client.handshake();
    ASSERT_FALSE(step.has_value());
    EXPECT_EQ(step.error().code(), Errc::tls_handshake_failed);
    expect_says(step.error(), answer.substr(0, 8));
    deliver(ends.server, as_bytes("GET / HTTP/1.1\r\n"));
    EXPECT_EQ(ends.server.handshake().error().code(), Errc::tls_handshake_failed);
  }
}

TEST(TlsGarbage, IsAnErrorAndNeverMore) {
  const std::uint32_t seed = test::seed();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  const TlsOptions server = server_options();
  for (int round = 0; round < 300; ++round) {
    Pair ends = Pair::make(trusting(), server);
    static_cast<void>(ends.client.handshake());
    std::string garbage(1 + random() % 700, ' ');
    for (char& byte : garbage) byte = static_cast<char>(random());
    if (round % 2 == 0) garbage = std::string("\x16\x03\x03\x00\x20", 5) + garbage;
    deliver(ends.client, as_bytes(garbage));
    deliver(ends.server, as_bytes(garbage));
    EXPECT_FALSE(ends.client.handshake().value_or(false));
    EXPECT_FALSE(ends.server.handshake().value_or(false));
  }
}

// A true handshake with a few bytes changed on the way: it fails, or the change made no difference.
TEST(TlsGarbage, AHandshakeWithChangedBytesFailsCleanly) {
  const std::uint32_t seed = test::seed();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  const TlsOptions server = server_options();
  int finished = 0;
  for (int round = 0; round < 300; ++round) {
    TlsOptions client = trusting();
    if (round % 2 == 0) client.version_max = TlsVersion::tls1_2;
    Pair ends = Pair::make(client, server);
    std::size_t until = random() % 1500;
    bool failed = false;
    const auto step = [&](TlsStream& from, TlsStream& to) {
      std::string bytes(as_text(from.pending_out()));
      from.pending_out_consume(bytes.size());
      if (until < bytes.size()) bytes[until] ^= static_cast<char>(1 + random() % 255);
      until = until < bytes.size() ? SIZE_MAX : until - bytes.size();
      deliver(to, as_bytes(bytes));
      const auto done = to.handshake();
      failed |= !done;
      return done.value_or(false);
    };
    failed = !ends.client.handshake();
    bool client_done = false;
    bool server_done = false;
    for (int flight = 0; flight < 6 && !failed; ++flight) {
      server_done = step(ends.client, ends.server);
      if (!failed) client_done = step(ends.server, ends.client);
    }
    finished += client_done && server_done && !failed;
  }
  EXPECT_LT(finished, 100);  // those whose change lay behind the last byte
}

// --- Random bytes.

// SplitMix64: any fixed sequence does.
struct Seeded {
  std::uint64_t state;
  void fill(MutableBytes to) noexcept {
    for (std::byte& byte : to) {
      state += 0x9e3779b97f4a7c15;
      std::uint64_t mixed = (state ^ (state >> 30)) * 0xbf58476d1ce4e5b9;
      mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111eb;
      byte = static_cast<std::byte>(mixed >> 56);
    }
  }
};

std::string whole_session(const TlsOptions& client, const TlsOptions& server) {
  Pair ends = Pair::make(client, server);
  std::string wire;
  for (int flight = 0; flight < 4; ++flight) {
    static_cast<void>(ends.client.handshake());
    wire += as_text(ends.client.pending_out());
    while (carry(ends.client, ends.server)) {
    }
    static_cast<void>(ends.server.handshake());
    wire += as_text(ends.server.pending_out());
    while (carry(ends.server, ends.client)) {
    }
  }
  std::vector<std::byte> record(TlsStream::ciphertext_bound_bytes(5));
  const auto bytes = ends.client.write(as_bytes("hello"), record).value();
  return wire + std::string(as_text(Bytes(record).first(bytes)));
}

TEST(TlsRandom, ASeedMakesASessionRepeatable) {
  const TlsOptions server = server_options();
  for (const TlsVersion version : {TlsVersion::tls1_2, TlsVersion::tls1_3}) {
    TlsOptions client = trusting();
    client.version_max = version;
    const auto seeded = [&](std::uint64_t seed) {
      Seeded source{seed};
      set_tls_random_source(Callback<MutableBytes>::to<&Seeded::fill>(source));
      std::string session = whole_session(client, server);
      set_tls_random_source({});
      return session;
    };
    EXPECT_TRUE(seeded(1) == seeded(1));
    EXPECT_FALSE(seeded(1) == seeded(2));
    EXPECT_FALSE(whole_session(client, server) == whole_session(client, server));
  }
}

std::string hello() {
  const auto context = TlsContext::client(trusting()).value();
  auto stream = TlsStream::client(context, "localhost").value();
  static_cast<void>(stream.handshake());
  return std::string(as_text(stream.pending_out()));
}

TEST(TlsRandom, EveryStreamIsSeededAnew) {
  const std::uint64_t before = kernel_draws;
  EXPECT_NE(hello(), hello());
  EXPECT_EQ(kernel_draws, before + 2);
}

// A child process must not go on with its parent's bytes.
TEST(TlsRandom, AForkDoesNotRepeat) {
  const auto context = TlsContext::client(trusting()).value();
  auto stream = TlsStream::client(context, "localhost").value();
  prepare_tls_random();  // the bytes that both would draw lie ready
  int pipe_ends[2];
  ASSERT_EQ(::pipe(pipe_ends), 0);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  static_cast<void>(stream.handshake());
  const std::string mine(as_text(stream.pending_out()));
  if (child == 0) ::_exit(::write(pipe_ends[1], mine.data(), mine.size()) > 0 ? 0 : 1);
  std::string theirs(mine.size(), ' ');
  ASSERT_EQ(::read(pipe_ends[0], theirs.data(), theirs.size()),
            static_cast<ssize_t>(theirs.size()));
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  EXPECT_NE(mine, theirs);
  ::close(pipe_ends[0]);
  ::close(pipe_ends[1]);
}

// --- Threads.

TEST(TlsThreads, AContextServesSeveral) {
  const auto middle = authority().subordinate("shared").value();
  const auto ours = TlsContext::client(trusting()).value();
  const auto theirs = TlsContext::server(server_options(localhost(), middle)).value();
  std::vector<std::thread> threads;
  std::vector<int> good(3, 0);
  for (int& count : good) {
    threads.emplace_back([&ours, &theirs, &count] {
      for (int round = 0; round < 20; ++round) {
        Pair ends{TlsStream::client(ours, "localhost").value(), TlsStream::server(theirs).value()};
        count += ends.shake_hands() && Pair::say(ends.client, ends.server, "x").value_or("") == "x";
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(good, std::vector<int>(3, 20));
}

// The set-up thread shakes hands, the reactor's reads and writes.
TEST(TlsThreads, AStreamIsHandedOver) {
  Pair ends = Pair::make();
  std::thread([&ends] { ASSERT_TRUE(ends.shake_hands()); }).join();
  EXPECT_EQ(Pair::say(ends.client, ends.server, "over").value(), "over");
}

TEST(CryptoReportTest, ThisBuildIsFast) {
  const CryptoReport report = crypto_report();
  EXPECT_TRUE(report.static_buffers && report.vector_code) << report.text;
  EXPECT_EQ(report.fast, report.aes_ni && report.vector_code && report.static_buffers);
  EXPECT_NE(report.text.find(report.version), std::string::npos);
  EXPECT_EQ(report.wide_records, detail::RecordCipher::available());
  EXPECT_EQ(report.text.find("VAES") != std::string::npos, report.wide_records) << report.text;
}

}  // namespace
}  // namespace zenwire::test
