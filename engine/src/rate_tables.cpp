#include <algorithm>

#include <zenwire/engine/rate_limiter.hpp>

namespace zenwire {
namespace {

constexpr Instant_ns kSecond_ns = 1'000'000'000;
constexpr auto kUrgent = Priority::urgent;

// --- Deribit. Requests to the matching engine: 20 at once, 5 a second (tier 4). All others: 500
// credits of 50,000, 10,000 a second. Subscribing: 3,000 of 30,000, 10,000 a second. A session that
// passes a limit is told 10028 and may be cut off.
constexpr BucketSpec kDeribitBuckets[] = {
    {.name = "matching", .credits_max = 20, .refill_credits = 5, .reserve_credits = 4},
    {.name = "non_matching",
     .credits_max = 50'000,
     .refill_credits = 10'000,
     .reserve_credits = 2'500},
    {.name = "subscribe", .credits_max = 30'000, .refill_credits = 10'000},
};
constexpr MethodRule kDeribitRules[] = {
    {"private/buy", {1}},
    {"private/sell", {1}},
    {"private/edit*", {1}},
    {"private/cancel*", {1}, kUrgent},
    {"private/close_position", {1}, kUrgent},
    {"private/mass_quote", {1}},
    {"private/verify_block_trade", {1}},
    {"private/execute_block_trade", {1}},
    {"public/subscribe", {0, 0, 3'000}},
    {"private/subscribe", {0, 0, 3'000}},
    {"public/test", {0, 500}, kUrgent},
    {"public/set_heartbeat", {0, 500}, kUrgent},
    {"public/auth", {0, 500}, kUrgent},
    {"*", {0, 500}},
};

// --- Binance spot WebSocket API: request weight 6,000 a minute, reset on the minute; 100 new
// orders per 10 seconds. Weights as for one symbol.
constexpr BucketSpec kBinanceBuckets[] = {
    {.name = "request_weight",
     .credits_max = 6'000,
     .refill_credits = 6'000,
     .refill_period_ns = 60 * kSecond_ns,
     .refill = Refill::stepped,
     .reserve_credits = 100},
    {.name = "orders_10s",
     .credits_max = 100,
     .refill_credits = 100,
     .refill_period_ns = 10 * kSecond_ns,
     .refill = Refill::stepped},
};
constexpr MethodRule kBinanceRules[] = {
    {"order.place", {1, 1}},
    {"order.test", {1}},
    {"order.cancel", {1}, kUrgent},
    {"order.cancelReplace", {1, 1}},
    {"openOrders.cancelAll", {1}, kUrgent},
    {"orderList.cancel", {1}, kUrgent},
    {"orderList.place*", {1, 2}},
    {"order.status", {4}},
    {"openOrders.status", {6}},
    {"allOrders", {20}},
    {"myTrades", {20}},
    {"account.status", {20}},
    {"exchangeInfo", {20}},
    {"depth", {5}},
    {"trades.recent", {25}},
    {"trades.historical", {25}},
    {"trades.aggregate", {4}},
    {"klines", {2}},
    {"uiKlines", {2}},
    {"avgPrice", {2}},
    {"ticker*", {2}},
    {"session.*", {2}},
    {"userDataStream.*", {2}},
    {"ping", {1}},
    {"time", {1}},
    {"*", {2}},
};

// --- zen_websocket 0.7.1: deribit_cost, binance_cost, simple_cost.
constexpr BucketSpec kZenDeribitBuckets[] = {
    {.name = "credits", .credits_max = 10'000, .refill_credits = 1'000, .refill = Refill::stepped}};
constexpr MethodRule kZenDeribitRules[] = {
    {"public/*", {1}},     {"private/get_*", {5}}, {"private/set_*", {10}},
    {"private/buy", {15}}, {"private/sell", {15}}, {"*", {5}},
};

constexpr BucketSpec kZenBinanceBuckets[] = {
    {.name = "weight", .credits_max = 1'200, .refill_credits = 20, .refill = Refill::stepped}};
constexpr MethodRule kZenBinanceRules[] = {{"klines", {2}}, {"*", {1}}};

constexpr BucketSpec kZenSimpleBuckets[] = {
    {.name = "tokens", .credits_max = 10, .refill_credits = 10, .refill = Refill::stepped}};
constexpr MethodRule kZenSimpleRules[] = {{"*", {1}}};

constexpr RateTable kDeribit = {"deribit", kDeribitBuckets, kDeribitRules};
constexpr RateTable kBinance = {"binance", kBinanceBuckets, kBinanceRules};
constexpr RateTable kZenDeribit = {"zen-deribit", kZenDeribitBuckets, kZenDeribitRules};
constexpr RateTable kZenBinance = {"zen-binance", kZenBinanceBuckets, kZenBinanceRules};
constexpr RateTable kZenSimple = {"zen-simple", kZenSimpleBuckets, kZenSimpleRules};
constexpr const RateTable* kTables[] = {&kDeribit, &kBinance, &kZenDeribit, &kZenBinance,
                                        &kZenSimple};

}  // namespace

const RateTable& deribit_rates() noexcept {
  return kDeribit;
}
const RateTable& binance_rates() noexcept {
  return kBinance;
}
const RateTable& zen_deribit_rates() noexcept {
  return kZenDeribit;
}
const RateTable& zen_binance_rates() noexcept {
  return kZenBinance;
}
const RateTable& zen_simple_rates() noexcept {
  return kZenSimple;
}

std::span<const RateTable* const> rate_tables() noexcept {
  return kTables;
}

const RateTable* find_rate_table(std::string_view name) noexcept {
  const auto* const found =
      std::find_if(std::begin(kTables), std::end(kTables),
                   [&](const RateTable* table) { return table->name == name; });
  return found == std::end(kTables) ? nullptr : *found;
}

}  // namespace zenwire
