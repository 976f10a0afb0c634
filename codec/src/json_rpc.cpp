#include <array>
#include <bit>
#include <charconv>
#include <cstring>
#include <system_error>

#include <emmintrin.h>

#include <zenwire/base/assert.hpp>
#include <zenwire/base/bytes.hpp>
#include <zenwire/codec/json_rpc.hpp>
#include <zenwire/codec/json_string.hpp>

namespace zenwire {
namespace {

constexpr std::size_t kBlock_bytes = 16;
// Keys longer than this, escapes and all, are none of those that are looked for.
constexpr std::size_t kEscapedKey_bytes_max = 6 * 32;

struct Field {
  std::string_view key;  // as it stands between the quotes
  bool escaped = false;
};

// Where the next of some bytes is: bit i for from[i].
unsigned quotes_and_escapes(__m128i block) noexcept {
  const __m128i found = _mm_or_si128(_mm_cmpeq_epi8(block, _mm_set1_epi8('"')),
                                     _mm_cmpeq_epi8(block, _mm_set1_epi8('\\')));
  return static_cast<unsigned>(_mm_movemask_epi8(found));
}

// The brackets differ from the braces in bit 5 alone.
unsigned quotes_and_brackets(__m128i block) noexcept {
  const __m128i folded = _mm_or_si128(block, _mm_set1_epi8(0x20));
  const __m128i found = _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(folded, _mm_set1_epi8('{')),
                                                  _mm_cmpeq_epi8(folded, _mm_set1_epi8('}'))),
                                     _mm_cmpeq_epi8(block, _mm_set1_epi8('"')));
  return static_cast<unsigned>(_mm_movemask_epi8(found));
}
static_assert(('[' | 0x20) == '{' && (']' | 0x20) == '}');

bool is_space(char byte) noexcept {
  return byte == ' ' || byte == '\n' || byte == '\r' || byte == '\t';
}

// Goes over a message. `at` never passes `end`; a step that meets the end or something unexpected
// says false.
class Cursor {
 public:
  explicit Cursor(std::string_view text) noexcept
      : at_(text.data()), end_(text.data() + text.size()) {}

  bool enter_object() noexcept {
    skip_space();
    return take('{');
  }

  // To the value of the next field of the object that is under way.
  bool next(Field& field) noexcept {
    skip_space();
    if (take(',')) skip_space();
    if (!take_string(field.key, field.escaped)) return false;
    skip_space();
    if (!take(':')) return false;
    skip_space();
    return at_ != end_;
  }

  bool skip_value() noexcept {
    if (*at_ == '"') {
      std::string_view text;
      bool escaped = false;
      return take_string(text, escaped);
    }
    return *at_ == '{' || *at_ == '[' ? skip_container() : skip_scalar();
  }

  // What stands between the quotes.
  bool take_string(std::string_view& text, bool& escaped) noexcept {
    if (!take('"')) return false;
    const char* const begin = at_;
    escaped = false;
    for (;;) {
      if (!find(&quotes_and_escapes)) return false;
      if (*at_ == '"') break;
      escaped = true;
      if (end_ - at_ < 2) return false;
      at_ += 2;
    }
    text = {begin, static_cast<std::size_t>(at_ - begin)};
    ++at_;
    return true;
  }

  // Numbers, true, false, null.
  std::string_view take_scalar() noexcept {
    const char* const begin = at_;
    skip_scalar();
    return {begin, static_cast<std::size_t>(at_ - begin)};
  }

  [[nodiscard]] char peek() const noexcept {
    ZW_DEBUG_ASSERT(at_ != end_);
    return *at_;
  }
  [[nodiscard]] std::string_view rest() const noexcept {
    return {at_, static_cast<std::size_t>(end_ - at_)};
  }

 private:
  bool take(char wanted) noexcept {
    if (at_ == end_ || *at_ != wanted) return false;
    ++at_;
    return true;
  }

  void skip_space() noexcept {
    while (at_ != end_ && is_space(*at_)) ++at_;
  }

  bool skip_scalar() noexcept {
    while (at_ != end_ && !is_space(*at_) && *at_ != ',' && *at_ != '}' && *at_ != ']') ++at_;
    return at_ != end_;
  }

  bool skip_container() noexcept {
    std::size_t depth = 0;
    std::string_view text;
    bool escaped = false;
    do {
      if (!find(&quotes_and_brackets)) return false;
      if (*at_ == '"') {
        if (!take_string(text, escaped)) return false;
        continue;
      }
      if ((*at_++ | 0x20) == '{') {
        ++depth;
      } else {
        --depth;
      }
    } while (depth != 0);
    return true;
  }

  // To the next byte of a class.
  template <typename Class>
  bool find(Class in_class) noexcept {
    while (static_cast<std::size_t>(end_ - at_) >= kBlock_bytes) {
      const unsigned found = in_class(_mm_loadu_si128(reinterpret_cast<const __m128i*>(at_)));
      if (found != 0) {
        at_ += std::countr_zero(found);
        return true;
      }
      at_ += kBlock_bytes;
    }
    return find_in_tail(in_class);
  }

  template <typename Class>
  bool find_in_tail(Class in_class) noexcept {
    alignas(kBlock_bytes) std::array<char, kBlock_bytes> tail{};
    const auto left = static_cast<std::size_t>(end_ - at_);
    std::memcpy(tail.data(), at_, left);
    const unsigned found = in_class(_mm_load_si128(reinterpret_cast<const __m128i*>(tail.data())));
    at_ += found != 0 ? static_cast<std::size_t>(std::countr_zero(found)) : left;
    return found != 0;
  }

  const char* at_;
  const char* end_;
};

[[gnu::noinline, gnu::cold]] bool equals_unescaped(std::string_view escaped,
                                                   std::string_view wanted) noexcept {
  if (escaped.size() > kEscapedKey_bytes_max) return false;
  std::array<char, kEscapedKey_bytes_max> text;
  const auto bytes = json_unescape(text.data(), escaped);
  return bytes && std::string_view(text.data(), *bytes) == wanted;
}

bool is_key(const Field& field, std::string_view wanted) noexcept {
  if (field.escaped) [[unlikely]]
    return equals_unescaped(field.key, wanted);
  return field.key == wanted;
}

std::optional<std::int64_t> to_integer(std::string_view text) noexcept {
  std::int64_t value = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || stop != text.data() + text.size()) return std::nullopt;
  return value;
}

// False when the message ends in the value.
bool take_id(Cursor& cursor, JsonRpcId& id) noexcept {
  using Kind = JsonRpcId::Kind;
  const char first = cursor.peek();
  if (first == '"') {
    id.kind = Kind::text;
    return cursor.take_string(id.text, id.escaped);
  }
  if (first == '{' || first == '[') {
    id.kind = Kind::other;
    return cursor.skip_value();
  }
  const std::string_view scalar = cursor.take_scalar();
  if (const auto integer = to_integer(scalar)) [[likely]] {
    id.kind = Kind::integer;
    id.integer = *integer;
  } else {
    id.kind = scalar == "null" ? Kind::none : Kind::other;
  }
  return true;
}

// What a field says of the message's kind; true if that settles it. JSON-RPC 1.0 sends both fields
// and one of them null; in 2.0 null is a result like others.
bool note(JsonRpcHead& head, const Field& field, const Cursor& cursor) noexcept {
  const bool is_null = cursor.peek() == 'n';
  if (is_key(field, "error") && !is_null) {
    head.has_error = true;
    head.has_result = false;
    head.value = cursor.rest();
    return true;
  }
  if (is_key(field, "result") && !head.has_result) {
    head.has_result = true;
    head.value = cursor.rest();
    return !is_null;
  }
  if (!is_key(field, "method")) return false;
  head.has_method = true;
  return true;
}

}  // namespace

JsonRpcHead scan_json_rpc(std::string_view message, std::string_view id_key) noexcept {
  JsonRpcHead head;
  Cursor cursor(message);
  if (!cursor.enter_object()) return head;
  bool has_id = false;
  bool settled = false;
  Field field;
  while (!(has_id && settled) && cursor.next(field)) {
    if (!has_id && is_key(field, id_key)) {
      has_id = true;
      if (!take_id(cursor, head.id)) return {};
      continue;
    }
    settled = note(head, field, cursor) || settled;
    if (!(has_id && settled) && !cursor.skip_value()) break;
  }
  return head;
}

std::optional<std::int64_t> find_json_integer(std::string_view object,
                                              std::string_view key) noexcept {
  Cursor cursor(object);
  if (!cursor.enter_object()) return std::nullopt;
  Field field;
  while (cursor.next(field)) {
    if (is_key(field, key)) return to_integer(cursor.take_scalar());
    if (!cursor.skip_value()) break;
  }
  return std::nullopt;
}

}  // namespace zenwire
