#pragma once

// Ratio: of paired rounds, the median and the interval in which it lies with 95 per cent.

#include <vector>

namespace zenwire::bench {

struct Ratio {
  double median = 0;
  double low = 0;
  double high = 0;
};

double median_of(std::vector<double> values);

// The interval is that of the order statistics: those that a binomial(n, 1/2) leaves out with 2.5
// per cent at each end, so nothing is assumed of the noise. With fewer than six rounds, all of
// them.
Ratio ratio_of(std::vector<double> ratios);

}  // namespace zenwire::bench
