// Connecting again and again to a place that was checked once: no allocation, stages told, attempts
// given up.

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <zenwire/codec/upgrade.hpp>
#include <zenwire/engine/endpoint.hpp>
#include <zenwire/engine/reactor.hpp>

#include "allocation_counter.hpp"
#include "loop.hpp"

namespace zenwire {
namespace {

using test::make_reactor;
using test::read_rest;
using test::read_until;
using test::run_until;
using test::ScriptedServer;
using test::upgrade_answer;
using test::write_all;

struct Watcher {
  std::array<OpenStage, 16> stages{};
  std::size_t stage_count = 0;
  int opened = 0;
  int closed = 0;
  std::vector<Errc> failures;
  Address remote;

  void on_open(Connection& connection) noexcept {
    ++opened;
    remote = connection.opened().remote;
  }
  void on_closed(Connection&, const Closed&) noexcept { ++closed; }
  void on_failed(Connection&, const OpenFailure& failure) noexcept {
    failures.push_back(failure.error.code());
  }
  void on_stage(Connection&, OpenStage stage) noexcept {
    if (stage_count < stages.size()) stages[stage_count++] = stage;
  }
  ConnectionHandlers handlers() {
    return {.on_open = Callback<Connection&>::to<&Watcher::on_open>(*this),
            .on_closed = Callback<Connection&, const Closed&>::to<&Watcher::on_closed>(*this),
            .on_failed = Callback<Connection&, const OpenFailure&>::to<&Watcher::on_failed>(*this),
            .on_stage = Callback<Connection&, OpenStage>::to<&Watcher::on_stage>(*this)};
  }
};

void upgrade(int client) {
  const std::string request = read_until(client, "\r\n\r\n");
  if (!request.ends_with("\r\n\r\n")) return;  // the client gave up
  write_all(client, upgrade_answer(request));
}

Endpoint endpoint_of(const std::string& url) {
  ConnectOptions options;
  options.url = url;
  return Endpoint::make(options).value();
}

TEST(Endpoint, refuses_what_connect_would_refuse) {
  const auto made = Endpoint::make(ConnectOptions{.url = "http://venue.example/"});
  ASSERT_FALSE(made.has_value());
  EXPECT_EQ(made.error().code(), Errc::url_scheme_unknown);
}

TEST(Endpoint, connecting_again_allocates_nothing_on_the_reactor_thread) {
  ScriptedServer server([](int client) {
    upgrade(client);  // and drops
  });
  const Endpoint endpoint = endpoint_of(server.url());
  auto reactor = make_reactor();
  Watcher watcher;
  std::uint64_t allocated = 0;
  for (int i = 1; i <= 20; ++i) {
    const test::AllocationScope scope;
    ASSERT_TRUE(reactor->connect(endpoint, watcher.handlers()).has_value());
    ASSERT_TRUE(run_until(*reactor, [&] { return watcher.closed == i; }));
    if (i > 1) allocated += scope.count();
    watcher.stage_count = 0;
  }
  EXPECT_EQ(watcher.opened, 20);
  EXPECT_EQ(allocated, 0u);
}

TEST(Endpoint, stages_come_in_their_order_and_the_last_one_is_told) {
  ScriptedServer server([](int client) {
    read_until(client, "\r\n\r\n");
    read_rest(client);  // never answers
  });
  const Endpoint endpoint = endpoint_of(server.url());
  auto reactor = make_reactor();
  Watcher watcher;
  const ConnectionId id = reactor->connect(endpoint, watcher.handlers()).value();
  ASSERT_TRUE(run_until(*reactor, [&] {
    return watcher.stage_count > 0 &&
           watcher.stages[watcher.stage_count - 1] == OpenStage::upgrading;
  }));
  for (std::size_t i = 1; i < watcher.stage_count; ++i)
    EXPECT_LT(watcher.stages[i - 1], watcher.stages[i]);
  reactor->find(id)->abort();
  ASSERT_TRUE(run_until(*reactor, [&] { return !watcher.failures.empty(); }));
  EXPECT_EQ(watcher.failures, std::vector<Errc>{Errc::aborted});
  EXPECT_EQ(reactor->find(id), nullptr);
  EXPECT_EQ(watcher.opened + watcher.closed, 0);
}

TEST(Endpoint, an_attempt_given_up_at_once_fails_as_aborted_whatever_wins_the_race) {
  ScriptedServer server([](int client) {
    upgrade(client);
    read_rest(client);
  });
  const Endpoint endpoint = endpoint_of(server.url());
  auto reactor = make_reactor();
  Watcher watcher;
  for (std::size_t i = 1; i <= 200; ++i) {
    const ConnectionId id = reactor->connect(endpoint, watcher.handlers()).value();
    for (std::size_t turns = 0; turns < i % 7; ++turns) reactor->poll(false);
    if (Connection* connection = reactor->find(id); connection != nullptr) connection->abort();
    ASSERT_TRUE(run_until(*reactor, [&] {
      return watcher.failures.size() + static_cast<std::size_t>(watcher.closed) == i;
    }));
  }
  for (const Errc failure : watcher.failures) EXPECT_EQ(failure, Errc::aborted);
}

}  // namespace
}  // namespace zenwire
