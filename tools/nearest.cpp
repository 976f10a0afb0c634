#include "nearest.hpp"

#include <algorithm>

#include <zenwire/base/nearest_name.hpp>

namespace zenwire::tools {

std::optional<std::string_view> probably_meant(std::string_view name,
                                               const std::vector<std::string_view>& known) {
  const std::string_view found = nearest_name(name, known);
  const std::size_t letters_max = std::max<std::size_t>(2, name.size() / 3);
  const bool near = edit_distance(name, found) <= letters_max;
  return near ? std::optional(found) : std::nullopt;
}

}  // namespace zenwire::tools
