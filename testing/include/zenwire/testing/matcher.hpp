#pragma once

// What a message is expected to look like: an exact text, a regular expression, a part of a JSON
// document, or a condition of the test's own.

#include <functional>
#include <string>
#include <string_view>

namespace zenwire::testing {

// A value; copies share nothing. It may be used on any thread, if the condition may.
class Matcher {
 public:
  using Condition = std::function<bool(std::string_view payload)>;

  Matcher(std::string description, Condition condition)
      : description_(std::move(description)), condition_(std::move(condition)) {}
  // A text stands for exactly that text.
  Matcher(std::string_view text);  // NOLINT: implicit, so that it reads at the call
  Matcher(const char* text) : Matcher(std::string_view(text)) {}         // NOLINT
  Matcher(const std::string& text) : Matcher(std::string_view(text)) {}  // NOLINT

  [[nodiscard]] bool matches(std::string_view payload) const { return condition_(payload); }
  // "the text "subscribe"", for a failure.
  [[nodiscard]] const std::string& description() const noexcept { return description_; }

 private:
  std::string description_;
  Condition condition_;
};

// Any payload.
Matcher anything();
// These bytes and no others.
Matcher exactly(std::string_view payload);
// ECMAScript, anywhere in the payload: ^ and $ hold it to the ends. Throws std::regex_error for one
// that is none.
Matcher matches_regex(const std::string& expression);
// A JSON document that holds at least what `subset` holds: an object every member of it, at every
// depth; an array just as many elements, each holding what its counterpart holds; numbers are
// compared by value, all else for equality. A `subset` that is no JSON matches nothing, and the
// description says so.
Matcher json_contains(std::string_view subset);
// What the test says; `description` is for the failure.
Matcher satisfies(Matcher::Condition condition, std::string description = "the test's condition");

}  // namespace zenwire::testing
