#include <bit>
#include <cstring>

#include <zenwire/testing/random.hpp>

namespace zenwire::testing {
namespace {

std::uint64_t splitmix64(std::uint64_t& state) noexcept {
  state += 0x9e3779b97f4a7c15U;
  std::uint64_t mixed = state;
  mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9U;
  mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebU;
  return mixed ^ (mixed >> 31);
}

}  // namespace

Random::Random(std::uint64_t seed) noexcept {
  for (auto& word : state_) word = splitmix64(seed);
}

std::uint64_t Random::next() noexcept {
  const std::uint64_t result = std::rotl(state_[1] * 5, 7) * 9;
  const std::uint64_t shifted = state_[1] << 17;
  state_[2] ^= state_[0];
  state_[3] ^= state_[1];
  state_[1] ^= state_[2];
  state_[0] ^= state_[3];
  state_[2] ^= shifted;
  state_[3] = std::rotl(state_[3], 45);
  return result;
}

std::uint64_t Random::below(std::uint64_t limit) noexcept {
  ZW_ASSERT(limit > 0);
  __extension__ using Wide = unsigned __int128;
  return static_cast<std::uint64_t>((static_cast<Wide>(next()) * limit) >> 64);
}

std::uint64_t Random::between(std::uint64_t lowest, std::uint64_t highest) noexcept {
  ZW_ASSERT(lowest <= highest);
  const std::uint64_t values = highest - lowest + 1;
  return values == 0 ? next() : lowest + below(values);
}

std::uint64_t Random::skewed(std::uint64_t highest) noexcept {
  const auto bits = below(static_cast<std::uint64_t>(std::bit_width(highest)) + 1);
  const std::uint64_t mask = bits == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << bits) - 1;
  const std::uint64_t value = next() & mask;
  return value <= highest ? value : highest;
}

void Random::fill(MutableBytes bytes) noexcept {
  while (!bytes.empty()) {
    const std::uint64_t word = next();
    const std::size_t count = bytes.size() < sizeof word ? bytes.size() : sizeof word;
    std::memcpy(bytes.data(), &word, count);
    bytes = bytes.subspan(count);
  }
}

}  // namespace zenwire::testing
