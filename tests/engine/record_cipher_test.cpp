// AES-GCM of TLS records beside wolfSSL's own, whose answers are the oracle.

#include <algorithm>
#include <array>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <record_cipher.hpp>
#include <tls_cipher.hpp>
#include <wolfssl.hpp>

#include "allocation_counter.hpp"
#include "seed.hpp"

namespace zenwire::test {
namespace {

using detail::RecordCipher;
using detail::RecordText;
using detail::TlsCiphers;
using detail::TlsCiphersInUse;

using Buffer = std::vector<std::byte>;
using Tag = std::array<std::byte, RecordCipher::kTag_bytes>;

Buffer random_bytes(std::mt19937_64& random, std::size_t bytes) {
  Buffer made(bytes);
  for (std::byte& each : made) each = static_cast<std::byte>(random());
  return made;
}

const byte* raw(const Buffer& buffer) {
  return reinterpret_cast<const byte*>(buffer.data());
}
byte* raw(std::byte* bytes) {
  return reinterpret_cast<byte*>(bytes);
}

// A wolfSSL cipher; `device` as of a stream, or INVALID_DEVID.
class Wolf {
 public:
  explicit Wolf(const Buffer& key, int device = INVALID_DEVID) {
    EXPECT_EQ(wc_AesInit(&aes_, nullptr, device), 0);
    EXPECT_EQ(wc_AesGcmSetKey(&aes_, raw(key), static_cast<word32>(key.size())), 0);
  }
  Wolf(const Wolf&) = delete;
  Wolf& operator=(const Wolf&) = delete;
  ~Wolf() { wc_AesFree(&aes_); }

  int seal(std::byte* to, const Buffer& from, const Buffer& nonce, Tag& tag,
           const Buffer& additional) {
    return wc_AesGcmEncrypt(&aes_, raw(to), raw(from), static_cast<word32>(from.size()), raw(nonce),
                            static_cast<word32>(nonce.size()), raw(tag.data()), Tag().size(),
                            raw(additional), static_cast<word32>(additional.size()));
  }
  int open(std::byte* to, const Buffer& from, const Buffer& nonce, const Tag& tag,
           const Buffer& additional) {
    return wc_AesGcmDecrypt(&aes_, raw(to), raw(from), static_cast<word32>(from.size()), raw(nonce),
                            static_cast<word32>(nonce.size()),
                            reinterpret_cast<const byte*>(tag.data()), Tag().size(),
                            raw(additional), static_cast<word32>(additional.size()));
  }
  Aes& aes() { return aes_; }

 private:
  Aes aes_{};
};

// A record of TLS with everything that goes with it, and wolfSSL's answer.
struct Sample {
  Buffer key, nonce, additional, text, sealed;
  Tag tag{};

  Sample(std::mt19937_64& random, std::size_t bytes, std::size_t key_bytes, std::size_t aad_bytes)
      : key(random_bytes(random, key_bytes)),
        nonce(random_bytes(random, RecordCipher::kNonce_bytes)),
        additional(random_bytes(random, aad_bytes)),
        text(random_bytes(random, bytes)),
        sealed(bytes) {
    EXPECT_EQ(Wolf(key).seal(sealed.data(), text, nonce, tag, additional), 0);
  }

  [[nodiscard]] RecordText record(const Buffer& from, std::byte* to) const {
    return {key, nonce, additional, from, to, RecordCipher::kTag_bytes};
  }
};

class RecordCipherTest : public ::testing::Test {
 protected:
  void SetUp() override {
    detail::wolfssl_start();
    if (!RecordCipher::available())
      GTEST_SKIP() << "no VAES here, or no intel-ipsec-mb: wolfSSL's own ciphers run instead";
  }
  std::mt19937_64 random_{seed()};
  const ::testing::ScopedTrace trace_{__FILE__, __LINE__,
                                      "ZENWIRE_TEST_SEED=" + std::to_string(seed())};
};

// Every length up to some vectors, then the edges of TLS's records.
TEST_F(RecordCipherTest, AgreesWithWolfSslAtEveryLength) {
  std::vector<std::size_t> lengths(1100);
  for (std::size_t i = 0; i < lengths.size(); ++i) lengths[i] = i + 1;
  for (const std::size_t more : {2047u, 4096u, 8191u, 16383u, 16384u, 16385u, 16640u})
    lengths.push_back(more);
  for (const std::size_t bytes : lengths) {
    for (const std::size_t key_bytes : {16u, 32u}) {
      const Sample sample(random_, bytes, key_bytes, bytes % 2 == 0 ? 5 : 13);
      RecordCipher cipher;
      Buffer sealed(bytes), opened(bytes);
      Tag tag{};
      cipher.seal(sample.record(sample.text, sealed.data()), tag.data());
      ASSERT_TRUE(sealed == sample.sealed && tag == sample.tag) << bytes << ", key " << key_bytes;
      ASSERT_TRUE(cipher.open(sample.record(sample.sealed, opened.data()), sample.tag.data()));
      ASSERT_EQ(opened, sample.text) << bytes << ", key " << key_bytes;
    }
  }
}

TEST_F(RecordCipherTest, OpensAndSealsInPlace) {
  for (const std::size_t bytes : {1u, 15u, 16u, 17u, 200u, 4097u, 16385u}) {
    const Sample sample(random_, bytes, 16, 5);
    RecordCipher cipher;
    Tag tag{};
    Buffer place = sample.text;
    cipher.seal(sample.record(place, place.data()), tag.data());
    EXPECT_EQ(place, sample.sealed) << bytes;
    EXPECT_TRUE(cipher.open(sample.record(place, place.data()), tag.data()));
    EXPECT_EQ(place, sample.text) << bytes;
  }
}

// Any one bit: of the text, the tag, the nonce, what is authenticated beside, or the key.
TEST_F(RecordCipherTest, AForgedRecordIsRefusedAndWiped) {
  for (int round = 0; round < 500; ++round) {
    Sample sample(random_, 1 + random_() % 600, random_() % 2 == 0 ? 16 : 32, 5);
    Buffer tag(sample.tag.begin(), sample.tag.end());
    std::array<Buffer*, 5> parts{&sample.sealed, &tag, &sample.nonce, &sample.additional,
                                 &sample.key};
    Buffer& forged = *parts[random_() % parts.size()];
    forged[random_() % forged.size()] ^= static_cast<std::byte>(1u << random_() % 8);
    RecordCipher cipher;
    Buffer to(sample.text.size(), std::byte{0x5a});
    ASSERT_FALSE(cipher.open(sample.record(sample.sealed, to.data()), tag.data()));
    ASSERT_EQ(to, Buffer(to.size())) << "what failed must not be seen";
  }
}

// A key update: the cipher is the same, its key another, of another length even.
TEST_F(RecordCipherTest, FollowsTheKeyThatComesWithARecord) {
  RecordCipher cipher;
  for (int round = 0; round < 200; ++round) {
    const Sample sample(random_, 64, random_() % 2 == 0 ? 16 : 32, 5);
    for (int again = 0; again < 2; ++again) {
      Buffer opened(64);
      ASSERT_TRUE(cipher.open(sample.record(sample.sealed, opened.data()), sample.tag.data()));
      ASSERT_EQ(opened, sample.text);
    }
  }
}

TEST_F(RecordCipherTest, AForgottenKeyComesAgainWithTheNextRecord) {
  const Sample sample(random_, 64, 32, 5);
  const Buffer& key = sample.key;
  RecordCipher cipher;
  const auto keeps_key = [&] {
    const auto* const begin = reinterpret_cast<const std::byte*>(&cipher);
    return std::search(begin, begin + sizeof cipher, key.begin(), key.end()) !=
           begin + sizeof cipher;
  };
  for (int round = 0; round < 2; ++round) {
    Buffer opened(64);
    ASSERT_TRUE(cipher.open(sample.record(sample.sealed, opened.data()), sample.tag.data()));
    EXPECT_TRUE(keeps_key());
    cipher.forget();
    EXPECT_FALSE(keeps_key());
  }
}

TEST_F(RecordCipherTest, TakesTheShapesOfTlsOnly) {
  const Sample sample(random_, 64, 16, 5);
  std::byte to[64];
  const RecordText good = sample.record(sample.sealed, to);
  EXPECT_TRUE(RecordCipher::takes(good));
  const auto with = [&](auto&& change) {
    RecordText record = good;
    change(record);
    return RecordCipher::takes(record);
  };
  EXPECT_FALSE(with([](RecordText& record) { record.from = {}; }));
  EXPECT_FALSE(with([](RecordText& record) { record.to = nullptr; }));
  EXPECT_FALSE(with([](RecordText& record) { record.additional = {}; }));
  EXPECT_FALSE(with([](RecordText& record) { record.nonce = record.nonce.first(8); }));
  EXPECT_FALSE(with([](RecordText& record) { record.tag_bytes = 12; }));
  EXPECT_FALSE(with([&](RecordText& record) { record.key = Bytes(sample.text).first(24); }));
}

TEST_F(RecordCipherTest, AllocatesNothing) {
  const Sample one(random_, 300, 16, 5);
  const Sample other(random_, 300, 32, 5);
  TlsCiphers ciphers;
  Buffer to(300);
  Tag tag{};
  const AllocationScope allocations;
  for (const Sample* sample : {&one, &other, &one}) {
    ciphers.sealing.seal(sample->record(sample->text, to.data()), tag.data());
    ASSERT_TRUE(
        ciphers.opening.open(sample->record(sample->sealed, to.data()), sample->tag.data()));
  }
  EXPECT_EQ(allocations.count(), 0u);
}

// With a wrong expanded key of its own wolfSSL could not do it by itself: the stream's ciphers did.
TEST_F(RecordCipherTest, WolfSslComesToTheCiphersInUse) {
  const Sample sample(random_, 300, 16, 5);
  TlsCiphers ciphers;
  Wolf wolf(sample.key, detail::tls_cipher_device());
  Wolf other(random_bytes(random_, 16));
  std::copy(std::begin(other.aes().key), std::end(other.aes().key), std::begin(wolf.aes().key));
  Buffer to(300);
  Tag tag{};
  {
    const TlsCiphersInUse in_use(ciphers);
    EXPECT_EQ(wolf.seal(to.data(), sample.text, sample.nonce, tag, sample.additional), 0);
    EXPECT_TRUE(to == sample.sealed && tag == sample.tag);
    EXPECT_EQ(wolf.open(to.data(), sample.sealed, sample.nonce, sample.tag, sample.additional), 0);
    EXPECT_EQ(to, sample.text);
    Tag forged = sample.tag;
    forged[3] ^= std::byte{4};
    EXPECT_EQ(wolf.open(to.data(), sample.sealed, sample.nonce, forged, sample.additional),
              AES_GCM_AUTH_E);
  }
  EXPECT_EQ(wolf.open(to.data(), sample.sealed, sample.nonce, sample.tag, sample.additional),
            AES_GCM_AUTH_E)
      << "outside of a stream wolfSSL is on its own";
}

}  // namespace
}  // namespace zenwire::test
