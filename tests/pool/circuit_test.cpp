// Circuit: when an endpoint may be tried.

#include <gtest/gtest.h>

#include <zenwire/pool/circuit.hpp>

namespace zenwire {
namespace {

using namespace std::chrono_literals;

constexpr Instant_ns kSecond_ns = 1'000'000'000;

void fail_at(Circuit& circuit, Instant_ns now_ns) {
  ASSERT_TRUE(circuit.may_try(now_ns));
  circuit.trying(now_ns);
  circuit.failed(now_ns);
}

TEST(Circuit, opens_after_failures_in_a_row) {
  Circuit circuit({.failures_max = 3, .open_for = 1s});
  fail_at(circuit, 1);
  fail_at(circuit, 2);
  circuit.succeeded();
  fail_at(circuit, 3);
  fail_at(circuit, 4);
  EXPECT_EQ(circuit.state(), CircuitState::closed);
  fail_at(circuit, 5);
  EXPECT_EQ(circuit.state(), CircuitState::open);
  EXPECT_FALSE(circuit.may_try(5 + kSecond_ns - 1));
  EXPECT_TRUE(circuit.may_try(5 + kSecond_ns));
}

TEST(Circuit, half_open_lets_one_attempt_through) {
  Circuit circuit({.failures_max = 1, .open_for = 1s});
  fail_at(circuit, 1);
  circuit.trying(2 * kSecond_ns);
  EXPECT_EQ(circuit.state(), CircuitState::half_open);
  EXPECT_FALSE(circuit.may_try(100 * kSecond_ns));
  circuit.succeeded();
  EXPECT_EQ(circuit.state(), CircuitState::closed);
  EXPECT_TRUE(circuit.may_try(2 * kSecond_ns));
}

TEST(Circuit, waits_twice_as_long_after_each_failed_attempt) {
  Circuit circuit({.failures_max = 1, .open_for = 1s, .open_for_max = 8s});
  Instant_ns now_ns = 1;
  for (const Instant_ns seconds : {1U, 2U, 4U, 8U, 8U, 8U}) {
    fail_at(circuit, now_ns);
    EXPECT_EQ(circuit.retry_at_ns(), now_ns + seconds * kSecond_ns);
    now_ns = circuit.retry_at_ns();
  }
  circuit.trying(now_ns);
  circuit.succeeded();
  fail_at(circuit, now_ns);
  EXPECT_EQ(circuit.retry_at_ns(), now_ns + kSecond_ns);
}

TEST(Circuit, states_have_names) {
  EXPECT_EQ(name(CircuitState::closed), "closed");
  EXPECT_EQ(name(CircuitState::open), "open");
  EXPECT_EQ(name(CircuitState::half_open), "half_open");
}

}  // namespace
}  // namespace zenwire
