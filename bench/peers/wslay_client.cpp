// wslay: a codec alone, on the sockets of the bare loop, with 64 KiB of read-ahead.

#include <memory>
#include <string>
#include <vector>

#include <sys/epoll.h>
#include <wslay/wslay.h>

#include "client_options.hpp"
#include "conversation.hpp"
#include "raw_socket.hpp"

namespace zenwire::bench {
namespace {

constexpr std::size_t kAhead_bytes = std::size_t{64} << 10;

class WslayClient;

struct Stream {
  Stream(const ClientOptions& options, ssl_ctx_st* context, WslayClient& client, std::size_t place)
      : socket(options, context), owner(client), index(place), ahead(kAhead_bytes) {}
  RawSocket socket;
  WslayClient& owner;
  std::size_t index;
  wslay_event_context_ptr codec = nullptr;
  std::string outgoing{};
  std::vector<char> ahead;
  std::size_t begin = 0;
  std::size_t end = 0;
  std::uint32_t key = 0x9e3779b9;
};

class WslayClient {
 public:
  explicit WslayClient(const ClientOptions& options)
      : options_(options), conversation_("wslay", options) {}

  int run() {
    pin(options_.cpu);
    open();
    const std::string_view first = conversation_.begin();
    for (auto& stream : streams_) send(*stream, first);
    while (!conversation_.complete()) turn();
    return conversation_.finish();
  }

  void received(Stream& stream, std::string_view text) {
    const std::string_view answer = conversation_.received(stream.index, text);
    if (!answer.empty()) send(stream, answer);
  }

 private:
  static ssize_t on_receive(wslay_event_context_ptr codec, std::uint8_t* to, std::size_t bytes, int,
                            void* user) {
    auto& stream = *static_cast<Stream*>(user);
    const std::size_t part = std::min(bytes, stream.end - stream.begin);
    if (part == 0) {
      wslay_event_set_error(codec, WSLAY_ERR_WOULDBLOCK);
      return -1;
    }
    std::memcpy(to, stream.ahead.data() + stream.begin, part);
    stream.begin += part;
    return static_cast<ssize_t>(part);
  }

  // It gives a frame's header and then its payload: they leave together.
  static ssize_t on_send(wslay_event_context_ptr, const std::uint8_t* from, std::size_t bytes,
                         int flags, void* user) {
    auto& stream = *static_cast<Stream*>(user);
    stream.outgoing.append(reinterpret_cast<const char*>(from), bytes);
    if ((flags & WSLAY_MSG_MORE) == 0) {
      stream.socket.send(stream.outgoing);
      stream.outgoing.clear();
    }
    return static_cast<ssize_t>(bytes);
  }

  static int on_key(wslay_event_context_ptr, std::uint8_t* to, std::size_t bytes, void* user) {
    auto& key = static_cast<Stream*>(user)->key;
    key = key * 1664525 + 1013904223;
    std::memcpy(to, &key, std::min(bytes, sizeof key));
    return 0;
  }

  static void on_message(wslay_event_context_ptr, const wslay_event_on_msg_recv_arg* message,
                         void* user) {
    auto& stream = *static_cast<Stream*>(user);
    if (wslay_is_ctrl_frame(message->opcode)) return;
    stream.owner.received(stream,
                          {reinterpret_cast<const char*>(message->msg), message->msg_length});
  }

  void open() {
    ssl_ctx_st* const context = make_openssl_context(options_);
    epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
    const wslay_event_callbacks callbacks{&on_receive, &on_send, &on_key,    nullptr,
                                          nullptr,     nullptr,  &on_message};
    for (std::uint32_t i = 0; i < options_.connections; ++i) {
      streams_.push_back(std::make_unique<Stream>(options_, context, *this, i));
      Stream& stream = *streams_.back();
      stream.socket.open();
      if (wslay_event_context_client_init(&stream.codec, &callbacks, &stream) != 0) die("wslay");
      epoll_event event{};
      event.events = EPOLLIN;
      event.data.u32 = i;
      ::epoll_ctl(epoll_, EPOLL_CTL_ADD, stream.socket.descriptor(), &event);
    }
  }

  static void send(Stream& stream, std::string_view text) {
    const wslay_event_msg message{WSLAY_TEXT_FRAME,
                                  reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
    if (wslay_event_queue_msg(stream.codec, &message) != 0) die("wslay: send");
    if (wslay_event_send(stream.codec) != 0) die("wslay: send");
  }

  void turn() {
    if (options_.spin && streams_.size() == 1) return take(*streams_.front());
    epoll_event events[256];
    const int count = ::epoll_wait(epoll_, events, 256, options_.spin ? 0 : -1);
    for (int i = 0; i < count; ++i) take(*streams_[events[i].data.u32]);
  }

  // Again while the buffer was filled: then OpenSSL may hold more, of which the kernel has no news.
  static void take(Stream& stream) {
    do {
      stream.begin = 0;
      stream.end = stream.socket.receive(stream.ahead.data(), stream.ahead.size());
      while (stream.begin < stream.end) {
        if (wslay_event_recv(stream.codec) != 0) die("wslay: receive");
      }
    } while (stream.end == stream.ahead.size());
  }

  ClientOptions options_;
  Conversation conversation_;
  int epoll_ = -1;
  std::vector<std::unique_ptr<Stream>> streams_;
};

}  // namespace
}  // namespace zenwire::bench

int main(int argc, char** argv) {
  return zenwire::bench::WslayClient(zenwire::bench::parse_client_options(argc, argv)).run();
}
