#include <array>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <memory>
#include <optional>
#include <string_view>

#include <unistd.h>

#include <zenwire/testing/sim_program.hpp>

namespace zenwire::testing {
namespace {

constexpr std::uint64_t kSeedsPerProgress = 500;
constexpr std::uint64_t kSeedsPerHash = 50;

// For a failed assertion or a crash, which must still name its seed: prepared ahead, because
// nothing may be allocated there.
std::array<char, 256> abort_line{};

void on_crash(int signal) {
  [[maybe_unused]] const auto written =
      ::write(STDERR_FILENO, abort_line.data(), std::strlen(abort_line.data()));
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

std::string commit_of(const std::string& directory) {
  const std::string command = "git -C '" + (directory.empty() ? "." : directory) +
                              "' rev-parse --short=12 HEAD 2>/dev/null";
  const std::unique_ptr<FILE, int (*)(FILE*)> pipe(::popen(command.c_str(), "re"), &::pclose);
  std::array<char, 64> line{};
  if (pipe == nullptr || std::fgets(line.data(), line.size(), pipe.get()) == nullptr)
    return "unknown";
  const std::string commit(line.data());
  return commit.substr(0, commit.find('\n'));
}

struct Arguments {
  std::uint64_t first = 1;
  std::uint64_t last = 100;
  bool trace = false;
  bool json = false;
  bool hashes = false;
  bool help = false;
  std::optional<std::uint64_t> expected{};  // combined hash
};

std::optional<std::uint64_t> number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

bool read_range(Arguments& arguments, std::string_view text) {
  const auto dots = text.find("..");
  if (dots == std::string_view::npos) return false;
  const auto first = number(text.substr(0, dots));
  const auto last = number(text.substr(dots + 2));
  if (!first || !last || *first > *last) return false;
  arguments.first = *first;
  arguments.last = *last;
  return true;
}

bool read_expected(Arguments& arguments, std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
  if (error != std::errc{} || end != text.data() + text.size()) return false;
  arguments.expected = value;
  return true;
}

bool read_seed(Arguments& arguments, std::string_view text) {
  const auto seed = number(text);
  if (seed) arguments.first = arguments.last = *seed;
  return seed.has_value();
}

std::optional<Arguments> read_arguments(int argc, char** argv) {
  Arguments arguments;
  for (int i = 1; i < argc; ++i) {
    const std::string_view option = argv[i];
    const std::string_view value = i + 1 < argc ? argv[i + 1] : "";
    bool understood = true;
    if (option == "--help" || option == "-h") {
      arguments.help = true;
    } else if (option == "--trace") {
      arguments.trace = true;
    } else if (option == "--json") {
      arguments.json = true;
    } else if (option == "--hashes") {
      arguments.hashes = true;
    } else {
      understood = (option == "--seed" && read_seed(arguments, value)) ||
                   (option == "--seeds" && read_range(arguments, value)) ||
                   (option == "--expect" && read_expected(arguments, value));
      ++i;
    }
    if (!understood) return std::nullopt;
  }
  return arguments;
}

void print_help(const SimProgram& program, std::FILE* to) {
  std::fprintf(
      to,
      "%s: %s\n\n"
      "  --seed N      this seed only\n"
      "  --seeds A..B  these seeds, both included (1..100)\n"
      "  --trace       show every event of the first run on standard error\n"
      "  --hashes      print the combined hash of every %llu seeds\n"
      "  --expect HASH fail if the combined hash of all is another\n"
      "  --json        print the outcome as one JSON object\n"
      "  --help        this text\n\n"
      "Exit codes: 0 every seed passed, 1 one failed or the hash is not the expected one,\n"
      "2 the arguments are wrong.\n",
      program.name.c_str(), program.about.c_str(), static_cast<unsigned long long>(kSeedsPerHash));
}

void print_outcome(const Arguments& arguments, std::uint64_t seeds, std::uint64_t hash,
                   bool passed) {
  const auto first = static_cast<unsigned long long>(arguments.first);
  const auto last = static_cast<unsigned long long>(arguments.last);
  const auto count = static_cast<unsigned long long>(seeds);
  const auto all = static_cast<unsigned long long>(hash);
  if (arguments.json) {
    std::printf("{\"first\":%llu,\"last\":%llu,\"ran\":%llu,\"passed\":%s,\"hash\":\"%016llx\"}\n",
                first, last, count, passed ? "true" : "false", all);
  } else if (passed) {
    std::printf("%llu seeds passed (%llu..%llu), each run twice; combined hash %016llx\n", count,
                first, last, all);
  }
}

// What the seeds do is another thing than when the hash was written down.
bool is_expected(const Arguments& arguments, std::uint64_t hash) {
  if (!arguments.expected || *arguments.expected == hash) return true;
  std::fprintf(
      stderr,
      "the combined hash of the seeds %llu..%llu is %016llx, not %016llx: they do something "
      "else than when that was written down. If they are meant to, write down the new "
      "one; --hashes shows which seeds differ from another build's.\n",
      static_cast<unsigned long long>(arguments.first),
      static_cast<unsigned long long>(arguments.last), static_cast<unsigned long long>(hash),
      static_cast<unsigned long long>(*arguments.expected));
  return false;
}

void announce(const SimProgram& program, std::uint64_t seed) {
  std::snprintf(abort_line.data(), abort_line.size(),
                "seed %llu aborted: repeat it with %s --seed %llu --trace\n",
                static_cast<unsigned long long>(seed), program.name.c_str(),
                static_cast<unsigned long long>(seed));
}

}  // namespace

std::uint64_t combine_sim_hash(std::uint64_t combined, std::uint64_t hash) noexcept {
  combined = (combined ^ hash) * 0xbf58476d1ce4e5b9U;
  return combined ^ (combined >> 31);
}

SimResult run_sim_seed(const SimProgram& program, std::uint64_t seed) {
  announce(program, seed);
  SimResult first = program.run(seed, false);
  if (!first.failure.empty()) return first;
  const SimResult second = program.run(seed, false);
  if (second.failure.empty() && second.hash == first.hash) return first;
  first.failure = second.failure.empty()
                      ? "two runs of the seed differ: something beside it had a say"
                      : "the second run failed: " + second.failure;
  first.last_events = second.last_events;
  return first;
}

std::string sim_failure_report(const SimProgram& program, std::uint64_t seed,
                               const SimResult& result) {
  const std::string number = std::to_string(seed);
  return "seed " + number + " failed: " + result.failure + "\ncommit " +
         commit_of(program.source_directory) + "; " + result.setting + "\nlast events:\n" +
         result.last_events + "repeat it with: " + program.name + " --seed " + number +
         " --trace\n";
}

int run_sim_program(const SimProgram& program, int argc, char** argv) {
  const auto arguments = read_arguments(argc, argv);
  if (!arguments || arguments->help) {
    print_help(program, arguments ? stdout : stderr);
    return arguments ? 0 : 2;
  }
  for (const int signal : {SIGABRT, SIGSEGV, SIGBUS}) std::signal(signal, &on_crash);
  std::uint64_t all = 0;
  std::uint64_t part = 0;
  std::uint64_t seeds = 0;
  for (std::uint64_t seed = arguments->first; seed <= arguments->last; ++seed) {
    if (arguments->trace) {
      announce(program, seed);
      static_cast<void>(program.run(seed, true));
    }
    const SimResult result = run_sim_seed(program, seed);
    ++seeds;
    if (!result.failure.empty()) {
      std::fputs(sim_failure_report(program, seed, result).c_str(), stderr);
      print_outcome(*arguments, seeds, all, false);
      return 1;
    }
    all = combine_sim_hash(all, result.hash);
    part = combine_sim_hash(part, result.hash);
    if (arguments->hashes && seeds % kSeedsPerHash == 0) {
      std::printf("0x%016llx\n", static_cast<unsigned long long>(part));
      part = 0;
    }
    if (seeds % kSeedsPerProgress == 0 && ::isatty(STDERR_FILENO) != 0)
      std::fprintf(stderr, "%llu seeds\r", static_cast<unsigned long long>(seeds));
  }
  const bool passed = is_expected(*arguments, all);
  print_outcome(*arguments, seeds, all, passed);
  return passed ? 0 : 1;
}

}  // namespace zenwire::testing
