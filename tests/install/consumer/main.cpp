// A user's program against an installed zenwire: a reactor serves and connects to itself on
// loopback, an echo crosses it, and both ends close. The connection is plain, but the program links
// all of the engine, TLS too.

#include <chrono>
#include <cstdio>
#include <string>

#include <zenwire/zenwire.hpp>

using namespace zenwire;

namespace {

constexpr std::string_view kText = "through the installed library";

struct Seen {
  bool echoed = false;
  bool closed = false;
  Reactor* reactor = nullptr;
};

void serve(void*, Connection& connection) noexcept {
  (void)connection.on_message.add([](void*, Connection& peer, const Message& message) noexcept {
    peer.send(message.opcode, message.payload);
  });
}

void on_open(void*, Connection& connection) noexcept {
  connection.send_text(kText);
}

void on_message(void* context, Connection& connection, const Message& message) noexcept {
  static_cast<Seen*>(context)->echoed = message.text() == kText;
  connection.close();
}

void on_closed(void* context, Connection&, const Closed& closed) noexcept {
  auto* outcome = static_cast<Seen*>(context);
  outcome->closed = closed.clean;
  outcome->reactor->stop();
}

void on_failed(void* context, Connection&, const OpenFailure&) noexcept {
  static_cast<Seen*>(context)->reactor->stop();
}

}  // namespace

int main() {
  auto reactor = Reactor::create({.idle = Idle::block}).value();
  const Address address = reactor->listen({.on_open = {&serve, nullptr}}).value();
  Seen outcome{.reactor = reactor.get()};
  const ConnectOptions options{.url = "ws://127.0.0.1:" + std::to_string(address.port()) + "/"};
  const auto connection = reactor->connect(options, {.on_open = {&on_open, nullptr},
                                                     .on_message = {&on_message, &outcome},
                                                     .on_closed = {&on_closed, &outcome},
                                                     .on_failed = {&on_failed, &outcome}});
  if (!connection || !reactor->run()) return 2;
  std::printf("echoed: %d, closed cleanly: %d\n", outcome.echoed, outcome.closed);
  return outcome.echoed && outcome.closed ? 0 : 1;
}
