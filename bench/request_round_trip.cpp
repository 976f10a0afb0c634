// What correlation and publishing statistics cost a round trip, in pairs: the same request and the
// same answer over the same connection of the same reactor, with and without.
//
//   request_round_trip                  correlated against bare, then read against unread
//   request_round_trip --count MODE N   N round trips only, for callgrind; MODE: bare, correlated;
//                                       with --name NAME the counters are published

#include <array>
#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <zenwire/engine/reactor.hpp>
#include <zenwire/engine/request_table.hpp>
#include <zenwire/engine/telemetry_reader.hpp>

#include "paired.hpp"

namespace zenwire::bench {
namespace {

constexpr std::size_t kRounds = 41;
constexpr std::size_t kRoundTripsPerRound = 2'000;
constexpr std::size_t kIdOffset = 22;
constexpr std::size_t kId_digits = 7;
constexpr long kReadPeriod_ns = 1'000'000;
constexpr std::string_view kRequest =
    R"({"jsonrpc":"2.0","id":1000000,"method":"private/buy","params":{"instrument_name":)"
    R"("BTC-PERPETUAL","amount":40,"type":"limit","price":64250.5,"label":"z1"}})";
constexpr std::string_view kAnswer =
    R"({"jsonrpc":"2.0","id":1000000,"result":{"trades":[],"order":{"order_id":"USDC-1",)"
    R"("order_state":"open","price":64250.5,"amount":40,"filled_amount":0,"direction":"buy"}},)"
    R"("usIn":1700000000000001,"usOut":1700000000000321,"usDiff":320,"testnet":false})";
static_assert(kRequest.substr(kIdOffset, kId_digits) == "1000000");
static_assert(kAnswer.substr(kIdOffset, kId_digits) == "1000000");

enum class Mode : std::uint8_t { bare, correlated };

void write_id(char* at, std::int64_t id) noexcept {
  for (std::size_t i = kId_digits; i > 0; --i, id /= 10)
    at[i - 1] = static_cast<char>('0' + id % 10);
}

// Client and server on one reactor and one thread: nothing waits for a scheduler.
class RoundTrips {
 public:
  explicit RoundTrips(const std::string& name) {
    ReactorOptions options;
    options.connections_max = 2;
    options.large_buffers = 1;
    options.message_bytes_max = 65'536;
    options.telemetry_name = name;
    options.log = [](void*, std::string_view) noexcept {};
    reactor_ = *Reactor::create(options);
    ListenOptions listen;
    listen.socket.congestion_control = "reno";
    listen.limits.message_bytes_max = listen.limits.frame_bytes_max = 65'536;
    listen.on_open = Callback<Connection&>::to<&RoundTrips::on_accepted>(*this);
    const auto address = *reactor_->listen(listen);
    ConnectOptions connect;
    connect.url = "ws://" + address.text() + "/";
    connect.socket = listen.socket;
    connect.limits = listen.limits;
    const auto id = *reactor_->connect(
        connect,
        {.on_open = Callback<Connection&>::to<&RoundTrips::on_open>(*this),
         .on_message = Callback<Connection&, const Message&>::to<&RoundTrips::on_answer>(*this)});
    static_cast<void>(id);
    while (client_ == nullptr) reactor_->poll();
    buy_ = methods_.intern("private/buy");
    std::memcpy(request_.data(), kRequest.data(), kRequest.size());
    std::memcpy(answer_.data(), kAnswer.data(), kAnswer.size());
  }
  ~RoundTrips() { requests_.end_all(Errc::reactor_stopping); }

  // Nanoseconds for `count` of them, one after the other.
  std::uint64_t run(Mode mode, std::size_t count) {
    mode_ = mode;
    const std::uint64_t began_ns = clock_ns();
    for (std::size_t i = 0; i < count; ++i) {
      answered_ = false;
      send();
      while (!answered_) reactor_->poll();
    }
    return clock_ns() - began_ns;
  }

 private:
  void on_accepted(Connection& connection) noexcept {
    if (!connection.on_message.add(
            Callback<Connection&, const Message&>::to<&RoundTrips::on_request>(*this)))
      std::abort();
  }
  void on_open(Connection& connection) noexcept { client_ = &connection; }

  void on_request(Connection& connection, const Message& message) noexcept {
    std::memcpy(answer_.data() + kIdOffset, message.text().data() + kIdOffset, kId_digits);
    check(connection.send_text({answer_.data(), kAnswer.size()}));
  }
  void on_answer(Connection& connection, const Message& message) noexcept {
    if (mode_ == Mode::bare) {
      answered_ = true;
    } else if (requests_.receive(connection.id(), message.payload, message.received_ticks) !=
               AnswerMatch::answered) {
      std::abort();
    }
  }
  void on_end(const RequestEnd& end) noexcept {
    if (end.outcome != RequestOutcome::answered) std::abort();
    answered_ = true;
  }

  void send() noexcept {
    last_id_ = last_id_ == 9'999'999 ? 1'000'000 : last_id_ + 1;
    write_id(request_.data() + kIdOffset, last_id_);
    const std::string_view payload(request_.data(), kRequest.size());
    if (mode_ == Mode::bare) return check(client_->send_text(payload));
    const Request request{last_id_, buy_, now_deadline_ns(),
                          Callback<const RequestEnd&>::to<&RoundTrips::on_end>(*this)};
    check(requests_.send(*client_, request, as_bytes(payload), ticks_.now()).code);
  }
  [[nodiscard]] Instant_ns now_deadline_ns() noexcept { return reactor_->now_ns() + 5'000'000'000; }
  static void check(Errc code) noexcept {
    if (code != Errc::ok) std::abort();
  }

  MethodTable methods_;
  MethodId buy_ = MethodId::other;
  RequestTable requests_;
  TickSource ticks_;
  std::array<char, kRequest.size()> request_{};
  std::array<char, kAnswer.size()> answer_{};
  std::unique_ptr<Reactor> reactor_;
  Connection* client_ = nullptr;
  std::int64_t last_id_ = 1'000'000;
  Mode mode_ = Mode::bare;
  bool answered_ = false;
};

// Reads the page a thousand times a second while it is told to, in a process of its own.
class PageReader {
 public:
  explicit PageReader(const std::string& name) : state_(map_state()) {
    process_ = fork();
    if (process_ == 0) loop(name);
  }
  ~PageReader() {
    kill(process_, SIGKILL);
    waitpid(process_, nullptr, 0);
  }
  void read(bool wanted) noexcept { state_->wanted.store(wanted, std::memory_order_release); }
  [[nodiscard]] std::uint64_t reads() const noexcept { return state_->reads.load(); }

 private:
  struct State {
    std::atomic<bool> wanted{false};
    std::atomic<std::uint64_t> reads{0};
  };
  static State* map_state() {
    void* const at =
        mmap(nullptr, sizeof(State), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return new (at) State;
  }
  [[noreturn]] void loop(const std::string& name) const {
    const auto reader = *TelemetryReader::open(name);
    const timespec period{0, kReadPeriod_ns};
    for (;;) {
      nanosleep(&period, nullptr);
      if (!state_->wanted.load(std::memory_order_acquire)) continue;
      if (reader.read().empty()) std::abort();
      state_->reads.fetch_add(1);
    }
  }

  State* state_;
  pid_t process_ = 0;
};

// `second` over `first`, each the nanoseconds of a round.
template <typename First, typename Second>
void show(const char* what, First first, Second second) {
  std::vector<double> first_ns;
  const auto noted = [&] {
    const auto ns = static_cast<double>(first());
    first_ns.push_back(ns / static_cast<double>(kRoundTripsPerRound));
    return ns;
  };
  print(what, compare(kRounds, 1, noted, second), kRounds);
  std::printf("  base %.0f ns a round trip\n", median_of(std::move(first_ns)));
}

int run_all() {
  const std::string name = "bench-" + std::to_string(getpid());
  RoundTrips trips(name);
  PageReader reader(name);
  trips.run(Mode::bare, kRoundTripsPerRound);
  trips.run(Mode::correlated, kRoundTripsPerRound);
  show(
      "correlated / bare", [&] { return trips.run(Mode::bare, kRoundTripsPerRound); },
      [&] { return trips.run(Mode::correlated, kRoundTripsPerRound); });
  show(
      "page read at 1 kHz / unread",
      [&] {
        reader.read(false);
        return trips.run(Mode::bare, kRoundTripsPerRound);
      },
      [&] {
        reader.read(true);
        return trips.run(Mode::bare, kRoundTripsPerRound);
      });
  std::printf("reads of the page: %llu\n", static_cast<unsigned long long>(reader.reads()));
  return 0;
}

int count_only(std::string_view mode, std::size_t count, const std::string& name) {
  RoundTrips trips(name);
  trips.run(mode == "correlated" ? Mode::correlated : Mode::bare, count);
  return 0;
}

}  // namespace
}  // namespace zenwire::bench

int main(int count, char** values) {
  const std::vector<std::string> arguments(values + 1, values + count);
  if (arguments.empty()) return zenwire::bench::run_all();
  const bool named = arguments.size() == 5 && arguments[3] == "--name";
  if (arguments[0] == "--count" && (arguments.size() == 3 || named))
    return zenwire::bench::count_only(arguments[1], std::stoul(arguments[2]),
                                      named ? arguments[4] : "");
  std::fprintf(stderr, "usage: request_round_trip [--count bare|correlated N [--name NAME]]\n");
  return 2;
}
