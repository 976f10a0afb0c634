// Reading a window of frames at once, and writing one. `per_frame` is the time of one frame.

#include <cstring>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include <zenwire/codec/frame_reader.hpp>
#include <zenwire/codec/frame_writer.hpp>

namespace {

using zenwire::Opcode;
using zenwire::ReadStatus;
using zenwire::Role;

constexpr std::size_t kFeed_bytes = 64 * 1024;

// As many whole frames as fit into one feed.
std::vector<std::byte> frames_of(Role sender, Opcode opcode, const std::string& payload,
                                 std::size_t& count) {
  const std::size_t each = zenwire::frame_bytes(sender, payload.size());
  count = kFeed_bytes / each;
  std::vector<std::byte> bytes(count * each);
  std::byte* to = bytes.data();
  for (std::size_t i = 0; i < count; ++i) {
    to = zenwire::write_frame(to, sender, opcode, zenwire::as_bytes(payload), 0x9e3779b9);
  }
  return bytes;
}

void read_frames(benchmark::State& state, Role reader, Opcode opcode, std::string payload) {
  std::size_t count = 0;
  const Role sender = reader == Role::client ? Role::server : Role::client;
  const std::vector<std::byte> feed = frames_of(sender, opcode, payload, count);
  std::vector<std::byte> memory(kFeed_bytes + zenwire::kReadPadding_bytes);
  zenwire::FrameReader frames(reader, {});
  zenwire::ReceiveWindow window(memory.data(), kFeed_bytes);
  std::memcpy(memory.data(), feed.data(), feed.size());
  for (auto _ : state) {
    // A server's reader unmasks in place, so that it needs the bytes anew: its time holds the copy.
    if (reader == Role::server) std::memcpy(memory.data(), feed.data(), feed.size());
    window.commit(feed.size());
    std::size_t seen = 0;
    while (frames.next(window) == ReadStatus::message) seen += frames.payload().size();
    benchmark::DoNotOptimize(seen);
    window.rewind();
  }
  using benchmark::Counter;
  state.counters["per_frame"] =
      Counter(static_cast<double>(count), Counter::kIsIterationInvariantRate | Counter::kInvert);
}

void write_frame(benchmark::State& state, Role role) {
  const std::string payload(static_cast<std::size_t>(state.range(0)), 'x');
  std::vector<std::byte> to(zenwire::frame_bytes(role, payload.size()));
  zenwire::MaskingKey key = 0x9e3779b9;
  for (auto _ : state) {
    benchmark::DoNotOptimize(
        zenwire::write_frame(to.data(), role, Opcode::text, zenwire::as_bytes(payload), key));
    key += 0x10001;
    benchmark::ClobberMemory();
  }
}

std::string mixed(std::size_t bytes) {
  std::string text(bytes, 'a');
  for (std::size_t at = 0; at + 2 <= bytes; at += 20) text.replace(at, 2, "\xc3\xa9");
  return text;
}

BENCHMARK_CAPTURE(read_frames, client_text_20, Role::client, Opcode::text, std::string(20, 'a'));
BENCHMARK_CAPTURE(read_frames, client_text_128, Role::client, Opcode::text, std::string(128, 'a'));
BENCHMARK_CAPTURE(read_frames, client_text_1000, Role::client, Opcode::text,
                  std::string(1000, 'a'));
BENCHMARK_CAPTURE(read_frames, client_binary_128, Role::client, Opcode::binary,
                  std::string(128, 'a'));
BENCHMARK_CAPTURE(read_frames, client_mixed_128, Role::client, Opcode::text, mixed(128));
BENCHMARK_CAPTURE(read_frames, server_text_128, Role::server, Opcode::text, std::string(128, 'a'));
BENCHMARK_CAPTURE(write_frame, client, Role::client)->Arg(128)->Arg(1024);
BENCHMARK_CAPTURE(write_frame, server, Role::server)->Arg(128)->Arg(1024);

}  // namespace
