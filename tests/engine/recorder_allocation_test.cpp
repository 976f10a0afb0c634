#include <random>
#include <string>

#include <gtest/gtest.h>

#include <zenwire/engine/recorder.hpp>

#include "allocation_counter.hpp"
#include "recording_files.hpp"

namespace zenwire {
namespace {

using test::open_recorder;
using test::TemporaryDirectory;

constexpr std::uint64_t kNs = 1'768'923'045'123'456'789;

TEST(Recorder, appends_without_an_allocation) {
  const TemporaryDirectory directory;
  RecorderOptions options;
  options.path = directory / "a.jsonl";
  options.segment_bytes = 64 * 1024;
  options.segments_ahead = 8;
  options.stall_ns_max = 100'000'000'000;
  Recorder recorder = open_recorder(options);
  std::mt19937 random(1);
  const std::string payload = test::random_payload(random, 300);
  const SecretRange secrets[] = {{3, 5}};
  const test::AllocationScope scope;
  for (int i = 0; i < 20'000; ++i) {
    recorder.append({.ns = kNs, .payload = as_bytes(payload)});
    recorder.append({.ns = kNs, .type = RecordType::binary, .payload = as_bytes(payload)});
    recorder.append({.ns = kNs, .payload = as_bytes(payload), .secrets = secrets});
    recorder.append({.ns = kNs, .payload = as_bytes("\xff")});
    recorder.event({.ns = kNs, .event = "gap", .reason = payload});
  }
  EXPECT_EQ(scope.count(), 0u);
  EXPECT_EQ(recorder.stats().status.dropped, 0u);
  ASSERT_TRUE(recorder.close());
}

}  // namespace
}  // namespace zenwire
