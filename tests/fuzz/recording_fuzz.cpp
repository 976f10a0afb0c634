// Recordings of strangers: what is read lies within the file, is the same the second time, and
// every line is a record, blank, malformed or torn.

#include <cstdlib>
#include <string>
#include <vector>

#include <sys/mman.h>
#include <unistd.h>

#include <zenwire/codec/utf8.hpp>
#include <zenwire/engine/recording.hpp>

#include "fuzz.hpp"

using namespace zenwire;
using zenwire::test::require;

namespace {

// A file without a place in the tree.
class MemoryFile {
 public:
  MemoryFile(const std::uint8_t* data, std::size_t bytes)
      : file_(::memfd_create("recording", MFD_CLOEXEC)) {
    require(file_ >= 0 && ::write(file_, data, bytes) == static_cast<ssize_t>(bytes));
  }
  ~MemoryFile() { ::close(file_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;
  [[nodiscard]] std::string path() const { return "/proc/self/fd/" + std::to_string(file_); }

 private:
  int file_;
};

struct Read {
  std::uint64_t line;
  std::uint64_t ns;
  RecordType type;
  std::string payload;
  bool operator==(const Read&) const = default;
};

std::vector<Read> read_all(RecordingReader& reader, std::string_view content) {
  std::vector<Read> all;
  while (const RecordedMessage* record = reader.next()) {
    require(record->json.data() >= content.data() &&
            record->json.data() + record->json.size() <= content.data() + content.size());
    require(all.empty() || record->line > all.back().line);
    all.push_back({record->line, record->ns, record->type, std::string(as_text(record->payload))});
  }
  return all;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t bytes) {
  const MemoryFile file(data, bytes);
  const auto recording = Recording::open(file.path());
  if (!recording) return 0;
  RecordingReader reader(*recording);
  const auto all = read_all(reader, recording->content());
  const RecordingProblems problems = reader.problems();
  reader.rewind();
  require(read_all(reader, recording->content()) == all);
  const RecordingSummary summary = summarize(*recording);
  require(summary.messages + summary.events() == all.size());
  require(summary.problems.malformed_lines == problems.malformed_lines);
  return 0;
}
