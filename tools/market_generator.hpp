#pragma once

// MarketGenerator: a market that never was, told as Deribit tells its own: JSON-RPC notifications
// of tickers, book snapshots and changes, and trades of a few instruments, with prices that walk
// and change ids that chain.
//
// The same seed gives the same bytes on every machine: the generator and its distributions are our
// own, and all numbers are integers until they are printed. One thread; a view dies with the next
// call; no allocation after construction.

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace zenwire::tools {

class MarketGenerator {
 public:
  static constexpr std::size_t kMessage_bytes_max = 4096;

  explicit MarketGenerator(std::uint64_t seed) noexcept;

  // The next message. First comes the answer to the subscription, then a book snapshot of each
  // instrument.
  std::string_view next() noexcept;

 private:
  static constexpr std::size_t kInstruments = 6;

  struct Instrument {
    std::string_view name;
    std::uint64_t tick;   // in cents
    std::uint64_t price;  // in ticks
    std::uint64_t change_id;
    std::uint64_t trade_id;
  };

  std::uint64_t random() noexcept;
  std::uint64_t below(std::uint64_t bound) noexcept { return random() % bound; }
  std::string_view subscribed() noexcept;
  std::string_view book_snapshot(Instrument& at) noexcept;
  std::string_view book_change(Instrument& at) noexcept;
  std::string_view ticker(Instrument& at) noexcept;
  std::string_view trades(Instrument& at) noexcept;

  void begin() noexcept { used_ = 0; }
  void put(std::string_view text) noexcept;
  void put(std::uint64_t number) noexcept;
  void put_price(const Instrument& at, std::uint64_t ticks) noexcept;
  void put_amount() noexcept;
  void put_level(const Instrument& at, std::string_view action, std::uint64_t ticks) noexcept;
  void put_header(std::string_view channel, const Instrument& at, std::string_view suffix) noexcept;
  [[nodiscard]] std::string_view text() const noexcept { return {message_.data(), used_}; }

  std::uint64_t state_;
  std::uint64_t count_ = 0;
  std::uint64_t time_us_ = 1'700'000'000'000'000;
  std::array<Instrument, kInstruments> instruments_;
  std::size_t used_ = 0;
  std::array<char, kMessage_bytes_max> message_;
};

}  // namespace zenwire::tools
