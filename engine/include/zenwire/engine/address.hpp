#pragma once

// A socket address (IPv4 or IPv6) as a plain value, without the system's headers.

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <zenwire/base/error.hpp>

namespace zenwire {

class Address {
 public:
  Address() noexcept = default;

  // From an address literal ("10.0.0.1", "::1", "fe80::1%eth0"); nothing if `text` is a name.
  static std::optional<Address> from_literal(std::string_view text, std::uint16_t port) noexcept;
  static Address from_system(const void* sockaddr, std::size_t bytes) noexcept;

  [[nodiscard]] std::uint16_t port() const noexcept;
  void set_port(std::uint16_t port) noexcept;
  [[nodiscard]] bool is_ipv6() const noexcept;
  [[nodiscard]] bool empty() const noexcept { return bytes_ == 0; }
  // The address without the port, and "1.2.3.4:443" or "[::1]:443".
  [[nodiscard]] std::string host() const;
  [[nodiscard]] std::string text() const;

  // For the one layer that calls the system: a sockaddr and its length.
  [[nodiscard]] const void* data() const noexcept { return storage_.data(); }
  [[nodiscard]] std::size_t size_bytes() const noexcept { return bytes_; }
  bool operator==(const Address&) const noexcept = default;

 private:
  static constexpr std::size_t kStorage_bytes = 28;  // sizeof(sockaddr_in6), the larger of the two
  alignas(4) std::array<std::byte, kStorage_bytes> storage_{};
  std::uint32_t bytes_ = 0;
};

}  // namespace zenwire
