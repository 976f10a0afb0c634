// The program of the README: print a market data stream.

#include <cstdio>

#include <zenwire/zenwire.hpp>

using namespace zenwire;

int main(int argc, char** argv) {
  auto reactor = Reactor::create({.idle = Idle::block}).value();
  const ConnectOptions options{.url = argc > 1 ? argv[1] : "wss://www.deribit.com/ws/api/v2"};
  const auto connection = reactor->connect(
      options, {.on_message = [](void*, Connection&, const Message& message) noexcept {
        std::printf("%.*s\n", static_cast<int>(message.payload.size()), message.text().data());
      }});
  if (!connection) return std::fprintf(stderr, "%s\n", connection.error().detail().data()), 1;
  return reactor->run() ? 0 : 1;
}
