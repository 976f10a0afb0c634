// zenwire doctor: what of this machine is right for the engine, what costs latency, and the command
// that mends it.

#include <array>
#include <charconv>
#include <cstdio>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include <sched.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <zenwire/codec/kernel.hpp>
#include <zenwire/engine/tls.hpp>
#include <zenwire/engine/uring_io.hpp>

#include "command_line.hpp"
#include "json_line.hpp"
#include "output.hpp"

namespace zenwire::tools {
namespace {

constexpr std::string_view kDoctorName = "doctor";

enum class Verdict : std::uint8_t {
  right,
  note,    // depends on what the machine is for, or cannot be seen from here
  costs,   // works, and costs latency
  broken,  // the engine cannot run
};

constexpr std::string_view name(Verdict verdict) noexcept {
  constexpr std::array<std::string_view, 4> kNames = {"right", "note", "costs", "broken"};
  return kNames[static_cast<std::size_t>(verdict)];
}

struct Finding {
  Verdict verdict;
  std::string subject;
  std::string found;
  std::string mend;  // a command, or what to do; empty: nothing
};
using Findings = std::vector<Finding>;

// --- Reading what the kernel shows.

std::optional<std::string> first_line(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  if (!file || !std::getline(file, line)) return std::nullopt;
  return line;
}

std::optional<long long> number_in(const std::string& path) {
  const auto line = first_line(path);
  long long value = 0;
  if (!line) return std::nullopt;
  const auto [at, error] = std::from_chars(line->data(), line->data() + line->size(), value);
  static_cast<void>(at);
  return error == std::errc{} ? std::optional(value) : std::nullopt;
}

// The value after `key` and a colon in a file such as /proc/cpuinfo.
std::string field_of(const std::string& path, std::string_view key) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (line.compare(0, key.size(), key) != 0) continue;
    const auto colon = line.find(':');
    const auto value = line.find_first_not_of(" \t", colon + 1);
    if (colon != std::string::npos && value != std::string::npos) return line.substr(value);
  }
  return {};
}

bool has_word(const std::string& words, std::string_view wanted) {
  std::istringstream stream(words);
  for (std::string word; stream >> word;) {
    if (word == wanted) return true;
  }
  return false;
}

// "always [madvise] never" -> "madvise"
std::string chosen_in(const std::string& choices) {
  const auto open = choices.find('[');
  const auto close = choices.find(']');
  return open == std::string::npos || close < open ? choices
                                                   : choices.substr(open + 1, close - open - 1);
}

std::string limit_text(rlim_t limit) {
  return limit == RLIM_INFINITY ? "unlimited" : std::to_string(limit);
}

// --- What must be there.

void check_kernel(Findings& findings) {
  utsname system{};
  uname(&system);
  findings.push_back({Verdict::right, "kernel", std::string("Linux ") + system.release, ""});
}

void check_ring(Findings& findings) {
  auto io = UringIo::create();
  if (!io) {
    const Error& error = io.error();
    findings.push_back(
        {Verdict::broken, "ring",
         std::string(message(error.code())) + " (" + std::string(error.detail()) + ")",
         std::string(suggestion(error.code()))});
    return;
  }
  const RingReport report = (*io)->report();
  std::string text = "io_uring with " + std::to_string(report.operations) + " operations:";
  text += report.single_issuer ? " single issuer," : " no single issuer,";
  text += report.defer_taskrun ? " deferred task work," : " no deferred task work,";
  text += report.taskrun_flag ? " task-run flag" : " no task-run flag";
  const bool best = report.single_issuer && report.defer_taskrun && report.taskrun_flag;
  findings.push_back(
      {best ? Verdict::right : Verdict::costs, "ring", text, best ? "" : "run Linux 6.1 or newer"});
}

void check_crypto(Findings& findings) {
  const CryptoReport report = crypto_report();
  const std::string text = report.text.empty() ? "wolfSSL " + report.version : report.text;
  findings.push_back(
      {report.fast ? Verdict::right : Verdict::costs, "crypto", text,
       report.fast ? "" : "tools/setup builds a fast wolfSSL; then build zenwire again"});
}

void check_authorities(Findings& findings) {
  constexpr const char* kBundle = "/etc/ssl/certs/ca-certificates.crt";
  const bool there = ::access(kBundle, R_OK) == 0;
  findings.push_back({there ? Verdict::right : Verdict::costs, "authorities",
                      std::string(there ? "" : "cannot read ") + kBundle,
                      there ? "" : "apt-get install ca-certificates, or give --ca FILE"});
}

// --- Processor.

void check_kernels(Findings& findings) {
  const bool vector = active_kernel() != Kernel::scalar;
  findings.push_back({vector ? Verdict::right : Verdict::costs, "vector unit",
                      "masking on " + std::string(zenwire::name(active_kernel())) + ", UTF-8 on " +
                          std::string(utf8_kernel_name()),
                      vector ? "" : "use a processor with AVX2"});
}

void check_counter(Findings& findings) {
  const std::string flags = field_of("/proc/cpuinfo", "flags");
  const bool steady = has_word(flags, "constant_tsc") && has_word(flags, "nonstop_tsc");
  findings.push_back({steady ? Verdict::right : Verdict::costs, "time-stamp counter",
                      steady ? "constant and nonstop" : "not constant or not nonstop",
                      steady ? "" : "latency marks are not reliable here: use another machine"});
  const std::string base = "/sys/devices/system/clocksource/clocksource0/";
  const std::string source = first_line(base + "current_clocksource").value_or("unknown");
  const bool listed = has_word(first_line(base + "available_clocksource").value_or(""), "tsc");
  const bool is_tsc = source == "tsc";
  findings.push_back({is_tsc ? Verdict::right : Verdict::costs, "clock source", source,
                      is_tsc   ? ""
                      : listed ? "echo tsc > " + base + "current_clocksource"
                               : "boot with clocksource=tsc tsc=reliable"});
}

void check_cores(Findings& findings) {
  cpu_set_t set;
  CPU_ZERO(&set);
  sched_getaffinity(0, sizeof set, &set);
  const int usable = CPU_COUNT(&set);
  const long online = sysconf(_SC_NPROCESSORS_ONLN);
  findings.push_back({usable > 1 ? Verdict::right : Verdict::costs, "cores",
                      std::to_string(usable) + " of " + std::to_string(online) + " usable",
                      usable > 1 ? "" : "give the process at least two cores (taskset, cpuset)"});
  const std::string base = "/sys/devices/system/cpu/";
  const std::string isolated = first_line(base + "isolated").value_or("");
  findings.push_back(
      {isolated.empty() ? Verdict::costs : Verdict::right, "isolated cores",
       isolated.empty() ? "none: other tasks interrupt a spinning reactor" : isolated,
       isolated.empty() ? "boot with isolcpus=N rcu_nocbs=N, and use --core N" : ""});
  const std::string tickless = first_line(base + "nohz_full").value_or("");
  const bool none = tickless.empty() || tickless == "(null)";
  findings.push_back({none ? Verdict::costs : Verdict::right, "tickless cores",
                      none ? "none: the timer tick stops a spinning reactor for some us, 100 to "
                             "1,000 times a second"
                           : tickless,
                      none ? "boot with nohz_full=N (needs CONFIG_NO_HZ_FULL)" : ""});
  if (number_in(base + "smt/active").value_or(0) == 1) {
    findings.push_back(
        {Verdict::costs, "hyper-threading", "on: siblings share a core's units",
         "echo off > /sys/devices/system/cpu/smt/control, or leave the sibling idle"});
  }
}

void check_frequency(Findings& findings) {
  const auto governor = first_line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor");
  if (!governor) {
    findings.push_back({Verdict::note, "governor",
                        "not visible (a virtual machine, or the firmware decides)", ""});
    return;
  }
  const bool right = *governor == "performance";
  findings.push_back({right ? Verdict::right : Verdict::costs, "governor", *governor,
                      right ? "" : "cpupower frequency-set -g performance"});
}

// --- Memory.

void check_memory(Findings& findings) {
  const auto thp = first_line("/sys/kernel/mm/transparent_hugepage/enabled");
  if (thp) {
    const std::string chosen = chosen_in(*thp);
    const bool right = chosen == "madvise" || chosen == "never";
    findings.push_back({right ? Verdict::right : Verdict::costs, "transparent huge pages", chosen,
                        right ? "" : "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled"});
  }
  const std::string reserved = field_of("/proc/meminfo", "HugePages_Total");
  const bool some = !reserved.empty() && reserved != "0";
  findings.push_back({some ? Verdict::right : Verdict::note, "huge pages",
                      (some ? reserved : "none") + std::string(" reserved"),
                      some ? "" : "for the huge_pages option: sysctl -w vm.nr_hugepages=64"});
  const auto balancing = number_in("/proc/sys/kernel/numa_balancing");
  if (balancing.value_or(0) != 0) {
    findings.push_back({Verdict::costs, "NUMA balancing",
                        "on: it unmaps pages to see who uses them",
                        "sysctl -w kernel.numa_balancing=0"});
  }
}

void check_limits(Findings& findings) {
  rlimit limit{};
  getrlimit(RLIMIT_MEMLOCK, &limit);
  const bool lockable = limit.rlim_cur == RLIM_INFINITY || geteuid() == 0;
  findings.push_back({lockable ? Verdict::right : Verdict::note, "lockable memory",
                      limit_text(limit.rlim_cur) + " bytes",
                      lockable ? "" : "for the lock_memory option: ulimit -l unlimited"});
  getrlimit(RLIMIT_NOFILE, &limit);
  const bool enough = limit.rlim_cur >= 4096;
  findings.push_back({enough ? Verdict::right : Verdict::costs, "open files",
                      limit_text(limit.rlim_cur),
                      enough ? "" : "for a thousand connections: ulimit -n 65536"});
}

// --- Network.

struct SysctlFloor {
  const char* subject;
  const char* key;  // with slashes
  long long floor;
  Verdict below;
  const char* why;
};

constexpr std::array kFloors = {
    SysctlFloor{"receive buffer limit", "net/core/rmem_max", 4 << 20, Verdict::costs,
                "a burst that does not fit is paced by acknowledgements"},
    SysctlFloor{"send buffer limit", "net/core/wmem_max", 4 << 20, Verdict::note,
                "only for large messages"},
    SysctlFloor{"listen backlog", "net/core/somaxconn", 1024, Verdict::note, "only for servers"},
    SysctlFloor{"busy poll", "net/core/busy_poll", 1, Verdict::note,
                "polling the network card's queue saves its interrupt; loopback has none"},
};

std::string dotted(std::string_view key) {
  std::string text(key);
  for (char& character : text) {
    if (character == '/') character = '.';
  }
  return text;
}

void check_floor(Findings& findings, const SysctlFloor& floor) {
  const auto value = number_in(std::string("/proc/sys/") + floor.key);
  if (!value) return;
  const bool right = *value >= floor.floor;
  const long long mend = floor.floor == 1 ? 50 : floor.floor;
  findings.push_back({right ? Verdict::right : floor.below, floor.subject,
                      std::to_string(*value) + (right ? "" : std::string(": ") + floor.why),
                      right ? "" : "sysctl -w " + dotted(floor.key) + "=" + std::to_string(mend)});
}

void check_network(Findings& findings) {
  for (const SysctlFloor& floor : kFloors) check_floor(findings, floor);
  const std::string control =
      first_line("/proc/sys/net/ipv4/tcp_congestion_control").value_or("unknown");
  const bool paced = control == "bbr";
  findings.push_back({paced ? Verdict::costs : Verdict::right, "congestion control",
                      control + (paced ? ": it paces what is sent" : ""),
                      paced ? "sysctl -w net.ipv4.tcp_congestion_control=cubic, or the option "
                              "congestion_control=cubic"
                            : ""});
  const bool restarts = number_in("/proc/sys/net/ipv4/tcp_slow_start_after_idle").value_or(0) != 0;
  findings.push_back({restarts ? Verdict::costs : Verdict::right, "slow start after idle",
                      restarts ? "on: an order after a pause starts with a small window" : "off",
                      restarts ? "sysctl -w net.ipv4.tcp_slow_start_after_idle=0" : ""});
  findings.push_back(
      {Verdict::note, "acknowledgements",
       "on a one-way stream the acknowledgement is sent inside recv; the engine hides "
       "it with its peek, a route attribute makes it prompt everywhere",
       "ip route change <the venue's route> quickack 1"});
}

Findings examine() {
  Findings findings;
  check_kernel(findings);
  check_ring(findings);
  check_crypto(findings);
  check_authorities(findings);
  check_kernels(findings);
  check_counter(findings);
  check_cores(findings);
  check_frequency(findings);
  check_memory(findings);
  check_limits(findings);
  check_network(findings);
  return findings;
}

void print(Output& output, const Findings& findings) {
  for (const Finding& finding : findings) {
    char head[48];
    std::snprintf(head, sizeof head, "%-7s %-23s ", std::string(name(finding.verdict)).c_str(),
                  finding.subject.c_str());
    output.write(head);
    output.write_line(finding.found);
    if (finding.mend.empty()) continue;
    output.write(std::string(32, ' '));
    output.write_line("mend: " + finding.mend);
  }
}

void print_json(Output& output, const Findings& findings) {
  std::string rows;
  for (const Finding& finding : findings) {
    JsonLine row;
    row.add("verdict", name(finding.verdict)).add("subject", finding.subject);
    row.add("found", finding.found);
    if (!finding.mend.empty()) row.add("mend", finding.mend);
    rows += (rows.empty() ? "" : ",") + row.text();
  }
  output.write_line(
      JsonLine().add("version", ZENWIRE_VERSION).add_json("findings", "[" + rows + "]").text());
}

}  // namespace

ExitCode doctor_main(Arguments arguments) {
  bool json = false;
  CommandLine line(kDoctorName,
                   "Says what of this machine is right for the engine, what costs latency, and the "
                   "command that mends it. Exit code 1 if something keeps the engine from running.",
                   "doctor\n"
                   "doctor --json");
  line.options().add_flag("--json", json, "print the findings as one JSON object");
  if (const auto code = line.parse(arguments)) return *code;
  const Findings findings = examine();
  Output output;
  if (json) {
    print_json(output, findings);
  } else {
    print(output, findings);
  }
  for (const Finding& finding : findings) {
    if (finding.verdict == Verdict::broken) return ExitCode::failed;
  }
  return ExitCode::ok;
}

}  // namespace zenwire::tools
