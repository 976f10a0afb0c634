#include "mock_connection.hpp"

#include <algorithm>
#include <array>

#include <zenwire/base/assert.hpp>
#include <zenwire/base/bytes.hpp>
#include <zenwire/codec/arena.hpp>
#include <zenwire/codec/frame_writer.hpp>

namespace zenwire::testing::detail {
namespace {

constexpr std::size_t kAnswer_bytes_max = std::size_t{64} << 10;

std::string replaced(std::string text, std::string_view what, std::string_view by) {
  const auto at = text.find(what);
  return at == std::string::npos ? text : text.replace(at, what.size(), by);
}

CapturedRequest captured(ClientId client, const HttpRequestHead& head) {
  CapturedRequest request{
      .client = client, .method = std::string(head.method), .target = std::string(head.target)};
  for (const Header& header : head.headers.all())
    request.headers.emplace_back(header.name, header.value);
  return request;
}

std::string http_text(const HttpAnswer& answer) {
  const std::string_view phrase =
      answer.reason.empty() ? reason_phrase(answer.status) : std::string_view(answer.reason);
  std::string text =
      "HTTP/1.1 " + std::to_string(answer.status) + " " + std::string(phrase) + "\r\n";
  for (const auto& [name, value] : answer.headers) text += name + ": " + value + "\r\n";
  if (!answer.retry_after.empty()) text += "Retry-After: " + answer.retry_after + "\r\n";
  return text + "Content-Length: " + std::to_string(answer.body.size()) +
         "\r\nConnection: close\r\n\r\n" + answer.body;
}

}  // namespace

bool MockConnection::waits_for_message(const Track& track) {
  return !track.steps.empty() && std::holds_alternative<Script::Await>(track.steps.front());
}

MockConnection::MockConnection(MockHost& host, ClientId id, int socket,
                               std::optional<TlsStream> tls, ConnectionPlan plan)
    : host_(host), plan_(std::move(plan)), transport_(socket, std::move(tls), plan_.cut), id_(id) {
  end_.client = id;
}

void MockConnection::run(bool readable, SteadyTime now) {
  if (readable && transport_.wants_read(now)) transport_.receive(in_);
  if (phase_ == Phase::head) read_head();
  if (phase_ == Phase::open) read_frames();
  play_tracks(now);
  if (phase_ == Phase::over) in_.clear();
  // A peer that has ended its half while nobody plays to it is let go; it will say nothing more.
  if (transport_.peer_ended()) tracks_.remove_if(&waits_for_message);
  if (transport_.peer_ended() && tracks_.empty()) transport_.end(Script::End::in_order);
  transport_.flush();
}

void MockConnection::log_end() {
  end_.end_of_stream = transport_.peer_ended();
  end_.by_server = transport_.reset_by_us();
  if (end_.violation == Errc::ok) end_.violation = frames_.error();
  if (end_.violation == Errc::ok && !end_.opened) end_.violation = transport_.error();
  host_.log.change([&](CaptureLog& log) {
    log.open.erase(id_);
    log.ends.add(end_);
    ++log.ended;
  });
}

SteadyTime MockConnection::deadline(SteadyTime now) const noexcept {
  SteadyTime first = transport_.next_read(now).value_or(SteadyTime::max());
  for (const Track& track : tracks_) first = std::min(first, track.due.value_or(first));
  return first;
}

// --- The upgrade.

void MockConnection::read_head() {
  const auto bytes = find_head(as_bytes(in_), head_state_);
  if (!bytes) return refuse(bytes.error().code());
  if (*bytes == 0) return;
  const auto head = parse_request_head(as_bytes(in_).first(*bytes));
  if (!head) return refuse(head.error().code());
  answer(*head);
  in_.erase(0, *bytes);
}

void MockConnection::answer(const HttpRequestHead& head) {
  host_.take_commands();
  const CapturedRequest request = captured(id_, head);
  host_.log.change([&](CaptureLog& log) { log.requests.add(request); });
  if (auto plan = host_.decide(request)) plan_ = std::move(*plan);
  if (plan_.answer) return answer_http(*plan_.answer);
  const auto client = check_upgrade_request(head);
  if (!client) return refuse(client.error().code());
  answer_upgrade(head, *client);
}

void MockConnection::answer_upgrade(const HttpRequestHead& head, const ClientUpgrade& client) {
  const AcceptKey accept = accept_key(client.key);
  if (!plan_.raw_answer.empty())
    return open(replaced(plan_.raw_answer, "{accept}", as_text(accept)));
  const std::vector<std::string_view> supported(host_.options.subprotocols.begin(),
                                                host_.options.subprotocols.end());
  UpgradeResponse response{.key = client.key, .subprotocol = {}, .deflate = {}, .headers = {}};
  if (!plan_.subprotocol) response.subprotocol = choose_subprotocol(client, supported);
  if (host_.options.deflate) {
    const auto chosen = choose_deflate(head.headers, {});
    if (!chosen) return refuse(chosen.error().code());
    response.deflate = *chosen;
    if (response.deflate) enable_deflate(*response.deflate);
  }
  open(switching(response, accept));
}

// The answer as it should be, and then what the plan makes of it: nothing of that is checked.
std::string MockConnection::switching(const UpgradeResponse& response,
                                      const AcceptKey& accept) const {
  std::vector<std::byte> room(kAnswer_bytes_max);
  std::string text(as_text(Bytes(room).first(write_upgrade_response(response, room).value())));
  text.resize(text.size() - 2);  // the blank line
  if (plan_.subprotocol && !plan_.subprotocol->empty())
    text += "Sec-WebSocket-Protocol: " + *plan_.subprotocol + "\r\n";
  for (const auto& [name, value] : plan_.extra_headers) text += name + ": " + value + "\r\n";
  text += "\r\n";
  return plan_.accept_key.empty() ? text : replaced(text, as_text(accept), plan_.accept_key);
}

void MockConnection::enable_deflate(const DeflateParameters& agreed) {
  const DeflateSide ours = agreed.server_side();
  const std::size_t bytes = deflate_arena_bytes(ours) + Arena::kAlignment_bytes;
  frames_.enable_deflate(agreed.client_side());
  deflate_arena_ = std::make_unique<std::byte[]>(bytes);
  Arena arena({deflate_arena_.get(), bytes});
  deflater_ = Deflater::open(ours, arena).value();
}

void MockConnection::answer_http(const HttpAnswer& answer) {
  phase_ = Phase::over;
  transport_.send(http_text(answer));
  transport_.end(Script::End::in_order);
}

void MockConnection::refuse(Errc error) {
  end_.violation = error;
  answer_http({.status = refusal_status(error), .body = std::string(message(error))});
}

// Open for the tests before the client can know it, so that whoever waited for the client need not
// wait for the server.
void MockConnection::open(std::string_view bytes) {
  phase_ = Phase::open;
  end_.opened = true;
  host_.log.change([&](CaptureLog& log) {
    ++log.opens;
    log.open.insert(id_);
  });
  transport_.send(bytes);
  play(plan_.on_open);
}

// --- Frames.

void MockConnection::read_frames() {
  std::string_view rest = in_;
  while (phase_ == Phase::open) {
    auto frame = frames_.next(rest);
    if (!frame) break;
    handle(std::move(*frame));
  }
  in_.erase(0, in_.size() - rest.size());
  if (phase_ == Phase::open && frames_.error() != Errc::ok) violated(frames_.error());
}

void MockConnection::handle(CapturedFrame frame) {
  frame.client = id_;
  host_.log.change([&](CaptureLog& log) { log.frames.add(frame); });
  if (frame.opcode == Opcode::ping && plan_.answers_pings) play(Script().pong(frame.payload));
  if (frame.opcode == Opcode::close) handle_close(frame);
  if (auto message = frames_.take_message()) handle_message(std::move(*message));
}

void MockConnection::handle_close(const CapturedFrame& frame) {
  const ClosePayload close = parse_close(as_bytes(frame.payload));
  end_.close_frame = true;
  end_.close_code = close.code;
  end_.close_reason = close.reason;
  if (end_.violation == Errc::ok) end_.violation = close.error;
  phase_ = Phase::over;
  if (!plan_.answers_close) return;
  if (!close_sent_) send_close(close.code, close.reason);
  transport_.end(Script::End::in_order);
}

void MockConnection::handle_message(CapturedMessage message) {
  message.client = id_;
  host_.take_commands();
  const Script reply = host_.reply(message);
  for (Track& track : tracks_) {
    if (track.awaits) track.unread.push_back(message.payload);
  }
  host_.log.change([&](CaptureLog& log) { log.messages.add(std::move(message)); });
  play(reply);
}

void MockConnection::violated(Errc error) {
  end_.violation = error;
  phase_ = Phase::over;
  send_close(close_code_for(error), message(error));
  transport_.end(Script::End::in_order);
}

// --- Scripts.

void MockConnection::play(const Script& script) {
  if (script.empty()) return;
  Track track;
  track.steps.assign(script.steps().begin(), script.steps().end());
  track.awaits = std::any_of(track.steps.begin(), track.steps.end(), [](const auto& step) {
    return std::holds_alternative<Script::Await>(step);
  });
  tracks_.push_back(std::move(track));
  advance(tracks_.back(), std::chrono::steady_clock::now());
}

void MockConnection::release() {
  transport_.release();
  for (Track& track : tracks_) track.released = true;
}

void MockConnection::play_tracks(SteadyTime now) {
  for (Track& track : tracks_) advance(track, now);
  tracks_.remove_if([](const Track& track) { return track.steps.empty(); });
}

void MockConnection::advance(Track& track, SteadyTime now) {
  while (!track.steps.empty() && step(track, now)) track.steps.pop_front();
  track.released = false;
}

// Does the step in front; false while it has to wait.
bool MockConnection::step(Track& track, SteadyTime now) {
  const Script::Step& step = track.steps.front();
  if (const auto* message = std::get_if<Script::SendMessage>(&step)) send_message(*message);
  if (const auto* close = std::get_if<Script::SendClose>(&step))
    send_close(close->code, close->reason);
  if (const auto* raw = std::get_if<Script::SendRaw>(&step)) transport_.send(raw->bytes);
  if (const auto* pace = std::get_if<Script::ReadPace>(&step))
    transport_.set_read_pace(pace->bytes, pace->every, now);
  if (const auto* pieces = std::get_if<Script::WritePieces>(&step))
    transport_.set_write_pieces(pieces->bytes);
  if (const auto* end = std::get_if<Script::End>(&step)) transport_.end(*end);
  if (const auto* await = std::get_if<Script::Await>(&step)) return found(track, await->matcher);
  if (std::holds_alternative<Script::Hold>(step)) return std::exchange(track.released, false);
  if (const auto* delay = std::get_if<Script::Delay>(&step)) {
    if (!track.due) track.due = now + delay->time;
    if (now < *track.due) return false;
    track.due.reset();
  }
  return true;
}

bool MockConnection::found(Track& track, const Matcher& matcher) {
  while (!track.unread.empty()) {
    const std::string payload = std::move(track.unread.front());
    track.unread.pop_front();
    if (matcher.matches(payload)) return true;
  }
  return false;
}

void MockConnection::send_message(const Script::SendMessage& message) {
  const std::string payload = deflater_ ? deflated(message.payload) : message.payload;
  FragmentWriter writer(Role::server, message.opcode, as_bytes(payload),
                        message.fragment_bytes == 0 ? std::max<std::size_t>(payload.size(), 1)
                                                    : message.fragment_bytes,
                        deflater_.has_value());
  std::string frame;
  while (!writer.done()) {
    frame.resize(writer.next_frame_bytes());
    writer.write(reinterpret_cast<std::byte*>(frame.data()), 0);
    transport_.send(frame);
  }
}

std::string MockConnection::deflated(std::string_view payload) {
  std::string out(deflate_bound_bytes(payload.size()), '\0');
  out.resize(deflater_->deflate_message(as_bytes(payload),
                                        {reinterpret_cast<std::byte*>(out.data()), out.size()}));
  return out;
}

// Any code, also one that must not be sent; 1005 is an empty payload.
void MockConnection::send_close(std::uint16_t code, std::string_view reason) {
  std::string payload;
  if (code != CloseCode::no_status) {
    payload = {static_cast<char>(code >> 8), static_cast<char>(code & 0xff)};
    payload += reason;
  }
  transport_.send(
      AnyFrame{.opcode = static_cast<std::uint8_t>(Opcode::close), .payload = payload}.bytes());
  close_sent_ = true;
}

}  // namespace zenwire::testing::detail
