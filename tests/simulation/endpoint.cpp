#include "endpoint.hpp"

#include <charconv>
#include <string_view>

#include "side.hpp"
#include "simulation.hpp"

namespace zenwire::simulation {
namespace {

using testing::hash_of;

// "d00000012|": the source of a message and its number.
constexpr std::size_t kNumberAt = 1;
constexpr std::size_t kNumber_digits = 8;
constexpr std::size_t kSendsAtOnce_max = 4;
constexpr Instant_ns kSlow_ns_max = 2'000'000;

}  // namespace

Endpoint::Endpoint(Simulation& owner, std::uint32_t link_number, bool is_client,
                   testing::Random generator)
    : simulation(owner), link(link_number), client(is_client), random_(generator) {}

ConnectionHandlers Endpoint::handlers() noexcept {
  return {.on_open = Callback<Connection&>::to<&Endpoint::on_open>(*this),
          .on_message = Callback<Connection&, const Message&>::to<&Endpoint::on_message>(*this),
          .on_control = Callback<Connection&, Opcode, Bytes>::to<&Endpoint::on_control>(*this),
          .on_closed = Callback<Connection&, const Closed&>::to<&Endpoint::on_closed>(*this),
          .on_failed = Callback<Connection&, const OpenFailure&>::to<&Endpoint::on_failed>(*this)};
}

// --- Handlers.

void Endpoint::on_open(Connection& connection) noexcept {
  const Running world(Side::world);
  ++opens;
  id = connection.id();
  simulation.check(opens == 1 && !ended(), "it opened once, before anything else", *this);
  simulation.opened(*this);
  in_callback(connection);
}

void Endpoint::on_message(Connection& connection, const Message& message) noexcept {
  const Running world(Side::world);
  simulation.check(opens == 1 && !ended(), "a message came while it was open", *this);
  check_message(message);
  simulation.publish(*this, message);
  in_callback(connection);
}

void Endpoint::on_control(Connection&, Opcode opcode, Bytes payload) noexcept {
  const Running world(Side::world);
  simulation.check(opens == 1 && !ended(), "a control frame came while it was open", *this);
  simulation.check(opcode == Opcode::ping || opcode == Opcode::pong, "it was a ping or pong",
                   *this);
  simulation.check(as_text(payload).substr(0, 5) == "beat ", "its payload was kept", *this);
}

void Endpoint::on_closed(Connection&, const Closed& event) noexcept {
  const Running world(Side::world);
  ++closes;
  clean = event.clean;
  error = event.error.code();
  simulation.check(opens == 1 && closes == 1 && fails == 0, "it ended once", *this);
  simulation.check(error != Errc::ok, "its end has a reason", *this);
  // Both ends are ours, and TCP loses and changes nothing.
  simulation.check(condition(error) != Condition::protocol_violation, "nobody breaks the protocol",
                   *this);
  simulation.world().trace().note(simulation.world().now_ns(),
                                  client ? "client closed" : "server closed", link,
                                  static_cast<std::uint64_t>(error));
}

void Endpoint::on_failed(Connection&, const OpenFailure& event) noexcept {
  const Running world(Side::world);
  ++fails;
  error = event.error.code();
  simulation.check(opens == 0 && closes == 0 && fails == 1, "it failed once", *this);
  simulation.check(client && error != Errc::ok, "its failure has a reason", *this);
  simulation.world().trace().note(simulation.world().now_ns(), "client failed", link,
                                  static_cast<std::uint64_t>(error));
}

void Endpoint::on_extra(Connection& connection, const Message&) noexcept {
  const Running world(Side::world);
  ++extra_calls_;
  if (!random_.chance_ppm(300'000)) return;
  simulation.check(connection.on_message.remove(extra_), "a handler removes itself", *this);
  extra_ = {};
}

// What a user may do in a callback.
void Endpoint::in_callback(Connection& connection) noexcept {
  if (simulation.setting().slow_callbacks && random_.chance_ppm(20'000))
    simulation.world().spend(random_.below(kSlow_ns_max));
  if (random_.chance_ppm(500'000)) send_some(connection);
  if (random_.chance_ppm(50'000)) pause_or_resume(connection);
  if (random_.chance_ppm(50'000)) misuse(connection);
  if (!extra_ && random_.chance_ppm(50'000)) {
    const auto added = connection.on_message.add(
        Callback<Connection&, const Message&>::to<&Endpoint::on_extra>(*this));
    simulation.check(added.has_value(), "there is room for a second handler", *this);
    extra_ = added.value_or(HandlerId{});
  }
  finish_if_done(connection);
}

void Endpoint::act(Connection& connection) noexcept {
  if (connection.state() == ConnectionState::opening) return;
  if (connection.paused() || random_.chance_ppm(20'000)) pause_or_resume(connection);
  if (random_.chance_ppm(50'000)) {
    const std::string beat = "beat " + std::to_string(random_.below(1000));
    static_cast<void>(connection.ping(as_bytes(beat)));
  }
  send_some(connection);
  finish_if_done(connection);
}

// --- Sending.

void Endpoint::send_some(Connection& connection) noexcept {
  const bool corks = random_.chance_ppm(250'000);
  if (corks) connection.cork();
  for (std::uint64_t i = random_.below(kSendsAtOnce_max + 1); i > 0 && !sent_all(); --i) {
    if (!send_one(connection)) break;
  }
  if (corks) connection.uncork();
}

// False when it was refused.
bool Endpoint::send_one(Connection& connection) noexcept {
  const Opcode opcode = random_.chance_ppm(500'000) ? Opcode::text : Opcode::binary;
  const auto bytes = static_cast<std::size_t>(random_.skewed(bytes_max));
  const Bytes payload = simulation.make_payload('d', direct.sent.size(), opcode, bytes, random_);
  direct.sent.push_back({opcode, hash_of(payload), payload.size()});
  const Errc outcome = connection.send(opcode, payload);
  if (outcome == Errc::ok) return true;
  direct.sent.pop_back();
  const bool open = connection.state() == ConnectionState::open;
  simulation.check(outcome == (open ? Errc::send_queue_full : Errc::connection_closed),
                   "a send is refused for one of two reasons", *this);
  return false;
}

// Calls that must be refused, and change nothing.
void Endpoint::misuse(Connection& connection) noexcept {
  const std::string long_payload(126, 'x');
  simulation.check(connection.ping(as_bytes(long_payload)) == Errc::frame_control_too_long,
                   "a long ping is refused", *this);
  const Errc outcome = connection.close(1005);
  const bool refused = outcome == Errc::close_code_invalid || outcome == Errc::connection_closed;
  simulation.check(refused || outcome == Errc::ok, "1005 is sent as no code, or refused", *this);
  if (outcome == Errc::ok) close_sent = true;
}

void Endpoint::pause_or_resume(Connection& connection) noexcept {
  connection.paused() ? connection.resume() : connection.pause();
}

void Endpoint::finish_if_done(Connection& connection) noexcept {
  if (!sent_all() || connection.state() != ConnectionState::open) return;
  if (aborts_it && random_.chance_ppm(100'000)) {
    aborted = true;
    connection.abort();
    return;
  }
  if (!closes_it || !random_.chance_ppm(300'000)) return;
  close_sent = connection.close(CloseCode::normal, "done") == Errc::ok;
}

// --- Receiving.

void Endpoint::check_message(const Message& message) noexcept {
  const std::uint64_t hash = hash_of(message.payload);
  simulation.world().trace().note_bytes(
      simulation.world().now_ns(), client ? "client got" : "server got", link, message.payload);
  received_hashes.push_back(hash);
  simulation.check(message.sequence == received_hashes.size(), "messages are counted", *this);
  std::size_t number = 0;
  const std::string_view text = message.text();
  const bool readable =
      text.size() > kNumber_digits && (text[0] == 'd' || text[0] == 'o') &&
      std::from_chars(text.data() + kNumberAt, text.data() + kNumberAt + kNumber_digits, number)
              .ec == std::errc{};
  simulation.check(readable, "a message is one that was sent", *this);
  if (!readable) return;
  Ledger& ledger = text[0] == 'd' ? peer->direct : peer->boxed;
  ledger.skip_refused();
  simulation.check(number == ledger.received, "messages come in order and once", *this);
  if (number >= ledger.sent.size()) return;
  const Sent& sent = ledger.sent[number];
  simulation.check(
      sent.opcode == message.opcode && sent.bytes == message.payload.size() && sent.hash == hash,
      "a message is what was sent, byte for byte", *this);
  ++ledger.received;
}

}  // namespace zenwire::simulation
