// examples/trader as a process: prices in, orders out, across a reconnect; how it ends, and why.

#include <csignal>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <zenwire/engine/recording.hpp>
#include <zenwire/testing/gtest.hpp>
#include <zenwire/testing/mock_server.hpp>

#include "process.hpp"
#include "temporary_directory.hpp"

namespace zenwire::test {
namespace {

using zenwire::testing::Disconnect;
using zenwire::testing::matches_regex;
using zenwire::testing::MockServer;

struct Trader : Process {
  explicit Trader(std::vector<std::string> arguments) : Process("TRADER", std::move(arguments)) {}
};

struct TraderTest : ::testing::Test {
  TemporaryDirectory folder;
  std::string recording = folder.path() + "/trader.jsonl";
  MockServer venue = MockServer::start().value();
};

// The payloads that went one way.
std::vector<std::string> recorded(const std::string& path, RecordDirection direction) {
  const auto recording = Recording::open(path).value();
  RecordingReader reader(recording);
  std::vector<std::string> texts;
  while (const RecordedMessage* message = reader.next())
    if (message->type == RecordType::text && message->direction == direction)
      texts.emplace_back(as_text(message->payload));
  return texts;
}

TEST_F(TraderTest, trades_across_a_reconnect_and_ends_in_order) {
  Trader trader({venue.url(), recording});
  ASSERT_MESSAGE_SENT(venue, "subscribe prices");
  for (const char* text : {"price 100", "price 99"}) venue.inject_text(text);
  ASSERT_MESSAGE_SENT(venue, "buy 1 at 99");
  venue.inject_text("bought 1");
  venue.simulate_disconnect(Disconnect::going_away());
  ASSERT_MESSAGE_SENT(venue, "subscribe prices", {.times = 2});
  venue.inject_text("price 98");
  ASSERT_MESSAGE_SENT(venue, "buy 2 at 98");
  EXPECT_MET(venue.assert_no_message_sent(matches_regex("at 100")));

  trader.signal(SIGTERM);
  EXPECT_EQ(trader.output(),
            "opened\nbuy 1 at 99\nanswer: bought 1\nclosed: closed_by_peer\n"
            "opened\nbuy 2 at 98\nclosed: closed_normally\n");
  EXPECT_NE(trader.errors().find("trader: the connection has ended: the peer closed"),
            std::string::npos);
  EXPECT_EQ(trader.wait(), 0);
  EXPECT_MET(venue.assert_no_violations());
  EXPECT_FRAME_SENT(venue, Opcode::close, std::string("\x03\xe8", 2));
  EXPECT_EQ(recorded(recording, RecordDirection::in),
            (std::vector<std::string>{"price 100", "price 99", "bought 1", "price 98"}));
  EXPECT_EQ(recorded(recording, RecordDirection::out),
            (std::vector<std::string>{"subscribe prices", "buy 1 at 99", "subscribe prices",
                                      "buy 2 at 98"}));
}

TEST_F(TraderTest, ends_in_order_while_it_waits_to_try_again) {
  venue.stop();
  Trader trader({venue.url(), recording});
  EXPECT_NE(trader.errors_until("the connection has ended").find("refused"), std::string::npos);
  trader.signal(SIGINT);
  EXPECT_EQ(trader.output(), "");
  EXPECT_EQ(trader.wait(), 0);
}

TEST_F(TraderTest, says_why_it_cannot_go_on) {
  venue.plan({.answer = zenwire::testing::HttpAnswer{.status = 401}});
  Trader refused({venue.url(), recording});
  EXPECT_NE(refused.errors_until("cannot go on").find("401"), std::string::npos);
  EXPECT_EQ(refused.wait(), 1);

  Trader misled({"http://venue/", recording});
  EXPECT_NE(misled.errors().find("trader: cannot go on: "), std::string::npos);
  EXPECT_EQ(misled.wait(), 1);

  Trader unwritable({venue.url(), folder.path() + "/none/trader.jsonl"});
  EXPECT_NE(unwritable.errors().find("trader: cannot go on: "), std::string::npos);
  EXPECT_EQ(unwritable.wait(), 1);
}

// run() fails at once; the session is being opened then.
TEST_F(TraderTest, ends_in_order_without_the_core_that_was_asked_for) {
  Trader trader({venue.url(), recording, "1023"});
  EXPECT_NE(trader.errors_until("cannot go on").find("core"), std::string::npos);
  EXPECT_EQ(trader.wait(), 1);
}

TEST_F(TraderTest, explains_its_arguments) {
  Trader trader({venue.url()});
  EXPECT_NE(trader.errors().find("usage: "), std::string::npos);
  EXPECT_EQ(trader.wait(), 2);
}

}  // namespace
}  // namespace zenwire::test
