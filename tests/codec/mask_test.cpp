// Masking: RFC 6455, section 5.3. Every kernel against the definition, at all lengths, alignments
// and phases.

#include <array>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include <zenwire/codec/mask.hpp>

namespace zenwire {
namespace {

constexpr std::uint64_t kSeed = 20240601;
constexpr std::size_t kLength_max = 600;
constexpr std::size_t kAlignments = 64;
constexpr std::byte kGuard{0xa5};

// The definition, and nothing else.
void mask_by_definition(std::byte* bytes, std::size_t count, MaskingKey key, std::size_t phase) {
  std::array<std::byte, 4> key_bytes;
  std::memcpy(key_bytes.data(), &key, sizeof key);
  for (std::size_t i = 0; i < count; ++i) bytes[i] ^= key_bytes[(i + phase) % 4];
}

struct Buffers {
  alignas(64) std::array<std::byte, kLength_max + 2 * kAlignments + 64> from;
  alignas(64) std::array<std::byte, kLength_max + 2 * kAlignments + 64> to;
  alignas(64) std::array<std::byte, kLength_max + 2 * kAlignments + 64> expected;
};

using MaskFunction = void (*)(std::byte*, const std::byte*, std::size_t, MaskingKey) noexcept;

void check_length(MaskFunction mask, Buffers& buffers, std::size_t length, MaskingKey key) {
  for (std::size_t alignment = 0; alignment < kAlignments; ++alignment) {
    const std::byte* const from = buffers.from.data() + (alignment * 7 + length) % kAlignments;
    std::byte* const to = buffers.to.data() + alignment;
    buffers.to.fill(kGuard);
    buffers.expected.fill(kGuard);
    std::memcpy(buffers.expected.data() + alignment, from, length);
    mask_by_definition(buffers.expected.data() + alignment, length, key, 0);
    mask(to, from, length, key);
    ASSERT_EQ(buffers.to, buffers.expected)
        << "copy of " << length << " to alignment " << alignment;
    std::memcpy(to, from, length);
    mask(to, to, length, key);
    ASSERT_EQ(buffers.to, buffers.expected)
        << "in place, " << length << " at alignment " << alignment;
  }
}

void check_all(MaskFunction mask) {
  SCOPED_TRACE(testing::Message() << "seed " << kSeed);
  std::mt19937_64 random(kSeed);
  Buffers buffers;
  for (std::byte& byte : buffers.from) byte = static_cast<std::byte>(random());
  for (std::size_t length = 0; length <= kLength_max; ++length) {
    check_length(mask, buffers, length, static_cast<MaskingKey>(random()));
    if (testing::Test::HasFatalFailure()) return;
  }
}

TEST(Mask, EveryKernelAgreesWithTheDefinitionAtAllLengthsAndAlignments) {
  for (const Kernel kernel : kernels_available()) {
    SCOPED_TRACE(name(kernel));
    check_all(detail::kernel_table(kernel).mask_copy);
    if (HasFatalFailure()) return;
  }
}

TEST(Mask, TheInlineFormsAgreeToo) {
  for (const Kernel kernel : kernels_available()) {
    SCOPED_TRACE(name(kernel));
    detail::force_kernel(kernel);
    EXPECT_EQ(active_kernel(), kernel);
    check_all([](std::byte* to, const std::byte* from, std::size_t bytes, MaskingKey key) noexcept {
      mask_copy(to, from, bytes, key);
    });
  }
  detail::force_kernel(kernels_available().back());
}

TEST(Mask, StartsAtAnyPhase) {
  std::mt19937_64 random(kSeed);
  for (std::size_t phase = 0; phase < 70; ++phase) {
    for (const std::size_t length :
         {0u, 1u, 3u, 4u, 7u, 15u, 16u, 31u, 33u, 100u, 255u, 256u, 257u, 1000u}) {
      std::vector<std::byte> bytes(length);
      for (std::byte& byte : bytes) byte = static_cast<std::byte>(random());
      const auto key = static_cast<MaskingKey>(random());
      std::vector<std::byte> expected = bytes;
      mask_by_definition(expected.data(), length, key, phase);
      mask_copy(bytes.data(), bytes.data(), length, key, phase);
      ASSERT_EQ(bytes, expected) << "phase " << phase << ", length " << length << ", seed "
                                 << kSeed;
    }
  }
}

TEST(Mask, MaskingInPiecesIsMaskingAtOnce) {
  std::mt19937_64 random(kSeed);
  std::vector<std::byte> whole(5000);
  for (std::byte& byte : whole) byte = static_cast<std::byte>(random());
  const auto key = static_cast<MaskingKey>(random());
  std::vector<std::byte> pieces = whole;
  mask_by_definition(whole.data(), whole.size(), key, 0);
  for (std::size_t at = 0; at < pieces.size();) {
    const std::size_t bytes = std::min<std::size_t>(random() % 700, pieces.size() - at);
    mask_copy(pieces.data() + at, pieces.data() + at, bytes, key, at);
    at += bytes;
  }
  EXPECT_EQ(pieces, whole) << "seed " << kSeed;
}

TEST(Mask, TwiceIsTheOriginal) {
  std::vector<std::byte> bytes(4099);
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(i * 31);
  const std::vector<std::byte> original = bytes;
  mask_copy(bytes.data(), bytes.data(), bytes.size(), 0xdeadbeef);
  EXPECT_NE(bytes, original);
  mask_copy(bytes.data(), bytes.data(), bytes.size(), 0xdeadbeef);
  EXPECT_EQ(bytes, original);
}

TEST(Kernel, TheBestIsActiveFromTheStart) {
  ASSERT_FALSE(kernels_available().empty());
  EXPECT_EQ(kernels_available().front(), Kernel::scalar);
  EXPECT_EQ(active_kernel(), kernels_available().back());
  EXPECT_EQ(name(Kernel::scalar), "scalar");
  EXPECT_EQ(name(Kernel::avx2), "avx2");
  EXPECT_EQ(name(Kernel::avx512), "avx512");
  EXPECT_FALSE(utf8_kernel_name().empty());
}

}  // namespace
}  // namespace zenwire
