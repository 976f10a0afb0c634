#pragma once

// The known name that somebody meant who wrote another one.

#include <optional>
#include <string_view>
#include <vector>

namespace zenwire::tools {

// Of `known`, which is not empty, the one with the fewest letters to change.
std::string_view nearest(std::string_view name, const std::vector<std::string_view>& known);
// The same, or nothing when so many letters differ that it cannot have been meant.
std::optional<std::string_view> probably_meant(std::string_view name,
                                               const std::vector<std::string_view>& known);

}  // namespace zenwire::tools
