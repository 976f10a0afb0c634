#pragma once

// The test kit's checks as Catch2's, version 2 or 3: include its header before this one. Each
// CHECK_ has a REQUIRE_ beside it.

#include <string>

#include <zenwire/testing/allocation.hpp>
#include <zenwire/testing/expectation.hpp>
#include <zenwire/testing/latency.hpp>

// NOLINTBEGIN(cppcoreguidelines-macro-usage): only a macro knows the test's line.
#define ZENWIRE_CATCH2_MET(check, expectation)                          \
  do {                                                                  \
    const ::zenwire::testing::Expectation zenwire_seen = (expectation); \
    INFO(zenwire_seen.message);                                         \
    check(zenwire_seen.met);                                            \
  } while (false)

// Any Expectation: CHECK_MET(server.wait_for_clients(2)).
#define CHECK_MET(expectation) ZENWIRE_CATCH2_MET(CHECK, expectation)
#define REQUIRE_MET(expectation) ZENWIRE_CATCH2_MET(REQUIRE, expectation)

// CHECK_MESSAGE_SENT(server, matcher[, sought])
#define CHECK_MESSAGE_SENT(server, ...) CHECK_MET((server).assert_message_sent(__VA_ARGS__))
#define REQUIRE_MESSAGE_SENT(server, ...) REQUIRE_MET((server).assert_message_sent(__VA_ARGS__))

// CHECK_FRAME_SENT(server, opcode[, matcher[, sought]])
#define CHECK_FRAME_SENT(server, ...) CHECK_MET((server).assert_frame_sent(__VA_ARGS__))
#define REQUIRE_FRAME_SENT(server, ...) REQUIRE_MET((server).assert_frame_sent(__VA_ARGS__))

// CHECK_P99_LT(latency, stage, limit_ns): 99 per cent of the stage's values are below.
#define CHECK_P99_LT(latency, stage, limit_ns) \
  CHECK_MET(::zenwire::testing::assert_percentile_below(latency, stage, 99, limit_ns))
#define REQUIRE_P99_LT(latency, stage, limit_ns) \
  REQUIRE_MET(::zenwire::testing::assert_percentile_below(latency, stage, 99, limit_ns))

// CHECK_ZERO_ALLOC { ... }: the block allocates nothing on this thread.
#define CHECK_ZERO_ALLOC                                                            \
  if (const ::zenwire::testing::detail::ZeroAllocationBlock zenwire_block(          \
          [](const std::string& zenwire_message) { FAIL_CHECK(zenwire_message); }); \
      true)
// NOLINTEND(cppcoreguidelines-macro-usage)
