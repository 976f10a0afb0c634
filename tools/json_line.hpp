#pragma once

// JsonLine: one JSON object on one line, for `--json`.

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>

#include <zenwire/base/error.hpp>

namespace zenwire::tools {

class JsonLine {
 public:
  // Text that is not UTF-8 has U+FFFD in place of every byte above 127.
  JsonLine& add(std::string_view name, std::string_view value);
  JsonLine& add(std::string_view name, const char* value) {
    return add(name, std::string_view(value));
  }
  JsonLine& add(std::string_view name, const std::string& value) {
    return add(name, std::string_view(value));
  }
  JsonLine& add(std::string_view name, bool value) {
    return add_json(name, value ? "true" : "false");
  }
  template <std::integral Integer>
  JsonLine& add(std::string_view name, Integer value) {
    return add_json(name, std::to_string(value));
  }
  JsonLine& add(std::string_view name, double value);
  // The value is JSON already.
  JsonLine& add_json(std::string_view name, std::string_view value);
  // error, message, detail and suggestion.
  JsonLine& add_error(const Error& error);

  // The object, without a line feed.
  [[nodiscard]] std::string text() const { return text_ + "}"; }

 private:
  void name(std::string_view name);
  std::string text_ = "{";
};

// With its quotes.
std::string json_string(std::string_view text);

}  // namespace zenwire::tools
