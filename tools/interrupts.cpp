#include "interrupts.hpp"

#include <array>
#include <csignal>
#include <cstdint>

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <zenwire/base/assert.hpp>
#include <zenwire/engine/reactor.hpp>

namespace zenwire::tools {

Interrupts::Interrupts() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&set, signal);
  ZW_ASSERT(pthread_sigmask(SIG_BLOCK, &set, nullptr) == 0);
  signals_ = ::signalfd(-1, &set, SFD_CLOEXEC);
  ZW_ASSERT(signals_ >= 0);
}

Interrupts::~Interrupts() {
  ::close(signals_);
}

StopOnSignal::StopOnSignal(Interrupts& interrupts, Reactor& reactor,
                           std::chrono::nanoseconds deadline)
    : interrupts_(interrupts),
      reactor_(reactor),
      deadline_(deadline),
      end_(::eventfd(0, EFD_CLOEXEC)) {
  ZW_ASSERT(end_ >= 0);
  thread_ = std::thread([this] { wait(); });
}

StopOnSignal::~StopOnSignal() {
  const std::uint64_t one = 1;
  ZW_ASSERT(::write(end_, &one, sizeof one) == sizeof one);
  thread_.join();
  ::close(end_);
}

void StopOnSignal::wait() noexcept {
  for (;;) {
    std::array<pollfd, 2> ready{{{interrupts_.signals_, POLLIN, 0}, {end_, POLLIN, 0}}};
    if (::poll(ready.data(), ready.size(), -1) < 0) continue;
    if (ready[1].revents != 0) return;
    signalfd_siginfo info{};
    if (::read(interrupts_.signals_, &info, sizeof info) != sizeof info) continue;
    const int signal = static_cast<int>(info.ssi_signo);
    if (interrupts_.caught() != 0) ::_exit(128 + signal);
    interrupts_.caught_.store(signal, std::memory_order_release);
    reactor_.stop(deadline_);
  }
}

}  // namespace zenwire::tools
