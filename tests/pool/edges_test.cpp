// Edges over loopback: every address of 127.0.0.0/8 is this machine.

#include <chrono>
#include <memory>
#include <string>

#include <gtest/gtest.h>

#include <zenwire/pool/edges.hpp>

#include "loop.hpp"

namespace zenwire {
namespace {

using namespace std::chrono_literals;

class EdgesTest : public ::testing::Test {
 protected:
  EdgesTest() {
    ListenOptions options;
    options.address = "0.0.0.0";
    port_ = reactor_->listen(options).value().port();
    pool_ = Pool::make({.members = 8}).value();
    lines_ =
        std::make_unique<Lines>(*reactor_, pool_.get(), nullptr, LinesOptions{.ping_every = 0s});
  }
  ~EdgesTest() override {
    if (edges_ != nullptr) edges_->stop();
    reactor_->stop(0s);
    while (reactor_->poll(true)) {
    }
    edges_.reset();
  }
  EdgesOptions options() const {
    EdgesOptions options;
    options.connect.url = "ws://localhost:" + std::to_string(port_) + "/";
    options.addresses = {"127.0.0.2", "127.0.0.3", "127.0.0.4"};
    options.resolve = false;
    options.probe_pause = 1ms;
    options.probe_every = 1h;
    return options;
  }
  Result<void> start(const EdgesOptions& options) {
    edges_ = std::make_unique<Edges>(*reactor_, *lines_, options);
    return edges_->start();
  }

  std::unique_ptr<Reactor> reactor_ = test::make_reactor();
  std::unique_ptr<Pool> pool_;
  std::unique_ptr<Lines> lines_;
  std::unique_ptr<Edges> edges_;
  std::uint16_t port_ = 0;
};

TEST_F(EdgesTest, every_edge_is_measured_and_the_best_get_a_line) {
  EdgesOptions with = options();
  with.keep = 2;
  with.addresses.push_back("127.0.0.9:1");  // nobody answers there
  ASSERT_TRUE(start(with).has_value());
  ASSERT_TRUE(test::run_until(*reactor_, [&] { return lines_->open_count() == 2; }));
  EXPECT_EQ(edges_->counters().probes, 4u);
  EXPECT_EQ(edges_->counters().probes_failed, 1u);
  std::uint64_t slowest_used = 0;
  std::uint64_t fastest_unused = kNever_ns;
  for (EdgeIndex edge = 0; edge < 4; ++edge) {
    const Edge& at = edges_->table().edge(edge);
    (at.used ? slowest_used : fastest_unused) =
        at.used ? std::max(slowest_used, at.speed_ns()) : std::min(fastest_unused, at.speed_ns());
    EXPECT_EQ(at.speed_ns() != kNever_ns, at.connect_ns > 0);
  }
  EXPECT_LE(slowest_used, fastest_unused);
  const Edge* const edge = edges_->edge_of(0);
  ASSERT_NE(edge, nullptr);
  EXPECT_EQ(lines_->connection(0)->opened().remote, edge->address);
}

TEST_F(EdgesTest, a_host_is_resolved_to_its_addresses) {
  EdgesOptions with = options();
  with.addresses.clear();
  with.resolve = true;
  with.keep = 1;
  ASSERT_TRUE(start(with).has_value());
  ASSERT_TRUE(test::run_until(*reactor_, [&] { return lines_->open_count() == 1; }));
  EXPECT_GE(edges_->table().count(), 1u);
}

// With no threshold the speeds' own noise brings a better edge soon.
TEST_F(EdgesTest, a_better_edge_takes_a_worse_ones_place_without_a_moment_without_a_line) {
  EdgesOptions with = options();
  with.keep = 1;
  with.connections_max = 2;
  with.probe_every = 1ms;
  with.better_by = 0;
  ASSERT_TRUE(start(with).has_value());
  ASSERT_TRUE(test::run_until(*reactor_, [&] { return lines_->open_count() == 1; }));
  bool always = true;
  std::uint32_t most = 0;
  ASSERT_TRUE(test::run_until(*reactor_, [&] {
    always &= lines_->open_count() >= 1;
    most = std::max(most, lines_->open_count());
    return edges_->counters().swaps >= 3;
  }));
  EXPECT_TRUE(always);
  EXPECT_EQ(most, 2u);
}

TEST_F(EdgesTest, options_that_cannot_work_are_refused) {
  EdgesOptions no_room = options();
  no_room.keep = no_room.connections_max;
  EXPECT_EQ(start(no_room).error().code(), Errc::invalid_option);
  EdgesOptions no_address = options();
  no_address.addresses = {"localhost"};
  EXPECT_EQ(start(no_address).error().code(), Errc::invalid_option);
}

}  // namespace
}  // namespace zenwire
