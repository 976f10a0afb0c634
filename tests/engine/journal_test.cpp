// Time travel: what a reactor did is done again from its journal, by the same engine, with the
// program's own code or without it.

#include <algorithm>
#include <array>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <sys/wait.h>

#include <zenwire/codec/frame_writer.hpp>
#include <zenwire/codec/upgrade.hpp>
#include <zenwire/engine/journal.hpp>
#include <zenwire/engine/message_queue.hpp>
#include <zenwire/engine/reactor.hpp>

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

}  // namespace
}  // namespace zenwire
