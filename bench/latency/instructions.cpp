#include "instructions.hpp"

#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <vector>

#include <fcntl.h>
#include <unistd.h>

#include "ratio.hpp"
#include "server_process.hpp"
#include "steady_process.hpp"

namespace zenwire::bench {
namespace {

constexpr double kRun_s = 300;
constexpr std::uint64_t kWarmup = 100;

// Messages of the shorter and the longer run.
struct Lengths {
  std::uint64_t few;
  std::uint64_t many;
};

Lengths lengths_of(const BenchStage& stage) noexcept {
  return stage.scenario == Mode::sink ? Lengths{20'000, 80'000} : Lengths{500, 3'500};
}

#if defined(NDEBUG) && defined(__AVX2__)
constexpr bool kComparable = true;
#else
constexpr bool kComparable = false;
#endif

bool is_on_path(const std::string& command) {
  const char* const path = std::getenv("PATH");
  const std::string folders = path == nullptr ? "/usr/bin:/bin" : path;
  for (std::size_t at = 0; at <= folders.size();) {
    const std::size_t end = std::min(folders.find(':', at), folders.size());
    if (::access((folders.substr(at, end - at) + "/" + command).c_str(), X_OK) == 0) return true;
    at = end + 1;
  }
  return false;
}

std::string own_path() {
  char path[4096];
  const ssize_t bytes = ::readlink("/proc/self/exe", path, sizeof path);
  return bytes > 0 ? std::string(path, static_cast<std::size_t>(bytes)) : std::string();
}

std::vector<std::string> command_of(const InstructionsRequest& request, const ServerProcess& server,
                                    std::uint64_t count) {
  std::vector<std::string> words = {"valgrind",
                                    "--tool=callgrind",
                                    "--callgrind-out-file=/dev/null",
                                    own_path(),
                                    "bench",
                                    kClientWord,
                                    "--host",
                                    "127.0.0.1",
                                    "--port",
                                    std::to_string(server.port()),
                                    "--mode",
                                    name(request.stage.scenario),
                                    "--size",
                                    std::to_string(request.stage.message_bytes),
                                    "--count",
                                    std::to_string(count),
                                    "--warmup",
                                    std::to_string(kWarmup),
                                    "--cpu",
                                    std::to_string(request.cores.client),
                                    "--conns",
                                    std::to_string(request.connections),
                                    "--wait",
                                    "block"};
  if (request.stage.tls) words.insert(words.end(), {"--tls", "--ca", server.ca_file()});
  return words;
}

int execute(const std::vector<std::string>& words) {
  make_steady();  // for its descriptors
  std::vector<char*> arguments;
  for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  // Its line of figures is of no use: callgrind's own is on standard error.
  const int nowhere = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
  ::dup2(nowhere, STDOUT_FILENO);
  ::execvp(arguments.front(), arguments.data());
  die(words.front() + ": " + std::strerror(errno));
}

// "==123== Collected : 4567"
std::optional<std::uint64_t> collected(const std::string& text) {
  constexpr std::string_view kWord = "Collected : ";
  const std::size_t at = text.rfind(kWord);
  if (at == std::string::npos) return std::nullopt;
  std::uint64_t value = 0;
  const char* const begin = text.data() + at + kWord.size();
  const auto parsed = std::from_chars(begin, text.data() + text.size(), value);
  return parsed.ptr == begin ? std::nullopt : std::optional(value);
}

Result<std::uint64_t> count_run(const InstructionsRequest& request, const ServerProcess& server,
                                std::uint64_t count, const WaitFor& wait_for) {
  const std::vector<std::string> words = command_of(request, server, count);
  auto child = Child::start([&] { return execute(words); });
  if (!child) return tl::unexpected<Error>(child.error());
  const ChildEnd end = child->wait(wait_for, kRun_s);
  const std::string text = child->errors();
  const auto found = collected(text);
  if (!end.good() || !found) {
    const std::size_t tail = text.size() - std::min<std::size_t>(text.size(), 200);
    return fail(Errc::aborted, "callgrind: " + text.substr(tail));
  }
  return *found;
}

}  // namespace

std::string why_no_instructions() {
  if (!kComparable) return "this build is not of the release preset: its counts say nothing";
  return is_on_path("valgrind") ? "" : "valgrind is not installed";
}

Result<double> count_instructions(const InstructionsRequest& request, const WaitFor& wait_for) {
  auto server = ServerProcess::start(
      {.cpu = request.cores.server, .tls = request.stage.tls, .spin = false}, wait_for);
  if (!server) return tl::unexpected<Error>(server.error());
  const Lengths lengths = lengths_of(request.stage);
  std::vector<double> slopes;
  for (unsigned run = 0; run < request.runs; ++run) {
    const auto few = count_run(request, *server, lengths.few, wait_for);
    if (!few) return tl::unexpected<Error>(few.error());
    const auto many = count_run(request, *server, lengths.many, wait_for);
    if (!many) return tl::unexpected<Error>(many.error());
    slopes.push_back((static_cast<double>(*many) - static_cast<double>(*few)) /
                     static_cast<double>(lengths.many - lengths.few));
  }
  return median_of(slopes);
}

}  // namespace zenwire::bench
