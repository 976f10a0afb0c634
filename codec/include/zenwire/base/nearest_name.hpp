#pragma once

// The known name that somebody meant who wrote another one. For refusals: it allocates.

#include <algorithm>
#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

#include <zenwire/base/assert.hpp>

namespace zenwire {

// Levenshtein's, in one row: how many letters to put in, take out or replace.
inline std::size_t edit_distance(std::string_view from, std::string_view to) {
  std::vector<std::size_t> row(to.size() + 1);
  for (std::size_t j = 0; j <= to.size(); ++j) row[j] = j;
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

// Of `known`, which is not empty, the first with the fewest letters to change.
inline std::string_view nearest_name(std::string_view name,
                                     std::span<const std::string_view> known) {
  ZW_ASSERT(!known.empty());
  return *std::min_element(known.begin(), known.end(), [name](auto a, auto b) {
    return edit_distance(name, a) < edit_distance(name, b);
  });
}

}  // namespace zenwire
