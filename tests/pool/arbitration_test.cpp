// Arbitration over real connections: four lines of one server, one of them killed in the middle.

#include <charconv>
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include <zenwire/pool/arbitration.hpp>
#include <zenwire/pool/lines.hpp>

#include "loop.hpp"

namespace zenwire {
namespace {

using namespace std::chrono_literals;

constexpr unsigned kLines = 4;
constexpr std::uint64_t kMessages = 20'000;

// Sends "1", "2", ... on every connection that opens, once kLines have; kills the first in the
// middle of its stream.
class FeedServer {
 public:
  FeedServer() : reactor_(test::make_reactor()) {
    ListenOptions options;
    options.on_open = Callback<Connection&>::to<&FeedServer::on_open>(*this);
    port_ = reactor_->listen(options).value().port();
    thread_ = std::thread([this] { static_cast<void>(reactor_->run()); });
  }
  ~FeedServer() {
    reactor_->stop(0s);
    thread_.join();
  }
  [[nodiscard]] std::string url() const { return "ws://127.0.0.1:" + std::to_string(port_) + "/"; }

 private:
  struct Player {
    FeedServer* owner = nullptr;
    Connection* connection = nullptr;
    std::uint64_t next = 1;
    bool killed = false;
    bool playing = false;

    // Pongs are written too, and before it begins.
    void on_written(Connection&, std::size_t, std::size_t unsent) noexcept {
      if (playing && unsent == 0) play();
    }
    void begin() noexcept {
      playing = true;
      play();
    }
    // What the send queue takes; the rest when that is written.
    void play() noexcept {
      connection->cork();
      while (next <= kMessages && connection->unsent_bytes() < 16'000) {
        if (killed && next == kMessages / 2) break;
        if (connection->send_text(std::to_string(next)) != Errc::ok) break;
        ++next;
      }
      connection->uncork();
      if (playing && killed && next == kMessages / 2) {
        playing = false;
        connection->abort();
      }
    }
  };
  void on_open(Connection& connection) noexcept {
    Player& player = players_[opened_++ % kLines];
    player = {this, &connection, 1, opened_ == 1};
    ASSERT_TRUE(connection.on_written.add(
        Callback<Connection&, std::size_t, std::size_t>::to<&Player::on_written>(player)));
    if (opened_ != kLines) return;
    for (Player& at : players_) at.begin();
  }

  std::unique_ptr<Reactor> reactor_;
  std::array<Player, kLines> players_{};
  unsigned opened_ = 0;
  std::uint16_t port_ = 0;
  std::thread thread_;
};

StreamKey number_of(void*, const Message& message) noexcept {
  std::uint64_t number = 0;
  const std::string_view text = message.text();
  std::from_chars(text.data(), text.data() + text.size(), number);
  return {0, SequenceKey::dense(number)};
}

struct Sink {
  std::uint64_t next = 1;
  std::uint64_t wrong = 0;
  std::uint64_t gaps = 0;
  void on_message(std::uint32_t, const Admitted& admitted) noexcept {
    if (admitted.message.text() != std::to_string(next)) ++wrong;
    ++next;
  }
  void on_gap(const FeedGap& gap) noexcept {
    ++gaps;
    ADD_FAILURE() << "gap from " << gap.gap.from << " to " << gap.gap.to;
  }
};

class ArbitrationTest : public ::testing::Test {
 protected:
  void make(MessageQueue* queue) {
    ArbitrationOptions options;
    options.key = {&number_of, nullptr};
    options.gate.first_sequence = 1;
    options.queue_reserve_bytes = 64 << 10;
    arbitration_ =
        Arbitration::make(
            *reactor_, options,
            {.on_message = Callback<std::uint32_t, const Admitted&>::to<&Sink::on_message>(sink_),
             .on_gap = Callback<const FeedGap&>::to<&Sink::on_gap>(sink_)})
            .value();
    arbitration_->deliver_to(queue, 7);
    lines_ = std::make_unique<Lines>(*reactor_, nullptr, arbitration_.get(),
                                     LinesOptions{.reconnect = false});
    for (unsigned line = 0; line < kLines; ++line)
      ASSERT_TRUE(lines_->add({.url = server_.url()}).has_value());
  }
  void stop() {
    lines_->stop();
    ASSERT_TRUE(test::run_until(*reactor_, [this] { return reactor_->connections_open() == 0; }));
    reactor_->stop(0s);
    while (reactor_->poll(true)) {
    }
  }

  FeedServer server_;
  std::unique_ptr<Reactor> reactor_ = test::make_reactor();
  Sink sink_;
  std::unique_ptr<Arbitration> arbitration_;
  std::unique_ptr<Lines> lines_;
};

TEST_F(ArbitrationTest, a_line_that_is_killed_leaves_no_gap) {
  make(nullptr);
  // Killed early, a line may end before this side has opened it; and others may open late.
  ASSERT_TRUE(test::run_until(*reactor_,
                              [this] {
                                const LinesCounters& counters = lines_->counters();
                                return sink_.next > kMessages &&
                                       counters.closed + counters.failed == 1 &&
                                       counters.opened + counters.failed == kLines;
                              }))
      << "next " << sink_.next << ", opened " << lines_->counters().opened << ", closed "
      << lines_->counters().closed << ", failed " << lines_->counters().failed;
  EXPECT_EQ(sink_.next, kMessages + 1);
  EXPECT_EQ(sink_.wrong, 0u);
  EXPECT_EQ(sink_.gaps, 0u);
  EXPECT_EQ(arbitration_->delivered(), kMessages);
  double win_rate = 0;
  unsigned live = 0;
  for (unsigned line = 0; line < kLines; ++line) {
    win_rate += arbitration_->view(line).win_rate;
    live += arbitration_->view(line).live ? 1U : 0U;
  }
  EXPECT_DOUBLE_EQ(win_rate, 1);
  EXPECT_EQ(live, kLines - 1);
  stop();
}

// The queue is far smaller than the stream, and its reader slow to begin.
TEST_F(ArbitrationTest, a_full_queue_stops_every_line_and_loses_nothing) {
  const auto queue = MessageQueue::make({.capacity_bytes = 256 << 10}).value();
  make(queue.get());
  ASSERT_TRUE(test::run_until(*reactor_, [this] { return arbitration_->pauses() > 0; }));
  std::uint64_t next = 1;
  const auto read = [&] {
    static_cast<void>(queue->read_batch([&](const MessageView& view) noexcept {
      EXPECT_EQ(as_text(view.payload()), std::to_string(next));
      EXPECT_EQ(view.header().sequence, next);
      EXPECT_EQ(view.header().session, 7u);
      ++next;
      return ReadVerdict::next;
    }));
    return next > kMessages;
  };
  ASSERT_TRUE(test::run_until(*reactor_, read));
  EXPECT_EQ(sink_.gaps, 0u);
  stop();
}

}  // namespace
}  // namespace zenwire
