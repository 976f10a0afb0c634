#pragma once

// The test kit's checks as GoogleTest's. Each EXPECT_ has an ASSERT_ beside it.

#include <gtest/gtest.h>

#include <zenwire/testing/expectation.hpp>

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

// NOLINTEND(cppcoreguidelines-macro-usage)
