#pragma once

// Feed: the messages that the demo's server sends, all in memory, so that what arrives can be
// compared with them byte for byte.

#include <cstddef>
#include <vector>

#include <zenwire/base/bytes.hpp>
#include <zenwire/codec/frame.hpp>
#include <zenwire/engine/recording.hpp>

namespace zenwire::tools {

// Filled by one thread, then read by any.
class Feed {
 public:
  struct Entry {
    Opcode opcode;
    Bytes payload;
    bool operator==(const Entry& other) const noexcept;
  };

  void add(Opcode opcode, Bytes payload);
  // The inbound text and binary messages of a recording, up to `count_max`, again from its start
  // when it has fewer and at least one.
  void add_all(const Recording& recording, std::size_t count_max);

  [[nodiscard]] std::size_t size() const noexcept { return entries_.size(); }
  [[nodiscard]] std::size_t payload_bytes() const noexcept { return bytes_.size(); }
  [[nodiscard]] Entry at(std::size_t index) const noexcept;

 private:
  struct Place {
    std::size_t offset;
    std::size_t bytes;
    Opcode opcode;
  };
  std::vector<std::byte> bytes_;
  std::vector<Place> entries_;
};

}  // namespace zenwire::tools
