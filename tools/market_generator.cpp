#include "market_generator.hpp"

#include <algorithm>
#include <charconv>
#include <cstring>

#include <zenwire/base/assert.hpp>

namespace zenwire::tools {
namespace {

// Monday, 5 January 2026, 00:00 UTC.
constexpr std::uint64_t kStart_us = 1'767'571'200'000'000;

constexpr std::size_t kBids = 0;
constexpr std::size_t kAsks = 1;
constexpr int kDirection[] = {-1, 1};

// Levels are made this many ticks around the middle; the middle strays so far from where it began.
constexpr std::int64_t kDepth_ticks = 24;
constexpr std::int64_t kStray_ticks = 200;
constexpr std::size_t kLevels_min = 4;
constexpr std::size_t kOpeningLevels_max = 12;
static_assert(kOpeningLevels_max < MarketSide::kLevels_max && kLevels_min > 0);

constexpr std::string_view kCurrencies[] = {"BTC", "ETH"};

}  // namespace

// --- MarketSide

const MarketLevel& MarketSide::operator[](std::size_t index) const noexcept {
  ZW_ASSERT(index < size_);
  return levels_[index];
}

std::size_t MarketSide::find(std::int64_t tick) const noexcept {
  std::size_t index = 0;
  while (index < size_ && levels_[index].tick != tick) ++index;
  return index;
}

void MarketSide::insert(MarketLevel level, int direction) noexcept {
  ZW_ASSERT(size_ < kLevels_max);
  std::size_t index = size_++;
  for (; index > 0 && (levels_[index - 1].tick - level.tick) * direction > 0; --index) {
    levels_[index] = levels_[index - 1];
  }
  levels_[index] = level;
}

void MarketSide::set_amount(std::size_t index, std::int64_t amount) noexcept {
  ZW_ASSERT(index < size_ && amount > 0);
  levels_[index].amount = amount;
}

void MarketSide::erase(std::size_t index) noexcept {
  ZW_ASSERT(index < size_);
  --size_;
  for (; index < size_; ++index) levels_[index] = levels_[index + 1];
}

// --- What the venue lists

struct MarketGenerator::Listing {
  std::string_view name;
  std::string_view underlying;  // of an option: the future that it is written on
  std::uint8_t currency;        // index into kCurrencies
  Kind kind;
  std::uint8_t weight;     // how often it is heard of; the sum is kWeights
  std::uint8_t decimals;   // of a price
  std::int64_t tick_size;  // in units of the last decimal
  std::int64_t mid_tick;   // at the start
  std::int64_t lot;        // amounts are its multiples, in tenths
  std::int64_t delta;      // of an option, in 1e-5
  std::int64_t iv_cents;   // of an option: volatility in hundredths of a per cent
};

constexpr std::array<MarketGenerator::Listing, MarketGenerator::kInstruments>
    MarketGenerator::kListings{{
        {"BTC-PERPETUAL", "", 0, Kind::perpetual, 28, 1, 5, 184'300, 100, 0, 0},
        {"ETH-PERPETUAL", "", 1, Kind::perpetual, 20, 2, 5, 62'900, 10, 0, 0},
        {"BTC-27MAR26", "", 0, Kind::future, 12, 1, 25, 37'420, 100, 0, 0},
        {"ETH-27MAR26", "", 1, Kind::future, 8, 2, 25, 12'830, 10, 0, 0},
        {"BTC-27MAR26-100000-C", "BTC-27MAR26", 0, Kind::option, 8, 4, 5, 88, 1, 41'250, 4'873},
        {"BTC-27MAR26-80000-P", "BTC-27MAR26", 0, Kind::option, 7, 4, 5, 64, 1, -21'480, 5'241},
        {"BTC-30JAN26-95000-C", "BTC-30JAN26", 0, Kind::option, 6, 4, 5, 57, 1, 36'900, 4'418},
        {"ETH-27MAR26-4000-C", "ETH-27MAR26", 1, Kind::option, 5, 4, 5, 91, 10, 33'610, 7'126},
        {"ETH-30JAN26-3000-P", "ETH-30JAN26", 1, Kind::option, 4, 4, 5, 73, 10, -38'770, 6'655},
        {"ETH-30JAN26-3400-C", "ETH-30JAN26", 1, Kind::option, 2, 4, 5, 49, 10, 29'540, 6'890},
    }};

// --- Writer: the few forms of JSON that there are here, into a buffer that is large enough.

class MarketGenerator::Writer {
 public:
  explicit Writer(MutableBytes to) noexcept
      : begin_(reinterpret_cast<char*>(to.data())), at_(begin_), end_(begin_ + to.size()) {}

  [[nodiscard]] std::size_t size() const noexcept { return static_cast<std::size_t>(at_ - begin_); }

  Writer& text(std::string_view text) noexcept {
    ZW_ASSERT(text.size() <= static_cast<std::size_t>(end_ - at_));
    std::memcpy(at_, text.data(), text.size());
    at_ += text.size();
    return *this;
  }
  template <typename Integer>
  Writer& integer(Integer value) noexcept {
    const auto [end, error] = std::to_chars(at_, end_, value);
    ZW_ASSERT(error == std::errc{});
    at_ = end;
    return *this;
  }
  // value / 10^decimals, as the venue writes it: no zeros at the end but for the first decimal.
  Writer& decimal(std::int64_t value, int decimals) noexcept {
    if (value < 0) text("-");
    std::int64_t unit = 1;
    for (int place = 0; place < decimals; ++place) unit *= 10;
    const std::int64_t magnitude = value < 0 ? -value : value;
    integer(magnitude / unit).text(".");
    std::int64_t rest = magnitude % unit;
    do {
      unit /= 10;
      const std::int64_t digit = unit == 0 ? 0 : rest / unit;
      rest -= digit * unit;
      const char character = static_cast<char>('0' + digit);
      text({&character, 1});
    } while (rest != 0);
    return *this;
  }
  Writer& price(const Listing& listing, std::int64_t tick) noexcept {
    return decimal(tick * listing.tick_size, listing.decimals);
  }
  Writer& amount(std::int64_t tenths) noexcept { return decimal(tenths, 1); }

  void begin_notification(std::string_view channel, const Listing& listing) noexcept {
    text(R"({"jsonrpc":"2.0","method":"subscription","params":{"channel":")")
        .text(channel)
        .text(".")
        .text(listing.name)
        .text(R"(.raw","data":)");
  }
  void end_notification() noexcept { text("}}"); }

 private:
  char* begin_;
  char* at_;
  char* end_;
};

// What one change message says of one book. A price is named once a side.
struct MarketGenerator::Change {
  enum class Action : std::uint8_t { added, changed, deleted };
  struct Entry {
    Action action;
    MarketLevel level;
  };
  static constexpr std::size_t kEntries_max = 8;

  [[nodiscard]] bool empty() const noexcept { return counts[kBids] + counts[kAsks] == 0; }
  [[nodiscard]] bool may_name(std::size_t side, std::int64_t tick) const noexcept {
    for (std::size_t index = 0; index < counts[side]; ++index) {
      if (entries[side][index].level.tick == tick) return false;
    }
    return counts[side] < kEntries_max;
  }
  void add(std::size_t side, Action action, MarketLevel level) noexcept {
    ZW_ASSERT(may_name(side, level.tick));
    entries[side][counts[side]++] = {action, level};
  }
  void write(Writer& writer, const Listing& listing, std::size_t side) const noexcept {
    constexpr std::string_view kNames[] = {R"(["new",)", R"(["change",)", R"(["delete",)"};
    writer.text("[");
    for (std::size_t index = 0; index < counts[side]; ++index) {
      const Entry& entry = entries[side][index];
      if (index != 0) writer.text(",");
      writer.text(kNames[static_cast<std::size_t>(entry.action)])
          .price(listing, entry.level.tick)
          .text(",")
          .amount(entry.level.amount)
          .text("]");
    }
    writer.text("]");
  }

  std::array<std::array<Entry, kEntries_max>, 2> entries;
  std::array<std::size_t, 2> counts{};
};

// --- Chance

// SplitMix64: every seed is a good one.
std::uint64_t MarketGenerator::random() noexcept {
  random_state_ += 0x9E3779B97F4A7C15u;
  std::uint64_t value = random_state_;
  value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9u;
  value = (value ^ (value >> 27)) * 0x94D049BB133111EBu;
  return value ^ (value >> 31);
}

std::int64_t MarketGenerator::below(std::int64_t end) noexcept {
  ZW_ASSERT(end > 0 && end < (std::int64_t{1} << 32));
  return static_cast<std::int64_t>(((random() >> 32) * static_cast<std::uint64_t>(end)) >> 32);
}

// One to three, mostly one. (Not one expression: which operand comes first is the compiler's
// choice.)
std::int64_t MarketGenerator::few() noexcept {
  std::int64_t count = 1;
  if (below(3) == 0) ++count;
  if (below(12) == 0) ++count;
  return count;
}

// Mostly small, now and then large.
std::int64_t MarketGenerator::new_amount(const Instrument& instrument) noexcept {
  const std::int64_t lots = below(8) == 0 ? 1 + below(4000) : 1 + below(150);
  return lots * instrument.listing->lot;
}

// One counter for all books of a currency, as at the venue: numbers grow, with gaps.
std::uint64_t MarketGenerator::next_change_id(const Instrument& instrument) noexcept {
  std::uint64_t& last = change_ids_[instrument.listing->currency];
  last += 1 + static_cast<std::uint64_t>(below(40));
  return last;
}

MarketGenerator::Instrument& MarketGenerator::pick() noexcept {
  constexpr std::int64_t kWeights = [] {
    std::int64_t sum = 0;
    for (const Listing& listing : kListings) sum += listing.weight;
    return sum;
  }();
  static_assert(kWeights == 100);
  std::int64_t left = below(kWeights);
  std::size_t index = 0;
  while (left >= kListings[index].weight) left -= kListings[index++].weight;
  return instruments_[index];
}

// --- The market

MarketGenerator::MarketGenerator(std::uint64_t seed) noexcept
    : random_state_(seed), time_us_(kStart_us) {
  change_ids_ = {71'200'000'000u + random() % 1'000'000, 53'900'000'000u + random() % 1'000'000};
  trade_ids_ = {342'100'000u + random() % 100'000, 211'700'000u + random() % 100'000};
  index_cents_ = {9'214'000 + below(2000), 314'400 + below(200)};
  for (std::size_t index = 0; index < kInstruments; ++index) {
    instruments_[index].listing = &kListings[index];
    open_book(instruments_[index]);
  }
}

void MarketGenerator::open_book(Instrument& instrument) noexcept {
  instrument.mid_tick = instrument.listing->mid_tick;
  instrument.last_tick = instrument.mid_tick;
  instrument.change_id = next_change_id(instrument);
  instrument.trade_seq = 1000 + random() % 1'000'000;
  instrument.open_interest = (1000 + below(100'000)) * instrument.listing->lot;
  for (const std::size_t side : {kBids, kAsks}) {
    const auto levels =
        kLevels_min + static_cast<std::size_t>(below(kOpeningLevels_max - kLevels_min + 1));
    std::int64_t tick = instrument.mid_tick;
    for (std::size_t level = 0; level < levels; ++level) {
      tick += kDirection[side] * (1 + below(2));
      instrument.sides[side].insert({tick, new_amount(instrument)}, kDirection[side]);
    }
  }
}

// Bursts: most messages follow within a millisecond, some after a pause.
void MarketGenerator::pass_time() noexcept {
  time_us_ += static_cast<std::uint64_t>(below(8) == 0 ? below(20'000) : below(400));
  for (std::int64_t& cents : index_cents_) {
    if (below(16) == 0) cents += below(101) - 50;
  }
}

// The middle moves by a tick; the level that stood there goes.
void MarketGenerator::walk(Instrument& instrument, Change& change) noexcept {
  const std::int64_t strayed = instrument.mid_tick - instrument.listing->mid_tick;
  const std::int64_t stray_max = std::min(kStray_ticks, instrument.listing->mid_tick / 4);
  const bool up = strayed <= -stray_max || (strayed < stray_max && below(2) == 0);
  const std::size_t eaten = up ? kAsks : kBids;
  MarketSide& side = instrument.sides[eaten];
  const std::int64_t tick = instrument.mid_tick + kDirection[eaten];
  const std::size_t index = side.find(tick);
  if (index != side.size()) {
    if (side.size() <= kLevels_min || !change.may_name(eaten, tick)) return;
    side.erase(index);
    change.add(eaten, Change::Action::deleted, {tick, 0});
  }
  instrument.mid_tick = tick;
}

// One level of one side: a new one, a new amount, or an end.
void MarketGenerator::touch_level(Instrument& instrument, std::size_t which,
                                  Change& change) noexcept {
  MarketSide& side = instrument.sides[which];
  // The nearer, the livelier.
  const std::int64_t far = 1 + below(kDepth_ticks);
  const std::int64_t tick = instrument.mid_tick + kDirection[which] * (1 + below(far));
  const std::size_t index = side.find(tick);
  const MarketLevel level{tick, new_amount(instrument)};
  if (!change.may_name(which, tick)) return;
  if (index == side.size()) {
    if (side.size() == MarketSide::kLevels_max) return;
    side.insert(level, kDirection[which]);
    change.add(which, Change::Action::added, level);
  } else if (side.size() > kLevels_min && below(2) == 0) {
    side.erase(index);
    change.add(which, Change::Action::deleted, {tick, 0});
  } else if (side[index].amount != level.amount) {
    side.set_amount(index, level.amount);
    change.add(which, Change::Action::changed, level);
  }
}

// What the trades before took from the best level.
void MarketGenerator::take_best(Instrument& instrument, Change& change) noexcept {
  MarketSide& side = instrument.sides[traded_side_];
  const MarketLevel best = side[0];
  const std::int64_t left = best.amount - traded_amount_;
  ZW_ASSERT(left >= 0);
  if (left != 0) {
    side.set_amount(0, left);
    change.add(traded_side_, Change::Action::changed, {best.tick, left});
    return;
  }
  side.erase(0);
  change.add(traded_side_, Change::Action::deleted, {best.tick, 0});
}

std::int64_t MarketGenerator::index_of(const Instrument& instrument) const noexcept {
  return index_cents_[instrument.listing->currency];
}

// --- Messages

std::size_t MarketGenerator::next(MutableBytes to) noexcept {
  ZW_ASSERT(to.size() >= kMessage_bytes_max);
  Writer writer(to);
  pass_time();
  if (message_ < kOpeningMessages) {
    write_opening(writer);
  } else if (traded_ != nullptr) {
    write_change(writer, *traded_);
  } else {
    Instrument& instrument = pick();
    const std::int64_t kind = below(100);
    if (kind < 62) {
      write_change(writer, instrument);
    } else if (kind < 90) {
      write_ticker(writer, instrument);
    } else {
      write_trades(writer, instrument);
    }
  }
  ++message_;
  return writer.size();
}

std::string_view MarketGenerator::next() noexcept {
  const std::size_t bytes = next(MutableBytes(own_));
  return as_text(Bytes(own_).first(bytes));
}

void MarketGenerator::write_opening(Writer& writer) noexcept {
  if (message_ == 0) return write_answer(writer);
  Instrument& instrument = instruments_[(message_ - 1) % kInstruments];
  if (message_ <= kInstruments) return write_ticker(writer, instrument);
  write_snapshot(writer, instrument);
}

void MarketGenerator::write_answer(Writer& writer) noexcept {
  writer.text(R"({"jsonrpc":"2.0","id":0,"result":[)");
  bool first = true;
  for (const std::string_view channel : {"trades.", "ticker.", "book."}) {
    for (const Listing& listing : kListings) {
      writer.text(first ? "\"" : ",\"").text(channel).text(listing.name).text(".raw\"");
      first = false;
    }
  }
  const std::int64_t took_us = 300 + below(600);
  writer.text(R"(],"usIn":)").integer(time_us_);
  time_us_ += static_cast<std::uint64_t>(took_us);
  writer.text(R"(,"usOut":)").integer(time_us_);
  writer.text(R"(,"usDiff":)").integer(took_us).text(R"(,"testnet":false})");
}

void MarketGenerator::write_snapshot(Writer& writer, Instrument& instrument) noexcept {
  const Listing& listing = *instrument.listing;
  writer.begin_notification("book", listing);
  writer.text(R"({"type":"snapshot","timestamp":)").integer(time_us_ / 1000);
  writer.text(R"(,"instrument_name":")").text(listing.name);
  writer.text(R"(","change_id":)").integer(instrument.change_id);
  for (const std::size_t side : {kBids, kAsks}) {
    writer.text(side == kBids ? R"(,"bids":[)" : R"(,"asks":[)");
    for (std::size_t index = 0; index < instrument.sides[side].size(); ++index) {
      const MarketLevel& level = instrument.sides[side][index];
      writer.text(index == 0 ? R"(["new",)" : R"(,["new",)").price(listing, level.tick);
      writer.text(",").amount(level.amount).text("]");
    }
    writer.text("]");
  }
  writer.text("}");
  writer.end_notification();
}

void MarketGenerator::write_change(Writer& writer, Instrument& instrument) noexcept {
  const Listing& listing = *instrument.listing;
  Change change;
  if (traded_ != nullptr) {
    take_best(instrument, change);
    traded_ = nullptr;
  } else {
    if (below(6) == 0) walk(instrument, change);
    for (std::int64_t touches = few(); touches > 0; --touches) {
      touch_level(instrument, static_cast<std::size_t>(below(2)), change);
    }
    while (change.empty()) {
      touch_level(instrument, static_cast<std::size_t>(below(2)), change);
    }
  }
  const std::uint64_t previous = instrument.change_id;
  instrument.change_id = next_change_id(instrument);

  writer.begin_notification("book", listing);
  writer.text(R"({"type":"change","timestamp":)").integer(time_us_ / 1000);
  writer.text(R"(,"prev_change_id":)").integer(previous);
  writer.text(R"(,"instrument_name":")").text(listing.name);
  writer.text(R"(","change_id":)").integer(instrument.change_id);
  writer.text(R"(,"bids":)");
  change.write(writer, listing, kBids);
  writer.text(R"(,"asks":)");
  change.write(writer, listing, kAsks);
  writer.text("}");
  writer.end_notification();
}

// An instrument that has not traded has no statistics.
void MarketGenerator::write_stats(Writer& writer, const Instrument& instrument) const noexcept {
  writer.text(R"("stats":{)");
  if (instrument.volume == 0) {
    writer.text(R"("volume":null,"price_change":null,"low":null,"high":null},)");
    return;
  }
  const Listing& listing = *instrument.listing;
  const std::int64_t moved = instrument.last_tick - listing.mid_tick;
  writer.text(R"("volume":)").amount(instrument.volume);
  writer.text(R"(,"price_change":)").decimal(moved * 1'000'000 / listing.mid_tick, 4);
  writer.text(R"(,"low":)").price(listing, instrument.low_tick);
  writer.text(R"(,"high":)").price(listing, instrument.high_tick).text("},");
}

void MarketGenerator::write_greeks(Writer& writer, const Instrument& instrument) noexcept {
  const Listing& listing = *instrument.listing;
  const std::int64_t magnitude = listing.delta < 0 ? -listing.delta : listing.delta;
  writer.text(R"("greeks":{"vega":)").decimal(1'700'000 + below(9'000'000), 5);
  writer.text(R"(,"theta":)").decimal(-300'000 - below(5'000'000), 5);
  writer.text(R"(,"rho":)").decimal(listing.delta * 60 + below(10'000), 5);
  writer.text(R"(,"gamma":)").decimal(1 + below(40), 5);
  writer.text(R"(,"delta":)").decimal(listing.delta + below(magnitude / 50) - magnitude / 100, 5);
  writer.text("},");
}

void MarketGenerator::write_ticker(Writer& writer, const Instrument& instrument) noexcept {
  const Listing& listing = *instrument.listing;
  const std::int64_t index_cents = index_of(instrument);
  const bool option = listing.kind == Kind::option;
  writer.begin_notification("ticker", listing);
  writer.text("{");
  if (option) {
    writer.text(R"("underlying_price":)").decimal(index_cents + index_cents / 100, 2);
    writer.text(R"(,"underlying_index":")").text(listing.underlying).text("\",");
  }
  writer.text(R"("timestamp":)").integer(time_us_ / 1000).text(",");
  write_stats(writer, instrument);
  writer.text(R"("state":"open","settlement_price":)").price(listing, listing.mid_tick);
  writer.text(R"(,"open_interest":)").amount(instrument.open_interest);
  writer.text(R"(,"min_price":)").price(listing, listing.mid_tick / 2);
  writer.text(R"(,"max_price":)").price(listing, listing.mid_tick * 2);
  // The mark lies between the ticks: two decimals more.
  writer.text(R"(,"mark_price":)")
      .decimal(instrument.mid_tick * listing.tick_size * 100 + below(listing.tick_size * 100),
               listing.decimals + 2);
  const std::int64_t iv_cents = listing.iv_cents + below(60);
  if (option) writer.text(R"(,"mark_iv":)").decimal(iv_cents, 2);
  writer.text(R"(,"last_price":)").price(listing, instrument.last_tick);
  if (option) writer.text(R"(,"interest_rate":0.0)");
  writer.text(R"(,"instrument_name":")").text(listing.name);
  writer.text(R"(","index_price":)").decimal(index_cents, 2).text(",");
  if (option) write_greeks(writer, instrument);
  if (listing.kind == Kind::perpetual) {
    writer.text(R"("funding_8h":)").decimal(below(4000) - 1000, 8).text(",");
  }
  writer.text(R"("estimated_delivery_price":)").decimal(index_cents, 2).text(",");
  if (listing.kind == Kind::perpetual) {
    writer.text(R"("current_funding":)").decimal(below(800) - 200, 8).text(",");
  }
  const MarketLevel& bid = instrument.sides[kBids][0];
  const MarketLevel& ask = instrument.sides[kAsks][0];
  if (option) writer.text(R"("bid_iv":)").decimal(iv_cents - 40 - below(200), 2).text(",");
  writer.text(R"("best_bid_price":)").price(listing, bid.tick);
  writer.text(R"(,"best_bid_amount":)").amount(bid.amount);
  writer.text(R"(,"best_ask_price":)").price(listing, ask.tick);
  writer.text(R"(,"best_ask_amount":)").amount(ask.amount);
  if (option) writer.text(R"(,"ask_iv":)").decimal(iv_cents + 40 + below(200), 2);
  writer.text("}");
  writer.end_notification();
}

// One taker, one to three trades, all at the best price of one side.
void MarketGenerator::write_trades(Writer& writer, Instrument& instrument) noexcept {
  traded_side_ = static_cast<std::size_t>(below(2));
  // The best level may go altogether, and the book keeps its least number of levels.
  if (instrument.sides[traded_side_].size() <= kLevels_min) traded_side_ = 1 - traded_side_;
  if (instrument.sides[traded_side_].size() <= kLevels_min) return write_ticker(writer, instrument);
  traded_ = &instrument;
  traded_amount_ = 0;
  const std::int64_t best_amount = instrument.sides[traded_side_][0].amount;
  const std::int64_t trades = few();
  writer.begin_notification("trades", *instrument.listing);
  for (std::int64_t trade = 0; trade < trades && traded_amount_ < best_amount; ++trade) {
    writer.text(trade == 0 ? "[" : ",");
    write_trade(writer, instrument, traded_side_);
  }
  writer.text("]");
  writer.end_notification();
}

void MarketGenerator::write_trade(Writer& writer, Instrument& instrument,
                                  std::size_t side) noexcept {
  const Listing& listing = *instrument.listing;
  const MarketLevel best = instrument.sides[side][0];
  const std::int64_t lots_left = (best.amount - traded_amount_) / listing.lot;
  const std::int64_t amount = listing.lot * (1 + below((lots_left + 1) / 2));
  traded_amount_ += amount;
  // 0: up, 1: equal after up, 2: down, 3: equal after down.
  const std::int64_t direction = best.tick > instrument.last_tick   ? 0
                                 : best.tick < instrument.last_tick ? 2
                                                                    : instrument.last_direction | 1;
  instrument.last_direction = direction;
  instrument.last_tick = best.tick;
  instrument.low_tick =
      instrument.volume == 0 ? best.tick : std::min(instrument.low_tick, best.tick);
  instrument.high_tick = std::max(instrument.high_tick, best.tick);
  instrument.volume += amount;

  writer.text(R"({"trade_seq":)").integer(++instrument.trade_seq);
  writer.text(R"(,"trade_id":")");
  if (listing.currency != 0) writer.text(kCurrencies[listing.currency]).text("-");
  writer.integer(++trade_ids_[listing.currency]);
  writer.text(R"(","timestamp":)").integer(time_us_ / 1000);
  writer.text(R"(,"tick_direction":)").integer(direction);
  writer.text(R"(,"price":)").price(listing, best.tick);
  writer.text(R"(,"mark_price":)").price(listing, instrument.mid_tick);
  if (listing.kind == Kind::option) {
    writer.text(R"(,"iv":)").decimal(listing.iv_cents + below(60), 2);
  }
  writer.text(R"(,"instrument_name":")").text(listing.name);
  writer.text(R"(","index_price":)").decimal(index_of(instrument), 2);
  writer.text(R"(,"direction":")").text(side == kAsks ? "buy" : "sell");
  writer.text(R"(","amount":)").amount(amount).text("}");
}

}  // namespace zenwire::tools
