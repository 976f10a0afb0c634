#pragma once

// The engine as a client of a MockServer, driven by the test's own thread.

#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <zenwire/engine/reactor.hpp>
#include <zenwire/testing/mock_server.hpp>

#include "loop.hpp"

namespace zenwire::testing {

class MockClient {
 public:
  explicit MockClient(const MockServer& server, ConnectOptions options = {})
      : reactor_(test::make_reactor()) {
    if (options.url.empty()) options.url = server.url();
    options.tls.ca_pem = server.ca_pem();
    id_ =
        reactor_
            ->connect(
                options,
                {.on_open = Callback<Connection&>::to<&MockClient::on_open>(*this),
                 .on_message =
                     Callback<Connection&, const Message&>::to<&MockClient::on_message>(*this),
                 .on_control =
                     Callback<Connection&, Opcode, Bytes>::to<&MockClient::on_control>(*this),
                 .on_closed =
                     Callback<Connection&, const Closed&>::to<&MockClient::on_closed>(*this),
                 .on_failed =
                     Callback<Connection&, const OpenFailure&>::to<&MockClient::on_failed>(*this)})
            .value();
  }

  template <typename Done>
  [[nodiscard]] bool run_until(Done&& done) {
    return test::run_until(*reactor_, done);
  }
  [[nodiscard]] bool wait_for_open() {
    return run_until([&] { return opened || ended; }) && opened;
  }
  [[nodiscard]] bool wait_for_end() {
    return run_until([&] { return ended; });
  }
  [[nodiscard]] bool wait_for_messages(std::size_t count) {
    return run_until([&] { return messages.size() >= count; });
  }
  // Closes its socket, whatever state it is in.
  void vanish() { reactor_.reset(); }
  [[nodiscard]] Connection& connection() { return *reactor_->find(id_); }
  [[nodiscard]] Reactor& reactor() { return *reactor_; }

  bool opened = false;
  bool ended = false;
  Errc error = Errc::ok;
  std::uint16_t code = 0;
  OpenFailure failure{};
  std::vector<std::string> messages{};
  std::vector<std::string> controls{};

 private:
  void on_open(Connection&) noexcept { opened = true; }
  void on_message(Connection&, const Message& message) noexcept {
    messages.emplace_back(message.text());
  }
  void on_control(Connection&, Opcode opcode, Bytes payload) noexcept {
    controls.push_back(std::string(name(opcode)) + " " + std::string(as_text(payload)));
  }
  void on_closed(Connection&, const Closed& closed) noexcept {
    error = closed.error.code();
    code = closed.code;
    ended = true;
  }
  void on_failed(Connection&, const OpenFailure& event) noexcept {
    failure = event;
    error = event.error.code();
    ended = true;
  }

  std::unique_ptr<Reactor> reactor_;
  ConnectionId id_;
};

}  // namespace zenwire::testing
