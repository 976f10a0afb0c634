// A session for nginx_test.py: subscribes, and tells on standard output, a JSON object a line, what
// happens to it. Usage: session_client URL CA-FILE CHANNEL... It ends at the end of its input.

#include <array>
#include <atomic>
#include <cstdio>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include <unistd.h>

#include <zenwire/engine/session.hpp>

#include "test_venue.hpp"

namespace {

using namespace zenwire;

struct Teller {
  std::map<std::string, std::uint64_t, std::less<>> next;
  std::map<std::string, std::uint64_t, std::less<>> delivered;
  std::uint64_t out_of_order = 0;

  void on_state(Session& session, const SessionTransition& at) noexcept {
    const std::string_view to = name(at.to);
    const std::string_view why = name(at.reason.code());
    std::printf(R"({"state":"%.*s","reason":"%.*s","second_line":%s,"rotations":%llu})"
                "\n",
                static_cast<int>(to.size()), to.data(), static_cast<int>(why.size()), why.data(),
                at.second_line ? "true" : "false",
                static_cast<unsigned long long>(session.counters().rotations));
  }
  void on_subscription(Session&, const SubscriptionNews& news) noexcept {
    std::printf("{\"subscription\":\"%.*s\",\"accepted\":%s}\n",
                static_cast<int>(news.channel.size()), news.channel.data(),
                news.kind == SubscriptionNews::Kind::accepted ? "true" : "false");
  }
  void on_gap(Session&, const StreamGap& gap) noexcept {
    if (next.find(gap.channel)->second != gap.gap.from) ++out_of_order;
    next.find(gap.channel)->second = gap.gap.to + 1;
  }
  void on_message(Session&, const Message& message) noexcept {
    const std::string_view text = message.text();
    const std::string channel(test::text_between(text, R"("channel":")", "\""));
    const auto sequence = static_cast<std::uint64_t>(test::number_after(text, R"("seq":)"));
    std::uint64_t& wanted = next[channel];
    if (wanted != 0 && wanted != sequence) ++out_of_order;
    wanted = sequence + 1;
    // A line now and then: whoever waits for data sees that each channel has some.
    if (++delivered[channel] % 50 == 0)
      std::printf("{\"data\":\"%s\",\"delivered\":%llu}\n", channel.c_str(),
                  static_cast<unsigned long long>(delivered[channel]));
  }
};

}  // namespace

int main(int count, char** words) {
  if (count < 4) {
    std::fprintf(stderr, "usage: session_client URL CA-FILE CHANNEL...\n");
    return 2;
  }
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  ReactorOptions reactor_options;
  reactor_options.idle = Idle::block;
  auto reactor = Reactor::create(reactor_options).value();
  SessionOptions options;
  options.connect.url = words[1];
  options.connect.tls.ca_file = words[2];
  options.reconnect.base = std::chrono::milliseconds(50);
  options.reconnect.cap = std::chrono::milliseconds(500);
  options.heartbeat = {.kind = HeartbeatKind::ping, .interval = std::chrono::seconds(1)};
  options.streams_max = static_cast<std::uint32_t>(count - 3);
  auto session = Session::create(*reactor, options, test::test_dialect()).value();
  Teller teller;
  static_cast<void>(session->on_state.add(
      Callback<Session&, const SessionTransition&>::to<&Teller::on_state>(teller)));
  static_cast<void>(session->on_subscription.add(
      Callback<Session&, const SubscriptionNews&>::to<&Teller::on_subscription>(teller)));
  static_cast<void>(
      session->on_gap.add(Callback<Session&, const StreamGap&>::to<&Teller::on_gap>(teller)));
  static_cast<void>(
      session->on_message.add(Callback<Session&, const Message&>::to<&Teller::on_message>(teller)));
  for (int i = 3; i < count; ++i)
    if (session->subscribe(words[i]) != Errc::ok) return 2;
  session->start();

  // "rotate" on a line of the input rotates; its end stops.
  std::atomic<bool> rotate{false};
  std::atomic<bool> ended{false};
  std::thread input([&] {
    std::array<char, 64> line;
    while (std::fgets(line.data(), line.size(), stdin) != nullptr) {
      rotate = true;
      reactor->doorbell();
    }
    ended = true;
    reactor->doorbell();
  });
  bool stopping = false;
  while (!stopping || session->state() != SessionState::stopped || session->rotating()) {
    reactor->poll(true);
    if (rotate.exchange(false) && session->rotate() != Errc::ok) rotate = true;
    if (ended && !stopping) {
      stopping = true;
      session->stop(std::chrono::seconds(1));
    }
  }
  input.join();
  std::printf("{\"out_of_order\":%llu}\n", static_cast<unsigned long long>(teller.out_of_order));
  return 0;
}
