#include <regex>

#include <zenwire/testing/matcher.hpp>

#include "json_subset.hpp"

namespace zenwire::testing {

Matcher::Matcher(std::string_view text) : Matcher(exactly(text)) {}

Matcher anything() {
  return {"anything", [](std::string_view) { return true; }};
}

Matcher exactly(std::string_view payload) {
  return {"exactly \"" + std::string(payload) + "\"",
          [wanted = std::string(payload)](std::string_view given) { return given == wanted; }};
}

Matcher matches_regex(const std::string& expression) {
  return {"the regular expression /" + expression + "/",
          [wanted = std::regex(expression)](std::string_view given) {
            return std::regex_search(given.begin(), given.end(), wanted);
          }};
}

Matcher json_contains(std::string_view subset) {
  const std::string wanted(subset);
  if (!detail::is_json(wanted))
    return {"JSON that contains " + wanted + " (which is no JSON itself)",
            [](std::string_view) { return false; }};
  return {"JSON that contains " + wanted, [wanted](std::string_view given) {
            return detail::json_holds(std::string(given), wanted);
          }};
}

Matcher satisfies(Matcher::Condition condition, std::string description) {
  return {std::move(description), std::move(condition)};
}

}  // namespace zenwire::testing
