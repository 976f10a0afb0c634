#include "json_line.hpp"

#include <cmath>
#include <cstdio>

#include <zenwire/base/bytes.hpp>
#include <zenwire/codec/utf8.hpp>

namespace zenwire::tools {

namespace {

void append_escaped(std::string& to, char character, bool valid_utf8) {
  switch (character) {
    case '"': to += "\\\""; return;
    case '\\': to += "\\\\"; return;
    case '\n': to += "\\n"; return;
    case '\r': to += "\\r"; return;
    case '\t': to += "\\t"; return;
    default: break;
  }
  const auto byte = static_cast<unsigned char>(character);
  if (byte < 0x20 || byte == 0x7f) {
    char escaped[8];
    std::snprintf(escaped, sizeof escaped, "\\u%04x", static_cast<unsigned>(byte));
    to += escaped;
  } else if (byte >= 0x80 && !valid_utf8) {
    to += "\\ufffd";
  } else {
    to += character;
  }
}

}  // namespace

std::string json_string(std::string_view text) {
  const bool valid = is_utf8(as_bytes(text));
  std::string quoted = "\"";
  quoted.reserve(text.size() + 2);
  for (const char character : text) append_escaped(quoted, character, valid);
  return quoted += '"';
}

void JsonLine::name(std::string_view name) {
  if (text_.size() > 1) text_ += ',';
  text_.append("\"").append(name).append("\":");
}

JsonLine& JsonLine::add(std::string_view name, std::string_view value) {
  return add_json(name, json_string(value));
}

JsonLine& JsonLine::add(std::string_view name, double value) {
  if (!std::isfinite(value)) return add_json(name, "null");
  char number[40];
  std::snprintf(number, sizeof number, "%.12g", value);
  return add_json(name, number);
}

JsonLine& JsonLine::add_json(std::string_view name, std::string_view value) {
  this->name(name);
  text_ += value;
  return *this;
}

JsonLine& JsonLine::add_error(const Error& error) {
  add("error", zenwire::name(error.code())).add("message", message(error.code()));
  if (!error.detail().empty()) add("detail", error.detail());
  if (!suggestion(error.code()).empty()) add("suggestion", suggestion(error.code()));
  return *this;
}

}  // namespace zenwire::tools
