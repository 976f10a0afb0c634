#include "process_usage.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>

#include <unistd.h>

namespace zenwire::soak {
namespace {

std::uint64_t median(std::vector<std::uint64_t> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

}  // namespace

std::uint64_t resident_bytes() {
  std::uint64_t pages = 0;
  std::ifstream("/proc/self/statm") >> pages >> pages;
  return pages * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

std::size_t descriptors() {
  const std::filesystem::directory_iterator open("/proc/self/fd");
  return static_cast<std::size_t>(std::distance(begin(open), end(open)));
}

std::uint64_t ProcessUsage::growth_bytes() const {
  const auto third = static_cast<std::ptrdiff_t>(resident_bytes_.size() / 3);
  if (third < 2) return 0;
  const auto warm = resident_bytes_.begin() + third;
  const std::uint64_t before = median({warm, warm + third});
  const std::uint64_t after = median({resident_bytes_.end() - third, resident_bytes_.end()});
  return after > before ? after - before : 0;
}

}  // namespace zenwire::soak
