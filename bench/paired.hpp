#pragma once

// What programs share that compare two ways of doing one thing: rounds in pairs, the order within a
// pair by turns, so that whatever else the machine does falls on both alike. What becomes of the
// rounds' ratios is in latency/ratio.hpp.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <utility>
#include <vector>

#include "latency/ratio.hpp"
#include "peers/clock.hpp"

namespace zenwire::bench {

struct Pair {
  double first = 0;
  double second = 0;
};

// first() and second() give a cost each, in any unit; the ratio is of the second to the first.
template <typename First, typename Second>
Pair one_pair(std::size_t turn, First&& first, Second&& second) {
  Pair pair;
  if (turn % 2 == 0) pair.first = static_cast<double>(first());
  pair.second = static_cast<double>(second());
  if (turn % 2 != 0) pair.first = static_cast<double>(first());
  return pair;
}

// `rounds` ratios, each of `blocks` pairs together: blocks short against what disturbs them.
template <typename First, typename Second>
Ratio compare(std::size_t rounds, std::size_t blocks, First&& first, Second&& second) {
  std::vector<double> ratios;
  for (std::size_t round = 0; round < rounds; ++round) {
    Pair sum;
    for (std::size_t block = 0; block < blocks; ++block) {
      const Pair pair = one_pair(round + block, first, second);
      sum.first += pair.first;
      sum.second += pair.second;
    }
    ratios.push_back(sum.second / sum.first);
  }
  return ratio_of(std::move(ratios));
}

inline void print(const char* what, const Ratio& ratio, std::size_t rounds) {
  std::printf("%s: %.3f [%.3f, %.3f], %zu rounds\n", what, ratio.median, ratio.low, ratio.high,
              rounds);
}

// The goal is met when the interval's upper end is within it, plus 0.02 for the reading of it.
inline void print(const char* what, const Ratio& ratio, std::size_t rounds, double goal) {
  std::printf("%s: %.3f [%.3f, %.3f], %zu rounds; goal %.2f: %s\n", what, ratio.median, ratio.low,
              ratio.high, rounds, goal, ratio.high <= goal + 0.02 ? "met" : "not met");
}

// The number of rounds that a program was given, if any.
inline std::size_t rounds_of(int count, char** values, std::size_t otherwise) {
  return count > 1 ? std::max<std::size_t>(1, std::strtoul(values[1], nullptr, 10)) : otherwise;
}

}  // namespace zenwire::bench
