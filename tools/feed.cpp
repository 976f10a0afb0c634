#include "feed.hpp"

#include <cstring>

#include <zenwire/base/assert.hpp>

namespace zenwire::tools {

bool Feed::Entry::operator==(const Entry& other) const noexcept {
  return opcode == other.opcode && payload.size() == other.payload.size() &&
         (payload.empty() ||
          std::memcmp(payload.data(), other.payload.data(), payload.size()) == 0);
}

void Feed::add(Opcode opcode, Bytes payload) {
  entries_.push_back({bytes_.size(), payload.size(), opcode});
  bytes_.insert(bytes_.end(), payload.begin(), payload.end());
}

void Feed::add_all(const Recording& recording, std::size_t count_max) {
  for (std::size_t before = entries_.size(); before < count_max;) {
    RecordingReader reader(recording);
    while (const RecordedMessage* message = reader.next()) {
      const bool data = message->type == RecordType::text || message->type == RecordType::binary;
      if (!data || message->direction != RecordDirection::in || entries_.size() == count_max) {
        continue;
      }
      add(message->type == RecordType::text ? Opcode::text : Opcode::binary, message->payload);
    }
    if (entries_.size() == before) return;
    before = entries_.size();
  }
}

Feed::Entry Feed::at(std::size_t index) const noexcept {
  ZW_ASSERT(index < entries_.size());
  const Place& place = entries_[index];
  return {place.opcode, {bytes_.data() + place.offset, place.bytes}};
}

}  // namespace zenwire::tools
