// Every Autobahn case against processes on loopback: `zenwire echo-server` with our fuzzer as its
// client, and `zenwire autobahn` with it as the fuzzing server that the command is made for.

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

#include "autobahn_cases.hpp"
#include "fuzzer.hpp"
#include "socket_end.hpp"

namespace zenwire::test {
namespace {

// The command with its standard output in a pipe.
class Process {
 public:
  explicit Process(std::vector<std::string> arguments) {
    int pipe[2];
    EXPECT_EQ(::pipe2(pipe, O_CLOEXEC), 0);
    arguments.insert(arguments.begin(), std::getenv("ZENWIRE"));
    std::vector<char*> pointers;
    for (auto& argument : arguments) pointers.push_back(argument.data());
    pointers.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, pipe[1], STDOUT_FILENO);
    EXPECT_EQ(::posix_spawn(&pid_, pointers[0], &actions, nullptr, pointers.data(), environ), 0);
    ::posix_spawn_file_actions_destroy(&actions);
    ::close(pipe[1]);
    output_ = ::fdopen(pipe[0], "r");
  }
  ~Process() {
    if (pid_ > 0) {
      EXPECT_EQ(stop(), 0);
    }
    std::fclose(output_);
  }
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  std::string line() {
    std::string text;
    for (int byte = 0; (byte = std::fgetc(output_)) != EOF && byte != '\n';)
      text += static_cast<char>(byte);
    return text;
  }
  // The exit code.
  int wait() {
    int status = 0;
    EXPECT_EQ(::waitpid(pid_, &status, 0), pid_);
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }
  int stop() {
    ::kill(pid_, SIGTERM);
    return wait();
  }

 private:
  pid_t pid_ = -1;
  std::FILE* output_ = nullptr;
};

class EchoServer {
 public:
  explicit EchoServer(const char* message_bytes_max = "16M")
      : process_({"echo-server", "--port", "0", "--deflate", "--max-message", message_bytes_max}) {
    const std::string url = process_.line();
    port_ = static_cast<std::uint16_t>(std::atoi(url.c_str() + url.rfind(':') + 1));
  }
  [[nodiscard]] std::uint16_t port() const { return port_; }

 private:
  Process process_;
  std::uint16_t port_ = 0;
};

std::string verdict(const EchoServer& server, const AutobahnCase& autobahn_case) {
  SocketEnd wire(SocketEnd::connect(server.port()));
  Fuzzer fuzzer(wire, FuzzerRole::client);
  if (!fuzzer.connect(autobahn_case.deflate)) return fuzzer.error();
  return fuzzer.run(autobahn_case.script());
}

void expect_ok(const AutobahnCase& autobahn_case, const std::string& why) {
  EXPECT_EQ(why, "") << autobahn_case.number << ": " << autobahn_case.title;
}

TEST(EchoServerProcess, is_ok_in_every_case) {
  const EchoServer server;
  for (const auto& autobahn_case : autobahn_cases())
    expect_ok(autobahn_case, verdict(server, autobahn_case));
}

// With messages this large there are four large buffers for all clients: none of them may notice.
TEST(EchoServerProcess, is_ok_in_cases_at_the_same_time) {
  constexpr int kClients = 12;
  const EchoServer server("256M");
  std::vector<std::string> verdicts(autobahn_cases().size());
  std::atomic<std::size_t> next = 0;
  std::vector<std::thread> clients;
  for (int i = 0; i < kClients; ++i) {
    clients.emplace_back([&] {
      for (std::size_t at = 0; (at = next++) < verdicts.size();)
        verdicts[at] = verdict(server, autobahn_cases()[verdicts.size() - 1 - at]);
    });
  }
  for (auto& client : clients) client.join();
  for (std::size_t at = 0; at < verdicts.size(); ++at)
    expect_ok(autobahn_cases()[verdicts.size() - 1 - at], verdicts[at]);
}

// The part of a fuzzing server that is not its cases: how many there are, which one, the report.
class FuzzingServer {
 public:
  FuzzingServer() {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t bytes = sizeof address;
    EXPECT_EQ(::bind(listener_, reinterpret_cast<sockaddr*>(&address), bytes), 0);
    EXPECT_EQ(::listen(listener_, 8), 0);
    EXPECT_EQ(::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &bytes), 0);
    port_ = ntohs(address.sin_port);
  }
  ~FuzzingServer() { ::close(listener_); }

  [[nodiscard]] std::string url() const { return "ws://127.0.0.1:" + std::to_string(port_); }

  // Until the report was asked for. Each case's verdict is expected to be good.
  void serve() {
    while (!reported_ && !HasFailure()) {
      SocketEnd wire(::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC));
      Fuzzer fuzzer(wire, FuzzerRole::server);
      answer(fuzzer, fuzzer.read_request());
    }
  }
  [[nodiscard]] std::size_t served() const { return served_; }

 private:
  static bool HasFailure() { return testing::Test::HasFailure(); }

  void answer(Fuzzer& fuzzer, const std::string& target) {
    const std::string agent = "agent=zen%20wire";
    if (target == "/getCaseCount") {
      ASSERT_TRUE(fuzzer.answer()) << fuzzer.error();
      EXPECT_EQ(fuzzer.say(std::to_string(autobahn_cases().size())), "");
    } else if (target == "/updateReports?" + agent) {
      reported_ = true;
      ASSERT_TRUE(fuzzer.answer()) << fuzzer.error();
      EXPECT_EQ(fuzzer.run({{}, {}, {}}), "");
    } else {
      const auto& autobahn_case = autobahn_cases().at(served_);
      ASSERT_EQ(target, "/runCase?case=" + std::to_string(++served_) + "&" + agent);
      const bool answered = fuzzer.answer(autobahn_case.deflate);
      expect_ok(autobahn_case, answered ? fuzzer.run(autobahn_case.script()) : fuzzer.error());
    }
  }

  int listener_ = -1;
  std::uint16_t port_ = 0;
  std::size_t served_ = 0;
  bool reported_ = false;
};

TEST(AutobahnProcess, is_ok_in_every_case) {
  FuzzingServer server;
  Process command({"autobahn", server.url(), "--agent", "zen wire", "--deflate", "--json"});
  server.serve();
  EXPECT_EQ(server.served(), autobahn_cases().size());
  EXPECT_NE(command.line().find("\"run\":517,\"not_opened\":0"), std::string::npos);
  EXPECT_EQ(command.wait(), 0);
}

}  // namespace
}  // namespace zenwire::test
