// The contract of the seam (engine/io.hpp), sentence by sentence, over io_uring on loopback and
// over a simulated world. What holds for both is what the engine may rely on.

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include <zenwire/engine/io.hpp>
#include <zenwire/engine/uring_io.hpp>
#include <zenwire/testing/sim_world.hpp>

namespace zenwire {
namespace {

constexpr Instant_ns kMillisecond_ns = 1'000'000;
constexpr Instant_ns kPatience_ns = 20'000 * kMillisecond_ns;
constexpr std::int32_t kPollIn = 1;
constexpr std::int32_t kPollOut = 4;

struct OverUring {
  std::unique_ptr<Io> make_io() { return UringIo::create().value(); }
  static constexpr const char* kKnownHost = "localhost";
};

struct OverSimulation {
  OverSimulation() : world(1) {
    world.add_host("localhost", {*Address::from_literal("127.0.0.1", 0)});
  }
  std::unique_ptr<Io> make_io() { return world.make_io(); }
  static constexpr const char* kKnownHost = "localhost";
  testing::SimWorld world;
};

// A simulation whose ring misbehaves in every way that a kernel's may.
struct OverFaultySimulation {
  OverFaultySimulation()
      : world(2, {.short_read = 300'000,
                  .short_write = 300'000,
                  .split = 300'000,
                  .late_outcome = 300'000,
                  .reorder = 500'000,
                  .miss_cancel = 500'000}) {
    world.add_host("localhost", {*Address::from_literal("127.0.0.1", 0)});
  }
  std::unique_ptr<Io> make_io() { return world.make_io(); }
  static constexpr const char* kKnownHost = "localhost";
  testing::SimWorld world;
};

// An operation and its outcomes.
struct Operation {
  Completion completion{[](void* self, Outcome outcome) noexcept {
                          static_cast<Operation*>(self)->outcomes.push_back(outcome);
                        },
                        this};
  std::vector<Outcome> outcomes;

  [[nodiscard]] bool ended() const { return !outcomes.empty() && !outcomes.back().more; }
  [[nodiscard]] std::int32_t result() const { return outcomes.at(0).result; }
};

template <typename World>
class IoContract : public ::testing::Test {
 protected:
  ~IoContract() override {
    for (Operation* operation : {&accepting, &connecting}) end(*operation);
    for (const Socket socket : {client, server, listener}) {
      if (socket != kNoSocket) io->close(socket);
    }
  }

  // Reaps until it is so; false if that takes too long.
  template <typename Done>
  bool until(Done&& done, std::size_t batch = 16) {
    const Instant_ns end_ns = io->now() + kPatience_ns;
    std::array<Reaped, 16> reaped;
    while (!done()) {
      if (io->now() > end_ns) return false;
      const std::size_t count =
          io->reap(std::span(reaped).first(batch), io->now() + 10 * kMillisecond_ns);
      for (std::size_t i = 0; i < count; ++i) reaped[i].completion->complete(reaped[i].outcome);
    }
    return true;
  }
  // For a while, with nothing to wait for.
  void idle() {
    const Instant_ns end_ns = io->now() + 100 * kMillisecond_ns;
    EXPECT_TRUE(until([&] { return io->now() >= end_ns; }));
  }
  void end(Operation& operation) {
    io->submit_cancel(operation.completion);
    EXPECT_TRUE(until([&] { return !operation.completion.submitted(); }));
  }

  void listen() {
    listener = io->open_listener(*Address::from_literal("127.0.0.1", 0), {}).value();
    address = io->local_address(listener);
  }
  // A connection between `client` and `server`.
  void connect() {
    listen();
    io->submit_accept(accepting.completion, listener);
    client = io->open_socket(address, nullptr, {}).value();
    io->submit_connect(connecting.completion, client, address);
    ASSERT_TRUE(until([&] { return connecting.ended() && !accepting.outcomes.empty(); }));
    ASSERT_EQ(connecting.result(), 0);
    server = accepting.result();
    ASSERT_GE(server, 0);
  }
  void send_all(Socket socket, std::string_view text) {
    Bytes left = as_bytes(text);
    ASSERT_TRUE(until([&] {
      const std::ptrdiff_t sent = io->send(socket, left);
      if (sent > 0) left = left.subspan(static_cast<std::size_t>(sent));
      return left.empty();
    }));
  }
  // Everything up to `bytes`, in whatever pieces.
  std::string take(Socket socket, std::size_t bytes, TakeMode mode = TakeMode::consume) {
    std::string text;
    EXPECT_TRUE(until([&] {
      std::array<std::byte, 64> buffer;
      const std::size_t wanted = std::min(buffer.size(), bytes - text.size());
      const std::ptrdiff_t taken = io->take(socket, MutableBytes(buffer).first(wanted), mode);
      if (taken <= 0) return taken != -EAGAIN;
      text += as_text(Bytes(buffer).first(static_cast<std::size_t>(taken)));
      if (mode == TakeMode::peek) {
        EXPECT_EQ(io->settle(socket, static_cast<std::size_t>(taken)), taken);
      }
      return text.size() == bytes;
    }));
    return text;
  }
  // The first result that is not "nothing now".
  std::ptrdiff_t take_result(Socket socket) {
    std::ptrdiff_t result = -EAGAIN;
    std::array<std::byte, 64> buffer;
    EXPECT_TRUE(until([&] {
      result = io->take(socket, buffer, TakeMode::consume);
      return result != -EAGAIN;
    }));
    return result;
  }

  World world;
  Operation accepting;
  Operation connecting;
  std::unique_ptr<Io> io = world.make_io();
  Socket listener = kNoSocket;
  Socket client = kNoSocket;
  Socket server = kNoSocket;
  Address address;
};

using Worlds = ::testing::Types<OverUring, OverSimulation, OverFaultySimulation>;
struct WorldName {
  template <typename World>
  static std::string GetName(int) {
    if constexpr (std::is_same_v<World, OverUring>) return "uring";
    return std::is_same_v<World, OverSimulation> ? "simulation" : "faulty_simulation";
  }
};
TYPED_TEST_SUITE(IoContract, Worlds, WorldName);

// --- Submissions and outcomes.

TYPED_TEST(IoContract, a_completion_is_submitted_from_submit_until_its_last_outcome) {
  this->connect();
  Operation poll;
  EXPECT_FALSE(poll.completion.submitted());
  this->io->submit_poll(poll.completion, this->server, PollFor::readable, false);
  EXPECT_TRUE(poll.completion.submitted());
  this->send_all(this->client, "x");
  ASSERT_TRUE(this->until([&] { return poll.ended(); }));
  EXPECT_FALSE(poll.completion.submitted());
  EXPECT_TRUE(this->accepting.completion.submitted());  // multishot: it goes on
}

TYPED_TEST(IoContract, nothing_runs_inside_a_submitting_call) {
  this->connect();
  Operation poll;
  this->io->submit_poll(poll.completion, this->client, PollFor::writable, false);
  EXPECT_TRUE(poll.outcomes.empty());  // it is writable, and still says so in a reap only
  ASSERT_TRUE(this->until([&] { return poll.ended(); }));
  EXPECT_EQ(poll.outcomes.size(), 1U);
  EXPECT_NE(poll.result() & kPollOut, 0);
}

TYPED_TEST(IoContract, a_cancelled_operation_has_one_last_outcome) {
  this->connect();
  Operation idle;
  this->io->submit_poll(idle.completion, this->server, PollFor::readable, false);
  this->io->submit_cancel(idle.completion);
  ASSERT_TRUE(this->until([&] { return idle.ended(); }));
  this->idle();
  ASSERT_EQ(idle.outcomes.size(), 1U);
  EXPECT_TRUE(idle.result() == -ECANCELED || idle.result() > 0);
}

TYPED_TEST(IoContract, a_cancel_that_loses_its_race_gives_the_operations_own_outcome) {
  this->connect();
  Operation ready;
  this->io->submit_poll(ready.completion, this->client, PollFor::writable, false);
  this->io->submit_cancel(ready.completion);
  ASSERT_TRUE(this->until([&] { return ready.ended(); }));
  this->idle();
  ASSERT_EQ(ready.outcomes.size(), 1U);  // and not a second one for the cancel
  EXPECT_TRUE(ready.result() == -ECANCELED || (ready.result() & kPollOut) != 0);
}

TYPED_TEST(IoContract, cancelling_what_is_not_in_flight_does_nothing) {
  Operation none;
  this->io->submit_cancel(none.completion);
  this->idle();
  EXPECT_TRUE(none.outcomes.empty());
}

TYPED_TEST(IoContract, outcomes_that_find_no_room_come_with_the_next_reap) {
  this->connect();
  std::array<Operation, 8> polls;
  for (Operation& poll : polls)
    this->io->submit_poll(poll.completion, this->client, PollFor::writable, false);
  ASSERT_TRUE(this->until(
      [&] {
        return std::all_of(polls.begin(), polls.end(),
                           [](const Operation& at) { return at.ended(); });
      },
      1));
  for (const Operation& poll : polls) EXPECT_EQ(poll.outcomes.size(), 1U);
}

TYPED_TEST(IoContract, a_multishot_poll_reports_each_wake_up) {
  this->connect();
  Operation poll;
  this->io->submit_poll(poll.completion, this->server, PollFor::readable, true);
  for (std::size_t round = 1; round <= 3; ++round) {
    const std::size_t before = poll.outcomes.size();
    this->send_all(this->client, "abc");
    ASSERT_TRUE(this->until([&] { return poll.outcomes.size() > before; }));
    EXPECT_TRUE(poll.outcomes.back().more);
    EXPECT_NE(poll.outcomes.back().result & kPollIn, 0);
    EXPECT_EQ(this->take(this->server, 3), "abc");
    this->idle();  // what is left of a short read has woken it by now
  }
  this->end(poll);
}

TYPED_TEST(IoContract, a_poll_tells_that_the_peer_ended) {
  this->connect();
  Operation poll;
  this->io->submit_poll(poll.completion, this->server, PollFor::readable, false);
  this->io->shutdown_send(this->client);
  ASSERT_TRUE(this->until([&] { return poll.ended(); }));
  EXPECT_NE(poll.result() & kPollEnded, 0);
}

// --- Waiting.

TYPED_TEST(IoContract, a_reap_without_waiting_returns_at_once_and_one_with_a_deadline_at_it) {
  std::array<Reaped, 4> reaped;
  EXPECT_EQ(this->io->reap(reaped, 0), 0U);
  const Instant_ns deadline_ns = this->io->now() + 5 * kMillisecond_ns;
  EXPECT_EQ(this->io->reap(reaped, deadline_ns), 0U);
  EXPECT_GE(this->io->now(), deadline_ns);
  EXPECT_EQ(this->io->reap(reaped, this->io->now() - 1), 0U);  // past already
}

TYPED_TEST(IoContract, what_comes_while_it_gathers_is_told_by_the_next_reap) {
  this->connect();
  Operation poll;
  this->io->submit_poll(poll.completion, this->server, PollFor::readable, true);
  this->send_all(this->client, "abc");
  const Instant_ns until_ns = this->io->now() + 5 * kMillisecond_ns;
  this->io->gather(until_ns);
  EXPECT_GE(this->io->now(), until_ns);
  EXPECT_TRUE(poll.outcomes.empty());
  ASSERT_TRUE(this->until([&] { return !poll.outcomes.empty(); }));
  EXPECT_EQ(this->take(this->server, 3), "abc");
  this->io->gather(this->io->now() - 1);  // past already
  this->end(poll);
}

TYPED_TEST(IoContract, wake_ends_a_waiting_reap_from_any_thread) {
  std::thread other([&] { this->io->wake(); });
  std::array<Reaped, 4> reaped;
  EXPECT_EQ(this->io->reap(reaped, kNever_ns), 0U);
  other.join();
}

TYPED_TEST(IoContract, time_does_not_go_back) {
  Instant_ns last_ns = this->io->now();
  std::array<Reaped, 4> reaped;
  for (int i = 0; i < 100; ++i) {
    this->io->reap(reaped, 0);
    EXPECT_GE(this->io->now(), last_ns);
    last_ns = this->io->now();
  }
  EXPECT_NE(last_ns, 0U);
  EXPECT_GT(this->io->wall_ns(), 1'600'000'000'000'000'000U);
}

// --- Bytes.

TYPED_TEST(IoContract, what_is_sent_is_taken_once_and_in_order) {
  this->connect();
  std::string text;
  for (int i = 0; i < 1000; ++i) text += std::to_string(i) + " ";
  this->send_all(this->client, text);
  EXPECT_EQ(this->take(this->server, text.size()), text);
  std::array<std::byte, 8> none;
  EXPECT_EQ(this->io->take(this->server, none, TakeMode::consume), -EAGAIN);
}

TYPED_TEST(IoContract, what_is_peeked_stays_until_it_is_settled) {
  this->connect();
  const std::string text = "one two three four five";
  this->send_all(this->client, text);
  EXPECT_EQ(this->take(this->server, text.size(), TakeMode::peek), text);
  std::array<std::byte, 8> none;
  EXPECT_EQ(this->io->take(this->server, none, TakeMode::peek), -EAGAIN);
}

TYPED_TEST(IoContract, settle_consumes_no_more_than_was_peeked) {
  this->connect();
  this->send_all(this->client, "abcdef");
  std::array<std::byte, 2> two;
  std::ptrdiff_t taken = -EAGAIN;
  ASSERT_TRUE(this->until([&] {
    taken = this->io->take(this->server, two, TakeMode::peek);
    return taken > 0;
  }));
  EXPECT_EQ(this->io->settle(this->server, static_cast<std::size_t>(taken)), taken);
  const std::string rest = std::string("abcdef").substr(static_cast<std::size_t>(taken));
  EXPECT_EQ(this->take(this->server, rest.size()), rest);
}

TYPED_TEST(IoContract, a_send_without_room_says_so_and_a_poll_tells_when_there_is_some) {
  this->connect();
  const std::vector<std::byte> block(64 << 10);
  std::size_t sent = 0;
  std::ptrdiff_t result = 0;
  while ((result = this->io->send(this->client, block)) > 0)
    sent += static_cast<std::size_t>(result);
  EXPECT_EQ(result, -EAGAIN);
  Operation poll;
  this->io->submit_poll(poll.completion, this->client, PollFor::writable, false);
  this->idle();
  EXPECT_TRUE(poll.outcomes.empty());
  std::vector<std::byte> into(64 << 10);
  ASSERT_TRUE(this->until([&] {
    const std::ptrdiff_t taken = this->io->take(this->server, into, TakeMode::consume);
    if (taken > 0) sent -= static_cast<std::size_t>(taken);
    return sent == 0;
  }));
  ASSERT_TRUE(this->until([&] { return poll.ended(); }));
  EXPECT_GT(this->io->send(this->client, block), 0);
}

// --- Ends.

TYPED_TEST(IoContract, a_half_that_ended_gives_what_was_sent_and_then_the_end) {
  this->connect();
  this->send_all(this->client, "last words");
  this->io->shutdown_send(this->client);
  EXPECT_EQ(this->take(this->server, 10), "last words");
  EXPECT_EQ(this->take_result(this->server), 0);
  EXPECT_EQ(this->take_result(this->server), 0);  // and stays so
  EXPECT_EQ(this->io->send(this->client, as_bytes("more")), -EPIPE);
  this->send_all(this->server, "answer");  // the other half still works
  EXPECT_EQ(this->take(this->client, 6), "answer");
}

TYPED_TEST(IoContract, closing_with_unread_bytes_resets_the_peer) {
  this->connect();
  this->send_all(this->client, "unread");
  Operation poll;
  this->io->submit_poll(poll.completion, this->server, PollFor::readable, false);
  ASSERT_TRUE(this->until([&] { return poll.ended(); }));
  this->io->close(std::exchange(this->server, kNoSocket));
  EXPECT_EQ(this->take_result(this->client), -ECONNRESET);
}

TYPED_TEST(IoContract, sending_to_a_peer_that_is_gone_fails_in_the_end) {
  this->connect();
  this->io->close(std::exchange(this->server, kNoSocket));
  std::ptrdiff_t result = 0;
  ASSERT_TRUE(this->until([&] {
    result = this->io->send(this->client, as_bytes("anybody?"));
    return result < 0 && result != -EAGAIN;
  }));
  EXPECT_TRUE(result == -ECONNRESET || result == -EPIPE);
}

// --- Sockets.

TYPED_TEST(IoContract, an_accept_goes_on_and_its_sockets_do_not_block) {
  this->connect();
  Operation second;
  const Socket other = this->io->open_socket(this->address, nullptr, {}).value();
  this->io->submit_connect(second.completion, other, this->address);
  ASSERT_TRUE(this->until([&] { return second.ended() && this->accepting.outcomes.size() == 2; }));
  EXPECT_TRUE(this->accepting.outcomes[0].more && this->accepting.outcomes[1].more);
  const Socket accepted = this->accepting.outcomes[1].result;
  std::array<std::byte, 8> none;
  EXPECT_EQ(this->io->take(accepted, none, TakeMode::consume), -EAGAIN);
  this->io->close(accepted);
  this->io->close(other);
}

TYPED_TEST(IoContract, both_ends_know_each_others_address) {
  this->connect();
  EXPECT_EQ(this->io->remote_address(this->client), this->address);
  EXPECT_EQ(this->io->local_address(this->server), this->address);
  EXPECT_EQ(this->io->remote_address(this->server), this->io->local_address(this->client));
  EXPECT_NE(this->address.port(), 0);
}

TYPED_TEST(IoContract, connecting_where_nobody_listens_is_refused) {
  this->listen();
  this->io->close(std::exchange(this->listener, kNoSocket));
  this->client = this->io->open_socket(this->address, nullptr, {}).value();
  this->io->submit_connect(this->connecting.completion, this->client, this->address);
  ASSERT_TRUE(this->until([&] { return this->connecting.ended(); }));
  EXPECT_EQ(this->connecting.result(), -ECONNREFUSED);
}

TYPED_TEST(IoContract, an_address_can_be_listened_on_once) {
  this->listen();
  const auto second = this->io->open_listener(this->address, {});
  ASSERT_FALSE(second.has_value());
  EXPECT_EQ(second.error().code(), Errc::address_in_use);
}

// --- Names and chance.

TYPED_TEST(IoContract, a_name_resolves_to_addresses_with_the_port) {
  ResolveRequest request{.host = TypeParam::kKnownHost, .port = 4711};
  Operation resolving;
  this->io->submit_resolve(resolving.completion, request);
  ASSERT_TRUE(this->until([&] { return resolving.ended(); }));
  ASSERT_GT(resolving.result(), 0);
  EXPECT_EQ(static_cast<std::size_t>(resolving.result()), request.addresses.size());
  EXPECT_EQ(request.addresses[0].port(), 4711);
}

TYPED_TEST(IoContract, a_name_that_does_not_exist_is_told_in_words) {
  ResolveRequest request{.host = "no-such-host.invalid", .port = 1};
  Operation resolving;
  this->io->submit_resolve(resolving.completion, request);
  ASSERT_TRUE(this->until([&] { return resolving.ended(); }));
  EXPECT_LT(resolving.result(), 0);
  EXPECT_FALSE(request.error.empty());
}

TYPED_TEST(IoContract, random_bytes_fill_all_that_they_are_asked_for) {
  std::array<std::byte, 64> first{};
  std::array<std::byte, 64> second{};
  this->io->random(first);
  this->io->random(second);
  EXPECT_NE(first, second);
  EXPECT_LT(std::count(first.begin(), first.end(), std::byte{0}), 16);
}

}  // namespace
}  // namespace zenwire
