#include "market_generator.hpp"

#include <charconv>
#include <cstring>

#include <zenwire/base/assert.hpp>

namespace zenwire::tools {
namespace {

constexpr std::uint64_t kSnapshotLevels = 10;
constexpr std::uint64_t kCentsPerUnit = 100;

}  // namespace

MarketGenerator::MarketGenerator(std::uint64_t seed) noexcept
    : state_(seed),
      instruments_{{{"BTC-PERPETUAL", 50, 126'000, 60'000'000'000, 250'000'000},
                    {"ETH-PERPETUAL", 5, 70'000, 61'000'000'000, 180'000'000},
                    {"BTC-27DEC24-70000-C", 50, 9'000, 62'000'000'000, 20'000'000},
                    {"ETH-27DEC24-4000-P", 5, 8'200, 63'000'000'000, 10'000'000},
                    {"SOL_USDC-PERPETUAL", 1, 15'000, 64'000'000'000, 5'000'000},
                    {"BTC_USDC", 100, 63'000, 65'000'000'000, 900'000}}} {}

// SplitMix64: the state is a counter, so every seed, 0 too, is a good one.
std::uint64_t MarketGenerator::random() noexcept {
  state_ += 0x9e3779b97f4a7c15;
  std::uint64_t value = state_;
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9;
  value = (value ^ (value >> 27)) * 0x94d049bb133111eb;
  return value ^ (value >> 31);
}

std::string_view MarketGenerator::next() noexcept {
  begin();
  time_us_ += 1 + below(2'000);
  const std::uint64_t at = count_++;
  if (at == 0) return subscribed();
  if (at <= kInstruments) return book_snapshot(instruments_[at - 1]);
  Instrument& instrument = instruments_[below(kInstruments)];
  // A walk of at most two ticks that never reaches zero.
  instrument.price = instrument.price + below(5) - 2;
  if (instrument.price < 1'000) instrument.price = 1'000;
  const std::uint64_t kind = below(100);
  if (kind < 60) return book_change(instrument);
  return kind < 90 ? ticker(instrument) : trades(instrument);
}

// --- Messages.

std::string_view MarketGenerator::subscribed() noexcept {
  put(R"({"jsonrpc":"2.0","id":1,"result":[)");
  for (std::size_t i = 0; i < kInstruments; ++i) {
    if (i != 0) put(",");
    put(R"("book.)");
    put(instruments_[i].name);
    put(R"(.raw")");
  }
  put(R"(],"usIn":)");
  put(time_us_);
  put(R"(,"usOut":)");
  put(time_us_ + 150);
  put(R"(,"usDiff":150,"testnet":false})");
  return text();
}

void MarketGenerator::put_header(std::string_view channel, const Instrument& at,
                                 std::string_view suffix) noexcept {
  put(R"({"jsonrpc":"2.0","method":"subscription","params":{"channel":")");
  put(channel);
  put(at.name);
  put(suffix);
  put(R"(","data":)");
}

std::string_view MarketGenerator::book_snapshot(Instrument& at) noexcept {
  put_header("book.", at, ".raw");
  put(R"({"type":"snapshot","timestamp":)");
  put(time_us_ / 1000);
  put(R"(,"instrument_name":")");
  put(at.name);
  put(R"(","change_id":)");
  put(++at.change_id);
  put(R"(,"bids":[)");
  for (std::uint64_t level = 0; level < kSnapshotLevels; ++level) {
    if (level != 0) put(",");
    put_level(at, "new", at.price - 1 - level);
  }
  put(R"(],"asks":[)");
  for (std::uint64_t level = 0; level < kSnapshotLevels; ++level) {
    if (level != 0) put(",");
    put_level(at, "new", at.price + 1 + level);
  }
  put("]}}}");
  return text();
}

std::string_view MarketGenerator::book_change(Instrument& at) noexcept {
  put_header("book.", at, ".raw");
  put(R"({"type":"change","timestamp":)");
  put(time_us_ / 1000);
  put(R"(,"prev_change_id":)");
  put(at.change_id);
  at.change_id += 1 + below(40);
  put(R"(,"instrument_name":")");
  put(at.name);
  put(R"(","change_id":)");
  put(at.change_id);
  constexpr std::string_view kActions[] = {"new", "change", "delete"};
  for (const bool bids : {true, false}) {
    put(bids ? R"(,"bids":[)" : R"(,"asks":[)");
    const std::uint64_t levels = below(4);
    for (std::uint64_t level = 0; level < levels; ++level) {
      if (level != 0) put(",");
      const std::uint64_t away = 1 + below(20);
      put_level(at, kActions[below(3)], bids ? at.price - away : at.price + away);
    }
    put("]");
  }
  put("}}}");
  return text();
}

std::string_view MarketGenerator::ticker(Instrument& at) noexcept {
  put_header("ticker.", at, ".raw");
  put(R"({"timestamp":)");
  put(time_us_ / 1000);
  put(R"(,"stats":{"volume_usd":)");
  put(10'000'000 + below(1'000'000'000));
  put(R"(,"volume":)");
  put_amount();
  put(R"(,"price_change":)");
  put(below(9));
  put(".");
  put(1000 + below(9000));
  put(R"(,"low":)");
  put_price(at, at.price - 900);
  put(R"(,"high":)");
  put_price(at, at.price + 900);
  put(R"(},"state":"open","settlement_price":)");
  put_price(at, at.price + below(100));
  put(R"(,"open_interest":)");
  put(1'000'000 + below(1'000'000'000));
  put(R"(,"min_price":)");
  put_price(at, at.price - 950);
  put(R"(,"max_price":)");
  put_price(at, at.price + 950);
  put(R"(,"mark_price":)");
  put_price(at, at.price);
  put(R"(,"last_price":)");
  put_price(at, at.price);
  put(R"(,"interest_value":0.)");
  put(1000 + below(9000));
  put(R"(,"instrument_name":")");
  put(at.name);
  put(R"(","index_price":)");
  put_price(at, at.price + below(20));
  put(R"(,"funding_8h":0.0000)");
  put(1000 + below(9000));
  put(R"(,"current_funding":0.0,"best_bid_price":)");
  put_price(at, at.price - 1);
  put(R"(,"best_bid_amount":)");
  put_amount();
  put(R"(,"best_ask_price":)");
  put_price(at, at.price + 1);
  put(R"(,"best_ask_amount":)");
  put_amount();
  put("}}}");
  return text();
}

std::string_view MarketGenerator::trades(Instrument& at) noexcept {
  put_header("trades.", at, ".raw");
  put("[");
  const std::uint64_t count = 1 + below(3);
  for (std::uint64_t i = 0; i < count; ++i) {
    if (i != 0) put(",");
    put(R"({"trade_seq":)");
    put(++at.trade_id);
    put(R"(,"trade_id":")");
    put(at.trade_id + 100'000'000);
    put(R"(","timestamp":)");
    put(time_us_ / 1000);
    put(R"(,"tick_direction":)");
    put(below(4));
    put(R"(,"price":)");
    put_price(at, at.price);
    put(R"(,"mark_price":)");
    put_price(at, at.price + below(3));
    put(R"(,"instrument_name":")");
    put(at.name);
    put(R"(","index_price":)");
    put_price(at, at.price + below(10));
    put(below(2) == 0 ? R"(,"direction":"buy","amount":)" : R"(,"direction":"sell","amount":)");
    put_amount();
    put("}");
  }
  put("]}}");
  return text();
}

// --- Text.

void MarketGenerator::put(std::string_view text) noexcept {
  ZW_ASSERT(text.size() <= message_.size() - used_);
  std::memcpy(message_.data() + used_, text.data(), text.size());
  used_ += text.size();
}

void MarketGenerator::put(std::uint64_t number) noexcept {
  const auto written =
      std::to_chars(message_.data() + used_, message_.data() + message_.size(), number);
  ZW_ASSERT(written.ec == std::errc{});
  used_ = static_cast<std::size_t>(written.ptr - message_.data());
}

void MarketGenerator::put_price(const Instrument& at, std::uint64_t ticks) noexcept {
  const std::uint64_t cents = ticks * at.tick;
  put(cents / kCentsPerUnit);
  put(cents % kCentsPerUnit < 10 ? ".0" : ".");
  put(cents % kCentsPerUnit);
}

void MarketGenerator::put_amount() noexcept {
  put(1 + below(50'000));
  put(".0");
}

void MarketGenerator::put_level(const Instrument& at, std::string_view action,
                                std::uint64_t ticks) noexcept {
  put(R"([")");
  put(action);
  put(R"(",)");
  put_price(at, ticks);
  put(",");
  if (action == "delete") {
    put("0.0");
  } else {
    put_amount();
  }
  put("]");
}

}  // namespace zenwire::tools
