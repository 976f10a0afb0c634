#include "child.hpp"

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <zenwire/base/assert.hpp>

namespace zenwire::bench {

Child& Child::operator=(Child&& other) noexcept {
  if (this == &other) return *this;
  stop();
  pid_ = std::exchange(other.pid_, -1);
  process_ = std::exchange(other.process_, -1);
  errors_ = std::exchange(other.errors_, -1);
  return *this;
}

Result<Child> Child::fork_one() {
  Child child;
  child.errors_ = ::memfd_create("standard error", MFD_CLOEXEC);
  if (child.errors_ < 0) return fail(Errc::system_error, "memfd_create", errno);
  std::fflush(nullptr);  // or both would write what is buffered
  const pid_t parent = ::getpid();
  child.pid_ = ::fork();
  if (child.pid_ < 0) return fail(Errc::system_error, "fork", errno);
  if (child.pid_ == 0) {
    // Whoever measures may be killed; what it started must not go on.
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent || ::dup2(child.errors_, STDERR_FILENO) < 0) leave(1);
    return child;
  }
  child.process_ = static_cast<int>(::syscall(SYS_pidfd_open, child.pid_, 0));
  if (child.process_ < 0) return fail(Errc::system_error, "pidfd_open", errno);
  return child;
}

void Child::leave(int code) noexcept {
  std::fflush(nullptr);
  ::_exit(code);
}

ChildEnd Child::wait(const WaitFor& wait_for, double seconds) noexcept {
  ZW_ASSERT(process_ >= 0);
  Wait wait{process_, seconds};
  wait_for(wait);
  if (wait.outcome != Wait::Outcome::ready) ::kill(pid_, SIGKILL);
  return {wait.outcome, reap()};
}

int Child::reap() noexcept {
  int status = 0;
  while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void Child::stop() noexcept {
  if (pid_ > 0) {
    ::kill(pid_, SIGKILL);
    reap();
  }
  for (int* const descriptor : {&process_, &errors_}) {
    if (*descriptor >= 0) ::close(*descriptor);
    *descriptor = -1;
  }
}

std::string Child::errors() const {
  constexpr std::size_t kErrors_bytes_max = std::size_t{64} << 10;
  std::string text(kErrors_bytes_max, '\0');
  const ssize_t got = ::pread(errors_, text.data(), text.size(), 0);
  text.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  while (text.ends_with('\n')) text.pop_back();
  return text;
}

}  // namespace zenwire::bench
