#include "autobahn_cases.hpp"

#include <cstdlib>
#include <iterator>
#include <string_view>

namespace zenwire::test {

std::vector<Frame> fragments(unsigned opcode, const std::string& payload, std::size_t bytes) {
  std::vector<Frame> frames;
  std::size_t at = 0;
  do {
    frames.push_back({at == 0 ? opcode : kContinuation, payload.substr(at, bytes), false});
    at += bytes;
  } while (at < payload.size());
  frames.back().fin = true;
  return frames;
}

Script echoes(std::vector<Frame> frames, std::vector<Event> wanted, std::size_t chop) {
  return {{Send{std::move(frames), chop}}, std::move(wanted)};
}

Script refuses(std::vector<Frame> frames, std::vector<Event> wanted, std::uint16_t code,
               std::size_t chop) {
  return {{Send{std::move(frames), chop}}, std::move(wanted), fails_with(code)};
}

Volume volume() {
  const char* chosen = std::getenv("ZENWIRE_CONFORMANCE");
  return chosen != nullptr && std::string_view(chosen) == "full" ? Volume::full : Volume::brief;
}

const std::vector<AutobahnCase>& autobahn_cases() {
  static const std::vector<AutobahnCase> kCases = [] {
    std::vector<AutobahnCase> all;
    for (auto* part : {autobahn_framing, autobahn_utf8, autobahn_closing, autobahn_sizes,
                       autobahn_compression}) {
      auto cases = part();
      std::move(cases.begin(), cases.end(), std::back_inserter(all));
    }
    return all;
  }();
  return kCases;
}

}  // namespace zenwire::test
