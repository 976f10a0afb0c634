#pragma once

// What the tests of recordings share: a directory that goes away, files as strings, and records to
// compare.

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <zenwire/engine/recorder.hpp>
#include <zenwire/engine/recording.hpp>

namespace zenwire::test {

class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    std::string pattern = (std::filesystem::temp_directory_path() / "zenwire-XXXXXX").string();
    if (mkdtemp(pattern.data()) == nullptr) std::abort();
    path_ = pattern;
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  ~TemporaryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  [[nodiscard]] std::string operator/(const std::string& name) const {
    return (path_ / name).string();
  }
  [[nodiscard]] std::string string() const { return path_.string(); }

 private:
  std::filesystem::path path_;
};

inline std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

inline void write_file(const std::string& path, std::string_view content) {
  std::ofstream file(path, std::ios::binary);
  file.write(content.data(), static_cast<std::streamsize>(content.size()));
}

inline std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

// A record that owns its bytes.
struct Record {
  std::uint64_t ns = 0;
  RecordDirection direction = RecordDirection::in;
  RecordType type = RecordType::text;
  RecordOwner owner;
  std::string payload;

  bool operator==(const Record&) const = default;

  [[nodiscard]] RecordView view() const {
    return {.ns = ns,
            .direction = direction,
            .type = type,
            .owner = owner,
            .payload = as_bytes(payload)};
  }
  static Record of(const RecordedMessage& message) {
    return {message.ns, message.direction, message.type, message.owner,
            std::string(as_text(message.payload))};
  }
};

inline void PrintTo(const Record& record, std::ostream* out) {
  *out << record.ns << ' ' << name(record.direction) << ' ' << name(record.type) << ' '
       << record.owner.connection << '/' << record.owner.epoch << '/' << record.owner.session << ' '
       << ::testing::PrintToString(record.payload.substr(0, 200)) << " (" << record.payload.size()
       << " bytes)";
}

struct ReadBack {
  std::vector<Record> messages;
  std::vector<std::string> events;
  RecordingProblems problems;
};

inline ReadBack read_back(const std::string& path) {
  ReadBack back;
  auto recording = Recording::open(path);
  EXPECT_TRUE(recording.has_value()) << (recording ? "" : recording.error().detail());
  if (!recording) return back;
  RecordingReader reader(*recording);
  while (const RecordedMessage* message = reader.next()) {
    if (message->type == RecordType::event) {
      back.events.emplace_back(message->event);
    } else {
      back.messages.push_back(Record::of(*message));
    }
  }
  back.problems = reader.problems();
  return back;
}

inline Recorder open_recorder(const RecorderOptions& options) {
  auto recorder = Recorder::open(options);
  EXPECT_TRUE(recorder.has_value()) << (recorder ? "" : name(recorder.error().code())) << ' '
                                    << (recorder ? "" : recorder.error().detail());
  if (!recorder) std::abort();
  return std::move(*recorder);
}

inline unsigned below(unsigned bound, std::mt19937& random) {
  return static_cast<unsigned>(random() % bound);
}

// Payloads as markets send them, and as nobody should.
inline std::string random_payload(std::mt19937& random, std::size_t bytes) {
  static constexpr std::string_view kAlphabets[] = {R"({"price":123.45,"side":"buy"}[],:)", "\"\\",
                                                    "plain text, no quotes", "caf\xc3\xa9",
                                                    "\n\t\x01\x1f\\u"};
  const std::string_view alphabet = kAlphabets[random() % std::size(kAlphabets)];
  std::string payload;
  while (payload.size() < bytes) payload += alphabet;
  if (alphabet != kAlphabets[3]) payload.resize(bytes);
  return payload;
}

}  // namespace zenwire::test
