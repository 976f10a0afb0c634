// A strategy under a simulated network: it quotes once for every price, and must never quote twice
// for one, nor miss one that it was given, whatever the network does. Each seed is another network.
//
//   simulated_strategy --seeds 1..1000
//   simulated_strategy --seed 17 --trace

#include <charconv>
#include <string>

#include <zenwire/engine/reactor.hpp>
#include <zenwire/testing/sim_program.hpp>
#include <zenwire/testing/sim_world.hpp>

namespace {

using namespace zenwire;
using testing::SimFaults;
using testing::SimResult;
using testing::SimWorld;

constexpr std::uint64_t kPrices = 50;
constexpr Instant_ns kFaulty_ns = 2'000'000'000;
constexpr Instant_ns kPatience_ns = 600'000'000'000;

std::uint64_t number_of(std::string_view text) {
  std::uint64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

// What one would write for production: callbacks, and nothing of the simulation.
class Strategy {
 public:
  explicit Strategy(Reactor& reactor, std::string url) : reactor_(reactor), url_(std::move(url)) {}

  void connect() noexcept {
    connected_ =
        reactor_
            .connect(
                {.url = url_ + std::to_string(last_price_)},
                {.on_message =
                     Callback<Connection&, const Message&>::to<&Strategy::on_price>(*this),
                 .on_closed = Callback<Connection&, const Closed&>::to<&Strategy::on_closed>(*this),
                 .on_failed =
                     Callback<Connection&, const OpenFailure&>::to<&Strategy::on_failed>(*this)})
            .has_value();
  }
  [[nodiscard]] bool connected() const { return connected_; }
  [[nodiscard]] std::uint64_t last_price() const { return last_price_; }
  [[nodiscard]] bool missed_one() const { return missed_one_; }

 private:
  void on_price(Connection& connection, const Message& message) noexcept {
    const std::uint64_t price = number_of(message.text());
    missed_one_ |= price != last_price_ + 1;
    last_price_ = price;
    // Refused when the connection is closing; the next one begins behind this price.
    static_cast<void>(connection.send_text("quote " + std::to_string(price)));
  }
  void on_closed(Connection&, const Closed&) noexcept { connected_ = false; }
  void on_failed(Connection&, const OpenFailure&) noexcept { connected_ = false; }

  Reactor& reactor_;
  std::string url_;
  std::uint64_t last_price_ = 0;
  bool connected_ = false;
  bool missed_one_ = false;
};

// The venue: prices from where the URL says; counts the quotes.
struct Venue {
  std::uint64_t last_quote = 0;
  bool quoted_twice = false;

  void on_open(Connection& connection) noexcept {
    static_cast<void>(connection.on_message.add(
        Callback<Connection&, const Message&>::to<&Venue::on_quote>(*this)));
    const std::uint64_t from = number_of(connection.opened().target.substr(1));
    for (std::uint64_t price = from + 1; price <= kPrices; ++price)
      static_cast<void>(connection.send_text(std::to_string(price)));
  }
  void on_quote(Connection&, const Message& message) noexcept {
    const std::uint64_t quote = number_of(message.text().substr(6));
    quoted_twice |= quote <= last_quote;
    last_quote = quote;
  }
};

ReactorOptions quiet() {
  ReactorOptions options;
  options.idle = Idle::block;
  options.prefault = false;
  options.log = Callback<std::string_view>([](void*, std::string_view) noexcept {});
  return options;
}

SimResult run(std::uint64_t seed, bool trace) {
  testing::Random random(seed);
  SimWorld world(seed, SimFaults::choose(random));
  world.trace().show(trace);
  SimResult result{.setting = world.faults().text()};
  {
    auto client = Reactor::create(quiet(), world.make_reactor_io()).value();
    auto server = Reactor::create(quiet(), world.make_reactor_io()).value();
    world.add(*client);
    world.add(*server);
    Venue venue;
    const Address address =
        server->listen({.on_open = Callback<Connection&>::to<&Venue::on_open>(venue)}).value();
    Strategy strategy(*client, "ws://" + address.text() + "/");
    const auto done = [&] {
      if (!strategy.connected()) strategy.connect();
      return strategy.last_price() == kPrices;
    };
    const bool early = world.run_until(done, kFaulty_ns);
    world.heal();
    if (!early && !world.run_until(done, kPatience_ns)) result.failure = "it never got all prices";
    if (strategy.missed_one()) result.failure = "it missed a price";
    if (venue.quoted_twice) result.failure = "it quoted twice for a price";
    world.remove(*client);
    world.remove(*server);
    client.reset();
    server.reset();
  }
  if (!world.violations().empty()) result.failure = world.violations().front();
  result.hash = world.trace().hash();
  result.last_events = world.trace().last_events();
  return result;
}

}  // namespace

int main(int argc, char** argv) {
  return zenwire::testing::run_sim_program(
      {.name = "simulated_strategy",
       .about = "a strategy that quotes once for every price, under a simulated network",
       .run = run},
      argc, argv);
}
