#pragma once

// The test kit's checks as GoogleTest's. Each EXPECT_ has an ASSERT_ beside it.

#include <string>

#include <gtest/gtest.h>

#include <zenwire/testing/allocation.hpp>
#include <zenwire/testing/expectation.hpp>
#include <zenwire/testing/latency.hpp>

namespace zenwire::testing {

inline ::testing::AssertionResult as_assertion(const Expectation& expectation) {
  if (expectation.met) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << expectation.message;
}

}  // namespace zenwire::testing

// NOLINTBEGIN(cppcoreguidelines-macro-usage): only a macro knows the test's line.

// Any Expectation: EXPECT_MET(server.wait_for_clients(2)).
#define EXPECT_MET(expectation) EXPECT_TRUE(::zenwire::testing::as_assertion(expectation))
#define ASSERT_MET(expectation) ASSERT_TRUE(::zenwire::testing::as_assertion(expectation))

// EXPECT_MESSAGE_SENT(server, matcher[, sought])
#define EXPECT_MESSAGE_SENT(server, ...) EXPECT_MET((server).assert_message_sent(__VA_ARGS__))
#define ASSERT_MESSAGE_SENT(server, ...) ASSERT_MET((server).assert_message_sent(__VA_ARGS__))

// EXPECT_FRAME_SENT(server, opcode[, matcher[, sought]])
#define EXPECT_FRAME_SENT(server, ...) EXPECT_MET((server).assert_frame_sent(__VA_ARGS__))
#define ASSERT_FRAME_SENT(server, ...) ASSERT_MET((server).assert_frame_sent(__VA_ARGS__))

// EXPECT_P99_LT(latency, stage, limit_ns): 99 per cent of the stage's values are below.
#define EXPECT_P99_LT(latency, stage, limit_ns) \
  EXPECT_MET(::zenwire::testing::assert_percentile_below(latency, stage, 99, limit_ns))
#define ASSERT_P99_LT(latency, stage, limit_ns) \
  ASSERT_MET(::zenwire::testing::assert_percentile_below(latency, stage, 99, limit_ns))

// EXPECT_ZERO_ALLOC { ... }: the block allocates nothing on this thread.
#define EXPECT_ZERO_ALLOC                                                                \
  if (const ::zenwire::testing::detail::ZeroAllocationBlock zenwire_block(               \
          [](const std::string& zenwire_message) { ADD_FAILURE() << zenwire_message; }); \
      true)

// NOLINTEND(cppcoreguidelines-macro-usage)
