#include "json_subset.hpp"

#include <simdjson.h>

namespace zenwire::testing::detail {
namespace {

using simdjson::dom::element;
using simdjson::dom::element_type;

bool holds(element given, element wanted);

bool is_number(element_type type) {
  return type == element_type::INT64 || type == element_type::UINT64 ||
         type == element_type::DOUBLE;
}

bool object_holds(element given, element wanted) {
  const simdjson::dom::object members = wanted.get_object().value_unsafe();
  for (const auto [key, value] : members) {
    element member;
    if (given.at_key(key).get(member) != simdjson::SUCCESS || !holds(member, value)) return false;
  }
  return true;
}

bool array_holds(element given, element wanted) {
  const simdjson::dom::array ours = given.get_array().value_unsafe();
  const simdjson::dom::array theirs = wanted.get_array().value_unsafe();
  if (ours.size() != theirs.size()) return false;
  auto at = ours.begin();
  for (const element value : theirs) {
    if (!holds(*at, value)) return false;
    ++at;
  }
  return true;
}

// Integers exactly; a double on either side compares as a double.
bool numbers_equal(element given, element wanted) {
  if (given.type() == wanted.type() && given.type() == element_type::INT64)
    return given.get_int64().value_unsafe() == wanted.get_int64().value_unsafe();
  if (given.type() == wanted.type() && given.type() == element_type::UINT64)
    return given.get_uint64().value_unsafe() == wanted.get_uint64().value_unsafe();
  return given.get_double().value_unsafe() == wanted.get_double().value_unsafe();
}

bool holds(element given, element wanted) {
  if (is_number(given.type()) && is_number(wanted.type())) return numbers_equal(given, wanted);
  if (given.type() != wanted.type()) return false;
  switch (wanted.type()) {
    case element_type::OBJECT: return object_holds(given, wanted);
    case element_type::ARRAY: return array_holds(given, wanted);
    case element_type::STRING:
      return given.get_string().value_unsafe() == wanted.get_string().value_unsafe();
    case element_type::BOOL:
      return given.get_bool().value_unsafe() == wanted.get_bool().value_unsafe();
    default: return true;  // null is null
  }
}

}  // namespace

bool is_json(const std::string& document) {
  simdjson::dom::parser parser;
  return parser.parse(document).error() == simdjson::SUCCESS;
}

bool json_holds(const std::string& document, const std::string& subset) {
  simdjson::dom::parser ours;
  simdjson::dom::parser theirs;
  element given;
  element wanted;
  if (ours.parse(document).get(given) != simdjson::SUCCESS) return false;
  if (theirs.parse(subset).get(wanted) != simdjson::SUCCESS) return false;
  return holds(given, wanted);
}

}  // namespace zenwire::testing::detail
