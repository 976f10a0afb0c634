// SessionMember: a session's comings and goings are the member's; what it sent and lost is told.

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <zenwire/pool/session_member.hpp>

#include "loop.hpp"

namespace zenwire {
namespace {

using namespace std::chrono_literals;

TEST(SessionMember, is_up_while_its_session_is_open_and_tells_what_was_lost) {
  const auto reactor = test::make_reactor();
  ListenOptions listening;
  listening.on_open = [](void*, Connection& connection) noexcept {
    ASSERT_TRUE(
        connection.on_message.add([](void*, Connection& peer, const Message& message) noexcept {
          if (message.text() == "die") return peer.abort();
          static_cast<void>(peer.send(message.opcode, message.payload));
        }));
  };
  const std::uint16_t port = reactor->listen(listening).value().port();
  std::vector<RequestNews::Kind> news;
  auto hear = [&news](const RequestNews& at) noexcept { news.push_back(at.kind); };
  const auto pool = Pool::make({.members = 1}, Callback<const RequestNews&>::to(hear)).value();
  SessionOptions options;
  options.connect.url = "ws://127.0.0.1:" + std::to_string(port) + "/";
  const auto session = Session::create(*reactor, options).value();
  {
    const SessionMember member(*session, *pool, 0);
    int answers = 0;
    auto count = [&](Session&, const Message&) noexcept {
      answers += pool->complete(0, 1, true, reactor->now_ns()) ? 1 : 0;
    };
    ASSERT_TRUE(session->on_message.add(Callback<Session&, const Message&>::to(count)));
    const auto usable = [&] { return pool->view(0, reactor->now_ns()).usable; };
    EXPECT_FALSE(usable());
    session->start();
    ASSERT_TRUE(test::run_until(*reactor, usable));
    EXPECT_EQ(pool->send_balanced({.id = 1, .payload = as_bytes("hello")}, reactor->now_ns()),
              Errc::ok);
    ASSERT_TRUE(test::run_until(*reactor, [&] { return answers == 1; }));
    EXPECT_EQ(pool->send_balanced({.id = 2, .payload = as_bytes("die")}, reactor->now_ns()),
              Errc::ok);
    ASSERT_TRUE(test::run_until(*reactor, [&] { return !news.empty(); }));
    EXPECT_EQ(news, std::vector{RequestNews::Kind::outcome_unknown});
    ASSERT_TRUE(test::run_until(*reactor, usable));  // it reconnects by itself
    EXPECT_EQ(pool->view(0, reactor->now_ns()).ups, 2u);
    session->stop(0s);
    ASSERT_TRUE(
        test::run_until(*reactor, [&] { return session->state() == SessionState::stopped; }));
    EXPECT_FALSE(usable());
  }
  reactor->stop(0s);
  while (reactor->poll(true)) {
  }
}

}  // namespace
}  // namespace zenwire
