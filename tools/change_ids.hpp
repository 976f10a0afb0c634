#pragma once

// ChangeIds: finds gaps in Deribit-style book updates, each of which names the change before it
// (`change_id`, `prev_change_id`, per instrument). What the transport delivers whole and in order
// can still have been lost before it.

#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

namespace zenwire::tools {

// One thread. Cost: three searches in a text that has a change id, one in another.
class ChangeIds {
 public:
  void see(std::string_view text) {
    const auto previous = number_after(text, R"("prev_change_id":)");
    const auto change = number_after(text, R"("change_id":)");
    if (!change) return;
    std::uint64_t& last = last_[std::string(word_after(text, R"("instrument_name":")"))];
    // A snapshot has no previous one: the book starts anew.
    if (previous && last != 0 && *previous != last) ++gaps_;
    last = *change;
    ++updates_;
  }
  [[nodiscard]] std::uint64_t updates() const noexcept { return updates_; }
  [[nodiscard]] std::uint64_t gaps() const noexcept { return gaps_; }

 private:
  static std::optional<std::uint64_t> number_after(std::string_view text, std::string_view key) {
    const auto at = text.find(key);
    if (at == std::string_view::npos) return std::nullopt;
    const char* digits = text.data() + at + key.size();
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(digits, text.data() + text.size(), number);
    static_cast<void>(end);
    return error == std::errc{} ? std::optional(number) : std::nullopt;
  }
  static std::string_view word_after(std::string_view text, std::string_view key) {
    const auto at = text.find(key);
    if (at == std::string_view::npos) return {};
    const std::string_view rest = text.substr(at + key.size());
    return rest.substr(0, rest.find('"'));
  }

  std::unordered_map<std::string, std::uint64_t> last_;
  std::uint64_t updates_ = 0;
  std::uint64_t gaps_ = 0;
};

}  // namespace zenwire::tools
