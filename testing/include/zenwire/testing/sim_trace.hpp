#pragma once

// SimTrace: what happened in a simulated world, as one hash and as the last events in words.
//
// Two runs of a seed must give equal hashes: a difference means that something beside the seed had
// a say (an address, the real clock, the order of a hash table).

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

#include <zenwire/base/bytes.hpp>

namespace zenwire::testing {

class SimTrace {
 public:
  // `what` lives as long as the trace: a literal. The numbers are whatever tells the events apart.
  void note(std::uint64_t now_ns, const char* what, std::uint64_t first = 0,
            std::uint64_t second = 0) noexcept;
  // Mixes a payload in; shown by its length.
  void note_bytes(std::uint64_t now_ns, const char* what, std::uint64_t first,
                  Bytes bytes) noexcept;
  // Shows every event on standard error as it happens.
  void show(bool shown) noexcept { shown_ = shown; }

  [[nodiscard]] std::uint64_t hash() const noexcept { return hash_; }
  [[nodiscard]] std::uint64_t events() const noexcept { return events_; }
  // One line an event, oldest first.
  [[nodiscard]] std::string last_events() const;

  static constexpr std::size_t kLast_max = 64;

 private:
  struct Event {
    std::uint64_t now_ns;
    const char* what;
    std::uint64_t first;
    std::uint64_t second;
  };
  static std::string text(const Event& event);
  void mix(std::uint64_t word) noexcept;

  std::uint64_t hash_ = 0x9e3779b97f4a7c15U;
  std::uint64_t events_ = 0;
  bool shown_ = false;
  std::array<Event, kLast_max> last_{};
};

// A hash of bytes that is the same everywhere and for ever: FNV-1a over words.
std::uint64_t hash_of(Bytes bytes) noexcept;

}  // namespace zenwire::testing
