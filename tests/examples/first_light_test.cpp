// examples/first_light as a process: it prints what comes, ends with its connection, and says why.

#include <string>

#include <gtest/gtest.h>

#include <zenwire/testing/gtest.hpp>
#include <zenwire/testing/mock_server.hpp>

#include "process.hpp"

namespace zenwire::test {
namespace {

using zenwire::testing::Disconnect;
using zenwire::testing::MockServer;
using zenwire::testing::Script;

TEST(FirstLight, prints_what_comes_and_ends_with_the_connection) {
  MockServer venue = MockServer::start().value();
  venue.plan({.on_open = Script().text("a tick").then(Disconnect::going_away())});
  Process program("FIRST_LIGHT", {venue.url()});
  EXPECT_EQ(program.output(), "a tick\n");
  EXPECT_NE(program.errors().find("first_light: the peer closed the connection"),
            std::string::npos);
  EXPECT_EQ(program.wait(), 0);
}

TEST(FirstLight, says_why_it_cannot_connect) {
  MockServer venue = MockServer::start().value();
  venue.stop();
  for (const std::string& url : {venue.url(), std::string("http://venue/")}) {
    Process program("FIRST_LIGHT", {url});
    EXPECT_NE(program.errors().find("first_light: "), std::string::npos) << url;
    EXPECT_EQ(program.output(), "");
    EXPECT_EQ(program.wait(), 1);
  }
}

}  // namespace
}  // namespace zenwire::test
