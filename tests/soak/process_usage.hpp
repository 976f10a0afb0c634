#pragma once

// What this process holds of memory and descriptors, over time.

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace zenwire::soak {

std::uint64_t resident_bytes();
std::size_t descriptors();

class ProcessUsage {
 public:
  void sample() { resident_bytes_.push_back(resident_bytes()); }
  [[nodiscard]] std::uint64_t resident_now() const { return resident_bytes_.back(); }
  // By how much the median of the last third exceeds that of the third after the first: the first
  // is warm-up. 0 with less than six samples.
  [[nodiscard]] std::uint64_t growth_bytes() const;

 private:
  std::vector<std::uint64_t> resident_bytes_;
};

}  // namespace zenwire::soak
