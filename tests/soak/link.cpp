#include "link.hpp"

#include <algorithm>

namespace zenwire::soak {
namespace {

constexpr std::uint64_t kPayload_bytes_max = 40'000;
constexpr Instant_ns kSilence_ns = 300'000'000;  // after which a half-open connection is given up
constexpr Instant_ns kPatience_ns = 60'000'000'000;  // after which any other has lost something

}  // namespace

Link::Link(std::uint64_t number, std::uint64_t seed, const Venue& plain, const Venue& secure,
           Totals& totals)
    : number_(number),
      random_(seed * 1'000'003 + number),
      plain_(plain),
      secure_(secure),
      totals_(totals),
      patience_(Callback<Timer&>::to<&Link::on_patience_over>(*this)) {}

void Link::connect(Reactor& reactor) {
  const Venue& venue = random_.chance_ppm(500'000) ? secure_ : plain_;
  behaviour_ = Behaviour::draw(random_);
  payload_seed_ = random_.next();
  window_ = random_.between(1, 8);
  sent_ = received_ = 0;
  reactor_ = &reactor;
  ConnectOptions options{.url = venue.server().url(behaviour_.target())};
  options.tls.ca_pem = venue.server().ca_pem();
  options.deflate.enabled = random_.chance_ppm(300'000);
  const auto id = reactor.connect(
      options,
      {.on_open = Callback<Connection&>::to<&Link::on_open>(*this),
       .on_message = Callback<Connection&, const Message&>::to<&Link::on_message>(*this),
       .on_closed = Callback<Connection&, const Closed&>::to<&Link::on_closed>(*this),
       .on_failed = Callback<Connection&, const OpenFailure&>::to<&Link::on_failed>(*this)});
  if (!id) return fail(std::string(name(id.error().code())));
  id_ = *id;
  busy_ = true;
  ++totals_.connections;
  reactor.arm(patience_, reactor.now_ns() + kPatience_ns);
}

void Link::on_open(Connection& connection) noexcept {
  if (behaviour_.ending == Ending::refused) fail("opened although it was refused");
  send_more(connection);
}

// Up to a window ahead, and no more than the venue answers.
void Link::send_more(Connection& connection) {
  while (sent_ < behaviour_.messages && sent_ < received_ + window_) {
    make_payload(sent_, payload_);
    const Errc done = connection.send(opcode_of(sent_), as_bytes(payload_));
    if (done == Errc::send_queue_full) return;  // the next answer makes room
    if (done != Errc::ok) return fail("send: " + std::string(name(done)));
    ++sent_;
    ++totals_.messages_sent;
  }
}

Opcode Link::opcode_of(std::uint64_t number) const {
  return (payload_seed_ + number) % 3 == 0 ? Opcode::binary : Opcode::text;
}

// The number, and then letters that seed and number determine.
void Link::make_payload(std::uint64_t number, std::string& to) const {
  testing::Random random(payload_seed_ + number);
  to = std::to_string(number) + " ";
  const std::size_t bytes = random.skewed(kPayload_bytes_max);
  const std::uint64_t letters = random.next() | 1;
  for (std::uint64_t i = 0; i < bytes; ++i)
    to += static_cast<char>('a' + (letters * (i | 1) >> 40) % 26);
}

void Link::on_message(Connection& connection, const Message& message) noexcept {
  make_payload(received_, payload_);
  if (message.text() != payload_ || message.opcode != opcode_of(received_))
    fail("message " + std::to_string(received_) + " is not what was sent");
  ++received_;
  ++totals_.messages_received;
  totals_.bytes_received += message.payload.size();
  const bool last = received_ == behaviour_.messages;
  if (!last) return send_more(connection);
  if (behaviour_.ending == Ending::client_close) connection.close();
  if (behaviour_.ending == Ending::silence)
    reactor_->arm(patience_, reactor_->now_ns() + kSilence_ns);
}

void Link::on_patience_over(Timer&) noexcept {
  if (behaviour_.ending != Ending::silence || received_ != behaviour_.messages)
    fail("answer " + std::to_string(received_) + " never came");
  if (Connection* const connection = reactor_->find(id_)) connection->abort();
}

void Link::on_closed(Connection&, const Closed& closed) noexcept {
  check_end(closed);
  finish();
}

// A reset may lose what had not been read; everything else delivers all before it ends.
void Link::check_end(const Closed& closed) {
  if (behaviour_.ending != Ending::reset && received_ != behaviour_.messages)
    fail(std::to_string(behaviour_.messages - received_) + " answers were lost");
  const Errc error = closed.error.code();
  const bool as_told = [&] {
    switch (behaviour_.ending) {
      case Ending::client_close: return closed.clean && error == Errc::closed_normally;
      case Ending::server_close: return error == Errc::closed_by_peer && closed.code == 1001;
      case Ending::end_of_stream:
      case Ending::mid_frame: return error == Errc::connection_lost || error == Errc::tls_truncated;
      case Ending::reset: return error == Errc::connection_lost;
      case Ending::silence: return error == Errc::aborted;
      case Ending::refused: break;
    }
    return false;
  }();
  if (!as_told) fail("ended with " + std::string(name(error)));
}

void Link::on_failed(Connection&, const OpenFailure& failure) noexcept {
  if (behaviour_.ending != Ending::refused ||
      failure.error.code() != Errc::http_service_unavailable)
    fail("did not open: " + std::string(name(failure.error.code())));
  finish();
}

void Link::finish() {
  reactor_->cancel(patience_);
  ++totals_.endings[static_cast<std::size_t>(behaviour_.ending)];
  busy_ = false;
}

void Link::fail(const std::string& what) {
  if (totals_.failures++ == 0)
    totals_.first_failure = "link " + std::to_string(number_) + ", " +
                            std::string(name(behaviour_.ending)) + " after " +
                            std::to_string(behaviour_.messages) + " messages: " + what;
}

}  // namespace zenwire::soak
