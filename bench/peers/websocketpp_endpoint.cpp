#include "websocketpp_endpoint.hpp"

#include <memory>
#include <string>
#include <vector>

#include <websocketpp/client.hpp>
#include <websocketpp/concurrency/none.hpp>
#include <websocketpp/config/asio_client.hpp>
#include <websocketpp/logger/stub.hpp>

namespace zenwire::bench {
namespace {

constexpr std::size_t kRead_bytes = std::size_t{64} << 10;

// Its own draws from std::random_device for every frame, 22 us a call on some machines.
class MaskGenerator {
 public:
  std::uint32_t operator()() noexcept { return state_ = state_ * 1664525 + 1013904223; }

 private:
  std::uint32_t state_ = 0x9e3779b9;
};

// What both have: no locks and no log. Extensions are off already.
template <typename Base, typename Socket>
struct Config : Base {
  using type = Config;
  using concurrency_type = websocketpp::concurrency::none;
  using alog_type = websocketpp::log::stub;
  using elog_type = websocketpp::log::stub;
  using rng_type = MaskGenerator;
  static constexpr bool enable_multithreading = false;
  static constexpr std::size_t connection_read_buffer_size = kRead_bytes;

  struct transport_config : Base::transport_config {
    using concurrency_type = typename Config::concurrency_type;
    using alog_type = typename Config::alog_type;
    using elog_type = typename Config::elog_type;
    using socket_type = Socket;
    static constexpr bool enable_multithreading = false;
  };
  using transport_type = websocketpp::transport::asio::endpoint<transport_config>;
};

namespace transport = websocketpp::transport::asio;
using PlainConfig = Config<websocketpp::config::asio_client, transport::basic_socket::endpoint>;
using TlsConfig = Config<websocketpp::config::asio_tls_client, transport::tls_socket::endpoint>;
using TlsContext = std::shared_ptr<boost::asio::ssl::context>;

template <typename ConfigType>
class Endpoint {
 public:
  Endpoint(const ClientOptions& options, const WebsocketppListener& listener)
      : options_(options), listener_(listener), io_(BOOST_ASIO_CONCURRENCY_HINT_UNSAFE_IO) {
    client_.init_asio(&io_);
    if constexpr (kTls)
      client_.set_tls_init_handler([context = make_tls()](auto) { return context; });
  }

  int run() {
    for (std::uint32_t i = 0; i < options_.connections; ++i) connect(i);
    while (open_ < options_.connections) turn();
    const std::string_view first = listener_.on_open(listener_.context);
    for (const auto& connection : connections_) send(*connection, first);
    while (!listener_.complete(listener_.context)) turn();
    return listener_.on_end(listener_.context);
  }

 private:
  using Client = websocketpp::client<ConfigType>;
  using Connection = typename Client::connection_type;
  static constexpr bool kTls = std::is_same_v<ConfigType, TlsConfig>;

  // As for the floor: the chain is checked, if an authority is given, and the name is not.
  TlsContext make_tls() const {
    auto context =
        std::make_shared<boost::asio::ssl::context>(boost::asio::ssl::context::tls_client);
    ::SSL_CTX_set_ciphersuites(context->native_handle(), "TLS_AES_128_GCM_SHA256");
    if (options_.ca_file.empty()) return context;
    boost::system::error_code error;
    context->load_verify_file(options_.ca_file, error);
    if (error) die("the authority: " + error.message());
    context->set_verify_mode(boost::asio::ssl::verify_peer);
    return context;
  }

  void connect(std::size_t index) {
    const std::string url = std::string(kTls ? "wss://" : "ws://") + options_.host + ':' +
                            std::to_string(options_.port) + options_.path();
    websocketpp::lib::error_code error;
    const auto connection = client_.get_connection(url, error);
    if (error) die("connect: " + error.message());
    connection->set_tcp_pre_init_handler([raw = connection.get()](auto) { set_up(*raw); });
    connection->set_open_handler([this](auto) { ++open_; });
    connection->set_fail_handler(
        [raw = connection.get()](auto) { die("connect: " + raw->get_ec().message()); });
    connection->set_close_handler([this](auto) {
      if (!listener_.complete(listener_.context)) die("the server ended the connection");
    });
    connection->set_message_handler([this, index, raw = connection.get()](auto, auto message) {
      const std::string_view answer =
          listener_.on_message(listener_.context, index, message->get_payload());
      if (!answer.empty()) send(*raw, answer);
    });
    connections_.push_back(connection);
    client_.connect(connection);
  }

  static void set_up(Connection& connection) {
    auto& socket = connection.get_raw_socket();
    socket.set_option(boost::asio::ip::tcp::no_delay(true));
    ::setsockopt(socket.native_handle(), IPPROTO_TCP, TCP_CONGESTION, "reno", 4);
  }

  static void send(Connection& connection, std::string_view text) {
    const auto error = connection.send(text.data(), text.size(), websocketpp::frame::opcode::text);
    if (error) die("send: " + error.message());
  }

  // poll() does all that is ready; run_one() waits for something.
  void turn() { options_.spin ? io_.poll() : io_.run_one(); }

  const ClientOptions& options_;
  const WebsocketppListener& listener_;
  boost::asio::io_context io_;
  Client client_;
  std::vector<typename Client::connection_ptr> connections_;
  std::uint32_t open_ = 0;
};

}  // namespace

int run_websocketpp(const ClientOptions& options, const WebsocketppListener& listener) {
  return options.tls ? Endpoint<TlsConfig>(options, listener).run()
                     : Endpoint<PlainConfig>(options, listener).run();
}

}  // namespace zenwire::bench
