#pragma once

// Random: the generator of every simulation and property here. Integers only, with distributions of
// our own, so that a seed gives the same numbers under every compiler and library.
//
// xoshiro256** (Blackman, Vigna 2018), seeded by splitmix64. Not for secrets: masking keys come
// from Io::random.

#include <array>
#include <cstdint>
#include <span>

#include <zenwire/base/assert.hpp>
#include <zenwire/base/bytes.hpp>

namespace zenwire::testing {

class Random {
 public:
  explicit Random(std::uint64_t seed) noexcept;

  std::uint64_t next() noexcept;

  // Uniform in [0, limit). The bias of the multiplication is below 2^-32 for limits below 2^32.
  std::uint64_t below(std::uint64_t limit) noexcept;
  // Uniform in [lowest, highest].
  std::uint64_t between(std::uint64_t lowest, std::uint64_t highest) noexcept;
  // True in `parts` of a million cases.
  bool chance_ppm(std::uint32_t parts) noexcept { return below(1'000'000) < parts; }
  // In [0, highest], each bit length equally likely: small values are as common as large ones.
  std::uint64_t skewed(std::uint64_t highest) noexcept;
  void fill(MutableBytes bytes) noexcept;

  template <typename Value>
  const Value& one_of(std::span<const Value> values) noexcept {
    ZW_ASSERT(!values.empty());
    return values[below(values.size())];
  }

  // A generator of its own, so that one part's draws do not shift another's.
  Random split() noexcept { return Random(next()); }

 private:
  std::array<std::uint64_t, 4> state_;
};

}  // namespace zenwire::testing
