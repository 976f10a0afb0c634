#pragma once

// The known name that somebody meant who wrote another one.

#include <optional>
#include <string_view>
#include <vector>

namespace zenwire::tools {

// Of `known`, which is not empty, the nearest; nothing when so many letters differ that it cannot
// have been meant.
std::optional<std::string_view> probably_meant(std::string_view name,
                                               const std::vector<std::string_view>& known);

}  // namespace zenwire::tools
