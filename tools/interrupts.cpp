#include "interrupts.hpp"

#include <algorithm>
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

bool Interrupts::wait_for_descriptor(int descriptor, std::chrono::duration<double> time) noexcept {
  using std::chrono::steady_clock;
  const auto end = steady_clock::now() + std::chrono::duration_cast<steady_clock::duration>(time);
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - steady_clock::now());
    std::array<pollfd, 2> ready{{{signals_, POLLIN, 0}, {descriptor, POLLIN, 0}}};
    const int count = ::poll(ready.data(), ready.size(),
                             static_cast<int>(std::max<std::int64_t>(left.count(), 0)));
    if (count == 0 || (count > 0 && ready[0].revents == 0)) return false;
    signalfd_siginfo info{};
    if (count < 0 || ::read(signals_, &info, sizeof info) != sizeof info) continue;
    caught_.store(static_cast<int>(info.ssi_signo), std::memory_order_release);
    return true;
  }
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
