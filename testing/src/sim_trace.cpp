#include <algorithm>
#include <cstdio>
#include <cstring>

#include <zenwire/testing/sim_trace.hpp>

namespace zenwire::testing {

std::uint64_t hash_of(Bytes bytes) noexcept {
  std::uint64_t hash = 0xcbf29ce484222325U ^ bytes.size();
  while (!bytes.empty()) {
    std::uint64_t word = 0;
    const std::size_t count = std::min(bytes.size(), sizeof word);
    std::memcpy(&word, bytes.data(), count);
    hash = (hash ^ word) * 0x100000001b3U;
    hash ^= hash >> 29;
    bytes = bytes.subspan(count);
  }
  return hash;
}

void SimTrace::mix(std::uint64_t word) noexcept {
  hash_ = (hash_ ^ word) * 0xbf58476d1ce4e5b9U;
  hash_ ^= hash_ >> 31;
}

void SimTrace::note(std::uint64_t now_ns, const char* what, std::uint64_t first,
                    std::uint64_t second) noexcept {
  const Event event{now_ns, what, first, second};
  last_[events_++ % kLast_max] = event;
  mix(now_ns);
  mix(hash_of(as_bytes(what)));
  mix(first);
  mix(second);
  if (shown_) [[unlikely]]
    std::fprintf(stderr, "%s\n", text(event).c_str());
}

void SimTrace::note_bytes(std::uint64_t now_ns, const char* what, std::uint64_t first,
                          Bytes bytes) noexcept {
  mix(hash_of(bytes));
  note(now_ns, what, first, bytes.size());
}

std::string SimTrace::text(const Event& event) {
  char line[160];
  std::snprintf(line, sizeof line, "%15.6f ms  %-28s %8llu %8lld",
                static_cast<double>(event.now_ns) / 1e6, event.what,
                static_cast<unsigned long long>(event.first), static_cast<long long>(event.second));
  return line;
}

std::string SimTrace::last_events() const {
  std::string lines;
  const std::uint64_t count = std::min<std::uint64_t>(events_, kLast_max);
  for (std::uint64_t i = events_ - count; i < events_; ++i)
    lines += text(last_[i % kLast_max]) + "\n";
  return lines;
}

}  // namespace zenwire::testing
