#pragma once

// What a command tells a person, on standard error: errors, warnings, progress.
//
// No secret passes here: URLs are printed without their query, header values never.

#include <chrono>
#include <string>
#include <string_view>

#include <zenwire/base/error.hpp>
#include <zenwire/engine/connection.hpp>
#include <zenwire/engine/opening.hpp>

namespace zenwire::tools {

// "zenwire record: error: cannot write FILE: <what happened>", then what is known and what to do.
void print_error(std::string_view command, std::string_view what, const Error& error);
// The same with the server's answer, when there was one.
void print_failure(std::string_view command, std::string_view what, const OpenFailure& failure);
// What the command line lacks or asks for in vain, for which the engine has no code.
void print_refusal(std::string_view command, std::string_view what, std::string_view hint);
void print_warning(std::string_view command, std::string_view text);
// Not an error: "zenwire record: 17 messages ...".
void print_note(std::string_view command, std::string_view text);

// A URL as it may be shown: without its query. What is no URL is shown cut short at the first
// character after which a secret could stand.
std::string printable_url(std::string_view url);

// "1,234,567"
std::string grouped(std::uint64_t number);
// "1 message", "1,234 messages"
std::string counted(std::uint64_t number, std::string_view noun);
// "709 KB", with decimal units as disks and lines are sold.
std::string byte_text(std::uint64_t bytes);
// "1.25 s", "340 ms", "27.1 us"
std::string duration_text(std::uint64_t nanoseconds);

// "1000 (normal), reason"
std::string close_text(std::uint16_t code, std::string_view reason);

// Whether an end is somebody's fault even when we were closing anyway.
bool is_fault(const Error& error) noexcept;

// A line on a terminal that is written over; nothing when standard error is no terminal. At most
// ten updates a second.
class Progress {
 public:
  explicit Progress(std::string_view command);
  ~Progress() { clear(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // Whether an update would be shown now: ask before making an expensive text.
  [[nodiscard]] bool is_due() noexcept;
  void show(std::string_view text) noexcept;
  void clear() noexcept;

 private:
  std::string command_;
  bool is_terminal_;
  bool shown_ = false;
  std::chrono::steady_clock::time_point next_{};
};

}  // namespace zenwire::tools
