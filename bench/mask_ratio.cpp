// Copy-and-mask of 1 KiB over memcpy of the same bytes, in pairs: mask_ratio [ROUNDS].

#include <cstring>
#include <vector>

#include <zenwire/codec/mask.hpp>

#include "paired.hpp"

namespace zenwire::bench {
namespace {

constexpr std::size_t kPayload_bytes = 1024;
constexpr std::size_t kRounds = 21;
constexpr std::size_t kBlocks = 100;
constexpr int kCopies = 2'000;  // of a block
constexpr double kGoal = 1.25;

// What is copied from and to, at one place of many: where the bytes lie decides as much as what is
// done with them. As in a send buffer, they are put behind an eight-byte header; they come from
// anywhere.
class Places {
 public:
  template <typename Copy>
  std::uint64_t copies(std::size_t place, Copy copy) {
    const std::size_t offset = place % kPlaces * kPlace_bytes;
    std::byte* const to = to_.data() + offset + kHeader_bytes;
    const std::byte* const from = from_.data() + offset + place * 24 % kLine_bytes;
    const std::uint64_t began_ns = thread_ns();
    for (int i = 0; i < kCopies; ++i) {
      // Neither the length nor what is copied is known to the compiler, as it is not in the engine.
      std::size_t bytes = kPayload_bytes;
      asm volatile("" : "+r"(bytes) : : "memory");
      copy(to, from, bytes);
    }
    return thread_ns() - began_ns;
  }

 private:
  static constexpr std::size_t kPlaces = 25;
  static constexpr std::size_t kPlace_bytes = 1'216;
  static constexpr std::size_t kLine_bytes = 64;
  static constexpr std::size_t kHeader_bytes = 8;
  static_assert(kPlace_bytes >= kPayload_bytes + kLine_bytes + kHeader_bytes);
  static_assert(kPlace_bytes % kLine_bytes == 0);

  std::vector<std::byte> from_ = std::vector<std::byte>(kPlaces * kPlace_bytes, std::byte{'x'});
  std::vector<std::byte> to_ = std::vector<std::byte>(kPlaces * kPlace_bytes);
};

int run(std::size_t rounds) {
  Places places;
  std::size_t place = 0;
  const auto plain = [](std::byte* to, const std::byte* from, std::size_t bytes) {
    std::memcpy(to, from, bytes);
  };
  MaskingKey key = 0x9e3779b9;
  const auto masked = [&key](std::byte* to, const std::byte* from, std::size_t bytes) {
    mask_copy(to, from, bytes, key += 0x10001);
  };
  const Ratio ratio = compare(
      rounds, kBlocks, [&] { return places.copies(place++ / 2, plain); },
      [&] { return places.copies(place++ / 2, masked); });
  print("copy-and-mask of 1 KiB over memcpy", ratio, rounds, kGoal);
  return 0;
}

}  // namespace
}  // namespace zenwire::bench

int main(int count, char** values) {
  using namespace zenwire::bench;
  return run(rounds_of(count, values, kRounds));
}
