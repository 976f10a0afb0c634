#include <zenwire/base/want_of_memory.hpp>
#include <zenwire/engine/endpoint.hpp>

namespace zenwire {

Result<Endpoint> Endpoint::make(ConnectOptions options) noexcept {
  return or_memory_exhausted([&]() -> Result<Endpoint> {
    if (auto valid = options.validate(); !valid) return tl::unexpected<Error>(valid.error());
    auto url = parse_url(options.url);
    if (!url) return tl::unexpected<Error>(url.error());
    return Endpoint(std::move(options), std::move(*url));
  });
}

}  // namespace zenwire
