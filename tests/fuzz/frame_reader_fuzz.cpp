// The frame reader: the events of a stream do not depend on where it is cut, in either role, and
// nothing is read outside the window and its padding.

#include <algorithm>
#include <string>
#include <vector>

#include <zenwire/codec/frame_reader.hpp>

#include "fuzz.hpp"

using namespace zenwire;
using zenwire::test::require;

namespace {

struct Event {
  ReadStatus status;
  Opcode opcode;
  std::string payload;
  Errc error;
  bool operator==(const Event&) const = default;
};

// Small, so that short inputs pass them.
FrameLimits limits_of(unsigned choice) {
  return {.frame_bytes_max = 300,
          .message_bytes_max = 400,
          .fragments_max = 4,
          .deflate = (choice & 1u) != 0,
          .validate_utf8 = (choice & 2u) != 0};
}

// Delivers `stream` in pieces of `piece` bytes.
std::vector<Event> read(Role role, const FrameLimits& limits, Bytes stream, std::size_t piece) {
  const auto capacity = static_cast<std::size_t>(limits.window_bytes_max());
  const auto memory = test::exact_memory(capacity + kReadPadding_bytes);
  ReceiveWindow window(memory.get(), capacity);
  FrameReader reader(role, limits);
  std::vector<Event> events;
  while (!stream.empty()) {
    if (window.writable().empty()) window.compact();
    const std::size_t taken = std::min({piece, stream.size(), window.writable().size()});
    require(taken != 0);
    std::memcpy(window.writable().data(), stream.data(), taken);
    window.commit(taken);
    stream = stream.subspan(taken);
    ReadStatus status;
    while ((status = reader.next(window)) != ReadStatus::need_more) {
      if (status == ReadStatus::failed) {
        events.push_back({status, Opcode::continuation, {}, reader.error()});
        return events;
      }
      events.push_back({status, reader.opcode(), std::string(as_text(reader.payload())), Errc::ok});
      require(reader.payload().size() <= limits.message_bytes_max);
    }
    require(reader.wanted_bytes(window) <= limits.window_bytes_max());
  }
  return events;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t bytes) {
  test::Input input(data, bytes);
  const unsigned choice = input.choose();
  const Role role = (choice & 4u) != 0 ? Role::server : Role::client;
  const FrameLimits limits = limits_of(choice);
  const std::size_t piece = 1 + input.choose() % 64;
  const std::vector<Event> whole = read(role, limits, input.rest(), ~std::size_t{0});
  require(read(role, limits, input.rest(), piece) == whole);
  require(read(role, limits, input.rest(), 1) == whole);
  return 0;
}
