// EdgeTable: what is measured next, which edges are kept, when one takes another's place.

#include <gtest/gtest.h>

#include <zenwire/pool/edge_table.hpp>

namespace zenwire {
namespace {

Address address(int last) {
  return Address::from_literal("10.0.0." + std::to_string(last), 443).value();
}

class EdgeTableTest : public ::testing::Test {
 protected:
  void measure(EdgeIndex edge, std::uint64_t ping_ns, int times = 3) {
    for (int i = 0; i < times; ++i) table_.measured(edge, ping_ns / 2, ping_ns, ++now_ns_);
  }
  EdgeTable table_{0.1};
  Instant_ns now_ns_ = 100;
};

TEST_F(EdgeTableTest, an_address_is_one_edge) {
  EXPECT_EQ(table_.add(address(1)), 0u);
  EXPECT_EQ(table_.add(address(2)), 1u);
  EXPECT_EQ(table_.add(address(1)), 0u);
  EXPECT_EQ(table_.count(), 2u);
}

TEST_F(EdgeTableTest, what_was_never_measured_is_measured_first) {
  EXPECT_FALSE(table_.next_to_measure(1, 1).has_value());
  table_.add(address(1));
  table_.add(address(2));
  measure(0, 500, 1);
  EXPECT_EQ(table_.next_to_measure(now_ns_, 1000).value(), 1u);
  measure(1, 500, 1);
  EXPECT_FALSE(table_.next_to_measure(now_ns_, 1000).has_value());
  EXPECT_EQ(table_.next_to_measure(now_ns_ + 1000, 1000).value(), 0u);
}

TEST_F(EdgeTableTest, the_median_of_three_is_an_edges_speed) {
  table_.add(address(1));
  EXPECT_EQ(table_.edge(0).speed_ns(), kNever_ns);
  measure(0, 100, 1);
  EXPECT_EQ(table_.edge(0).speed_ns(), 100u);
  measure(0, 9000, 1);
  measure(0, 110, 1);
  EXPECT_EQ(table_.edge(0).speed_ns(), 110u);
}

TEST_F(EdgeTableTest, an_edge_that_failed_is_not_chosen_until_it_answers) {
  table_.add(address(1));
  measure(0, 100);
  table_.failed(0, ++now_ns_);
  EXPECT_FALSE(table_.best_unused().has_value());
  measure(0, 100, 1);
  EXPECT_EQ(table_.best_unused().value(), 0u);
}

TEST_F(EdgeTableTest, the_worst_used_gives_way_to_the_best_unused_if_that_gains_enough) {
  struct Row {
    std::uint64_t unused_ns;
    bool swapped;
  };
  for (const Row& row : {Row{80, true}, Row{89, true}, Row{90, false}, Row{100, false}}) {
    table_ = EdgeTable(0.1);
    for (int last = 1; last <= 3; ++last) table_.add(address(last));
    measure(0, 50);
    measure(1, 100);
    measure(2, row.unused_ns);
    table_.use(0, true);
    table_.use(1, true);
    const auto swap = table_.swap();
    ASSERT_EQ(swap.has_value(), row.swapped) << row.unused_ns;
    if (!swap) continue;
    EXPECT_EQ(swap->out, 1u);
    EXPECT_EQ(swap->in, 2u);
  }
}

TEST_F(EdgeTableTest, a_used_edge_that_failed_is_the_worst) {
  for (int last = 1; last <= 3; ++last) table_.add(address(last));
  measure(0, 50);
  measure(1, 100);
  measure(2, 500);
  table_.use(0, true);
  table_.use(1, true);
  table_.failed(0, ++now_ns_);
  EXPECT_EQ(table_.swap()->out, 0u);
  EXPECT_EQ(table_.swap()->in, 2u);
}

}  // namespace
}  // namespace zenwire
