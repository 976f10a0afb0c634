#pragma once

// What the kernels of json_string share: the scalar steps that they take for what is rare.

#include <cstddef>

#include <zenwire/codec/json_string.hpp>

namespace zenwire::detail {

extern const JsonStringTable kScalarJsonString;
extern const JsonStringTable kAvx2JsonString;
extern const JsonStringTable kAvx512JsonString;

// Escapes `count` bytes one by one; returns the end of what was written.
char* escape_scalar(char* to, const char* from, std::size_t count) noexcept;

// Where an unescaping stands.
struct Unescaping {
  char* to;
  const char* from;
};

// Unescapes whole units (a byte, an escape, a surrogate pair) until `until` is reached or passed;
// nothing is read from `end` on. False if malformed.
bool unescape_scalar(Unescaping& at, const char* until, const char* end) noexcept;

}  // namespace zenwire::detail
