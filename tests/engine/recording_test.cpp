#include <cstring>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <zenwire/codec/json_string.hpp>
#include <zenwire/engine/recording.hpp>

#include "captures.hpp"
#include "recording_files.hpp"

namespace zenwire {
namespace {

using test::read_back;
using test::Record;
using test::TemporaryDirectory;
using test::write_file;

constexpr std::string_view kTime = R"("ts":"2026-01-20T15:30:45.123456Z")";
constexpr std::uint64_t kTime_ns = 1'768'923'045'123'456'000;

std::string line(std::string_view rest) {
  return "{" + std::string(kTime) + "," + std::string(rest) + "}\n";
}

class ReadFile : public testing::Test {
 protected:
  // The reader over a file with this content.
  RecordingReader& reader(std::string_view content) {
    write_file(directory_ / "a.jsonl", content);
    auto opened = Recording::open(directory_ / "a.jsonl");
    EXPECT_TRUE(opened.has_value());
    recording_.emplace(std::move(*opened));
    reader_.emplace(*recording_);
    return *reader_;
  }

  TemporaryDirectory directory_;
  std::optional<Recording> recording_;
  std::optional<RecordingReader> reader_;
};

TEST_F(ReadFile, reads_every_key_in_any_order) {
  RecordingReader& lines = reader(
      R"({"binary":true,"data":"AP8=","dir":"in","ts":"2026-01-20T15:30:45.123456Z","type":"binary"})"
      "\n"
      R"( { "type" : "text", "data":"a\"b\u00e9", "seq":7, "session":4,"epoch":3,"conn":2, "ns":99, "dir":"out","redacted":true, "ts":"x", "more":{"data":[1,"2"]} } )"
      "\r\n");
  const RecordedMessage* message = lines.next();
  ASSERT_NE(message, nullptr);
  EXPECT_EQ(message->type, RecordType::binary);
  EXPECT_EQ(message->direction, RecordDirection::in);
  EXPECT_EQ(as_text(message->payload), std::string_view("\0\xff", 2));
  EXPECT_EQ(message->ns, kTime_ns);
  EXPECT_EQ(message->owner, RecordOwner());
  EXPECT_FALSE(message->sequenced);
  EXPECT_EQ(message->line, 1u);
  message = lines.next();
  ASSERT_NE(message, nullptr);
  EXPECT_EQ(as_text(message->payload), "a\"b\xc3\xa9");
  EXPECT_EQ(message->direction, RecordDirection::out);
  EXPECT_EQ(message->ns, 99u);
  EXPECT_EQ(message->owner, (RecordOwner{2, 3, 4}));
  EXPECT_TRUE(message->sequenced);
  EXPECT_EQ(message->sequence, 7u);
  EXPECT_TRUE(message->redacted);
  EXPECT_EQ(message->line, 2u);
  EXPECT_EQ(lines.next(), nullptr);
  EXPECT_EQ(lines.next(), nullptr);
  EXPECT_EQ(lines.problems().malformed_lines, 0u);
}

TEST_F(ReadFile, keys_of_ours_with_other_meanings_are_ignored) {
  RecordingReader& lines =
      reader(line(R"("dir":"in","type":"text","data":"x","ns":"soon","conn":"a","epoch":-1,)"
                  R"("session":{},"seq":1.5,"redacted":"no","binary":false)"));
  const RecordedMessage* message = lines.next();
  ASSERT_NE(message, nullptr);
  EXPECT_EQ(message->ns, kTime_ns);
  EXPECT_EQ(message->owner, RecordOwner());
  EXPECT_FALSE(message->sequenced);
  EXPECT_FALSE(message->redacted);
}

TEST_F(ReadFile, reads_close_frames_as_on_the_wire) {
  struct Case {
    std::string_view data;
    std::string payload;
  };
  const Case cases[] = {
      {R"({\"code\":1000,\"reason\":\"so \\\"long\\\"\"})", "\x03\xe8so \"long\""},
      {R"({\"reason\":\"\",\"code\":1005})", ""},
      {R"({\"code\":4000})", "\x0f\xa0"},
      {R"({\"code\":1001,\"reason\":null})", "\x03\xe9"},
  };
  for (const Case& c : cases) {
    RecordingReader& lines =
        reader(line(R"("dir":"in","type":"close","data":")" + std::string(c.data) + "\""));
    const RecordedMessage* message = lines.next();
    ASSERT_NE(message, nullptr) << c.data;
    EXPECT_EQ(message->type, RecordType::close);
    EXPECT_EQ(as_text(message->payload), c.payload);
  }
}

TEST_F(ReadFile, reads_events) {
  RecordingReader& lines =
      reader(line(R"("type":"event","event":"gap","ns":5,"lost":3,"reason":"a\nb","conn":1)") +
             line(R"("type":"event","event":"connect")"));
  const RecordedMessage* message = lines.next();
  ASSERT_NE(message, nullptr);
  EXPECT_EQ(message->type, RecordType::event);
  EXPECT_EQ(message->event, "gap");
  EXPECT_EQ(message->reason, "a\nb");
  EXPECT_EQ(message->owner.connection, 1u);
  EXPECT_NE(message->json.find(R"("lost":3)"), std::string_view::npos);
  message = lines.next();
  ASSERT_NE(message, nullptr);
  EXPECT_EQ(message->event, "connect");
  EXPECT_EQ(message->reason, "");
}

TEST_F(ReadFile, counts_and_skips_lines_that_are_no_record) {
  const std::string good = line(R"("dir":"in","type":"text","data":"good")");
  const std::string bad[] = {
      "nonsense\n",
      "{}\n",
      "[]\n",
      "1\n",
      "{\"ts\"\n",
      good.substr(0, good.size() - 1) + " {}\n",  // two on a line
      good.substr(0, good.size() - 1) + "x\n",
      R"({"ts":"yesterday","dir":"in","type":"text","data":"x"})"
      "\n",
      R"({"dir":"in","type":"text","data":"x"})"
      "\n",
      line(R"("type":"text","data":"x")"),
      line(R"("dir":"up","type":"text","data":"x")"),
      line(R"("dir":"in","type":"morse","data":"x")"),
      line(R"("dir":"in","data":"x")"),
      line(R"("dir":"in","type":"text")"),
      line(R"("dir":"in","type":"text","data":5)"),
      line(R"("dir":"in","type":"text","data":null)"),
      line(R"("dir":"in","type":"text","data":"\x")"),
      line(R"("dir":"in","type":"text","data":"\ud800")"),
      line(R"("dir":"in","type":"binary","data":"A")"),
      line(R"("dir":"in","type":"binary","data":"!!!!","binary":true)"),
      line(R"("dir":"in","type":"close","data":"bye")"),
      line(R"("dir":"in","type":"close","data":"{}")"),
      line(R"("type":"event")"),
      line("\"dir\":\"in\",\"type\":\"text\",\"data\":\"\xff\""),
      line(std::string("\"dir\":\"in\",\"type\":\"text\",\"data\":\"\0\"", 34)),
      std::string(5000, '\0') + good,  // a hole that a power loss left
  };
  for (const std::string& wrong : bad) {
    RecordingReader& lines = reader(good + "\n" + wrong + "  \r\n" + good);
    std::size_t read = 0;
    while (const RecordedMessage* message = lines.next()) {
      EXPECT_EQ(as_text(message->payload), "good");
      ++read;
    }
    EXPECT_EQ(read, 2u) << wrong;
    EXPECT_EQ(lines.problems().malformed_lines, 1u) << wrong;
    EXPECT_EQ(lines.problems().first_malformed_line, 3u);
    EXPECT_FALSE(lines.problems().first_malformed_why.empty());
    EXPECT_EQ(lines.problems().blank_lines, 2u);
    EXPECT_EQ(lines.problems().torn_bytes, 0u);
    lines.rewind();
    ASSERT_NE(lines.next(), nullptr);
    EXPECT_EQ(lines.problems().malformed_lines, 0u);
  }
}

TEST_F(ReadFile, reports_a_torn_last_line_and_no_zeros) {
  const std::string good = line(R"("dir":"in","type":"text","data":"good")");
  for (std::size_t cut = 1; cut < good.size() - 2; ++cut) {
    RecordingReader& lines = reader(good + good.substr(0, cut) + std::string(10'000, '\0'));
    ASSERT_NE(lines.next(), nullptr);
    ASSERT_EQ(lines.next(), nullptr);
    ASSERT_EQ(lines.problems().torn_bytes, cut);
    ASSERT_EQ(lines.problems().malformed_lines, 0u);
  }
  // Only its newline is missing: it is there.
  RecordingReader& lines = reader(good.substr(0, good.size() - 1));
  ASSERT_NE(lines.next(), nullptr);
  EXPECT_EQ(lines.problems().torn_bytes, 0u);
}

TEST_F(ReadFile, finds_lines_missing_by_their_sequence) {
  std::string content;
  for (const char* sequence : {"5", "6", "9", "10", "0", "1", "2"}) {
    content += line(R"("dir":"in","type":"text","data":"","seq":)" + std::string(sequence));
  }
  RecordingReader& lines = reader(content);
  while (lines.next() != nullptr) {
  }
  EXPECT_EQ(lines.problems().sequence_gaps, 2u);  // another recording joined on is none
}

TEST_F(ReadFile, payloads_may_be_read_past_their_end) {
  // At the end of a page, and larger than what came before.
  for (const std::size_t bytes : {0u, 1u, 63u, 4000u, 4096u, 100'000u}) {
    RecordingReader& lines =
        reader(line(R"("dir":"in","type":"text","data":")" + std::string(bytes, 'x') + "\""));
    const RecordedMessage* message = lines.next();
    ASSERT_NE(message, nullptr);
    ASSERT_EQ(message->payload.size(), bytes);
    unsigned sum = 0;
    for (std::size_t at = 0; at < kReadPadding_bytes; ++at) {
      sum += static_cast<unsigned>(message->payload.data()[bytes + at]);
    }
    EXPECT_LE(sum, 255 * kReadPadding_bytes);
  }
}

TEST_F(ReadFile, summarizes) {
  RecordingReader& lines = reader(R"({"ns":1000,"dir":"in","type":"text","data":"abc"})"
                                  "\n\nnonsense\n"
                                  R"({"ns":2000,"dir":"out","type":"binary","data":"AAAA"})"
                                  "\n"
                                  R"({"ns":2500,"type":"event","event":"gap"})"
                                  "\n"
                                  R"({"ns":3500,"dir":"in","type":"ping","data":""})"
                                  "\n{");
  (void)lines;
  const RecordingSummary summary = summarize(*recording_);
  EXPECT_EQ(summary.messages, 3u);
  EXPECT_EQ(summary.in, 2u);
  EXPECT_EQ(summary.out, 1u);
  EXPECT_EQ(summary.events(), 1u);
  EXPECT_EQ(summary.by_type[static_cast<std::size_t>(RecordType::ping)], 1u);
  EXPECT_EQ(summary.bytes_in, 3u);
  EXPECT_EQ(summary.bytes_out, 3u);
  EXPECT_EQ(summary.payload_bytes_max, 3u);
  EXPECT_EQ(summary.first_ns, 1000u);
  EXPECT_EQ(summary.last_ns, 3500u);
  EXPECT_EQ(summary.duration_ns(), 2500u);
  EXPECT_EQ(summary.problems.malformed_lines, 1u);
  EXPECT_EQ(summary.problems.blank_lines, 1u);
  EXPECT_EQ(summary.problems.torn_bytes, 1u);
}

TEST_F(ReadFile, an_empty_recording_has_nothing_in_it) {
  for (const std::string& content : {std::string(), std::string(100'000, '\0')}) {
    EXPECT_EQ(reader(content).next(), nullptr);
    const RecordingSummary summary = summarize(*recording_);
    EXPECT_EQ(summary.messages + summary.problems.torn_bytes + summary.first_ns, 0u);
  }
}

TEST(Recording, says_why_it_cannot_be_opened) {
  const TemporaryDirectory directory;
  const auto missing = Recording::open(directory / "none.jsonl");
  ASSERT_FALSE(missing.has_value());
  EXPECT_EQ(missing.error().code(), Errc::recording_not_found);
  EXPECT_NE(missing.error().detail().find("none.jsonl: No such file"), std::string_view::npos);
  for (const std::string& path : {directory.string(), std::string("/dev/null")}) {
    const auto other = Recording::open(path);
    ASSERT_FALSE(other.has_value());
    EXPECT_EQ(other.error().code(), Errc::file_unreadable);
  }
}

TEST(Recording, reads_times_as_others_write_them) {
  struct Case {
    std::string_view text;
    std::optional<std::uint64_t> ns;
  };
  static constexpr Case kCases[] = {
      {"1970-01-01T00:00:00Z", 0},
      {"2026-01-20T15:30:45Z", 1'768'923'045'000'000'000},
      {"2026-01-20t15:30:45.5z", 1'768'923'045'500'000'000},
      {"2026-01-20 15:30:45.123456789Z", 1'768'923'045'123'456'789},
      {"2026-01-20T15:30:45.1234567899999Z", 1'768'923'045'123'456'789},
      {"2026-01-20T16:30:45.000+01:00", 1'768'923'045'000'000'000},
      {"2026-01-20T10:00:45-05:30", 1'768'923'045'000'000'000},
      {"2000-02-29T00:00:00Z", 951'782'400'000'000'000},
      {"2100-03-01T00:00:00Z", 4'107'542'400'000'000'000},
      {"2100-02-29T00:00:00Z", {}},
      {"2026-13-01T00:00:00Z", {}},
      {"2026-00-01T00:00:00Z", {}},
      {"2026-04-31T00:00:00Z", {}},
      {"2026-01-20T24:00:00Z", {}},
      {"2026-01-20T15:60:45Z", {}},
      {"2026-01-20T15:30:4", {}},
      {"2026-01-20T15:30:45.Z", {}},
      {"2026-01-20T15:30:45Zx", {}},
      {"1969-12-31T23:59:59Z", {}},
      {"1970-01-01T00:00:00+00:01", {}},
      {"9999-01-01T00:00:00Z", {}},
      {"", {}},
  };
  const TemporaryDirectory directory;
  for (const Case& c : kCases) {
    write_file(directory / "a", R"({"ts":")" + std::string(c.text) +
                                    R"(","dir":"in","type":"text","data":""})" + "\n");
    const auto back = read_back(directory / "a");
    ASSERT_EQ(back.messages.size(), c.ns ? 1u : 0u) << c.text;
    if (c.ns) {
      EXPECT_EQ(back.messages[0].ns, *c.ns) << c.text;
    }
  }
  EXPECT_EQ(format_timestamp(1'768'923'045'123'456'789), "2026-01-20T15:30:45.123456Z");
}

TEST(RecordingReader, times_of_other_recorders) {
  struct Case {
    const char* token;
    std::optional<std::uint64_t> ns;
  };
  const Case kCases[] = {
      {R"("2026-01-20T15:30:45.123456")", 1'768'923'045'123'456'000},
      {R"("2026-01-20 15:30:45")", 1'768'923'045'000'000'000},
      {"1768923045", 1'768'923'045'000'000'000},
      {"1768923045.5", 1'768'923'045'500'000'000},
      {"1768923045123", 1'768'923'045'123'000'000},
      {"1768923045123.25", 1'768'923'045'123'250'000},
      {"1768923045123456", 1'768'923'045'123'456'000},
      {"1768923045123456789", 1'768'923'045'123'456'789},
      {"0", 0},
      {"-1", {}},
      {"1e9", {}},
      {"true", {}},
      {"null", {}},
      {"17689230451234567890123", {}},
  };
  const TemporaryDirectory directory;
  for (const Case& c : kCases) {
    write_file(directory / "a", R"({"ts":)" + std::string(c.token) +
                                    R"(,"dir":"in","type":"text","data":""})"
                                    "\n");
    const auto back = read_back(directory / "a");
    ASSERT_EQ(back.messages.size(), c.ns ? 1u : 0u) << c.token;
    if (c.ns) {
      EXPECT_EQ(back.messages[0].ns, *c.ns) << c.token;
    }
  }
}

// ---- Captures ---------------------------------------------------------------------------------

// What stands between the quotes of "data", found by hand: another way than the reader's.
std::string_view data_of(std::string_view text) {
  constexpr std::string_view kKey = R"("data":")";
  const std::size_t begin = text.find(kKey) + kKey.size();
  std::size_t end = begin;
  while (text[end] != '"') end += text[end] == '\\' ? 2u : 1u;
  return text.substr(begin, end - begin);
}

TEST(Recording, reads_every_capture_completely) {
  ZENWIRE_NEED_CAPTURES();
  for (const auto& path : test::capture_files()) {
    SCOPED_TRACE(path);
    auto recording = Recording::open(path.string());
    ASSERT_TRUE(recording.has_value());
    RecordingReader reader(*recording);
    const auto lines = test::lines_of(test::read_file(path.string()));
    std::size_t at = 0;
    std::uint64_t last_ns = 0;
    while (const RecordedMessage* message = reader.next()) {
      ASSERT_LT(at, lines.size());
      ASSERT_EQ(message->json, lines[at]);
      const std::string_view data = data_of(lines[at]);
      if (message->type == RecordType::text) {
        std::string escaped(json_escaped_max(message->payload.size()), '\0');
        escaped.resize(json_escape(escaped.data(), message->payload).bytes);
        EXPECT_EQ(escaped, data);
      } else {
        EXPECT_EQ(message->type, RecordType::binary);
        EXPECT_EQ((message->payload.size() + 2) / 3 * 4, data.size());
      }
      EXPECT_GE(message->ns, last_ns);
      last_ns = message->ns;
      ++at;
    }
    EXPECT_EQ(at, lines.size());
    EXPECT_EQ(reader.problems().malformed_lines + reader.problems().torn_bytes, 0u);
  }
}

TEST(Recording, every_capture_recorded_again_is_the_same) {
  ZENWIRE_NEED_CAPTURES();
  const TemporaryDirectory directory;
  for (const auto& path : test::capture_files()) {
    SCOPED_TRACE(path);
    const auto original = read_back(path.string());
    const std::string copy = directory / path.filename().string();
    {
      Recorder recorder = test::open_recorder(
          {.path = copy, .segment_bytes = 64 * 1024, .stall_ns_max = 100'000'000'000});
      for (const Record& record : original.messages) recorder.append(record.view());
      ASSERT_TRUE(recorder.close());
    }
    const auto back = read_back(copy);
    EXPECT_TRUE(back.messages == original.messages);
    EXPECT_EQ(back.problems.malformed_lines + back.problems.sequence_gaps, 0u);
  }
}

// Whatever is in a file, reading it ends, and no view leaves the file or the scratch (asan).
RC_GTEST_PROP(RecordingProperty, any_bytes_can_be_read, (unsigned seed)) {
  RC_LOG() << "seed " << seed;
  std::mt19937 random(seed);
  const TemporaryDirectory directory;
  const std::string good = line(R"("dir":"in","type":"close","data":"{\"code\":1000}","seq":3)") +
                           line(R"("dir":"out","type":"binary","data":"AAECAw==","binary":true)");
  std::string content;
  for (unsigned piece = test::below(6, random); piece != 0; --piece) content += good;
  for (unsigned change = test::below(8, random); change != 0 && !content.empty(); --change) {
    const std::size_t at = random() % content.size();
    switch (random() % 3) {
      case 0: content[at] = static_cast<char>(random()); break;
      case 1: content.erase(at, random() % 20); break;
      default: content.insert(at, std::string(random() % 20, static_cast<char>(random())));
    }
  }
  write_file(directory / "a", content);
  const auto back = read_back(directory / "a");
  std::size_t lines = static_cast<std::size_t>(std::count(content.begin(), content.end(), '\n'));
  RC_ASSERT(back.messages.size() + back.events.size() + back.problems.malformed_lines <= lines + 1);
}

}  // namespace
}  // namespace zenwire
