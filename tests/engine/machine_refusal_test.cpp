// A machine that says no: each refusal gets its own error. The kernel's are brought about in a
// child process, by a seccomp filter that gives a system call the error of choice.

#include <cerrno>
#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <zenwire/engine/reactor.hpp>
#include <zenwire/engine/recorder.hpp>
#include <zenwire/engine/uring_io.hpp>

#include "loop.hpp"
#include "sanitized.hpp"
#include "temporary_directory.hpp"

namespace zenwire {
namespace {

using test::make_reactor;
using test::run_until;

// These system calls fail with this error from now on, for good: in a child.
bool forbid(const std::vector<unsigned>& calls, unsigned error) {
  std::vector<sock_filter> filter;
  filter.push_back(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)));
  for (const unsigned call : calls) {
    filter.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 1));
    filter.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error));
  }
  filter.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
  const sock_fprog program{static_cast<unsigned short>(filter.size()), filter.data()};
  ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  return ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

// What `happens` returns, in a process of its own.
Errc in_a_child(const std::function<Errc()>& happens) {
  int answer[2];
  EXPECT_EQ(::pipe(answer), 0);
  const pid_t child = ::fork();
  EXPECT_GE(child, 0);
  if (child == 0) {
    const Errc code = happens();
    const bool told = ::write(answer[1], &code, sizeof code) == sizeof code;
    ::_exit(told ? 0 : 1);
  }
  ::close(answer[1]);
  Errc code = Errc::count_;
  EXPECT_EQ(::read(answer[0], &code, sizeof code), static_cast<ssize_t>(sizeof code));
  ::close(answer[0]);
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  return code;
}

template <typename Value>
Errc code_of(const Result<Value>& result) {
  return result ? Errc::ok : result.error().code();
}

Errc code_of_ring() {
  return code_of(UringIo::create());
}

// --- The ring.

struct RefusedRing {
  const char* name;
  unsigned error;
  Errc code;
};

class RefusedRings : public testing::TestWithParam<RefusedRing> {};

TEST_P(RefusedRings, are_told_by_their_error) {
  const auto code = in_a_child([] {
    return forbid({__NR_io_uring_setup}, GetParam().error) ? code_of_ring() : Errc::system_error;
  });
  EXPECT_EQ(name(code), name(GetParam().code));
}

INSTANTIATE_TEST_SUITE_P(
    Table, RefusedRings,
    testing::Values(RefusedRing{"by_seccomp", EPERM, Errc::ring_refused_by_seccomp},
                    RefusedRing{"by_seccomp_as_if_there_were_none", ENOSYS,
                                Errc::ring_refused_by_seccomp},
                    RefusedRing{"for_want_of_descriptors", EMFILE, Errc::ring_failed},
                    RefusedRing{"for_want_of_memory", ENOMEM, Errc::ring_failed}),
    [](const auto& at) { return at.param.name; });

// A kernel that calls itself 2.6 is too old, whatever it is.
TEST(RefusedRing, by_an_old_kernel_is_not_supported) {
  const auto code = in_a_child([] {
    constexpr unsigned long kUname26 = 0x0020000;
    if (::personality(kUname26) < 0) return Errc::system_error;
    return forbid({__NR_io_uring_setup}, ENOSYS) ? code_of_ring() : Errc::system_error;
  });
  EXPECT_EQ(name(code), name(Errc::ring_not_supported));
}

// /proc/sys/kernel of the child's own, with a switch that says "closed".
bool close_the_ring_by_sysctl() {
  if (::unshare(CLONE_NEWNS) != 0) return false;
  if (::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return false;
  if (::mount("none", "/proc/sys/kernel", "tmpfs", 0, nullptr) != 0) return false;
  std::FILE* file = std::fopen("/proc/sys/kernel/io_uring_disabled", "w");
  return file != nullptr && std::fputs("2\n", file) >= 0 && std::fclose(file) == 0;
}

TEST(RefusedRing, by_sysctl_is_told) {
  const auto code = in_a_child([] {
    if (!close_the_ring_by_sysctl()) return Errc::ok;
    return forbid({__NR_io_uring_setup}, EPERM) ? code_of_ring() : Errc::system_error;
  });
  if (code == Errc::ok) GTEST_SKIP() << "a mount namespace takes root";
  EXPECT_EQ(name(code), name(Errc::ring_refused_by_sysctl));
}

// --- The reactor's start.

TEST(RefusedStart, a_core_that_this_process_may_not_use) {
  const auto code = in_a_child([] {
    auto reactor = make_reactor({.core = 0});
    return forbid({__NR_sched_setaffinity}, EINVAL) ? code_of(reactor->run()) : Errc::system_error;
  });
  EXPECT_EQ(name(code), name(Errc::affinity_refused));
}

// It left its connections as they were; whoever waited for them, a session say, waited for ever.
TEST(RefusedStart, a_reactor_that_may_not_run_tells_who_waits_for_it) {
  const auto code = in_a_child([] {
    auto reactor = make_reactor({.core = 0});
    bool told = false;
    Errc failed = Errc::ok;
    auto on_stop = [&](Reactor&) noexcept { told = true; };
    auto on_failed = [&](Connection&, const OpenFailure& failure) noexcept {
      failed = failure.error.code();
    };
    StopNotice notice(Callback<Reactor&>::to(on_stop));
    reactor->notify_of_stop(notice);
    ConnectionHandlers handlers;
    handlers.on_failed = Callback<Connection&, const OpenFailure&>::to(on_failed);
    const auto id = reactor->connect({.url = "ws://127.0.0.1:1/"}, handlers);
    if (!id || !forbid({__NR_sched_setaffinity}, EINVAL)) return Errc::system_error;
    const Errc refused = code_of(reactor->run());
    return told && failed != Errc::ok ? refused : Errc::system_error;
  });
  EXPECT_EQ(name(code), name(Errc::affinity_refused));
}

TEST(RefusedStart, memory_that_may_not_be_locked) {
  if (test::kSanitized)
    GTEST_SKIP() << "the sanitizers swallow mlockall, so that nothing refuses it";
  const auto code = in_a_child([] {
    if (!forbid({__NR_mlockall}, ENOMEM)) return Errc::system_error;
    return code_of(Reactor::create({.prefault = false, .lock_memory = true}));
  });
  EXPECT_EQ(name(code), name(Errc::memory_lock_refused));
}

TEST(RefusedStart, memory_that_is_not_there) {
  const auto code = in_a_child(
      [] { return code_of(Reactor::create({.large_buffers = 1u << 30, .prefault = false})); });
  EXPECT_EQ(name(code), name(Errc::memory_exhausted));
}

// --- Sockets.

Errc code_of_connecting(const std::string& url) {
  auto reactor = make_reactor();
  ConnectOptions options;
  options.url = url;
  options.deadlines.connect = std::chrono::milliseconds(50);
  Errc code = Errc::ok;
  const auto on_failed = [&](Connection&, const OpenFailure& failure) noexcept {
    code = failure.error.code();
  };
  using OnFailed = Callback<Connection&, const OpenFailure&>;
  const auto id = reactor->connect(options, {.on_failed = OnFailed::to(on_failed)});
  EXPECT_TRUE(id.has_value());
  EXPECT_TRUE(run_until(*reactor, [&] { return code != Errc::ok; }));
  return code;
}

// The kernel makes no TCP connection to a group of hosts.
TEST(RefusedSocket, a_place_that_cannot_be_reached) {
  EXPECT_EQ(name(code_of_connecting("ws://224.0.0.1/")), name(Errc::connect_unreachable));
}

// A link-local address without its link.
TEST(RefusedSocket, an_address_that_means_nothing) {
  EXPECT_EQ(name(code_of_connecting("ws://[fe80::1]/")), name(Errc::connect_failed));
}

// A listener whose queue of connections is full answers no more.
TEST(RefusedSocket, a_server_that_does_not_answer) {
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t bytes = sizeof address;
  auto* const any = reinterpret_cast<sockaddr*>(&address);
  ASSERT_EQ(::bind(listener, any, bytes), 0);
  ASSERT_EQ(::listen(listener, 0), 0);
  ASSERT_EQ(::getsockname(listener, any, &bytes), 0);
  std::vector<int> waiting;
  for (int i = 0; i < 4; ++i) {
    waiting.push_back(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    static_cast<void>(::connect(waiting.back(), any, bytes));
  }
  const std::string url = "ws://127.0.0.1:" + std::to_string(ntohs(address.sin_port)) + "/";
  EXPECT_EQ(name(code_of_connecting(url)), name(Errc::connect_timeout));
  for (const int socket : waiting) ::close(socket);
  ::close(listener);
}

// TEST-NET-1 (RFC 5737) is nobody's address.
TEST(RefusedSocket, listening_on_an_address_of_others) {
  auto reactor = make_reactor();
  EXPECT_EQ(name(code_of(reactor->listen({.address = "192.0.2.1"}))), name(Errc::listen_failed));
}

// --- Recordings.

TEST(RefusedRecording, no_thread_for_its_helper) {
  const test::TemporaryDirectory directory;
  const auto code = in_a_child([&] {
    if (!forbid({__NR_clone, __NR_clone3}, EAGAIN)) return Errc::system_error;
    return code_of(Recorder::open({.path = directory.path() + "/recording.jsonl"}));
  });
  EXPECT_EQ(name(code), name(Errc::recording_failed));
}

}  // namespace
}  // namespace zenwire
