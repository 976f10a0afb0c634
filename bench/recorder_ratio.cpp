// An append of 256 B over the least that any recorder does, a memcpy of the bytes and a time
// brought into text, in pairs: recorder_ratio [ROUNDS]. One a microsecond, as a busy feed is; the
// two kinds take turns in blocks, and compared are the medians and the 99.9th percentiles of each
// round. Each is timed alone, from one read of the counter to the next, as the floor was for which
// the goals were set. Beside it stands the median of sixteen in a row, where the reads of the
// counter hardly count, nor can the stores of one drain before the next.
// ZENWIRE_BENCH_DIR says where the file goes (default: /tmp).

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include <unistd.h>
#include <x86intrin.h>

#include <zenwire/engine/recorder.hpp>

#include "paired.hpp"

namespace zenwire::bench {
namespace {

constexpr std::size_t kPayload_bytes = 256;
constexpr std::size_t kRounds = 21;
constexpr std::size_t kBlocks = 20;
constexpr std::size_t kAppends = 1'600;  // of a block
constexpr std::size_t kGroup = 16;
constexpr std::uint64_t kPace_ticks = 2'500;  // an append
static_assert(kAppends % kGroup == 0);
constexpr double kGoal_median = 2.0;
constexpr double kGoal_tail = 3.0;

// Market data: a quote every few bytes, each of which has to be escaped.
std::string json_payload() {
  std::string text = R"({"jsonrpc":"2.0","method":"subscription","params":{"data":[)";
  for (std::uint64_t id = 1; text.size() < kPayload_bytes; id = id * 69'621 % 2'147'483'647) {
    text += R"({"price":)" + std::to_string(id % 100'000) + R"(,"side":"buy","id":")" +
            std::to_string(id) + R"("},)";
  }
  text.resize(kPayload_bytes);
  return text;
}

class Appends {
 public:
  explicit Appends(Recorder recorder) : recorder_(std::move(recorder)), copied_(1024) {}

  // What `group` of them take together, kAppends / group times.
  void floor(std::vector<std::uint64_t>& taken, std::size_t group) {
    run(taken, group, [this] {
      char* const behind = std::to_chars(copied_.data(), copied_.data() + 32, ns_).ptr;
      std::memcpy(behind, payload_.data(), payload_.size());
      asm volatile("" : : "r"(copied_.data()) : "memory");
    });
  }
  void append(std::vector<std::uint64_t>& taken, std::size_t group) {
    run(taken, group, [this] {
      recorder_.append({.ns = ns_,
                        .direction = RecordDirection::in,
                        .type = RecordType::text,
                        .owner = {1, 1, 1},
                        .payload = as_bytes(payload_)});
    });
  }
  [[nodiscard]] RecorderStats stats() const { return recorder_.stats(); }

 private:
  template <typename Step>
  void run(std::vector<std::uint64_t>& taken, std::size_t group, Step step) {
    std::uint64_t due = __rdtsc();
    for (std::size_t i = 0; i < kAppends; i += group) {
      while (__rdtsc() < due) {
      }
      due += kPace_ticks * group;
      unsigned core = 0;
      const std::uint64_t began = __rdtscp(&core);
      for (std::size_t k = 0; k < group; ++k) {
        ns_ += 1000;
        step();
      }
      taken.push_back(__rdtscp(&core) - began);
    }
  }

  Recorder recorder_;
  std::string payload_ = json_payload();
  std::vector<char> copied_;
  std::uint64_t ns_ = 1'768'923'045'123'456'789;
};

double percentile(std::vector<std::uint64_t>& values, double part) {
  const auto rank = static_cast<std::ptrdiff_t>(part * static_cast<double>(values.size() - 1));
  std::nth_element(values.begin(), values.begin() + rank, values.end());
  return static_cast<double>(values[static_cast<std::size_t>(rank)]);
}

// The percentile of one round's appends over that of the floor's.
double one_round(Appends& appends, std::size_t round, std::size_t group, double part) {
  std::vector<std::uint64_t> floor;
  std::vector<std::uint64_t> append;
  for (std::size_t block = 0; block < kBlocks; ++block) {
    for (const bool ours : {(round + block) % 2 == 0, (round + block) % 2 != 0}) {
      ours ? appends.append(append, group) : appends.floor(floor, group);
    }
  }
  return percentile(append, part) / percentile(floor, part);
}

int run(std::size_t rounds) {
  const char* const directory = std::getenv("ZENWIRE_BENCH_DIR");
  const std::string path = std::string(directory != nullptr ? directory : "/tmp") +
                           "/zenwire-recorder-ratio." + std::to_string(::getpid()) + ".jsonl";
  auto recorder = Recorder::open({.path = path});
  if (!recorder) {
    std::fprintf(stderr, "error: %s: %s\n", path.c_str(),
                 std::string(message(recorder.error().code())).c_str());
    return 1;
  }
  ::unlink(path.c_str());
  Appends appends(std::move(*recorder));
  one_round(appends, 0, 1, 0.5);
  std::vector<double> medians;
  std::vector<double> tails;
  std::vector<double> in_a_row;
  for (std::size_t round = 0; round < rounds; ++round) {
    medians.push_back(one_round(appends, round, 1, 0.5));
    tails.push_back(one_round(appends, round, 1, 0.999));
    in_a_row.push_back(one_round(appends, round, kGroup, 0.5));
  }
  print("append of 256 B over a copy and a time, median", ratio_of(medians), rounds, kGoal_median);
  print("append of 256 B over a copy and a time, p99.9", ratio_of(tails), rounds, kGoal_tail);
  print("sixteen in a row over the same, median", ratio_of(in_a_row), rounds);
  const RecorderStats stats = appends.stats();
  std::printf("stalls %llu, dropped %llu\n", static_cast<unsigned long long>(stats.stalls),
              static_cast<unsigned long long>(stats.status.dropped));
  return stats.status.dropped == 0 ? 0 : 1;
}

}  // namespace
}  // namespace zenwire::bench

int main(int count, char** values) {
  using namespace zenwire::bench;
  return run(rounds_of(count, values, kRounds));
}
