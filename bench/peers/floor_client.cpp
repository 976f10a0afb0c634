#include "floor_client.hpp"

#include <algorithm>
#include <cstring>

#include <zenwire/codec/frame_writer.hpp>

namespace zenwire::bench {
namespace {

constexpr std::size_t kReceive_bytes = std::size_t{64} << 10;

std::uint64_t time_of(const char* text) noexcept {
  return digits_value({text + kTime_offset, kTime_digits});
}

}  // namespace

FloorClient::FloorClient(const ClientOptions& options)
    : options_(options),
      run_("floor", options),
      context_(make_openssl_context(options)),
      header_bytes_(header_bytes(options.message_bytes, false)),
      frame_bytes_(header_bytes_ + options.message_bytes),
      buffer_(std::max(kReceive_bytes, frame_bytes_)) {}

void FloorClient::measure() {
  pin(options_.cpu);
  open();
  run_.begin();
  if (options_.mode == Mode::echo) return echo();
  if (options_.mode == Mode::order) order_ = make_message(kOrder_bytes, 0);
  if (options_.mode == Mode::strategy) return strategy();
  stream();
}

void FloorClient::open() {
  epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
  streams_.resize(options_.connections);
  for (std::size_t i = 0; i < streams_.size(); ++i) {
    streams_[i].schedule = Schedule(options_.interval_ns());
    streams_[i].left = options_.each();
    streams_[i].socket = std::make_unique<RawSocket>(options_, context_);
    streams_[i].socket->open();
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = i;
    ::epoll_ctl(epoll_, EPOLL_CTL_ADD, streams_[i].socket->descriptor(), &event);
  }
}

// --- There and back.

void FloorClient::echo() {
  RawSocket& socket = *streams_.front().socket;
  const std::string text = make_message(options_.message_bytes, 0);
  const std::string frame = client_frame(text);
  Schedule schedule(options_.interval_ns());
  schedule.begin(clock_ns());
  std::uint64_t due_ns = 0;
  bool more = true;
  while (more) {
    if (options_.open_loop) await_due(due_ns = schedule.next_ns());
    const std::uint64_t sent_ns = clock_ns();
    socket.send(frame);
    for (std::size_t bytes = 0; bytes < frame_bytes_;) {
      if (!options_.spin) wait();
      bytes += socket.receive(buffer_.data() + bytes, frame_bytes_ - bytes);
    }
    const std::uint64_t now_ns = clock_ns();
    const bool right = std::memcmp(buffer_.data() + header_bytes_, text.data(), text.size()) == 0;
    more = options_.open_loop ? run_.received(right, now_ns - sent_ns, now_ns - due_ns)
                              : run_.received(right, now_ns - sent_ns);
  }
}

void FloorClient::await_due(std::uint64_t due_ns) const noexcept {
  while (clock_ns() < due_ns) {
  }
}

// --- Streams.

void FloorClient::stream() {
  for (Stream& stream : streams_) stream.socket->send(client_frame("go"));
  while (!run_.complete() ||
         (options_.mode == Mode::order && streams_done_ < options_.connections)) {
    turn();
  }
}

// The queue's other end counts.
void FloorClient::strategy() {
  Stream counted;
  counted.schedule = Schedule(options_.interval_ns());
  queue_.emplace(options_.message_bytes);
  strategy_.emplace(options_.strategy_cpu, options_.shares_core);
  strategy_->start([this, &counted]() noexcept { return take_queued(counted); });
  for (Stream& stream : streams_) stream.socket->send(client_frame("go"));
  while (!strategy_->complete()) turn();
  strategy_->stop();
}

bool FloorClient::take_queued(Stream& counted) noexcept {
  const char* const text = queue_->front();
  if (text == nullptr) return false;
  count(counted, text, clock_ns());
  queue_->pop();
  if (run_.complete()) strategy_->finish();
  return true;
}

int FloorClient::wait() {
  return ::epoll_wait(epoll_, events_, kEvents_max, options_.spin ? 0 : -1);
}

// One connection is read without asking whether it is ready.
void FloorClient::turn() {
  if (options_.spin && streams_.size() == 1) {
    take(streams_.front());
    return;
  }
  const int count = wait();
  for (int i = 0; i < count; ++i) {
    while (take(streams_[events_[i].data.u64])) {
    }
  }
}

// How many bytes lie at the start of the buffer now; 0: nothing came.
std::size_t FloorClient::read(Stream& stream) {
  stream.partial.copy(buffer_.data(), stream.partial.size());
  const std::size_t got = stream.socket->receive(buffer_.data() + stream.partial_bytes,
                                                 buffer_.size() - stream.partial_bytes);
  return got == 0 ? 0 : stream.partial_bytes + got;
}

// Whether the buffer was filled: then OpenSSL may hold more, of which the kernel has no news.
bool FloorClient::take(Stream& stream) {
  std::size_t bytes = read(stream);
  if (bytes == 0) return false;
  const bool filled = bytes == buffer_.size();
  const std::uint64_t now_ns = options_.mode == Mode::oneway ? clock_ns() : 0;
  const char* at = buffer_.data();
  for (; bytes >= frame_bytes_ && wants_more(stream); bytes -= frame_bytes_, at += frame_bytes_) {
    --stream.left;
    switch (options_.mode) {
      case Mode::oneway: count(stream, at + header_bytes_, now_ns); break;
      case Mode::order: answer(stream, at + header_bytes_); break;
      case Mode::strategy: queue_->push(at + header_bytes_); break;
      default: run_.received(true);
    }
  }
  // Nothing but the end of an order stream follows its last tick.
  if (stream.left == 0 && bytes == header_bytes(kDone.size(), false) + kDone.size()) {
    ++streams_done_;
    bytes = 0;
  }
  if (options_.mode != Mode::sink) stream.partial.assign(at, bytes);
  stream.partial_bytes = bytes;
  return filled;
}

// Each connection gets as many as make no fewer than all together; each of an order stream counts.
// The run is the strategy's thread's where there is one, and the server's of orders.
bool FloorClient::wants_more(const Stream& stream) const noexcept {
  const bool elsewhere = options_.mode == Mode::order || options_.mode == Mode::strategy;
  return stream.left > 0 && (elsewhere || !run_.complete());
}

void FloorClient::count(Stream& stream, const char* text, std::uint64_t now_ns) noexcept {
  const std::uint64_t sent_ns = time_of(text);
  run_.arrived(true, now_ns, sent_ns, stream.schedule.due_ns(sent_ns));
}

void FloorClient::answer(Stream& stream, const char* text) {
  answer_tick(order_.data(), {text, options_.message_bytes});
  write_client_frame(order_, order_frame_);
  stream.socket->send(order_frame_);
  run_.received(true);
}

}  // namespace zenwire::bench
