// libwebsockets on its own poll loop, as Debian builds it.
//
// Chosen: no extensions; 64 KiB to a read instead of 4, in the thread's buffer and in the
// protocol's; no logging; UTF-8 checked, because every other client here checks it; the system's
// authorities not loaded. TCP_NODELAY is what it sets itself. A message is written where the one
// before was received: the documentation has one ask to be called when writing is possible, which
// costs a turn of the loop, and one message in flight always fits. `spin` is a negative time-out,
// for which it polls without waiting; it has no way to read a socket without asking poll first.

#include <cstring>
#include <string>
#include <vector>

#include <libwebsockets.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include "client_options.hpp"
#include "conversation.hpp"

namespace zenwire::bench {
namespace {

constexpr std::size_t kRead_bytes = std::size_t{64} << 10;

class LibwebsocketsClient;

struct Stream {
  LibwebsocketsClient* client = nullptr;
  std::size_t index = 0;
  lws* socket = nullptr;
  std::string partial{};  // of a message that came in pieces
};

class LibwebsocketsClient {
 public:
  explicit LibwebsocketsClient(const ClientOptions& options)
      : options_(options), conversation_("libwebsockets", options), streams_(options.connections) {}

  int run() {
    pin(options_.cpu);
    lws_set_log_level(0, nullptr);
    make_context();
    for (Stream& stream : streams_) connect(stream);
    while (open_ < streams_.size()) turn();
    const std::string_view first = conversation_.begin();
    for (Stream& stream : streams_) send(stream, first);
    while (!conversation_.complete()) turn();
    const int code = conversation_.finish();
    lws_context_destroy(context_);
    return code;
  }

 private:
  static int on_event(lws* socket, lws_callback_reasons reason, void* user, void* data,
                      std::size_t bytes) {
    auto* const stream = static_cast<Stream*>(user);
    const std::string_view text(static_cast<const char*>(data), data == nullptr ? 0 : bytes);
    switch (reason) {
      case LWS_CALLBACK_CLIENT_ESTABLISHED: stream->client->on_open(socket); return 0;
      case LWS_CALLBACK_CLIENT_RECEIVE: stream->client->on_data(*stream, text); return 0;
      case LWS_CALLBACK_CLIENT_CONNECTION_ERROR: die("connect: " + std::string(text));
      case LWS_CALLBACK_CLIENT_CLOSED: stream->client->on_closed(); return 0;
      default: return lws_callback_http_dummy(socket, reason, user, data, bytes);
    }
  }

  void on_open(lws* socket) {
    ::setsockopt(lws_get_socket_fd(socket), IPPROTO_TCP, TCP_CONGESTION, "reno", 4);
    ++open_;
  }

  void on_closed() const {
    if (!conversation_.complete()) die("the server ended the connection");
  }

  // A frame that a read cut comes in two pieces.
  void on_data(Stream& stream, std::string_view text) {
    if (lws_remaining_packet_payload(stream.socket) != 0 || !lws_is_final_fragment(stream.socket)) {
      stream.partial += text;
    } else if (stream.partial.empty()) {
      on_message(stream, text);
    } else {
      stream.partial += text;
      on_message(stream, stream.partial);
      stream.partial.clear();
    }
  }

  void on_message(Stream& stream, std::string_view text) {
    const std::string_view answer = conversation_.received(stream.index, text);
    if (!answer.empty()) send(stream, answer);
  }

  // It writes the header before the text and masks in place.
  void send(Stream& stream, std::string_view text) {
    std::memcpy(outgoing_.data() + LWS_PRE, text.data(), text.size());
    auto* const at = reinterpret_cast<unsigned char*>(outgoing_.data() + LWS_PRE);
    if (lws_write(stream.socket, at, text.size(), LWS_WRITE_TEXT) < 0) die("send");
  }

  void make_context() {
    protocols_[0] = {"bench", &on_event, 0, kRead_bytes, 0, nullptr, 0};
    lws_context_creation_info info{};
    info.port = CONTEXT_PORT_NO_LISTEN;
    info.protocols = protocols_;
    info.pt_serv_buf_size = kRead_bytes;
    info.options = LWS_SERVER_OPTION_VALIDATE_UTF8 | LWS_SERVER_OPTION_DISABLE_OS_CA_CERTS;
    if (options_.tls) {
      info.options |= LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT;
      info.client_tls_1_3_plus_cipher_list = "TLS_AES_128_GCM_SHA256";
      if (!options_.ca_file.empty()) info.client_ssl_ca_filepath = options_.ca_file.c_str();
    }
    context_ = lws_create_context(&info);
    if (context_ == nullptr) die("libwebsockets: no context");
    outgoing_.resize(LWS_PRE + std::max<std::size_t>(options_.message_bytes, 2));
  }

  void connect(Stream& stream) {
    stream.client = this;
    stream.index = static_cast<std::size_t>(&stream - streams_.data());
    const std::string path = options_.path();
    lws_client_connect_info info{};
    info.context = context_;
    info.address = info.host = options_.host.c_str();
    info.port = options_.port;
    info.path = path.c_str();
    info.local_protocol_name = protocols_[0].name;
    info.ssl_connection = tls_flags();
    info.userdata = &stream;
    info.pwsi = &stream.socket;
    if (lws_client_connect_via_info(&info) == nullptr) die("connect: refused at once");
  }

  // As for the floor: the chain is checked, if an authority is given, and the name is not.
  [[nodiscard]] int tls_flags() const noexcept {
    if (!options_.tls) return 0;
    const int unchecked = LCCSCF_ALLOW_SELFSIGNED | LCCSCF_ALLOW_INSECURE;
    return LCCSCF_USE_SSL | LCCSCF_SKIP_SERVER_CERT_HOSTNAME_CHECK |
           (options_.ca_file.empty() ? unchecked : 0);
  }

  void turn() {
    constexpr int kPoll_only = -1;
    if (lws_service(context_, options_.spin ? kPoll_only : 0) < 0) die("libwebsockets: service");
  }

  ClientOptions options_;
  Conversation conversation_;
  std::vector<Stream> streams_;
  std::size_t open_ = 0;
  std::vector<char> outgoing_;
  lws_protocols protocols_[2] = {};
  lws_context* context_ = nullptr;
};

}  // namespace
}  // namespace zenwire::bench

int main(int argc, char** argv) {
  return zenwire::bench::LibwebsocketsClient(zenwire::bench::parse_client_options(argc, argv))
      .run();
}
