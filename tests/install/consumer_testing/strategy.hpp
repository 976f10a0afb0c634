#pragma once

// What a user would test: subscribes when it is connected, and answers each tick with an order. It
// outlives the reactor, which calls it.

#include <cstdint>
#include <string_view>

#include <zenwire/zenwire.hpp>

class Strategy {
 public:
  bool connect(zenwire::Reactor& reactor, const zenwire::ConnectOptions& options) {
    using zenwire::Callback;
    using zenwire::Connection;
    return reactor
        .connect(
            options,
            {.on_open = Callback<Connection&>::to<&Strategy::on_open>(*this),
             .on_message =
                 Callback<Connection&, const zenwire::Message&>::to<&Strategy::on_message>(*this),
             .on_closed =
                 Callback<Connection&, const zenwire::Closed&>::to<&Strategy::on_closed>(*this),
             .on_failed =
                 Callback<Connection&, const zenwire::OpenFailure&>::to<&Strategy::on_failed>(
                     *this)})
        .has_value();
  }

  // Runs the reactor until `done`, or until the connection has ended.
  template <typename Done>
  bool run_until(zenwire::Reactor& reactor, Done&& done) {
    while (!done() && !ended) reactor.poll(true);
    return done();
  }

  std::uint64_t ticks = 0;
  bool subscribed = false;
  bool ended = false;
  zenwire::Errc error = zenwire::Errc::ok;

 private:
  void on_open(zenwire::Connection& connection) noexcept {
    connection.send_text(
        R"({"jsonrpc":"2.0","id":1,"method":"public/subscribe","params":{"channels":["ticker"]}})");
  }
  void on_message(zenwire::Connection& connection, const zenwire::Message& message) noexcept {
    if (message.text().find("\"result\"") != std::string_view::npos) {
      subscribed = true;
      return;
    }
    ++ticks;
    connection.send_text(R"({"jsonrpc":"2.0","id":2,"method":"private/buy"})");
  }
  void on_closed(zenwire::Connection&, const zenwire::Closed& closed) noexcept {
    error = closed.error.code();
    ended = true;
  }
  void on_failed(zenwire::Connection&, const zenwire::OpenFailure& failure) noexcept {
    error = failure.error.code();
    ended = true;
  }
};
