// MarketGenerator: the same bytes from the same seed everywhere, valid JSON, books that a client
// can build without a gap.

#include "market_generator.hpp"

#include <array>
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include <gtest/gtest.h>
#include <simdjson.h>

#include "allocation_counter.hpp"

namespace zenwire::tools {
namespace {

constexpr int kMessages = 20'000;

// FNV-1a, over the sizes too.
std::uint64_t digest(std::uint64_t seed, int messages) {
  MarketGenerator generator(seed);
  std::uint64_t hash = 0xCBF29CE484222325u;
  for (int message = 0; message < messages; ++message) {
    for (const char character : std::string(generator.next()) + '\n') {
      hash = (hash ^ static_cast<unsigned char>(character)) * 0x100000001B3u;
    }
  }
  return hash;
}

TEST(MarketGenerator, MakesTheSameBytesFromTheSameSeedOnEveryPlatform) {
  EXPECT_EQ(digest(1, 5000), digest(1, 5000));
  EXPECT_NE(digest(1, 5000), digest(2, 5000));
  // Changes only with the generator itself; then put the new one here.
  EXPECT_EQ(digest(1, 5000), 4'916'148'990'201'104'693u);
}

TEST(MarketGenerator, WritesTheSameIntoABufferThatIsGiven) {
  MarketGenerator one(7);
  MarketGenerator other(7);
  std::array<std::byte, MarketGenerator::kMessage_bytes_max + 1> buffer;
  for (int message = 0; message < 2000; ++message) {
    const std::string_view expected = one.next();
    const std::size_t bytes = other.next(MutableBytes(buffer));
    ASSERT_EQ(as_text(Bytes(buffer).first(bytes)), expected);
  }
}

TEST(MarketGenerator, AllocatesNothing) {
  MarketGenerator generator(3);
  const test::AllocationScope scope;
  std::size_t bytes = 0;
  for (int message = 0; message < kMessages; ++message) bytes += generator.next().size();
  EXPECT_EQ(scope.count(), 0u);
  EXPECT_GT(bytes / kMessages, 250u);
}

// What a client of the venue does: follow every book by its changes.
struct Book {
  std::map<double, double, std::greater<>> bids;
  std::map<double, double> asks;
  std::uint64_t change_id = 0;
};

template <typename Side>
void apply(Side& side, simdjson::dom::array entries, bool snapshot) {
  for (const simdjson::dom::array entry : entries) {
    const std::string_view action = entry.at(0);
    const double price = entry.at(1);
    const double amount = entry.at(2);
    ASSERT_GT(price, 0);
    if (action == "new") {
      ASSERT_GT(amount, 0);
      ASSERT_TRUE(side.emplace(price, amount).second);
    } else if (action == "change") {
      ASSERT_FALSE(snapshot);
      ASSERT_GT(amount, 0);
      ASSERT_TRUE(side.contains(price));
      ASSERT_NE(side[price], amount);
      side[price] = amount;
    } else {
      ASSERT_EQ(action, "delete");
      ASSERT_FALSE(snapshot);
      ASSERT_EQ(amount, 0);
      ASSERT_EQ(side.erase(price), 1u);
    }
  }
}

class Client {
 public:
  void see(std::string_view text) {
    const simdjson::dom::element message = parser_.parse(text.data(), text.size());
    ASSERT_EQ(std::string_view(message["jsonrpc"]), "2.0");
    ++messages_;
    if (messages_ == 1) {
      ASSERT_EQ(message["result"].get_array().size(), 3 * MarketGenerator::kInstruments);
      ASSERT_EQ(static_cast<std::uint64_t>(message["usOut"]) -
                    static_cast<std::uint64_t>(message["usIn"]),
                static_cast<std::uint64_t>(message["usDiff"]));
      return;
    }
    ASSERT_EQ(std::string_view(message["method"]), "subscription");
    const std::string_view channel = message["params"]["channel"];
    const simdjson::dom::element data = message["params"]["data"];
    if (!traded_.empty()) {
      ASSERT_EQ(channel, "book." + traded_ + ".raw");
      traded_.clear();
    }
    if (channel.starts_with("book.")) {
      see_book(data);
    } else if (channel.starts_with("ticker.")) {
      see_ticker(data);
    } else {
      see_trades(channel, data);
    }
  }

  std::map<std::string, int> counts;

 private:
  void see_book(simdjson::dom::element data) {
    Book& book = books_[std::string(std::string_view(data["instrument_name"]))];
    const bool snapshot = std::string_view(data["type"]) == "snapshot";
    ++counts[snapshot ? "snapshot" : "change"];
    const std::uint64_t change_id = data["change_id"];
    if (snapshot) {
      ASSERT_EQ(book.change_id, 0u);
    } else {
      ASSERT_EQ(static_cast<std::uint64_t>(data["prev_change_id"]), book.change_id);
      ASSERT_GT(change_id, book.change_id);
      ASSERT_GT(data["bids"].get_array().size() + data["asks"].get_array().size(), 0u);
    }
    book.change_id = change_id;
    ASSERT_NO_FATAL_FAILURE(apply(book.bids, data["bids"], snapshot));
    ASSERT_NO_FATAL_FAILURE(apply(book.asks, data["asks"], snapshot));
    ASSERT_FALSE(book.bids.empty() || book.asks.empty());
    ASSERT_LT(book.bids.begin()->first, book.asks.begin()->first);
    see_time(data["timestamp"]);
  }

  void see_ticker(simdjson::dom::element data) {
    ++counts["ticker"];
    const auto book = books_.find(std::string(std::string_view(data["instrument_name"])));
    if (book != books_.end()) {
      const auto& [bid, bid_amount] = *book->second.bids.begin();
      const auto& [ask, ask_amount] = *book->second.asks.begin();
      ASSERT_EQ(static_cast<double>(data["best_bid_price"]), bid);
      ASSERT_EQ(static_cast<double>(data["best_bid_amount"]), bid_amount);
      ASSERT_EQ(static_cast<double>(data["best_ask_price"]), ask);
      ASSERT_EQ(static_cast<double>(data["best_ask_amount"]), ask_amount);
    }
    see_time(data["timestamp"]);
  }

  void see_trades(std::string_view channel, simdjson::dom::array trades) {
    ++counts["trades"];
    ASSERT_GT(trades.size(), 0u);
    for (const simdjson::dom::element trade : trades) {
      traded_ = std::string_view(trade["instrument_name"]);
      ASSERT_EQ(channel, "trades." + traded_ + ".raw");
      const Book& book = books_[traded_];
      const bool buy = std::string_view(trade["direction"]) == "buy";
      ASSERT_EQ(static_cast<double>(trade["price"]),
                buy ? book.asks.begin()->first : book.bids.begin()->first);
      const std::uint64_t sequence = trade["trade_seq"];
      std::uint64_t& last = trade_seq_[traded_];
      ASSERT_TRUE(last == 0 || sequence == last + 1);
      last = sequence;
      see_time(trade["timestamp"]);
    }
  }

  void see_time(std::uint64_t timestamp_ms) {
    ASSERT_GE(timestamp_ms, time_ms_);
    time_ms_ = timestamp_ms;
  }

  simdjson::dom::parser parser_;
  std::map<std::string, Book> books_;
  std::map<std::string, std::uint64_t> trade_seq_;
  std::string traded_;
  std::uint64_t time_ms_ = 0;
  int messages_ = 0;
};

class MarketSeed : public ::testing::TestWithParam<std::uint64_t> {};

TEST_P(MarketSeed, IsASessionThatAClientCanFollow) {
  MarketGenerator generator(GetParam());
  Client client;
  for (int message = 0; message < kMessages; ++message) {
    const std::string_view text = generator.next();
    ASSERT_LE(text.size(), MarketGenerator::kMessage_bytes_max);
    ASSERT_NO_FATAL_FAILURE(client.see(text)) << "message " << message << ": " << text;
  }
  EXPECT_EQ(client.counts["snapshot"], static_cast<int>(MarketGenerator::kInstruments));
  EXPECT_GT(client.counts["change"], kMessages / 2);
  EXPECT_GT(client.counts["ticker"], kMessages / 6);
  EXPECT_GT(client.counts["trades"], kMessages / 20);
}

INSTANTIATE_TEST_SUITE_P(Seeds, MarketSeed, ::testing::Values(0, 1, 2, 42, ~std::uint64_t{0}));

}  // namespace
}  // namespace zenwire::tools
