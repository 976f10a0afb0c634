#include <zenwire/codec/sha1.hpp>

namespace zenwire {
namespace {

constexpr bool digest_of_abc_is_right() noexcept {
  constexpr std::array kAbc{std::byte{'a'}, std::byte{'b'}, std::byte{'c'}};
  constexpr Sha1Digest kDigest = sha1(kAbc);
  return kDigest[0] == std::byte{0xa9} && kDigest[1] == std::byte{0x99} &&
         kDigest[2] == std::byte{0x3e} && kDigest[19] == std::byte{0x9d};
}
static_assert(digest_of_abc_is_right(), "FIPS 180-4's own example");

}  // namespace
}  // namespace zenwire
