// Text of recordings: JSON strings and base64 come back as they were, by every kernel alike, and
// what is not text is refused and not read beyond.

#include <optional>
#include <string>

#include <zenwire/codec/base64.hpp>
#include <zenwire/codec/json_string.hpp>
#include <zenwire/codec/utf8.hpp>

#include "fuzz.hpp"

using namespace zenwire;
using zenwire::test::require;

namespace {

void round_trip_json(Bytes bytes) {
  std::string escaped(json_escaped_max(bytes.size()), '\0');
  const JsonEscaped written = json_escape(escaped.data(), bytes);
  escaped.resize(written.bytes);
  std::string back(escaped.size(), '\0');
  const auto unescaped = json_unescape(back.data(), escaped);
  require(unescaped && std::string_view(back).substr(0, *unescaped) == as_text(bytes));
}

void unescape_by_every_kernel(Bytes bytes) {
  const auto text = as_text(bytes);
  const auto& scalar = detail::json_string_table(Kernel::scalar);
  std::string wanted(text.size(), '\0');
  const std::size_t wanted_bytes = scalar.unescape(wanted.data(), text.data(), text.size());
  for (const Kernel kernel : kernels_available()) {
    std::string found(text.size(), '\0');
    const auto& table = detail::json_string_table(kernel);
    const std::size_t found_bytes = table.unescape(found.data(), text.data(), text.size());
    require(found_bytes == wanted_bytes);
    if (found_bytes != detail::kJsonMalformed) {
      require(found.compare(0, found_bytes, wanted, 0, wanted_bytes) == 0);
    }
  }
}

void round_trip_base64(Bytes bytes) {
  std::string encoded(base64_encoded_bytes(bytes.size()), '\0');
  require(base64_encode(encoded.data(), bytes) == encoded.size());
  const auto decoded = test::exact_memory(base64_decoded_bytes_max(encoded.size()));
  const auto length =
      base64_decode({decoded.get(), base64_decoded_bytes_max(encoded.size())}, encoded);
  require(length && as_text({decoded.get(), *length}) == as_text(bytes));
}

// Every accepted text is the one text of its bytes.
void decode_base64(Bytes bytes) {
  const auto text = as_text(bytes);
  const std::size_t room = base64_decoded_bytes_max(text.size());
  const auto decoded = test::exact_memory(room);
  const auto length = base64_decode({decoded.get(), room}, text);
  if (!length) return;
  std::string encoded(base64_encoded_bytes(*length), '\0');
  (void)base64_encode(encoded.data(), Bytes{decoded.get(), *length});
  require(encoded == text);
}

// A text is valid however it is cut, and whichever kernel looks at it.
void validate(Bytes bytes, std::size_t cut) {
  Utf8Validator whole;
  const bool valid = whole.feed(bytes) && whole.finish();
  Utf8Validator parts;
  const std::size_t first = cut % (bytes.size() + 1);
  const bool valid_in_parts =
      parts.feed(bytes.first(first)) && parts.feed(bytes.subspan(first)) && parts.finish();
  require(valid == valid_in_parts);
  require(valid == detail::is_utf8_scalar(bytes));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t bytes) {
  test::Input input(data, bytes);
  const unsigned cut = input.choose();
  const auto copy = test::exact_memory(input.rest().size());
  if (!input.rest().empty()) {
    std::memcpy(copy.get(), input.rest().data(), input.rest().size());
  }
  const Bytes text{copy.get(), input.rest().size()};
  round_trip_json(text);
  unescape_by_every_kernel(text);
  round_trip_base64(text);
  decode_base64(text);
  validate(text, cut);
  return 0;
}
