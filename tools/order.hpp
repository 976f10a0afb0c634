#pragma once

// The order message that the demo's strategy answers with, and what its server reads of it.

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

#include <zenwire/base/assert.hpp>

namespace zenwire::tools {

inline constexpr std::string_view kOrderFront = R"({"jsonrpc":"2.0","id":)";
inline constexpr std::string_view kOrderRest =
    R"(,"method":"private/buy","params":{"instrument_name":"BTC-PERPETUAL","amount":10,)"
    R"("type":"limit","price":64250.5,"time_in_force":"good_til_cancelled","post_only":true}})";
// What a venue that is not ours gets instead: a question that orders nothing.
inline constexpr std::string_view kQuestionRest = R"(,"method":"public/test","params":{}})";
inline constexpr std::size_t kOrder_bytes_max = kOrderFront.size() + 20 + kOrderRest.size();

// Writes it into `to`, which holds kOrder_bytes_max, and returns its text. No allocation.
inline std::string_view write_order(std::span<char, kOrder_bytes_max> to, std::uint64_t number,
                                    std::string_view rest = kOrderRest) noexcept {
  char* at = to.data();
  std::memcpy(at, kOrderFront.data(), kOrderFront.size());
  at += kOrderFront.size();
  at = std::to_chars(at, at + 20, number).ptr;
  ZW_ASSERT(at + rest.size() <= to.data() + to.size());
  std::memcpy(at, rest.data(), rest.size());
  at += rest.size();
  return {to.data(), static_cast<std::size_t>(at - to.data())};
}

// 0: it is no order.
inline std::uint64_t order_number(std::string_view order) noexcept {
  if (order.substr(0, kOrderFront.size()) != kOrderFront) return 0;
  std::uint64_t number = 0;
  const std::string_view rest = order.substr(kOrderFront.size());
  const auto [at, error] = std::from_chars(rest.data(), rest.data() + rest.size(), number);
  static_cast<void>(at);
  return error == std::errc{} ? number : 0;
}

}  // namespace zenwire::tools
