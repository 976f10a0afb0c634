// Reads frames of 128 B text, UTF-8 checked, as a client that is fed 64 KiB at once: frame_read
// [--count N] [--warmup N]. For tools/instructions, which counts what one of them takes.

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include <zenwire/codec/frame_reader.hpp>
#include <zenwire/codec/frame_writer.hpp>

namespace {

using namespace zenwire;

constexpr std::size_t kFeed_bytes = std::size_t{64} << 10;
constexpr std::size_t kPayload_bytes = 128;
constexpr std::size_t kFrame_bytes = frame_bytes(Role::server, kPayload_bytes);
constexpr std::size_t kFrames = kFeed_bytes / kFrame_bytes;  // whole ones in a feed

// Reads `count` frames; gives how many bytes of payload there were.
std::uint64_t read(std::uint64_t count) {
  std::vector<std::byte> memory(kFeed_bytes + kReadPadding_bytes);
  const std::string text(kPayload_bytes, 'a');
  std::byte* to = memory.data();
  for (std::size_t i = 0; i < kFrames; ++i)
    to = write_frame(to, Role::server, Opcode::text, as_bytes(text), 0);
  FrameReader reader(Role::client, {});
  ReceiveWindow window(memory.data(), kFeed_bytes);
  std::uint64_t payload_bytes = 0;
  while (count > 0) {
    const std::size_t frames = std::min<std::uint64_t>(count, kFrames);
    window.commit(frames * kFrame_bytes);
    while (reader.next(window) == ReadStatus::message) payload_bytes += reader.payload().size();
    window.rewind();
    count -= frames;
  }
  return payload_bytes;
}

}  // namespace

int main(int count, char** values) {
  std::uint64_t frames = 0;
  for (int i = 1; i + 1 < count; i += 2) {
    const std::string_view name = values[i];
    if (name != "--count" && name != "--warmup") {
      std::fputs("usage: frame_read [--count N] [--warmup N]\n", stderr);
      return 2;
    }
    frames += std::strtoull(values[i + 1], nullptr, 10);
  }
  return read(frames) == frames * kPayload_bytes ? 0 : 1;
}
