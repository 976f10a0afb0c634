#pragma once

// Wire: the bytes between a fuzzer and the end under test.

#include <optional>
#include <string>
#include <string_view>

namespace zenwire::test {

class Wire {
 public:
  virtual ~Wire() = default;
  // What the end has closed does not take, and that is no error.
  virtual void send(std::string_view bytes) = 0;
  // What has come since; empty at the end of the stream; nothing if the end says nothing more
  // unless it gets more.
  virtual std::optional<std::string> receive() = 0;
  // False only if it is certain that something has come.
  virtual bool is_quiet() = 0;
  // The fuzzer's half of the stream ends.
  virtual void end() = 0;
};

}  // namespace zenwire::test
