// What is read before a connection is open: HTTP heads, which end in the same place and with the
// same error however they are cut; both sides of the upgrade; the extension header.

#include <array>
#include <string>

#include <zenwire/codec/deflate_offer.hpp>
#include <zenwire/codec/http_head.hpp>
#include <zenwire/codec/upgrade.hpp>

#include "fuzz.hpp"

using namespace zenwire;
using zenwire::test::require;

namespace {

constexpr HttpLimits kLimits{.head_bytes_max = 512, .headers_max = 6};

// Where the head ends, as if `step` bytes more arrived each time; 0 if it does not.
Result<std::size_t> find_in_steps(Bytes stream, std::size_t step) {
  HttpHeadState state;
  for (std::size_t arrived = 0; arrived < stream.size();) {
    arrived = std::min(stream.size(), arrived + step);
    const auto found = find_head(stream.first(arrived), state, kLimits);
    if (!found || *found != 0) return found;
  }
  return 0;
}

void read_response(Bytes head) {
  const auto response = parse_response_head(head);
  if (!response) return;
  require(response->status >= 100 && response->status <= 999);
  (void)content_length(response->headers);
  const std::array<std::string_view, 2> subprotocols{"a", "b"};
  const UpgradeRequest request{.host_header = "localhost",
                               .key = "dGhlIHNhbXBsZSBub25jZQ==",
                               .headers = {},
                               .subprotocols = subprotocols,
                               .deflate = DeflateOffer{}};
  const auto upgraded = check_upgrade_response(*response, request);
  if (upgraded) require(response->status == 101);
}

void read_request(Bytes head) {
  const auto request = parse_request_head(head);
  if (!request) return;
  (void)choose_deflate(request->headers, DeflateOffer{});
  const auto client = check_upgrade_request(*request);
  if (client) require(client->key.size() == kUpgradeKey_bytes);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t bytes) {
  test::Input input(data, bytes);
  const unsigned choice = input.choose();
  const auto copy = test::exact_memory(input.rest().size());
  if (!input.rest().empty()) {
    std::memcpy(copy.get(), input.rest().data(), input.rest().size());
  }
  const Bytes stream{copy.get(), input.rest().size()};

  const auto whole = find_in_steps(stream, stream.size() + 1);
  const auto cut = find_in_steps(stream, 1 + choice % 16);
  require(whole.has_value() == cut.has_value());
  require(whole ? *whole == *cut : whole.error().code() == cut.error().code());
  const Bytes head = whole && *whole != 0 ? stream.first(*whole) : stream;
  read_response(head);
  read_request(head);
  return 0;
}
