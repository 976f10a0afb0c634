// Everything that is made with its first, second, third, ... allocation failing, until none fails
// any more: an error each time, and nothing leaks. And connecting to an Endpoint, which allocates
// on the set-up's side alone.

#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <zenwire/engine/buffer_pool.hpp>
#include <zenwire/engine/latest.hpp>
#include <zenwire/engine/message_queue.hpp>
#include <zenwire/engine/rate_limiter.hpp>
#include <zenwire/engine/reactor.hpp>
#include <zenwire/engine/recorder.hpp>
#include <zenwire/engine/sequence_gate.hpp>
#include <zenwire/engine/session.hpp>
#include <zenwire/engine/telemetry_page.hpp>
#include <zenwire/engine/tls.hpp>
#include <zenwire/engine/uring_io.hpp>
#include <zenwire/pool/arbitration.hpp>
#include <zenwire/pool/pool.hpp>
#include <zenwire/testing/sim_world.hpp>

#include "certificates.hpp"
#include "failing_allocator.hpp"
#include "side.hpp"
#include "temporary_directory.hpp"

namespace zenwire::simulation {
namespace {

constexpr MappedMemoryOptions kLazily{.prefault = false};
constexpr Instant_ns kSecond_ns = 1'000'000'000;

ReactorOptions reactor_options() {
  ReactorOptions options;
  options.idle = Idle::block;
  options.connections_max = 4;
  options.large_buffers = 2;
  options.message_bytes_max = 1 << 16;
  options.prefault = false;
  options.log = Callback<std::string_view>([](void*, std::string_view) noexcept {});
  return options;
}

// What the things below are made in.
struct Ground {
  testing::SimWorld world{1};
  std::unique_ptr<Reactor> reactor =
      Reactor::create(reactor_options(), world.make_reactor_io()).value();
  test::TemporaryDirectory directory;
  MethodTable methods;
};

// The code of what came of it; what was made is destroyed.
template <typename Make>
Errc code_of(Make&& make) {
  const auto made = in_engine(make);
  return made ? Errc::ok : made.error().code();
}

struct Making {
  const char* name;
  std::function<Errc(Ground&)> make;
};
void PrintTo(const Making& making, std::ostream* to) {
  *to << making.name;
}

Errc make_uring_reactor(Ground&) {
  const ReactorOptions options = reactor_options();
  return code_of([&] { return Reactor::create(options); });
}
Errc make_sim_reactor(Ground& ground) {
  const ReactorOptions options = reactor_options();
  ReactorIo ios = at_the_seam(ground.world.make_reactor_io());
  return code_of([&] { return Reactor::create(options, std::move(ios)); });
}
Errc make_journalled_reactor(Ground& ground) {
  ReactorOptions options = reactor_options();
  options.journal = ground.directory.path() + "/journal";
  ReactorIo ios = at_the_seam(ground.world.make_reactor_io());
  return code_of([&] { return Reactor::create(options, std::move(ios)); });
}
Errc make_recorder(Ground& ground) {
  const RecorderOptions options{.path = ground.directory.path() + "/recording.jsonl",
                                .segment_bytes = 1 << 16,
                                .sync = false,
                                .status_path = ground.directory.path() + "/status"};
  return code_of([&] { return Recorder::open(options); });
}
Errc make_telemetry_page(Ground&) {
  const TelemetryOptions options{.name = "zenwire-fail-making", .data_bytes = 4096};
  return code_of([&] { return TelemetryPage::create(options); });
}
Errc make_session(Ground& ground) {
  SessionOptions options;
  options.connect.url = "ws://127.0.0.1:9/somewhere/that/is/longer/than/a/short/string";
  options.connect.limits.message_bytes_max = reactor_options().message_bytes_max;
  // Of its own: what a session publishes stays in the reactor's page.
  const auto reactor = Reactor::create(reactor_options(), ground.world.make_reactor_io()).value();
  return code_of([&] { return Session::create(*reactor, options, {}); });
}
Errc make_gate(Ground&) {
  const GateHandlers handlers{
      .on_message = Callback<const Admitted&>([](void*, const Admitted&) noexcept {})};
  return code_of([&] { return SequenceGate::make({.memory = kLazily}, handlers); });
}
Errc make_arbitration(Ground& ground) {
  ArbitrationOptions options;
  options.gate.memory = kLazily;
  const ArbitrationHandlers handlers{.on_message = Callback<std::uint32_t, const Admitted&>(
                                         [](void*, std::uint32_t, const Admitted&) noexcept {})};
  return code_of([&] { return Arbitration::make(*ground.reactor, options, handlers); });
}
Errc make_tls(Ground&, bool server) {
  const TlsOptions options =
      server ? certificates().server_options() : certificates().client_options();
  return code_of(
      [&] { return server ? TlsContext::server(options) : TlsContext::client(options); });
}
Errc make_endpoint(Ground&) {
  ConnectOptions options{.url =
                             "wss://a-host-with-a-long-name.example/and/a/long/target?with=query"};
  options.headers = {{"X-Header-Of-Some-Length", "a value that is longer than a short string"}};
  return code_of([&] { return Endpoint::make(std::move(options)); });
}

const std::vector<Making>& makings() {
  static const std::vector<Making> all = {
      {"reactor_over_io_uring", make_uring_reactor},
      {"reactor", make_sim_reactor},
      {"reactor_with_journal", make_journalled_reactor},
      {"uring_io", [](Ground&) { return code_of([] { return UringIo::create(); }); }},
      {"recorder", make_recorder},
      {"telemetry_page", make_telemetry_page},
      {"session", make_session},
      {"endpoint", make_endpoint},
      {"tls_client", [](Ground& ground) { return make_tls(ground, false); }},
      {"tls_server", [](Ground& ground) { return make_tls(ground, true); }},
      {"buffer_pool",
       [](Ground&) { return code_of([] {
                       return BufferPool::make({4096, 8, kLazily});
                     }); }},
      {"byte_queue",
       [](Ground&) { return code_of([] { return ByteQueue<>::make(4096, kLazily); }); }},
      {"message_queue",
       [](Ground&) { return code_of([] { return MessageQueue::make({.memory = kLazily}); }); }},
      {"outbox", [](Ground&) { return code_of([] { return Outbox::make({.memory = kLazily}); }); }},
      {"latest_table",
       [](Ground&) { return code_of([] {
                       return LatestTable::make({8, 256, kLazily});
                     }); }},
      {"sequence_gate", make_gate},
      {"rate_limiter",
       [](Ground& ground) {
         return code_of([&] { return RateLimiter::create(deribit_rates(), ground.methods, 1); });
       }},
      {"pool", [](Ground&) { return code_of([] { return Pool::make({.memory = kLazily}); }); }},
      {"arbitration", make_arbitration},
  };
  return all;
}

class FailMaking : public ::testing::TestWithParam<Making> {};

TEST_P(FailMaking, is_an_error_and_leaks_nothing) {
  Ground ground;
  const auto make = [&] { return GetParam().make(ground); };
  ASSERT_EQ(name(make()), name(Errc::ok));  // and what libraries make once and keep
  std::uint64_t nth = 0;
  for (auto failed = FailedAllocation::ours; failed != FailedAllocation::none;) {
    const Held before = allocations_held();
    fail_allocation(++nth);
    const Errc code = make();
    failed = failed_allocation();
    fail_allocation(0);
    const Held after = allocations_held();
    ASSERT_EQ(after.ours, before.ours) << "allocation " << nth << " failed, and some leaked";
    ASSERT_EQ(after.library, before.library) << "allocation " << nth << " failed, and some leaked";
    if (failed == FailedAllocation::none) {
      ASSERT_EQ(name(code), name(Errc::ok));
    } else if (failed == FailedAllocation::ours) {
      ASSERT_EQ(name(code), name(Errc::memory_exhausted)) << "allocation " << nth;
    }
  }
  RecordProperty("allocations", std::to_string(nth - 1));
  EXPECT_GT(nth, 1U);
}

INSTANTIATE_TEST_SUITE_P(Everything, FailMaking, ::testing::ValuesIn(makings()),
                         [](const auto& at) { return at.param.name; });

// --- Connecting to an Endpoint.

class FailDialling : public ::testing::Test {
 public:
  void on_open(Connection& connection) noexcept {
    const Running world(Side::world);
    ends_.push_back(Errc::ok);
    connection.abort();
  }
  void on_failed(Connection&, const OpenFailure& failure) noexcept {
    const Running world(Side::world);
    ends_.push_back(failure.error.code());
  }
  void step() noexcept {
    const Running engine(Side::engine);
    reactor_->step_setup(true);
    static_cast<void>(reactor_->poll(true));
  }

 protected:
  FailDialling() {
    server_ = Reactor::create(reactor_options(), world_.make_reactor_io()).value();
    reactor_ = Reactor::create(reactor_options(), at_the_seam(world_.make_reactor_io())).value();
    world_.add(*server_);
    world_.add(Callback<>::to<&FailDialling::step>(*this));
    ListenOptions listen;
    listen.limits.message_bytes_max = reactor_options().message_bytes_max;
    const auto port = server_->listen(listen).value().port();
    ConnectOptions connect{.url = "ws://127.0.0.1:" + std::to_string(port) + "/"};
    connect.limits.message_bytes_max = reactor_options().message_bytes_max;
    endpoint_.emplace(Endpoint::make(std::move(connect)).value());
  }
  // `count` at once; what became of each.
  std::vector<Errc> dial(std::size_t count) {
    ends_.clear();
    const ConnectionHandlers handlers{
        .on_open = Callback<Connection&>::to<&FailDialling::on_open>(*this),
        .on_failed =
            Callback<Connection&, const OpenFailure&>::to<&FailDialling::on_failed>(*this)};
    for (std::size_t i = 0; i < count; ++i) {
      const auto id = in_engine([&] { return reactor_->connect(*endpoint_, handlers); });
      EXPECT_TRUE(id.has_value());
    }
    EXPECT_TRUE(world_.run_until([&] { return ends_.size() == count; }, 60 * kSecond_ns));
    fail_allocation(0);
    EXPECT_TRUE(world_.run_until(
        [&] { return reactor_->connections_open() + server_->connections_open() == 0; },
        60 * kSecond_ns));
    return ends_;
  }

  testing::SimWorld world_{1};
  std::unique_ptr<Reactor> server_;
  std::unique_ptr<Reactor> reactor_;
  std::optional<Endpoint> endpoint_;
  std::vector<Errc> ends_;
};

TEST_F(FailDialling, fails_the_attempt_and_the_next_one_opens) {
  std::uint64_t nth = 0;
  for (bool failed = true; failed;) {
    fail_allocation(++nth);
    const std::vector<Errc> ends = dial(1);
    failed = ends.front() != Errc::ok;
    ASSERT_EQ(name(ends.front()), name(failed ? Errc::memory_exhausted : Errc::ok)) << nth;
    ASSERT_EQ(name(dial(1).front()), name(Errc::ok)) << "after allocation " << nth << " failed";
  }
  EXPECT_GT(nth, 10U);
}

// The setup has one spare attempt to tell of it with: the others wait for that.
TEST_F(FailDialling, says_so_of_each_where_there_is_no_memory_at_all) {
  ASSERT_EQ(dial(4), std::vector<Errc>(4, Errc::ok));
  fail_every_allocation();
  EXPECT_EQ(dial(4), std::vector<Errc>(4, Errc::memory_exhausted));
  EXPECT_EQ(dial(4), std::vector<Errc>(4, Errc::ok));
}

}  // namespace
}  // namespace zenwire::simulation
