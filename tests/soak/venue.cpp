#include "venue.hpp"

#include <chrono>
#include <cstdlib>

namespace zenwire::soak {

using namespace std::chrono_literals;
using testing::Script;

namespace {

constexpr auto kSilence = 2s;

}  // namespace

Behaviour Behaviour::draw(testing::Random& random) {
  Behaviour drawn;
  drawn.ending = random.chance_ppm(500'000) ? Ending::client_close
                                            : static_cast<Ending>(random.below(kEndings));
  drawn.messages = random.between(1, 200);
  drawn.fragment_bytes = random.chance_ppm(300'000) ? random.between(1, 2'000) : 0;
  drawn.piece_bytes = random.chance_ppm(200'000) ? random.between(100, 10'000) : 0;
  drawn.reads_slowly = random.chance_ppm(100'000);
  drawn.pings = random.chance_ppm(100'000);
  return drawn;
}

std::string Behaviour::target() const {
  std::string text = "/";
  for (const std::uint64_t value : {static_cast<std::uint64_t>(ending), messages, fragment_bytes,
                                    piece_bytes, std::uint64_t{reads_slowly}, std::uint64_t{pings}})
    text += std::to_string(value) + "/";
  return text;
}

Behaviour Behaviour::parse(std::string_view target) {
  const std::string text(target);
  const char* at = text.c_str();
  const auto next = [&at] {
    char* end = nullptr;
    const std::uint64_t value = std::strtoull(at + 1, &end, 10);
    at = end;
    return value;
  };
  Behaviour told;
  told.ending = static_cast<Ending>(next());
  told.messages = next();
  told.fragment_bytes = next();
  told.piece_bytes = next();
  told.reads_slowly = next() != 0;
  told.pings = next() != 0;
  return told;
}

Venue::Venue(bool tls)
    : server_(
          testing::MockServer::start({.tls = tls, .deflate = true, .captured_max = 16}).value()) {
  server_.on_upgrade([this](const testing::CapturedRequest& request) { return treat(request); });
  server_.on_message([this](const testing::CapturedMessage& message) { return answer(message); });
}

std::uint64_t Venue::broken() const {
  return out_of_order_.load() + (server_.assert_no_violations().met ? 0 : 1);
}

std::optional<testing::ConnectionPlan> Venue::treat(const testing::CapturedRequest& request) {
  const Behaviour told = Behaviour::parse(request.target);
  if (told.ending == Ending::refused)
    return testing::ConnectionPlan{.answer = testing::HttpAnswer{.retry_after = "1"}};
  clients_.insert_or_assign(request.client, Client{.behaviour = told});
  Script begin;
  if (told.reads_slowly) begin.read_slowly(16'384, 1ms);
  if (told.piece_bytes != 0) begin.write_in_pieces(told.piece_bytes);
  return testing::ConnectionPlan{.on_open = begin};
}

// Each message begins with its number.
testing::Script Venue::answer(const testing::CapturedMessage& message) {
  Client& client = clients_.at(message.client);
  const Behaviour& told = client.behaviour;
  if (std::strtoull(message.payload.c_str(), nullptr, 10) != client.received++) ++out_of_order_;
  Script script;
  if (told.pings) script.ping(std::to_string(client.received));
  if (told.fragment_bytes != 0)
    script.fragments(message.opcode, message.payload, told.fragment_bytes);
  else
    script.then(testing::MockServer::echo()(message));
  if (client.received != told.messages) return script;
  script.then(ending(told.ending));
  clients_.erase(message.client);  // nothing more is to come of it
  return script;
}

testing::Script Venue::ending(Ending how) {
  switch (how) {
    case Ending::server_close: return testing::Disconnect::going_away();
    case Ending::end_of_stream: return testing::Disconnect::end_of_stream();
    case Ending::mid_frame: return testing::Disconnect::mid_frame();
    case Ending::reset: return testing::Disconnect::reset();
    case Ending::silence:  // the socket goes when the client has long given it up
      return testing::Disconnect::silence().then(Script().delay(kSilence).reset());
    case Ending::client_close:
    case Ending::refused: break;
  }
  return {};
}

}  // namespace zenwire::soak
