#include <array>
#include <cstring>

#include <zenwire/base/assert.hpp>
#include <zenwire/codec/json_string.hpp>

#include "json_string_kernels.hpp"

namespace zenwire::detail {

namespace {

// The letter of a two-character escape, 'u' for the control characters that have none, 0 for bytes
// that stand for themselves.
constexpr std::array<char, 256> kEscapeLetter = [] {
  std::array<char, 256> letters{};
  for (std::size_t byte = 0; byte < 0x20; ++byte) letters[byte] = 'u';
  letters['\b'] = 'b';
  letters['\f'] = 'f';
  letters['\n'] = 'n';
  letters['\r'] = 'r';
  letters['\t'] = 't';
  letters['"'] = '"';
  letters['\\'] = '\\';
  return letters;
}();

// What the letter behind a backslash means; 0 for unknown ones and for u.
constexpr std::array<char, 256> kEscapeMeaning = [] {
  std::array<char, 256> meanings{};
  meanings['b'] = '\b';
  meanings['f'] = '\f';
  meanings['n'] = '\n';
  meanings['r'] = '\r';
  meanings['t'] = '\t';
  meanings['"'] = '"';
  meanings['\\'] = '\\';
  meanings['/'] = '/';
  return meanings;
}();

constexpr unsigned kNotHex = 0x10000;

unsigned hex_digit(char digit) noexcept {
  if (digit >= '0' && digit <= '9') return static_cast<unsigned>(digit - '0');
  const char lower = static_cast<char>(digit | 0x20);
  if (lower >= 'a' && lower <= 'f') return static_cast<unsigned>(lower - 'a') + 10;
  return kNotHex;
}

// The value of \uxxxx at `from`, or kNotHex and above.
unsigned hex_escape(const char* from, const char* end) noexcept {
  if (end - from < 6 || from[0] != '\\' || from[1] != 'u') return kNotHex;
  unsigned value = 0;
  for (int at = 2; at < 6; ++at) {
    const unsigned digit = hex_digit(from[at]);
    if (digit == kNotHex) return kNotHex;
    value = value << 4 | digit;
  }
  return value;
}

char* append_utf8(char* to, unsigned point) noexcept {
  const auto tail = [&](unsigned shift) {
    return static_cast<char>(0x80 | (point >> shift & 0x3f));
  };
  if (point < 0x80) {
    *to++ = static_cast<char>(point);
  } else if (point < 0x800) {
    *to++ = static_cast<char>(0xc0 | point >> 6);
    *to++ = tail(0);
  } else if (point < 0x10000) {
    *to++ = static_cast<char>(0xe0 | point >> 12);
    *to++ = tail(6);
    *to++ = tail(0);
  } else {
    *to++ = static_cast<char>(0xf0 | point >> 18);
    *to++ = tail(12);
    *to++ = tail(6);
    *to++ = tail(0);
  }
  return to;
}

bool unescape_hex(Unescaping& at, const char* end) noexcept {
  unsigned point = hex_escape(at.from, end);
  if (point >= kNotHex) return false;
  at.from += 6;
  if (point >= 0xd800 && point < 0xe000) {
    const unsigned low = hex_escape(at.from, end);
    if (point >= 0xdc00 || low < 0xdc00 || low >= 0xe000) return false;
    point = 0x10000 + ((point - 0xd800) << 10) + (low - 0xdc00);
    at.from += 6;
  }
  at.to = append_utf8(at.to, point);
  return true;
}

bool unescape_one(Unescaping& at, const char* end) noexcept {
  if (end - at.from < 2) return false;
  if (at.from[1] == 'u') return unescape_hex(at, end);
  const char meaning = kEscapeMeaning[static_cast<unsigned char>(at.from[1])];
  if (meaning == 0) return false;
  *at.to++ = meaning;
  at.from += 2;
  return true;
}

JsonEscaped escape_all_scalar(char* to, const char* from, std::size_t count) noexcept {
  unsigned seen = 0;
  for (std::size_t at = 0; at < count; ++at) seen |= static_cast<unsigned char>(from[at]);
  return {static_cast<std::size_t>(escape_scalar(to, from, count) - to), seen < 0x80};
}

std::size_t unescape_all_scalar(char* to, const char* from, std::size_t count) noexcept {
  Unescaping at{to, from};
  if (!unescape_scalar(at, from + count, from + count)) return kJsonMalformed;
  return static_cast<std::size_t>(at.to - to);
}

bool has_avx512_vbmi2() noexcept {
  __builtin_cpu_init();
  return __builtin_cpu_supports("avx512vbmi2") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("bmi2");
}

// Before main; it may run after other files' initialisers have used the scalar kernels, which give
// the same bytes.
[[maybe_unused]] const bool raised = [] {
  active_json_string.store(&json_string_table(kernels_available().back()),
                           std::memory_order_relaxed);
  return true;
}();

}  // namespace

constinit const JsonStringTable kScalarJsonString{Kernel::scalar, escape_all_scalar,
                                                  unescape_all_scalar};
constinit std::atomic<const JsonStringTable*> active_json_string{&kScalarJsonString};

char* escape_scalar(char* to, const char* from, std::size_t count) noexcept {
  static constexpr char kHex[] = "0123456789abcdef";
  for (std::size_t at = 0; at < count; ++at) {
    const auto byte = static_cast<unsigned char>(from[at]);
    const char letter = kEscapeLetter[byte];
    if (letter == 0) {
      *to++ = from[at];
    } else if (letter != 'u') {
      *to++ = '\\';
      *to++ = letter;
    } else {
      std::memcpy(to, "\\u00", 4);
      to[4] = kHex[byte >> 4];
      to[5] = kHex[byte & 15];
      to += 6;
    }
  }
  return to;
}

bool unescape_scalar(Unescaping& at, const char* until, const char* end) noexcept {
  while (at.from < until) {
    const auto byte = static_cast<unsigned char>(*at.from);
    if (byte == '\\') {
      if (!unescape_one(at, end)) return false;
    } else {
      if (byte < 0x20 || byte == '"') return false;
      *at.to++ = *at.from++;
    }
  }
  return true;
}

const JsonStringTable& json_string_table(Kernel kernel) noexcept {
  static const bool vbmi2 = has_avx512_vbmi2();
  switch (kernel) {
    case Kernel::scalar: return kScalarJsonString;
    case Kernel::avx2: return kAvx2JsonString;
    case Kernel::avx512: return vbmi2 ? kAvx512JsonString : kAvx2JsonString;
  }
  return kScalarJsonString;
}

}  // namespace zenwire::detail
