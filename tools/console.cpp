#include "console.hpp"

#include <array>
#include <cstdio>
#include <cstring>

#include <unistd.h>

#include <zenwire/codec/close.hpp>
#include <zenwire/codec/url.hpp>

namespace zenwire::tools {

namespace {

constexpr std::size_t kBodyShown_bytes_max = 400;

void print_line(std::string_view indent, std::string_view name, std::string_view text) {
  if (text.empty()) return;
  std::fprintf(stderr, "%.*s%.*s: %.*s\n", static_cast<int>(indent.size()), indent.data(),
               static_cast<int>(name.size()), name.data(), static_cast<int>(text.size()),
               text.data());
}

// A server's words must not steer the terminal.
std::string without_controls(std::string_view text) {
  std::string clean;
  for (const char character : text.substr(0, kBodyShown_bytes_max)) {
    const auto byte = static_cast<unsigned char>(character);
    const bool space = character == '\n' || character == '\r' || character == '\t';
    if (space && !clean.empty() && clean.back() != ' ') clean += ' ';
    if (!space && byte >= 0x20 && byte != 0x7f) clean += character;
  }
  if (text.size() > kBodyShown_bytes_max) clean += "...";
  return clean;
}

}  // namespace

void print_error(std::string_view command, std::string_view what, const Error& error) {
  std::fflush(stdout);
  std::string text(what);
  text.append(": ").append(message(error.code()));
  print_line("zenwire ", std::string(command) + ": error", text);
  std::string detail = without_controls(error.detail());
  if (error.os_error() != 0) {
    const char* reason = std::strerror(error.os_error());
    if (detail.find(reason) == std::string::npos) {
      detail.append(detail.empty() ? "" : ": ").append(reason);
    }
  }
  print_line("  ", "detail", detail);
  print_line("  ", "try", suggestion(error.code()));
  print_line("  ", "code", name(error.code()));
}

void print_failure(std::string_view command, std::string_view what, const OpenFailure& failure) {
  print_error(command, what, failure.error);
  if (!failure.remote.empty()) print_line("  ", "address", failure.remote.text());
  if (failure.http_status == 0) return;
  print_line("  ", "answer", without_controls(failure.head.substr(0, failure.head.find('\r'))));
  if (failure.retry_after) {
    print_line("  ", "retry after", std::to_string(failure.retry_after->count()) + " s");
  }
  print_line("  ", "body", without_controls(failure.body_start));
}

void print_refusal(std::string_view command, std::string_view what, std::string_view hint) {
  print_line("zenwire ", std::string(command) + ": error", what);
  print_line("  ", "try", hint);
}

void print_warning(std::string_view command, std::string_view text) {
  print_line("zenwire ", std::string(command) + ": warning", text);
}

void print_note(std::string_view command, std::string_view text) {
  print_line("zenwire ", command, text);
}

std::string printable_url(std::string_view url) {
  if (const auto parsed = parse_url(url)) return parsed->printable();
  const auto host = url.find("://");
  const auto from = host == std::string_view::npos ? 0 : host + 3;
  if (url.find('@') != std::string_view::npos) return std::string(url.substr(0, from)) + "...";
  return std::string(url.substr(0, url.find_first_of("?#", from)));
}

std::string grouped(std::uint64_t number) {
  std::string text = std::to_string(number);
  for (auto at = static_cast<std::ptrdiff_t>(text.size()) - 3; at > 0; at -= 3) {
    text.insert(static_cast<std::size_t>(at), 1, ',');
  }
  return text;
}

std::string counted(std::uint64_t number, std::string_view noun) {
  return grouped(number) + " " + std::string(noun) + (number == 1 ? "" : "s");
}

namespace {

std::string scaled(double value, const char* unit) {
  char text[48];
  const int digits = value < 10 ? 2 : value < 100 ? 1 : 0;
  std::snprintf(text, sizeof text, "%.*f %s", digits, value, unit);
  return text;
}

}  // namespace

std::string byte_text(std::uint64_t bytes) {
  constexpr std::array kUnits = {"KB", "MB", "GB", "TB"};
  if (bytes < 1000) return std::to_string(bytes) + " B";
  double value = static_cast<double>(bytes) / 1000;
  std::size_t unit = 0;
  for (; value >= 1000 && unit + 1 < kUnits.size(); ++unit) value /= 1000;
  return scaled(value, kUnits[unit]);
}

std::string duration_text(std::uint64_t nanoseconds) {
  const auto value = static_cast<double>(nanoseconds);
  if (nanoseconds < 1000) return std::to_string(nanoseconds) + " ns";
  if (nanoseconds < 1'000'000) return scaled(value / 1e3, "us");
  if (nanoseconds < 1'000'000'000) return scaled(value / 1e6, "ms");
  return scaled(value / 1e9, "s");
}

std::string close_text(std::uint16_t code, std::string_view reason) {
  std::string text = std::to_string(code);
  text.append(" (").append(close_code_name(code)).append(")");
  if (!reason.empty()) text.append(", \"").append(without_controls(reason)).append("\"");
  return text;
}

bool is_fault(const Error& error) noexcept {
  return error.condition() == Condition::protocol_violation ||
         error.condition() == Condition::limit_exceeded;
}

Progress::Progress(std::string_view command)
    : command_(command), is_terminal_(isatty(STDERR_FILENO) == 1) {}

bool Progress::is_due() noexcept {
  return is_terminal_ && std::chrono::steady_clock::now() >= next_;
}

void Progress::show(std::string_view text) noexcept {
  if (!is_due()) return;
  next_ = std::chrono::steady_clock::now() + std::chrono::milliseconds(100);
  shown_ = true;
  std::fprintf(stderr, "\r\033[Kzenwire %s: %.*s", command_.c_str(), static_cast<int>(text.size()),
               text.data());
}

void Progress::clear() noexcept {
  if (shown_) std::fputs("\r\033[K", stderr);
  shown_ = false;
}

}  // namespace zenwire::tools
