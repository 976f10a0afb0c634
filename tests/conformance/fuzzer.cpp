#include "fuzzer.hpp"

#include <algorithm>

#include <zenwire/codec/upgrade.hpp>

namespace zenwire::test {
namespace {

std::string offer_text(const DeflateRequest& request) {
  std::string text = "permessage-deflate; client_no_context_takeover; client_max_window_bits";
  if (request.no_context_takeover) text += "; server_no_context_takeover";
  if (request.window_bits != 0)
    text += "; server_max_window_bits=" + std::to_string(request.window_bits);
  return text;
}

std::string answer_text(const DeflateRequest& request) {
  std::string text = "permessage-deflate";
  if (request.no_context_takeover) text += "; client_no_context_takeover";
  if (request.window_bits != 0)
    text += "; client_max_window_bits=" + std::to_string(request.window_bits);
  return text;
}

int window_in(const std::string& text, const std::string& name) {
  const auto found = text.find(name + "=");
  return found == std::string::npos ? 15 : std::stoi(text.substr(found + name.size() + 1));
}

DeflateAgreement agreement_in(const std::string& answer) {
  const auto has = [&](const char* name) { return answer.find(name) != std::string::npos; };
  return {.client_window_bits = window_in(answer, "client_max_window_bits"),
          .server_window_bits = window_in(answer, "server_max_window_bits"),
          .client_no_context_takeover = has("client_no_context_takeover"),
          .server_no_context_takeover = has("server_no_context_takeover")};
}

std::string header_in(const std::string& head, const std::string& name) {
  const auto at = head.find("\r\n" + name + ": ");
  if (at == std::string::npos) return {};
  const auto begin = at + name.size() + 4;
  return head.substr(begin, head.find("\r\n", begin) - begin);
}

std::string shortened(const std::string& payload) {
  constexpr std::size_t kShown = 40;
  return payload.size() <= kShown
             ? payload
             : payload.substr(0, kShown) + "... (" + std::to_string(payload.size()) + " bytes)";
}

std::string list_of(const std::vector<Event>& events) {
  std::string text = "[";
  for (const Event& event : events)
    text += " " + std::to_string(event.opcode) + ":" + shortened(event.payload);
  return text + " ]";
}

}  // namespace

// --- The handshake.

bool Fuzzer::read_head() {
  std::size_t end = 0;
  while ((end = head_.find("\r\n\r\n")) == std::string::npos) {
    const auto got = wire_.receive();
    if (!got || got->empty()) {
      fail("no head of HTTP came, but: " + head_);
      return false;
    }
    head_ += *got;
  }
  behind_head_ = head_.substr(end + 4);
  head_.resize(end + 4);
  return true;
}

bool Fuzzer::connect(const std::vector<DeflateRequest>& deflate) {
  const std::string key = "dGhlIHNhbXBsZSBub25jZQ==";
  std::string request =
      "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: "
      "Upgrade\r\nSec-WebSocket-Key: " +
      key + "\r\nSec-WebSocket-Version: 13\r\n";
  if (!deflate.empty()) {
    request += "Sec-WebSocket-Extensions: ";
    for (const auto& offer : deflate)
      request += (&offer == deflate.data() ? "" : ", ") + offer_text(offer);
    request += "\r\n";
  }
  wire_.send(request + "\r\n");
  if (!read_head()) return false;
  if (head_.substr(0, 13) != "HTTP/1.1 101 ") fail("not a 101: " + head_);
  // RFC 6455, section 1.3, gives the answer to this key.
  if (header_in(head_, "Sec-WebSocket-Accept") != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
    fail("not the accept key: " + head_);
  const std::string answer = header_in(head_, "Sec-WebSocket-Extensions");
  if (deflate.empty() != answer.empty()) fail("permessage-deflate was not answered: " + head_);
  if (!answer.empty()) deflate_.emplace(agreement_in(answer), role_);
  reader_.emplace(role_, deflate_ ? &*deflate_ : nullptr);
  reader_->feed(behind_head_);
  return error_.empty();
}

std::string Fuzzer::read_request() {
  if (!read_head()) return {};
  const auto begin = head_.find(' ') + 1;
  return head_.substr(begin, head_.find(' ', begin) - begin);
}

bool Fuzzer::answer(const std::vector<DeflateRequest>& deflate) {
  const auto accept = accept_key(header_in(head_, "Sec-WebSocket-Key"));
  std::string answer =
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      "Sec-WebSocket-Accept: " +
      std::string(as_text(accept)) + "\r\n";
  if (!deflate.empty()) {
    const std::string offer = header_in(head_, "Sec-WebSocket-Extensions");
    if (offer.find("client_max_window_bits") == std::string::npos)
      fail("client_max_window_bits is not offered: " + head_);
    const std::string chosen = answer_text(deflate.front());
    deflate_.emplace(agreement_in(chosen), role_);
    answer += "Sec-WebSocket-Extensions: " + chosen + "\r\n";
  }
  reader_.emplace(role_, deflate_ ? &*deflate_ : nullptr);
  wire_.send(answer + "\r\n");
  reader_->feed(behind_head_);
  return error_.empty();
}

// --- Acting.

std::string Fuzzer::encoded(const Frame& frame) {
  return encode(frame, role_, static_cast<std::uint32_t>(keys_()));
}

void Fuzzer::send(const std::string& bytes, std::size_t chop_bytes) {
  const std::string_view view(bytes);
  const std::size_t step = chop_bytes == kOneWrite ? view.size() : chop_bytes;
  for (std::size_t at = 0; at < view.size(); at += std::min(step, view.size() - at))
    wire_.send(view.substr(at, step));
}

void Fuzzer::act(const Send& step) {
  std::string together;
  for (const Frame& frame : step.frames) {
    const std::string bytes = encoded(frame);
    if (step.chop_bytes == kFrameWise) {
      wire_.send(bytes);
    } else {
      together += bytes;
    }
    if (frame.opcode == kClose && frame.rsv == 0) closed_ = closed_first_ = true;
  }
  send(together, step.chop_bytes);
}

// Encoded with the same key each time, so that the parts are of one frame.
void Fuzzer::act(const SendPart& step) {
  constexpr std::uint32_t kKey = 0x01020304;
  const std::string bytes = encode(step.frame, role_, kKey);
  const std::size_t header = bytes.size() - step.frame.payload.size();
  const std::size_t from = step.from == 0 ? 0 : header + step.from;
  wire_.send(std::string_view(bytes).substr(from, header + step.to - from));
}

void Fuzzer::act(const StillOpen&) {
  if (!wire_.is_quiet()) fail("it closed too early");
}

void Fuzzer::act(const Await& step) {
  while (!over() && reader_->events().size() < step.events) pump();
}

std::vector<Frame> Fuzzer::frames_of(const EchoEach& step, const std::string& payload) {
  const std::string body = step.compressed ? deflate_->compress(payload) : payload;
  std::vector<Frame> frames = step.fragment_bytes == 0
                                  ? std::vector<Frame>{{step.opcode, body}}
                                  : fragments(step.opcode, body, step.fragment_bytes);
  if (step.compressed) frames.front().rsv = 4;
  return frames;
}

void Fuzzer::act(const EchoEach& step) {
  for (std::size_t i = 0; i < step.count && error_.empty(); ++i) {
    const std::string payload = step.payload(i);
    act(Send{frames_of(step, payload), step.chop_bytes});
    act(Await{1});
    const auto& events = reader_->events();
    if (events.size() != 1 || events.front() != Event{step.opcode, payload})
      fail("message " + std::to_string(i) + " was answered with " + list_of(events));
    reader_->forget_events();
  }
}

// --- The end.

// False when there is nothing more.
bool Fuzzer::pump() {
  const auto got = wire_.receive();
  if (!got) {
    fail("it stays silent after " + list_of(reader_->events()));
    return false;
  }
  ended_ = got->empty();
  reader_->feed(*got);
  if (!reader_->error().empty()) fail(reader_->error());
  return !ended_ && error_.empty();
}

// Both close frames, and then the ends of the streams: the server's first (RFC 6455,
// section 7.1.1).
void Fuzzer::finish() {
  while (!over()) pump();
  if (!closed_ && reader_->close()) {
    wire_.send(encoded({kClose, *reader_->close()}));
    closed_ = true;
  }
  if (role_ == FuzzerRole::server) wire_.end();
  while (error_.empty() && !ended_) pump();
  if (role_ == FuzzerRole::client) wire_.end();
}

void Fuzzer::judge(const Script& script) {
  const Ending& ending = script.ending;
  if (reader_->events() != script.wanted)
    fail("got " + list_of(reader_->events()) + ", wanted " + list_of(script.wanted));
  if (!reader_->close()) return fail("it ended without a close frame");
  if (closed_first_ == ending.end_fails) fail("the wrong end closed");
  const std::string& payload = *reader_->close();
  if (ending.without_code) {
    if (!payload.empty()) fail("its close frame has a code");
    return;
  }
  if (payload.size() < 2) return fail("its close frame has no code");
  const unsigned code =
      static_cast<unsigned char>(payload[0]) * 256u + static_cast<unsigned char>(payload[1]);
  if (std::count(ending.codes.begin(), ending.codes.end(), code) == 0)
    fail("it closed with " + std::to_string(code) + " " + payload.substr(2));
}

std::string Fuzzer::run(const Script& script) {
  for (const Step& step : script.steps) {
    if (over()) break;
    std::visit([this](const auto& action) { act(action); }, step);
  }
  if (!script.ending.end_fails && !closed_ && !over()) act(Send{{close_frame(1000)}});
  finish();
  if (error_.empty()) judge(script);
  return error_;
}

std::string Fuzzer::say(const std::string& text) {
  act(Send{{{kText, text}}});
  // An end that listens and does not echo.
  return run({{}, {}, {}});
}

}  // namespace zenwire::test
