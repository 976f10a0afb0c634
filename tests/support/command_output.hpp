#pragma once

// Runs a command of the shell to its end and gives what it printed, errors too.

#include <array>
#include <cstdio>
#include <string>

namespace zenwire::test {

inline std::string command_output(const std::string& command) {
  std::FILE* const pipe = ::popen((command + " 2>&1").c_str(), "r");
  if (pipe == nullptr) return {};
  std::string output;
  std::array<char, 4096> block{};
  while (const std::size_t bytes = std::fread(block.data(), 1, block.size(), pipe))
    output.append(block.data(), bytes);
  ::pclose(pipe);
  return output;
}

inline bool command_exists(const std::string& name) {
  return command_output("command -v " + name).find(name) != std::string::npos;
}

}  // namespace zenwire::test
