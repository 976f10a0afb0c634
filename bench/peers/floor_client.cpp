// The floor: what the kernel, and OpenSSL for TLS, cost a loop that does nothing else. It knows the
// length of every frame beforehand and looks at no more of it than the time of a oneway message, so
// nothing that speaks WebSocket can be expected to spend less on the same calls.

#include <memory>
#include <vector>

#include <sys/epoll.h>

#include <zenwire/codec/frame_writer.hpp>

#include "client_options.hpp"
#include "client_run.hpp"
#include "message.hpp"
#include "raw_socket.hpp"

namespace zenwire::bench {
namespace {

constexpr std::size_t kReceive_bytes = std::size_t{64} << 10;

class FloorClient {
 public:
  explicit FloorClient(const ClientOptions& options)
      : options_(options),
        run_("floor", options),
        context_(make_openssl_context(options)),
        header_bytes_(header_bytes(options.message_bytes, false)),
        frame_bytes_(header_bytes_ + options.message_bytes),
        buffer_(std::max(kReceive_bytes, frame_bytes_)) {}

  int run() {
    pin(options_.cpu);
    open();
    run_.begin();
    if (options_.mode == Mode::echo) {
      echo();
    } else {
      for (Stream& stream : streams_) stream.socket->send(client_frame("go"));
      while (!run_.complete()) turn();
    }
    return run_.finish();
  }

 private:
  struct Stream {
    std::unique_ptr<RawSocket> socket;
    std::size_t partial_bytes = 0;  // of a frame that has not ended
    std::string partial{};          // those bytes, where they are looked at: of a oneway stream
  };

  void open() {
    epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
    streams_.resize(options_.connections);
    for (std::size_t i = 0; i < streams_.size(); ++i) {
      streams_[i].socket = std::make_unique<RawSocket>(options_, context_);
      streams_[i].socket->open();
      epoll_event event{};
      event.events = EPOLLIN;
      event.data.u64 = i;
      ::epoll_ctl(epoll_, EPOLL_CTL_ADD, streams_[i].socket->descriptor(), &event);
    }
  }

  void echo() {
    RawSocket& socket = *streams_.front().socket;
    const std::string text = make_message(options_.message_bytes, 0);
    const std::string frame = client_frame(text);
    bool more = true;
    while (more) {
      const std::uint64_t sent_ns = clock_ns();
      socket.send(frame);
      for (std::size_t bytes = 0; bytes < frame_bytes_;) {
        if (!options_.spin) wait();
        bytes += socket.receive(buffer_.data() + bytes, frame_bytes_ - bytes);
      }
      const std::uint64_t took_ns = clock_ns() - sent_ns;
      const bool right = std::memcmp(buffer_.data() + header_bytes_, text.data(), text.size()) == 0;
      more = run_.received(right, took_ns);
    }
  }

  int wait() { return ::epoll_wait(epoll_, events_, kEvents_max, options_.spin ? 0 : -1); }

  // One connection is read without asking whether it is ready.
  void turn() {
    if (options_.spin && streams_.size() == 1) return take(streams_.front());
    const int count = wait();
    for (int i = 0; i < count && !run_.complete(); ++i) take(streams_[events_[i].data.u64]);
  }

  void take(Stream& stream) {
    stream.partial.copy(buffer_.data(), stream.partial.size());
    const std::size_t got = stream.socket->receive(buffer_.data() + stream.partial_bytes,
                                                   buffer_.size() - stream.partial_bytes);
    if (got == 0) return;
    const std::uint64_t now_ns = options_.mode == Mode::oneway ? clock_ns() : 0;
    std::size_t bytes = stream.partial_bytes + got;
    const char* at = buffer_.data();
    for (; bytes >= frame_bytes_ && !run_.complete(); bytes -= frame_bytes_, at += frame_bytes_) {
      if (options_.mode == Mode::sink) {
        run_.received(true);
      } else {
        run_.received(true, now_ns - time_of(at + header_bytes_));
      }
    }
    if (options_.mode == Mode::oneway) stream.partial.assign(at, bytes);
    stream.partial_bytes = bytes;
  }

  static std::uint64_t time_of(const char* text) noexcept {
    return digits_value({text + kTime_offset, kTime_digits});
  }

  static constexpr int kEvents_max = 256;

  ClientOptions options_;
  ClientRun run_;
  ssl_ctx_st* context_;
  std::size_t header_bytes_;
  std::size_t frame_bytes_;
  std::vector<char> buffer_;
  std::vector<Stream> streams_;
  int epoll_ = -1;
  epoll_event events_[kEvents_max];
};

}  // namespace
}  // namespace zenwire::bench

int main(int argc, char** argv) {
  return zenwire::bench::FloorClient(zenwire::bench::parse_client_options(argc, argv)).run();
}
