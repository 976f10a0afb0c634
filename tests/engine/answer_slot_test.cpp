// AnswerSlot: a thread waits for what another delivers. For the thread sanitizer too.

#include <array>
#include <atomic>
#include <string>
#include <thread>

#include <gtest/gtest.h>

#include <zenwire/engine/answer_slot.hpp>

namespace zenwire {
namespace {

// The reactor's side: takes one request after the other from a strategy thread.
struct Strategy {
  std::array<std::byte, 64> room{};
  AnswerSlot slot{room};
  std::atomic<std::int64_t> asked{0};
};

TEST(AnswerSlot, a_waiting_thread_gets_each_answer_once) {
  constexpr std::int64_t kRequests = 20'000;
  Strategy strategy;
  std::int64_t wrong = 0;
  std::thread thread([&] {
    for (std::int64_t id = 1; id <= kRequests; ++id) {
      strategy.slot.arm();
      strategy.asked.store(id, std::memory_order_release);
      const AnswerSlot::End& end = strategy.slot.wait();
      const std::string expected = "{\"id\":" + std::to_string(id) + ",\"result\":1}";
      wrong += end.outcome == RequestOutcome::answered && as_text(end.answer) == expected ? 0 : 1;
    }
  });
  RequestTable table({.requests_max = 4});
  for (std::int64_t id = 1; id <= kRequests; ++id) {
    while (strategy.asked.load(std::memory_order_acquire) != id) std::this_thread::yield();
    const Request request{id, MethodId::other, kNever_ns, strategy.slot.on_end()};
    ASSERT_EQ(table.begin(request, {{0, 1}, 0, 0}).code, Errc::ok);
    const std::string answer = "{\"id\":" + std::to_string(id) + ",\"result\":1}";
    ASSERT_EQ(table.receive({0, 1}, as_bytes(answer), 0), AnswerMatch::answered);
  }
  thread.join();
  EXPECT_EQ(wrong, 0);
}

TEST(AnswerSlot, a_refused_request_ends_the_wait) {
  Strategy strategy;
  strategy.slot.arm();
  strategy.slot.refuse(Errc::request_id_in_use);
  EXPECT_EQ(strategy.slot.wait().code, Errc::request_id_in_use);
}

// Inventory, section 9: a caller was thrown out at five seconds, whatever its time-out was.
TEST(AnswerSlot, the_requests_own_deadline_ends_the_wait) {
  Strategy strategy;
  RequestTable table({.requests_max = 4});
  strategy.slot.arm();
  ASSERT_EQ(
      table.begin({1, MethodId::other, 30'000'000'000, strategy.slot.on_end()}, {{0, 1}}).code,
      Errc::ok);
  table.expire(30'000'000'000);
  EXPECT_EQ(strategy.slot.wait().outcome, RequestOutcome::timed_out);
  EXPECT_EQ(strategy.slot.wait().code, Errc::request_timed_out);
}

TEST(AnswerSlot, an_answer_that_is_too_long_is_cut_and_says_so) {
  Strategy strategy;
  RequestTable table({.requests_max = 4});
  strategy.slot.arm();
  ASSERT_EQ(table.begin({1, MethodId::other, kNever_ns, strategy.slot.on_end()}, {{0, 1}}).code,
            Errc::ok);
  const std::string answer = R"({"id":1,"result":")" + std::string(100, 'x') + "\"}";
  table.receive({0, 1}, as_bytes(answer), 0);
  const AnswerSlot::End& end = strategy.slot.wait();
  EXPECT_EQ(end.answer.size(), 64u);
  EXPECT_EQ(end.answer_bytes, answer.size());
}

}  // namespace
}  // namespace zenwire
