#pragma once

// The inside of a JSON string (RFC 8259, section 7): bytes to its escaped form and back.
//
// A market-data payload has a quote every few bytes, so a kernel that runs to the next quote and
// handles it alone spends its time at quotes. These expand (and compress) whole blocks by table or
// by the vector unit, whatever number of quotes is in them: 256 bytes in about 20 ns.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include <zenwire/base/bytes.hpp>
#include <zenwire/codec/kernel.hpp>

namespace zenwire {

// A kernel stores whole vectors and may so overwrite this many bytes behind what it returns. It
// never stores a byte below 0x20 there, thus no newline: a line cut off in the middle of being
// written has none.
inline constexpr std::size_t kJsonEscapeSlack_bytes = 16;

// Room that escaping n bytes needs: each byte may become \u00xx.
constexpr std::size_t json_escaped_max(std::size_t bytes) noexcept {
  return 6 * bytes + kJsonEscapeSlack_bytes;
}

struct JsonEscaped {
  std::size_t bytes = 0;  // written
  bool ascii = true;      // whether all source bytes were below 0x80: found in passing
};

namespace detail {

// Kernels take any length, zero too.
struct JsonStringTable {
  Kernel kernel;
  JsonEscaped (*escape)(char* to, const char* from, std::size_t count) noexcept;
  // Bytes written, or kJsonMalformed.
  std::size_t (*unescape)(char* to, const char* from, std::size_t count) noexcept;
};
inline constexpr std::size_t kJsonMalformed = ~std::size_t{0};

// Constant-initialised to the scalar kernels, so it is right at any time, and raised to the best
// before main.
extern std::atomic<const JsonStringTable*> active_json_string;

// What runs for this kernel here: its own, or the next worse where the processor lacks an extension
// (the AVX-512 kernel needs VBMI2).
const JsonStringTable& json_string_table(Kernel kernel) noexcept;

}  // namespace detail

// Escapes what JSON demands and no more: quote, backslash and bytes below 0x20. Other bytes go
// verbatim, so the result is JSON text if `from` is UTF-8; that is not checked here. Writes no
// quotes around it. `to` has json_escaped_max(from.size()) bytes of room and does not overlap.
inline JsonEscaped json_escape(char* to, Bytes from) noexcept {
  return detail::active_json_string.load(std::memory_order_relaxed)
      ->escape(to, reinterpret_cast<const char*>(from.data()), from.size());
}

// The bytes that `escaped` (what stands between the quotes) means; returns their number, never more
// than escaped.size(), which is the room that `to` needs; no overlap. Strict: nothing for an
// unescaped quote or control character, an unknown or cut escape, or half of a surrogate pair.
// Bytes from 0x80 on go verbatim: whoever needs UTF-8 checks it.
inline std::optional<std::size_t> json_unescape(char* to, std::string_view escaped) noexcept {
  const std::size_t bytes = detail::active_json_string.load(std::memory_order_relaxed)
                                ->unescape(to, escaped.data(), escaped.size());
  if (bytes == detail::kJsonMalformed) return std::nullopt;
  return bytes;
}

}  // namespace zenwire
