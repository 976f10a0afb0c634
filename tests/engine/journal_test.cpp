// Time travel: what a reactor did is done again from its journal, by the same engine, with the
// program's own code or without it.

#include <algorithm>
#include <array>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <sys/wait.h>

#include <zenwire/codec/frame_writer.hpp>
#include <zenwire/codec/upgrade.hpp>
#include <zenwire/engine/journal.hpp>
#include <zenwire/engine/message_queue.hpp>
#include <zenwire/engine/reactor.hpp>
#include <zenwire/engine/session.hpp>

#include "loop.hpp"
#include "temporary_directory.hpp"
#include "tls_files.hpp"

namespace zenwire {
namespace {

using test::make_reactor;
using test::run_until;
using test::ScriptedServer;
using test::TemporaryDirectory;

// --- A program: what it is told goes into its log, and what it does depends on nothing else.

struct Program {
  std::vector<std::string> log;
  int opened = 0;
  int ended = 0;
  std::function<void(Connection&, const Message&)> answer;

  void note(std::string line) { log.push_back(std::move(line)); }

  void on_open(Connection& connection) noexcept {
    ++opened;
    note("open " + std::to_string(connection.id().epoch));
  }
  void on_message(Connection& connection, const Message& message) noexcept {
    note("message " + std::to_string(message.sequence) + " at " +
         std::to_string(message.received_ns) + (message.last_of_burst ? " last " : " ") +
         std::string(message.text()));
    if (answer) answer(connection, message);
  }
  void on_control(Connection&, Opcode opcode, Bytes payload) noexcept {
    note(std::string(name(opcode)) + " " + std::string(as_text(payload)));
  }
  void on_closed(Connection&, const Closed& closed) noexcept {
    ++ended;
    note("closed " + std::string(name(closed.error.code())) + " " + std::to_string(closed.code) +
         " " + std::string(closed.reason));
  }
  void on_failed(Connection&, const OpenFailure& failure) noexcept {
    ++ended;
    note("failed " + std::string(name(failure.error.code())) + " " +
         std::to_string(failure.http_status));
  }
  void on_written(Connection&, std::size_t bytes, std::size_t waiting) noexcept {
    note("written " + std::to_string(bytes) + " " + std::to_string(waiting));
  }
  ConnectionHandlers handlers() {
    return {.on_open = Callback<Connection&>::to<&Program::on_open>(*this),
            .on_message = Callback<Connection&, const Message&>::to<&Program::on_message>(*this),
            .on_control = Callback<Connection&, Opcode, Bytes>::to<&Program::on_control>(*this),
            .on_closed = Callback<Connection&, const Closed&>::to<&Program::on_closed>(*this),
            .on_failed = Callback<Connection&, const OpenFailure&>::to<&Program::on_failed>(*this)};
  }
  // The server's side, too, so that a journal holds both roles.
  void accept(Connection& connection) noexcept {
    const auto echo = [](void*, Connection& at, const Message& message) noexcept {
      EXPECT_EQ(at.send(message.opcode, message.payload), Errc::ok);
    };
    EXPECT_TRUE(connection.on_message.add(echo).has_value());
  }
  std::uint16_t listen(Reactor& reactor, ListenOptions options = {}) {
    options.on_open = Callback<Connection&>::to<&Program::accept>(*this);
    const auto address = reactor.listen(options);
    EXPECT_TRUE(address.has_value());
    return address ? address->port() : std::uint16_t{0};
  }
};

std::string text_of(std::size_t bytes, std::size_t seed) {
  std::string text(bytes, ' ');
  for (std::size_t i = 0; i < bytes; ++i) text[i] = static_cast<char>('a' + (seed + i * i) % 26);
  return text;
}

// --- Running a program, and running it again.

class JournalTest : public testing::Test {
 protected:
  using Run = std::function<void(Reactor&, Program&)>;

  [[nodiscard]] std::string path() const { return directory_.path() + "/run.journal"; }

  std::vector<std::string> record(const Run& run, ReactorOptions options = {}) const {
    options.journal = path();
    Program program;
    auto reactor = make_reactor(options);
    run(*reactor, program);
    EXPECT_FALSE(reactor->journal_error().has_value());
    return program.log;
  }

  // Without the program.
  JournalReport replay() const {
    auto journal = JournalReplay::open(path());
    if (!journal) {
      ADD_FAILURE() << journal.error().detail();
      return {};
    }
    const auto report = journal->run();
    EXPECT_TRUE(report.has_value()) << (report ? "" : report.error().detail());
    return report ? *report : JournalReport{};
  }

  void expect_same(const Run& run, const ReactorOptions& options = {}) const {
    const auto recorded = record(run, options);
    const JournalReport report = replay();
    EXPECT_EQ(tell(report), "none");
    EXPECT_GE(report.callbacks, recorded.size());
    const JournalReport again = replay();
    EXPECT_EQ(again.callback_hash, report.callback_hash);
    // With the program.
    auto journal = JournalReplay::open(path()).value();
    auto reactor = journal.reactor().value();
    Program program;
    run(*reactor, program);
    EXPECT_EQ(tell(journal.report()), "none");
    EXPECT_EQ(program.log, recorded);
  }

  static std::string tell(const JournalReport& report) {
    if (!report.divergence) return "none";
    const JournalDivergence& at = *report.divergence;
    return "event " + std::to_string(at.event) + " at byte " + std::to_string(at.byte) +
           ": expected " + at.expected + ", got " + at.got;
  }

  TemporaryDirectory directory_;
};

struct EchoCase {
  const char* name;
  bool secure;
  bool deflate;
  std::size_t receive_buffer_bytes;
  std::vector<std::size_t> sizes;
};

class JournalEcho : public JournalTest, public testing::WithParamInterface<EchoCase> {};

TEST_P(JournalEcho, is_done_again) {
  const EchoCase& param = GetParam();
  ReactorOptions options;
  options.receive_buffer_bytes = param.receive_buffer_bytes;
  ListenOptions listening;
  listening.secure = param.secure;
  if (param.secure) listening.tls = test::server_tls();
  listening.deflate.enabled = param.deflate;
  expect_same(
      [&](Reactor& reactor, Program& program) {
        const std::uint16_t port = program.listen(reactor, listening);
        ConnectOptions connecting{.url = (param.secure ? "wss://localhost:" : "ws://localhost:") +
                                         std::to_string(port) + "/path?token=hush"};
        if (param.secure) connecting.tls = test::client_tls();
        connecting.deflate.enabled = param.deflate;
        const auto id = reactor.connect(connecting, program.handlers()).value();
        ASSERT_TRUE(run_until(reactor, [&] { return program.opened == 1; }));
        std::size_t seen = 0;
        program.answer = [&](Connection&, const Message&) { ++seen; };
        for (std::size_t i = 0; i < param.sizes.size(); ++i) {
          ASSERT_EQ(reactor.find(id)->send_text(text_of(param.sizes[i], i)), Errc::ok);
          ASSERT_TRUE(run_until(reactor, [&] { return seen == i + 1 || program.ended > 0; }));
        }
        ASSERT_EQ(reactor.find(id)->ping(as_bytes("are you there")), Errc::ok);
        ASSERT_EQ(reactor.find(id)->close(1000, "done"), Errc::ok);
        ASSERT_TRUE(run_until(reactor, [&] { return program.ended == 1; }));
      },
      options);
}

INSTANTIATE_TEST_SUITE_P(
    Streams, JournalEcho,
    testing::Values(EchoCase{"plain", false, false, 65'536, {0, 1, 125, 126, 65'535, 65'536}},
                    EchoCase{"small_window", false, false, 4096, {100, 4000, 10'000, 200'000}},
                    EchoCase{"tls", true, false, 65'536, {0, 1, 125, 126, 16'384, 100'000}},
                    EchoCase{"deflate", false, true, 65'536, {0, 1, 300, 300, 70'000}},
                    EchoCase{"deflate_in_tls", true, true, 4096, {10, 300, 300, 70'000}}),
    [](const auto& at) { return std::string(at.param.name); });

// --- What a program does otherwise.

// A client of the program's own server, open.
ConnectionId open_client(Reactor& reactor, Program& program, const ConnectOptions& wanted = {}) {
  ConnectOptions options = wanted;
  options.url = "ws://127.0.0.1:" + std::to_string(program.listen(reactor)) + "/";
  const auto id = reactor.connect(options, program.handlers()).value();
  EXPECT_TRUE(run_until(reactor, [&] { return program.opened == 1; }));
  return id;
}

void close_client(Reactor& reactor, Program& program, ConnectionId id) {
  if (Connection* connection = reactor.find(id)) {
    EXPECT_EQ(connection->close(), Errc::ok);
  }
  EXPECT_TRUE(run_until(reactor, [&] { return program.ended == 1; }));
}

TEST_F(JournalTest, sends_in_callbacks_corks_and_controls_are_done_again) {
  expect_same([](Reactor& reactor, Program& program) {
    int left = 50;
    program.answer = [&](Connection& connection, const Message& message) {
      if (--left <= 0) return;
      connection.cork();
      EXPECT_EQ(connection.send(message.opcode, message.payload), Errc::ok);
      EXPECT_EQ(connection.pong(as_bytes("unasked")), Errc::ok);
      connection.uncork();
    };
    const ConnectionId id = open_client(reactor, program);
    ASSERT_EQ(reactor.find(id)->send_text("to and fro"), Errc::ok);
    ASSERT_TRUE(run_until(reactor, [&] { return left == 0; }));
    close_client(reactor, program, id);
  });
}

TEST_F(JournalTest, a_pause_within_a_burst_and_a_slow_reader_are_done_again) {
  expect_same([](Reactor& reactor, Program& program) {
    ConnectOptions options;
    options.limits.send_high_water_bytes = 10'000;
    const ConnectionId id = open_client(reactor, program, options);
    std::size_t seen = 0;
    program.answer = [&](Connection& connection, const Message&) {
      if (++seen % 3 == 0) connection.pause();
    };
    ASSERT_TRUE(
        reactor.find(id)
            ->on_written
            .add(Callback<Connection&, std::size_t, std::size_t>::to<&Program::on_written>(program))
            .has_value());
    reactor.find(id)->cork();
    for (std::size_t i = 0; i < 40; ++i)
      ASSERT_EQ(reactor.find(id)->send_text(text_of(i * 97, i)), Errc::ok);
    reactor.find(id)->uncork();
    ASSERT_TRUE(run_until(reactor, [&] {
      reactor.find(id)->resume();
      return seen == 40;
    }));
    close_client(reactor, program, id);
  });
}

TEST_F(JournalTest, a_full_queue_is_full_again) {
  const auto run = [](MessageQueue& queue, std::vector<std::string>& read) {
    return [&](Reactor& reactor, Program& program) {
      const ConnectionId id = open_client(reactor, program);
      reactor.find(id)->deliver_to(&queue);
      for (std::size_t i = 0; i < 30; ++i)
        ASSERT_EQ(reactor.find(id)->send_text(text_of(1000, i)), Errc::ok);
      std::size_t idle = 0;
      ASSERT_TRUE(run_until(reactor, [&] {
        if (++idle % 5 == 0) {
          if (const MessageView view = queue.try_read()) {
            if (is_message(view.header().kind)) read.emplace_back(as_text(view.payload()));
            queue.release();
          }
        }
        return read.size() == 30;
      }));
      close_client(reactor, program, id);
    };
  };
  auto queue = MessageQueue::make({.capacity_bytes = 8192}).value();
  std::vector<std::string> read;
  record(run(*queue, read));
  EXPECT_GT(queue->statistics().full, 0U);
  EXPECT_EQ(tell(replay()), "none");
  auto queue_again = MessageQueue::make({.capacity_bytes = 8192}).value();
  std::vector<std::string> read_again;
  auto journal = JournalReplay::open(path()).value();
  auto reactor = journal.reactor().value();
  Program program;
  run(*queue_again, read_again)(*reactor, program);
  EXPECT_EQ(tell(journal.report()), "none");
  EXPECT_EQ(read_again, read);
}

TEST_F(JournalTest, outbox_records_and_posts_of_other_threads_come_from_the_journal) {
  const auto run = [](Outbox* filled) {
    return [filled](Reactor& reactor, Program& program) {
      auto outbox = Outbox::make({.capacity_bytes = 8192}).value();
      int refused = 0;
      const auto on_refused = [&](const OutboxRefusal& refusal) noexcept {
        ++refused;
        program.note("refused " + std::to_string(refusal.tag));
      };
      Outbox& box = filled != nullptr ? *filled : *outbox;
      ASSERT_TRUE(reactor.attach(box, Callback<const OutboxRefusal&>::to(on_refused)).has_value());
      std::size_t seen = 0;
      program.answer = [&](Connection&, const Message&) { ++seen; };
      const ConnectionId id = open_client(reactor, program);
      std::thread strategy;
      if (filled != nullptr) {
        strategy = std::thread([&] {
          OutboxHeader stale = Outbox::make_header(OutboxKind::text, {id.index, id.epoch + 7});
          stale.tag = 77;
          EXPECT_EQ(filled->try_send(stale, as_bytes("nobody")), Errc::ok);
          for (int i = 0; i < 100;) {
            if (filled->try_send_text({id.index, id.epoch}, "order " + std::to_string(i)) ==
                Errc::ok)
              ++i;
            reactor.doorbell();
          }
        });
      }
      EXPECT_TRUE(run_until(reactor, [&] { return seen == 100 && refused == 1; }));
      if (strategy.joinable()) strategy.join();
      close_client(reactor, program, id);
      reactor.detach(box);
    };
  };
  auto outbox = Outbox::make({.capacity_bytes = 8192}).value();
  const auto recorded = record(run(outbox.get()));
  EXPECT_EQ(tell(replay()), "none");
  auto journal = JournalReplay::open(path()).value();
  auto reactor = journal.reactor().value();
  Program program;
  run(nullptr)(*reactor, program);
  EXPECT_EQ(tell(journal.report()), "none");
  EXPECT_EQ(program.log, recorded);
}

TEST_F(JournalTest, timers_clocks_and_aborts_are_done_again) {
  expect_same([](Reactor& reactor, Program& program) {
    const ConnectionId id = open_client(reactor, program);
    int ticks = 0;
    const auto on_tick = [&](Timer& timer) noexcept {
      program.note("tick at " + std::to_string(reactor.now_ns()));
      if (++ticks < 5) {
        reactor.arm(timer, reactor.now_ns() + 1'000'000);
      } else if (Connection* connection = reactor.find(id)) {
        connection->abort();
      }
    };
    Timer timer(Callback<Timer&>::to(on_tick));
    Timer never(Callback<Timer&>::to(on_tick));
    reactor.arm(never, reactor.now_ns() + 60'000'000'000);
    reactor.arm(timer, reactor.now_ns() + 1'000'000);
    ASSERT_TRUE(run_until(reactor, [&] { return program.ended == 1; }));
    reactor.cancel(never);
  });
}

TEST_F(JournalTest, failed_attempts_and_connecting_again_are_done_again) {
  expect_same([](Reactor& reactor, Program& program) {
    ConnectOptions refused{.url = "ws://127.0.0.1:1/"};
    ASSERT_TRUE(reactor.connect(refused, program.handlers()).has_value());
    ASSERT_TRUE(run_until(reactor, [&] { return program.ended == 1; }));
    const std::uint16_t port = program.listen(reactor);
    for (int round = 1; round <= 4; ++round) {
      ConnectOptions options{.url = "ws://127.0.0.1:" + std::to_string(port) + "/"};
      const auto id = reactor.connect(options, program.handlers()).value();
      ASSERT_TRUE(run_until(reactor, [&] { return program.opened == round; }));
      ASSERT_EQ(reactor.find(id)->send_text("round"), Errc::ok);
      ASSERT_EQ(reactor.find(id)->close(), Errc::ok);
      ASSERT_TRUE(run_until(reactor, [&] { return program.ended == round + 1; }));
    }
  });
}

TEST_F(JournalTest, a_stop_comes_again_where_it_came) {
  const auto run = [](Reactor& reactor, Program& program) {
    open_client(reactor, program);
    reactor.stop();
    EXPECT_TRUE(run_until(reactor, [&] { return program.ended == 1; }));
  };
  expect_same(run);
}

// On a replay with the program nobody called it, and whoever waited for it waited for ever.
TEST_F(JournalTest, a_notice_of_the_stop_comes_again_where_it_came) {
  expect_same([](Reactor& reactor, Program& program) {
    open_client(reactor, program);
    Timer never(Callback<Timer&>([](void*, Timer&) noexcept {}));
    const auto on_stop = [&](Reactor&) noexcept {
      program.note("told at " + std::to_string(reactor.now_ns()));
      reactor.cancel(never);
    };
    StopNotice first(Callback<Reactor&>::to(on_stop));
    StopNotice second(Callback<Reactor&>::to(on_stop));
    reactor.notify_of_stop(first);
    reactor.notify_of_stop(second);
    reactor.arm(never, reactor.now_ns() + 60'000'000'000);
    reactor.stop();
    EXPECT_TRUE(run_until(reactor, [&] { return program.ended == 1; }));
    EXPECT_FALSE(never.armed());
  });
}

TEST_F(JournalTest, a_session_in_backoff_is_stopped_again_where_it_was) {
  expect_same([](Reactor& reactor, Program& program) {
    SessionOptions options;
    options.connect.url = "ws://127.0.0.1:1/";
    options.connect.limits.message_bytes_max = reactor.options().message_bytes_max;
    options.reconnect.base = options.reconnect.cap = std::chrono::seconds(60);
    auto session = Session::create(reactor, options).value();
    const auto on_state = [&](Session&, const SessionTransition& at) noexcept {
      if (at.to == SessionState::stopped) program.note(std::string(name(at.reason.code())));
    };
    ASSERT_TRUE(session->on_state.add(Callback<Session&, const SessionTransition&>::to(on_state))
                    .has_value());
    session->start();
    const auto waits = [&] {
      return session->state() == SessionState::backoff && session->counters().attempts == 1;
    };
    ASSERT_TRUE(run_until(reactor, waits));
    reactor.stop();
    EXPECT_TRUE(run_until(reactor, [&] { return session->state() == SessionState::stopped; }));
  });
}

TEST_F(JournalTest, a_reactor_that_spins_writes_little_while_nothing_comes) {
  ReactorOptions options;
  options.journal = path();
  options.idle = Idle::spin;
  options.prefault = false;
  options.log = Callback<std::string_view>([](void*, std::string_view) noexcept {});
  Program program;
  {
    // Without calls of its own, which would be events.
    auto reactor = Reactor::create(options).value();
    const auto deadline = std::chrono::steady_clock::now() + test::kWatchdog;
    const std::string url = "ws://127.0.0.1:" + std::to_string(program.listen(*reactor)) + "/";
    const auto id = reactor->connect({.url = url}, program.handlers()).value();
    while (program.opened == 0 && std::chrono::steady_clock::now() < deadline) reactor->poll();
    for (int turn = 0; turn < 100'000; ++turn) reactor->poll();
    ASSERT_EQ(reactor->find(id)->close(), Errc::ok);
    while (program.ended == 0 && std::chrono::steady_clock::now() < deadline) reactor->poll();
    EXPECT_EQ(program.ended, 1);
  }
  EXPECT_LT(std::filesystem::file_size(path()), 8192U);
  EXPECT_EQ(tell(replay()), "none");
}

// --- Secrets.

// A server in a reactor of its own, without a journal: what it hears is not the client's to keep.
class Sink {
 public:
  explicit Sink(ListenOptions options) : reactor_(make_reactor()) {
    options.on_open = Callback<Connection&>::to<&Sink::accept>(*this);
    port_ = reactor_->listen(options)->port();
    thread_ = std::thread([this] { EXPECT_TRUE(reactor_->run().has_value()); });
  }
  ~Sink() {
    reactor_->stop(std::chrono::nanoseconds(0));
    thread_.join();
  }
  [[nodiscard]] std::uint16_t port() const { return port_; }
  [[nodiscard]] std::string heard() {
    const std::lock_guard lock(mutex_);
    return heard_;
  }

 private:
  void accept(Connection& connection) noexcept {
    ZW_ASSERT(
        connection.on_message.add(Callback<Connection&, const Message&>::to<&Sink::hear>(*this)));
  }
  void hear(Connection& connection, const Message& message) noexcept {
    const std::lock_guard lock(mutex_);
    heard_ += message.text();
    EXPECT_EQ(connection.send_text("heard"), Errc::ok);
  }

  std::unique_ptr<Reactor> reactor_;
  std::uint16_t port_ = 0;
  std::mutex mutex_;
  std::string heard_;
  std::thread thread_;
};

struct SecretCase {
  const char* name;
  bool secure;
  bool deflate;
};

class JournalSecrets : public JournalTest, public testing::WithParamInterface<SecretCase> {};

TEST_P(JournalSecrets, are_not_in_the_file_and_it_is_done_again_without_them) {
  const SecretCase& param = GetParam();
  ListenOptions listening;
  listening.secure = param.secure;
  if (param.secure) listening.tls = test::server_tls();
  listening.deflate.enabled = param.deflate;
  Sink sink(listening);
  record([&](Reactor& reactor, Program& program) {
    ConnectOptions options{.url = (param.secure ? "wss://localhost:" : "ws://localhost:") +
                                  std::to_string(sink.port()) + "/?signature=QUERYSECRET",
                           .headers = {{"Authorization", "Bearer HEADERSECRET"},
                                       {"X-Api-Key", "KEYSECRET"},
                                       {"Cookie", "id=COOKIESECRET"}}};
    if (param.secure) options.tls = test::client_tls();
    options.deflate.enabled = param.deflate;
    std::size_t heard = 0;
    program.answer = [&](Connection&, const Message&) { ++heard; };
    const auto id = reactor.connect(options, program.handlers()).value();
    ASSERT_TRUE(run_until(reactor, [&] { return program.opened == 1; }));
    const std::string request = R"({"method":"public/auth","secret":"SENTSECRET"})";
    const Bytes payload = as_bytes(request);
    const Bytes value = payload.subspan(request.find("SENT"), 10);
    for (std::size_t round = 1; round <= 3; ++round) {
      ASSERT_EQ(reactor.find(id)->send_text("in the clear"), Errc::ok);
      ASSERT_EQ(reactor.find(id)->send_secret(Opcode::text, payload, {&value, 1}), Errc::ok);
      ASSERT_TRUE(run_until(reactor, [&] { return heard == 2 * round; }));
    }
    close_client(reactor, program, id);
  });
  EXPECT_NE(sink.heard().find("SENTSECRET"), std::string::npos);
  std::ifstream file(path(), std::ios::binary);
  const std::string kept((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  EXPECT_NE(kept.find("in the clear"), std::string::npos);
  EXPECT_NE(kept.find("public/auth"), std::string::npos);
  EXPECT_EQ(kept.find("SECRET"), std::string::npos) << kept.substr(kept.find("SECRET") - 40, 60);
  EXPECT_EQ(tell(replay()), "none");
}

INSTANTIATE_TEST_SUITE_P(Streams, JournalSecrets,
                         testing::Values(SecretCase{"plain", false, false},
                                         SecretCase{"deflate", false, true},
                                         SecretCase{"tls", true, false},
                                         SecretCase{"deflate_in_tls", true, true}),
                         [](const auto& at) { return std::string(at.param.name); });

TEST_F(JournalTest, a_servers_clients_keep_their_headers_to_themselves) {
  record([](Reactor& reactor, Program& program) {
    ConnectOptions options;
    options.headers = {{"Authorization", "Bearer HEADERSECRET"}, {"X-Api-Key", "KEYSECRET"}};
    const ConnectionId id = open_client(reactor, program, options);
    close_client(reactor, program, id);
  });
  std::ifstream file(path(), std::ios::binary);
  const std::string kept((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  EXPECT_NE(kept.find("Authorization: *****"), std::string::npos);
  EXPECT_EQ(kept.find("SECRET"), std::string::npos);
  EXPECT_EQ(tell(replay()), "none");
}

// --- A file that was changed, cut, or has no room.

std::vector<char> read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

void write_file(const std::string& path, const std::vector<char>& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc)
      .write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

TEST_F(JournalTest, any_changed_byte_ends_in_a_report_and_most_in_a_divergence) {
  record([](Reactor& reactor, Program& program) {
    const ConnectionId id = open_client(reactor, program);
    ASSERT_EQ(reactor.find(id)->send_text("hello"), Errc::ok);
    close_client(reactor, program, id);
  });
  const std::vector<char> whole = read_file(path());
  std::size_t diverged = 0;
  std::size_t refused = 0;
  for (std::size_t at = 0; at < whole.size(); ++at) {
    std::vector<char> changed = whole;
    changed[at] = static_cast<char>(changed[at] ^ 0x41);
    write_file(path(), changed);
    auto journal = JournalReplay::open(path());
    const auto report = journal ? journal->run() : Result<JournalReport>(fail(Errc::aborted));
    if (!report) {
      ++refused;
    } else if (report->divergence) {
      ++diverged;
      EXPECT_LE(report->divergence->byte, whole.size());
    }
  }
  EXPECT_GT(diverged + refused, whole.size() / 2) << diverged << " and " << refused;
}

TEST_F(JournalTest, a_changed_payload_is_told_at_its_callback) {
  record([](Reactor& reactor, Program& program) {
    const ConnectionId id = open_client(reactor, program);
    ASSERT_EQ(reactor.find(id)->send_text("the third of March"), Errc::ok);
    close_client(reactor, program, id);
  });
  std::vector<char> bytes = read_file(path());
  const std::string_view text(bytes.data(), bytes.size());
  const std::size_t place = text.rfind("the third of March");
  ASSERT_NE(place, std::string_view::npos);
  bytes[place + 4] ^= 1;
  write_file(path(), bytes);
  const JournalReport report = replay();
  ASSERT_TRUE(report.divergence.has_value());
  EXPECT_GT(report.divergence->byte, place);
  EXPECT_EQ(report.divergence->expected.substr(0, 16), "callback: check ");
}

TEST_F(JournalTest, a_file_cut_anywhere_is_replayed_up_to_there) {
  record([](Reactor& reactor, Program& program) {
    const ConnectionId id = open_client(reactor, program);
    ASSERT_EQ(reactor.find(id)->send_text("hello"), Errc::ok);
    close_client(reactor, program, id);
  });
  const std::vector<char> whole = read_file(path());
  // As a process that is killed leaves it: whole events, then zeros.
  std::uint64_t events = 0;
  for (std::size_t at = 64; at < whole.size(); ++at) {
    std::vector<char> cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(at));
    write_file(path(), cut);
    const JournalReport report = replay();
    EXPECT_EQ(tell(report), "none") << at;
    EXPECT_GE(report.events, events) << at;
    events = report.events;
  }
  EXPECT_GT(events, 50U);
}

TEST_F(JournalTest, other_files_are_left_alone_and_older_journals_replaced) {
  const std::string other = directory_.write("other.txt", "not a journal, and longer than one");
  ReactorOptions options;
  options.journal = other;
  options.prefault = false;
  const auto refused = Reactor::create(options);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code(), Errc::recording_unwritable);
  EXPECT_EQ(read_file(other).size(), 34U);
  const auto malformed = JournalReplay::open(other);
  ASSERT_FALSE(malformed.has_value());
  EXPECT_EQ(malformed.error().code(), Errc::journal_malformed);
  const auto absent = JournalReplay::open(directory_.path() + "/absent");
  ASSERT_FALSE(absent.has_value());
  EXPECT_EQ(absent.error().code(), Errc::recording_not_found);
  const auto nothing = [](Reactor&, Program&) {};
  record(nothing);
  record(nothing);
  EXPECT_EQ(tell(replay()), "none");
}

}  // namespace
}  // namespace zenwire
