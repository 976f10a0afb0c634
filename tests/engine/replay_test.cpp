#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <zenwire/engine/replay.hpp>

#include "recording_files.hpp"

namespace zenwire {
namespace {

using test::Record;
using test::TemporaryDirectory;
using test::write_file;

constexpr std::uint64_t kBegin_ns = 1'000'000'000'000;

class ReplayFile : public testing::Test {
 protected:
  ReplayFile() {
    // Microseconds after the beginning, direction, type, connection, session, payload.
    add(0, "in", "text", 1, 1, "a");
    add(10, "out", "text", 1, 1, "b");
    text_ += R"({"ns":)" + std::to_string(kBegin_ns + 15'000) +
             R"(,"type":"event","event":"gap","conn":1,"session":1})" + "\n";
    add(20, "in", "binary", 2, 1, "AAAA");
    add(18, "in", "text", 2, 2, "c");  // the clock stepped back
    add(40, "in", "ping", 1, 2, "p");
    add(100, "in", "text", 1, 1, "d");
    write_file(directory_ / "a.jsonl", text_);
    recording_.emplace(std::move(*Recording::open(directory_ / "a.jsonl")));
  }

  void add(std::uint64_t us, const char* dir, const char* type, int connection, int session,
           const char* data) {
    text_ += R"({"ns":)" + std::to_string(kBegin_ns + us * 1000) + R"(,"dir":")" + dir +
             R"(","type":")" + type + R"(","data":")" + data + R"(","conn":)" +
             std::to_string(connection) + R"(,"session":)" + std::to_string(session) + "}\n";
  }

  struct Step {
    std::string payload;
    std::uint64_t due_ns;
    bool operator==(const Step&) const = default;
  };

  // All of it, the caller's clock at 5000 when it begins.
  std::vector<Step> play(const ReplayOptions& options) {
    auto replay = Replay::make(*recording_, options);
    EXPECT_TRUE(replay.has_value());
    std::vector<Step> steps;
    std::uint64_t now = 5000;
    while (const auto step = replay->next(now)) {
      const auto again = replay->next(now + 1);  // asked again it says the same
      EXPECT_EQ(again->message, step->message);
      EXPECT_EQ(again->due_ns, step->due_ns);
      const RecordedMessage& message = *step->message;
      steps.push_back({message.type == RecordType::event ? std::string(message.event)
                                                         : std::string(as_text(message.payload)),
                       step->due_ns});
      now += 777;
      replay->advance();
    }
    return steps;
  }

  std::vector<std::string> payloads(const ReplayOptions& options) {
    std::vector<std::string> all;
    for (const Step& step : play(options)) all.push_back(step.payload);
    return all;
  }

  TemporaryDirectory directory_;
  std::string text_;
  std::optional<Recording> recording_;
};

const std::string kBinary("\0\0\0", 3);
using Payloads = std::vector<std::string>;

TEST_F(ReplayFile, keeps_the_original_distances) {
  const std::vector<Step> expected = {
      {"a", 5000}, {"b", 15'000}, {kBinary, 25'000}, {"c", 25'000}, {"d", 105'000}};
  EXPECT_EQ(play({.speed = 1}), expected);
}

TEST_F(ReplayFile, divides_the_distances_by_the_speed) {
  const std::vector<Step> faster = {
      {"a", 5000}, {"b", 5100}, {kBinary, 5200}, {"c", 5200}, {"d", 6000}};
  EXPECT_EQ(play({.speed = 100}), faster);
  const std::vector<Step> slower = {
      {"a", 5000}, {"b", 25'000}, {kBinary, 45'000}, {"c", 45'000}, {"d", 205'000}};
  EXPECT_EQ(play({.speed = 0.5}), slower);
}

TEST_F(ReplayFile, is_due_at_once_at_speed_0) {
  const std::vector<Step> expected = {
      {"a", 5000}, {"b", 5000}, {kBinary, 5000}, {"c", 5000}, {"d", 5000}};
  EXPECT_EQ(play({}), expected);
}

TEST_F(ReplayFile, a_speed_near_0_does_not_overflow) {
  const auto steps = play({.speed = 1e-300});
  ASSERT_EQ(steps.size(), 5u);
  EXPECT_EQ(steps[0].due_ns, 5000u);
  EXPECT_GT(steps[1].due_ns, 1'000'000'000'000'000'000u);
  EXPECT_LE(steps[1].due_ns, steps[4].due_ns);
}

TEST_F(ReplayFile, filters) {
  using Direction = RecordDirection;
  EXPECT_EQ(payloads({.direction = Direction::in}), (Payloads{"a", kBinary, "c", "d"}));
  EXPECT_EQ(payloads({.direction = Direction::out}), (Payloads{"b"}));
  EXPECT_EQ(payloads({.connection = 2}), (Payloads{kBinary, "c"}));
  EXPECT_EQ(payloads({.connection = 1, .session = 2}), Payloads{});
  EXPECT_EQ(payloads({.session = 2}), (Payloads{"c"}));
  EXPECT_EQ(payloads({.types = type_bit(RecordType::ping)}), (Payloads{"p"}));
  EXPECT_EQ(payloads({.types = kAllTypes}), (Payloads{"a", "b", "gap", kBinary, "c", "p", "d"}));
  EXPECT_EQ(payloads({.from_ns = kBegin_ns + 10'000, .until_ns = kBegin_ns + 20'000}),
            (Payloads{"b", "c"}));
}

TEST_F(ReplayFile, time_begins_with_the_first_message_that_passes_the_filter) {
  const std::vector<Step> expected = {{kBinary, 5000}, {"c", 5000}};
  EXPECT_EQ(play({.speed = 1, .connection = 2}), expected);
}

TEST_F(ReplayFile, can_be_played_again) {
  auto replay = Replay::make(*recording_, {.speed = 1});
  ASSERT_TRUE(replay.has_value());
  while (replay->next(1000)) replay->advance();
  replay->rewind();
  const auto step = replay->next(9000);
  ASSERT_TRUE(step.has_value());
  EXPECT_EQ(as_text(step->message->payload), "a");
  EXPECT_EQ(step->due_ns, 9000u);
}

TEST_F(ReplayFile, plays_into_a_callback_and_stops_when_told) {
  struct Played {
    Payloads payloads;
    std::size_t stop_after = 100;
  };
  const auto take = [](void* context, const RecordedMessage& message, bool& go_on) noexcept {
    auto& played = *static_cast<Played*>(context);
    played.payloads.emplace_back(as_text(message.payload));
    go_on = played.payloads.size() < played.stop_after;
  };
  for (const double speed : {0.0, 1.0, 1000.0}) {
    Played played;
    const auto count = replay(*recording_, {.speed = speed}, {take, &played});
    ASSERT_TRUE(count.has_value());
    EXPECT_EQ(*count, 5u);
    EXPECT_EQ(played.payloads, (Payloads{"a", "b", kBinary, "c", "d"}));
  }
  Played played;
  played.stop_after = 2;
  EXPECT_EQ(replay(*recording_, {}, {take, &played}).value(), 2u);
  EXPECT_FALSE(replay(*recording_, {.speed = -1}, {take, &played}).has_value());
}

TEST_F(ReplayFile, refuses_what_cannot_be) {
  const double speeds[] = {-1, std::nan(""), std::numeric_limits<double>::infinity()};
  for (const double speed : speeds) {
    const auto replay = Replay::make(*recording_, {.speed = speed});
    ASSERT_FALSE(replay.has_value());
    EXPECT_EQ(replay.error().code(), Errc::invalid_option);
  }
  const auto replay = Replay::make(*recording_, {.from_ns = 5, .until_ns = 5});
  ASSERT_FALSE(replay.has_value());
  EXPECT_EQ(replay.error().code(), Errc::contradictory_options);
}

}  // namespace
}  // namespace zenwire
