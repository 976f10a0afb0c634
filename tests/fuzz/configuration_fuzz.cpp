// Configuration: lines of name=value, as a file or a command line gives them. What is refused says
// why, changes nothing and holds no control characters; what is accepted is judged the same twice.

#include <string>

#include <zenwire/engine/options.hpp>

#include "fuzz.hpp"

using namespace zenwire;
using zenwire::test::require;

namespace {

void require_explained(const Error& error) {
  require(error.condition() == Condition::invalid_option);
  require(!message(error.code()).empty() && !error.detail().empty());
}

void set_line(ConnectOptions& options, std::string_view line) {
  const auto equals = line.find('=');
  if (equals == std::string_view::npos) return;
  const auto set = options.set(line.substr(0, equals), line.substr(equals + 1));
  if (!set) require_explained(set.error());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t bytes) {
  std::string_view text(reinterpret_cast<const char*>(data), bytes);
  ConnectOptions options;
  options.url = "wss://localhost/";
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    set_line(options, text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  const auto valid = options.validate();
  if (!valid) require_explained(valid.error());
  require(valid.has_value() == options.validate().has_value());
  return 0;
}
