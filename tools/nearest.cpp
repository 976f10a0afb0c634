#include "nearest.hpp"

#include <algorithm>
#include <numeric>

namespace zenwire::tools {

namespace {

std::size_t edit_distance(std::string_view from, std::string_view to) {
  std::vector<std::size_t> row(to.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= from.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= to.size(); ++j) {
      const std::size_t replaced = diagonal + (from[i - 1] == to[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
    }
  }
  return row.back();
}

}  // namespace

std::string_view nearest(std::string_view name, const std::vector<std::string_view>& known) {
  return *std::min_element(known.begin(), known.end(), [&](auto a, auto b) {
    return edit_distance(name, a) < edit_distance(name, b);
  });
}

std::optional<std::string_view> probably_meant(std::string_view name,
                                               const std::vector<std::string_view>& known) {
  const std::string_view found = nearest(name, known);
  const std::size_t letters_max = std::max<std::size_t>(2, name.size() / 3);
  return edit_distance(name, found) <= letters_max ? std::optional(found) : std::nullopt;
}

}  // namespace zenwire::tools
