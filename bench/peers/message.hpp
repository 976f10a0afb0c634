#pragma once

// The messages of the benchmark clients and their server: JSON text of one layout and one length.
//
//     {"t":"<19 digits, ns>","n":"<10 digits>","p":"abc...z repeated"}

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace zenwire::bench {

inline constexpr std::size_t kTime_offset = 6;
inline constexpr std::size_t kTime_digits = 19;
inline constexpr std::size_t kNumber_offset = 32;
inline constexpr std::size_t kNumber_digits = 10;
inline constexpr std::size_t kPadding_offset = 49;
inline constexpr std::size_t kMessage_bytes_min = 64;
static_assert(kTime_offset + kTime_digits + 7 == kNumber_offset);
static_assert(kNumber_offset + kNumber_digits + 7 == kPadding_offset);

inline void put_digits(char* to, std::size_t digits, std::uint64_t value) noexcept {
  for (std::size_t i = digits; i-- > 0; value /= 10) to[i] = static_cast<char>('0' + value % 10);
}

// The decimal number one further, in place; it wraps to zero.
inline void increment_digits(char* digits, std::size_t count) noexcept {
  while (count-- > 0) {
    if (digits[count] != '9') {
      ++digits[count];
      return;
    }
    digits[count] = '0';
  }
}

// The value of digits; anything else among them gives a number that no clock shows.
inline std::uint64_t digits_value(std::string_view digits) noexcept {
  std::uint64_t value = 0;
  const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  return parsed.ptr == digits.data() + digits.size() ? value : 0;
}

inline std::string make_message(std::size_t bytes, std::uint64_t number,
                                std::uint64_t time_ns = 0) {
  std::string text = R"({"t":"0000000000000000000","n":"0000000000","p":")";
  for (std::size_t i = 0; text.size() + 2 < bytes; ++i) {
    text.push_back(static_cast<char>('a' + i % 26));
  }
  text += "\"}";
  put_digits(text.data() + kTime_offset, kTime_digits, time_ns);
  put_digits(text.data() + kNumber_offset, kNumber_digits, number);
  return text;
}

inline constexpr std::size_t kOrder_bytes = 128;
// The last message of an order stream: the server has taken every order.
inline constexpr std::string_view kDone = "done";

// Puts the time and the number of a tick into its order.
inline void answer_tick(char* order, std::string_view tick) noexcept {
  std::memcpy(order + kTime_offset, tick.data() + kTime_offset, kTime_digits);
  std::memcpy(order + kNumber_offset, tick.data() + kNumber_offset, kNumber_digits);
}

// When each message of a stream is due: at a rate, from its first.
class Schedule {
 public:
  explicit Schedule(double interval_ns = 0) noexcept : interval_ns_(interval_ns) {}
  void begin(std::uint64_t now_ns) noexcept { first_ns_ = now_ns; }
  [[nodiscard]] std::uint64_t next_ns() noexcept {
    return first_ns_ + static_cast<std::uint64_t>(interval_ns_ * static_cast<double>(count_++));
  }
  // Of the next message of somebody else's stream, which was sent then. None is sent before it is
  // due: one that seems to be shows that those before it were late, the first among them.
  [[nodiscard]] std::uint64_t due_ns(std::uint64_t sent_ns) noexcept {
    if (count_ == 0) begin(sent_ns);
    const std::uint64_t due_ns = next_ns();
    if (due_ns <= sent_ns) return due_ns;
    first_ns_ -= due_ns - sent_ns;
    return sent_ns;
  }

 private:
  double interval_ns_;
  std::uint64_t first_ns_ = 0;
  std::uint64_t count_ = 0;
};

// Whether two texts of at least a block are the same: in line, because it stands beside what is
// measured.
inline bool same_bytes(const char* a, const char* b, std::size_t bytes) noexcept {
  using Block = long long __attribute__((vector_size(32)));
  Block seen{};
  const auto compare = [&](std::size_t at) {
    Block left;
    Block right;
    std::memcpy(&left, a + at, sizeof left);
    std::memcpy(&right, b + at, sizeof right);
    seen |= left ^ right;
  };
  std::size_t at = 0;
  for (; at + 2 * sizeof(Block) <= bytes; at += 2 * sizeof(Block)) {
    compare(at);
    compare(at + sizeof(Block));
  }
  if (at + sizeof(Block) <= bytes) compare(at);
  compare(bytes - sizeof(Block));
  return (seen[0] | seen[1] | seen[2] | seen[3]) == 0;
}

// What one connection is to receive: every byte of every message is compared.
class Expected {
 public:
  Expected() = default;
  // `block` messages are numbered and then repeated; 0: the number goes on without end and each
  // message carries a time of its own.
  Expected(std::size_t message_bytes, std::size_t block)
      : message_bytes_(message_bytes), block_(block) {
    start_at(0);
  }
  // Moved only: a copy would go on looking at the first one's messages.
  Expected(Expected&&) = default;
  Expected& operator=(Expected&&) = default;

  // The next of a repeated block.
  [[nodiscard]] bool take(std::string_view text) noexcept {
    if (text.size() != message_bytes_) return false;
    bool right = same_bytes(text.data(), next_, message_bytes_);
    if (!right && !begun_) [[unlikely]]
      right = begins_at_one(text);
    begun_ = true;
    next_ += message_bytes_;
    if (next_ == end_) [[unlikely]]
      next_ = messages_.data();
    return right;
  }

  // The next of an endless stream; `time_ns` is what it carries.
  [[nodiscard]] bool take_timed(std::string_view text, std::uint64_t& time_ns) noexcept {
    constexpr std::size_t kBehindTime = kTime_offset + kTime_digits;
    if (text.size() != message_bytes_) return false;
    bool right = same_from(text, kBehindTime);
    if (!right && !begun_ && begins_at_one(text)) right = same_from(text, kBehindTime);
    begun_ = true;
    increment_digits(messages_.data() + kNumber_offset, kNumber_digits);
    time_ns = digits_value(text.substr(kTime_offset, kTime_digits));
    return right && std::memcmp(text.data(), messages_.data(), kTime_offset) == 0;
  }

 private:
  [[nodiscard]] bool same_from(std::string_view text, std::size_t at) const noexcept {
    return std::memcmp(text.data() + at, messages_.data() + at, message_bytes_ - at) == 0;
  }

  // A server may count from zero or from one: its first message says which.
  [[gnu::noinline, gnu::cold]] bool begins_at_one(std::string_view text) noexcept {
    start_at(1);
    return block_ == 0 || std::memcmp(text.data(), next_, message_bytes_) == 0;
  }

  void start_at(std::uint64_t first) {
    messages_.clear();
    for (std::size_t i = 0; i < (block_ == 0 ? 1 : block_); ++i) {
      messages_ += make_message(message_bytes_, first + i);
    }
    next_ = messages_.data();
    end_ = next_ + messages_.size();
  }

  std::size_t message_bytes_ = 0;
  std::size_t block_ = 0;
  const char* next_ = nullptr;
  const char* end_ = nullptr;
  bool begun_ = false;
  std::string messages_;
};

}  // namespace zenwire::bench
