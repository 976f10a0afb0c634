#pragma once

// What is to happen to one connection. The client draws it and tells the venue in the target of its
// request, so that both know what should come.

#include <cstdint>
#include <string>
#include <string_view>

#include <zenwire/testing/random.hpp>

namespace zenwire::soak {

enum class Ending : std::uint8_t {
  client_close,  // the client, when all has come back
  server_close,  // the venue: 1001 behind the last answer
  end_of_stream,
  mid_frame,
  reset,
  silence,  // half open: the client has to notice
  refused,  // 503 instead of 101
};
inline constexpr std::size_t kEndings = 7;

constexpr std::string_view name(Ending ending) noexcept {
  constexpr std::string_view kNames[kEndings] = {
      "client_close", "server_close", "end_of_stream", "mid_frame", "reset", "silence", "refused"};
  return kNames[static_cast<std::size_t>(ending)];
}

struct Behaviour {
  Ending ending = Ending::client_close;
  std::uint64_t messages = 1;        // until then
  std::uint64_t fragment_bytes = 0;  // of the venue's answers; 0: whole
  std::uint64_t piece_bytes = 0;     // of its writes; 0: as they come
  bool reads_slowly = false;
  bool pings = false;  // before each answer

  static Behaviour draw(testing::Random& random);
  [[nodiscard]] std::string target() const;
  static Behaviour parse(std::string_view target);
};

}  // namespace zenwire::soak
