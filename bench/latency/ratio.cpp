#include "ratio.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>

#include <zenwire/base/assert.hpp>

namespace zenwire::bench {

double median_of(std::vector<double> values) {
  ZW_ASSERT(!values.empty());
  std::sort(values.begin(), values.end());
  const std::size_t middle = values.size() / 2;
  return values.size() % 2 != 0 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

Ratio ratio_of(std::vector<double> ratios) {
  ZW_ASSERT(!ratios.empty());
  std::sort(ratios.begin(), ratios.end());
  constexpr double kTail = 0.025;
  const std::size_t rounds = ratios.size();
  double term = std::pow(0.5, static_cast<double>(rounds));  // of a binomial(rounds, 1/2) at `cut`
  double below = 0;
  std::size_t cut = 0;
  for (; cut < rounds / 2; ++cut) {
    below += term;
    if (below > kTail) break;
    term *= static_cast<double>(rounds - cut) / static_cast<double>(cut + 1);
  }
  const std::size_t low = cut == 0 ? 0 : cut - 1;
  return {median_of(ratios), ratios[low], ratios[rounds - 1 - low]};
}

}  // namespace zenwire::bench
