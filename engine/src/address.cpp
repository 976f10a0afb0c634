#include <cstring>

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>

#include <zenwire/base/assert.hpp>
#include <zenwire/engine/address.hpp>

namespace zenwire {
namespace {

template <typename System>
System load(const void* from) noexcept {
  System value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

std::uint32_t scope_of(std::string_view scope) noexcept {
  const std::string name(scope);
  const unsigned index = ::if_nametoindex(name.c_str());
  return index != 0 ? index : static_cast<std::uint32_t>(std::strtoul(name.c_str(), nullptr, 10));
}

}  // namespace

std::optional<Address> Address::from_literal(std::string_view text, std::uint16_t port) noexcept {
  const auto percent = text.find('%');
  char host[INET6_ADDRSTRLEN + 1] = {};
  const std::string_view bare = text.substr(0, percent);
  if (bare.empty() || bare.size() >= sizeof host) return std::nullopt;
  std::memcpy(host, bare.data(), bare.size());
  sockaddr_in v4{};
  if (percent == std::string_view::npos && ::inet_pton(AF_INET, host, &v4.sin_addr) == 1) {
    v4.sin_family = AF_INET;
    v4.sin_port = htons(port);
    return from_system(&v4, sizeof v4);
  }
  sockaddr_in6 v6{};
  if (::inet_pton(AF_INET6, host, &v6.sin6_addr) != 1) return std::nullopt;
  v6.sin6_family = AF_INET6;
  v6.sin6_port = htons(port);
  if (percent != std::string_view::npos) v6.sin6_scope_id = scope_of(text.substr(percent + 1));
  return from_system(&v6, sizeof v6);
}

Address Address::from_system(const void* sockaddr, std::size_t bytes) noexcept {
  static_assert(sizeof(sockaddr_in6) <= kStorage_bytes && sizeof(sockaddr_in) <= kStorage_bytes);
  Address address;
  const auto family = load<sa_family_t>(sockaddr);
  if (family != AF_INET && family != AF_INET6) return address;
  ZW_ASSERT(bytes <= kStorage_bytes);
  std::memcpy(address.storage_.data(), sockaddr, bytes);
  address.bytes_ = static_cast<std::uint32_t>(bytes);
  return address;
}

bool Address::is_ipv6() const noexcept {
  return !empty() && load<sa_family_t>(data()) == AF_INET6;
}

// The port lies at the same place in both families.
static_assert(offsetof(sockaddr_in, sin_port) == offsetof(sockaddr_in6, sin6_port));

std::uint16_t Address::port() const noexcept {
  if (empty()) return 0;
  return ntohs(load<in_port_t>(storage_.data() + offsetof(sockaddr_in, sin_port)));
}

void Address::set_port(std::uint16_t port) noexcept {
  ZW_ASSERT(!empty());
  const in_port_t value = htons(port);
  std::memcpy(storage_.data() + offsetof(sockaddr_in, sin_port), &value, sizeof value);
}

std::string Address::host() const {
  if (empty()) return {};
  char text[INET6_ADDRSTRLEN] = {};
  const std::size_t offset =
      is_ipv6() ? offsetof(sockaddr_in6, sin6_addr) : offsetof(sockaddr_in, sin_addr);
  const int family = is_ipv6() ? AF_INET6 : AF_INET;
  return ::inet_ntop(family, storage_.data() + offset, text, sizeof text) != nullptr ? text : "";
}

std::string Address::text() const {
  if (empty()) return "(no address)";
  const std::string port_text = ":" + std::to_string(port());
  return is_ipv6() ? "[" + host() + "]" + port_text : host() + port_text;
}

}  // namespace zenwire
