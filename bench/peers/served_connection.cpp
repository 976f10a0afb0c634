#include "served_connection.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>

#include <sys/socket.h>
#include <unistd.h>

#include <zenwire/codec/frame_writer.hpp>
#include <zenwire/codec/http_head.hpp>
#include <zenwire/codec/upgrade.hpp>

#include "client_run.hpp"
#include "message.hpp"

namespace zenwire::bench {
namespace {

constexpr std::size_t kServedReceive_bytes = std::size_t{256} << 10;
constexpr std::size_t kResponse_bytes_max = 1024;
// A sink is written in pieces of at most this, so that one connection of many holds up none.
constexpr std::size_t kWrite_bytes_max = std::size_t{1} << 20;
constexpr std::uint64_t kSecond_ns = 1'000'000'000;

// The number behind `name` in a query, or 0.
double query_number(std::string_view query, std::string_view name) noexcept {
  for (std::size_t at = 0; at < query.size();) {
    const std::size_t end = std::min(query.find('&', at), query.size());
    const std::string_view part = query.substr(at, end - at);
    if (part.size() > name.size() && part.starts_with(name) && part[name.size()] == '=') {
      double value = 0;
      std::from_chars(part.data() + name.size() + 1, part.data() + part.size(), value);
      return value;
    }
    at = end + 1;
  }
  return 0;
}

}  // namespace

ServedConnection::ServedConnection(int socket, const TlsContext* tls, OrderLatencies* orders)
    : socket_(socket),
      orders_(orders),
      received_(kServedReceive_bytes + kReadPadding_bytes),
      window_(received_.data(), kServedReceive_bytes),
      reader_(Role::server,
              {.message_bytes_max = kServedReceive_bytes / 2, .validate_utf8 = false}) {
  if (tls == nullptr) return;
  auto stream = TlsStream::server(*tls);
  if (stream) tls_ = std::move(*stream);
  closing_ = !tls_.has_value();
}

ServedConnection::~ServedConnection() {
  ::close(socket_);
}

bool ServedConnection::serve() {
  if (closing_ || !read()) return false;
  if (!upgraded_ && !upgrade()) return false;
  if (upgraded_ && !answer()) return false;
  return write();
}

// --- In.

bool ServedConnection::read() {
  for (;;) {
    if (window_.writable().empty()) window_.compact();
    const MutableBytes space = tls_ ? tls_->ciphertext_space() : window_.writable();
    if (space.empty()) return true;
    const ssize_t got = ::recv(socket_, space.data(), space.size(), MSG_DONTWAIT);
    if (got == 0 || (got < 0 && errno != EAGAIN)) return false;
    if (got < 0) return true;
    if (tls_) {
      tls_->ciphertext_commit(static_cast<std::size_t>(got));
      if (!decrypt()) return false;
    } else {
      window_.commit(static_cast<std::size_t>(got));
    }
    if (static_cast<std::size_t>(got) < space.size()) return true;
  }
}

bool ServedConnection::decrypt() {
  if (!secured_ && !shake_hands()) return false;
  while (secured_ && tls_->has_complete_record()) {
    if (window_.writable().size() < TlsStream::kRecord_bytes_max) window_.compact();
    if (window_.writable().empty()) return true;
    const auto plain = tls_->read(window_.writable());
    if (!plain) return false;
    window_.commit(*plain);
  }
  return true;
}

bool ServedConnection::shake_hands() {
  const auto done = tls_->handshake();
  const Bytes answer = tls_->pending_out();
  output_.insert(output_.end(), answer.begin(), answer.end());
  tls_->pending_out_consume(answer.size());
  if (!done) {
    static_cast<void>(write());  // the alert says why
    return false;
  }
  secured_ = *done;
  return true;
}

bool ServedConnection::upgrade() {
  const Bytes so_far(received_.data(), kServedReceive_bytes - window_.writable().size());
  HttpHeadState state;
  const auto head_bytes = find_head(so_far, state);
  if (!head_bytes) return false;
  if (*head_bytes == 0) return true;
  const auto head = parse_request_head(so_far.first(*head_bytes));
  if (!head) return false;
  const auto client = check_upgrade_request(*head);
  if (!client) return false;
  std::array<std::byte, kResponse_bytes_max> response;
  const auto written = write_upgrade_response(
      {.key = client->key, .subprotocol = {}, .deflate = {}, .headers = {}}, response);
  if (!written) return false;
  choose(client->target);
  append(Bytes(response).first(*written));
  // Nothing but the head came: the client waits for the answer.
  window_ = ReceiveWindow(received_.data(), kServedReceive_bytes);
  upgraded_ = true;
  return true;
}

void ServedConnection::choose(std::string_view target) {
  const std::size_t query_at = std::min(target.find('?'), target.size());
  const std::string_view path = target.substr(0, query_at);
  const std::string_view query = target.substr(std::min(query_at + 1, target.size()));
  mode_ = path == "/sink"     ? Mode::sink
          : path == "/oneway" ? Mode::oneway
          : path == "/order"  ? Mode::order
                              : Mode::echo;
  left_ = static_cast<std::uint64_t>(query_number(query, "n"));
  orders_expected_ = left_;
  orders_warmup_ = static_cast<std::uint64_t>(query_number(query, "w"));
  message_bytes_ = std::max(static_cast<std::size_t>(query_number(query, "s")), kMessage_bytes_min);
  batch_ = std::max<std::size_t>(static_cast<std::size_t>(query_number(query, "b")), 1);
  const double rate = query_number(query, "r");
  interval_ns_ = rate > 0 ? static_cast<double>(kSecond_ns) / rate : 0;
}

bool ServedConnection::answer() {
  for (;;) {
    switch (reader_.next(window_)) {
      case ReadStatus::message:
        if (mode_ == Mode::echo) {
          append_frame(reader_.opcode(), reader_.payload());
        } else if (!started_ && as_text(reader_.payload()) == "go") {
          start();
        } else if (mode_ == Mode::order) {
          take_order(as_text(reader_.payload()));
        }
        break;
      case ReadStatus::control:
        closing_ |= reader_.opcode() == Opcode::close;
        if (reader_.opcode() != Opcode::pong) {
          append_frame(closing_ ? Opcode::close : Opcode::pong, reader_.payload());
        }
        break;
      case ReadStatus::need_more: window_.rewind(); return true;
      case ReadStatus::failed: return false;
    }
  }
}

// --- Out.

void ServedConnection::start() {
  started_ = true;
  began_ns_ = clock_ns();
  if (mode_ != Mode::sink) {
    tick_ = make_message(message_bytes_, 0);
    due_ns_ = left_ > 0 ? began_ns_ : 0;
    return;
  }
  std::vector<std::byte> frame(frame_bytes(Role::server, message_bytes_));
  for (std::size_t i = 0; i < batch_; ++i) {
    const std::string text = make_message(message_bytes_, i);
    write_frame(frame.data(), Role::server, Opcode::text, as_bytes(text), 0);
    block_.insert(block_.end(), frame.begin(), frame.end());
  }
}

// The clock is read first; everything else of an order waits.
void ServedConnection::take_order(std::string_view order) {
  const std::uint64_t now_ns = clock_ns();
  closing_ |= order.size() < kMessage_bytes_min;
  if (closing_) return;
  const std::uint64_t sent_ns = digits_value(order.substr(kTime_offset, kTime_digits));
  const std::uint64_t tick = digits_value(order.substr(kNumber_offset, kNumber_digits));
  closing_ |= tick != orders_taken_;  // one is missing, or came twice
  const auto due_ns =
      began_ns_ + static_cast<std::uint64_t>(interval_ns_ * static_cast<double>(tick));
  if (orders_ != nullptr && orders_taken_ >= orders_warmup_) {
    orders_->latency.record(now_ns - std::min(now_ns, sent_ns));
    orders_->corrected.record(now_ns - std::min(now_ns, due_ns));
  }
  if (++orders_taken_ == orders_expected_) append_frame(Opcode::text, as_bytes(kDone));
}

void ServedConnection::append(Bytes plain) {
  const std::size_t before = output_.size();
  if (!tls_) {
    output_.insert(output_.end(), plain.begin(), plain.end());
    return;
  }
  output_.resize(before + TlsStream::ciphertext_bound_bytes(plain.size()));
  const auto written = tls_->write(plain, MutableBytes(output_).subspan(before));
  closing_ |= !written.has_value();
  output_.resize(before + (written ? *written : 0));
}

void ServedConnection::append_frame(Opcode opcode, Bytes payload) {
  if (tls_) {
    std::vector<std::byte> frame(frame_bytes(Role::server, payload.size()));
    write_frame(frame.data(), Role::server, opcode, payload, 0);
    return append(frame);
  }
  const std::size_t before = output_.size();
  output_.resize(before + frame_bytes(Role::server, payload.size()));
  write_frame(output_.data() + before, Role::server, opcode, payload, 0);
}

// The next block of a sink: as many messages as one write has.
void ServedConnection::fill_sink() {
  const std::size_t frame = block_.size() / batch_;
  const std::uint64_t messages = std::min<std::uint64_t>(left_, batch_);
  append(Bytes(block_).first(static_cast<std::size_t>(messages) * frame));
  left_ -= messages;
}

void ServedConnection::send_due() {
  const std::uint64_t now_ns = clock_ns();
  if (due_ns_ == 0 || now_ns < due_ns_) return;
  put_digits(tick_.data() + kNumber_offset, kNumber_digits, ticks_);
  put_digits(tick_.data() + kTime_offset, kTime_digits, clock_ns());
  append_frame(Opcode::text, as_bytes(tick_));
  ++ticks_;
  --left_;
  const auto passed_ns = static_cast<std::uint64_t>(interval_ns_ * static_cast<double>(ticks_));
  due_ns_ = left_ > 0 ? began_ns_ + passed_ns : 0;
}

bool ServedConnection::write() {
  std::size_t written = 0;
  for (;;) {
    if (due_ns_ != 0 && sent_ == output_.size()) send_due();
    if (sent_ == output_.size()) {
      output_.clear();
      sent_ = 0;
      if (!sinking() || written >= kWrite_bytes_max) return !closing_;
      fill_sink();
    }
    const ssize_t taken = ::send(socket_, output_.data() + sent_, output_.size() - sent_,
                                 MSG_DONTWAIT | MSG_NOSIGNAL);
    if (taken < 0) return errno == EAGAIN;
    sent_ += static_cast<std::size_t>(taken);
    written += static_cast<std::size_t>(taken);
  }
}

}  // namespace zenwire::bench
