// Secrets in what is received: they are in no recording and no journal, however they came, and the
// journal is done again all the same.

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include <zenwire/codec/frame_writer.hpp>
#include <zenwire/engine/journal.hpp>
#include <zenwire/engine/reactor.hpp>
#include <zenwire/engine/recorder.hpp>
#include <zenwire/testing/sim_peer.hpp>
#include <zenwire/testing/sim_world.hpp>

#include "recording_file.hpp"
#include "temporary_directory.hpp"
#include "tls_files.hpp"

namespace zenwire {
namespace {

using testing::SimPeer;
using testing::SimWorld;
using Texts = std::vector<std::string>;

constexpr Instant_ns kLimit_ns = 60'000'000'000;
constexpr std::string_view kKey = R"("token":")";

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

std::string tell(const JournalReport& report) {
  if (!report.divergence) return "none";
  const JournalDivergence& at = *report.divergence;
  return "event " + std::to_string(at.event) + " at byte " + std::to_string(at.byte) +
         ": expected " + at.expected + ", got " + at.got;
}

// A text with as many tokens, each of them another, and so many bytes between them.
std::string with_tokens(std::size_t count, std::size_t between = 0) {
  std::string text = "[";
  for (std::size_t i = 0; i < count; ++i) {
    text += (i == 0 ? "{" : ",{") + std::string(kKey) + "SECRET-" +
            std::to_string(1'000'000 + i * 7919) + R"(-größer","n":")" +
            std::string(between, static_cast<char>('a' + i % 26)) + "\"}";
  }
  return text + "]";
}

// As it is to be kept.
std::string without_tokens(std::string text) {
  for (std::size_t at = text.find(kKey); at != std::string::npos; at = text.find(kKey, at)) {
    at += kKey.size();
    const std::size_t end = text.find('"', at);
    std::fill(text.begin() + static_cast<std::ptrdiff_t>(at),
              text.begin() + static_cast<std::ptrdiff_t>(end), '*');
  }
  return text;
}

// A program that hides the tokens it is told, and keeps what it was told.
struct Listener {
  Texts heard;
  int opened = 0;
  int ended = 0;
  bool hides = true;

  void on_open(Connection&) noexcept { ++opened; }
  void on_message(Connection& connection, const Message& message) noexcept {
    heard.emplace_back(message.text());
    const std::string_view text = message.text();
    for (std::size_t at = text.find(kKey); hides && at != text.npos; at = text.find(kKey, at)) {
      at += kKey.size();
      connection.hide(message.payload.subspan(at, text.find('"', at) - at));
    }
  }
  void on_closed(Connection&, const Closed&) noexcept { ++ended; }
  void on_failed(Connection&, const OpenFailure& failure) noexcept {
    ADD_FAILURE() << name(failure.error.code()) << ": " << failure.error.detail();
  }
  ConnectionHandlers handlers() {
    return {
        .on_open = Callback<Connection&>::to<&Listener::on_open>(*this),
        .on_message = Callback<Connection&, const Message&>::to<&Listener::on_message>(*this),
        .on_closed = Callback<Connection&, const Closed&>::to<&Listener::on_closed>(*this),
        .on_failed = Callback<Connection&, const OpenFailure&>::to<&Listener::on_failed>(*this)};
  }
};

// Two reactors in a simulated world; one of them, the keeper, with a journal and a recording.
class HiddenValues : public ::testing::Test {
 protected:
  [[nodiscard]] std::string journal() const { return directory_.path() + "/run.journal"; }
  [[nodiscard]] std::string recording() const { return directory_.path() + "/run.jsonl"; }

  static ReactorOptions options() {
    ReactorOptions options;
    options.idle = Idle::block;
    options.prefault = false;
    options.connections_max = 2;
    options.receive_buffer_bytes = 4096;
    options.send_buffer_bytes = 16'384;
    options.large_buffers = 4;
    options.message_bytes_max = 1 << 20;
    options.log = Callback<std::string_view>([](void*, std::string_view) noexcept {});
    return options;
  }
  static std::unique_ptr<Reactor> add_reactor(SimWorld& world, const ReactorOptions& options) {
    auto reactor = Reactor::create(options, world.make_reactor_io()).value();
    world.add(*reactor);
    return reactor;
  }
  static void end(SimWorld& world, std::unique_ptr<Reactor>& reactor) {
    world.remove(*reactor);
    reactor.reset();
    EXPECT_TRUE(world.violations().empty()) << world.violations().front();
  }

  // With the program's calls, and without the program.
  Texts replay_as_client(const ConnectOptions& connecting) const {
    auto replay = JournalReplay::open(journal()).value();
    Listener again;
    auto reactor = replay.reactor().value();
    const auto id = reactor->connect(connecting, again.handlers());
    EXPECT_TRUE(id.has_value());
    while (!replay.ended()) reactor->poll(false);
    EXPECT_EQ(tell(replay.report()), "none");
    return again.heard;
  }
  void expect_replays() const {
    auto replay = JournalReplay::open(journal()).value();
    const auto report = replay.run();
    ASSERT_TRUE(report.has_value());
    EXPECT_EQ(tell(*report), "none");
  }

  // A reactor that keeps a journal and dials a peer, in a world of their own.
  struct Keeper {
    template <typename Done>
    bool until(Done done) {
      return world.run_until([&] { return static_cast<void>(peer.read()), done(); }, kLimit_ns);
    }

    SimWorld world{1};
    SimPeer peer{world};
    ConnectOptions connecting;
    Listener listener;
    std::unique_ptr<Reactor> reactor;
    ConnectionId id;
  };
  void dial(Keeper& keeper) const {
    keeper.connecting.url = "ws://" + keeper.peer.listen().text() + "/";
    keeper.connecting.limits.message_bytes_max = 1 << 20;
    ReactorOptions keeping = options();
    keeping.journal = journal();
    keeper.reactor = add_reactor(keeper.world, keeping);
    keeper.id = keeper.reactor->connect(keeper.connecting, keeper.listener.handlers()).value();
  }
  void open(Keeper& keeper) const {
    dial(keeper);
    ASSERT_TRUE(keeper.until([&] { return keeper.peer.accept(); }));
    ASSERT_TRUE(keeper.until([&] { return keeper.peer.answer_upgrade(); }));
    ASSERT_TRUE(keeper.until([&] { return keeper.listener.opened == 1; }));
  }

  test::TemporaryDirectory directory_;
};

// --- One stream, cut anywhere.

std::string frame(Opcode opcode, std::string_view payload, bool fin) {
  std::string bytes(frame_bytes(Role::server, payload.size()), '\0');
  write_frame(reinterpret_cast<std::byte*>(bytes.data()), Role::server, opcode, as_bytes(payload),
              0, fin);
  return bytes;
}

TEST_F(HiddenValues, are_not_kept_wherever_a_stream_of_fragments_is_cut) {
  const std::string text = with_tokens(2);
  const std::size_t middle = text.find("SECRET") + 4;
  const std::string stream =
      frame(Opcode::text, "before", true) + frame(Opcode::ping, "?", true) +
      frame(Opcode::text, text.substr(0, middle), false) + frame(Opcode::ping, "!", true) +
      frame(Opcode::continuation, "", false) +
      frame(Opcode::continuation, text.substr(middle), true) + frame(Opcode::text, "after", true);
  const Texts kept{"before", without_tokens(text), "after"};
  for (std::size_t cut = 0; cut < stream.size(); ++cut) {
    SCOPED_TRACE("cut at " + std::to_string(cut));
    Keeper keeper;
    ASSERT_NO_FATAL_FAILURE(open(keeper));
    keeper.peer.write(stream.substr(0, cut));
    ASSERT_TRUE(keeper.until(
        [&] { return keeper.reactor->find(keeper.id)->counters().bytes_received >= cut; }));
    keeper.peer.write(stream.substr(cut));
    ASSERT_TRUE(keeper.until([&] { return keeper.listener.heard.size() == 3; }));
    keeper.peer.finish();
    ASSERT_TRUE(keeper.until([&] { return keeper.listener.ended == 1; }));
    EXPECT_FALSE(keeper.reactor->journal_error().has_value());
    end(keeper.world, keeper.reactor);
    EXPECT_EQ(keeper.listener.heard[1], text);
    EXPECT_EQ(read_file(journal()).find("SECRET"), std::string::npos);
    EXPECT_TRUE(replay_as_client(keeper.connecting) == kept);
  }
}

// Behind the upgrade, in the same segment.
TEST_F(HiddenValues, are_not_kept_of_what_comes_with_the_upgrade) {
  Keeper keeper;
  dial(keeper);
  SimPeer& peer = keeper.peer;
  ASSERT_TRUE(keeper.world.run_until([&] { return peer.accept(); }, kLimit_ns));
  ASSERT_TRUE(keeper.world.run_until([&] { return peer.read().ends_with("\r\n\r\n"); }, kLimit_ns));
  ASSERT_TRUE(peer.answer_upgrade());
  peer.write(frame(Opcode::text, with_tokens(1), true) + frame(Opcode::text, "after", true));
  ASSERT_TRUE(keeper.until([&] { return keeper.listener.heard.size() == 2; }));
  end(keeper.world, keeper.reactor);
  EXPECT_EQ(read_file(journal()).find("SECRET"), std::string::npos);
  EXPECT_EQ(replay_as_client(keeper.connecting), (Texts{without_tokens(with_tokens(1)), "after"}));
}

// A value in more pieces than are remembered cannot be found again.
TEST_F(HiddenValues, of_too_many_pieces_end_the_journal_before_the_message) {
  Keeper keeper;
  ASSERT_NO_FATAL_FAILURE(open(keeper));
  const std::string before = frame(Opcode::text, "before", true);
  const std::string stream = before + frame(Opcode::text, with_tokens(9), true);
  keeper.peer.write(before);
  for (std::size_t at = before.size(); at < stream.size(); ++at) {
    ASSERT_TRUE(keeper.until(
        [&] { return keeper.reactor->find(keeper.id)->counters().bytes_received >= at; }));
    keeper.peer.write(stream.substr(at, 1));
  }
  ASSERT_TRUE(keeper.until([&] { return keeper.listener.heard.size() == 2; }));
  EXPECT_EQ(keeper.listener.heard[1], with_tokens(9));
  const auto error = keeper.reactor->journal_error();
  ASSERT_TRUE(error.has_value());
  EXPECT_EQ(error->code(), Errc::recording_failed);
  EXPECT_NE(error->detail().find("a secret"), std::string_view::npos);
  end(keeper.world, keeper.reactor);
  EXPECT_EQ(read_file(journal()).find("SECRET"), std::string::npos);
  EXPECT_NE(read_file(journal()).find("before"), std::string::npos);
  expect_replays();
}

// The helpers give memory back whose segment is done with; the file is there still.
TEST(RecordingFile, is_written_over_in_memory_and_behind_it) {
  const test::TemporaryDirectory directory;
  constexpr std::size_t kSegment_bytes = 64 * 1024;
  const std::string path = directory.path() + "/file";
  auto file = detail::RecordingFile::open({.path = path, .segment_bytes = kSegment_bytes}).value();
  constexpr std::size_t kWritten_bytes = kSegment_bytes + 100;
  ASSERT_TRUE(file->wait_for_room(file->begin(), kWritten_bytes, 60'000'000'000));
  std::memset(file->begin(), 'x', kWritten_bytes);
  file->publish(file->begin() + kWritten_bytes);
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (file->stats().segments_synced == 0 && std::chrono::steady_clock::now() < give_up)
    std::this_thread::yield();
  ASSERT_GE(file->stats().segments_synced, 1U);
  for (const std::uint64_t offset : {std::uint64_t{10}, std::uint64_t{kSegment_bytes + 10}}) {
    std::array<std::byte, 3> back{};
    EXPECT_TRUE(file->overwrite(offset, as_bytes("abc")));
    EXPECT_TRUE(file->read_back(offset, back));
    EXPECT_EQ(as_text(back), "abc");
  }
  EXPECT_FALSE(file->overwrite(std::uint64_t{1} << 63, as_bytes("abc")));
  EXPECT_EQ(file->error()->code(), Errc::recording_failed);
  file->cut(kSegment_bytes + 11);
  EXPECT_FALSE(file->close().has_value());  // the refusal above
  std::string expected(kSegment_bytes + 11, 'x');
  expected.replace(10, 3, "abc").replace(kSegment_bytes + 10, 1, "a");
  EXPECT_EQ(read_file(path), expected);
}

// --- Both ends, over every kind of stream, with everything that a network does to it.

struct StreamCase {
  const char* name;
  Role keeper;
  bool secure;
  bool deflate;
};

class HiddenInStreams : public HiddenValues, public ::testing::WithParamInterface<StreamCase> {
 protected:
  // Accepts for whoever is the server.
  void accept(Connection& connection) noexcept {
    accepted_ = connection.id();
    for (const auto& add : {server_listener_->handlers()}) {
      ZW_ASSERT(connection.on_message.add(add.on_message).has_value());
      ZW_ASSERT(connection.on_closed.add(add.on_closed).has_value());
    }
    ++server_listener_->opened;
  }

  ListenOptions listening() {
    ListenOptions options;
    options.secure = GetParam().secure;
    if (options.secure) options.tls = test::server_tls();
    options.deflate.enabled = GetParam().deflate;
    options.limits.message_bytes_max = 1 << 20;
    options.on_open = Callback<Connection&>::to<&HiddenInStreams::accept>(*this);
    return options;
  }
  ConnectOptions connecting(std::uint16_t port) const {
    ConnectOptions options{.url = (GetParam().secure ? "wss://localhost:" : "ws://127.0.0.1:") +
                                  std::to_string(port) + "/"};
    if (GetParam().secure) options.tls = test::client_tls();
    options.deflate.enabled = GetParam().deflate;
    options.limits.message_bytes_max = 1 << 20;
    return options;
  }

  Listener* server_listener_ = nullptr;
  ConnectionId accepted_;
};

TEST_P(HiddenInStreams, are_not_kept_and_it_is_done_again_without_them) {
  const bool keeps_client = GetParam().keeper == Role::client;
  const Texts sent{"hello",        with_tokens(1),       "in between", with_tokens(20, 200),
                   with_tokens(1), with_tokens(32, 300), "the end"};
  Texts kept;
  for (const std::string& text : sent) kept.push_back(without_tokens(text));
  for (std::uint64_t seed = 1; seed <= 8; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    SimWorld world(seed);
    world.add_host("localhost", {Address::from_literal("127.0.0.1", 0).value()});
    ReactorOptions keeping = options();
    keeping.journal = journal();
    auto server = add_reactor(world, keeps_client ? options() : keeping);
    auto client = add_reactor(world, keeps_client ? keeping : options());
    Listener told;
    Listener teller;
    teller.hides = false;
    server_listener_ = keeps_client ? &teller : &told;
    const std::uint16_t port = server->listen(listening())->port();
    const auto id =
        client->connect(connecting(port), (keeps_client ? told : teller).handlers()).value();
    ASSERT_TRUE(world.run_until([&] { return told.opened == 1 && teller.opened == 1; }, kLimit_ns));
    std::filesystem::remove(recording());
    auto recorder = Recorder::open({.path = recording()}).value();
    (keeps_client ? client->find(id) : server->find(accepted_))->record_to(&recorder);
    world.faults() = {.short_read = 300'000, .split = 300'000, .spurious = 100'000};
    for (std::size_t i = 0; i < sent.size(); ++i) {
      Connection* const at = keeps_client ? server->find(accepted_) : client->find(id);
      ASSERT_EQ(at->send_text(sent[i]), Errc::ok);
      ASSERT_TRUE(world.run_until([&] { return told.heard.size() == i + 1; }, kLimit_ns));
    }
    EXPECT_TRUE(told.heard == sent);
    ASSERT_EQ((keeps_client ? server->find(accepted_) : client->find(id))->close(), Errc::ok);
    ASSERT_TRUE(world.run_until([&] { return told.ended == 1 && teller.ended == 1; }, kLimit_ns));
    EXPECT_FALSE((keeps_client ? client : server)->journal_error().has_value());
    end(world, client);
    end(world, server);
    ASSERT_TRUE(recorder.close().has_value());
    const std::string recorded = read_file(recording());
    EXPECT_EQ(recorded.find("SECRET"), std::string::npos);
    EXPECT_NE(recorded.find(R"({\"token\":\"***)"), std::string::npos);
    EXPECT_NE(recorded.find(R"("redacted":true)"), std::string::npos);
    EXPECT_NE(recorded.find("in between"), std::string::npos);
    EXPECT_EQ(read_file(journal()).find("SECRET"), std::string::npos);
    expect_replays();
    if (keeps_client) {
      EXPECT_TRUE(replay_as_client(connecting(port)) == kept);
      continue;
    }
    auto replay = JournalReplay::open(journal()).value();
    auto reactor = replay.reactor().value();
    Listener again;
    server_listener_ = &again;
    ASSERT_TRUE(reactor->listen(listening()).has_value());
    while (!replay.ended()) reactor->poll(false);
    EXPECT_EQ(tell(replay.report()), "none");
    EXPECT_TRUE(again.heard == kept);
  }
}

INSTANTIATE_TEST_SUITE_P(Streams, HiddenInStreams,
                         ::testing::Values(StreamCase{"client", Role::client, false, false},
                                           StreamCase{"client_deflate", Role::client, false, true},
                                           StreamCase{"client_tls", Role::client, true, false},
                                           StreamCase{"client_both", Role::client, true, true},
                                           StreamCase{"server", Role::server, false, false},
                                           StreamCase{"server_deflate", Role::server, false, true},
                                           StreamCase{"server_tls", Role::server, true, false},
                                           StreamCase{"server_both", Role::server, true, true}),
                         [](const auto& at) { return std::string(at.param.name); });

}  // namespace
}  // namespace zenwire
