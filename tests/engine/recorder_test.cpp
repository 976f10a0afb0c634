#include <atomic>
#include <cerrno>
#include <csignal>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <zenwire/engine/recorder.hpp>
#include <zenwire/engine/recording.hpp>

#include "recording_files.hpp"
#include "sanitized.hpp"

namespace zenwire {
namespace {

using test::lines_of;
using test::open_recorder;
using test::read_back;
using test::read_file;
using test::Record;
using test::TemporaryDirectory;
using test::write_file;

constexpr std::uint64_t kNs = 1'768'923'045'123'456'789;  // 2026-01-20T15:30:45.123456789Z
constexpr std::size_t kSegment_bytes = 64 * 1024;

RecorderOptions small_segments(const std::string& path) {
  RecorderOptions options;
  options.path = path;
  options.segment_bytes = kSegment_bytes;
  options.window_bytes = 64 * kSegment_bytes;
  return options;
}

// ---- What a line looks like -------------------------------------------------------------------

TEST(Recorder, writes_lines_that_zen_websocket_reads) {
  const TemporaryDirectory directory;
  const std::string path = directory / "a.jsonl";
  Recorder recorder = open_recorder({.path = path});
  const RecordOwner owner{3, 1, 2};
  recorder.append({.ns = kNs, .owner = owner, .payload = as_bytes(R"({"a":"b\n"})")});
  recorder.append({.ns = kNs,
                   .direction = RecordDirection::out,
                   .type = RecordType::binary,
                   .owner = owner,
                   .payload = as_bytes(std::string_view("\0\xff", 2))});
  recorder.append({.ns = kNs + 1'000'000'000,
                   .type = RecordType::close,
                   .owner = owner,
                   .payload = as_bytes("\x03\xe8so \"long\"")});
  recorder.append({.ns = kNs, .type = RecordType::close});
  recorder.append({.ns = kNs, .type = RecordType::ping, .payload = as_bytes("beat")});
  recorder.append({.ns = kNs, .type = RecordType::pong});
  recorder.event({.ns = kNs, .event = "disconnect", .owner = owner, .reason = "closed \"so\""});
  ASSERT_TRUE(recorder.close());
  const std::vector<std::string> expected = {
      R"({"ts":"2026-01-20T15:30:45.123456Z","dir":"in","type":"text","data":"{\"a\":\"b\\n\"}","ns":1768923045123456789,"conn":3,"epoch":1,"session":2,"seq":0})",
      R"({"ts":"2026-01-20T15:30:45.123456Z","dir":"out","type":"binary","data":"AP8=","binary":true,"ns":1768923045123456789,"conn":3,"epoch":1,"session":2,"seq":1})",
      R"({"ts":"2026-01-20T15:30:46.123456Z","dir":"in","type":"close","data":"{\"code\":1000,\"reason\":\"so \\\"long\\\"\"}","ns":1768923046123456789,"conn":3,"epoch":1,"session":2,"seq":2})",
      R"({"ts":"2026-01-20T15:30:45.123456Z","dir":"in","type":"close","data":"{\"code\":1005,\"reason\":\"\"}","ns":1768923045123456789,"conn":0,"epoch":0,"session":0,"seq":3})",
      R"({"ts":"2026-01-20T15:30:45.123456Z","dir":"in","type":"ping","data":"beat","ns":1768923045123456789,"conn":0,"epoch":0,"session":0,"seq":4})",
      R"({"ts":"2026-01-20T15:30:45.123456Z","dir":"in","type":"pong","data":"","ns":1768923045123456789,"conn":0,"epoch":0,"session":0,"seq":5})",
      R"({"ts":"2026-01-20T15:30:45.123456Z","type":"event","event":"disconnect","ns":1768923045123456789,"reason":"closed \"so\"","conn":3,"epoch":1,"session":2,"seq":6})",
  };
  EXPECT_EQ(lines_of(read_file(path)), expected);
}

TEST(Recorder, writes_text_that_is_not_utf8_as_base64) {
  const TemporaryDirectory directory;
  const std::string path = directory / "a.jsonl";
  Recorder recorder = open_recorder({.path = path});
  // Escaped first, found to be no UTF-8 then: all quotes take more room escaped than as base64.
  const std::string bad = std::string(300, '"') + "\xff";
  recorder.append({.ns = kNs, .payload = as_bytes("\xc3\x28")});
  recorder.append({.ns = kNs, .payload = as_bytes(bad)});
  recorder.append({.ns = kNs, .type = RecordType::ping, .payload = as_bytes("\xff")});
  recorder.append({.ns = kNs, .type = RecordType::close, .payload = as_bytes("\x03")});
  recorder.append({.ns = kNs, .type = RecordType::close, .payload = as_bytes("\x03\xed")});
  EXPECT_EQ(read_back(path).problems.torn_bytes, 0u);
  recorder.append({.ns = kNs, .payload = as_bytes("\xc3\xa9")});
  ASSERT_TRUE(recorder.close());
  const auto lines = lines_of(read_file(path));
  ASSERT_EQ(lines.size(), 6u);
  EXPECT_NE(lines[0].find(R"("type":"text","data":"wyg=","binary":true,)"), std::string::npos);
  EXPECT_NE(lines[5].find("\"data\":\"\xc3\xa9\",\"ns\""), std::string::npos);
  const auto back = read_back(path);
  ASSERT_EQ(back.messages.size(), 6u);
  EXPECT_EQ(back.messages[1].payload, bad);
  EXPECT_EQ(back.messages[2].payload, "\xff");
  EXPECT_EQ(back.messages[3].payload, "\x03");
  EXPECT_EQ(back.messages[4].payload, "\x03\xed");  // 1005 on the wire is not "no code"
}

TEST(Recorder, overwrites_secrets_at_equal_length) {
  const TemporaryDirectory directory;
  const std::string path = directory / "a.jsonl";
  Recorder recorder = open_recorder(small_segments(path));
  const std::string text = R"({"key":"s\u00e9cret","id":1,"signature":"abcdef"})";
  const SecretRange secrets[] = {{8, 11}, {text.size() - 8, 6}};
  recorder.append({.ns = kNs, .payload = as_bytes(text), .secrets = secrets});
  // A secret that cuts through a character: no UTF-8 is left on both sides of it.
  const SecretRange half[] = {{1, 1}};
  recorder.append({.ns = kNs, .payload = as_bytes("\xc3\xa9\xc3\xa9"), .secrets = half});
  // Across the chunks that large payloads go in, and beyond the end.
  const std::string large(100'000, 'x');
  const SecretRange across[] = {{10, 50'000}, {99'990, 1'000}};
  for (const RecordType type : {RecordType::text, RecordType::binary}) {
    recorder.append({.ns = kNs, .type = type, .payload = as_bytes(large), .secrets = across});
  }
  ASSERT_TRUE(recorder.close());
  const std::string file = read_file(path);
  EXPECT_EQ(file.find("abcdef"), std::string::npos);
  EXPECT_EQ(file.find("cret"), std::string::npos);
  for (const auto& line : lines_of(file)) {
    EXPECT_NE(line.find(R"("redacted":true})"), std::string::npos);
  }
  const auto back = read_back(path);
  ASSERT_EQ(back.messages.size(), 4u);
  EXPECT_EQ(back.messages[0].payload, R"({"key":"***********","id":1,"signature":"******"})");
  EXPECT_EQ(back.messages[1].payload, "\xc3*\xc3\xa9");
  std::string expected = large;
  expected.replace(10, 50'000, 50'000, '*');
  expected.replace(99'990, 10, 10, '*');
  EXPECT_EQ(back.messages[2].payload, expected);
  EXPECT_EQ(back.messages[3].payload, expected);
}

TEST(Recorder, writes_times_and_numbers_of_every_length) {
  static constexpr std::uint64_t kTimes[] = {0,
                                             1,
                                             999,
                                             1'000'000'000 - 1,
                                             1'000'000'000,
                                             951'782'400'000'000'001,
                                             kNs,
                                             kNs,
                                             kNs - 1,
                                             kNs + 877'000'000,
                                             4'107'542'400'000'000'000,
                                             18'400'000'000'000'000'000u};
  const TemporaryDirectory directory;
  const std::string path = directory / "a.jsonl";
  Recorder recorder = open_recorder({.path = path});
  std::vector<Record> expected;
  for (const std::uint64_t ns : kTimes) {
    for (const std::uint32_t number : {0u, 9u, 10u, 4'294'967'295u}) {
      expected.push_back({ns, RecordDirection::out, RecordType::text, {number, 1, number}, "x"});
      recorder.append(expected.back().view());
    }
  }
  for (int more = 0; more < 1100; ++more) {
    expected.push_back({kNs, RecordDirection::in, RecordType::text, {}, ""});
    recorder.append(expected.back().view());
  }
  ASSERT_TRUE(recorder.close());
  const auto back = read_back(path);
  EXPECT_EQ(back.messages, expected);
  EXPECT_EQ(back.problems.sequence_gaps, 0u);
  EXPECT_EQ(back.problems.malformed_lines, 0u);
  const auto lines = lines_of(read_file(path));
  EXPECT_NE(lines[0].find(R"("ts":"1970-01-01T00:00:00.000000Z")"), std::string::npos);
  EXPECT_NE(lines[0].find(R"("ns":0,)"), std::string::npos);
  EXPECT_NE(lines[20].find(R"("ts":"2000-02-29T00:00:00.000000Z")"), std::string::npos);
  EXPECT_NE(lines.back().find(R"("seq":1147})"), std::string::npos);
}

TEST(Recorder, cuts_what_an_event_says_too_much) {
  const TemporaryDirectory directory;
  const std::string path = directory / "a.jsonl";
  Recorder recorder = open_recorder(small_segments(path));
  const std::string controls(5000, '\x01');
  const std::string accents = "x" + [] {
    std::string text;
    for (int i = 0; i < 2000; ++i) text += "\xc3\xa9";
    return text;
  }();
  const std::vector<EventNumber> numbers(40, EventNumber{controls, ~std::uint64_t{0}});
  recorder.event({.ns = kNs, .event = controls, .reason = controls, .numbers = numbers});
  recorder.event({.ns = kNs, .event = "gap", .reason = accents});
  ASSERT_TRUE(recorder.close());
  const auto back = read_back(path);
  EXPECT_EQ(back.problems.malformed_lines, 0u);
  ASSERT_EQ(back.events.size(), 2u);
  EXPECT_EQ(back.events[0], controls.substr(0, 64));
}

// ---- Nothing lost -----------------------------------------------------------------------------

RC_GTEST_PROP(RecorderProperty, whatever_is_appended_comes_back, (unsigned seed)) {
  RC_LOG() << "seed " << seed;
  std::mt19937 random(seed);
  const TemporaryDirectory directory;
  RecorderOptions options = small_segments(directory / "a.jsonl");
  options.window_bytes = (8 + random() % 8) * kSegment_bytes;
  options.segments_ahead = 1 + test::below(3, random);
  options.fallocate = random() % 4 != 0;
  options.sync = random() % 2 != 0;
  // The disk may be as slow as it likes here.
  options.stall_ns_max = 100'000'000'000;
  std::vector<Record> expected;
  const unsigned rounds = 1 + test::below(3, random);
  std::size_t events = 0;
  for (unsigned round = 0; round < rounds; ++round) {
    Recorder recorder = open_recorder(options);
    for (unsigned i = test::below(60, random); i != 0; --i) {
      if (random() % 8 == 0) {
        recorder.event({.ns = kNs, .event = "gap"});
        ++events;
      }
      const std::size_t bytes = random() % 20 == 0 ? random() % 400'000 : random() % 3'000;
      Record record{kNs + random(),
                    static_cast<RecordDirection>(random() % 2),
                    static_cast<RecordType>(random() % 5),
                    {static_cast<std::uint32_t>(random() % 3), 1, 2},
                    test::random_payload(random, bytes)};
      expected.push_back(record);
      recorder.append(record.view());
    }
    RC_ASSERT(recorder.close().has_value());
    RC_ASSERT(recorder.stats().status.dropped == 0u);
  }
  const auto back = read_back(options.path);
  RC_ASSERT(back.messages == expected);
  RC_ASSERT(back.events.size() == events);
  RC_ASSERT(back.problems.sequence_gaps == 0u);
  RC_ASSERT(back.problems.malformed_lines == 0u);
}

TEST(Recorder, records_messages_far_larger_than_a_segment) {
  const TemporaryDirectory directory;
  RecorderOptions options = small_segments(directory / "a.jsonl");
  options.segments_ahead = 1;
  options.sync = false;
  options.stall_ns_max = 100'000'000'000;
  Recorder recorder = open_recorder(options);
  constexpr std::size_t kMessage_bytes = 16 << 20;
  std::mt19937 random(7);
  std::string noise(kMessage_bytes, '\0');
  for (char& byte : noise) byte = static_cast<char>(random());
  const std::vector<Record> expected = {
      {kNs, RecordDirection::in, RecordType::text, {}, std::string(kMessage_bytes, '\x01')},
      {kNs, RecordDirection::in, RecordType::binary, {}, noise},
      {kNs, RecordDirection::in, RecordType::text, {}, "small again"},
  };
  for (const Record& record : expected) recorder.append(record.view());
  EXPECT_GT(recorder.stats().stalls, 0u);
  EXPECT_EQ(recorder.stats().status.dropped, 0u);
  ASSERT_TRUE(recorder.close());
  EXPECT_TRUE(read_back(options.path).messages == expected);
}

TEST(Recorder, drops_count_and_are_told_of_when_it_may_not_wait) {
  const TemporaryDirectory directory;
  RecorderOptions options = small_segments(directory / "a.jsonl");
  options.stall_ns_max = 0;
  Recorder recorder = open_recorder(options);
  const Record before{kNs, RecordDirection::in, RecordType::text, {}, "before"};
  const Record behind{kNs, RecordDirection::in, RecordType::text, {}, "behind"};
  recorder.append(before.view());
  const std::string large(4 << 20, 'x');  // more than can ever be ready
  for (const RecordType type : {RecordType::text, RecordType::binary}) {
    recorder.append({.ns = kNs, .type = type, .payload = as_bytes(large)});
  }
  EXPECT_EQ(recorder.stats().status.dropped, 2u);
  EXPECT_EQ(recorder.stats().status.dropped_bytes, 2 * large.size());
  EXPECT_EQ(recorder.stats().stalls, 0u);
  EXPECT_FALSE(recorder.error());
  recorder.append(behind.view());
  EXPECT_EQ(recorder.stats().status.records, 2u);
  ASSERT_TRUE(recorder.close());
  const auto lines = lines_of(read_file(options.path));
  ASSERT_EQ(lines.size(), 4u);
  for (const std::size_t told :
       {1u, 2u}) {  // there was room to tell of the first before the second
    EXPECT_NE(lines[told].find(R"("event":"overflow")"), std::string::npos);
    EXPECT_NE(lines[told].find(R"("dropped":1,"dropped_bytes":4194304,)"), std::string::npos);
  }
  const auto back = read_back(options.path);
  EXPECT_EQ(back.messages, (std::vector<Record>{before, behind}));
  EXPECT_EQ(back.problems.sequence_gaps, 0u);
}

TEST(Recorder, tells_of_drops_also_when_it_is_closed_right_then) {
  const TemporaryDirectory directory;
  RecorderOptions options = small_segments(directory / "a.jsonl");
  options.stall_ns_max = 0;
  Recorder recorder = open_recorder(options);
  recorder.append({.ns = kNs, .payload = as_bytes(std::string(4 << 20, 'x'))});
  ASSERT_TRUE(recorder.close());
  EXPECT_EQ(read_back(options.path).events, std::vector<std::string>{"overflow"});
}

TEST(Recorder, tells_other_threads_how_far_it_is) {
  const TemporaryDirectory directory;
  RecorderOptions options = small_segments(directory / "a.jsonl");
  options.status_path = directory / "status";
  options.stall_ns_max = 100'000'000'000;
  Recorder recorder = open_recorder(options);
  std::atomic<bool> done{false};
  std::thread watcher([&] {
    std::uint64_t last = 0;
    while (!done.load(std::memory_order_acquire)) {
      const RecorderStats stats = recorder.stats();
      EXPECT_GE(stats.status.records, last);
      last = stats.status.records;
      EXPECT_FALSE(recorder.error());
    }
  });
  for (int i = 0; i < 5'000; ++i) recorder.append({.ns = kNs, .payload = as_bytes("tick")});
  done.store(true, std::memory_order_release);
  watcher.join();
  const std::string status = read_file(options.status_path);
  ASSERT_EQ(status.size(), sizeof(RecorderStatus));
  RecorderStatus read;
  std::memcpy(&read, status.data(), sizeof read);
  EXPECT_EQ(read.magic, RecorderStatus::kMagic);
  EXPECT_EQ(read.records, 5'000u);
  ASSERT_TRUE(recorder.close());
  EXPECT_EQ(read.bytes, read_file(options.path).size());
  EXPECT_TRUE(recorder.close());  // again: nothing
}

TEST(Recorder, can_be_read_while_it_writes) {
  const TemporaryDirectory directory;
  Recorder recorder = open_recorder(small_segments(directory / "a.jsonl"));
  for (std::size_t i = 0; i < 100; ++i) {
    recorder.append({.ns = kNs, .payload = as_bytes(std::string(i, '"'))});
    const auto back = read_back(directory / "a.jsonl");
    ASSERT_EQ(back.messages.size(), i + 1);
    ASSERT_EQ(back.problems.torn_bytes, 0u);
  }
}

// ---- Opening again ----------------------------------------------------------------------------

TEST(Recorder, continues_where_the_recording_ends) {
  const TemporaryDirectory directory;
  const std::string path = directory / "a.jsonl";
  std::vector<Record> expected;
  for (int round = 0; round < 12; ++round) {
    Recorder recorder = open_recorder({.path = path});
    expected.push_back({kNs, RecordDirection::in, RecordType::text, {}, std::to_string(round)});
    recorder.append(expected.back().view());
  }
  const auto back = read_back(path);
  EXPECT_EQ(back.messages, expected);
  EXPECT_EQ(back.problems.sequence_gaps, 0u);
  EXPECT_TRUE(back.events.empty());
  EXPECT_NE(lines_of(read_file(path)).back().find(R"("seq":11})"), std::string::npos);
}

TEST(Recorder, cut_at_every_byte_loses_the_torn_line_only) {
  const TemporaryDirectory directory;
  const std::string path = directory / "a.jsonl";
  RecorderOptions options = small_segments(path);
  options.sync = false;
  {
    Recorder recorder = open_recorder(options);
    recorder.append({.ns = kNs, .payload = as_bytes(R"({"n":1,"x":"\n,\"seq\":77}"})")});
    recorder.append({.ns = kNs, .type = RecordType::binary, .payload = as_bytes("two")});
    recorder.append({.ns = kNs, .payload = as_bytes("three")});
  }
  const std::string whole = read_file(path);
  for (std::size_t cut = 0; cut <= whole.size(); ++cut) {
    SCOPED_TRACE(cut);
    // What a killed process leaves: the file grown ahead, zeros in it.
    std::string torn = whole.substr(0, cut);
    const std::size_t newline = torn.rfind('\n');
    const std::size_t kept = newline == std::string::npos ? 0 : newline + 1;
    const bool complete = cut > kept && torn.back() == '}' && whole[cut] == '\n';
    write_file(path, torn + std::string(cut % 3 == 0 ? 0 : 9000, '\0'));
    {
      Recorder recorder = open_recorder(options);
      EXPECT_EQ(recorder.stats().torn_bytes, complete ? 0 : cut - kept);
      recorder.append({.ns = kNs, .payload = as_bytes("again")});
    }
    const std::string after = read_file(path);
    ASSERT_EQ(after.substr(0, complete ? cut : kept), torn.substr(0, complete ? cut : kept));
    const auto lines = lines_of(after);
    const auto before = lines_of(torn.substr(0, kept)).size() + (complete ? 1 : 0);
    const bool told = !complete && cut != kept;
    ASSERT_EQ(lines.size(), before + (told ? 2 : 1));
    if (told) {
      EXPECT_NE(lines[before].find("\"torn_bytes\":" + std::to_string(cut - kept)),
                std::string::npos);
    }
    EXPECT_NE(lines.back().find("\"seq\":" + std::to_string(lines.size() - 1) + "}"),
              std::string::npos);
    const auto back = read_back(path);
    EXPECT_EQ(back.problems.malformed_lines, 0u);
    EXPECT_EQ(back.messages.back().payload, "again");
  }
}

TEST(Recorder, appends_to_a_recording_of_zen_websocket) {
  const TemporaryDirectory directory;
  const std::string path = directory / "zen.jsonl";
  const std::string zen =
      R"({"data":"hello","dir":"in","ts":"2026-01-20T15:30:45.123456Z","type":"text"})";
  for (const std::string& end : {std::string("\n"), std::string(), std::string("\n\n")}) {
    write_file(path, zen + end);
    {
      Recorder recorder = open_recorder({.path = path});
      recorder.append({.ns = kNs, .payload = as_bytes("ours")});
    }
    const auto back = read_back(path);
    ASSERT_EQ(back.messages.size(), 2u);
    EXPECT_EQ(back.messages[0].payload, "hello");
    EXPECT_EQ(back.messages[0].ns, 1'768'923'045'123'456'000u);
    EXPECT_EQ(back.messages[1].payload, "ours");
    EXPECT_TRUE(back.events.empty());
  }
}

TEST(Recorder, leaves_files_that_are_no_recording_as_they_are) {
  static constexpr std::string_view kOthers[] = {"root:x:0:0:root:/root:/bin/bash\n",
                                                 "{\n  \"name\": \"package\"\n}\n",
                                                 "[1,2]\n",
                                                 "\x7f"
                                                 "ELF\x02\x01",
                                                 "no newline",
                                                 "{no json}\n"};
  const TemporaryDirectory directory;
  const std::string path = directory / "other";
  for (const std::string_view other : kOthers) {
    write_file(path, other);
    const auto recorder = Recorder::open({.path = path});
    ASSERT_FALSE(recorder.has_value()) << other;
    EXPECT_EQ(recorder.error().code(), Errc::recording_malformed);
    EXPECT_NE(recorder.error().detail().find(path), std::string_view::npos);
    EXPECT_EQ(read_file(path), other);
  }
}

// ---- Refusals ---------------------------------------------------------------------------------

TEST(Recorder, refuses_what_it_cannot_write_and_says_why) {
  const TemporaryDirectory directory;
  write_file(directory / "file", "");
  ASSERT_EQ(mkfifo((directory / "pipe").c_str(), 0600), 0);
  struct Case {
    std::string path;
    int os_error;
    std::string why;
  };
  const Case cases[] = {
      {directory / "missing/a.jsonl", ENOENT, "No such file or directory"},
      {directory.string(), EISDIR, "Is a directory"},
      {directory / "file/a.jsonl", ENOTDIR, "Not a directory"},
      {"/dev/null", 0, "not a regular file"},
      {directory / "pipe", 0, "not a regular file"},
      {"/proc/self/status", EACCES, "ermi"},
      {directory / std::string(300, 'x'), ENAMETOOLONG, "File name too long"},
  };
  for (const Case& c : cases) {
    const auto recorder = Recorder::open({.path = c.path});
    ASSERT_FALSE(recorder.has_value()) << c.path;
    const Error& error = recorder.error();
    EXPECT_EQ(error.code(), Errc::recording_unwritable) << c.path;
    if (c.path != "/proc/self/status") {  // with all capabilities, another refusal
      EXPECT_EQ(error.os_error(), c.os_error) << c.path;
      EXPECT_TRUE(error.detail().find(c.why) != std::string_view::npos ||
                  c.path.size() > Error::kDetail_bytes)
          << error.detail();
    }
    EXPECT_TRUE(error.detail().starts_with(c.path.substr(0, Error::kDetail_bytes)))
        << error.detail();
  }
  const auto status =
      Recorder::open({.path = directory / "a.jsonl", .status_path = directory / "missing/status"});
  ASSERT_FALSE(status.has_value());
  EXPECT_EQ(status.error().code(), Errc::recording_unwritable);
}

TEST(Recorder, refuses_options_that_cannot_be) {
  const TemporaryDirectory directory;
  const std::string path = directory / "a.jsonl";
  const RecorderOptions cases[] = {
      {},
      {.path = path, .segment_bytes = 4096},
      {.path = path, .segment_bytes = std::size_t{2} << 30},
      {.path = path, .segments_ahead = 0},
      {.path = path, .segments_ahead = 65},
      {.path = path, .window_bytes = 1 << 20},
  };
  for (const RecorderOptions& options : cases) {
    const auto recorder = Recorder::open(options);
    ASSERT_FALSE(recorder.has_value());
    EXPECT_EQ(recorder.error().code(), Errc::invalid_option);
    EXPECT_FALSE(recorder.error().detail().empty());
  }
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST(Recorder, refuses_a_recording_that_another_recorder_writes) {
  const TemporaryDirectory directory;
  const std::string path = directory / "a.jsonl";
  std::optional<Recorder> first = open_recorder({.path = path});
  first->append({.ns = kNs, .payload = as_bytes("one")});
  const auto second = Recorder::open({.path = path});
  ASSERT_FALSE(second.has_value());
  EXPECT_EQ(second.error().code(), Errc::recording_busy);
  first->append({.ns = kNs, .payload = as_bytes("two")});
  first.reset();
  EXPECT_TRUE(Recorder::open({.path = path}).has_value());
  EXPECT_EQ(read_back(path).messages.size(), 2u);
}

// ---- A full disk ------------------------------------------------------------------------------

// Records until nothing more goes in; then the recording must be whole, end with the reason, and
// the recorder say so. Returns what is wrong, for a child process to tell by its exit code.
int fill(const std::string& path, bool use_fallocate) {
  RecorderOptions options = small_segments(path);
  options.fallocate = use_fallocate;
  options.sync = false;
  options.stall_ns_max = 100'000'000'000;
  auto recorder = Recorder::open(options);
  if (!recorder) return 10;
  std::mt19937 random(3);
  std::vector<std::string> written;
  while (recorder->stats().status.dropped == 0) {
    if (written.size() > 100'000) return 11;
    written.push_back(test::random_payload(random, random() % 3000));
    recorder->append({.ns = kNs, .payload = as_bytes(written.back())});
  }
  written.pop_back();
  const std::uint64_t records = recorder->stats().status.records;
  if (records != written.size() || records == 0) return 12;
  for (int more = 0; more < 10; ++more) recorder->append({.ns = kNs, .payload = as_bytes("more")});
  recorder->event({.ns = kNs, .event = "disconnect"});
  if (recorder->stats().status.dropped != 12 || recorder->stats().status.records != records) {
    return 13;
  }
  const auto error = recorder->error();
  if (!error || error->code() != Errc::recording_disk_full || error->os_error() == 0) return 14;
  const auto closed = recorder->close();
  if (closed || closed.error().code() != Errc::recording_disk_full) return 15;
  const auto back = read_back(path);
  if (back.messages.size() != records || back.problems.malformed_lines != 0) return 16;
  for (std::size_t i = 0; i < written.size(); ++i) {
    if (back.messages[i].payload != written[i]) return 17;
  }
  if (back.problems.torn_bytes != 0 || back.problems.sequence_gaps != 0) return 18;
  if (back.events != std::vector<std::string>{"overflow"}) return 19;
  return 0;
}

// In a child process: limits and mounts of its own. -1 if it could not begin.
template <typename Body>
int in_child(Body body) {
  const pid_t child = fork();
  if (child == 0) _exit(body());
  int status = 0;
  if (child < 0 || waitpid(child, &status, 0) != child) return -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

constexpr int kNotPermitted = 99;

TEST(Recorder, a_full_file_system_is_an_error_and_the_recording_whole) {
  const TemporaryDirectory directory;
  for (const bool use_fallocate : {true, false}) {
    const int result = in_child([&] {
      if (unshare(CLONE_NEWNS) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) {
        return kNotPermitted;
      }
      const std::string mounted = directory.string();
      if (mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
          mount("tmpfs", mounted.c_str(), "tmpfs", 0, "size=3m") != 0) {
        return kNotPermitted;
      }
      return fill(directory / "a.jsonl", use_fallocate);
    });
    if (result == kNotPermitted) GTEST_SKIP() << "no mount of one's own is permitted here";
    EXPECT_EQ(result, 0) << "fallocate " << use_fallocate;
  }
}

TEST(Recorder, a_file_at_its_size_limit_is_an_error_and_no_signal) {
  const TemporaryDirectory directory;
  for (const bool use_fallocate : {true, false}) {
    const int result = in_child([&] {
      const rlimit limit{3 << 20, 3 << 20};
      if (setrlimit(RLIMIT_FSIZE, &limit) != 0) return kNotPermitted;
      return fill(directory / ("a" + std::to_string(use_fallocate)), use_fallocate);
    });
    EXPECT_EQ(result, 0) << "fallocate " << use_fallocate;
  }
}

TEST(Recorder, a_disk_without_room_for_one_segment_is_refused_at_once) {
  const TemporaryDirectory directory;
  const int result = in_child([&] {
    const rlimit limit{4096, 4096};
    signal(SIGXFSZ, SIG_IGN);
    if (setrlimit(RLIMIT_FSIZE, &limit) != 0) return 1;
    const auto recorder = Recorder::open(small_segments(directory / "a.jsonl"));
    return !recorder && recorder.error().code() == Errc::recording_disk_full ? 0 : 2;
  });
  EXPECT_EQ(result, 0);
}

// ---- Killed -----------------------------------------------------------------------------------

Record numbered(std::uint64_t number) {
  std::mt19937 random(static_cast<unsigned>(number));
  return {kNs + number,
          static_cast<RecordDirection>(random() % 2),
          static_cast<RecordType>(random() % 2),
          {1, 2, 3},
          test::random_payload(random, random() % (number % 100 == 0 ? 100'000 : 600))};
}

[[noreturn]] void record_until_killed(const std::string& directory, bool sync) {
  RecorderOptions options = small_segments(directory + "/a.jsonl");
  options.status_path = directory + "/status";
  options.sync = sync;
  options.stall_ns_max = 100'000'000'000;
  auto recorder = Recorder::open(options);
  if (!recorder) _exit(1);
  for (std::uint64_t number = 0;; ++number) recorder->append(numbered(number).view());
}

TEST(Recorder, killed_at_any_moment_has_what_it_published) {
  constexpr unsigned kSeed = 20260120;
  constexpr int kKills = test::kSanitized ? 20 : 100;
  SCOPED_TRACE(testing::Message() << "seed " << kSeed);
  std::mt19937 random(kSeed);
  int torn = 0;
  for (int kill_number = 0; kill_number < kKills; ++kill_number) {
    const TemporaryDirectory directory;
    const std::string path = directory / "a.jsonl";
    write_file(directory / "status", std::string(sizeof(RecorderStatus), '\0'));
    const int file = ::open((directory / "status").c_str(), O_RDWR);
    void* const page =
        mmap(nullptr, sizeof(RecorderStatus), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    ASSERT_NE(page, MAP_FAILED);
    ::close(file);
    auto& shared = *static_cast<RecorderStatus*>(page);
    const std::atomic_ref<std::uint64_t> records(shared.records);
    const std::uint64_t enough = random() % 3000;
    unsigned spins = test::below(20'000, random);  // so that it is killed in the midst of an append
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) record_until_killed(directory.string(), kill_number % 4 == 0);
    while (records.load() < enough) sched_yield();
    while (spins-- != 0) (void)records.load();
    ASSERT_EQ(kill(child, SIGKILL), 0);
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status));
    const std::uint64_t published = records.load();
    munmap(page, sizeof(RecorderStatus));
    if (!std::filesystem::exists(path)) continue;  // killed before it began

    const auto back = read_back(path);
    ASSERT_GE(back.messages.size(), published);
    ASSERT_LE(back.messages.size(), published + 1);
    ASSERT_EQ(back.problems.malformed_lines, 0u);
    ASSERT_EQ(back.problems.sequence_gaps, 0u);
    for (std::size_t i = 0; i < back.messages.size(); ++i) {
      ASSERT_EQ(back.messages[i], numbered(i));
    }
    torn += back.problems.torn_bytes != 0;
    {
      RecorderOptions options = small_segments(path);
      options.sync = false;
      Recorder recorder = open_recorder(options);
      ASSERT_EQ(recorder.stats().torn_bytes, back.problems.torn_bytes);
      recorder.append({.ns = kNs, .payload = as_bytes("after the kill")});
    }
    const auto after = read_back(path);
    ASSERT_EQ(after.messages.size(), back.messages.size() + 1);
    ASSERT_EQ(after.messages.back().payload, "after the kill");
    ASSERT_EQ(after.problems.malformed_lines + after.problems.torn_bytes, 0u);
    ASSERT_EQ(after.problems.sequence_gaps, 0u);
    ASSERT_EQ(after.events.size(), back.problems.torn_bytes != 0 ? 1u : 0u);
  }
  std::printf("%d of %d kills left a torn line\n", torn, kKills);
}

}  // namespace
}  // namespace zenwire
