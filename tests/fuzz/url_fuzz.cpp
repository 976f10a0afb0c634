// URLs: what is accepted prints as the same place, for the Host header and the request line.

#include <string>

#include <zenwire/codec/url.hpp>

#include "fuzz.hpp"

using namespace zenwire;
using zenwire::test::require;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t bytes) {
  const std::string text(reinterpret_cast<const char*>(data), bytes);
  const auto url = parse_url(text);
  if (!url) {
    require(!message(url.error().code()).empty());
    return 0;
  }
  require(url->port != 0 && !url->host.empty() && url->target.front() == '/');
  const auto again =
      parse_url((url->secure ? "wss://" : "ws://") + url->host_header() + url->target);
  require(again && again->host == url->host && again->port == url->port &&
          again->target == url->target);
  return 0;
}
