#pragma once

// Runs an example as a process.

#include <array>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

namespace zenwire::test {

// A program with each of its outputs in a pipe. Little is printed, so one may be read to its end
// before the other.
class Process {
 public:
  // The program is the one that the environment's `variable` names.
  Process(const char* variable, std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), std::getenv(variable));
    std::vector<char*> pointers;
    for (auto& argument : arguments) pointers.push_back(argument.data());
    pointers.push_back(nullptr);
    std::array<int, 2> output{};
    std::array<int, 2> errors{};
    EXPECT_EQ(::pipe2(output.data(), O_CLOEXEC) | ::pipe2(errors.data(), O_CLOEXEC), 0);
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, output[1], STDOUT_FILENO);
    ::posix_spawn_file_actions_adddup2(&actions, errors[1], STDERR_FILENO);
    EXPECT_EQ(::posix_spawn(&pid_, pointers[0], &actions, nullptr, pointers.data(), environ), 0);
    ::posix_spawn_file_actions_destroy(&actions);
    ::close(output[1]);
    ::close(errors[1]);
    output_ = ::fdopen(output[0], "r");
    errors_ = ::fdopen(errors[0], "r");
  }
  ~Process() {
    if (pid_ > 0) {
      signal(SIGKILL);
      wait();
    }
    std::fclose(output_);
    std::fclose(errors_);
  }
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  void signal(int number) { ::kill(pid_, number); }
  // The exit code.
  int wait() {
    int status = 0;
    EXPECT_EQ(::waitpid(pid_, &status, 0), pid_);
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }
  std::string output() { return rest_of(output_); }
  std::string errors() { return rest_of(errors_); }
  // Standard error up to and with a line that holds `words`, or its end.
  std::string errors_until(const std::string& words) {
    std::string line;
    while (line.find(words) == std::string::npos) {
      line.clear();
      for (int byte = 0; (byte = std::fgetc(errors_)) != '\n'; line += static_cast<char>(byte))
        if (byte == EOF) return line;
    }
    return line;
  }

 private:
  static std::string rest_of(std::FILE* file) {
    std::string text;
    for (int byte = 0; (byte = std::fgetc(file)) != EOF;) text += static_cast<char>(byte);
    return text;
  }

  pid_t pid_ = -1;
  std::FILE* output_ = nullptr;
  std::FILE* errors_ = nullptr;
};

}  // namespace zenwire::test
