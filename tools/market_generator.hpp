#pragma once

// MarketGenerator: an endless session of a made-up derivatives venue in the dialect of Deribit
// (JSON-RPC notifications), for the demo, benchmarks and tests.
//
// First the answer to a subscription, then a ticker and a book snapshot of each instrument, then
// book changes, tickers and trades, in sizes and a mix like those of a real session. It is
// consistent: prices walk, bids stay below asks, a change names only levels that its kind allows
// (`new` ones were not there, `change` and `delete` ones were), the `prev_change_id` of each change
// is the `change_id` before it, and a trade is followed by the change that it made to the book.
//
// The bytes follow from the seed alone, on every platform: integers only, and no distribution of
// the standard library, whose results differ between libraries.

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include <zenwire/base/bytes.hpp>

namespace zenwire::tools {

struct MarketLevel {
  std::int64_t tick;    // price in ticks
  std::int64_t amount;  // in tenths
};

// One side of a book, best first.
class MarketSide {
 public:
  static constexpr std::size_t kLevels_max = 16;

  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] const MarketLevel& operator[](std::size_t index) const noexcept;
  // Index of the level at that price, or size().
  [[nodiscard]] std::size_t find(std::int64_t tick) const noexcept;
  // Inserts in its place; `direction` is 1 where a higher price is a worse one (asks), else -1.
  void insert(MarketLevel level, int direction) noexcept;
  void set_amount(std::size_t index, std::int64_t amount) noexcept;
  void erase(std::size_t index) noexcept;

 private:
  std::array<MarketLevel, kLevels_max> levels_{};
  std::size_t size_ = 0;
};

// Threads: one. Cost: a few hundred nanoseconds a message; nothing allocates.
class MarketGenerator {
 public:
  static constexpr std::size_t kMessage_bytes_max = 2048;
  static constexpr std::size_t kInstruments = 10;

  explicit MarketGenerator(std::uint64_t seed) noexcept;

  // Writes the next message and returns its size. `to` has room for kMessage_bytes_max.
  std::size_t next(MutableBytes to) noexcept;
  // The same in a buffer of its own, which the next call overwrites.
  std::string_view next() noexcept;

  // Messages until every instrument has had its ticker and its snapshot.
  static constexpr std::size_t kOpeningMessages = 1 + 2 * kInstruments;

 private:
  class Writer;
  struct Change;
  enum class Kind : std::uint8_t { option, future, perpetual };
  // What does not change, in units that the definition explains.
  struct Listing;

  struct Instrument {
    const Listing* listing = nullptr;
    std::int64_t mid_tick = 0;
    std::array<MarketSide, 2> sides;  // bids, asks
    std::uint64_t change_id = 0;
    std::uint64_t trade_seq = 0;
    std::int64_t last_tick = 0;
    std::int64_t low_tick = 0;  // of the trades; 0: none yet
    std::int64_t high_tick = 0;
    std::int64_t volume = 0;         // in tenths
    std::int64_t open_interest = 0;  // in tenths
    std::int64_t last_direction = 0;
  };

  static const std::array<Listing, kInstruments> kListings;

  std::uint64_t random() noexcept;
  // In [0, end).
  std::int64_t below(std::int64_t end) noexcept;
  std::int64_t few() noexcept;
  std::int64_t new_amount(const Instrument& instrument) noexcept;
  std::uint64_t next_change_id(const Instrument& instrument) noexcept;
  Instrument& pick() noexcept;

  void open_book(Instrument& instrument) noexcept;
  void pass_time() noexcept;
  void walk(Instrument& instrument, Change& change) noexcept;
  void touch_level(Instrument& instrument, std::size_t side, Change& change) noexcept;
  void take_best(Instrument& instrument, Change& change) noexcept;
  [[nodiscard]] std::int64_t index_of(const Instrument& instrument) const noexcept;

  void write_opening(Writer& writer) noexcept;
  void write_answer(Writer& writer) noexcept;
  void write_snapshot(Writer& writer, Instrument& instrument) noexcept;
  void write_change(Writer& writer, Instrument& instrument) noexcept;
  void write_ticker(Writer& writer, const Instrument& instrument) noexcept;
  void write_trades(Writer& writer, Instrument& instrument) noexcept;
  void write_trade(Writer& writer, Instrument& instrument, std::size_t side) noexcept;
  void write_stats(Writer& writer, const Instrument& instrument) const noexcept;
  void write_greeks(Writer& writer, const Instrument& instrument) noexcept;

  std::uint64_t random_state_;
  std::uint64_t message_ = 0;
  std::uint64_t time_us_;
  std::array<std::uint64_t, 2> change_ids_{};  // by currency
  std::array<std::uint64_t, 2> trade_ids_{};
  std::array<std::int64_t, 2> index_cents_{};  // price of the coin
  std::array<Instrument, kInstruments> instruments_;
  Instrument* traded_ = nullptr;  // its book change is due
  std::size_t traded_side_ = 0;
  std::int64_t traded_amount_ = 0;
  std::array<std::byte, kMessage_bytes_max> own_;
};

}  // namespace zenwire::tools
