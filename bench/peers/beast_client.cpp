// Boost.Beast, synchronous: its fastest form here. A socket of ours under it retries on would-block
// when it is to spin, and reads ahead for a drain, so that Beast asks the kernel as seldom as the
// others do.

#include <algorithm>
#include <memory>
#include <vector>

#include <boost/asio/buffer.hpp>
#include <boost/asio/connect.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/websocket.hpp>
#include <sys/epoll.h>

#include <zenwire/codec/frame_writer.hpp>

#include "client_options.hpp"
#include "client_run.hpp"
#include "message.hpp"
#include "raw_socket.hpp"

namespace zenwire::bench {
namespace {

namespace beast = boost::beast;
namespace websocket = boost::beast::websocket;
using boost::system::error_code;

// The stream that Beast reads and writes: RawSocket with 64 KiB of read-ahead.
class ReadAheadStream {
 public:
  using executor_type = boost::asio::system_executor;
  ReadAheadStream(const ClientOptions& options, ssl_ctx_st* context)
      : socket_(options, context), spin_(options.spin), ahead_(std::size_t{64} << 10) {}

  executor_type get_executor() noexcept { return {}; }
  void open() { socket_.open_transport(); }
  // Since the upgrade, from the kernel.
  [[nodiscard]] std::uint64_t received_bytes() const noexcept { return received_bytes_; }
  void upgraded() noexcept { received_bytes_ = 0; }
  // The last look filled the memory: OpenSSL may hold more, of which the kernel has no news.
  [[nodiscard]] bool is_filled() const noexcept { return end_ == ahead_.size(); }
  // Takes what there is, without waiting.
  void fill() {
    std::copy(ahead_.begin() + static_cast<std::ptrdiff_t>(begin_),
              ahead_.begin() + static_cast<std::ptrdiff_t>(end_), ahead_.begin());
    end_ -= begin_;
    begin_ = 0;
    const std::size_t got = socket_.receive(ahead_.data() + end_, ahead_.size() - end_);
    end_ += got;
    received_bytes_ += got;
  }
  [[nodiscard]] int descriptor() const noexcept { return socket_.descriptor(); }

  template <typename Buffers>
  std::size_t read_some(const Buffers& buffers, error_code& error) {
    error = {};
    while (begin_ == end_) {
      begin_ = end_ = 0;
      end_ = socket_.receive(ahead_.data(), ahead_.size());
      received_bytes_ += end_;
      if (end_ == 0 && !spin_) socket_.wait_readable();
    }
    const std::size_t copied = boost::asio::buffer_copy(
        buffers, boost::asio::buffer(ahead_.data() + begin_, end_ - begin_));
    begin_ += copied;
    return copied;
  }
  template <typename Buffers>
  std::size_t read_some(const Buffers& buffers) {
    error_code error;
    return read_some(buffers, error);
  }

  template <typename Buffers>
  std::size_t write_some(const Buffers& buffers, error_code& error) {
    error = {};
    gathered_.resize(boost::asio::buffer_size(buffers));
    boost::asio::buffer_copy(boost::asio::buffer(gathered_), buffers);
    socket_.send({gathered_.data(), gathered_.size()});
    return gathered_.size();
  }
  template <typename Buffers>
  std::size_t write_some(const Buffers& buffers) {
    error_code error;
    return write_some(buffers, error);
  }

 private:
  RawSocket socket_;
  bool spin_;
  std::vector<char> ahead_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  std::uint64_t received_bytes_ = 0;
  std::vector<char> gathered_;
};

// Beast asks for these of any stream; the sockets close when the program ends.
void teardown(beast::role_type, ReadAheadStream&, error_code& error) {
  error = {};
}

struct Stream {
  Stream(const ClientOptions& options, ssl_ctx_st* context) : socket(options, context) {
    socket.next_layer().open();
    socket.handshake(options.host, options.path());
    socket.next_layer().upgraded();
    socket.text(true);
  }
  // Whether the next message is here already: Beast, which keeps some of it, does not say.
  [[nodiscard]] bool has_message(std::size_t frame_bytes) const noexcept {
    return socket.next_layer().received_bytes() >= (delivered + 1) * frame_bytes;
  }
  websocket::stream<ReadAheadStream, false> socket;
  beast::flat_buffer buffer;
  std::uint64_t delivered = 0;
  Expected expected;
};

class BeastClient {
 public:
  explicit BeastClient(const ClientOptions& options) : options_(options), run_("beast", options) {}

  int run() {
    pin(options_.cpu);
    ssl_ctx_st* const context = make_openssl_context(options_);
    epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
    for (std::uint32_t i = 0; i < options_.connections; ++i) {
      streams_.push_back(std::make_unique<Stream>(options_, context));
      streams_.back()->expected =
          Expected(options_.message_bytes, options_.mode == Mode::sink ? options_.batch : 0);
      epoll_event event{};
      event.events = EPOLLIN;
      event.data.u32 = i;
      ::epoll_ctl(epoll_, EPOLL_CTL_ADD, streams_.back()->socket.next_layer().descriptor(), &event);
    }
    run_.begin();
    options_.mode == Mode::echo ? echo(*streams_.front()) : stream();
    return run_.finish();
  }

 private:
  static std::string_view text_of(Stream& stream) {
    const auto data = stream.buffer.data();
    return {static_cast<const char*>(data.data()), data.size()};
  }

  static void send(Stream& stream, std::string_view text) {
    error_code error;
    stream.socket.write(boost::asio::buffer(text.data(), text.size()), error);
    if (error) die("send: " + error.message());
  }
  static void read(Stream& stream) {
    error_code error;
    stream.socket.read(stream.buffer, error);
    if (error) die("receive: " + error.message());
  }

  void echo(Stream& stream) {
    std::string text = make_message(options_.message_bytes, 0);
    for (bool more = true; more;) {
      const std::uint64_t sent_ns = clock_ns();
      send(stream, text);
      read(stream);
      const std::uint64_t took_ns = clock_ns() - sent_ns;
      more = run_.received(text_of(stream) == text, took_ns);
      stream.buffer.clear();
      increment_digits(text.data() + kNumber_offset, kNumber_digits);
    }
  }

  void stream() {
    for (auto& stream : streams_) send(*stream, "go");
    if (streams_.size() == 1) {
      while (take(*streams_.front())) {
      }
      return;
    }
    epoll_event events[256];
    while (!run_.complete()) {
      const int count = ::epoll_wait(epoll_, events, 256, options_.spin ? 0 : -1);
      for (int i = 0; i < count && !run_.complete(); ++i) {
        take_all(*streams_[events[i].data.u32]);
      }
    }
  }

  // A message larger than the memory is waited for.
  void take_all(Stream& ready) {
    const std::size_t bytes = frame_bytes(Role::server, options_.message_bytes);
    ReadAheadStream& socket = ready.socket.next_layer();
    for (bool more = true; more; more = take(ready)) {
      if (ready.has_message(bytes)) continue;
      socket.fill();
      if (!ready.has_message(bytes) && !socket.is_filled()) return;
    }
  }

  // One message. False when it was the last.
  bool take(Stream& stream) {
    read(stream);
    ++stream.delivered;
    const std::uint64_t now_ns = options_.mode == Mode::oneway ? clock_ns() : 0;
    bool more = true;
    if (options_.mode == Mode::sink) {
      more = run_.received(stream.expected.take(text_of(stream)));
    } else {
      std::uint64_t sent_ns = 0;
      const bool right = stream.expected.take_timed(text_of(stream), sent_ns);
      more = run_.received(right, now_ns - sent_ns);
    }
    stream.buffer.clear();
    return more;
  }

  ClientOptions options_;
  ClientRun run_;
  int epoll_ = -1;
  std::vector<std::unique_ptr<Stream>> streams_;
};

}  // namespace
}  // namespace zenwire::bench

int main(int argc, char** argv) {
  return zenwire::bench::BeastClient(zenwire::bench::parse_client_options(argc, argv)).run();
}
