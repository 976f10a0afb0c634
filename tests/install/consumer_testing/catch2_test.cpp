// The strategy under Catch2.

#include <memory>

#include <catch2/catch.hpp>

#include <zenwire/testing/catch2.hpp>
#include <zenwire/testing/json_rpc.hpp>
#include <zenwire/testing/mock_server.hpp>

#include "strategy.hpp"

using namespace zenwire::testing;

TEST_CASE("A strategy follows its venue") {
  MockServer venue = MockServer::start().value();
  venue.on_message(JsonRpcVenue()
                       .on("public/subscribe",
                           [](const JsonRpcRequest& request) {
                             return json_rpc_result(request, R"(["ticker"])");
                           })
                       .on("private/buy", [](const JsonRpcRequest&) { return Script(); })
                       .handler());
  // What the reactor calls and writes to outlives it.
  Strategy strategy;
  const auto latency = std::make_unique<zenwire::LatencyRecorder>();
  const auto reactor = zenwire::Reactor::create({.idle = zenwire::Idle::block}).value();
  reactor->measure_into(latency.get());
  REQUIRE(strategy.connect(*reactor, {.url = venue.url()}));
  REQUIRE(strategy.run_until(*reactor, [&] { return strategy.subscribed; }));
  CHECK_MESSAGE_SENT(venue, matches_regex("public/subscribe"));

  SECTION("each tick becomes an order, without an allocation") {
    venue.inject(json_rpc_notification("subscription", R"({"price":1})"));
    REQUIRE(strategy.run_until(*reactor, [&] { return strategy.ticks == 1; }));
    venue.inject(json_rpc_notification("subscription", R"({"price":2})"));
    CHECK_ZERO_ALLOC {
      strategy.run_until(*reactor, [&] { return strategy.ticks == 2; });
    }
    CHECK_MESSAGE_SENT(venue, json_contains(R"({"method":"private/buy"})"), {.times = 2});
    CHECK_P99_LT(*latency, zenwire::Stage::callback, 10'000'000'000);
  }
  SECTION("a lost connection is noticed") {
    venue.simulate_disconnect(Disconnect::reset());
    CHECK_FALSE(strategy.run_until(*reactor, [] { return false; }));
    CHECK(strategy.error == zenwire::Errc::connection_lost);
  }
}

TEST_CASE("An allocation is noticed", "[!shouldfail]") {
  CHECK_ZERO_ALLOC {
    auto planted = std::make_unique<int>(1);
    CHECK(*planted == 1);
  }
}

TEST_CASE("A message that was not sent is noticed", "[!shouldfail]") {
  const MockServer venue = MockServer::start().value();
  CHECK_MESSAGE_SENT(venue, "never", {.timeout = std::chrono::nanoseconds(0)});
}
