// The strategy under GoogleTest.

#include <memory>

#include <gtest/gtest.h>

#include <zenwire/testing/gtest.hpp>
#include <zenwire/testing/json_rpc.hpp>
#include <zenwire/testing/mock_server.hpp>

#include "strategy.hpp"

namespace {

using namespace zenwire::testing;

class StrategyTest : public ::testing::Test {
 protected:
  StrategyTest() {
    venue.on_message(JsonRpcVenue()
                         .on("public/subscribe",
                             [](const JsonRpcRequest& request) {
                               return json_rpc_result(request, R"(["ticker"])");
                             })
                         .on("private/buy", [](const JsonRpcRequest&) { return Script(); })
                         .handler());
    reactor->measure_into(latency.get());
  }
  void connect() {
    zenwire::ConnectOptions options{.url = venue.url()};
    options.tls.ca_pem = venue.ca_pem();
    ASSERT_TRUE(strategy.connect(*reactor, options));
    ASSERT_TRUE(strategy.run_until(*reactor, [&] { return strategy.subscribed; }));
  }

  MockServer venue = MockServer::start({.tls = true}).value();
  // What the reactor calls and writes to outlives it.
  Strategy strategy;
  std::unique_ptr<zenwire::LatencyRecorder> latency = std::make_unique<zenwire::LatencyRecorder>();
  std::unique_ptr<zenwire::Reactor> reactor =
      zenwire::Reactor::create({.idle = zenwire::Idle::block}).value();
};

TEST_F(StrategyTest, subscribes_when_it_is_connected) {
  connect();
  EXPECT_MESSAGE_SENT(
      venue, json_contains(R"({"method":"public/subscribe","params":{"channels":["ticker"]}})"));
}

TEST_F(StrategyTest, answers_each_tick_with_an_order_and_allocates_nothing) {
  connect();
  venue.inject(json_rpc_notification("subscription", R"({"price":1})"));
  ASSERT_TRUE(strategy.run_until(*reactor, [&] { return strategy.ticks == 1; }));  // warm
  venue.inject(json_rpc_notification("subscription", R"({"price":2})"));
  EXPECT_ZERO_ALLOC {
    strategy.run_until(*reactor, [&] { return strategy.ticks == 2; });
  }
  EXPECT_MESSAGE_SENT(venue, json_contains(R"({"method":"private/buy"})"), {.times = 2});
  EXPECT_P99_LT(*latency, zenwire::Stage::callback, 10'000'000'000);
}

TEST_F(StrategyTest, notices_when_the_venue_goes_away) {
  connect();
  venue.simulate_disconnect(Disconnect::going_away());
  EXPECT_FALSE(strategy.run_until(*reactor, [] { return false; }));
  EXPECT_EQ(strategy.error, zenwire::Errc::closed_by_peer);
}

}  // namespace
