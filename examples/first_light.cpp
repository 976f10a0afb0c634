// The program of the README: print a market data stream, and why it ended.
//
//   first_light [URL]

#include <cstdio>

#include <zenwire/zenwire.hpp>

namespace {

using namespace zenwire;

void tell(const Error& error) noexcept {
  const Explanation why = explain(error);
  std::fprintf(stderr, "first_light: %s: %.*s\n", why.message.data(),
               static_cast<int>(why.detail.size()), why.detail.data());
}

void end(void* reactor, const Error& error) noexcept {
  tell(error);
  static_cast<Reactor*>(reactor)->stop();
}
void on_closed(void* reactor, Connection&, const Closed& closed) noexcept {
  end(reactor, closed.error);
}
void on_failed(void* reactor, Connection&, const OpenFailure& failure) noexcept {
  end(reactor, failure.error);
}

void print(void*, Connection&, const Message& message) noexcept {
  std::printf("%.*s\n", static_cast<int>(message.payload.size()), message.text().data());
}

}  // namespace

int main(int argc, char** argv) {
  const auto reactor = Reactor::create({.idle = Idle::block});
  if (!reactor) return tell(reactor.error()), 1;
  Reactor* const to = reactor->get();
  const auto connection =
      to->connect({.url = argc > 1 ? argv[1] : "wss://www.deribit.com/ws/api/v2"},
                  {.on_message = {&print, nullptr},
                   .on_closed = {&on_closed, to},
                   .on_failed = {&on_failed, to}});
  if (!connection) return tell(connection.error()), 1;
  if (const auto ran = to->run(); !ran) return tell(ran.error()), 1;
  return to->counters().connections_opened != 0 ? 0 : 1;
}
