#pragma once

// Whether one JSON document holds all of another: see json_contains().

#include <string>

namespace zenwire::testing::detail {

bool is_json(const std::string& document);
bool json_holds(const std::string& document, const std::string& subset);

}  // namespace zenwire::testing::detail
