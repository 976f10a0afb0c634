// TelemetryPage and TelemetryReader: what one writes the other reads, through the file; names that
// are taken, pages that are damaged; and a reactor whose counters another mapping sees.

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <zenwire/engine/journal.hpp>
#include <zenwire/engine/message_queue.hpp>
#include <zenwire/engine/reactor.hpp>
#include <zenwire/engine/request_table.hpp>
#include <zenwire/engine/session.hpp>
#include <zenwire/engine/telemetry_page.hpp>
#include <zenwire/engine/telemetry_reader.hpp>
#include <zenwire/testing/random.hpp>

#include "loop.hpp"
#include "temporary_directory.hpp"

namespace zenwire {
namespace {

using telemetry::FieldKind;

struct Counts {
  std::uint64_t apples = 0;
  std::uint64_t pears = 0;
};
constexpr TelemetryField kCountFields[] = {{"apples"}, {"pears", FieldKind::gauge}};

// Of this process alone, so that tests may run at the same time.
std::string own_name(const char* suffix) {
  return "test-" + std::to_string(getpid()) + "-" + suffix;
}

std::unique_ptr<TelemetryPage> make(const std::string& name) {
  auto page = TelemetryPage::create({.name = name, .data_bytes = 1 << 20});
  EXPECT_TRUE(page) << page.error().detail();
  return std::move(*page);
}

TEST(TelemetryPage, a_reader_sees_what_is_counted) {
  const std::string name = own_name("counts");
  const auto page = make(name);
  const auto block = *page->add<Counts>("fruit", kCountFields);
  page->set_label(block.entry, "basket 1");
  const auto reader = *TelemetryReader::open(name);
  EXPECT_EQ(reader.name(), name);
  EXPECT_EQ(reader.pid(), static_cast<std::uint64_t>(getpid()));
  EXPECT_TRUE(reader.is_writer_alive());
  block.data->apples = 7;
  block.data->pears = 9;
  const auto readings = reader.read();
  ASSERT_EQ(readings.size(), 1u);
  EXPECT_EQ(readings[0].group, "fruit");
  EXPECT_EQ(readings[0].label, "basket 1");
  ASSERT_EQ(readings[0].counters.size(), 2u);
  EXPECT_EQ(readings[0].counters[0].name, "apples");
  EXPECT_EQ(readings[0].counters[0].value, 7u);
  EXPECT_EQ(readings[0].counters[1].kind, FieldKind::gauge);
  EXPECT_EQ(readings[0].counters[1].value, 9u);
}

TEST(TelemetryPage, a_histogram_reads_as_it_was_recorded) {
  const std::string name = own_name("histogram");
  const auto page = make(name);
  const auto block = *page->add_histogram<7>("round_trip", {"private/buy", FieldKind::nanoseconds});
  page->set_label(block.entry, "session 1");
  testing::Random random(7);
  for (int i = 0; i < 10'000; ++i) block.data->record(random.skewed(MethodHistogram::kValue_max));
  block.data->record(12'345);
  const auto readings = TelemetryReader::open(name)->read();
  ASSERT_EQ(readings.size(), 1u);
  const HistogramReading& reading = readings[0].histogram;
  EXPECT_EQ(readings[0].histogram_name, "private/buy");
  EXPECT_EQ(reading.count, block.data->count());
  EXPECT_EQ(reading.p50, block.data->percentile(50));
  EXPECT_EQ(reading.p99, block.data->percentile(99));
  EXPECT_EQ(reading.p99_9, block.data->percentile(99.9));
  EXPECT_EQ(reading.max, block.data->max());
  EXPECT_EQ(reading.min, block.data->min());
  EXPECT_EQ(reading.last, 12'345u);
}

TEST(TelemetryPage, latency_stages_are_one_recorder) {
  const std::string name = own_name("latency");
  auto page = TelemetryPage::create({.name = name});
  ASSERT_TRUE(page);
  LatencyRecorder* const latency = *(*page)->add_latency("core 1");
  latency->mark(Stage::framed, 100, 1'100);
  const auto readings = TelemetryReader::open(name)->read();
  ASSERT_EQ(readings.size(), kStages);
  for (std::size_t i = 0; i < kStages; ++i) {
    EXPECT_EQ(readings[i].histogram_name, zenwire::name(static_cast<Stage>(i)));
    EXPECT_EQ(readings[i].histogram.count, i == 1 ? 1u : 0u);
  }
}

TEST(TelemetryPage, a_private_page_is_only_memory) {
  const auto page = make("");
  EXPECT_FALSE(page->is_shared());
  const auto block = *page->add<Counts>("fruit", kCountFields);
  page->set_label(block.entry, "nowhere");
  ++block.data->apples;
  EXPECT_EQ((*page->add_latency(""))->ticks(Stage::framed).count(), 0u);
}

TEST(TelemetryPage, a_name_is_taken_while_its_owner_lives) {
  const std::string name = own_name("taken");
  auto page = make(name);
  const auto second = TelemetryPage::create({.name = name});
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code(), Errc::telemetry_name_in_use);
  page.reset();
  EXPECT_EQ(TelemetryReader::open(name).error().code(), Errc::telemetry_not_found);
  EXPECT_TRUE(TelemetryPage::create({.name = name}));
}

TEST(TelemetryPage, what_is_no_page_is_refused_as_malformed) {
  const std::string name = own_name("malformed");
  const std::string path = "/dev/shm/zenwire." + name;
  std::ofstream(path) << std::string(8192, 'x');
  const auto reader = TelemetryReader::open(name);
  std::filesystem::remove(path);
  ASSERT_FALSE(reader);
  EXPECT_EQ(reader.error().code(), Errc::telemetry_malformed);
}

TEST(TelemetryPage, what_a_killed_process_left_is_told_and_replaced) {
  const std::string name = own_name("killed");
  int ready[2];
  ASSERT_EQ(pipe(ready), 0);
  const pid_t child = fork();
  if (child == 0) {
    const auto page = TelemetryPage::create({.name = name});
    static_cast<void>(!write(ready[1], "x", 1));
    pause();
    _exit(page ? 0 : 1);
  }
  char byte = 0;
  ASSERT_EQ(read(ready[0], &byte, 1), 1);
  const auto reader = *TelemetryReader::open(name);
  EXPECT_TRUE(reader.is_writer_alive());
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  EXPECT_FALSE(reader.is_writer_alive());
  EXPECT_FALSE(reader.has_ended());
  const auto page = TelemetryPage::create({.name = name});
  EXPECT_TRUE(page);
  close(ready[0]);
  close(ready[1]);
}

TEST(TelemetryPage, a_reader_outlives_the_writer) {
  const std::string name = own_name("outlived");
  auto page = make(name);
  const auto block = *page->add<Counts>("fruit", kCountFields);
  page->set_label(block.entry, "basket");
  block.data->apples = 3;
  const auto reader = *TelemetryReader::open(name);
  page.reset();
  EXPECT_TRUE(reader.has_ended());
  EXPECT_FALSE(reader.is_writer_alive());
  EXPECT_EQ(reader.read()[0].counters[0].value, 3u);
}

TEST(TelemetryPage, a_released_block_is_not_read_and_is_given_to_the_next_that_is_alike) {
  for (const std::string& name : {own_name("released"), std::string()}) {
    const auto page = make(name);
    const auto first = *page->add<Counts>("fruit", kCountFields);
    page->set_label(first.entry, "basket 1");
    first.data->apples = 7;
    page->release(first.entry);
    if (!name.empty()) {
      EXPECT_TRUE(TelemetryReader::open(name)->read().empty());
      constexpr TelemetryField kOther[] = {{"nuts"}, {"figs"}};
      EXPECT_NE(page->add<Counts>("dried", kOther)->data, first.data);
    }
    const auto again = *page->add<Counts>("fruit", kCountFields);
    EXPECT_EQ(again.data, first.data);
    EXPECT_EQ(again.data->apples, 0u) << "it is a new block's";
    EXPECT_NE(page->add<Counts>("fruit", kCountFields)->data, first.data);
  }
}

TEST(TelemetryPage, a_row_of_histograms_is_one_object_and_comes_again_as_one) {
  struct Two {
    MethodHistogram first;
    MethodHistogram second;
  };
  constexpr TelemetryField kTwoFields[] = {{"first", FieldKind::nanoseconds},
                                           {"second", FieldKind::nanoseconds}};
  const std::string name = own_name("row");
  const auto page = make(name);
  std::array<std::uint32_t, 2> entries{};
  Two* const two = *page->add_histograms<7, Two>("pair", kTwoFields, entries);
  for (const std::uint32_t entry : entries) page->set_label(entry, "x");
  two->second.record(12);
  const auto readings = TelemetryReader::open(name)->read();
  ASSERT_EQ(readings.size(), 2u);
  EXPECT_EQ(readings[0].histogram.count, 0u);
  EXPECT_EQ(readings[1].histogram_name, "second");
  EXPECT_EQ(readings[1].histogram.last, 12u);
  for (const std::uint32_t entry : entries) page->release(entry);
  Two* const again = *page->add_histograms<7, Two>("pair", kTwoFields, entries);
  EXPECT_EQ(again, two);
  EXPECT_EQ(again->second.count(), 0u);
}

TEST(TelemetryPage, samples_are_taken_until_they_die) {
  const auto page = make("");
  std::vector<std::string> taken;
  const auto a = [&](std::uint64_t now_ns) noexcept {
    taken.push_back("a" + std::to_string(now_ns));
  };
  const auto b = [&](std::uint64_t now_ns) noexcept {
    taken.push_back("b" + std::to_string(now_ns));
  };
  TelemetrySample first(Callback<std::uint64_t>::to(a));
  page->sample_by(first);
  {
    TelemetrySample second(Callback<std::uint64_t>::to(b));
    page->sample_by(second);
    page->sample(1);
  }
  page->sample(2);
  EXPECT_EQ(taken, (std::vector<std::string>{"b1", "a1", "a2"}));
}

TEST(TelemetryPage, names_that_are_none_are_refused) {
  for (const char* name : {"a/b", "../x", "sp ace", "ümlaut"}) {
    const auto page = TelemetryPage::create({.name = name});
    ASSERT_FALSE(page) << name;
    EXPECT_EQ(page.error().code(), Errc::invalid_option) << name;
  }
  EXPECT_FALSE(TelemetryPage::create({.name = std::string(48, 'x')}));
  EXPECT_EQ(TelemetryReader::open("../../etc/passwd").error().code(), Errc::telemetry_not_found);
}

TEST(TelemetryPage, a_full_page_says_so_and_stays_readable) {
  const std::string name = own_name("full");
  auto page = TelemetryPage::create({.name = name, .data_bytes = 256, .entries_max = 4});
  ASSERT_TRUE(page);
  ASSERT_TRUE((*page)->add<Counts>("fruit", kCountFields));
  ASSERT_TRUE((*page)->add<Counts>("fruit", kCountFields));
  const auto third = (*page)->add<Counts>("fruit", kCountFields);
  ASSERT_FALSE(third);
  EXPECT_EQ(third.error().code(), Errc::telemetry_full);
  EXPECT_TRUE(TelemetryReader::open(name));
}

// A page of another build, or one that something wrote over: never a crash.
TEST(TelemetryReader, a_damaged_page_is_refused_or_read_within_its_bounds) {
  const std::string name = own_name("damaged");
  const std::string path = "/dev/shm/zenwire." + name;
  std::string good;
  {
    const auto page = make(name);
    const auto block = *page->add<Counts>("fruit", kCountFields);
    page->set_label(block.entry, "basket");
    page->set_label(page->add_histogram<7>("h", {"h", FieldKind::nanoseconds})->entry, "h");
    std::ifstream file(path, std::ios::binary);
    good.assign(std::istreambuf_iterator<char>(file), {});
  }
  const std::size_t tables = 256 + 3 * sizeof(telemetry::PageEntry);
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    testing::Random random(seed);
    std::string bad = good;
    for (std::uint64_t i = random.between(1, 6); i > 0; --i)
      bad[random.below(tables)] = static_cast<char>(random.below(256));
    if (random.below(4) == 0) bad.resize(random.below(bad.size()));
    std::ofstream(path, std::ios::binary | std::ios::trunc) << bad;
    const auto reader = TelemetryReader::open(name);
    if (reader) static_cast<void>(reader->read());
  }
  unlink(path.c_str());
  SUCCEED();
}

TEST(TelemetryReader, names_what_there_is) {
  const std::string name = own_name("listed");
  const auto page = make(name);
  const auto names = TelemetryReader::names();
  EXPECT_NE(std::find(names.begin(), names.end(), name), names.end());
  EXPECT_EQ(TelemetryReader::open_pid(static_cast<std::uint64_t>(getpid()))->name(), name);
  const auto none = TelemetryReader::open(own_name("absent"));
  ASSERT_FALSE(none);
  EXPECT_NE(none.error().detail().find("there is"), std::string_view::npos);
}

TEST(TelemetryReader, sees_a_request_tables_counters_and_round_trips) {
  const std::string name = own_name("requests");
  const auto page = make(name);
  MethodTable methods;
  const MethodId buy = methods.intern("private/buy");
  RequestTable table({.requests_max = 4});
  ASSERT_TRUE(table.publish(*page, methods, "session 1"));
  const auto ignore = [](void*, const RequestEnd&) noexcept {};
  ASSERT_EQ(table.begin({1, buy, kNever_ns, ignore}, {{0, 1}, 0, 100}).code, Errc::ok);
  table.receive({0, 1}, as_bytes(R"({"id":1,"result":1})"), 350);
  EXPECT_EQ(table.counters().begun, 1u);
  EXPECT_EQ(table.round_trips(buy).count(), 1u);
  const auto readings = TelemetryReader::open(name)->read();
  ASSERT_EQ(readings.size(), 3u);
  EXPECT_EQ(readings[0].counters[1].name, "answered");
  EXPECT_EQ(readings[0].counters[1].value, 1u);
  EXPECT_EQ(readings[2].histogram_name, "private/buy");
  EXPECT_EQ(readings[2].histogram.count, 1u);
}

TEST(TelemetryReader, sees_a_reactor) {
  const std::string name = own_name("reactor");
  auto reactor = Reactor::create({.idle = Idle::block,
                                  .connections_max = 4,
                                  .large_buffers = 1,
                                  .message_bytes_max = 65'536,
                                  .telemetry_name = name,
                                  .log = [](void*, std::string_view) noexcept {}});
  ASSERT_TRUE(reactor) << reactor.error().detail();
  const auto reader = *TelemetryReader::open(name);
  for (int i = 0; i < 10; ++i) (*reactor)->poll();
  const auto readings = reader.read();
  ASSERT_EQ(readings.size(), 1u);
  EXPECT_EQ(readings[0].group, "reactor");
  EXPECT_EQ(readings[0].counters[0].name, "turns");
  EXPECT_EQ(readings[0].counters[0].value, (*reactor)->counters().turns);
  EXPECT_GE(readings[0].counters[0].value, 10u);
}

// --- What is sampled: queues, outboxes, sessions.

std::uint64_t value_of(const std::vector<EntryReading>& readings, std::string_view group,
                       std::string_view field) {
  for (const EntryReading& entry : readings) {
    for (const CounterReading& counter : entry.counters)
      if (entry.group == group && counter.name == field) return counter.value;
  }
  ADD_FAILURE() << group << " " << field;
  return 0;
}

std::size_t count_of(const std::vector<EntryReading>& readings, std::string_view group) {
  return static_cast<std::size_t>(
      std::count_if(readings.begin(), readings.end(),
                    [&](const EntryReading& entry) { return entry.group == group; }));
}

ReactorOptions named(const std::string& name) {
  return {.connections_max = 8,
          .large_buffers = 1,
          .message_bytes_max = 65'536,
          .telemetry_name = name,
          .log = [](void*, std::string_view) noexcept {}};
}

TEST(SampledTelemetry, shows_how_full_queues_are_and_what_they_dropped) {
  const std::string name = own_name("queues");
  auto reactor = test::make_reactor(named(name));
  auto queue =
      MessageQueue::make({.capacity_bytes = 4096, .on_full = FullPolicy::drop_newest}).value();
  auto outbox = Outbox::make({.capacity_bytes = 4096}).value();
  ASSERT_TRUE(reactor->attach(*outbox, {}).has_value());
  Connection* client = nullptr;
  ListenOptions listening;
  listening.on_open = [](void*, Connection& connection) noexcept {
    for (int i = 0; i < 200; ++i) EXPECT_EQ(connection.send_text("one of many"), Errc::ok);
  };
  listening.limits.message_bytes_max = 65'536;
  const std::uint16_t port = reactor->listen(listening)->port();
  const auto on_open = [&](Connection& connection) noexcept {
    client = &connection;
    connection.deliver_to(queue.get());
  };
  ConnectOptions connecting{.url = "ws://127.0.0.1:" + std::to_string(port) + "/"};
  connecting.limits.message_bytes_max = 65'536;
  ASSERT_TRUE(
      reactor->connect(connecting, {.on_open = Callback<Connection&>::to(on_open)}).has_value());
  ASSERT_TRUE(test::run_until(
      *reactor, [&] { return client != nullptr && client->counters().messages_received == 200; }));
  const auto reader = *TelemetryReader::open(name);
  const MessageQueueStatistics counted = queue->statistics();
  EXPECT_GT(counted.dropped, 0u);
  ASSERT_TRUE(test::run_until(*reactor, [&] {
    const auto readings = reader.read();
    return count_of(readings, "queue") == 1 &&
           value_of(readings, "queue", "dropped") == counted.dropped;
  }));
  auto readings = reader.read();
  EXPECT_EQ(value_of(readings, "queue", "pushed"), counted.pushed);
  EXPECT_EQ(value_of(readings, "queue", "capacity_bytes"), 4096u);
  EXPECT_EQ(value_of(readings, "queue", "used_bytes"), queue->used_bytes());
  EXPECT_GT(queue->used_bytes(), 2048u);
  EXPECT_EQ(value_of(readings, "outbox", "capacity_bytes"), 4096u);
  // Emptied, it is empty; left, it is gone.
  while (queue->try_read()) queue->release();
  ASSERT_TRUE(test::run_until(*reactor,
                              [&] { return value_of(reader.read(), "queue", "used_bytes") == 0; }));
  client->deliver_to(nullptr);
  reactor->detach(*outbox);
  ASSERT_TRUE(test::run_until(*reactor, [&] {
    const auto now = reader.read();
    return count_of(now, "queue") + count_of(now, "outbox") == 0;
  }));
}

TEST(SampledTelemetry, shows_a_sessions_beats_latencies_and_rate_limiter_and_forgets_them_with_it) {
  const std::string name = own_name("session");
  auto reactor = test::make_reactor(named(name));
  ListenOptions listening;
  listening.limits.message_bytes_max = 65'536;
  const std::uint16_t port = reactor->listen(listening)->port();
  MethodTable methods;
  auto limiter = RateLimiter::create(deribit_rates(), methods, reactor->now_ns()).value();
  SessionOptions options;
  options.connect.url = "ws://127.0.0.1:" + std::to_string(port) + "/";
  options.connect.limits.message_bytes_max = 65'536;
  options.limiter = limiter.get();
  options.heartbeat.kind = HeartbeatKind::ping;
  options.heartbeat.interval = std::chrono::milliseconds(5);
  const auto reader = *TelemetryReader::open(name);
  const auto is_sessions = [](const EntryReading& entry) {
    return entry.group != "reactor" && entry.group != "connection";
  };
  std::size_t blocks = 0;
  for (int round = 1; round <= 2; ++round) {
    auto session = Session::create(*reactor, options).value();
    session->start();
    ASSERT_EQ(limiter->try_take(MethodId::other, reactor->now_ns()), Errc::ok);
    ASSERT_TRUE(test::run_until(
        *reactor, [&] { return value_of(reader.read(), "heartbeat", "answered") >= 2; }));
    const auto readings = reader.read();
    EXPECT_GT(value_of(readings, "heartbeat", "round_trip_ns"), 0u);
    EXPECT_EQ(value_of(readings, "heartbeat", "missed"), session->heartbeat().missed);
    EXPECT_EQ(value_of(readings, "rate_limiter", "granted"), limiter->counters().granted);
    EXPECT_EQ(count_of(readings, "rate_bucket"), limiter->bucket_count());
    EXPECT_GT(value_of(readings, "rate_bucket", "credits_max"), 0u);
    EXPECT_EQ(count_of(readings, "session_latency"), 8u);
    for (const EntryReading& entry : readings) {
      if (entry.group == "session_latency" && entry.histogram_name == "upgrade") {
        EXPECT_EQ(entry.histogram.count, 1u);
      }
    }
    session->stop(std::chrono::nanoseconds(0));
    ASSERT_TRUE(
        test::run_until(*reactor, [&] { return session->state() == SessionState::stopped; }));
    session.reset();
    const auto after = reader.read();
    EXPECT_EQ(std::count_if(after.begin(), after.end(), is_sessions), 0) << "destroyed, yet live";
    const auto counted =
        static_cast<std::size_t>(std::count_if(readings.begin(), readings.end(), is_sessions));
    if (round == 1) blocks = counted;
    EXPECT_EQ(counted, blocks);
  }
}

// The sampling's timer is in the journal's way no more than any other.
TEST(SampledTelemetry, leaves_a_journal_that_is_done_again) {
  const test::TemporaryDirectory directory;
  ReactorOptions options = named(own_name("journal"));
  options.journal = directory.path() + "/run.journal";
  {
    auto reactor = test::make_reactor(options);
    int sampled = 0;
    const auto count = [&](std::uint64_t) noexcept { ++sampled; };
    TelemetrySample sample(Callback<std::uint64_t>::to(count));
    reactor->telemetry().sample_by(sample);
    ASSERT_TRUE(test::run_until(*reactor, [&] { return sampled == 3; }));
  }
  const auto report = JournalReplay::open(options.journal)->run();
  ASSERT_TRUE(report.has_value());
  EXPECT_FALSE(report->divergence.has_value())
      << report->divergence->expected << ", got " << report->divergence->got;
}

}  // namespace
}  // namespace zenwire
