#pragma once

// A venue of the tests' own, on a reactor: login, subscriptions, requests, numbered data, and
// whatever it is told to do wrong. And the dialect in which a session speaks with it.
//
//   {"id":7,"method":"login","key":"..."}              {"id":7,"result":true} or
//   {"id":7,"error":{..}}
//   {"id":8,"method":"subscribe","channels":["a"]}     {"id":8,"result":["a"]}
//   {"id":9,"method":"order"}                          {"id":9,"result":"done"}
//   {"id":9,"method":"hold"}                           nothing
//                                                      {"method":"data","channel":"a","seq":3}
//   ping                                               pong

#include <charconv>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <zenwire/engine/dialect.hpp>
#include <zenwire/engine/reactor.hpp>

namespace zenwire::test {

inline std::string_view text_between(std::string_view text, std::string_view before,
                                     std::string_view after) noexcept {
  const auto begin = text.find(before);
  if (begin == std::string_view::npos) return {};
  text.remove_prefix(begin + before.size());
  return text.substr(0, text.find(after));
}

inline std::int64_t number_after(std::string_view text, std::string_view before) noexcept {
  const auto begin = text.find(before);
  std::int64_t number = 0;
  if (begin != std::string_view::npos)
    std::from_chars(text.data() + begin + before.size(), text.data() + text.size(), number);
  return number;
}

inline std::vector<std::string> quoted_in(std::string_view list) {
  std::vector<std::string> names;
  for (auto name = text_between(list, "\"", "\""); !name.empty();
       name = text_between(list, "\"", "\"")) {
    names.emplace_back(name);
    list.remove_prefix(static_cast<std::size_t>(name.data() + name.size() + 1 - list.data()));
  }
  return names;
}

class Venue {
 public:
  struct Client {
    Connection* connection;
    std::set<std::string> channels{};
    bool logged_in = false;
  };

  explicit Venue(Reactor& reactor) {
    ListenOptions options;
    options.limits.message_bytes_max = 1 << 20;
    options.on_open = Callback<Connection&>::to<&Venue::on_open>(*this);
    port_ = reactor.listen(options).value().port();
  }
  Venue(Reactor& reactor, const TlsOptions& tls) {
    ListenOptions options;
    options.limits.message_bytes_max = 1 << 20;
    options.secure = true;
    options.tls = tls;
    options.on_open = Callback<Connection&>::to<&Venue::on_open>(*this);
    port_ = reactor.listen(options).value().port();
  }
  Venue(const Venue&) = delete;
  Venue& operator=(const Venue&) = delete;

  [[nodiscard]] std::string url() const { return "ws://127.0.0.1:" + std::to_string(port_) + "/"; }
  [[nodiscard]] std::uint16_t port() const { return port_; }

  // What it does wrong.
  bool refuses_login = false;
  bool ignores_login = false;
  bool ignores_subscriptions = false;
  bool drops_at_open = false;
  bool ignores_everything = false;
  std::set<std::string> rejected;

  // What it saw.
  std::uint64_t connections = 0;
  std::uint64_t logins = 0;
  std::uint64_t sends_refused = 0;    // data that did not fit into a client's queue
  std::vector<std::string> received;  // all messages, if `keeps`
  bool keeps = false;
  std::vector<std::size_t> chunk_sizes;
  std::map<std::string, int> orders;  // how often each id came

  std::vector<Client> clients;

  // To everyone who is subscribed.
  void publish(const std::string& channel, std::uint64_t sequence) {
    const std::string text = R"({"method":"data","channel":")" + channel + R"(","seq":)" +
                             std::to_string(sequence) + "}";
    for (Client& client : clients) {
      if (client.channels.count(channel) > 0) static_cast<void>(client.connection->send_text(text));
    }
  }
  void send_all(const std::string& text) {
    for (Client& client : clients) static_cast<void>(client.connection->send_text(text));
  }
  void drop_all() {
    for (Client& client : clients) client.connection->abort();
  }

 private:
  void on_open(Connection& connection) noexcept {
    ++connections;
    if (drops_at_open) return connection.abort();
    clients.push_back({&connection});
    static_cast<void>(connection.on_message.add(
        Callback<Connection&, const Message&>::to<&Venue::on_message>(*this)));
    static_cast<void>(connection.on_closed.add(
        Callback<Connection&, const Closed&>::to<&Venue::on_closed>(*this)));
  }
  void on_closed(Connection& connection, const Closed&) noexcept {
    std::erase_if(clients, [&](const Client& client) { return client.connection == &connection; });
  }
  Client& client_of(const Connection& connection) {
    for (Client& client : clients)
      if (client.connection == &connection) return client;
    std::abort();
  }

  void on_message(Connection& connection, const Message& message) noexcept {
    const std::string_view text = message.text();
    if (keeps) received.emplace_back(text);
    if (ignores_everything) return;
    if (text == "ping") {
      static_cast<void>(connection.send_text("pong"));
      return;
    }
    const std::string id(text_between(text, R"("id":)", ","));
    const std::string_view method = text_between(text, R"("method":")", "\"");
    Client& client = client_of(connection);
    if (method == "login") return log_in(client, id);
    if (method == "subscribe" || method == "unsubscribe")
      return subscribe(client, id, method == "subscribe",
                       quoted_in(text_between(text, R"("channels":[)", "]")));
    ++orders[id];
    if (method == "order") answer(connection, id, "\"done\"");
  }
  void log_in(Client& client, const std::string& id) {
    ++logins;
    if (ignores_login) return;
    if (refuses_login) {
      static_cast<void>(client.connection->send_text(
          "{\"id\":" + id + R"(,"error":{"code":13004,"message":"invalid_credentials"}})"));
      return;
    }
    client.logged_in = true;
    answer(*client.connection, id, "true");
  }
  void subscribe(Client& client, const std::string& id, bool wanted,
                 const std::vector<std::string>& channels) {
    chunk_sizes.push_back(channels.size());
    if (ignores_subscriptions) return;
    std::string accepted;
    for (const std::string& channel : channels) {
      if (wanted && rejected.count(channel) > 0) continue;
      if (wanted) {
        client.channels.insert(channel);
      } else {
        client.channels.erase(channel);
      }
      accepted += (accepted.empty() ? "\"" : ",\"") + channel + "\"";
    }
    answer(*client.connection, id, "[" + accepted + "]");
  }
  static void answer(Connection& connection, const std::string& id, const std::string& result) {
    static_cast<void>(connection.send_text("{\"id\":" + id + ",\"result\":" + result + "}"));
  }

  std::uint16_t port_ = 0;
};

// Which parts of the dialect a session gets.
struct TestDialectParts {
  bool login = true;
  bool subscriptions = true;
};

inline Dialect test_dialect(TestDialectParts parts = {}) {
  Dialect dialect;
  dialect.classify = {[](void*, const Message& message, MessageFacts& facts) noexcept {
                        const std::string_view text = message.text();
                        if (text == "pong") {
                          facts.role = MessageRole::heartbeat;
                        } else if (text == "test") {
                          facts.role = MessageRole::heartbeat_request;
                        } else if (text.starts_with(R"({"method":"data")")) {
                          facts.role = MessageRole::data;
                          facts.channel = text_between(text, R"("channel":")", "\"");
                          facts.key = SequenceKey::dense(
                              static_cast<std::uint64_t>(number_after(text, R"("seq":)")));
                        }
                      },
                      nullptr};
  if (parts.login) {
    dialect.write_login = {[](void*, Draft& draft) noexcept {
                             draft.text("{\"id\":").number(draft.id());
                             draft.text(R"(,"method":"login","key":)").secret("s3cret").text("}");
                           },
                           nullptr};
  }
  if (parts.subscriptions) {
    dialect.write_subscribe = {
        [](void*, Draft& draft, std::span<const std::string_view> channels) noexcept {
          draft.text("{\"id\":").number(draft.id()).text(R"(,"method":"subscribe","channels":[)");
          for (std::size_t i = 0; i < channels.size(); ++i)
            draft.text(i == 0 ? "" : ",").quoted(channels[i]);
          draft.text("]}");
        },
        nullptr};
    dialect.write_unsubscribe = {
        [](void*, Draft& draft, std::span<const std::string_view> channels) noexcept {
          draft.text("{\"id\":").number(draft.id()).text(R"(,"method":"unsubscribe","channels":[)");
          for (std::size_t i = 0; i < channels.size(); ++i)
            draft.text(i == 0 ? "" : ",").quoted(channels[i]);
          draft.text("]}");
        },
        nullptr};
    dialect.read_subscription = {
        [](void*, const RequestEnd& end, SubscriptionAnswer& answer) noexcept {
          std::string_view list = text_between(end.head.value, "[", "]");
          for (auto name = text_between(list, "\"", "\""); !name.empty();
               name = text_between(list, "\"", "\"")) {
            answer.accept(name);
            list.remove_prefix(
                static_cast<std::size_t>(name.data() + name.size() + 1 - list.data()));
          }
        },
        nullptr};
  }
  dialect.write_beat = {[](void*, Draft& draft) noexcept { draft.text("ping"); }, nullptr};
  dialect.write_beat_answer = {[](void*, Draft& draft) noexcept {
                                 draft.text("{\"id\":").number(draft.id());
                                 draft.text(R"(,"method":"order"})");
                               },
                               nullptr};
  return dialect;
}

}  // namespace zenwire::test
