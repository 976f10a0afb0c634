#pragma once

// What a JSON-RPC message (2.0, and the dialects that venues speak) is to its receiver: the id at
// its top level, and whether it is an answer, found without parsing the rest.
//
// A scan goes over the top level of the object only. It stops as soon as it has the id and knows
// the kind, which in the usual order of fields is before the result: a reply of a megabyte costs as
// much as one of 50 bytes. Only what stands before that point is skipped over, 16 bytes at a time.
//
// It does not validate: what is not JSON gives no answer or a wrong one, but never a read outside
// the message. Of fields that come twice the first counts.

#include <cstdint>
#include <optional>
#include <string_view>

namespace zenwire {

struct JsonRpcId {
  enum class Kind : std::uint8_t {
    none,     // there is no id, or it is null
    integer,  // within 64 bits, signed
    text,
    other,  // a fraction, a larger number, a value of another type: nobody's id
  };

  Kind kind = Kind::none;
  bool escaped = false;  // `text` holds escapes
  std::int64_t integer = 0;
  std::string_view text{};  // as it stands between the quotes: a view into the message
};

struct JsonRpcHead {
  JsonRpcId id;
  bool has_method = false;  // a request or a notification: not an answer
  bool has_result = false;
  bool has_error = false;  // and it is not null
  // From the first byte of the result or of the error to the end of the message; empty if the scan
  // met neither.
  std::string_view value{};
};

// `id_key`: the name of the field that holds the id ("req_id" with some venues).
JsonRpcHead scan_json_rpc(std::string_view message, std::string_view id_key = "id") noexcept;

// The integer at the top level of a JSON object ("code" of an error); nothing if there is none.
// `object` may go on behind the object's end.
std::optional<std::int64_t> find_json_integer(std::string_view object,
                                              std::string_view key) noexcept;

}  // namespace zenwire
