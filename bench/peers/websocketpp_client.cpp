// WebSocket++ 0.8.2 on Boost.Asio.
//
// Chosen: no locks (its `none` concurrency, Asio's I/O unlocked), no log, no extension, 64 KiB to a
// read instead of 16, TCP_NODELAY, and a seeded generator of masking keys, because its own asks the
// system for every frame. `spin` runs poll(), `block` run_one(). A write is posted through Asio's
// loop whatever one chooses, and so is the next read.

#include "client_options.hpp"
#include "conversation.hpp"
#include "websocketpp_endpoint.hpp"

namespace zenwire::bench {
namespace {

Conversation& conversation(void* context) noexcept {
  return *static_cast<Conversation*>(context);
}

int run(const ClientOptions& options) {
  pin(options.cpu);
  Conversation all("websocketpp", options);
  WebsocketppListener listener;
  listener.context = &all;
  listener.on_open = [](void* context) { return conversation(context).begin(); };
  listener.on_message = [](void* context, std::size_t connection, std::string_view text) {
    return conversation(context).received(connection, text);
  };
  listener.complete = [](void* context) { return conversation(context).complete(); };
  listener.on_end = [](void* context) { return conversation(context).finish(); };
  return run_websocketpp(options, listener);
}

}  // namespace
}  // namespace zenwire::bench

int main(int argc, char** argv) {
  return zenwire::bench::run(zenwire::bench::parse_client_options(argc, argv));
}
